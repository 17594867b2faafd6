"""Webhook events: a message for each subscribed webhook, written in the transaction of the event itself.

So no event is sent that did not happen, none is lost with the program, and the annotator does not wait for it: the
messages are sent later, by `teleop.station.webhooks.sender`. Without webhooks this is one query of an empty table.
"""

import json
import time
from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.webhooks.tables import deliveries, webhooks

Event = Literal["answer.created", "answer.changed", "question.withdrawn", "run.round"]
EVENTS: tuple[Event, ...] = ("answer.created", "answer.changed", "question.withdrawn", "run.round")


def queue_event(connection: sa.Connection, event: Event, payloads: Sequence[dict[str, Any]]) -> None:
    """Queue an event, once for each of `payloads`, for all webhooks that subscribe to it."""
    wanted = connection.scalars(_SUBSCRIBED, {"event": f"% {event} %"}).all()
    if not wanted:
        return
    now, at = time.time(), timestamp()
    rows = []
    for one in payloads:
        body = json.dumps({"at": at, "data": one, "event": event}, ensure_ascii=False, allow_nan=False)
        row = {"event": event, "body": body, "created": now, "due": now, "state": "waiting", "tries": 0}
        rows += [{"webhook": webhook, **row} for webhook in wanted]
    if rows:
        connection.execute(_ADD, rows)


_SUBSCRIBED = sa.select(webhooks.c.id).where(webhooks.c.active == 1, webhooks.c.events.like(sa.bindparam("event")))
_ADD = sa.insert(deliveries)
