"""A preference is the same in training whatever order the clips stood in, from the request of a page to the tensors."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.question_kind import CLIP_NAMES
from robo_rlhf.feedback.store import Question, Store, question_id
from robo_rlhf.feedback.transfer.export import export
from robo_rlhf.feedback.transfer.import_folder import import_all
from robo_rlhf.reward_fitting.answers import ClipLoader, episodes_of, gather
from teleop.station.services import Station
from tests.data.making import episode
from tests.teleop.station.conftest import Visit

DATASET = "runs/one/episodes"
WORTHS = {  # clips of a question → what each is worth to the annotator; ties among them
    2: [(2, 1), (1, 1)],
    3: [(3, 1, 2), (1, 2, 1)],
    4: [(3, 1, 4, 2), (2, 1, 2, 0)],
    5: [(3, 1, 4, 0, 2), (1, 0, 1, 2, 1)],
}


@pytest.fixture(autouse=True)
def episodes(home: Path, station: Station) -> None:
    dataset = Dataset(home / DATASET, create=True, task="toy")
    for number in range(5):
        dataset.add(episode(f"e{number}", steps=200, seed=number, task="toy"))
    station.store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)


@pytest.fixture
def client(visit: Visit) -> Iterator[TestClient]:
    return visit("operator")  # a role that is shown which episode a clip is from


def ask(station: Station, clips: int, count: int) -> list[Question]:
    """Add questions whose clip i is of episode i, so that its worth is known."""
    kind = "pairwise" if clips == 2 else "ranking"
    shown = [tuple(Segment(f"e{place}", number, 5) for place in range(clips)) for number in range(count)]
    asked = [Question(question_id("one", 0, kind, s), "one", 0, kind, "toy", s, DATASET) for s in shown]
    station.store.add_questions(asked)
    return asked


def judged(question: Any, worth: Sequence[int]) -> Any:
    """Return what a page sends for an annotator who sees how much the clips on the screen are worth."""
    seen = [worth[int(clip["episode"].removeprefix("e"))] for clip in question["clips"]]
    if question["kind"] == "pairwise":
        label = "Equally good" if seen[0] == seen[1] else f"{'AB'[int(np.argmax(seen))]} is better"
        return next(control["value"] for control in question["controls"] if control["label"] == label)
    names = [clip["name"] for clip in question["clips"]]
    groups = [[name for name, w in zip(names, seen, strict=True) if w == level] for level in sorted(set(seen))[::-1]]
    return {"ranking": groups}


def teach(station: Station, client: TestClient, clips: int, worth: Sequence[int]) -> int:
    """Have one question asked in every order and answered; return how many there were."""
    orders = ["".join(order) for order in itertools.permutations(CLIP_NAMES[:clips])]
    ask(station, clips, len(orders))
    coming = iter(orders)
    leases = station.store.leases
    leases._chance = replace(leases._chance, shuffled=lambda _: next(coming))
    for number, order in enumerate(orders):
        question = client.post("/api/review/next", json={}).json()["question"]
        assert "".join(clip["name"] for clip in question["clips"]) == order
        assert [clip["label"] for clip in question["clips"]] == list(CLIP_NAMES[:clips])
        body = {"question": question["question"], "lease": question["lease"], "value": judged(question, worth)}
        told = client.post("/api/review/answer", json={**body, "key": f"k{number}", "seconds": 2.0})
        assert told.status_code == 200, told.text
    assert sorted(answer.shown or "" for answer in station.store.answers()) == sorted(orders)
    return len(orders)


CASES = [(clips, worth) for clips, some in WORTHS.items() for worth in some]


@pytest.mark.parametrize(("clips", "worth"), [*CASES[:-1], pytest.param(*CASES[-1], marks=pytest.mark.slow)])
def test_every_order_on_the_screen_is_the_same_preference_in_training(
    clips: int, worth: tuple[int, ...], client: TestClient, station: Station, home: Path, tmp_path: Path
) -> None:
    count = teach(station, client, clips, worth)
    export(station.store, tmp_path / "out", "parquet" if clips % 2 else "jsonl")
    with Store(tmp_path / "other.db") as other:
        assert import_all(other, tmp_path / "out").problems == []
        questions, answers = other.questions(), other.answers()
    assert len(answers) == count
    loader = ClipLoader(episodes_of(home))
    (examples,) = gather(questions, answers, loader.load, loader=loader).examples
    values = examples.values.numpy()
    assert len(values) == count
    for row, places in zip(values, examples.clips.tolist(), strict=True):
        episodes = [loader.pieces[place][1].episode_id for place in places]
        assert episodes == [f"e{i}" for i in range(clips)]
        np.testing.assert_array_equal(row, values[0])
    for one, other_ in itertools.permutations(range(clips), 2):
        better, more = values[0][one] - values[0][other_], worth[one] - worth[other_]
        assert np.sign(better) == (np.sign(more) if clips == 2 else -np.sign(more))  # places count from the best, 0
    assert set(examples.weight.tolist()) == {1.0}
