"""Two groups of opposite taste, and one person against four: what is said of a reward for each, against the truth."""

from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.feedback.records import Question
from robo_rlhf.reward_fitting.groups import head_of_group
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.training import reward
from tests.training.test_groups import OPPOSITE, opinions
from tests.training.test_reward import BY_ID, ask, load, teach

ASKED, FRESH = 150, 1500  # questions that are answered, and new ones that the truth is measured by
CROWDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]] = {
    "one against four": (("ann", "bo", "cleo", "dan"), ("zed",), {"zed": "other"}),
    "two against two": (("ann", "bo"), ("yan", "zed"), {"yan": "other", "zed": "other"}),
}
FIT = FitSettings(updates=500, batch=32, learning_rate=3e-3)


def groups(seed: int, home: Path) -> dict[str, Any]:
    """Return what is reported of one reward and of a reward a group, and how each predicts new answers of the group."""
    questions, fresh = ask(ASKED, 1000 + seed), ask(FRESH, 99)
    found: dict[str, Any] = {}
    for name, (crowd, against, teams) in CROWDS.items():
        answers = opinions(questions, crowd, against=against)
        for per_group in (False, True):
            config = reward.Config(
                settings={"width": 16, "members": 5}, fit=FIT, seed=seed, per_group=per_group, weigh_people=False
            )
            extra = reward.ExtraData(teams=teams)
            judged = reward.prepare(config, questions, answers, load, extra)
            model, report = reward.fit_in_memory(config, judged)
            row = reward.describe(config, report, judged, questions, answers, extra)["groups"]["other"]
            heads = (head_of_group("other"), "overall") if per_group else ("", "")
            for whose, axis, stated in (("other", heads[0], row["accuracy"]), ("rest", heads[1], row["rest"])):
                along = model.head(axis) if isinstance(model, AxesReward) else model
                true = _right(along, fresh, opposite=whose == "other")
                key = f"{name}, {'a reward a group' if per_group else 'one reward'}, {whose}"
                found[key] = {**{k: round(v, 4) for k, v in stated.items()}, "true": round(true, 4)}
    return found


def _right(model: RewardModel, fresh: list[Question], *, opposite: bool) -> float:
    """Return how many of new questions a reward answers as people would, or those of opposite taste."""
    clips = [BY_ID[c.episode_id].slice(c.start, c.length) for question in fresh for c in question.segments]
    parts: list[Array] = [
        np.stack([part(clip) for clip in clips])
        for part in (lambda e: e.obs[:-1], lambda e: e.action, lambda e: e.obs[1:])
    ]
    first, second = model.predict(*parts)[0].sum(-1).reshape(-1, 2).T
    hits = []
    for one, other, answer in zip(first, second, teach(fresh), strict=True):
        choice = str(answer.value["choice"])
        if choice != "tie":
            hits.append(("A" if one > other else "B") == (OPPOSITE[choice] if opposite else choice))
    return float(np.mean(hits))
