"""Pairs with reasons against the same pairs without, on carry_upright: accuracy along tilt and clearance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from robo_rlhf.core.types import Array, Episode, Segment, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.question_kind import REASONS
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.records import Answer, Question, question_id
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.config import TeacherConfig
from robo_rlhf.pipeline.steps.simulated_labels import SimulatedLabeler
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, versions
from robo_rlhf.sim.operators.scripted import PERSON, ScriptedOperator
from robo_rlhf.sim.task_tools import style_measures
from robo_rlhf.sim.tasks.carry_upright import CarryUpright
from robo_rlhf.training import reward

TASK, PAIRS, HELD_OUT, CLIP, EACH = "carry_upright", 100, 400, 40, 16
AXES = ("tilt", "clearance")
LISTED = (Reason("leans", "tilt"), Reason("too near the glass", "clearance"))
WRONG = 0.1
LEAST = {"tilt": 0.1, "clearance": 0.05, "overall": 0.05}  # difference of two clips below which neither is better
WAYS = [(lean, around) for lean in (0.0, 0.25) for around in (0.095, 0.14)]  # [rad], [m]


def reasons(seed: int, home: Path) -> dict[str, Any]:
    """Return the accuracy of the rewards that are learned from 100 pairs, with reasons and without."""
    dataset = Dataset(home / "clips", create=True, task=TASK)
    dataset.add_many(_episodes(seed))
    ids = sorted(dataset.ids())
    rng = np.random.default_rng(seed)
    order = [str(name) for name in rng.permutation(ids)]
    half = len(order) // 2
    asked = _pairs(dataset, order[:half], PAIRS, rng)
    held = _pairs(dataset, order[half:], HELD_OUT, rng)
    settings = TeacherConfig(style_costs="tilt,clearance", reasons=1.0, wrong_reasons=WRONG)
    labeler = SimulatedLabeler(dataset.load, [*asked, *held], settings, None)
    with Store(home / "feedback.db") as store:
        store.tasks.set_reasons(TASK, LISTED)
        store.add_questions(asked)
        labeler.answer(store, asked, seed)
        answers = store.answers()
    bare = [_without(answer) for answer in answers]
    config = reward.Config(settings={"members": 5}, fit=FitSettings(learning_rate=1e-3), seed=seed)
    found: dict[str, Any] = {"reasons": sum(REASONS in answer.value for answer in answers)}
    for name, given in (("with", answers), ("without", bare)):
        judged = reward.gather(asked, given, lambda _, episode: dataset.load(episode))
        model, _ = reward.fit_in_memory(config, judged)
        found[name] = {axis: _accuracy(model, axis, held, dataset, labeler) for axis in (*AXES, "overall")}
    return found


def _episodes(seed: int) -> list[Episode]:
    """Return episodes of operators who lean the cup or not, and pass near the glass or not."""
    found: list[Episode] = []
    for number, (lean, around) in enumerate(WAYS):
        task = type("Way", (CarryUpright,), {"lean": lean, "around": around, "__annotations__": {"lean": ClassVar}})
        env = TaskEnv(task(), EACH)
        operator = ScriptedOperator(env, PERSON)
        seeds = np.arange(EACH) + 60_000_000 + 1000 * seed + 100 * number
        operator.reseed(seeds)
        about = {"operator": "simulated operator", "device": "scripted", "versions": versions()}
        found += rollout(env, operator, seeds, source=Source.SCRIPTED, meta=about, steps=round(1.6 * env.horizon))
    return found


def _pairs(dataset: Dataset, ids: Sequence[str], count: int, rng: np.random.Generator) -> list[Question]:
    found = []
    for number in range(count):
        clips = []
        for name in rng.choice(ids, 2, replace=False):
            steps = dataset.info(str(name)).length
            clips.append(Segment(str(name), int(rng.integers(steps - CLIP + 1)), CLIP))
        name = question_id("bench", number, "pairwise", clips)
        found.append(Question(name, "bench", number, "pairwise", TASK, tuple(clips), dataset.path.name))
    return found


def _without(answer: Answer) -> Answer:
    value = {name: part for name, part in answer.value.items() if name != REASONS}
    return Answer(answer.question_id, answer.annotator, answer.annotator_kind, value, answer.answered, None)


def _accuracy(
    model: RewardModel, axis: str, held: Sequence[Question], dataset: Dataset, labeler: SimulatedLabeler
) -> float:
    """Return the share of pairs whose better clip along an axis is preferred by the head of that axis, or by all."""
    along = model.head(axis) if isinstance(model, AxesReward) and axis in model.axes else model
    right = []
    for question in held:
        worth = [_worth(axis, question, clip, labeler) for clip in question.segments]
        if abs(worth[0] - worth[1]) < LEAST[axis]:
            continue
        guess = [_mean(along, dataset.load(clip.episode_id).slice(clip.start, CLIP)) for clip in question.segments]
        right.append((worth[0] > worth[1]) == (guess[0] > guess[1]))
    return round(float(np.mean(right)), 4)


def _worth(axis: str, question: Question, clip: Segment, labeler: SimulatedLabeler) -> float:
    value: Array = labeler.utility(question, clip, axis) if axis == "overall" else -labeler.cost(question, clip, axis)
    return float(value.mean())


def _mean(model: RewardModel, clip: Episode) -> float:
    found, _ = model.predict(clip.obs[:-1], clip.action, clip.obs[1:])
    return float(found.mean())


assert set(AXES) <= set(style_measures.MEASURES)
