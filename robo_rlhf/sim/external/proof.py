"""Proof of what enters a frame of an outside environment exactly: its state, or a replay from its seed.

An environment may hold more than its simulation: Python objects, a model that each reset changes. So it is tried: an
episode of random actions is recorded; for ten random frames of it, the environment is brought elsewhere, started from
the seed of the episode, the state is entered, and the next 20 steps are compared with the record, bit for bit; and the
episode is replayed from its seed.
A proof holds for one environment with its arguments, one version of its package, of MuJoCo, and one machine. It is kept
in the user's cache and found there again.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np

from robo_rlhf.core.errors import EnvironmentFaultError, InvalidValueError, MissingDependencyError, RoboRlhfError
from robo_rlhf.core.files import make_folder, read_json, write_json
from robo_rlhf.core.types import Array
from robo_rlhf.sim.external.checks import Violation, raised, step_of
from robo_rlhf.sim.external.collections import fault_of
from robo_rlhf.sim.external.copies import close_env, seeded_reset
from robo_rlhf.sim.external.ids import Recipe
from robo_rlhf.sim.external.physics import physics_of
from robo_rlhf.sim.external.printing import printing
from robo_rlhf.sim.external.spaces import Actions, Observations
from robo_rlhf.sim.external.versions import listed, versions_of
from robo_rlhf.sim.physics.model_identity import machine
from robo_rlhf.sim.rendering.gl import choose_backend

_log = logging.getLogger(__name__)
FRAMES, AHEAD = 10, 20  # frames that are entered; steps that are compared after each
LONGEST = 100  # steps of the episode that is recorded
BUDGET = 20.0  # [s] for everything but the first step; a slower environment is not proven
SCHEDULED = Path("/proc/thread-self/schedstat")  # of Linux: how long this thread ran, and waited to run [ns]
SEEDS = 11, 12  # of the episode, and of the one that the environment is brought into in between
CACHE_VARIABLE = "XDG_CACHE_HOME"


@dataclass(frozen=True)
class Proof:
    """What was measured. A deviation is the largest difference of a number in a state or observation; 0: bitwise."""

    enter: Literal["state", "replay"] | None  # by what a frame is entered exactly
    drawn: bool  # whether a picture shows a state alone: once an episode has begun, nothing changes the model
    seeded: bool  # whether the model depends on the seed of the episode
    state_size: int  # numbers of a state; 0 where it is not MuJoCo
    state_deviation: float | None  # after states were entered; None where there are none, or time was used up
    replay_deviation: float | None  # after a replay; None where time was used up
    seconds: float  # that the proof took

    @property
    def measured(self) -> bool:
        """Whether everything was measured, before time was used up."""
        return self.replay_deviation is not None and (not self.state_size or self.state_deviation is not None)

    def sentence(self, name: str) -> str:
        """Return the result in a sentence."""
        if self.enter == "state":
            return f"A frame of {name} is entered by its state: {FRAMES} of {FRAMES} frames exact, {AHEAD} steps each."
        states = "it has no MuJoCo states"
        if self.state_size and self.state_deviation is None:
            states = f"entering its states could not be measured within {BUDGET:g} s"
        elif self.state_size:
            states = f"steps after its states deviate by up to {self.state_deviation:.2g}"
        if self.enter == "replay":
            return f"A frame of {name} is entered by a replay of the actions before it, which is exact; {states}."
        replay = f"a replay could not be measured within {BUDGET:g} s"
        if self.replay_deviation is not None:
            replay = f"a replay deviates by up to {self.replay_deviation:.2g}"
        return f"No frame of {name} can be entered: {states}; {replay}."


def proof_of(recipe: Recipe, *, again: bool = False) -> Proof:
    """Return the stored proof for an environment; make and store it where there is none.

    `again`: also where time was used up in the stored one.

    Raises:
        EnvironmentFaultError: the environment raises, or gives an invalid value.
    """
    path = proof_path(recipe)
    with suppress(OSError, RoboRlhfError, TypeError):
        stored = read_json(path, dict)
        proof = Proof(**stored["proof"])
        if proof.measured or not again:
            return proof
    made = prove(recipe)
    with suppress(OSError, RoboRlhfError):  # a cache that cannot be written: it is proven again next time
        make_folder(path.parent)
        write_json(path, {"about": about(recipe), "proof": asdict(made)})
    return made


def about(recipe: Recipe) -> dict[str, Any]:
    """Return everything that a proof depends on."""
    plugin = recipe.plugin.arguments if recipe.plugin else ()
    return {
        "environment": recipe.name.partition("@")[0],
        "arguments": {key: repr(value) for key, value in sorted({**dict(plugin), **recipe.arguments}.items())},
        "versions": {**versions_of(recipe.spec), **machine()},
    }


def provenance_of(recipe: Recipe) -> Mapping[str, str]:
    """Return what episodes of an environment record of it in their `versions`; proves it where that was never done.

    `show` is "state" or "replay", `enter` is that too or empty, `model` is "seed" where it depends on that, and
    `environment` lists the versions for which that is so. The first two are the careful choice where the environment
    fails during its proof, which is then tried again.
    """
    try:
        proof = proof_of(recipe)
    except EnvironmentFaultError as error:
        _log.info("not proven: %s", error)
        show, enter, model = "replay", "", ""
    else:
        show, enter = "state" if proof.drawn else "replay", proof.enter or ""
        model = "seed" if proof.seeded else ""
    return {"environment": listed(versions_of(recipe.spec)), "show": show, "enter": enter, "model": model}


def proof_path(recipe: Recipe) -> Path:
    """Return the file of a proof, in the user's cache."""
    root = os.environ.get(CACHE_VARIABLE)
    cache = Path(root) if root else Path.home() / ".cache"
    digest = hashlib.sha256(json.dumps(about(recipe), sort_keys=True).encode()).hexdigest()[:24]
    return cache / "robo_rlhf" / "environments" / f"{digest}.json"


def prove(recipe: Recipe) -> Proof:
    """Try what enters a frame exactly, in a copy of the environment of its own.

    Raises:
        EnvironmentFaultError: the environment raises, or gives an invalid value.
    """
    env = recipe.make(horizon=-1)
    try:
        with printing(recipe.name):
            proof = _Trial(env, recipe).run()
        renders = "rgb_array" in (env.metadata.get("render_modes") or [])
        if proof.drawn and renders and _render_changes_the_model(recipe):
            return replace(proof, drawn=False)
        return proof
    except Violation as error:
        raise fault_of(recipe.spec, f"{recipe.name} {error}") from error
    except RoboRlhfError:
        raise
    except Exception as error:  # an external environment may raise anything
        raise fault_of(recipe.spec, f"{recipe.name} {raised('the proof of its states', error)}") from error
    finally:
        close_env(env, recipe.name)


def _render_changes_the_model(recipe: Recipe) -> bool:
    """Whether a picture shows more than the states: some environments move markers in the model when they render."""
    choose_backend()
    try:
        env = recipe.make(horizon=-1, render_mode="rgb_array")
    except (InvalidValueError, MissingDependencyError):
        return False  # there is no other picture of it than that of the states
    try:
        with printing(recipe.name):
            seeded_reset(env, SEEDS[0])
            before = physics_of(env)
            first = before.hash if before else ""
            env.render()
        after = physics_of(env)
        return after is None or after.hash != first
    finally:
        close_env(env, recipe.name)


class _Trial:
    """One copy of an environment, and the episode that is recorded with it."""

    def __init__(self, env: gymnasium.Env[Any, Any], recipe: Recipe) -> None:
        self.env = env
        self.reader = Observations(env.observation_space, f"observation space of {recipe.name}")
        actions = Actions(env.action_space, recipe.name)
        self.rng = np.random.default_rng(0)
        self.commands = actions.commands(self.rng.uniform(-1, 1, (LONGEST, actions.size)))
        self.allow(0.25)

    def run(self) -> Proof:
        """Measure."""
        began = time.monotonic()
        self.start(SEEDS[0])
        self.step(0)  # the first step of some environments compiles what they call, as robosuite's
        self.allow(0.25)
        first = self.start(SEEDS[0])
        model = self.model()
        record = [first]
        while len(record) <= LONGEST and not self.late():
            row, over = self.step(len(record) - 1)
            record.append(row)
            if over:
                break
        drawn = model != "" and model == self.model()
        other = self.start(SEEDS[1])
        seeded = model != self.model()
        size = len(first) - self.reader.size if len(other) == len(first) else 0
        self.start(SEEDS[0])
        drawn = drawn and size > 0 and model == self.model()
        self.allow(0.5)
        by_state = self.by_states(record) if size else None
        self.allow(0.25)
        by_replay = self.compare(record, self.start(SEEDS[0]), 0, len(record) - 1)
        enter: Literal["state", "replay"] | None = "replay" if by_replay == 0.0 else None
        if by_state == 0.0:
            enter = "state"
        return Proof(enter, drawn, seeded, size, by_state, by_replay, round(time.monotonic() - began, 3))

    def by_states(self, record: list[Array]) -> float | None:
        """Return the largest deviation after states of random frames were entered; None where time is used up."""
        largest, steps = 0.0, len(record) - 1
        for frame in sorted(self.rng.choice(steps, min(FRAMES, steps), replace=False).tolist()):
            if self.late():
                return None
            self.start(SEEDS[1])
            for t in range(3):
                self.step(t)
            self.start(SEEDS[0])
            physics = physics_of(self.env)
            if physics is None or physics.size != len(record[frame]) - self.reader.size:
                return float("inf")
            physics.enter(record[frame][self.reader.size :])
            after = self.compare(record, record[frame], frame, min(AHEAD, steps - frame))
            if after is None:
                return None
            largest = max(largest, after)
        return largest if steps else None

    def compare(self, record: list[Array], row: Array, start: int, steps: int) -> float | None:
        """Take recorded steps again from frame `start`, which is `row`; None where the time is used up."""
        largest = _apart(row, record[start])
        for t in range(start, start + steps):
            if self.late():
                return None
            row, over = self.step(t)
            largest = max(largest, _apart(row, record[t + 1]))
            if over and t + 2 < len(record):
                return float("inf")
        return None if self.late() else largest

    def start(self, seed: int) -> Array:
        """Begin an episode and return its first row: observation and state."""
        return self.row(seeded_reset(self.env, seed))

    def step(self, t: int) -> tuple[Array, bool]:
        """Take step `t`; return the row after it, and whether the episode is over."""
        obs, _, _, over = step_of(self.env.step(self.commands[t]))
        return self.row(obs), over

    def row(self, obs: Any) -> Array:
        """Return an observation and the state of now, in one row of float64."""
        physics = physics_of(self.env)
        row = np.zeros(self.reader.size + (physics.size if physics else 0))
        self.reader.read(obs, row[: self.reader.size])
        if physics:
            physics.read(row[self.reader.size :])
        return row

    def model(self) -> str:
        """Return what tells the present model from others; empty where it is not MuJoCo."""
        physics = physics_of(self.env)
        return physics.hash if physics else ""

    def allow(self, share: float) -> None:
        """Allow a share of the budget, from now on."""
        self.end = _own_time() + share * BUDGET

    def late(self) -> bool:
        """Whether the time is used up."""
        return _own_time() > self.end


def _own_time() -> float:
    """Return a time [s] that stands still while this thread waits for a processor, which others use, where known."""
    waited = 0
    with suppress(OSError, ValueError, IndexError):
        waited = int(SCHEDULED.read_text("ascii").split()[1])
    return time.monotonic() - 1e-9 * waited


def _apart(one: Array, other: Array) -> float:
    if one.shape != other.shape:
        return float("inf")
    if np.array_equal(one, other, equal_nan=True):
        return 0.0
    return float(np.nan_to_num(np.abs(one - other), nan=np.inf).max())
