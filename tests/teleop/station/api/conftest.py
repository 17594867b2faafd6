"""Programs in front of a station: each sends the token of a person."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI
from starlette.testclient import TestClient

from robo_rlhf.accounts.roles import Role
from robo_rlhf.data.dataset import Dataset
from teleop.station.services import Station
from tests.data.making import episode

STEPS = 12
DATASET = "runs/one/episodes"
Program = Callable[[Role], TestClient]


@pytest.fixture
def episodes(home: Path, station: Station) -> Dataset:
    """Six short episodes; nothing is mixed in among questions about them."""
    dataset = Dataset(home / DATASET, create=True, task="reach")
    for number in range(6):
        dataset.add(episode(f"e{number}", steps=STEPS, seed=number, task="reach"))
    station.store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
    return dataset


@pytest.fixture
def program(app: FastAPI, station: Station, event_loop: BlockingPortal) -> Iterator[Program]:
    """Return a function that gives a program with the token of a new person of a role."""
    clients: list[TestClient] = []

    def program(role: Role) -> TestClient:
        person = station.people.add(f"{role}{len(clients)}", role)
        secret, _ = station.people.tokens.create(person, "a test", role)
        headers = {"authorization": f"Bearer {secret}"}
        client = TestClient(
            app,
            base_url="http://localhost/api/v1",
            headers=headers,
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        client.portal = event_loop
        clients.append(client)
        return client

    yield program
    for client in clients:
        client.close()


def asked(client: TestClient, count: int = 1, kind: str = "pairwise", clips: int = 2, **fields: Any) -> list[str]:
    """Ask questions about the six episodes and return their ids."""
    questions = [
        {
            "kind": kind,
            "task": "reach",
            "dataset": DATASET,
            "run": "one",
            "round": number,
            "clips": [{"episode_id": f"e{place}", "start": 0, "length": 5} for place in range(clips)],
            **fields,
        }
        for number in range(count)
    ]
    answer = client.post("questions", json={"questions": questions})
    assert answer.status_code == 201, answer.text
    ids: list[str] = answer.json()["ids"]
    return ids


def imported(client: TestClient, content: bytes) -> Any:
    """Send a ZIP file in two pieces, import it, and return the answer."""
    upload = client.post("uploads", json={"bytes": len(content)}).json()["id"]
    half = len(content) // 2
    for offset, piece in ((0, content[:half]), (half, content[half:])):
        assert client.patch(f"uploads/{upload}", params={"offset": offset}, content=piece).status_code == 200
    return client.post("import", json={"upload": upload})
