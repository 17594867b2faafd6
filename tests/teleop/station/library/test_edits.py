"""The library's API: lists, edits one by one and in bulk, trash, downloads."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from robo_rlhf.accounts.roles import Role
from robo_rlhf.core.types import RecordedVideo
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recorded_videos import store_video
from robo_rlhf.feedback.implicit.keeping import of_episode, update
from robo_rlhf.feedback.store import Store
from teleop.station.library import routes as page
from teleop.station.library.edits import MOST_TAGS, Library
from teleop.station.library.entry import EpisodeKey
from teleop.station.library.zip_download import GOOD_FOR, Tickets, pack
from teleop.station.web import error_pages
from tests.data.making import episode, flip
from tests.teleop.station.making import many

LOOKED: list[str] = []  # datasets whose rewinds and takeovers were read anew
LOG: list[tuple[str, str, str]] = []  # who did what to what


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    many(home, 12)
    library = Library(home)
    yield library
    library.close()


def client_of(library: Library, role: Role = "operator", person: int = 1) -> TestClient:
    """A browser of a signed-in user."""
    app = FastAPI()
    audit = SimpleNamespace(write=lambda by, act, about: LOG.append((by.name, act, about)))
    app.state.station = SimpleNamespace(
        library=library,
        people=SimpleNamespace(audit=audit),
        outward=lambda text: text,
        implicit=SimpleNamespace(look=lambda dataset: LOOKED.append(dataset)),
        store=Store(library.index.folder("demos").parent / "feedback.db"),
    )
    error_pages.install(app)
    app.include_router(page.router)
    someone = SimpleNamespace(id=person, name="ada", may=lambda asked: role == "operator" or asked == "annotator")
    me = SimpleNamespace(person=someone, role=role, session=None, token=None)

    @app.middleware("http")
    async def sign_in(request, call_next):  # type: ignore[no-untyped-def]
        request.state.me = me
        return await call_next(request)

    return TestClient(app)


@pytest.fixture
def client(library: Library) -> TestClient:
    return client_of(library)


def change(client: TestClient, act: str, *names: str, **values: object) -> dict[str, list[dict[str, str]]]:
    episodes = [{"dataset": "demos", "episode": name} for name in names]
    answer = client.post("/api/library/change", json={"act": act, "episodes": episodes, **values})
    assert answer.status_code == 200, answer.text
    found: dict[str, list[dict[str, str]]] = answer.json()
    return found


def listed(client: TestClient, query: str = "") -> dict[str, object]:
    found: dict[str, object] = client.get(f"/api/library/episodes?{query}").json()
    return found


def test_what_a_rewind_says_is_shown_and_taken_back(client: TestClient, library: Library) -> None:
    demos = Dataset(library.index.folder("demos"))
    demos.add(episode("left", 12, outcome="failure", tags=("branch",)))
    demos.add(episode("kept", 12, parent="left", parent_step=4, operator="ada", device="browser"))
    store = client.app.state.station.store  # type: ignore[attr-defined]
    update(demos.path.parent, store, "demos")

    def shown(name: str) -> list[tuple[str, str, str]]:
        found = client.get(f"/api/library/episode?dataset=demos&episode={name}").json()["preferences"]
        return [(one["annotator"], one["value"]["episode"], one["taken_back"]) for one in found]

    assert shown("kept") == shown("left") == [("ada", "kept", "")]
    (question,) = (one.question for one in of_episode(store, "demos", "kept"))
    assert client.post("/api/library/preference", json={"act": "take_back", "question": question}).json()["done"]
    assert shown("left") == [("ada", "kept", "taken back by ada")]
    assert client.post("/api/library/preference", json={"act": "restore", "question": question}).json()["done"]
    assert shown("kept") == [("ada", "kept", "")]
    assert client.post("/api/library/preference", json={"act": "restore", "question": "no"}).status_code == 404
    LOOKED.clear()
    change(client, "outcome", "kept", outcome="failure")
    change(client, "tag", "kept", tags=["x"])
    assert LOOKED == ["demos"]


def test_a_list_comes_page_by_page_with_what_can_be_chosen(client: TestClient) -> None:
    first = client.get("/api/library/episodes?sort=name&limit=5").json()
    assert (first["total"], first["all"], first["reading"], first["trash"]) == (12, 12, None, 0)
    assert [item["episode"] for item in first["items"]] == [f"e{i:05}" for i in range(5)]
    assert first["facets"]["task"] == [["push", 6], ["reach", 6]]
    last = client.get("/api/library/episodes?sort=name&limit=5&offset=10").json()
    assert [item["episode"] for item in last["items"]] == ["e00010", "e00011"]
    assert client.get("/api/library/episodes?offset=99").json()["items"] == []
    item = last["items"][1]
    assert (item["task"], item["outcome"], item["sources"]) == ("reach", "aborted", ["policy", "correction"])
    assert client.get("/api/library/episodes?sort=best").status_code == 422
    keys = client.get("/api/library/keys?task=push&sort=name").json()["episodes"]
    assert keys == [["demos", f"e{i:05}"] for i in range(0, 12, 2)]


def test_an_episode_comes_with_its_timeline_and_its_neighbours(client: TestClient) -> None:
    asked = "dataset=demos&episode=e00007&in_sort=name&in_task=reach"
    found = client.get(f"/api/library/episode?{asked}").json()
    assert found["timeline"]["frames"] == found["steps"] + 1 == 21
    assert found["timeline"]["sources"] == [["policy", 0, 10], ["correction", 10, 20]]
    assert all(0 <= start < stop <= 21 for start, stop in found["timeline"]["success"])
    assert found["place"] == {"number": 4, "total": 6, "before": ["demos", "e00005"], "after": ["demos", "e00009"]}
    outside = client.get("/api/library/episode?dataset=demos&episode=e00006&in_sort=name&in_task=reach").json()
    assert outside["place"]["number"] is None


def test_edits_are_seen_at_once_and_told_one_by_one(client: TestClient) -> None:
    done = change(client, "tag", "e00000", "e00001", "gone", tags=[" two  words ", "b"])
    assert [row["episode"] for row in done["done"]] == ["e00000", "e00001"]
    assert [row["episode"] for row in done["failed"]] == ["gone"]
    assert "Another user may have deleted it meanwhile" in done["failed"][0]["error"]
    assert {item["episode"] for item in client.get("/api/library/episodes?tag=two+words").json()["items"]} == {
        "e00000",
        "e00001",
    }
    change(client, "untag", "e00000", tags=["two words"])
    change(client, "outcome", "e00001", outcome="failure")
    change(client, "note", "e00001", note="look")
    found = client.get("/api/library/episode?dataset=demos&episode=e00001").json()
    assert (found["outcome"], found["note"]) == ("failure", "look")
    assert client.get("/api/library/episodes?tag=two+words").json()["total"] == 1


def test_two_people_who_write_a_note_do_not_overwrite_each_other(client: TestClient) -> None:
    assert not change(client, "note", "e00001", note="mine", was="")["failed"]
    (failed,) = change(client, "note", "e00001", note="theirs", was="")["failed"]
    assert "another user changed it meanwhile" in failed["error"]
    assert client.get("/api/library/episode?dataset=demos&episode=e00001").json()["note"] == "mine"
    assert not change(client, "note", "e00001", note="mine", was="")["failed"]  # sent twice


def test_trimming_gives_a_new_episode_and_can_be_undone(client: TestClient) -> None:
    (done,) = change(client, "trim", "e00003", start=2, stop=9)["done"]
    new = done["new"]
    found = client.get(f"/api/library/episode?dataset=demos&episode={new}").json()
    assert (found["steps"], found["parent"], found["parentStep"], found["trimmed"]) == (7, "e00003", 2, True)
    assert client.get("/api/library/episode?dataset=demos&episode=e00003").status_code == 404
    change(client, "restore", "e00003")
    change(client, "delete", new)
    assert client.get("/api/library/episodes").json()["total"] == 12
    (failed,) = change(client, "trim", "e00003", start=5, stop=5)["failed"]
    assert "at least one step" in failed["error"]


def test_the_trash_gives_back_and_forgets(client: TestClient, home: Path) -> None:
    LOG.clear()
    change(client, "delete", "e00001", "e00002")
    items = client.get("/api/library/trash").json()["items"]
    assert {item["episode"] for item in items} == {"e00001", "e00002"}
    assert items[0]["version"] == 1
    assert items[0]["size"] > 1000
    assert listed(client)["trash"] == 2
    (failed,) = change(client, "delete", "e00001")["failed"]
    assert "deleted it meanwhile" in failed["error"]
    assert len(change(client, "restore", "e00001")["done"]) == 1
    (failed,) = change(client, "restore", "e00001")["failed"]
    change(client, "purge", "e00002")
    assert client.get("/api/library/trash").json()["items"] == []
    assert not list((home / "demos" / "trash").glob("*.parquet"))
    assert LOG == [
        ("ada", "episodes deleted", "2: demos/e00001, demos/e00002"),
        ("ada", "episodes restored", "1: demos/e00001"),
        ("ada", "episodes purged", "1: demos/e00002"),
    ]


def test_a_damaged_file_in_the_trash_is_shown_as_such(client: TestClient, home: Path) -> None:
    change(client, "delete", "e00001")
    (file,) = (home / "demos" / "trash").glob("*.parquet")
    file.write_bytes(b"nothing")
    (item,) = client.get("/api/library/trash").json()["items"]
    assert item["damaged"]


def test_damage_is_moved_aside_and_told(client: TestClient, home: Path) -> None:
    flip(home / "demos" / "episodes" / "e00004.parquet", 8 * 60)
    assert client.get("/api/library/episode?dataset=demos&episode=e00004").status_code == 404
    flip(home / "demos" / "episodes" / "e00005.parquet", 8 * 60)
    (failed,) = change(client, "tag", "e00005", tags=["x"])["failed"]
    assert failed["error"] == "The file of this episode was damaged; it was moved aside."
    found = client.get("/api/library/episodes").json()
    assert found["total"] == 10
    assert len(found["aside"]) == 2
    assert len(list((home / "demos" / "quarantine").glob("*.parquet"))) == 2


@pytest.mark.parametrize(
    ("act", "values", "words"),
    [
        ("tag", {"tags": [""]}, "visible characters"),
        ("tag", {"tags": ["x" * 61]}, "1 to 60 visible characters"),
        ("tag", {"tags": ["a\u200bb\x00"]}, "visible characters"),
        ("outcome", {"outcome": "great"}, "one of success, failure, aborted"),
        ("note", {"note": "x" * 4001}, "at most 4,000"),
        ("explode", {}, ""),
    ],
)
def test_what_makes_no_sense_is_refused(client: TestClient, act: str, values: dict[str, object], words: str) -> None:
    episodes = [{"dataset": "demos", "episode": "e00000"}]
    answer = client.post("/api/library/change", json={"act": act, "episodes": episodes, **values})
    assert answer.status_code == 422
    assert words in answer.json()["error"]


def test_an_episode_has_so_many_tags_at_most(client: TestClient) -> None:
    for start in range(0, MOST_TAGS, 20):
        change(client, "tag", "e00000", tags=[f"t{i}" for i in range(start, start + 20)])
    (failed,) = change(client, "tag", "e00000", tags=["more"])["failed"]
    assert f"at most {MOST_TAGS}" in failed["error"]


def test_samples_that_ship_stay_as_they_are(client: TestClient, library: Library, tmp_path: Path) -> None:
    many(tmp_path / "shipped", 2, "samples/reach")
    found = client.get("/api/library/episodes?dataset=samples/reach").json()
    assert [item["ships"] for item in found["items"]] == [True, True]
    (failed,) = library.delete([EpisodeKey("samples/reach", "e00000")])
    assert "it ships with the program" in failed.error
    assert not (tmp_path / "shipped" / "samples" / "reach" / "trash").exists()


def test_those_who_only_answer_look_and_change_nothing(library: Library) -> None:
    client = client_of(library, "annotator")
    assert client.get("/api/library/episodes").status_code == 200
    body = {"act": "delete", "episodes": [{"dataset": "demos", "episode": "e00001"}]}
    assert client.post("/api/library/change", json=body).status_code == 403
    assert client.get("/api/library/episodes").json()["total"] == 12


def test_one_episode_is_downloaded_as_it_lies(client: TestClient, home: Path) -> None:
    answer = client.get("/library/download?dataset=demos&episode=e00001")
    assert answer.content == (home / "demos" / "episodes" / "e00001.parquet").read_bytes()
    assert answer.headers["content-disposition"] == 'attachment; filename="e00001.parquet"'
    assert client.get("/library/download?dataset=demos&episode=gone").status_code == 404


def test_several_are_downloaded_as_a_dataset_that_opens(
    client: TestClient, library: Library, tmp_path: Path, home: Path
) -> None:
    Dataset(home / "more", create=True).add(episode("z"))
    wanted = [("demos", "e00001"), ("demos", "e00002"), ("more", "z"), ("demos", "gone")]
    library.index.refresh(10)
    body = {"episodes": [{"dataset": dataset, "episode": name} for dataset, name in wanted]}
    address = client.post("/api/library/zip", json=body).json()["address"]
    answer = client.get(address)
    assert answer.headers["content-disposition"] == 'attachment; filename="episodes-4.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "out")
    assert Dataset(tmp_path / "out" / "demos").verify().good == ("e00001", "e00002")
    assert Dataset(tmp_path / "out" / "more").ids() == ("z",)
    assert "demos/gone" in (tmp_path / "out" / "MISSING.txt").read_text()
    assert client_of(library, person=2).get(address).status_code == 404
    assert client.get("/library/zip/unknown").status_code == 404


def test_tickets_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tickets, now = Tickets(), [1000.0]
    monkeypatch.setattr("teleop.station.library.zip_download.time.monotonic", lambda: now[0])
    ticket = tickets.issue([EpisodeKey("a", "b"), EpisodeKey("a", "b")], 1)
    assert tickets.find(ticket, 1) == [EpisodeKey("a", "b")]
    assert tickets.find(ticket, 2) is None
    now[0] += GOOD_FOR + 1
    assert tickets.find(ticket, 1) is None


def test_cameras_of_recorded_episodes_are_those_that_recorded(library: Library, client: TestClient) -> None:
    videos = {name: RecordedVideo(f"{'0' * 32}.mp4", f"{'0' * 32}.mp4", 10, 5, 64, 48) for name in ("top", "left")}
    Dataset(library.index.folder("demos")).add(episode("filmed", task="fold", frames=videos))
    library.index.refresh()
    assert client.get("/api/library/cameras?task=fold").json() == {"cameras": {"left": None, "top": None}}


def test_a_zip_holds_what_cameras_recorded(library: Library) -> None:
    folder = library.index.folder("demos")
    file = store_video(folder, b"a video", "mp4")
    Dataset(folder).add(episode("filmed", task="fold", frames={"top": RecordedVideo(file, file, 10, 5, 64, 48)}))
    library.index.refresh()
    content = b"".join(pack(library.index, [EpisodeKey("demos", "filmed")]))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read(f"demos/videos/{file}") == b"a video"
