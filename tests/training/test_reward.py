import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import robo_rlhf
from robo_rlhf.core.errors import InvalidValueError, NotFoundError, UnknownNameError
from robo_rlhf.core.runs import Run, read_checkpoint
from robo_rlhf.core.types import Episode, Segment, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.quality.predictions import newest_predictions
from robo_rlhf.feedback.store import Answer, Question, question_id
from robo_rlhf.feedback.teachers import TaskUtility, Teacher
from robo_rlhf.reward_fitting.scores import evaluate
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import reward
from tests.toy import ToyEnv, ToyOperator, demonstrations
from tests.training.crowds import crowd, foreseen

ROOT = Path(robo_rlhf.__file__).parents[1]
LENGTH = 10
CONFIG = reward.Config(settings={"width": 16}, fit=FitSettings(updates=150, batch=16), save_every=50, seed=3)


def poor_episodes(count: int = 12) -> list[Episode]:
    """Return episodes of an operator with a shaky hand, marked as a policy's."""
    episodes = rollout(ToyEnv(count), ToyOperator(noise=1.5), np.arange(100, 100 + count), source=Source.POLICY)
    return [replace(e, meta=replace(e.meta, id=f"e{i}")) for i, e in enumerate(episodes)]


EPISODES = poor_episodes()
BY_ID = {episode.meta.id: episode for episode in EPISODES}


def load(dataset: str, episode_id: str) -> Episode:
    if episode_id not in BY_ID:
        raise NotFoundError("episode", episode_id, "It is gone.")
    return BY_ID[episode_id]


def ask(count: int = 60, seed: int = 0) -> list[Question]:
    rng = np.random.default_rng(seed)
    questions = []
    for _ in range(count):
        first, second = rng.choice(len(EPISODES), 2, replace=False)
        start = int(rng.integers(0, 30))
        clips = (Segment(f"e{first}", start, LENGTH), Segment(f"e{second}", start, LENGTH))
        questions.append(Question(question_id("run", 0, "pairwise", clips), "run", 0, "pairwise", "toy", clips, "data"))
    return questions


def say(questions: Sequence[Question], choices: Sequence[str], annotator: str = "anna") -> list[Answer]:
    return [
        Answer(question.id, annotator, "human", {"choice": choice}, "2026-01-01T00:00:00+00:00", 1.0)
        for question, choice in zip(questions, choices, strict=True)
    ]


def teach(questions: Sequence[Question]) -> list[Answer]:
    worth, teacher = TaskUtility(), Teacher()
    answers = []
    for question in questions:
        utilities = [worth(BY_ID[c.episode_id])[c.start : c.start + c.length] for c in question.segments]
        answers.append(str(teacher.answer(question, utilities)["choice"]))
    return say(questions, answers)


QUESTIONS = ask()
ANSWERS = teach(QUESTIONS)


def checkpoint(run: Run) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in read_checkpoint(run.checkpoint_path("reward"))[0].items()}


def test_learns_what_the_teacher_likes(tmp_path: Path) -> None:
    config = reward.Config(settings={"width": 64}, fit=FitSettings(updates=300, learning_rate=1e-3))
    run = Run(tmp_path, config)
    questions = ask(120)
    model = reward.train(config, run, questions, teach(questions), load)
    fresh = reward.gather(ask(200, 1), teach(ask(200, 1)), load)
    scores = evaluate(model, fresh.clips, fresh.examples)
    assert scores.accuracy is not None
    assert scores.accuracy > 0.8
    result = run.result()
    assert result is not None
    assert result["held_out"]["accuracy"] > 0.6
    assert result["trained"]["answers"] == 120
    assert result["skipped"] == {}
    assert json.dumps(result)
    again = load_reward(run.checkpoint_path("reward"), task="toy", obs_dim=6, act_dim=2)
    obs, action, after = EPISODES[0].obs[:-1], EPISODES[0].action, EPISODES[0].obs[1:]
    np.testing.assert_array_equal(again.predict(obs, action, after)[0], model.predict(obs, action, after)[0])


def test_predictions_are_kept_of_what_was_held_out_alone(tmp_path: Path) -> None:
    """Answers by chance are learned by heart, and predicted by chance by the members that did not see them."""
    config = replace(
        CONFIG, settings={"width": 64, "members": 5}, fit=FitSettings(updates=300, learning_rate=3e-3, patience=99)
    )
    choices = [str(choice) for choice in np.random.default_rng(0).choice(["A", "B"], 60)]
    run = Run(tmp_path / "runs" / "chance", config)
    reward.train(config, run, QUESTIONS, say(QUESTIONS, choices), load)
    found = newest_predictions(tmp_path)
    assert set(found) == {(question.id, "anna") for question in QUESTIONS}
    chances = np.array([one.chance for one in found.values()])
    assert 0.3 < np.mean(chances > 0.5) < 0.7
    result = run.result()
    assert result is not None
    assert np.mean(chances > 0.5) == pytest.approx(result["held_out"]["accuracy"], abs=0.1)


def test_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    reward.train(CONFIG, Run(tmp_path, CONFIG), QUESTIONS, ANSWERS, load)
    before = checkpoint(Run(tmp_path, CONFIG))
    model = reward.train(CONFIG, Run(tmp_path, CONFIG), [], [], load)
    assert model.obs_dim == 6
    assert checkpoint(Run(tmp_path, CONFIG)) == before


KILLED = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from robo_rlhf.core.runs import Run
from robo_rlhf.training import reward
from tests.training.test_reward import ANSWERS, CONFIG, QUESTIONS, load
def progress(done, total, metrics):
    print(done, flush=True)
    if done == int(sys.argv[2]):
        sys.stdin.read()  # until the test kills us
reward.train(CONFIG, Run(Path(sys.argv[1]), CONFIG), QUESTIONS, ANSWERS, load, progress=progress)
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, killed = Run(tmp_path / "whole", CONFIG), tmp_path / "killed"
    reward.train(CONFIG, whole, QUESTIONS, ANSWERS, load)
    command = [sys.executable, "-c", KILLED, str(killed), "100"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "100":
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resumed = Run(killed, CONFIG)
    steps: list[int] = []
    reward.train(CONFIG, resumed, QUESTIONS, ANSWERS, load, progress=lambda done, *_: steps.append(done))
    assert steps == [150]
    assert checkpoint(resumed) == checkpoint(whole)
    assert resumed.metrics() == whole.metrics()
    assert resumed.result() == whole.result()


def test_order_of_answers_does_not_matter_to_what_is_held_out() -> None:
    few = reward.gather(QUESTIONS, ANSWERS[:5], load)
    all_of_them = reward.gather(QUESTIONS, ANSWERS, load)
    np.testing.assert_array_equal(few.examples[0].fold, all_of_them.examples[0].fold[:5])


def test_answers_of_two_people_to_one_question_are_held_out_together() -> None:
    judged = reward.gather(QUESTIONS, [*ANSWERS, *say(QUESTIONS, ["tie"] * 60, "ben")], load)
    (examples,) = judged.examples
    assert len(examples) == 120
    np.testing.assert_array_equal(examples.fold[:60], examples.fold[60:])
    assert len(judged.clips) <= 120, "each clip is there once"


def test_clips_that_are_gone_or_broken_are_passed_over_and_counted() -> None:
    gone = replace(QUESTIONS[0], id="gone", segments=(Segment("lost", 0, 10), QUESTIONS[0].segments[1]))
    long = replace(QUESTIONS[0], id="long", segments=(Segment("e0", 35, 10), QUESTIONS[0].segments[1]))
    questions = [*QUESTIONS, gone, long]
    answers = [*ANSWERS, *say([gone, long], ["A", "A"]), *say(QUESTIONS[:3], ["cant_tell"] * 3, "ben")]
    stray = say([replace(gone, id="of another run")], ["A"])
    judged = reward.gather(questions, [*answers, *stray], load)
    assert judged.skipped == {"says nothing": 3, "clips are gone": 1, "clips are broken": 1}
    assert len(judged.examples[0]) == 60


def test_nothing_to_learn_from_is_one_clear_sentence(tmp_path: Path) -> None:
    answers = say(QUESTIONS[:12], ["cant_tell"] * 12)
    lost = replace(QUESTIONS[0], id="lost", segments=(Segment("lost", 0, 10), QUESTIONS[0].segments[1]))
    with pytest.raises(InvalidValueError) as error:
        reward.train(CONFIG, Run(tmp_path, {}), [*QUESTIONS, lost], [*answers, *say([lost], ["A"])], load)
    assert str(error.value) == (
        "answers to learn a reward from: expected at least one that compares clips, "
        "got 0 (1 clips are gone, 12 says nothing)."
    )
    with pytest.raises(InvalidValueError, match=r"got 0 \(none were given\)"):
        reward.gather(QUESTIONS, [], load)


def test_clips_of_two_tasks_are_refused() -> None:
    other = replace(EPISODES[0], meta=replace(EPISODES[0].meta, id="other", task="lift"))
    clips = (Segment("other", 0, 10), Segment("e1", 0, 10))
    question = replace(QUESTIONS[0], id="mixed", segments=clips)
    with pytest.raises(InvalidValueError, match="expected all of one task and of one shape, got lift and toy"):
        reward.gather([question], say([question], ["A"]), lambda d, name: other if name == "other" else load(d, name))


def test_nan_in_an_episode_costs_its_question_alone() -> None:
    obs = EPISODES[0].obs.copy()
    obs[:] = np.nan
    broken = replace(EPISODES[0], obs=obs)
    judged = reward.gather(QUESTIONS, ANSWERS, lambda d, name: broken if name == "e0" else load(d, name))
    with_first = sum(any(clip.episode_id == "e0" for clip in q.segments) for q in QUESTIONS)
    assert judged.skipped == {"clips are broken": with_first}


def test_demonstrations_are_a_weak_prior() -> None:
    shown = demonstrations(6)
    config = replace(CONFIG, demonstration_weight=0.5)
    judged = reward.gather(QUESTIONS, ANSWERS, load)
    more = reward.prepare(config, QUESTIONS, ANSWERS, load, reward.ExtraData(shown))
    answers, prior = more.examples
    assert torch.equal(answers.values, judged.examples[0].values)
    assert float(prior.weight.sum()) == pytest.approx(0.5 * 60)
    assert (prior.fold == -1).all()
    assert (prior.values == prior.values.new_tensor([1.0, 0.0])).all()
    assert len(more.clips) == len(judged.clips) + 2 * len(prior)
    pair = prior.clips[0]
    assert more.clips.mask[pair[0]].sum() == more.clips.mask[pair[1]].sum() == LENGTH
    model, _ = reward.fit_in_memory(config, more)
    scores = evaluate(model, more.clips, [prior])
    assert scores.accuracy is not None
    assert scores.accuracy > 0.65


def test_demonstrations_shorter_than_a_clip_meet_clips_as_short() -> None:
    shown = [demonstrations(1)[0].slice(0, 4)]
    config = replace(CONFIG, demonstration_weight=0.5)
    prior = reward.prepare(config, QUESTIONS, ANSWERS, load, reward.ExtraData(shown))
    assert (prior.clips.mask[prior.examples[1].clips].sum(-1) == 4).all()


def test_episodes_are_found_under_the_data_home(home: Path) -> None:
    dataset = Dataset(home / "runs" / "first" / "episodes", create=True)
    dataset.add(EPISODES[0])
    find = reward.episodes_of(home)
    found = find("runs/first/episodes", "e0")
    np.testing.assert_array_equal(found.obs, EPISODES[0].obs)
    assert find("runs/first/episodes", "e0") is found
    with pytest.raises(NotFoundError):
        find("runs/first/episodes", "e9")


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(InvalidValueError, match="reward demonstration_weight: expected 0 or more, got -1"):
        reward.Config(demonstration_weight=-1)
    with pytest.raises(InvalidValueError, match="reward save_every: expected at least 1, got 0"):
        reward.Config(save_every=0)
    with pytest.raises(UnknownNameError, match="Unknown reward model"):
        reward.fit_in_memory(replace(CONFIG, reward="ensembl"), reward.gather(QUESTIONS, ANSWERS, load))
    wrong = {"updates": 0, "batch": 0, "stride": 0, "crop": 0.0, "flip": 1.0, "patience": 0, "learning_rate": 0.0}
    wrong |= {"weight_decay": -1.0, "margin": -1.0, "pseudo": float("nan"), "pseudo_confidence": 0.4}
    for name, value in wrong.items():
        with pytest.raises(InvalidValueError, match=f"reward fit {name}: expected"):
            FitSettings(**{name: value})  # type: ignore[arg-type]


WRONG = {"anna": 0.0, "ben": 0.05, "carl": 0.05, "dora": 0.5, "emil": 0.5}


def test_who_guesses_moves_the_model_less() -> None:
    said = crowd(WRONG, questions=60, overlap=3, seed=0, fresh=150)
    config = reward.Config(settings={"members": 3, "width": 32}, fit=FitSettings(updates=150, learning_rate=1e-3))
    judged = reward.prepare(config, said.questions, said.answers, said.load, reward.ExtraData())
    (examples,) = judged.examples
    assert examples.annotator is not None
    names = np.array(judged.annotators)[examples.annotator.numpy()]
    weight = {name: float(examples.weight[torch.from_numpy(names == name)].mean()) for name in set(names)}
    assert min(weight[name] for name in ("anna", "ben", "carl")) > 0.7
    assert max(weight.get(name, 0.0) for name in ("dora", "emil")) < 0.5
    half = crowd({**WRONG, "carl": 0.5}, questions=80, overlap=3, seed=2, fresh=150)
    alike = foreseen(replace(config, weigh_people=False), half)
    assert foreseen(config, half) > alike + 0.05


def test_answers_of_one_alone_or_without_overlap_count_in_full() -> None:
    for overlap, people in ((1, WRONG), (1, {"anna": 0.5})):
        said = crowd(people, questions=30, overlap=overlap, seed=1, fresh=5)
        judged = reward.prepare(CONFIG, said.questions, said.answers, said.load, reward.ExtraData())
        assert [float(weight) for examples in judged.examples for weight in examples.weight] == [1.0] * 30


def along(questions: Sequence[Question], annotator: str = "anna") -> tuple[list[Question], list[Answer]]:
    """Return the questions asked along two axes, with answers: near the goal, and its opposite."""
    asked = [
        replace(q, id=question_id("run", 0, "axes", q.segments), kind="axes", meta={"axes": ["near", "far"]})
        for q in questions
    ]
    opposite = {"A": "B", "B": "A"}
    said = [{"axes": {"near": a.value["choice"], "far": opposite[a.value["choice"]]}} for a in teach(questions)]
    stamp = "2026-01-01T00:00:00+00:00"
    return asked, [Answer(q.id, annotator, "human", v, stamp, 1.0) for q, v in zip(asked, said, strict=True)]


def test_answers_along_axes_train_a_head_each(tmp_path: Path) -> None:
    questions, answers = along(ask(80))
    run = Run(tmp_path, CONFIG)
    model = reward.train(CONFIG, run, questions, answers, load)
    assert isinstance(model, AxesReward)
    assert model.axes == ("far", "near")
    result = run.result()
    assert result is not None
    assert set(result["axes"]) == {"far", "near"}
    assert result["axes"]["near"]["trained"]["answers"] == 80
    assert result["trained"]["answers"] == 160
    obs, action, after = EPISODES[0].obs[:-1], EPISODES[0].action, EPISODES[0].obs[1:]
    near, far = (model.head(axis).predict(obs, action, after)[0] for axis in ("near", "far"))
    assert np.corrcoef(near, far)[0, 1] < -0.8
    with pytest.raises(InvalidValueError, match="axis of the learned reward: expected one of far, near, got 'fast'"):
        model.head("fast")


def test_ratings_on_several_axes_and_pairs_are_heads_beside_each_other() -> None:
    questions, answers = along(ask(10))
    clip = questions[0].segments[:1]
    rated = Question("rated", "run", 0, "rating", "toy", clip, "data", meta={"criteria": ["near", "tidy"]})
    value = {"ratings": {"near": 4, "tidy": 2}}
    more = Answer("rated", "anna", "human", value, "2026-01-01T00:00:00+00:00", 1.0)
    judged = reward.gather([*questions, rated, *QUESTIONS[:5]], [*answers, more, *ANSWERS[:5]], load)
    sizes = {(group.likelihood.kind, group.axis): len(group) for group in judged.examples}  # type: ignore[attr-defined]
    assert sizes == {
        ("axes", "far"): 10,
        ("axes", "near"): 10,
        ("pairwise", "overall"): 5,
        ("rating", "near"): 1,
        ("rating", "tidy"): 1,
    }
    assert judged.used == 16
    kind, settings = reward.head_of(CONFIG, judged)
    assert (kind, settings["axes"]) == ("axes", ["far", "near", "overall", "tidy"])
    assert reward.head_of(CONFIG, reward.gather(QUESTIONS, ANSWERS, load)) == (CONFIG.reward, CONFIG.settings)
