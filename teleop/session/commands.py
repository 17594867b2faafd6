"""The effect of each `CommandName` on a session, and its reply: one function per command."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from robo_rlhf.core.checks import check_seed
from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError
from robo_rlhf.core.types import Policy
from robo_rlhf.sim.external.controls import check_columns
from teleop.ipc.messages import CommandName, Do, Reply
from teleop.session.branch import RecordedEpisode, find_resume_point, inside, read_episode
from teleop.session.state_machine import SessionMachine
from teleop.worlds.opening import World
from teleop.worlds.remembered_controls import controls_from, write_controls

Mark = Literal["", "success", "failure"]

NOTHING_OPEN = "No episode is open."


@dataclass(frozen=True)
class SessionRequest:
    """A request that is answered exactly once, now or when its result is on the disk."""

    do: Do
    send: Callable[[Reply], object]

    def done(self, text: str = "", episode: str = "") -> None:
        """Answer that it is done."""
        self.send(Reply(self.do.id, True, text, episode))

    def refuse(self, why: str) -> None:
        """Answer that it is not done."""
        self.send(Reply(self.do.id, False, why))

    def failed(self, error: Exception) -> None:
        """Answer with an error."""
        self.refuse(str(error) if isinstance(error, RoboRlhfError) else f"{type(error).__name__}: {error}")

    def number(self) -> float:
        """Return the value, which must be a number.

        Raises:
            InvalidValueError: it is not.
        """
        return _number(self.do.value, self.do.act)

    def whole(self) -> int:
        """Return the value, which must be a whole number of at least 0.

        Raises:
            InvalidValueError: it is not.
        """
        return _whole(self.do.value, self.do.act)

    def text(self, *, empty: bool = False) -> str:
        """Return the value, which must be a text, an `empty` one perhaps.

        Raises:
            InvalidValueError: it is not.
        """
        return "" if empty and self.do.value == "" else _text(self.do.value, self.do.act)

    def items(self, count: int, form: str) -> list[object]:
        """Return the value, which must be a list of `count` items.

        Raises:
            InvalidValueError: it is not.
        """
        value = self.do.value
        if not isinstance(value, list) or len(value) != count:
            raise InvalidValueError(f"value of {self.do.act!r}", repr(value), form)
        return list(value)


def handle(machine: SessionMachine, request: SessionRequest) -> None:
    """Carry out the request; an error becomes the reply."""
    try:
        COMMANDS[request.do.act](machine, request)
    except RoboRlhfError as error:
        request.failed(error)


def start(machine: SessionMachine, request: SessionRequest) -> None:
    """Begin, or resume."""
    machine.resume()
    request.done()


def pause(machine: SessionMachine, request: SessionRequest) -> None:
    """Stop at the newest frame."""
    machine.pause()
    request.done()


def keep(machine: SessionMachine, request: SessionRequest) -> None:
    """Close the episode and load the next seed; a correction of a recorded episode returns to its frame."""
    if not machine.has_steps():
        return request.refuse(f"{NOTHING_OPEN} There is nothing to keep.")
    follows = machine.seed if machine.world.origin else machine.world.seed + 1
    episode = machine.take_episode()
    machine.undo.closing("keep", episode.closed())
    machine.episode_log.keep(episode, lambda text: request.done(text, episode.writer.id))
    machine.reset_to(follows)


def discard(machine: SessionMachine, request: SessionRequest) -> None:
    """Move the episode to the trash and reset to the same start."""
    world = machine.world
    if not machine.has_steps():
        if machine.phase != "running" and not machine.starting:
            return request.refuse(f"{NOTHING_OPEN} There is nothing to discard.")
        machine.reset_to(world.seed, world.goals)
        return request.done("Nothing had been recorded yet.")
    origin, correcting, goals = world.origin, machine.driver.correcting, world.goals
    episode = machine.take_episode()
    machine.undo.closing("discard", episode.closed())
    machine.episode_log.discard(episode, lambda text: request.done(text, episode.writer.id))
    if origin:
        machine.enter(*origin, correcting=correcting)
    else:
        machine.reset_to(world.seed, goals)


def undo(machine: SessionMachine, request: SessionRequest) -> None:
    """Undo the newest keep, discard, rewind or mark; a closed episode comes back open."""
    if not machine.undo.run(request.done, request.failed):
        request.refuse("There is nothing to undo.")


def mark(machine: SessionMachine, request: SessionRequest) -> None:
    """Set the outcome of the open episode, or of the last one."""
    stated: Mark = "success" if request.do.act == "success" else "failure" if request.do.act == "failure" else ""
    last = machine.episode_log.last
    if machine.has_steps():
        machine.undo.marking(None)
        machine.mark = stated
        machine.remark(lambda: request.done(f"Marked as {stated}." if stated else "The task judges."), request.failed)
    elif last:
        machine.undo.marking(last)
        machine.episode_log.mark(last, stated, lambda text: request.done(text, last.id), request.failed)
    else:
        request.refuse(f"{NOTHING_OPEN} There is nothing to mark.")


def note(machine: SessionMachine, request: SessionRequest) -> None:
    """Write a note to the open episode, or to the last one."""
    text, last = request.text(empty=True), machine.episode_log.last
    if machine.has_steps():
        machine.note = text
        machine.remark(lambda: request.done("Noted with this episode."), request.failed)
    elif last:
        machine.episode_log.note(last, text, lambda stated: request.done(stated, last.id), request.failed)
    else:
        request.refuse(f"{NOTHING_OPEN} There is nothing to note this with.")


def again(machine: SessionMachine, request: SessionRequest) -> None:
    """Load the seed that was recorded last."""
    machine.require_no_episode("the same seed again")
    last = machine.episode_log.last
    machine.reset_to(last.seed if last else machine.seed)
    request.done(f"Seed {machine.seed} again.")


def following(machine: SessionMachine, request: SessionRequest) -> None:
    """Load the next seed."""
    machine.require_no_episode("the next seed")
    machine.reset_to(machine.seed + 1)
    request.done(f"Seed {machine.seed}.")


def seed(machine: SessionMachine, request: SessionRequest) -> None:
    """Load a seed of the operator's choice."""
    machine.require_no_episode("another seed")
    chosen = request.whole()
    check_seed("seed", chosen)
    machine.reset_to(chosen)
    request.done(f"Seed {machine.seed}.")


def seek(machine: SessionMachine, request: SessionRequest) -> None:
    """Look at a frame."""
    frame = request.whole()
    if machine.undo.next != "rewind":
        machine.undo.rewinding()
    machine.show_frame(frame)
    request.done()


def rewind(machine: SessionMachine, request: SessionRequest) -> None:
    """Show the frame of some seconds before."""
    seconds = request.number()
    if not seconds > 0:
        raise InvalidValueError("seconds to rewind", f"{seconds:g}", "more than 0")
    frames = max(round(min(seconds, 1e6) / machine.world.env.control_dt), 1)
    machine.undo.rewinding()
    machine.show_frame(max(machine.world.frame - frames, 0))
    request.done()


def task(machine: SessionMachine, request: SessionRequest) -> None:
    """Go over to another task."""
    machine.require_no_episode("another task")
    name = request.text()
    machine.change_task(name)
    machine.reset_to(find_resume_point(machine.world.dataset, name, machine.options.operator).next_seed)
    machine.send_scene()
    request.done(f"{machine.world.env.instruction} Recorded into {machine.world.dataset.path.name}.".strip())


def goal(machine: SessionMachine, request: SessionRequest) -> None:
    """Move a goal, before the episode begins."""
    name, *place = request.items(4, "[name, x, y, z]")
    if machine.phase != "ready":
        return request.refuse("A goal can be moved only before the episode begins: keep or discard this one first.")
    machine.world.move_goal(_text(name, "goal"), np.array([_number(value, "goal") for value in place]))
    request.done()


def controls(machine: SessionMachine, request: SessionRequest) -> None:
    """Change what drives each column of an action, and remember it for the environment; back to what is usual."""
    env, home = machine.world.env, machine.options.home
    usual, chosen = env.usual_controls, env.usual_controls
    if request.do.value is not None:
        chosen = check_columns(controls_from(request.text()), usual)
    write_controls(home, env.name, chosen, usual)
    machine.control_by(chosen)
    machine.send_scene()
    request.done("Remembered for this environment." if chosen != usual else "The usual controls.")


def policy(machine: SessionMachine, request: SessionRequest) -> None:
    """Load a policy, which drives from then on; or drive alone again."""
    machine.pause()
    if request.do.value is None:
        machine.driver.policy, machine.policy_name = None, ""
        return request.done("You drive.")
    name, env = request.text(), machine.world.env
    path = inside(machine.options.home, name, "checkpoint")

    def loaded(policy: Policy) -> None:
        if machine.world.env is not env:
            return request.refuse("The task was changed meanwhile: load a policy for the new one.")
        machine.pause()
        machine.driver.policy, machine.policy_name = policy, name
        machine.world.describe_anew()
        request.done("The policy drives when the episode resumes; take over at any time.")

    machine.fetcher.submit(lambda: _load_policy(path, env), loaded, request.failed)


def open_(machine: SessionMachine, request: SessionRequest) -> None:
    """Show a frame of a recorded episode, to continue from there or to record a correction."""
    dataset, episode, frame, mode = request.items(4, '[dataset, episode, frame, "continue" or "takeover"]')
    if mode not in ("continue", "takeover"):
        raise InvalidValueError("opening an episode", repr(mode), '"continue" or "takeover"')
    name, episode_id, index = _text(dataset, "open"), _text(episode, "open"), _whole(frame, "open")
    machine.require_no_episode(f"episode {episode_id!r}")

    def read(past: RecordedEpisode) -> None:
        try:
            machine.require_no_episode(f"episode {episode_id!r}")
            machine.open(past, index, correcting=mode == "takeover")
        except RoboRlhfError as error:
            return request.failed(error)
        request.done(f"Frame {index} of {past.meta.id}.{past.differences(machine.world.env)}", past.meta.id)

    machine.fetcher.submit(lambda: read_episode(machine.options.home, name, episode_id), read, request.failed)


def operator(machine: SessionMachine, request: SessionRequest) -> None:
    """Take note of the new operator: an episode belongs to the operator at its end."""
    machine.options = replace(machine.options, operator=request.text())
    machine.world.describe_anew()
    request.done()


COMMANDS: dict[CommandName, Callable[[SessionMachine, SessionRequest], None]] = {
    "start": start,
    "pause": pause,
    "keep": keep,
    "discard": discard,
    "undo": undo,
    "success": mark,
    "failure": mark,
    "unmark": mark,
    "again": again,
    "next": following,
    "seed": seed,
    "seek": seek,
    "rewind": rewind,
    "note": note,
    "task": task,
    "goal": goal,
    "controls": controls,
    "policy": policy,
    "open": open_,
    "operator": operator,
}


def _load_policy(path: Path, env: World) -> Policy:
    """Load a checkpoint for `env`. Only here is torch imported, and given one thread."""
    from robo_rlhf.core.learning import use_one_thread
    from robo_rlhf.policies.masked import load_for

    use_one_thread()
    policy = load_for(path, env)
    policy.reset(1)
    policy.act(np.zeros((1, env.obs_dim), np.float32))  # the first time is slow
    policy.reset(1)
    return policy


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise InvalidValueError(f"value of {what!r}", repr(value), "a number")
    return float(value)


def _whole(value: object, what: str) -> int:
    number = _number(value, what)
    if number != int(number) or not 0 <= number < 2**53:
        raise InvalidValueError(f"value of {what!r}", repr(value), "a whole number of at least 0")
    return int(number)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidValueError(f"value of {what!r}", repr(value), "a text")
    return value
