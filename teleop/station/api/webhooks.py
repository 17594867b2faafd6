"""Webhooks: events sent to other programs, as signed messages to their addresses."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from robo_rlhf.webhooks.events import Event
from robo_rlhf.webhooks.queue import LEAST_SECRET, LONGEST_SECRET, State, Webhook
from teleop.station.web.rest import (
    BODY,
    Administrator,
    Answers,
    Body,
    Items,
    Limit,
    Rows,
    SerialInPath,
    Shape,
    Who,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("webhooks")
Url = Annotated[
    str,
    Field(
        min_length=8,
        max_length=2000,
        pattern=r"^https?://[!-~]+$",
        description="http:// or https://; of your own network only where the station was started to allow it.",
        examples=["https://example.org/feedback"],
    ),
]
Events = Annotated[list[Event], Field(min_length=1, fail_fast=True, max_length=10, examples=[["answer.created"]])]


class NewWebhook(Body):
    """A webhook to be added: its address and events."""

    url: Url
    events: Events
    secret: Annotated[
        str | None,
        Field(min_length=LEAST_SECRET, max_length=LONGEST_SECRET, pattern=r"^[ -~]*$"),
    ] = Field(default=None, description="What messages are signed with; made where null.")


class ChangeWebhook(Body):
    """The settings that are to change; the others stay."""

    url: Url | None = None
    events: Events | None = None
    active: bool | None = Field(default=None, description="False: it is paused; events of that time are not sent.")


class WebhookShape(Shape):
    """A webhook: its address and events."""

    id: int
    url: str
    events: list[str]
    active: bool
    created: str = Field(description="ISO 8601, UTC.")
    author: str
    waiting: int = Field(description="Messages that have not arrived yet.")


class CreatedWebhook(Shape):
    """A new webhook."""

    webhook: WebhookShape
    secret: str = Field(description="What messages are signed with. It is shown this once.")


class WebhookRows(Items[WebhookShape]):
    """All webhooks, in the order in which they were added."""


class MessageShape(Shape):
    """A message."""

    number: int
    event: str
    data: dict[str, Any] = Field(description="Its content.")
    created: str = Field(description="ISO 8601, UTC.")
    state: State
    tries: int
    tried: str | None = Field(description="When it was last sent, ISO 8601, UTC.")
    due: str | None = Field(description="When it is sent next, ISO 8601, UTC; null where it is not.")
    status: int | None = Field(description="The receiver's last response.")
    problem: str = Field(description="The reason why it did not arrive.")


class MessageRows(Rows[MessageShape, int]):
    """Messages of a webhook, newest first."""

    next: int | None = Field(description="Ask with `before` set to this for older ones; null where there are none.")


class TestResult(Shape):
    """A test message."""

    number: int = Field(description="Of the message; look it up to see whether it arrives.")


@router.get("/webhooks", responses=answers())
def list_webhooks(store: Answers, _: Administrator) -> WebhookRows:
    """List webhooks."""
    waiting = store.webhooks.waiting()
    return WebhookRows(items=[_shape(one, waiting) for one in store.webhooks.list()])


@router.post("/webhooks", status_code=201, responses=answers(*BODY))
def add_webhook(store: Answers, _: Administrator, who: Who, body: NewWebhook) -> CreatedWebhook:
    """Add a webhook."""
    made, secret = store.webhooks.add(body.url, body.events, secret=body.secret or "", by=who)
    return CreatedWebhook(webhook=_shape(made, {}), secret=secret)


@router.get("/webhooks/{webhook}", responses=answers(404))
def one_webhook(store: Answers, _: Administrator, webhook: SerialInPath) -> WebhookShape:
    """Show a webhook."""
    return _shape(store.webhooks.get(webhook), store.webhooks.waiting())


@router.patch("/webhooks/{webhook}", responses=answers(*BODY, 404))
def change_webhook(
    store: Answers, _: Administrator, who: Who, webhook: SerialInPath, body: ChangeWebhook
) -> WebhookShape:
    """Change a webhook."""
    changed = store.webhooks.change(webhook, url=body.url, events=body.events, active=body.active, by=who)
    return _shape(changed, store.webhooks.waiting())


@router.delete("/webhooks/{webhook}", status_code=204, responses=answers(404, 507))
def remove_webhook(store: Answers, _: Administrator, who: Who, webhook: SerialInPath) -> None:
    """Remove a webhook and its messages."""
    store.webhooks.remove(webhook, by=who)


@router.post("/webhooks/{webhook}/test", status_code=202, responses=answers(404, 507))
def try_webhook(store: Answers, _: Administrator, webhook: SerialInPath) -> TestResult:
    """Send a test message; a paused webhook gets it when it is resumed."""
    return TestResult(number=store.webhooks.test(webhook))


@router.get("/webhooks/{webhook}/messages", responses=answers(404))
def list_messages(
    store: Answers,
    _: Administrator,
    webhook: SerialInPath,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    before: Annotated[int, Query(ge=0, lt=2**63, description="`next` of the page before; 0 for the newest.")] = 0,
    limit: Limit = 100,
) -> MessageRows:
    """List messages of a webhook, newest first."""
    store.webhooks.get(webhook)
    found = store.webhooks.messages(webhook, before=before, limit=limit, state=state)
    return MessageRows(items=[message_of(row) for row in found.items], next=found.next)


def message_of(row: dict[str, Any]) -> MessageShape:
    """Return a message as it is shown."""
    times = {name: _time(row[name]) for name in ("created", "tried", "due")}
    times["due"] = times["due"] if row["state"] == "waiting" else None
    return MessageShape.model_validate({**row, **times, "data": json.loads(row["body"])["data"]})


def _shape(webhook: Webhook, waiting: dict[int, int]) -> WebhookShape:
    return WebhookShape.model_validate(
        {**vars(webhook), "events": list(webhook.events), "waiting": waiting.get(webhook.id, 0)}
    )


def _time(value: float | None) -> str | None:
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds") if value is not None else None
