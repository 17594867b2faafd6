"""Settings and guidelines of a task: how questions are assigned, axes, reasons, and what annotators read."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, ClassVar, NamedTuple

import sqlalchemy as sa

from robo_rlhf.accounts.roles import NO_PRINCIPAL, Principal, log
from robo_rlhf.core.checks import CheckedSettings, Count, Share, within
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.axes import USUAL, check_axes
from robo_rlhf.feedback.reasons.listed import Reason, check_reasons, reasons_from
from robo_rlhf.feedback.records import json_text
from robo_rlhf.feedback.tables import guidelines, tasks

REMEMBERED = 2.0  # [s] that settings are not read again
LONGEST_GUIDELINES = 64 * 1024  # characters
_AXES, _REASONS = "axes", "reasons"  # among the stored settings


@dataclass(frozen=True)
class Sharing(CheckedSettings):
    """How questions are assigned, and whose answers count as good work."""

    LABEL: ClassVar[str] = "{} of a task"

    overlap: Count = 1  # people who are to answer each question, by default
    lease: Annotated[float, within(1, 86400, "1 to 86400 s")] = 600.0  # [s] that a person has for a question
    gold_share: Annotated[float, within(0, 0.5, "a share of at most 0.5")] = (
        0.05  # of the assigned questions: those whose answer is known
    )
    repeat_share: Annotated[float, within(0, 0.5, "a share of at most 0.5")] = (
        0.05  # of the assigned questions: those that the person has answered before
    )
    repeat_gap: Count = 20  # questions between the first time and the second
    too_fast: Annotated[float, within(0, 60, "0 to 60 s")] = 0.7  # [s] too short for having seen the clips
    least_gold: Share = 0.7  # share of gold questions that a reliable person gets right
    most_too_fast: Share = 0.2  # share of answers that may come too fast before a person is warned about
    most_ties: Share = 0.6  # share of answers that may prefer nothing
    least_consistent: Share = 0.6  # share of questions asked twice that a reliable person answers alike
    least_skill: Share = 0.65  # probability of the true label, by the crowd model


@dataclass(frozen=True)
class Guidelines:
    """The guidelines for annotators of a task."""

    task: str
    text: str  # Markdown, as it was written: to be sanitised when it is shown
    author: str
    written: str  # ISO 8601, UTC
    version: int  # 1 for the first


class _Remembered(NamedTuple):
    """The settings of each task, as they were read."""

    read: float  # [s] of the monotonic clock
    rows: dict[str, dict[str, Any]]
    own: dict[str, dict[str, float]]  # task → those of `Sharing` that it has itself
    sharing: dict[str, Sharing]  # task → those in force, as they are asked for


class Tasks:
    """Settings and guidelines. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database
        self._known = _Remembered(-math.inf, {}, {}, {})

    def sharing(self, task: str = "") -> Sharing:
        """Return the settings of a task; those that it does not have come from the settings of ""."""
        lately = self._lately()
        if task not in lately.sharing:
            lately.sharing[task] = Sharing(**(lately.own.get("", {}) | lately.own.get(task, {})))  # type: ignore[arg-type]
        return lately.sharing[task]

    def alike(self) -> bool:
        """Whether the questions of all tasks are assigned alike, because no task has its own settings."""
        return not any(own for task, own in self._lately().own.items() if task)

    def _lately(self) -> "_Remembered":
        """Return all settings of each task, as they were a moment ago."""
        if time.monotonic() > self._known.read + REMEMBERED:
            with self._database.read() as connection:
                rows = {row.name: json.loads(row.settings) for row in connection.execute(sa.select(tasks))}
            names = {field.name for field in fields(Sharing)}
            own = {task: {name: of[name] for name in of.keys() & names} for task, of in rows.items()}
            self._known = _Remembered(time.monotonic(), rows, own, {})
        return self._known

    def set_sharing(self, task: str = "", *, by: Principal = NO_PRINCIPAL, **settings: float | None) -> Sharing:
        """Change some settings of a task, or with "" of all tasks without their own; return those in force then.

        None removes a setting from the task: that of all tasks then applies, and for "" the default.

        Raises:
            InvalidValueError: there is no such setting, or a value that cannot be.
        """
        unknown = set(settings) - {field.name for field in fields(Sharing)}
        if unknown:
            expected = ", ".join(field.name for field in fields(Sharing))
            raise InvalidValueError("setting of a task", ", ".join(sorted(unknown)), f"one of {expected}")
        chosen = {name: value for name, value in settings.items() if value is not None}
        chosen |= {name: int(chosen[name]) for name in ("overlap", "repeat_gap") if name in chosen}
        replace(self.sharing(task), **chosen)  # type: ignore[arg-type]
        usual = "all tasks" if task else "usual"
        summary = ", ".join(f"{name} {chosen[name]:g}" if name in chosen else f"{name} as {usual}" for name in settings)
        self._change(task, {**settings, **chosen}, summary, by)
        return self.sharing(task)

    def axes(self, task: str) -> tuple[str, ...]:
        """Return the named axes along which clips of a task are judged, see `feedback.axes`: its own, or the usual."""
        with self._database.read() as connection:
            chosen = connection.scalar(sa.select(tasks.c.settings).where(tasks.c.name == task))
        return tuple(json.loads(chosen or "{}").get(_AXES, USUAL))

    def set_axes(self, task: str, names: Sequence[str], *, by: Principal = NO_PRINCIPAL) -> tuple[str, ...]:
        """Set the axes of a task; with none the usual ones apply again. Return those in force.

        Raises:
            InvalidValueError: names that cannot be, see `check_axes`.
        """
        kept = list(check_axes(names)) if names else None
        self._change(task, {_AXES: kept}, f"axes {', '.join(names) or 'as usual'}", by)
        return self.axes(task)

    def reasons(self, task: str) -> tuple[Reason, ...]:
        """Return the list of reasons of a task, see `feedback.reasons`."""
        with self._database.read() as connection:
            return listed_reasons(connection, task)

    def reasons_lately(self, task: str) -> tuple[Reason, ...]:
        """Return the same as it was a moment ago: asking again and again costs nothing."""
        return reasons_from(self._lately().rows.get(task, {}).get(_REASONS))

    def set_reasons(self, task: str, given: Sequence[Reason], *, by: Principal = NO_PRINCIPAL) -> tuple[Reason, ...]:
        """Set the list of reasons of a task, empty to have none. Answers keep the reasons that they were given.

        Raises:
            InvalidValueError: reasons that cannot be, see `check_reasons`.
        """
        kept = [reason.as_json() for reason in check_reasons(given)]
        names = ", ".join(reason.name for reason in given)
        self._change(task, {_REASONS: kept or None}, f"reasons {names or 'none'}", by)
        return self.reasons(task)

    def _change(self, task: str, settings: Mapping[str, Any], summary: str, by: Principal) -> None:
        """Store some settings of a task, those that are None removed, and log the `summary`."""
        chosen = {name: value for name, value in settings.items() if value is not None}

        def work(connection: sa.Connection) -> None:
            old = connection.scalar(sa.select(tasks.c.settings).where(tasks.c.name == task).with_for_update())
            kept = {name: value for name, value in json.loads(old or "{}").items() if name not in settings}
            row = {"settings": json_text(kept | chosen), "changed": timestamp()}
            if old is None:
                connection.execute(sa.insert(tasks), {"name": task, **row})
            else:
                connection.execute(sa.update(tasks).where(tasks.c.name == task).values(row))
            log(connection, by.name, "settings changed", f"{task or 'all tasks'}: {summary}", by.address)

        self._database.write(work)
        self._known = _Remembered(-math.inf, {}, {}, {})

    def own(self, task: str = "") -> dict[str, float]:
        """Return the settings that a task has itself, or with "" those of all tasks that are not defaults."""
        with self._database.read() as connection:
            chosen = connection.scalar(sa.select(tasks.c.settings).where(tasks.c.name == task))
        names = {field.name for field in fields(Sharing)}
        return {name: value for name, value in json.loads(chosen or "{}").items() if name in names}

    def settings(self) -> dict[str, dict[str, float]]:
        """Return the settings in force for each task that has its own, and for "" all others."""
        with self._database.read() as connection:
            names = connection.scalars(sa.select(tasks.c.name).order_by(tasks.c.name)).all()
        return {name: asdict(self.sharing(name)) for name in ["", *(name for name in names if name)]}

    def write_guidelines(self, task: str, text: str, author: str, *, address: str = "") -> Guidelines:
        """Write a new version of a task's guidelines.

        Raises:
            InvalidValueError: they are too long.
        """
        if len(text) > LONGEST_GUIDELINES or "\0" in text:
            raise InvalidValueError("guidelines", f"{len(text):,} characters", f"at most {LONGEST_GUIDELINES:,}")
        row = {"task": task, "text": text, "author": author, "written": timestamp()}

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(guidelines), row)
            log(connection, author, "guidelines written", f"{task}, {len(text):,} characters", address)

        self._database.write(work)
        found = self.guidelines(task)
        assert found is not None
        return found

    def guidelines(self, task: str) -> Guidelines | None:
        """Return the newest guidelines of a task; None where there are none."""
        query = sa.select(guidelines).where(guidelines.c.task == task)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(guidelines.c.number.desc()).limit(1)).one_or_none()
            version = connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
        return Guidelines(row.task, row.text, row.author, row.written, version) if row is not None else None


def listed_reasons(connection: sa.Connection, task: str) -> tuple[Reason, ...]:
    """Return the list of reasons of a task, within a transaction."""
    chosen = connection.scalar(sa.select(tasks.c.settings).where(tasks.c.name == task))
    return reasons_from(json.loads(chosen or "{}").get(_REASONS))


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check the settings of a task that come from elsewhere.

    Raises:
        InvalidValueError: a setting that there is not, or a value that cannot be.
    """
    rest = {name: value for name, value in settings.items() if name not in (_AXES, _REASONS)}
    try:
        Sharing(**rest)
        check_axes(settings.get(_AXES, USUAL))
        check_reasons(reasons_from(settings.get(_REASONS)))
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidValueError("settings of a task", str(error), "settings that there are") from error
