"""`robo-rlhf train reward`, once and following, on answers about the toy world."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.types import RecordedVideo, Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recorded_videos import video_path
from robo_rlhf.feedback.store import Answer, Question, Store, question_id
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.rewards.visual import VisualReward
from robo_rlhf.sim.rendering.video import encode_mp4
from tests.data.making import episode
from tests.pipeline.test_online_reward import give
from tests.toy import demonstrations
from tests.training.test_reward import ANSWERS, EPISODES, QUESTIONS

SOME = len({answer.question_id for answer in ANSWERS[:45]})  # a question may come twice
ALL = len({answer.question_id for answer in ANSWERS})
TRAIN = ["train", "reward", "--task", "toy", "--fit.updates", "40", "--fit.batch", "8"]


@pytest.fixture
def asked(home: Path) -> Path:
    """A data home with 60 questions about toy episodes, 45 of them answered."""
    Dataset(home / "data", create=True, task="toy").add_many(EPISODES)
    with Store(home / "feedback.db") as store:
        store.add_questions(QUESTIONS)
        give(store, ANSWERS[:45])
    return home


def test_learns_once_and_says_how_well(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["trained"]["answers"] == SOME
    assert row["people"]["anna"]["held_out"]["answers"] == row["held_out"]["answers"] > 0
    assert row["rounds"].keys() == {"0"}
    assert row["people_agree"] is None
    assert load_reward(Path(row["reward"]), task="toy").obs_dim == 6
    assert main(TRAIN) == 0
    shown = capsys.readouterr()
    assert "accuracy" in shown.out
    assert "newer" not in shown.err


def test_a_run_goes_on_with_the_answers_it_began_with(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--json"]) == 0
    first = capsys.readouterr().out
    with Store(asked / "feedback.db") as store:
        give(store, ANSWERS[:49])
    assert main([*TRAIN, "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.out == first
    assert "continues with the answers it began with; 4 newer answers are not in it." in shown.err
    assert main([*TRAIN, "--json", "--run", "next"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["trained"]["answers"] == SOME + 4


def test_odd_answers_are_told(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(asked / "feedback.db") as store:
        for question in QUESTIONS[:12]:
            store.answer(question.id, "ben", {"choice": "A"}, key=f"ben {question.id}")
    assert main(TRAIN) == 0
    assert "ben prefers the first clip in 12 of 12 questions" in capsys.readouterr().err


def test_follows_answers_until_there_are_enough(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def label() -> None:
        with Store(asked / "feedback.db") as store:
            give(store, ANSWERS)

    person = threading.Timer(0.5, label)
    person.start()
    assert main([*TRAIN, "--follow", "--until", str(ALL), "--json"]) == 0
    person.join()
    shown = capsys.readouterr()
    (row,) = json.loads(shown.out)
    assert row["answers"] == ALL
    assert row["updates"] >= 2
    assert f"{SOME} answers, predicts" in shown.err
    assert (asked / "runs" / "reward" / "metrics.jsonl").read_text().count("\n") == row["updates"]


def test_follows_from_another_model(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--run", "first"]) == 0
    follow = [*TRAIN, "--follow", "--until", str(SOME), "--run", "second", "--start", "first"]
    assert main(follow) == 0
    assert "fitted anew" not in capsys.readouterr().err
    assert main([*follow[:-1], "nothing", "--run", "third"]) == 5


def test_demonstrations_and_marks_weigh_in(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Dataset(asked / "shown", create=True, task="toy").add_many(demonstrations(3))
    weights = ["--demonstration-weight", "0.2", "--demonstrations", "shown"]
    weights += ["--success-weight", "0.2", "--marked", "data", "--unlabeled", "5", "--unlabeled-from", "shown"]
    assert main([*TRAIN, *weights, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["trained"]["answers"] > SOME
    assert main([*TRAIN, "--success-weight", "0.2", "--run", "x"]) == 2
    assert "--marked: expected the name of a dataset, got nothing." in capsys.readouterr().err


def test_mistakes_are_one_line_and_an_exit_code(
    asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TRAIN, "--home", str(tmp_path / "empty")]) == 5
    assert "No feedback database" in capsys.readouterr().err
    assert main([*TRAIN, "--questions-of", "nobody"]) == 5
    assert "No questions of run 'nobody'. There are questions of run." in capsys.readouterr().err
    assert main(["train", "reward", "--task", "lift"]) == 2
    assert "answers to learn a reward from: expected at least one that compares clips" in capsys.readouterr().err
    assert main([*TRAIN, "--reward", "ensembel"]) == 2
    assert "Did you mean 'ensemble'" in capsys.readouterr().err


def test_votes_on_recorded_videos_teach_what_the_pictures_show(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, steps, count = Dataset(home / "lab", create=True), 4, 8
    for number in range(count):  # the further right the better; there are no columns and no actions
        frames = np.zeros((steps + 1, 32, 48, 3), np.uint8)
        frames[:, 8:20, 5 * number : 5 * number + 12] = 255
        file = f"{number:032x}.mp4"
        write_atomic(video_path(made.path, file), encode_mp4(frames, 20.0))
        video = RecordedVideo(file, file, 20.0, steps + 1, 48, 32)
        about = {"task": "fold", "origin": {"format": "video"}, "frames": {"desk": video}}
        one = episode(f"e{number}", steps=steps, seed=number, **about)
        made.add(replace(one, obs=one.obs[:, :0], action=one.action[:, :0], state=one.state[:, :0]))
    questions, answers = [], []
    for first, second in ((a, b) for a in range(count) for b in range(count) if a != b):
        clips = (Segment(f"e{first}", 0, steps), Segment(f"e{second}", 0, steps))
        questions.append(Question(question_id("lab", 0, "pairwise", clips), "lab", 0, "pairwise", "fold", clips, "lab"))
        choice = {"choice": "A" if first > second else "B"}
        answers.append(Answer(questions[-1].id, "anna", "human", choice, "2026-01-01T00:00:00+00:00", 1.0))
    with Store(home / "feedback.db") as store:
        store.add_questions(questions)
        give(store, answers)
    words = ["train", "reward", "--task", "fold", "--size", "16", "--shift", "1", "--json"]
    assert main(words) != 0
    assert "episodes with observations or actions" in capsys.readouterr().err
    learn = ["--fit.updates", "30", "--fit.check-every", "10", "--fit.learning-rate", "0.001", "--run", "sees"]
    assert main([*words, "--cameras", "dek", *learn]) != 0
    assert "Did you mean 'desk'" in capsys.readouterr().err
    assert main([*words, "--cameras", "desk", *learn]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert isinstance(load_reward(Path(row["reward"])), VisualReward)
    assert row["held_out"]["answers"] > 20
    assert row["held_out"]["accuracy"] > 0.8
