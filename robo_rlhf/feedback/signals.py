"""The live signal: presses of + and - while a policy runs, each a row with its step; and how they come to train."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from robo_rlhf.errors import ConflictError, InvalidValueError
from robo_rlhf.feedback.database import Database
from robo_rlhf.feedback.engine import add_new
from robo_rlhf.feedback.kinds.base import AnswerValue
from robo_rlhf.feedback.records import Question, now_text, question_id
from robo_rlhf.feedback.tables import signals
from robo_rlhf.types import Segment


@dataclass(frozen=True)
class Signal:
    """One press."""

    annotator: str
    run: str  # of the policy; empty where it belongs to none
    dataset: str
    episode_id: str
    sign: int  # 1 or -1
    step: float  # of the episode, that was shown at the press
    rate: float  # [steps/s] that were shown
    pressed: str = ""  # ISO 8601, UTC; filled in by the store


class Signals:
    """The presses. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database

    def add(self, signal: Signal, *, key: str) -> bool:
        """Write down a press and return whether it is new; sending it again with the same `key` changes nothing.

        Raises:
            InvalidValueError: the sign, step or rate cannot be.
            ConflictError: the key was used by this annotator for something else.
        """
        if signal.sign not in (1, -1) or not 0 <= signal.step < 1e9 or not 1e-3 <= signal.rate <= 1e6:
            given = f"sign {signal.sign}, step {signal.step}, rate {signal.rate}"
            raise InvalidValueError("live signal", given, "a sign of 1 or -1, a step from 0 and a rate above 0")
        if not signal.annotator or not key:
            raise InvalidValueError("live signal", f"annotator {signal.annotator!r} and key {key!r}", "both")
        names = ("annotator", "run", "dataset", "episode_id", "sign", "step", "rate")
        row = {name: getattr(signal, name) for name in names}

        def work(connection: sa.Connection) -> bool:
            full = {**row, "idempotency_key": key, "pressed": signal.pressed or now_text()}
            if add_new(connection, signals, full):
                return True
            same = (signals.c.annotator == signal.annotator) & (signals.c.idempotency_key == key)
            found = connection.execute(sa.select(signals).where(same)).mappings().one()
            if any(found[name] != row[name] for name in names):
                raise ConflictError(f"live signal with key {key!r}", "the key came with another signal before")
            return False

        return self._database.write(work)

    def list(self, run: str | None = None, *, dataset: str | None = None, episode: str | None = None) -> list[Signal]:
        """Return presses in the order in which they came, all or those of a run, dataset or episode."""
        query = sa.select(signals).order_by(signals.c.number)
        for column, wanted in ((signals.c.run, run), (signals.c.dataset, dataset), (signals.c.episode_id, episode)):
            query = query.where(column == wanted) if wanted is not None else query
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [Signal(r.annotator, r.run, r.dataset, r.episode_id, r.sign, r.step, r.rate, r.pressed) for r in rows]


def as_moments(pressed: Sequence[Signal], task: str, length: int) -> tuple[Question, dict[str, AnswerValue]]:
    """Return presses about one episode of `length` steps as a question of the kind "moments" and each person's answer.

    Added to the store when the episode is over, they train as if its clip had been watched later.
    """
    first = pressed[0]
    clips = (Segment(first.episode_id, 0, length),)
    made = question_id(f"live {first.run}", 0, "moments", clips)
    question = Question(made, first.run, 0, "moments", task, clips, first.dataset, meta={"live": True}, overlap=1)
    said: dict[str, AnswerValue] = {}
    for signal in pressed:
        presses = said.setdefault(signal.annotator, {"presses": []})["presses"]
        presses.append({"sign": signal.sign, "step": min(signal.step, float(length)), "rate": signal.rate})
    return question, said
