"""Recorded clips of a question: what the page is told of their cameras, and the files that it plays."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from robo_rlhf.core.types import Segment
from robo_rlhf.data.reader import Reader
from robo_rlhf.feedback.store import Question, question_id
from robo_rlhf.formats.importing import import_place
from teleop.station.review import routes
from teleop.station.services import Station
from tests.formats.making import grey_video
from tests.teleop.station.conftest import Visit
from tests.teleop.station.review.test_review import ask


def asked(home: Path, station: Station, folder: Path) -> None:
    """Ask about two imported episodes, from the middle of each: 10 frames a second from two cameras, one shorter."""
    for name, counts in (("one", (9, 9)), ("two", (9, 7))):
        (folder / name).mkdir(parents=True)
        for camera, count in zip(("front", "top view"), counts, strict=True):
            (folder / name / f"{camera}.mp4").write_bytes(grey_video(count, first=len(name) + count))
    import_place(folder, home / "cups")
    infos = Reader(home / "cups").list()
    assert {info.length for info in infos} >= {8}
    clips = tuple(Segment(info.meta.id, 3, 3) for info in infos)
    key = question_id("cups", 1, "pairwise", clips)
    station.store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
    station.store.add_questions([Question(key, "cups", 1, "pairwise", infos[0].meta.task, clips, "cups")])


def cameras(client: TestClient) -> dict[str, list[dict[str, object]]]:
    """Return the cameras of each clip of the next question, by the clip's name."""
    return {clip["name"]: clip["cameras"] for clip in ask(client)["clips"]}


def test_the_page_is_told_where_a_clip_begins_in_each_cameras_file(
    visit: Visit, station: Station, home: Path, tmp_path: Path
) -> None:
    asked(home, station, tmp_path / "videos")
    client = visit("annotator")
    found = cameras(client)
    assert [(one["name"], one["start"]) for one in found["A"]] == [("front", 0.3), ("top view", 0.3)]
    assert all(one["frames"] == 4 for one in (*found["A"], *found["B"]))
    answer = client.get(str(found["A"][1]["address"]))
    assert answer.content == grey_video(9, first=12)
    assert answer.headers["content-type"] == "video/mp4"
    assert "cups" not in str(found)  # the address does not say where it comes from


def test_a_player_gets_parts_and_what_is_missing_is_told(
    visit: Visit, station: Station, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(home, station, tmp_path / "videos")
    client = visit("annotator")
    address = str(cameras(client)["A"][0]["address"])
    whole = client.get(address).content
    part = client.get(address, headers={"range": "bytes=100-"})
    assert (part.status_code, part.content) == (206, whole[100:])
    monkeypatch.setattr(routes, "MOST_BYTES", 64)
    short = client.get(address, headers={"range": "bytes=100-"})
    assert short.content == whole[100:164]
    assert short.headers["content-range"] == f"bytes 100-163/{len(whole)}"
    other = client.get(address.replace("camera=front", "camera=elsewhere"))
    assert (other.status_code, other.json()["code"]) == (410, "gone")
    for file in (home / "cups" / "videos").iterdir():
        file.unlink()
    gone = client.get(address)
    assert gone.status_code == 410
    assert "not here any more" in gone.json()["error"]


def test_the_player_of_the_library_gets_the_same_files(
    visit: Visit, station: Station, home: Path, tmp_path: Path
) -> None:
    asked(home, station, tmp_path / "videos")
    client = visit("annotator")
    episode = {"dataset": "cups", "episode": Reader(home / "cups").list()[0].meta.id}
    videos = client.get("/api/library/episode", params=episode).json()["timeline"]["videos"]
    assert [(one["name"], one["start"], one["fps"]) for one in videos] == [("front", 0, 10), ("top view", 0, 10)]
    address, camera = "/media/recording", {**episode, "camera": "top view"}
    whole = client.get(address, params=camera)
    assert whole.headers["content-type"] == "video/mp4"
    part = client.get(address, params=camera, headers={"range": "bytes=100-"})
    assert (part.status_code, part.content) == (206, whole.content[100:])
    other = client.get(address, params={**episode, "camera": "elsewhere"})
    assert (other.status_code, other.json()["code"]) == (404, "gone")
