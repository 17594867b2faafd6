"""What each `Act` does to a session, and what is answered: one function an act."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from robo_rlhf.core.checks import check_seed
from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError
from robo_rlhf.core.types import Policy
from robo_rlhf.sim.envs.task_env import TaskEnv
from teleop.ipc.messages import Act, Do, Reply
from teleop.session.branch import Past, inside, read_past
from teleop.session.resume import look_back
from teleop.session.state_machine import Play

Mark = Literal["", "success", "failure"]

NOTHING_OPEN = "No episode is open."


@dataclass(frozen=True)
class Asked:
    """A request that is answered exactly once, now or when the disk holds what came of it."""

    do: Do
    say: Callable[[Reply], object]

    def done(self, text: str = "", episode: str = "") -> None:
        """Answer that it is done."""
        self.say(Reply(self.do.id, True, text, episode))

    def refuse(self, why: str) -> None:
        """Answer that it is not done."""
        self.say(Reply(self.do.id, False, why))

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


def answer(play: Play, asked: Asked) -> None:
    """Do what was asked; what is wrong with it is the answer."""
    try:
        ACTS[asked.do.act](play, asked)
    except RoboRlhfError as error:
        asked.failed(error)


def start(play: Play, asked: Asked) -> None:
    """Begin, or go on."""
    play.go_on()
    asked.done()


def pause(play: Play, asked: Asked) -> None:
    """Stop at the newest frame."""
    play.pause()
    asked.done()


def keep(play: Play, asked: Asked) -> None:
    """Close the episode and put up the next seed; a correction of a recorded episode comes back to where it was."""
    if not play.has_steps():
        return asked.refuse(f"{NOTHING_OPEN} There is nothing to keep.")
    follows = play.seed if play.stage.origin else play.stage.seed + 1
    episode = play.take_episode()
    play.ledger.keep(episode, lambda text: asked.done(text, episode.writer.id))
    play.stand(follows)


def discard(play: Play, asked: Asked) -> None:
    """Move the episode to the trash and put up the same start again."""
    stage = play.stage
    if not play.has_steps():
        if play.phase != "running" and not play.starting:
            return asked.refuse(f"{NOTHING_OPEN} There is nothing to discard.")
        play.stand(stage.seed, stage.goals)
        return asked.done("Nothing had been recorded yet.")
    origin, correcting, goals = stage.origin, play.driver.correcting, stage.goals
    episode = play.take_episode()
    play.ledger.discard(episode, lambda text: asked.done(text, episode.writer.id))
    if origin:
        play.enter(*origin, correcting=correcting)
    else:
        play.stand(stage.seed, goals)


def undo(play: Play, asked: Asked) -> None:
    """Bring back what was discarded last, and go on to the next seed where its own was up again."""
    waiting = play.ledger.undo(lambda text: asked.done(text, closed_id), asked.failed)
    if waiting is None:
        return asked.refuse("Nothing was discarded that could be brought back.")
    closed_id = waiting.id
    if play.phase == "ready" and play.stage.seed == waiting.seed:
        play.stand(waiting.seed + 1)


def mark(play: Play, asked: Asked) -> None:
    """Say how the open episode ends, or how the last one ended."""
    said: Mark = "success" if asked.do.act == "success" else "failure" if asked.do.act == "failure" else ""
    last = play.ledger.last
    if play.has_steps():
        play.mark = said
        play.remark(lambda: asked.done(f"Marked as {said}." if said else "The task judges."), asked.failed)
    elif last:
        play.ledger.mark(last, said, lambda text: asked.done(text, last.id), asked.failed)
    else:
        asked.refuse(f"{NOTHING_OPEN} There is nothing to mark.")


def note(play: Play, asked: Asked) -> None:
    """Write a note to the open episode, or to the last one."""
    text, last = asked.text(empty=True), play.ledger.last
    if play.has_steps():
        play.note = text
        play.remark(lambda: asked.done("Noted with this episode."), asked.failed)
    elif last:
        play.ledger.note(last, text, lambda said: asked.done(said, last.id), asked.failed)
    else:
        asked.refuse(f"{NOTHING_OPEN} There is nothing to note this with.")


def again(play: Play, asked: Asked) -> None:
    """Put up the seed that was recorded last."""
    play.require_no_episode("the same seed again")
    last = play.ledger.last
    play.stand(last.seed if last else play.seed)
    asked.done(f"Seed {play.seed} again.")


def following(play: Play, asked: Asked) -> None:
    """Put up the next seed."""
    play.require_no_episode("the next seed")
    play.stand(play.seed + 1)
    asked.done(f"Seed {play.seed}.")


def seed(play: Play, asked: Asked) -> None:
    """Put up a seed of the operator's choice."""
    play.require_no_episode("another seed")
    chosen = asked.whole()
    check_seed("seed", chosen)
    play.stand(chosen)
    asked.done(f"Seed {play.seed}.")


def seek(play: Play, asked: Asked) -> None:
    """Look at a frame."""
    play.look(asked.whole())
    asked.done()


def rewind(play: Play, asked: Asked) -> None:
    """Look at what was some seconds before."""
    seconds = asked.number()
    if not seconds > 0:
        raise InvalidValueError("seconds to rewind", f"{seconds:g}", "more than 0")
    frames = max(round(min(seconds, 1e6) / play.stage.env.control_dt), 1)
    play.look(max(play.stage.frame - frames, 0))
    asked.done()


def task(play: Play, asked: Asked) -> None:
    """Go over to another task."""
    play.require_no_episode("another task")
    name = asked.text()
    play.change_task(name)
    play.stand(look_back(play.stage.dataset, name, play.asked_for.operator).next_seed)
    play.tell_scene()
    asked.done(f"{play.stage.env.task.instruction} Recorded into {play.stage.dataset.path.name}.")


def goal(play: Play, asked: Asked) -> None:
    """Move a goal, before the episode begins."""
    name, *place = asked.items(4, "[name, x, y, z]")
    if play.phase != "ready":
        return asked.refuse("A goal can be moved only before the episode begins: keep or discard this one first.")
    play.stage.move_goal(_text(name, "goal"), np.array([_number(value, "goal") for value in place]))
    asked.done()


def policy(play: Play, asked: Asked) -> None:
    """Load a policy, which drives from then on; or drive alone again."""
    play.pause()
    if asked.do.value is None:
        play.driver.policy, play.policy_name = None, ""
        return asked.done("You drive.")
    name, env = asked.text(), play.stage.env
    path = inside(play.asked_for.home, name, "checkpoint")

    def loaded(policy: Policy) -> None:
        if play.stage.env is not env:
            return asked.refuse("The task was changed meanwhile: load a policy for the new one.")
        play.pause()
        play.driver.policy, play.policy_name = policy, name
        play.stage.describe_anew()
        asked.done("The policy drives when the episode goes on; take over at any time.")

    play.fetcher.submit(lambda: _load_policy(path, env), loaded, asked.failed)


def open_(play: Play, asked: Asked) -> None:
    """Look at a frame of a recorded episode, to continue from there or to show how it should have gone on."""
    dataset, episode, frame, mode = asked.items(4, '[dataset, episode, frame, "continue" or "takeover"]')
    if mode not in ("continue", "takeover"):
        raise InvalidValueError("opening an episode", repr(mode), '"continue" or "takeover"')
    name, episode_id, index = _text(dataset, "open"), _text(episode, "open"), _whole(frame, "open")
    play.require_no_episode(f"episode {episode_id!r}")

    def read(past: Past) -> None:
        try:
            play.require_no_episode(f"episode {episode_id!r}")
            play.open(past, index, correcting=mode == "takeover")
        except RoboRlhfError as error:
            return asked.failed(error)
        asked.done(f"Frame {index} of {past.meta.id}.{past.differences(play.stage.env)}", past.meta.id)

    play.fetcher.submit(lambda: read_past(play.asked_for.home, name, episode_id), read, asked.failed)


def operator(play: Play, asked: Asked) -> None:
    """Take note of who drives now: an episode is of whoever drove when it ended."""
    play.asked_for = replace(play.asked_for, operator=asked.text())
    play.stage.describe_anew()
    asked.done()


ACTS: dict[Act, Callable[[Play, Asked], None]] = {
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
    "policy": policy,
    "open": open_,
    "operator": operator,
}


def _load_policy(path: Path, env: TaskEnv) -> Policy:
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
