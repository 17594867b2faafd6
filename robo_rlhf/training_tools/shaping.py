"""The configured reward sum over one environment: recording of the terms' inputs, and the sum.

A reward that is only the learned one records nothing of the environment's reward or success.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Step, VecEnv
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rewards.success import WithSuccess
from robo_rlhf.rewards.terms.base import Steps
from robo_rlhf.training_tools.experience import EpisodeBatch, Reward, rewards
from robo_rlhf.training_tools.viewers import Viewers

StepCallback = Callable[[int, Step], None]


class RewardObjective:
    """One reward over one environment."""

    def __init__(
        self, reward: RewardSum, env: VecEnv, gamma: float, *, ends: bool, live: Viewers | None = None
    ) -> None:
        """Prepare to record the inputs of the terms in `env`.

        Args:
            reward: the sum.
            env: the environment.
            gamma: discount per step, also of potentials.
            ends: whether the value after the last step of an episode is zero.
            live: viewers, for a reward with the term `live`.

        Raises:
            InvalidValueError: the sum needs inputs that the environment, or the caller, does not give.
        """
        self.reward, self.env, self.gamma, self.ends, self.live = reward, env, gamma, ends, live
        self._recorded: dict[str, list[Array]] = {}
        if "terms" in reward.needs and not hasattr(env, "reward_terms"):
            raise InvalidValueError(
                "reward", f"{reward.text!r} in {env.name}", "no term(...): only native tasks have them"
            )
        if "live" not in reward.needs:
            self.live = None
        elif live is None:
            raise InvalidValueError("objective", f"{reward.text!r}", "no live: this run has no viewers")

    @property
    def looks_at_env(self) -> bool:
        """Whether what `recording` returns looks at the environment beside its steps."""
        return self.live is not None or "terms" in self.reward.needs

    def recording(self, see: StepCallback | None) -> StepCallback | None:
        """Return the step callback for `collect`: records the inputs of the sum, then calls `see`."""
        needs = self.reward.needs - {"learned", "live"}
        if not needs and self.live is None:
            return see

        def note(t: int, step: Step) -> None:
            if t == 0:
                self._recorded = {}
            for name, value in self._of(step):
                self._recorded.setdefault(name, []).append(np.array(value))
            if self.live is not None:
                self.live.see(self.env, t, step)
            if see is not None:
                see(t, step)

        return note

    def refreshed(self) -> bool:
        """Take up what viewers pressed; return whether rewards of earlier steps have changed by it."""
        return self.live is not None and self.live.refreshed(self.reward)

    @property
    def recorded(self) -> dict[str, Array]:
        """The recorded inputs of the newest episodes, by name, each (T, N)."""
        return {name: np.stack(values) for name, values in self._recorded.items()}

    def value(
        self, episodes: EpisodeBatch, learned: Reward, where: str, noted: Mapping[str, Array] | None = None
    ) -> tuple[Array, dict[str, float]]:
        """Return the reward (T, N) float32 of episodes, and the mean of each of its terms as metrics.

        Args:
            episodes: whole ones.
            learned: the learned reward.
            where: for errors.
            noted: their recorded inputs, where they are not the newest.

        Raises:
            ShapeError: a term, or the learned reward, gives another shape.
            NonFiniteError: NaN or infinity among it.
        """
        known = rewards(episodes, learned, where) if "learned" in self.reward.needs else None
        axes = {axis: rewards(episodes, on_axis(learned, axis), where) for axis in self.reward.axes}
        if self.reward.plain and known is not None:
            return known, {}
        seen = self.recorded if noted is None else noted
        terms = {name.removeprefix("terms/"): value for name, value in seen.items() if name.startswith("terms/")}
        steps = Steps(
            obs=episodes.judged,
            action=episodes.applied,
            active=episodes.active,
            control_dt=self.env.control_dt,
            gamma=self.gamma,
            ends=self.ends,
            obs_names=tuple(getattr(getattr(self.env, "task", None), "obs_names", ())),
            learned=known,
            axes=axes,
            task=seen.get("task"),
            success=seen.get("success"),
            live=None if self.live is None else self.live.judge(episodes.judged[:-1], episodes.applied),
            terms=terms,
        )
        total, means = self.reward(steps)
        return total, {f"reward/{label}": mean for label, mean in means.items()}

    def _of(self, step: Step) -> list[tuple[str, Any]]:
        """Return the inputs to record of a step, by name."""
        found: list[tuple[str, Any]] = []
        for need in sorted(self.reward.needs):
            if need == "task":
                found.append(("task", step.reward))
            elif need == "success":
                found.append(("success", step.success))
            elif need == "terms":
                terms: Mapping[str, Array] = self.env.reward_terms()  # type: ignore[attr-defined]
                found += [(f"terms/{name}", value) for name, value in terms.items()]
        return found


def on_axis(reward: Reward, axis: str) -> Reward:
    """Return the learned reward of one named axis.

    Raises:
        InvalidValueError: `reward` has no such axis.
    """
    if isinstance(reward, WithSuccess):  # what people call success is no part of an axis
        return on_axis(reward.reward, axis)
    model = getattr(reward, "model", None)
    if not isinstance(reward, PenalizedReward) or not isinstance(model, AxesReward):
        expected = "none: the learned reward has no named axes"
        raise InvalidValueError("axis of the learned reward", repr(axis), expected)
    return PenalizedReward(model.head(axis), reward.uncertainty_penalty)
