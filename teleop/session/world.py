"""The live world of a session, the frame of it that is shown, and the journal of the open episode.

A journal is opened while the world stands at the start, so that no episode's first step waits for the disk.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from robo_rlhf.core.errors import DiskFullError, EnvironmentFaultError, InvalidValueError, NonFiniteError, NotNowError
from robo_rlhf.core.types import Array, EpisodeMeta
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import now
from robo_rlhf.data.recording.journal import EpisodeWriter
from robo_rlhf.data.recording.stream import Row, row_of
from robo_rlhf.data.schema import SIGNAL
from robo_rlhf.rollouts.control_loop import control_loop
from robo_rlhf.sim.envs.conditioned_env import SENT
from teleop.session.branch import GOAL, RecordedEpisode
from teleop.session.io_thread import IOThread, explain_disk_full, ignore
from teleop.session.shared_control import Decision, Driver
from teleop.worlds.conditioned import ConditionedWorld
from teleop.worlds.opening import World

RETRY = 0.5  # [s] between attempts to open a journal on a full disk


class LiveWorld:
    """A world with one copy; files are opened in an I/O thread."""

    def __init__(self, env: World, dataset: Dataset, io: IOThread, fields: Callable[[], Mapping[str, Any]]) -> None:
        """Record into `dataset`; `fields` gives the metadata of every episode in addition to its world."""
        self.env, self.dataset, self._io, self._fields = env, dataset, io, fields
        self.writer: EpisodeWriter | None = None  # of the open episode, or ready for the next one
        self.recorded: RecordedEpisode | None = None  # a recorded episode that is looked at
        self.origin: tuple[RecordedEpisode, int] | None = (
            None  # where the open episode came from, if from a recorded one
        )
        self.trouble = ""  # why no journal can be opened, or no episode can begin
        self.seed, self.frame, self.success = 0, 0, False
        self.goals: dict[str, Array] = {}  # that were moved, by name: (3,) [m]
        self.obs, self.state = np.zeros(env.obs_dim, np.float32), np.zeros(0)  # (obs_dim,), (nstate,) as shown
        self._awaited: object | None = None  # the journal that is being opened
        self._retry_at: float | None = None

    @property
    def steps(self) -> int:
        """Number of steps of what is looked at."""
        return len(self.recorded) - 1 if self.recorded else len(self.writer) if self.writer else 0

    def row(self, index: int) -> Row:
        """Return a frame of what is looked at, and the step that led to it."""
        if self.recorded:
            return self.recorded.row(index)
        assert self.writer is not None
        return self.writer.row(index)

    def action(self) -> Array | None:
        """Return the action (act_dim,) that was sent before the frame shown; None at the start."""
        if self.frame == 0:
            return None
        row = self.row(self.frame)
        return np.asarray(row.get(SIGNAL + SENT, row["action"]))

    @property
    def seen(self) -> Array:
        """The state (nstate,) of the frame that the operator is shown: late or lost under conditions."""
        return self.env.seen_state()[0] if isinstance(self.env, ConditionedWorld) else self.state

    def reset_to(self, seed: int, goals: Mapping[str, Array] | None = None) -> None:
        """Put the world at the start of the episode of `seed`, with goals moved, and open a journal for it."""
        self.drop()
        self.seed, self.frame, self.goals = seed, 0, dict(goals or {})
        self.recorded = self.origin = None
        try:
            obs, success = self.env.begin_at(seed, self.goals)
        except EnvironmentFaultError as error:
            self.trouble = f"{error} Another seed may work."
            self._observe(np.zeros(self.env.obs_dim, np.float32), self.env.get_state()[0], success=False)
            return
        self._observe(obs, self.env.get_state()[0], success=success)
        self._open()

    def move_goal(self, name: str, position: Array) -> None:
        """Put a goal at `position` (3,) [m] in the world, before the episode begins; raises as `World.check_goal`."""
        self.env.check_goal(name, position)
        self.reset_to(self.seed, {**self.goals, name: position})

    def enter(self, recorded: RecordedEpisode, frame: int) -> None:
        """Show a frame of a recorded episode, to resume from there.

        Raises:
            InvalidValueError: it has no such frame, or this world cannot enter it.
        """
        recorded.check(self.env)
        if not 0 <= frame < len(recorded):
            raise InvalidValueError(f"frame of episode {recorded.meta.id}", frame, f"0 to {len(recorded) - 1}")
        self.drop()
        self.recorded, self.origin, self.seed, self.goals = recorded, None, recorded.meta.seed, {}
        self._show(frame, anew=True)

    def show_frame(self, frame: int) -> None:
        """Show a frame of the open episode, or of the recorded one that is looked at.

        Raises:
            InvalidValueError: it has no such frame.
        """
        if not 0 <= frame <= self.steps:
            raise InvalidValueError("frame to look at", frame, f"0 to {self.steps}")
        self._show(frame)

    def begin(self) -> bool:
        """Begin the episode at whose start the world stands; False where its journal is not open yet."""
        if self.writer is None:
            return False
        self.describe_anew()
        self.writer.meta = replace(self.writer.meta, started=now())  # nothing is written before the first step
        return True

    def stand(self) -> None:
        """Be where the episode goes on from the frame shown.

        Raises:
            NotNowError: the frame cannot be entered, or the environment ended the episode there.
            EnvironmentFaultError: the environment fails meanwhile.
        """
        self.env.stand(self.seed, self.row, self.frame)
        if self.env.over:
            raise NotNowError(self.env.over.rstrip("."), "Nothing was changed.")

    def describe_anew(self) -> None:
        """Take over what the fields of the metadata are now: another policy drives."""
        if self.writer is not None:
            self.writer.meta = replace(self.writer.meta, **self._all_fields())

    def drive(self, driver: Driver) -> Iterator[Decision]:
        """Step the world as `driver` decides, from the frame shown on: yield each decision when its step is recorded.

        On a full disk a step is kept in memory, and `writer.trouble` says so.

        Raises:
            NonFiniteError: a policy's action is no number, or the simulation broke down; the world is as before the
                step, which is not recorded.
            EnvironmentFaultError: the environment failed; the step is not recorded.
        """
        assert self.writer is not None
        for step in control_loop(self.env, driver.act, self.obs[None]):
            decision, state = driver.decision, self.env.get_state()[0]
            if step.faults:
                raise EnvironmentFaultError(step.faults[0])
            if not (np.isfinite(step.obs).all() and np.isfinite(state).all()):
                self.env.show(self.seed, self.row, self.frame, anew=True)
                where = f"step {len(self.writer)} of episode {self.writer.id}"
                advice = "The step was not recorded: rewind, or discard the episode."
                raise NonFiniteError("The simulation", where, advice)
            self.obs, self.state, self.success = step.obs[0], state, bool(step.success[0])
            with suppress(DiskFullError, OSError):
                self.writer.append(row_of(step, state, decision.source, decision.at, decision.age))
            self.frame = len(self.writer)
            self.env.stepped(self.seed)
            yield decision

    def branch(
        self,
        then: Callable[[EpisodeWriter | None], None],
        failed: Callable[[Exception], None],
        note: str = "",
        own: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin an episode with what is before the frame shown, the `note` on it, and its `own` metadata.

        `then` gets the open episode that is left, if any.
        """
        past, left, frame, fields = self.recorded, self.writer, self.frame, {**self._all_fields(), **(own or {})}

        def job() -> EpisodeWriter:
            if past:
                here = {"model_hash": self.env.model_hash, "control_dt": self.env.control_dt}
                writer = past.go_on(self.dataset.path, frame, {**fields, **here})
            else:
                assert left is not None
                writer = left.branch(frame, **fields)
            if note:
                writer.remark(None, note)
            return writer

        def made(writer: EpisodeWriter) -> None:
            if past:
                self.origin, self.recorded = (past, frame), None
            self.writer = writer
            self.show_frame(frame)
            then(None if past else left)

        self._io.submit(job, made, failed)

    def take(self) -> EpisodeWriter:
        """Hand over the open episode, to be closed; another world must be put up next."""
        writer, self.writer = self.writer, None
        assert writer is not None
        return writer

    def drop(self) -> None:
        """Forget the journal of an episode that has not begun."""
        writer, self.writer, self._awaited, self._retry_at = self.writer, None, None, None
        if writer is not None:
            assert not len(writer)
            self._io.submit(writer.discard, ignore)

    def change(self, env: World, dataset: Dataset) -> None:
        """Go over to another world and the dataset for it; it must be put up next."""
        self.drop()
        self.env.close()
        self.env, self.dataset = env, dataset

    def retry_journal(self) -> None:
        """Try again what failed for want of room."""
        if self._retry_at is not None and time.monotonic() >= self._retry_at:
            self._open()

    def _show(self, frame: int, *, anew: bool = False) -> None:
        self.frame = frame
        obs, state = self.env.show(self.seed, self.row, frame, anew=anew)
        self._observe(obs, state, success=bool(self.row(frame)["success"]))

    def _observe(self, obs: Array, state: Array, *, success: bool) -> None:
        self.obs, self.state, self.success = obs, state, success

    def _open(self) -> None:
        token = self._awaited = object()
        self._retry_at = None
        meta = EpisodeMeta(
            id="",
            task=self.env.name,
            seed=self.seed,
            control_dt=self.env.control_dt,
            outcome="aborted",  # until it is closed
            model_hash=self.env.model_hash,
            **self._all_fields(),
        )
        dataset, obs, state, success = self.dataset, self.obs, self.state, self.success

        def opened(writer: EpisodeWriter) -> None:
            if self._awaited is token:
                self.writer, self._awaited, self.trouble = writer, None, ""
            else:
                writer.discard()

        def failed(error: Exception) -> None:
            if not isinstance(error, DiskFullError | OSError):
                raise error
            if self._awaited is token:
                self.trouble, self._retry_at = explain_disk_full(error), time.monotonic() + RETRY

        self._io.submit(lambda: dataset.record(meta, obs, state, success=success), opened, failed)

    def _all_fields(self) -> dict[str, Any]:
        fields = dict(self._fields())
        return {**fields, "tags": (*fields["tags"], GOAL)} if self.goals else fields
