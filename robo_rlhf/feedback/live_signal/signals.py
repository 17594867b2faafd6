"""The live signal: presses of + and - while a policy runs, each a row with its step; `pressing` is how they train."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.database.engine import add_new
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.tables import signals

FIELDS = ("annotator", "run", "dataset", "episode_id", "sign", "step", "rate", "source", "session", "delay")
LATEST = 3600.0  # [s] of delay that is accepted


class SignalVersion(NamedTuple):
    """A version that grows with every press and every one that is taken back."""

    number: int  # of the newest press
    withdrawn: int  # how many were taken back


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
    source: str = ""  # "live" or "replay": what was watched; empty where it is not known
    session: str = ""  # that was watched live
    delay: float | None = None  # [s] from when the step happened, or should have been shown, to the press
    withdrawn: str = ""  # when it was taken back: ISO 8601, UTC; empty where it stands
    number: int = 0  # order of arrival; filled in by the store
    key: str = ""  # under which it was sent; filled in by the store


class Signals:
    """The presses. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database

    def add(self, signal: Signal, *, key: str) -> bool:
        """Store a press and return whether it is new; sending it again with the same `key` changes nothing.

        Raises:
            InvalidValueError: the sign, step, rate, source or delay cannot be.
            ConflictError: the key was used by this annotator for something else.
        """
        _check(signal, key)
        row = {name: getattr(signal, name) for name in FIELDS}
        row |= {"source": signal.source or None, "session": signal.session or None}

        def work(connection: sa.Connection) -> bool:
            full = {**row, "idempotency_key": key, "pressed": signal.pressed or timestamp()}
            if add_new(connection, signals, full):
                return True
            found = connection.execute(sa.select(signals).where(_of(signal.annotator, key))).mappings().one()
            if any(found[name] != row[name] for name in FIELDS):
                raise ConflictError(f"live signal with key {key!r}", "the key came with another signal before")
            return False

        return self._database.write(work)

    def take_back(self, annotator: str, key: str) -> bool:
        """Take a press back, which stays as a row and trains no more; return whether it stood until now.

        Raises:
            NotFoundError: this annotator sent none with this key.
        """

        def work(connection: sa.Connection) -> bool:
            mine = _of(annotator, key)
            if connection.scalar(sa.select(signals.c.number).where(mine)) is None:
                raise NotFoundError("live signal", key[:40], "It was never sent, or by another annotator.")
            change = sa.update(signals).where(mine, signals.c.withdrawn.is_(None)).values(withdrawn=timestamp())
            return connection.execute(change.returning(signals.c.number)).first() is not None

        return self._database.write(work)

    def version(self) -> SignalVersion:
        """Return a version that changes whenever a press came, or was taken back."""
        query = sa.select(sa.func.max(signals.c.number), sa.func.count(signals.c.withdrawn))
        with self._database.read() as connection:
            newest, withdrawn = connection.execute(query).one()
        return SignalVersion(newest or 0, withdrawn)

    def runs(self) -> "list[str]":
        """Return the runs that anybody pressed about, sorted."""
        with self._database.read() as connection:
            found = connection.scalars(sa.select(signals.c.run).distinct().order_by(signals.c.run))
            return [name for name in found if name]

    def list(
        self,
        run: str | None = None,
        *,
        dataset: str | None = None,
        episode: str | None = None,
        annotator: str | None = None,
        withdrawn: bool = False,
    ) -> list[Signal]:
        """Return presses in the order in which they came, all or those of a run, dataset, episode or annotator.

        Those that were taken back are left out unless `withdrawn`.
        """
        query = sa.select(signals).order_by(signals.c.number)
        chosen = (
            (signals.c.run, run),
            (signals.c.dataset, dataset),
            (signals.c.episode_id, episode),
            (signals.c.annotator, annotator),
        )
        for column, wanted in chosen:
            query = query.where(column == wanted) if wanted is not None else query
        query = query if withdrawn else query.where(signals.c.withdrawn.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_signal_of(row) for row in rows]


def _of(annotator: str, key: str) -> sa.ColumnElement[bool]:
    return (signals.c.annotator == annotator) & (signals.c.idempotency_key == key)


def _signal_of(row: Any) -> Signal:
    known = {name: getattr(row, name) for name in (*FIELDS, "pressed", "number")}
    texts = {name: getattr(row, name) or "" for name in ("source", "session", "withdrawn")}
    return Signal(**{**known, **texts, "key": row.idempotency_key})


def _check(signal: Signal, key: str) -> None:
    if signal.sign not in (1, -1) or not 0 <= signal.step < 1e9 or not 1e-3 <= signal.rate <= 1e6:
        given = f"sign {signal.sign}, step {signal.step}, rate {signal.rate}"
        raise InvalidValueError("live signal", given, "a sign of 1 or -1, a step from 0 and a rate above 0")
    if signal.source not in ("", "live", "replay"):
        raise InvalidValueError("source of a live signal", repr(signal.source), "live or replay")
    if signal.delay is not None and not 0 <= signal.delay <= LATEST:
        raise InvalidValueError("delay of a live signal", signal.delay, f"0 to {LATEST:g} s")
    if not signal.annotator or not key:
        raise InvalidValueError("live signal", f"annotator {signal.annotator!r} and key {key!r}", "both")
