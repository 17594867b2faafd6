"""Rollouts: a policy acts in a batch of environments, and the steps are recorded as episodes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from robo_rlhf.core.errors import EnvironmentFaultError, InvalidValueError, ShapeError, UnknownNameError
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Policy, Source, Step, VecEnv
from robo_rlhf.executor.cluster import joined
from robo_rlhf.rollouts.control_loop import Act, control_loop, seed_turn
from robo_rlhf.sim.external.collections import fault_of
from robo_rlhf.sim.external.ids import find

MetaFields = (
    Mapping[str, Any] | Callable[[int], Mapping[str, Any]]
)  # fields of EpisodeMeta, the same for all or by seed
NO_VERSIONS: Mapping[str, str] = MappingProxyType({})
OnEnded = Callable[[list[Episode]], None]
POLICY_FAULT = "the policy gave an action that is not finite"  # every other reason to abort comes from the environment
OnStep = Callable[[int], object]  # the step's number from 0


def rollout(
    env: VecEnv,
    policy: Policy,
    seeds: Array,
    *,
    source: Source | Callable[[], Array] = Source.POLICY,
    meta: MetaFields | None = None,
    steps: int | None = None,
    record_state: bool = True,
    seed_turns: bool = False,
    on_step: OnStep | None = None,
    on_ended: OnEnded | None = None,
) -> list[Episode]:
    """Run one episode for each seed and return them in the order of `seeds`.

    Where this process has joined a cluster, the batches are played there, at the same time where the policy draws
    nothing from one to the next; the episodes are the same, bit for bit.

    Args:
        env: N copies of the task; more seeds than N are run in batches, the last of them padded with repeats.
        policy: chooses the actions.
        seeds: (M,) int.
        source: source of the actions; or a function that gives (N,) uint8 for the current actions (takeovers).
        meta: further fields of `EpisodeMeta`, or a function from seed to such fields.
        steps: length of an episode; the environment's horizon where None.
        record_state: whether simulator states are kept; without them an episode cannot be rendered or restored.
        seed_turns: whether a policy with randomness of its own draws it anew for each batch, from its first seed.
        on_step: called after every step, to show progress; on a cluster, when the batch has ended.
        on_ended: called with the episodes that ended at the same step, as soon as they have, to store them; on a
            cluster, with those of a batch.

    Raises:
        InvalidValueError: no seeds.
        ShapeError: the policy's actions do not fit the environment.
    """
    seeds = np.asarray(seeds, dtype=np.int64).reshape(-1)
    if not len(seeds):
        raise InvalidValueError("seeds of a rollout", "none", "at least one seed")
    turns = [seeds[first : first + env.num_envs] for first in range(0, len(seeds), env.num_envs)]
    if joined() is not None and steps is None and isinstance(source, Source):
        from robo_rlhf.rollouts.turns import spread  # which loads torch

        played = spread(env, policy, turns, source, record_state=record_state, seed_turns=seed_turns)
        if played is not None:
            return _gathered(played, env.horizon, meta, on_step, on_ended)
    episodes: list[Episode] = []
    sight = getattr(policy, "sight", None)  # of a policy that sees
    saw = NO_VERSIONS if sight is None else sight.provenance()
    for turn in turns:
        if seed_turns:
            seed_turn(policy, turn)
        recorder = Recorder(env, steps or env.horizon, record_state=record_state, versions=saw)
        obs = recorder.start(env.reset(np.pad(turn, (0, env.num_envs - len(turn)), mode="edge")))
        policy.reset(env.num_envs)
        for step in control_loop(env, recorder.admitting(policy), obs):
            recorder.add(step, source if isinstance(source, Source) else source())
            if on_step is not None:
                on_step(recorder.t - 1)
            if on_ended is not None and (ended := recorder.ended(turn, meta)):
                on_ended(ended)
            if not recorder.running:
                break
        episodes += recorder.episodes(turn, meta)
    return episodes


def _gathered(
    played: Iterator[list[Episode]],
    steps: int,
    meta: MetaFields | None,
    on_step: OnStep | None,
    on_ended: OnEnded | None,
) -> list[Episode]:
    """Return the episodes of batches that are played elsewhere, as `rollout` returns them."""
    episodes: list[Episode] = []
    for batch in played:
        ended = [_with_meta(episode, meta) for episode in batch]
        for t in range(steps if on_step is not None else 0):
            on_step(t)  # type: ignore[misc]  # there is one
        if on_ended is not None:
            on_ended(ended)
        episodes += ended
    return episodes


def _with_meta(episode: Episode, meta: MetaFields | None) -> Episode:
    """Return an episode that a node played, with the fields that `rollout` was given."""
    fields = dict((meta(episode.meta.seed) if callable(meta) else meta) or {})
    if "versions" in fields:
        fields["versions"] = {**fields["versions"], **episode.meta.versions}
    return replace(episode, meta=replace(episode.meta, **fields))


class Recorder:
    """Arrays (N, T, ...) that a batch of episodes is written into, step by step."""

    def __init__(
        self, env: VecEnv, steps: int, *, record_state: bool = True, versions: Mapping[str, str] = NO_VERSIONS
    ) -> None:
        """Allocate arrays for `steps` steps of every copy in `env`; `versions` are recorded with its own."""
        self.env, self.steps, self.record_state, self.versions = env, steps, record_state, versions
        n = env.num_envs
        self.t = 0  # steps recorded so far
        self.length = np.zeros(n, dtype=np.int64)  # (N,) steps that belong to each episode
        self.note = [""] * n  # reason why an episode was aborted
        self._open = np.ones(n, dtype=bool)
        self._returned = np.zeros(n, dtype=bool)  # ended, and returned by `ended`
        self._obs = np.zeros((n, steps + 1, env.obs_dim), np.float32)
        self._action = np.zeros((n, steps, env.act_dim), np.float32)
        self._state = np.zeros((n, steps + 1, 0), np.float64)
        self._reward = np.zeros((n, steps), np.float32)
        self._success = np.zeros((n, steps + 1), np.bool_)
        self._source = np.zeros((n, steps), np.uint8)
        self._signals: dict[str, Array] = {}

    @property
    def running(self) -> bool:
        """Whether the arrays have room for another step and an episode is still running."""
        return self.t < self.steps and bool(self._open.any())

    def start(self, obs: Array) -> Array:
        """Record the first observations (N, obs_dim) and return them."""
        self._obs[:, 0] = obs
        if self.record_state:
            state = self.env.get_state()
            self._state = np.zeros((len(state), self.steps + 1, state.shape[1]), np.float64)
            self._state[:, 0] = state
        return obs

    def admitting(self, policy: Policy) -> Act:
        """Return `policy.act`, followed by `admit`."""
        return lambda obs: self.admit(policy.act(obs))

    def admit(self, action: Array) -> Array:
        """Return actions (N, act_dim) that are safe to apply; episodes with a non-finite one end here.

        Raises:
            ShapeError: `action` does not fit the environment.
        """
        expected = (self.env.num_envs, self.env.act_dim)
        if action.shape != expected:
            raise ShapeError("actions of the policy", expected, action.shape)
        if np.isfinite(action).all():
            return action
        self._abort(self._open & ~np.isfinite(action).all(axis=1), POLICY_FAULT)
        return np.where(np.isfinite(action), action, 0.0).astype(np.float32)

    def add(self, step: Step, source: Source | Array) -> None:
        """Write one step of every copy."""
        t = self.t
        for i, why in step.faults.items():
            if self._open[i]:
                self._abort(np.arange(len(self._open)) == i, why)
        self._open &= step.active
        if not np.isfinite(step.obs).all():
            self._abort(
                self._open & ~np.isfinite(step.obs).all(axis=1), "the simulator gave an observation that is not finite"
            )
        self._obs[:, t + 1] = step.obs
        self._action[:, t] = step.applied
        self._reward[:, t] = step.reward
        self._success[:, t + 1] = step.success
        self._source[:, t] = source
        for name, value in step.signals.items():
            if name not in self._signals:
                self._signals[name] = np.zeros((len(value), self.steps, value.shape[1]), np.float32)
            self._signals[name][:, t] = value
        if self.record_state:
            self._state[:, t + 1] = self.env.get_state()
        self.length += self._open
        self.t = t + 1

    def episodes(self, seeds: Array, meta: MetaFields | None = None) -> list[Episode]:
        """Return the episodes of the first len(seeds) copies, cut to their length; their arrays are views."""
        return [self._episode(i, int(seed), meta) for i, seed in enumerate(seeds)]

    def ended(self, seeds: Array, meta: MetaFields | None = None) -> list[Episode]:
        """Return those of the first len(seeds) copies whose episodes ended since the last call."""
        over = ~self._open if self.running else np.ones_like(self._open)
        new = np.flatnonzero(over[: len(seeds)] & ~self._returned[: len(seeds)])
        self._returned |= over
        return [self._episode(int(i), int(seeds[i]), meta) for i in new]

    def _episode(self, i: int, seed: int, meta: MetaFields | None) -> Episode:
        n = int(self.length[i])
        fields: dict[str, Any] = {
            "id": f"{self.env.name}-{seed}",
            "task": self.env.name,
            "seed": seed,
            "control_dt": self.env.control_dt,
            "outcome": "aborted" if self.note[i] else "success" if self._success[i, n] else "failure",
            "model_hash": getattr(self.env, "model_hash", ""),
            "note": self.note[i],
            "obs_names": getattr(self.env, "obs_names", ()),
            "action_names": getattr(self.env, "action_names", ()),
        }
        fields.update((meta(seed) if callable(meta) else meta) or {})
        if self.record_state:
            known = fields.get("versions", {}), getattr(self.env, "provenance", {}), self.versions
            fields["versions"] = {name: text for found in known for name, text in found.items()}
        return Episode(
            obs=self._obs[i, : n + 1],
            action=self._action[i, :n],
            state=self._state[i, : n + 1],
            reward=self._reward[i, :n],
            success=self._success[i, : n + 1],
            source=self._source[i, :n],
            signals={name: value[i, :n] for name, value in self._signals.items()},
            meta=EpisodeMeta(**fields),
        )

    def _abort(self, which: Array, why: str) -> None:
        for i in np.flatnonzero(which):
            self.note[i] = f"aborted at step {self.t}: {why}"
        self._open &= ~which


class EndedEpisode(Protocol):
    """What tells how an episode ended: its meta, or its result."""

    @property
    def outcome(self) -> str:
        """As of `EpisodeMeta`."""
        ...

    @property
    def note(self) -> str:
        """Reason why it was aborted."""
        ...


def check_environment(ended: Sequence[EndedEpisode], name: str) -> None:
    """Check that the environment called `name` has not ended all of these episodes by its faults.

    Raises:
        EnvironmentFaultError: it has; the message tells why the first one ended.
    """
    notes = [one.note for one in ended if one.outcome == "aborted" and not one.note.endswith(POLICY_FAULT)]
    if ended and len(notes) == len(ended):
        which = f"All {len(notes)} episodes" if len(notes) > 1 else "The only episode"
        message = f"{which} of {name} ended by a fault of the environment; the first was {notes[0]}"
        try:
            spec = find(name).spec
        except UnknownNameError:  # a task of ours or of a guest, or an environment without an id
            raise EnvironmentFaultError(message) from None
        raise fault_of(spec, message)
