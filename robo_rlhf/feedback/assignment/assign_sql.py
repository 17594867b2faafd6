"""The SQL statements of assignment, each built once, because building one costs more than running it."""

from collections.abc import Callable
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from robo_rlhf.feedback.question_kind import CLIP_NAMES
from robo_rlhf.feedback.tables import gold, leases, progress, questions, segments

MOST_AT_ONCE = 10  # questions that one person has in front of them
KNOWN = 100  # gold questions out of which one is drawn

WANTED = sa.text("questions.wanted = 1")
AGAIN = sa.text("questions.wanted = 1 AND questions.again = 1")
LIVE, LEFT = sa.text("leases.state = 'live'"), sa.text("leases.state = 'expired'")

PERSON = bindparam("person", type_=sa.Text)
NEW_LEASE = sa.insert(leases).returning(leases)
QUESTION = sa.select(questions).where(questions.c.id == bindparam("question"))
OPEN = sa.select(leases).where(leases.c.annotator == PERSON, LIVE).order_by(leases.c.number)
LOCKED_LEASE = sa.select(leases.c.state).where(leases.c.number == bindparam("number")).with_for_update()
TASK_OF_RUN = sa.select(questions.c.task).where(questions.c.run == bindparam("the_run")).limit(1)
SEGMENTS = sa.select(segments.c.episode_id, segments.c.start, segments.c.length)
SEGMENTS = SEGMENTS.where(segments.c.question_id == bindparam("question")).order_by(segments.c.position)
NOT_HAD = ~sa.exists().where(leases.c.annotator == PERSON, leases.c.question_id == questions.c.id, leases.c.turn == 0)


def matching(run: bool, task: bool, *, by_index: bool = True) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of what was chosen; SQLite uses no index for them where another one serves better."""
    both = ((questions.c.run, run, "the_run"), (questions.c.task, task, "the_task"))
    plain = [(column if by_index else column + "", name) for column, wanted, name in both if wanted]
    return [column == bindparam(name, type_=sa.Text) for column, name in plain]


def _hold(query: "sa.Select[Any]", skip: bool) -> sa.Update:
    """Hold the first question that a query finds, locked, as `count` would, and return its row: one trip for three."""
    first = query.with_only_columns(questions.c.number).order_by(questions.c.number).limit(1)
    first = first.with_for_update(key_share=True, skip_locked=skip, of=questions).correlate(None)
    room = sa.case((questions.c.given + questions.c.held + 1 < questions.c.overlap, 1), else_=0)
    values = {"held": questions.c.held + 1, "wanted": room, "again": room * questions.c.again}
    return sa.update(questions).where(questions.c.number == first.scalar_subquery()).values(values).returning(questions)


@cache
def leased(statement: "Callable[[bool, bool, bool], sa.Update]", run: bool, task: bool, skip: bool) -> Any:
    """Reserve a question as `statement` does and insert the lease, in one round trip where the server can.

    The clips are shown in the order of `its_order`, which has all names of clips; those that the question lacks are
    left out. What is bound is named unlike any column, which an update would take it for.
    """
    held = statement(run, task, skip).cte("held")
    clips = sa.select(sa.func.count()).where(segments.c.question_id == held.c.id).scalar_subquery()
    beyond = sa.func.substr(CLIP_NAMES, sa.cast(clips, sa.Integer) + 1, type_=sa.Text)
    shown = sa.func.translate(bindparam("its_order", type_=sa.Text), beyond, "", type_=sa.Text)
    bound = ("state", "issued", "expires", "nth", "turn", "purpose", "counted")
    new: dict[str, Any] = {name: bindparam(f"its_{name}", type_=leases.c[name].type) for name in bound}
    new |= {"question_id": held.c.id, "annotator": PERSON, "shown": shown}
    lease = sa.insert(leases).from_select(list(new), sa.select(*new.values())).returning(leases).cte("lease")
    both = sa.select(held, lease.c.number.label("lease"), lease.c.shown)
    return both.where(lease.c.question_id == held.c.id)


@cache
def again_wanted(run: bool, task: bool, skip: bool) -> sa.Update:
    """Hold the first question that was full, is wanted again, and that the person has not had."""
    return _hold(sa.select(questions).where(AGAIN, *matching(run, task, by_index=False), NOT_HAD), skip)


@cache
def rest(run: bool, task: bool, skip: bool) -> sa.Update:
    """Hold the first wanted question after the person's place that they have not had."""
    return _hold(waits(run, task), skip)


@cache
def waits(run: bool, task: bool) -> "sa.Select[Any]":
    """Return the wanted questions after the person's place that they have not had."""
    mine = (progress.c.annotator == PERSON) & (progress.c.chosen == bindparam("chosen", type_=sa.Text))
    place = sa.func.coalesce(sa.select(progress.c.number).where(mine).scalar_subquery(), 0)
    query = sa.select(questions).where(WANTED, questions.c.number > place)
    return query.where(*matching(run, task), NOT_HAD).order_by(questions.c.number)


@cache
def left(run: bool, task: bool) -> "sa.Select[Any]":
    """Return the first leases of the person that ran out, and whose questions are wanted."""
    query = sa.select(leases).join(questions, leases.c.question_id == questions.c.id)
    query = query.where(leases.c.annotator == PERSON, LEFT, leases.c.turn == 0, WANTED, *matching(run, task))
    return query.order_by(leases.c.number).limit(2 * MOST_AT_ONCE)


@cache
def had(run: bool, task: bool) -> "sa.Select[Any]":
    """Return how many questions a person had and did not answer: open ones, and those that come to them again."""
    query = sa.select(sa.func.count()).select_from(leases.join(questions, leases.c.question_id == questions.c.id))
    query = query.where(leases.c.annotator == PERSON, *matching(run, task))
    again = query.where(LEFT, leases.c.turn == 0, WANTED)  # apart, for each has an index of its own
    return sa.select(query.where(LIVE).scalar_subquery() + again.scalar_subquery())


@cache
def known(task: bool) -> "sa.Select[Any]":
    """Return gold or practice questions that the person has not had."""
    query = sa.select(questions).join(gold, gold.c.question_id == questions.c.id)
    query = query.where(gold.c.retired == 0, questions.c.role == bindparam("role"), questions.c.withdrawn.is_(None))
    in_order = questions.c.number + 0  # else SQLite looks through all questions in their order to find the few
    return query.where(*matching(False, task), NOT_HAD).order_by(in_order).limit(KNOWN)


@cache
def repeats(run: bool, task: bool) -> "sa.Select[Any]":
    """Return questions that the person answered from the `first` to the `last` one handed to them, and only once."""
    asked = leases.alias()
    twice = sa.exists().where(
        asked.c.annotator == leases.c.annotator, asked.c.question_id == leases.c.question_id, asked.c.turn == 1
    )
    query = sa.select(questions).join(leases, leases.c.question_id == questions.c.id)
    query = query.where(leases.c.annotator == PERSON, leases.c.nth.between(bindparam("first"), bindparam("last")))
    query = query.where(leases.c.turn == 0, leases.c.counted == 1, ~twice, questions.c.withdrawn.is_(None))
    return query.where(*matching(run, task))


def fewer(less: int) -> sa.Update:
    """Let so many people fewer hold questions, which are locked, as `count` would."""
    held = questions.c.held - less
    room = (
        (questions.c.role == "work")
        & questions.c.withdrawn.is_(None)
        & (questions.c.given + held < questions.c.overlap)
    )
    again = room & ((questions.c.again == 1) | (questions.c.wanted == 0))
    values = {name: sa.case((true, 1), else_=0) for name, true in (("wanted", room), ("again", again))}
    return sa.update(questions).values(held=held, **values)
