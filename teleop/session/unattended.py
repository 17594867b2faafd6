"""The paced control loop from a device to a dataset, one episode at a time.

A tick waits for its deadline, asks the device, steps the environment and appends to the journal, which takes memory
only: disk, pictures and network are the work of other threads and processes. Without pace the very same code runs as
fast as it can, and the episodes are the same but for the time on the wall.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import DiskError, DiskFullError
from robo_rlhf.core.types import Array, Command, EpisodeMeta, Outcome, Source, Step
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.journal import EpisodeWriter
from robo_rlhf.sim.envs.task_env import TaskEnv, versions
from teleop.devices import Device
from teleop.input.action_mapping import to_action
from teleop.session.pacing import Pacer

SILENCE = 0.2  # [s] without input after which the robot holds
HELD = 0.5  # [s] that success must last to end an episode
PATIENCE = 1.6  # times the task's horizon that an episode may take
DISK_FULL_RETRY = 0.2  # [s] between looks at a full disk
KEEP, DISCARD = "keep", "discard"  # buttons that end an episode


class Decision(NamedTuple):
    """The action of one tick, and its source."""

    action: Array  # (act_dim,) float32 in [-1, 1]
    source: Source
    age: float  # [s] since the input was made
    holds: bool  # whether the robot stands still because no input arrives from the operator
    buttons: frozenset[str]


class Operator:
    """Turns a device's commands into actions; holds the robot still while the device is silent."""

    def __init__(self, device: Device, action_names: tuple[str, ...]) -> None:
        """Listen to `device`, for a task whose action has these columns."""
        self.device, self._names = device, action_names
        self._gripper = -1.0

    def begin(self, seed: int) -> None:
        """Start an episode: gripper open, nothing pressed."""
        self._gripper = -1.0
        self.device.begin(seed)

    def decide(self) -> Decision:
        """Ask the device and return the action for this tick."""
        command = self.device.read()
        holds = not command.active or command.age > SILENCE or not is_finite(command)
        if holds:
            command = command._replace(twist=np.zeros(6), gripper=self._gripper)
        self._gripper = command.gripper
        action = to_action(command, self._names)
        return Decision(action, self.device.source, command.age, holds, command.buttons)


class SessionTick(NamedTuple):
    """One control step as it happened, for viewers."""

    number: int  # from 0, within the episode
    decision: Decision
    step: Step
    late: float  # [s] after its deadline


class RecordedSummary(NamedTuple):
    """An episode that is over."""

    id: str
    outcome: Outcome
    steps: int
    ending: str  # "success", "limit", "keep" or "discard"


class Session:
    """One operator, one device, one task, one dataset to record into."""

    def __init__(
        self,
        env: TaskEnv,
        device: Device,
        dataset: Dataset,
        *,
        operator: str = "",
        tags: tuple[str, ...] = (),
        pace: bool = True,
        on_tick: Callable[[SessionTick], None] | None = None,
        on_trouble: Callable[[Exception], None] | None = None,
    ) -> None:
        """Drive copy 0 of `env`, which has one, by `device`, opened already.

        Args:
            env: the world.
            device: what the operator holds.
            dataset: where episodes go.
            operator: a person's name, or "scripted".
            tags: given to every episode.
            pace: whether to keep the task's control rate; else as fast as possible.
            on_tick: called after every step; what it does must be quick.
            on_trouble: called once with the reason why the disk cannot take more; the session waits until it can.
        """
        assert env.num_envs == 1
        self.env, self.dataset = env, dataset
        self.clock = Pacer(env.control_dt, pace=pace)
        self.limit = round(PATIENCE * env.horizon)  # steps
        self._operator = Operator(device, env.task.action_names)
        self._name, self._tags = operator, tags
        self._held = round(HELD / env.control_dt)  # steps
        self._on_tick, self._on_trouble = on_tick, on_trouble

    def record(self, seed: int, episode_id: str = "") -> RecordedSummary:
        """Record one episode from `seed` and close it; a discarded one is in the dataset's trash.

        Stopped by Ctrl-C, the episode is closed as aborted.

        Raises:
            ConflictError: there is an episode with this id.
            DiskFullError: there is too little room to begin.
        """
        with self.begin(seed, episode_id) as writer:
            try:
                ending = self._drive(writer)
            except KeyboardInterrupt:
                if len(writer):
                    self.close(writer, "aborted", note="stopped by the operator")
                raise
            success = bool(writer.columns()["success"][-1])
            outcome: Outcome = "aborted" if ending == DISCARD else "success" if success else "failure"
            steps = len(writer)
            self.close(writer, outcome)
        if ending == DISCARD:
            self.dataset.delete(writer.id)
        return RecordedSummary(writer.id, outcome, steps, ending)

    def begin(self, seed: int, episode_id: str = "") -> EpisodeWriter:
        """Put the world at the start of the episode of `seed` and open its journal."""
        obs = self.env.reset(np.array([seed]))
        device = self._operator.device.name
        meta = describe(self.env, seed, id=episode_id, operator=self._name, device=device, tags=self._tags)
        self._operator.begin(seed)
        self.clock.restart()
        return self.dataset.record(meta, obs[0], self.env.get_state()[0])

    def tick(self, writer: EpisodeWriter) -> SessionTick:
        """Wait for the next deadline, then take one control step and record it."""
        late = self.clock.wait()
        decision = self._operator.decide()
        wall_time = time.time()
        step = self.env.step(decision.action[None])
        tick = SessionTick(len(writer), decision, step, late)
        try:
            note_down(writer, decision, step, self.env.get_state()[0], wall_time)
        except (DiskFullError, OSError) as error:
            self._wait_for_disk(writer, error)
        if self._on_tick is not None:
            self._on_tick(tick)
        return tick

    def close(self, writer: EpisodeWriter, outcome: Outcome, *, note: str = "") -> None:
        """Make the episode part of the dataset; waits where the disk has no room for it."""
        while True:
            try:
                writer.close(outcome, note=note)
                return
            except (DiskFullError, DiskError) as error:
                self._report(error)
                time.sleep(DISK_FULL_RETRY)

    def _drive(self, writer: EpisodeWriter) -> str:
        """Take steps until the episode is over; return why it is."""
        held = 0
        while len(writer) < self.limit:
            tick = self.tick(writer)
            for button in (DISCARD, KEEP):
                if button in tick.decision.buttons:
                    return button
            held = held + 1 if tick.step.success[0] else 0
            if held >= self._held:
                return "success"
        return "limit"

    def _wait_for_disk(self, writer: EpisodeWriter, error: Exception) -> None:
        """Stand still until the disk takes what was recorded; the world does not advance meanwhile."""
        self._report(error)
        while writer.trouble is not None:
            time.sleep(DISK_FULL_RETRY)
        self.clock.restart()

    def _report(self, error: Exception) -> None:
        if self._on_trouble is not None:
            self._on_trouble(error)


def describe(env: TaskEnv, seed: int, **fields: Any) -> EpisodeMeta:
    """Return what is known of an episode of `env` that begins from `seed`, with further `fields`."""
    known: dict[str, Any] = {"id": "", "versions": versions(), **fields}
    return EpisodeMeta(
        task=env.name,
        seed=seed,
        control_dt=env.control_dt,
        outcome="aborted",  # until it is closed
        model_hash=env.model_hash,
        **known,
    )


def note_down(writer: EpisodeWriter, decision: Decision, step: Step, state: Array, wall_time: float) -> None:
    """Record a step of copy 0 that led to `state` (nstate,), and who decided it; raises as `EpisodeWriter.append`."""
    writer.append(
        step.obs[0],
        state,
        step.applied[0],
        float(step.reward[0]),
        bool(step.success[0]),
        decision.source,
        {name: value[0] for name, value in step.signals.items()},
        wall_time,
        decision.age,
    )


def is_finite(command: Command) -> bool:
    """Whether a command is made of numbers."""
    return bool(np.isfinite(command.twist).all() and np.isfinite(command.gripper))
