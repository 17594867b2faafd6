"""Messages of webhooks in the database, on SQLite and PostgreSQL; sending them is tested with the station."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.feedback.store import Store
from robo_rlhf.webhooks import queue
from robo_rlhf.webhooks.queue import EVENTS, GIVE_UP, LONGEST_WAIT, wait_after
from tests.feedback.making import QUESTIONS


def answer(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.answer(QUESTIONS[number].id, "anna", {"choice": "A"}, key=f"k{number}")


def test_a_message_is_taken_by_one_program_at_a_time(store: Store) -> None:
    store.webhooks.add("https://example.org", ["answer.created"])
    answer(store, *range(10))
    with ThreadPoolExecutor(4) as threads:
        taken = [one for some in threads.map(lambda _: store.webhooks.due(4, 4), range(4)) for one in some]
    numbers = [message.number for message in taken]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(range(1, 11))
    store.webhooks.give_back(taken)
    again = store.webhooks.due(100, 100)
    assert [message.number for message in again] == list(range(1, 11))
    assert store.webhooks.due(100, 100) == []


def test_each_webhook_gets_its_share_in_order(store: Store) -> None:
    first, second = (store.webhooks.add(f"https://example.org/{n}", ["answer.created"])[0].id for n in range(2))
    answer(store, 0, 1, 2)
    taken = store.webhooks.due(100, 2)
    assert [message.webhook for message in taken].count(first) == 2
    assert [message.webhook for message in taken].count(second) == 2
    assert store.webhooks.due(100, 2, [first, second]) == []
    assert store.webhooks.waiting() == {first: 3, second: 3}
    for message in taken:
        store.webhooks.arrived(message, 200)
    assert store.webhooks.waiting() == {first: 1, second: 1}
    store.webhooks.remove(first)
    assert store.webhooks.waiting() == {second: 1}


def test_what_fails_waits_and_all_others_with_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hook, _ = store.webhooks.add("https://example.org", ["answer.created"])
    answer(store, 0, 1, 2)
    first, *held = store.webhooks.due(100, 2)
    store.webhooks.failed(first, 500, "the receiver answered 500", 1, held)
    assert store.webhooks.due(100, 2) == []
    rows = store.webhooks.messages(hook.id).items
    assert [(row["tries"], row["status"]) for row in rows] == [(0, None), (0, None), (1, 500)]
    monkeypatch.setattr(queue.time, "time", lambda now=queue.time.time: now() + GIVE_UP + 60)
    first, *held = store.webhooks.due(100, 2)
    store.webhooks.failed(first, None, "gone", 2, held)
    assert [row["state"] for row in store.webhooks.messages(hook.id).items] == ["given_up"] * 3


def test_pages_of_messages_come_newest_first(store: Store) -> None:
    hook, _ = store.webhooks.add("https://example.org", ["answer.created"])
    answer(store, *range(5))
    found = store.webhooks.messages(hook.id, limit=3)
    assert ([row["number"] for row in found.items], found.next) == ([5, 4, 3], 3)
    rest = store.webhooks.messages(hook.id, before=3, limit=3)
    assert ([row["number"] for row in rest.items], rest.next) == ([2, 1], None)


def test_waits_grow_to_an_hour() -> None:
    assert [wait_after(number) for number in (1, 2, 3)] == [5.0, 10.0, 20.0]
    assert wait_after(10_000) == LONGEST_WAIT == 3600.0


def test_webhooks_that_cannot_be(store: Store) -> None:
    with pytest.raises(InvalidValueError, match="events of a webhook"):
        store.webhooks.add("https://example.org", [])
    with pytest.raises(InvalidValueError, match="secret of a webhook"):
        store.webhooks.add("https://example.org", EVENTS, secret="short")
    for _ in range(queue.MOST):
        store.webhooks.add("https://example.org", EVENTS)
    with pytest.raises(InvalidValueError, match="remove one first"):
        store.webhooks.add("https://example.org", EVENTS)
    with pytest.raises(NotFoundError):
        store.webhooks.change(999, active=True)
