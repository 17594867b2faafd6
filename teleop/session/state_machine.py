"""The state of a session, as a state machine over its live world, its driver and its episode log.

ready    the world is at the start of the seed; the first movement, or `start`, begins an episode
running  a control step a tick, each recorded
paused   some frame is shown; a movement or `start` resumes from it, and where frames follow it, that is a
         branch: the episode so far is closed with its own outcome, and a new one begins with what they share
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from robo_rlhf.core.errors import ConflictError, EnvironmentFaultError, NonFiniteError, RoboRlhfError
from robo_rlhf.core.files import new_dataset
from robo_rlhf.core.types import Array, Source
from robo_rlhf.data.dataset import MIXED, Dataset
from robo_rlhf.data.recording.journal import EpisodeWriter
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.envs.task_env import versions
from robo_rlhf.sim.external.controls import ColumnControl
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.vision.sight import Sight
from teleop.devices import Device
from teleop.input.action_mapping import ActionMapping
from teleop.ipc.messages import Begin, Notice, Phase, Reply, Scene, Tick, Tone
from teleop.ipc.priority import be_gentle
from teleop.session.branch import RecordedEpisode
from teleop.session.episodes import EpisodeLog, OpenEpisode
from teleop.session.io_thread import IOThread, explain_disk_full
from teleop.session.scene_info import describe_scene
from teleop.session.shared_control import Decision, Driver, OperatorInput
from teleop.session.undo import UndoStack
from teleop.session.world import LiveWorld
from teleop.worlds.opening import World, conditions_of, open_driven
from teleop.worlds.remembered_controls import read_controls

HELD = 0.5  # [s] that success must last for the task to be done
PATIENCE = 1.6  # times the task's horizon that a policy may take
REST = 10.0  # [s] of holding after which a running episode pauses by itself
LONGEST = 20_000  # steps of an episode: what memory holds well

Send = Callable[[Scene | Tick | Reply | Notice], object]


class SessionMachine:
    """One operator, one world, one dataset to record into; used by one thread."""

    def __init__(
        self,
        begin: Begin,
        env: World,
        dataset: Dataset,
        device: Device,
        period: float,
        send: Send,
        ring: Callable[[], None],
    ) -> None:
        """Begin without a seed; one must be loaded next.

        Args:
            begin: the settings of the session.
            env: the world, with one copy.
            dataset: where episodes go.
            device: what the operator holds, opened already.
            period: of the ticks [s].
            send: gets the outgoing messages.
            ring: called, from any thread, when a result is ready.
        """
        assert env.num_envs == 1
        self.options, self._period, self._send, self.device = begin, period, send, device
        self.driver = Driver(device, ActionMapping(self._controls_of(env), env.control_dt))
        self.episode_log, self.journals = EpisodeLog(ring), IOThread("journals", ring)
        self.fetcher = IOThread("fetcher", ring, be_gentle)  # reads what takes a while: policies, recorded episodes
        self.world = LiveWorld(env, dataset, self.journals, self._fields)
        self.undo = UndoStack(self)
        self.phase: Phase = "ready"
        self.seed = 0  # that is recorded; while a recorded episode is looked at, the one to come back to
        self.mark: Literal["", "success", "failure"] = ""
        self.note = self.policy_name = ""
        self.ticks = 0  # control steps since the session started
        self.busy = False  # a branch is being made: requests have to wait
        self.source, self.holds = Source.HUMAN, False  # of the last step
        self.starting = False  # the episode begins as soon as its journal is open
        self._steps: Iterator[Decision] = iter(())  # what the driver decides, a step each, while the episode runs
        self._moving = False  # something was held in the last tick
        self._released = True  # nothing was held at some moment since the world was loaded, or paused
        self._still = self._well = 0  # ticks that the robot has held; that the task has been done

    def tick(self, operator_input: OperatorInput) -> None:
        """Run one tick: begin or resume where the operator moves, and take a step where the episode runs."""
        self._moving = not operator_input.silent
        self._released |= operator_input.silent
        moves = self._released and operator_input.moves
        if self.phase == "paused" and moves:
            self.resume()
        elif self.phase == "ready" and (moves or self.starting) and self.world.begin():
            self.starting = False
            self.run()
        if self.phase == "running":
            self._step()

    def deliver(self) -> None:
        """Apply the finished jobs of the I/O threads."""
        for thread in (self.episode_log.io, self.journals, self.fetcher):
            thread.deliver()
        self.world.retry_journal()

    def close(self) -> None:
        """Close the open episode, tagged as interrupted, and wait until the disk holds everything."""
        self.fetcher.finish()
        self.journals.finish()
        if self.has_steps():
            self.episode_log.interrupt(self.take_episode())
        elif self.world.writer is not None:
            self.world.take().discard()
        self.episode_log.finish()

    def resume(self) -> None:
        """Begin the episode, or resume from the shown frame; later, where the disk must be waited for."""
        if self.phase == "ready":
            self.starting = True
        elif self.phase == "paused" and not self.busy:
            if self.world.recorded is None and self.world.frame == self.world.steps:
                self.world.show_frame(self.world.frame)
                self.run()
            else:
                self.busy = True
                self.world.branch(self._branched, self._not_branched, self.note)

    def run(self) -> None:
        """Run from the frame that is shown; where the episode cannot go on there, tell why."""
        try:
            self.world.stand()
        except RoboRlhfError as error:
            self.phase, self._released = "paused", False
            return self.notice(str(error), "bad")
        self.driver.begin(self.world.seed, self._positions())
        self._steps = self.world.drive(self.driver)
        self.phase, self._still, self._well = "running", 0, 0

    def pause(self) -> None:
        """Stop at the newest frame; a movement resumes, after all keys were released."""
        self.starting = False
        if self.phase == "running":
            self.phase, self._released, self.holds = "paused", not self._moving, False

    def show_frame(self, frame: int) -> None:
        """Pause, and show a frame.

        Raises:
            InvalidValueError: there is no such frame.
        """
        self.pause()
        if self.phase == "ready" and frame == 0:
            return
        self.world.show_frame(frame)
        self.driver.gripper = self._gripper()
        self._released = not self._moving

    def reset_to(self, seed: int, moved: Mapping[str, Array] | None = None) -> None:
        """Put the world at the start of `seed`, with goals moved: name → (3,) [m]; under the session's conditions."""
        before = self.world.env
        self.change_task(before.name)
        self.world.reset_to(seed, moved)
        self.seed = seed
        self.phase = "ready"
        self._announce_start()
        if self.world.env is not before:
            self.send_scene()

    def enter(self, past: RecordedEpisode, frame: int, *, correcting: bool) -> None:
        """Show a frame of a recorded episode, to resume from there."""
        self.world.enter(past, frame)
        self.phase = "paused"
        self._announce_start()
        self.driver.correcting = correcting

    def open(self, past: RecordedEpisode, frame: int, *, correcting: bool) -> None:
        """Look at a frame of a recorded episode, whatever its task; raises as `change_task` and `LiveWorld.enter`."""
        before = self.world.env
        self.change_task(past.meta.task, past.conditions)
        try:
            self.enter(past, frame, correcting=correcting)
        finally:
            if self.world.env is not before:
                if self.world.recorded is not past:
                    self.reset_to(self.seed)
                self.send_scene()

    def reopen(
        self,
        past: RecordedEpisode,
        then: Callable[[], None],
        failed: Callable[[Exception], None],
        *,
        goals: Mapping[str, Array],
        correcting: bool,
        mark: Literal["", "success", "failure"],
        note: str,
    ) -> None:
        """Open an episode that was closed, as it was: at its last frame; raises as `open`."""
        self.open(past, len(past) - 1, correcting=correcting)
        self.world.goals = dict(goals)
        self.busy = True

        def opened(_: EpisodeWriter | None) -> None:
            self.busy, self.mark, self.note = False, mark, note
            if mark:
                self.remark(lambda: None, lambda error: self.notice(str(error), "bad"))
            then()

        own = {"parent": past.meta.parent, "parent_step": past.meta.parent_step, "started": past.meta.started}
        self.world.branch(opened, failed, note, own)

    @property
    def trouble(self) -> str:
        """The reason why the session waits for the disk; empty where it does not."""
        writer = self.world.writer
        disk = writer.trouble if writer is not None and self.phase != "ready" else None
        return explain_disk_full(disk) if disk else self.world.trouble or self.episode_log.trouble

    @property
    def sight(self) -> Sight | None:
        """The cameras that the policy sees, and the size of their pictures; None where it sees none."""
        return getattr(self.driver.policy, "sight", None)

    def has_steps(self) -> bool:
        """Whether there is an open episode with anything in it."""
        return self.world.writer is not None and len(self.world.writer) > 0

    def require_no_episode(self, what: str) -> None:
        """Check that nothing would be lost.

        Raises:
            ConflictError: an episode is open.
        """
        if self.has_steps():
            raise ConflictError(what, "an episode is open; keep or discard it first")

    def take_episode(self) -> OpenEpisode:
        """Hand over the open episode, to be closed; the world must be reset."""
        return OpenEpisode(self.world.dataset, self.world.take(), self.mark, self.note)

    def remark(self, done: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        """Have the disk hold what the operator says of the open episode, as a crash keeps nothing else of it."""
        writer, mark, note = self.world.writer, self.mark, self.note
        assert writer is not None
        self.journals.submit(lambda: writer.remark(mark or None, note), lambda _: done(), failed)

    def change_task(self, name: str, conditions: Conditions | None = None) -> None:
        """Go over to another task, or to other `conditions`, which are the session's where None.

        Where the dataset is for one task only, also to the dataset named as the task.
        """
        conditions = self.options.conditions if conditions is None else conditions
        if is_outside(name):
            conditions = Conditions()
        if (name, conditions) == (self.world.env.name, conditions_of(self.world.env)):
            return
        dataset, same = self.world.dataset, name == self.world.env.name
        if not self.device.any_task and not same:
            raise ConflictError(f"task {name!r}", f"the device {self.device.name} was opened for another one")
        env = open_driven(name, conditions)
        if dataset.task not in (MIXED, name):
            dataset = open_dataset(self.options.home, name, name, self._send)
        self.world.change(env, dataset)
        if not same:
            self.control_by(self._controls_of(env))
            self.driver.policy, self.policy_name = None, ""
        elif self.sight is not None:
            self.driver.policy.look_at(env)  # type: ignore[union-attr]  # which has a sight

    def control_by(self, controls: tuple[ColumnControl, ...]) -> None:
        """Let commands mean what `controls` say from now on."""
        self.driver.mapping = ActionMapping(controls, self.world.env.control_dt)
        self.driver.mapping.begin(self._positions())

    def send_scene(self) -> None:
        """Tell what is driven."""
        dataset = self.world.dataset.path.relative_to(self.options.home).as_posix()
        self._send(describe_scene(self.world.env, dataset, self.driver.mapping.controls))

    def notice(self, text: str, tone: Tone = "plain", **more: Any) -> None:
        """Send a notice that no request asked for."""
        self._send(Notice(text, tone, **more))

    def _controls_of(self, env: World) -> tuple[ColumnControl, ...]:
        """Return the controls of a world: the remembered ones where a person drives."""
        if self.device.source is not Source.HUMAN:
            return env.usual_controls
        return read_controls(self.options.home, env.name, env.usual_controls)

    def _gripper(self) -> float:
        """Return how the gripper was commanded at the frame shown, -1 open to +1 closed."""
        action = self.world.action()
        found = None if action is None else self.driver.mapping.gripper(action)
        return -1.0 if found is None else found

    def _positions(self) -> Array:
        """Return where positions go on from: what was commanded last; at the start, where the joints are."""
        action, at = self.world.action(), self.world.env.at()
        targets = [one.kind == "target" for one in self.driver.mapping.controls]
        return at if action is None else np.where(targets, action, np.nan)

    def _fields(self) -> dict[str, Any]:
        """Return the metadata of an episode in addition to its world."""
        by = {"policy": self.policy_name} if self.policy_name else {}
        by |= self.sight.provenance() if self.sight is not None else {}
        return {
            "operator": self.options.operator,
            "device": self.options.label or self.device.name,
            "versions": {**versions(), **self.world.env.provenance, **by},
            "tags": self.options.tags,
        }

    def _announce_start(self) -> None:
        """Forget the marks and notes about the previous world."""
        self.mark = self.note = ""
        self.starting = self.holds = False
        self._released = not self._moving
        self.source = self.device.source
        self.driver.correcting = False
        self.driver.gripper = self._gripper()

    def _branched(self, left: EpisodeWriter | None) -> None:
        if left is not None:
            self.episode_log.abandon(OpenEpisode(self.world.dataset, left, self.mark, ""), self.notice)
        self.undo.forget_rewinds()
        self.mark = ""
        self.busy = False
        self.run()

    def _not_branched(self, error: Exception) -> None:
        self.busy = False
        self.notice(str(error), "bad")

    def _step(self) -> None:
        """Take a control step, or hold where the disk must be waited for."""
        writer = self.world.writer
        assert writer is not None
        if self.driver.attended and writer.trouble is not None:  # others wait before they ask their device
            self.holds = True
            return
        try:
            decision = next(self._steps)
        except (NonFiniteError, EnvironmentFaultError) as error:
            if not self.driver.attended:
                raise
            self.pause()
            self.notice(str(error), "bad")
            return
        self.ticks += 1
        self.source, self.holds = decision.source, decision.holds
        self._still = self._still + 1 if decision.holds else 0
        self._well = self._well + 1 if self.world.success else 0
        self._check_progress(len(writer))

    def _check_progress(self, steps: int) -> None:
        """Tell when the task is done; pause where nothing happens any more, or for too long, or no person goes on."""
        done = self._well == round(HELD / self.world.env.control_dt)
        alone = not self.driver.attended
        if done:
            self.notice("The task is done.", "good", sound="success")
        if self.world.env.over:
            self.pause()
            self.notice(self.world.env.over)
        elif done and alone:
            self.pause()
        elif self._still * self._period >= REST:
            self.pause()
            self.notice(f"Paused: nothing moved for {REST:.0f} s. Move to go on.")
        elif steps >= LONGEST:
            self.pause()
            self.notice(f"Paused: the episode has {steps:,} steps. Keep or discard it.", "bad")
        elif (alone or self.source is Source.POLICY) and steps == round(PATIENCE * self.world.env.horizon):
            self.pause()
            self.notice(f"Paused: the policy had {PATIENCE} times the time that the task is meant to take.")


def open_dataset(home: Path, name: str, task: str, send: Send) -> Dataset:
    """Open a dataset of the data home, made for `task` where it is missing and named like it; tell of its problems."""
    dataset = Dataset(new_dataset(home, name), create=True, task=task if name == task else MIXED)
    for problem in dataset.recovery.problems:
        send(Notice(problem, "bad"))
    return dataset
