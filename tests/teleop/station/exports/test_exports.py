"""Exports of the station: refused at the door, written by a process, taken away, continued by the next station."""

import asyncio
import io
import time
import zipfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from robo_rlhf.core.errors import NotNowError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.formats.importing import import_place
from teleop.station.exports import jobs
from teleop.station.services import Station
from tests.formats.making import recorded
from tests.teleop.station.conftest import Visit

DATASET = "made"


@pytest.fixture(autouse=True)
def made(home: Path) -> Dataset:
    return recorded(home / DATASET)


@pytest.fixture
def client(visit: Visit) -> TestClient:
    return visit("operator")


def asked(dataset: Dataset, **more: object) -> dict[str, object]:
    return {"dataset": DATASET, "episodes": [info.meta.id for info in dataset.list()], "format": "lerobot", **more}


def finished(client: TestClient, name: str) -> dict[str, object]:
    """Wait until an export is done, or has failed."""
    until = time.monotonic() + 60
    while True:
        job = next(one for one in client.get("/api/exports").json()["exports"] if one["name"] == name)
        if job["state"] in ("done", "failed") or time.monotonic() > until:
            return job
        time.sleep(0.1)


def test_what_was_exported_is_taken_away_and_is_the_same(client: TestClient, made: Dataset, tmp_path: Path) -> None:
    name = client.post("/api/exports", json=asked(made)).json()["name"]
    assert finished(client, name)["state"] == "done"
    answer = client.get(f"/exports/download/{name}")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    import_place(tmp_path / name, tmp_path / "back")
    back = Dataset(tmp_path / "back")
    assert {info.meta.id for info in back.list()} == {info.meta.id for info in made.list()}
    assert client.post("/api/exports/delete", json={"name": name}).json() == {"deleted": True}
    assert client.get("/api/exports").json() == {"exports": []}
    assert not list((made.path.parent / "exports").iterdir())


def test_a_file_is_sent_as_it_is(client: TestClient, made: Dataset) -> None:
    pytest.importorskip("h5py")
    name = client.post("/api/exports", json=asked(made, format="robomimic")).json()["name"]
    assert finished(client, name)["state"] == "done"
    answer = client.get(f"/exports/download/{name}")
    assert answer.content == (made.path.parent / "exports" / f"{name}.hdf5").read_bytes()
    assert f'filename="{name}.hdf5"' in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"format": "csv"}, 422, "one of lerobot"),
        ({"format": "video"}, 422, "a format that can be written"),
        ({"cameras": ["ceiling"]}, 404, "ceiling"),
        ({"episodes": ["nobody"]}, 404, "nobody"),
        ({"dataset": "elsewhere"}, 404, "elsewhere"),
        ({"size": 3}, 422, "size"),
    ],
)
def test_what_cannot_be_written_is_refused_at_the_door(
    client: TestClient, made: Dataset, change: dict[str, object], status: int, words: str
) -> None:
    answer = client.post("/api/exports", json={**asked(made), **change})
    assert answer.status_code == status
    assert words in answer.text
    assert client.get("/api/exports").json() == {"exports": []}


def test_the_next_station_goes_on_with_what_was_cut_short(
    home: Path, made: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = jobs.Exports(home)
    monkeypatch.setattr(first, "_queue", lambda name: None)  # as if it were killed at once
    name = first.start("olga", DATASET, [info.meta.id for info in made.list()], "lerobot", (), None).name
    assert [job.state for job in first.jobs()] == ["stopped"]
    first.close()
    second = jobs.Exports(home)
    asyncio.run(second.begin())
    until = time.monotonic() + 60
    while second.job(name).state != "done" and time.monotonic() < until:
        time.sleep(0.1)
    assert second.result(name).is_dir()
    second.close()


def test_a_person_has_so_many_at_a_time_and_a_failure_is_told(
    home: Path, made: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = jobs.Exports(home)
    monkeypatch.setattr(exports._thread, "submit", lambda *_: None)
    ids = [info.meta.id for info in made.list()]
    names = [exports.start("olga", DATASET, ids, "lerobot", (), None).name for _ in range(jobs.MOST)]
    assert len(set(names)) == jobs.MOST
    with pytest.raises(NotNowError, match="at work"):
        exports.start("olga", DATASET, ids, "lerobot", (), None)
    made.delete(ids[0])
    (home / jobs.FOLDER / names[0]).write_text("in the way")
    exports._do(names[0])
    assert "already" in exports.job(names[0]).request.error
    exports.close()


def test_selected_episodes_become_questions(visit: Visit, station: Station, home: Path) -> None:
    recorded(home / "reaching", 3)
    reaching = Dataset(home / "reaching")
    ids = [info.meta.id for info in reaching.list()]
    client = visit("operator")
    answer = client.post("/api/library/compare", json={"dataset": "reaching", "episodes": ids, "axes": True})
    if answer.status_code == 200:  # episodes that can be shown
        asked_now = station.store.questions(answer.json()["run"])
        assert len(asked_now) == answer.json()["count"] == 3
        assert all(q.kind == "axes" and q.meta["axes"] for q in asked_now)
    few = client.post("/api/library/compare", json={"dataset": "reaching", "episodes": ids[:1]})
    assert few.status_code == 422
    gone = client.post("/api/library/compare", json={"dataset": "reaching", "episodes": [ids[0], "nobody"]})
    assert gone.status_code == 404
