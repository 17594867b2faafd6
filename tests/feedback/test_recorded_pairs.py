"""Pairs among recorded episodes: by the metadata of imports, or by seed and operator."""

from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.types import RecordedVideo
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.recorded_pairs import pairs_of
from robo_rlhf.feedback.store import Store
from tests.data.making import episode

VIDEO = {"top": RecordedVideo(f"{'0' * 32}.mp4", f"{'0' * 32}.mp4", 20, 5, 64, 48)}


@pytest.fixture
def dataset(home: Path) -> Dataset:
    """Two starts; three policies at the first, two at the second, one of them twice."""
    made = Dataset(home / "cups", create=True)
    for name in ("a0", "b0", "c0", "a1", "b1", "b1-again"):  # policy and start
        origin = {"pair": f"p{name[1]}", "policy": name[0]}
        fields: dict[str, Any] = {"task": "fold", "origin": origin, "frames": VIDEO}
        whole = episode(name, steps=4, **fields)
        made.add(type(whole)(**{**vars(whole), "state": whole.state[:, :0]}))
    return made


def test_pairs_are_of_one_start_and_two_policies(dataset: Dataset) -> None:
    found = {frozenset(info.meta.id for info in pair) for pair in pairs_of(dataset.list())}
    wanted = ("a0 b0", "a0 c0", "b0 c0", "a1 b1", "a1 b1-again")
    assert found == {frozenset(pair.split()) for pair in wanted}


def test_without_metadata_the_seed_is_the_start_and_the_operator_the_policy(home: Path) -> None:
    made = Dataset(home / "plain", create=True)
    for name, seed, operator in (("x", 1, "old"), ("y", 1, "new"), ("z", 2, "new")):
        whole = episode(name, operator=operator)
        made.add(type(whole)(**{**vars(whole), "meta": type(whole.meta)(**{**vars(whole.meta), "seed": seed})}))
    ((one, other),) = pairs_of(made.list())
    assert {one.meta.id, other.meta.id} == {"x", "y"}


@pytest.mark.usefixtures("dataset")
def test_they_are_asked_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "ask", "cups", "--overlap", "2"]) == 0
    assert "asked 5 questions; 0 were there" in capsys.readouterr().out
    assert main(["feedback", "ask", "cups", "--overlap", "2"]) == 0
    assert "asked 0 questions; 5 were there" in capsys.readouterr().out
    with Store(home / "feedback.db") as store:
        asked = store.questions("cups")
    assert {(question.task, question.overlap, question.dataset) for question in asked} == {("fold", 2, "cups")}
    assert {clip.length for question in asked for clip in question.segments} == {4}
    assert main(["feedback", "ask", "cups", "--task", "other"]) == 2
    assert "none that go together" in capsys.readouterr().err


@pytest.mark.usefixtures("dataset")
def test_they_are_compared_along_named_axes_or_the_tasks(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "ask", "cups", "--axes", "speed", "care with the cup", "--most", "2"]) == 0
    with Store(home / "feedback.db") as store:
        store.tasks.set_axes("fold", ["neatness", "speed"])
    assert main(["feedback", "ask", "cups", "--run", "own", "--axes"]) == 0
    with Store(home / "feedback.db") as store:
        asked, own = store.questions("cups"), store.questions("own")
    assert [question.meta for question in asked] == [{"axes": ["speed", "care with the cup"]}] * 2
    assert {(q.kind, tuple(q.meta["axes"])) for q in own} == {("axes", ("neatness", "speed"))}
    for axes, told in ((["speed"], "another --run for other axes"), (["speed", "speed"], "different names")):
        assert main(["feedback", "ask", "cups", "--axes", *axes]) == 2
        assert told in capsys.readouterr().err
    with Store(home / "feedback.db") as store:
        assert len(store.questions()) == 7


@pytest.mark.usefixtures("dataset")
def test_episodes_that_a_user_chose_are_compared(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "ask", "cups", "--episodes", "a0", "a1", "c0"]) == 0
    assert "asked 3 questions" in capsys.readouterr().out
    with Store(home / "feedback.db") as store:
        asked = {tuple(clip.episode_id for clip in question.segments) for question in store.questions("cups")}
    assert asked == {("a0", "a1"), ("a0", "c0"), ("a1", "c0")}
    for chosen, message in ((["a0"], "two or more of one task"), (["a0", "x"], "episode to compare")):
        assert main(["feedback", "ask", "cups", "--episodes", *chosen]) in (2, 5)
        assert message in capsys.readouterr().err
