"""How often the newest policy succeeds, by a head that is too kind to it and by answers about a few episodes."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps import gate as gates
from robo_rlhf.pipeline.steps.gate import look_again
from robo_rlhf.pipeline.steps.observers import NullObserver
from robo_rlhf.pipeline.steps.success import INCLUSION, _newest_rate, endings_to_judge, success_share
from robo_rlhf.rewards.success import SuccessHead
from tests.pipeline.steps.test_gate import Idle
from tests.toy import ToyEnv, ToyOperator, demonstrations

NOTHING: Any = None
EPISODES = 40


class Kind(SuccessHead):
    """A head that calls every episode a success, sure of those whose first column is above 0."""

    def chance(self, obs: Array) -> tuple[Array, Array]:
        mean = np.where(obs[..., 0] > 0, 0.99, 0.7).astype(np.float32)
        return mean, np.zeros_like(mean)

    def held_out_chance(self, obs: Array, fold: Array) -> Array:
        return self.chance(obs)[0]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Episodes of round 2, and settings by which 12 of them are asked about."""
    config: Any = SimpleNamespace(seed=0, task="toy", clip_steps=10, approvals_of=lambda number: 12, gate=True)
    config.gate_episodes = 20
    made = Context(config, Run(tmp_path / "run", {}), tmp_path, ToyEnv(10), NOTHING, NullObserver())
    episodes = [e.slice(0, 20, id=f"r2-{i:02d}") for i, e in enumerate(demonstrations(EPISODES))]
    Dataset(made.run.path / "episodes", create=True, task="toy").add_many(episodes)
    made.run.child("round-2/collect", {}).finish({"episodes": [e.meta.id for e in episodes]})
    return made


def asked(context: Context, head: SuccessHead | None) -> list[Question]:
    clips, chances = endings_to_judge(context, head, 2)
    pairs = enumerate(zip(clips, chances, strict=True))
    return [Question(f"q{i}", "run", 2, "success", "toy", (c,), "d", meta={INCLUSION: p}) for i, (c, p) in pairs]


def answers(questions: list[Question], choice: str) -> list[Answer]:
    return [Answer(question.id, "a person", "human", {"choice": choice}, "", None) for question in questions]


def test_people_are_asked_most_where_the_head_is_unsure(context: Context) -> None:
    questions = asked(context, Kind(2))
    ends = {e.meta.id: float(e.obs[-1, 0]) for e in context.clips.load_all(context.clips.ids())}
    chances = {ends[q.segments[0].episode_id] > 0: q.meta[INCLUSION] for q in questions}
    assert len(questions) == len({q.segments[0].episode_id for q in questions}) == 12
    assert all(q.segments[0].start + q.segments[0].length == 20 for q in questions)
    assert chances[False] / chances[True] == pytest.approx((0.2 + 0.21**0.5) / (0.2 + 0.0099**0.5), rel=1e-3)
    evenly = asked(context, None)
    assert {round(q.meta[INCLUSION], 6) for q in evenly} == {12 / EPISODES}


@pytest.mark.parametrize(("choice", "low", "high"), [("no", 0.0, 0.25), ("yes", 0.85, 1.0)])
def test_the_rate_follows_what_people_say_and_not_the_head(
    context: Context, choice: str, low: float, high: float
) -> None:
    head, questions = Kind(2), asked(context, Kind(2))
    rate = _newest_rate(context, head, 2, questions, answers(questions, choice))
    assert rate is not None
    assert low <= rate["value"] <= high
    assert rate["low"] < rate["value"] < rate["high"] or choice == "yes"
    wrong = rate["seen"] - rate["value"] if choice == "no" else 0.0  # it is right about the successes
    assert rate["overrates"] == pytest.approx(wrong)
    assert _newest_rate(context, head, 2, questions, []) is None
    head.overrates = rate["overrates"]
    acting = ToyOperator(noise=0.0, pause=0.0)
    share = success_share(context, head, acting, np.arange(20))
    assert 0 <= share <= 1
    assert share == pytest.approx(
        np.clip(success_share(context, Kind(2), acting, np.arange(20)) - head.overrates, 0, 1), abs=1e-6
    )


def test_what_later_answers_show_to_be_worse_is_given_up(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy of a round is replaced by the older one, with the newest head and reward; a stage of the run."""
    judged: dict[object, float] = {}
    monkeypatch.setattr(
        gates, "success_by_seed", lambda context, head, network, seeds, keep: np.full(len(seeds), judged[network])
    )
    good, bad, reward, head = ToyOperator(noise=0.0, pause=0.0), Idle(), object(), Kind(2)
    judged |= {good: 0.9, bad: 0.2}
    older = PipelinePolicy(good, 0.1, round=1)  # type: ignore[arg-type]
    newest = replace(older, network=bad, round=2, reward=reward, success=head)
    kept = look_again(context, older, newest, 3, "look")
    assert (kept.network, kept.round, kept.reward, kept.success) == (good, 1, reward, head)
    (event,) = [event for event in context.run.events() if event["event"] == "looked again"]
    assert (event["round"], event["accepted"]) == (3, False)
    assert event["reason"].startswith("refused: shown to be worse, -70.0%")
    assert look_again(context, None, newest, 4, "look") is newest
    assert look_again(context, older, replace(newest, success=None), 4, "look").network is bad
    assert look_again(context, replace(newest, network=good), newest, 5, "look").network is good
