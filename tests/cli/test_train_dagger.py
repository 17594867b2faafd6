"""`robo-rlhf train dagger`, from a dataset as the operate page leaves it, and its output in the feedback store."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.types import Segment, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.records import Question, question_id
from robo_rlhf.feedback.store import Store

TRAIN = ["train", "dagger", "--task", "reach", "--failures", "--corrections", "takeovers", "--json"]
SMALL = ["--clone.policy", "gaussian", "--clone.settings", "width", "16", "--clone.updates", "10"]


@pytest.fixture
def takeovers(home: Path, reach_home: Path) -> Dataset:
    """Demonstrations of reach, and a dataset with a branch that corrects one of them from step 8 on."""
    shown = list(Dataset(reach_home / "samples" / "reach").load_all())[:3]
    Dataset(home / "samples" / "reach", create=True).add_many(shown)
    source = np.full(len(shown[0]), int(Source.POLICY), np.uint8)
    source[8:30] = Source.CORRECTION
    fields = {"id": "better", "parent": shown[0].meta.id, "parent_step": 8, "tags": ("branch", "correction")}
    dataset = Dataset(home / "takeovers", create=True)
    dataset.add(replace(shown[0], source=source, meta=replace(shown[0].meta, operator="Ada", **fields)))
    return dataset


def test_takeovers_are_cloned_and_preferred_to_what_they_correct(
    takeovers: Dataset, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TRAIN, *SMALL, "--weights.share", "0.4", "--preferences", "main"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["updates"], row["preferences"]) == (10, 1)
    with Store(home / "feedback.db") as store:
        (question,) = store.questions(run="main")
        (answer,) = store.answers(run="main")
    assert (question.dataset, question.segments[0].start) == ("samples/reach", 8)
    assert (answer.annotator, answer.value["episode"]) == ("Ada", "better")
    assert main([*TRAIN, *SMALL, "--weights.share", "0.4", "--preferences", "main"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["preferences"] == 0
    learn = ["train", "reward", "--task", "reach", "--json", "--run"]
    assert main([*learn, "with", "--fit.updates", "5"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["trained"]["answers"] == 1
    assert main([*learn, "with", "--fit.updates", "5", "--questions-of", "main"]) == 2  # another run by that name
    assert main([*learn, "without", "--no-implicit"]) == 2
    assert "answers to learn a reward from: expected at least one" in capsys.readouterr().err
    assert main(["evaluate", "dagger", "--episodes", "2", "--json"]) == 0


def test_what_was_corrected_may_be_a_clip_of_a_run(
    takeovers: Dataset, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, parent = "runs/main/round-1/clips", takeovers.info("better").meta.parent
    shown = Dataset(home / "samples" / "reach")
    Dataset(home / clips, create=True).add(shown.load(parent))
    shown.delete(parent)
    shown.purge([parent])
    with Store(home / "feedback.db") as store:
        asked = (Segment(parent, 0, 20),)
        question = Question(question_id("main", 1, "approval", asked), "main", 1, "approval", "reach", asked, clips)
        store.add_questions([question])
    assert main([*TRAIN, *SMALL, "--weights.share", "0.4", "--preferences", "better"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["preferences"] == 1
    with Store(home / "feedback.db") as store:
        assert [question.dataset for question in store.questions(run="better")] == [clips]


def test_mistakes_are_one_line_and_an_exit_code(takeovers: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, *SMALL, "--weights.share", "1"]) == 2
    assert "share of corrected steps: expected a number between 0 and 1, got 1.0" in capsys.readouterr().err
    takeovers.delete("better")
    assert main([*TRAIN, *SMALL]) == 2
    assert "got 0 episodes without a corrected step" in capsys.readouterr().err
    assert main(["train", "dagger", "--task", "reach", "--failures", "--corrections", "nowhere"]) == 5
    assert "No dataset 'nowhere'" in capsys.readouterr().err
