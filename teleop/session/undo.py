"""What an operator can undo, newest first: a keep, a discard, a rewind, a mark.

An episode that was kept or discarded comes back open, at its last frame: it can be continued, kept or discarded again.
It is open under another id; the closed file goes to the trash when the new journal holds its frames.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from robo_rlhf.core.errors import ConflictError, RoboRlhfError
from teleop.session.branch import RecordedEpisode
from teleop.session.episodes import ClosedEpisode

if TYPE_CHECKING:
    from teleop.session.state_machine import SessionMachine

MOST = 100  # steps that are remembered

Done = Callable[[str], None]  # gets the text of the reply
Failed = Callable[[Exception], None]
What = Literal["keep", "discard", "rewind", "mark"]


@dataclass(frozen=True)
class UndoStep:
    """One thing that can be undone."""

    what: What  # as the page names it: "Undo keep"
    run: Callable[[Done, Failed], None]


class UndoStack:
    """The steps of one session."""

    def __init__(self, machine: "SessionMachine") -> None:
        """Nothing was done yet."""
        self._machine = machine
        self._steps: list[UndoStep] = []

    @property
    def next(self) -> What | Literal[""]:
        """What would be undone; empty where there is nothing."""
        return self._steps[-1].what if self._steps else ""

    def run(self, done: Done, failed: Failed) -> bool:
        """Undo the newest step; False where there is none.

        Raises:
            ConflictError: it is a closed episode, and another one is open.
        """
        if not self._steps:
            return False
        step = self._steps[-1]
        if step.what in ("keep", "discard"):
            self._machine.require_no_episode(f"undoing the last {step.what}")
        self._steps.pop()

        def not_undone(error: Exception) -> None:
            self._steps.append(step)
            failed(error)

        step.run(done, not_undone)
        return True

    def closing(self, what: Literal["keep", "discard"], closed: ClosedEpisode) -> None:
        """The open episode is being closed; called while the machine still has all of it."""
        machine, world = self._machine, self._machine.world
        origin, goals, correcting = world.origin, dict(world.goals), machine.driver.correcting
        mark, note = machine.mark, machine.note

        def undo(done: Done, failed: Failed) -> None:
            def reopen(past: RecordedEpisode) -> None:
                try:
                    if machine.world.dataset.path != closed.dataset.path:
                        where = closed.dataset.path.name
                        raise ConflictError(f"undoing the last {what}", f"that episode was recorded into {where}")
                    machine.reopen(past, opened, give_up, goals=goals, correcting=correcting, mark=mark, note=note)
                except RoboRlhfError as error:
                    give_up(error)

            def opened() -> None:
                machine.world.origin = origin
                machine.episode_log.reopened(closed)
                done(f"The episode of {closed.seconds:.1f} s is open again: continue it, keep or discard it.")

            def give_up(error: Exception) -> None:
                machine.busy = False
                machine.episode_log.stays(closed)
                failed(error)

            machine.busy = True
            machine.episode_log.read(closed, reopen, give_up)

        self.forget_rewinds()
        self._push(what, undo)

    def rewinding(self) -> None:
        """An earlier frame is about to be shown."""
        machine, writer, frame = self._machine, self._machine.world.writer, self._machine.world.frame

        def undo(done: Done, _: Failed) -> None:
            if machine.world.writer is writer:
                machine.show_frame(frame)
            done(f"Back at frame {frame}.")

        if machine.has_steps():
            self._push("rewind", undo)

    def marking(self, closed: ClosedEpisode | None) -> None:
        """The open episode is about to be marked, or the closed one that is given."""
        machine = self._machine
        mark = machine.mark
        outcome = machine.episode_log.kept.get(closed.id, closed.outcome) if closed else ""

        def undo(done: Done, failed: Failed) -> None:
            if closed:
                machine.episode_log.mark(closed, outcome, done, failed)
            else:
                machine.mark = mark
                machine.remark(lambda: done(f"Marked as {mark} again." if mark else "The task judges again."), failed)

        self._push("mark", undo)

    def forget_rewinds(self) -> None:
        """What was rewound has been left: a branch goes on from there, or the episode is closed."""
        while self._steps and self._steps[-1].what == "rewind":
            self._steps.pop()

    def _push(self, what: What, run: Callable[[Done, Failed], None]) -> None:
        self._steps = [*self._steps[-MOST + 1 :], UndoStep(what, run)]
