"""Recount: counters and leases computed from the answers, after an import has bypassed `submission`."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.database.engine import insert_new
from robo_rlhf.feedback.records import COUNTED
from robo_rlhf.feedback.tables import answers, leases, questions

BLOCK = 500  # questions at once


def recount(connection: sa.Connection, ids: Sequence[str]) -> None:
    """Make leases and counters of these questions agree with their answers; live leases stay as they are."""
    for start in range(0, len(ids), BLOCK):
        some = ids[start : start + BLOCK]
        _settle_leases(connection, some)
        settle_counters(connection, some)


def _settle_leases(connection: sa.Connection, ids: Sequence[str]) -> None:
    query = sa.select(answers).where(answers.c.question_id.in_(ids), answers.c.standing != "repeat")
    newest = {(row.annotator, row.question_id): row for row in connection.execute(query.order_by(answers.c.number))}
    first: dict[str, Any] = {}
    rows = []
    for (annotator, question), row in newest.items():
        given = row.value is not None
        counted = int(given and row.standing in COUNTED)
        purpose = row.standing if row.standing in ("gold", "practice") else "work"
        first[annotator] = first.get(annotator, -1) + 1
        state = {"purpose": purpose, "state": "answered" if given else "expired", "counted": counted}
        times = {"issued": 0.0, "expires": 0.0, "shown": row.shown, "turn": 0}
        rows.append({"annotator": annotator, "question_id": question, **state, **times, "nth": first[annotator]})
    if not rows:
        return
    known = sa.select(annotators).where(annotators.c.name.in_(list(first)))
    before = {person.name: person.handed for person in connection.execute(known)}
    for new in rows:
        new["nth"] += before.get(new["annotator"], 0)
    connection.execute(insert_new(connection, leases), rows)
    change = sa.update(leases).where(leases.c.annotator == sa.bindparam("who"), leases.c.turn == 0)
    change = change.where(leases.c.question_id == sa.bindparam("which"), leases.c.state != "live")
    change = change.values(state=sa.bindparam("now"), counted=sa.bindparam("counts"))
    values = [
        {"who": new["annotator"], "which": new["question_id"], "now": new["state"], "counts": new["counted"]}
        for new in rows
    ]
    connection.execute(change, values)
    more = sa.update(annotators).where(annotators.c.name == sa.bindparam("who"))
    more = more.values(handed=annotators.c.handed + sa.bindparam("more", type_=sa.Integer))
    connection.execute(more, [{"who": name, "more": number + 1} for name, number in first.items()])


def settle_counters(connection: sa.Connection, ids: Sequence[str]) -> None:
    """Make the counters of these questions agree with their leases."""
    mine = (leases.c.question_id == questions.c.id) & (leases.c.turn == 0)
    given = sa.select(sa.func.count()).where(mine, leases.c.counted == 1).scalar_subquery()
    machine = sa.select(sa.func.count()).select_from(leases.join(annotators, annotators.c.name == leases.c.annotator))
    machine = machine.where(mine, leases.c.counted == 1, annotators.c.kind == "simulated")
    chosen = questions.c.id.in_(ids)
    counters = {"given": given, "simulated": machine.scalar_subquery()}
    connection.execute(sa.update(questions).where(chosen).values(counters))
    room = (questions.c.role == "work") & questions.c.withdrawn.is_(None)
    room &= questions.c.given + questions.c.held < questions.c.overlap
    wanted = sa.case((room, 1), else_=0)
    again = sa.case((room & (questions.c.wanted == 0) & (questions.c.given > 0), 1), else_=questions.c.again)
    connection.execute(sa.update(questions).where(chosen).values(wanted=wanted, again=again))
