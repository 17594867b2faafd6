"""Arenas of rollouts that are recorded already: blind, asked once, and with the right order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.types import RecordedVideo
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import episode_path
from robo_rlhf.data.reader import Reader
from robo_rlhf.data.recorded_videos import store_video, video_path
from robo_rlhf.feedback.arena.arena import Arena
from robo_rlhf.feedback.arena.standings import standings
from robo_rlhf.feedback.store import Store
from tests.data.making import episode

RATES = {"poor": 0.1, "fair": 0.5, "good": 0.9}  # policy → success


@pytest.fixture
def dataset(home: Path) -> Dataset:
    """Ten rollouts each of three policies, each with a video; whose starts are not known."""
    made, rng = Dataset(home / "lab", create=True), np.random.default_rng(5)
    for number in range(10):
        for policy, rate in RATES.items():
            file = store_video(made.path, f"{policy} {number}".encode(), "mp4")
            outcome = "success" if rng.random() < rate else "failure"
            video = {"top": RecordedVideo(file, file, 20, 5, 64, 48)}
            fields = {"task": "fold", "operator": policy, "outcome": outcome, "frames": video, "note": policy}
            whole = episode(f"{policy}-{number}", steps=4, seed=number, **fields)
            made.add(replace(whole, state=whole.state[:, :0], meta=replace(whole.meta, seed=len(made))))
    return made


def answer_all(home: Path, name: str) -> None:
    """Let two people choose the clip that succeeded, a tie where both or neither did."""
    outcome = {i.meta.id: i.meta.outcome for i in Reader(home / f"runs/{name}/episodes").list()}
    with Store(home / "feedback.db") as store:
        for question in store.questions(name):
            a, b = (outcome[clip.episode_id] == "success" for clip in question.segments)
            choice = "tie" if a == b else "A" if a else "B"
            for person in ("ann", "bo"):
                store.answer(question.id, person, {"choice": choice}, key=f"{person} {question.id}")


def test_recorded_rollouts_are_rated_by_people(
    dataset: Dataset, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["arena", "--recorded", "lab", "--name", "folding", "--judges", "2"]
    for _ in range(2):  # the second time changes nothing
        assert main(words) == 0
        assert "0 of 30 questions" in capsys.readouterr().out
    copies = Dataset(home / "runs/folding/episodes")
    assert len(copies) == 30
    assert {(i.meta.operator, i.meta.note, tuple(i.meta.origin)) for i in copies.list()} == {("folding", "", ())}
    assert len({episode_path(copies.path, name).stat().st_mtime for name in copies}) == 1
    shown = copies.info(copies.ids()[0]).meta.frames["top"].file
    assert video_path(copies.path, shown).read_bytes() == video_path(dataset.path, shown).read_bytes()
    answer_all(home, "folding")
    with Store(home / "feedback.db") as store:
        found = standings(Arena(home, "folding"), store)
    names = [entrant.name for entrant in found.arena.policies()]
    assert [names[place] for place in found.order] == ["good", "fair", "poor"]
    assert found.progress.done
    assert {e.name: (e.successes, e.episodes) for e in found.arena.policies()}["good"][1] == 10


@pytest.mark.usefixtures("dataset")
def test_what_cannot_be_compared_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["arena", "--recorded", "lab", "--name", "folding"]
    assert main(words) == 0
    for more, code, said in (
        (["--judges", "3"], 10, "it compares other rollouts"),
        (["--seeds", "3"], 2, "with --recorded no policy is run"),
        (["--judge", "simulated"], 2, "simulated teachers do not judge what was recorded"),
        (["--task", "other"], 2, "tasks of an arena: expected one"),
    ):
        assert main([*words, *more]) == code
        assert said in capsys.readouterr().err
    assert main(["arena", "--name", "folding"]) == 14
    assert "compares recorded rollouts, which are not run again. Name them: --recorded lab." in capsys.readouterr().err
    for name in Dataset(home / "lab").ids():
        if not name.startswith("good"):
            Dataset(home / "lab").delete(name)
    assert main([*words[:-1], "alone"]) == 2
    assert "expected 2 to 12 to compare, got 1 (good)" in capsys.readouterr().err
