"""Pictures and clips over HTTP: drawn once, in parts, and never an error page."""

import asyncio
import io
import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import httpx2
import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from robo_rlhf.core.errors import RoboRlhfError, ShapeError, UnknownNameError, WorkerDiedError
from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.policies.built_in import BuiltInPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.conditioned_env import under
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.rendering.pool import RenderPool
from robo_rlhf.sim.rendering.video import decode_mp4
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.vision.drawing import Drawer
from robo_rlhf.vision.sight import Sight
from teleop.station.app import create_app
from teleop.station.library.edits import Library
from teleop.station.media import routes as media_page
from teleop.station.media.films import MOST_FRAMES, PART, part_of
from teleop.station.media.media import CameraView, Media
from teleop.station.services import Station
from teleop.station.web import error_pages
from tests.data.making import episode, flip

CLIP = "/media/clip?dataset=demos&episode=e1"


@pytest.fixture(scope="module")
def env() -> TaskEnv:
    return TaskEnv(TASKS["reach"](), 1, nthread=1)


@pytest.fixture
def drawing() -> Iterator[RenderPool]:
    with RenderPool(1, eager=False) as pool:
        yield pool


class FakePool:
    """Draws bytes that say what was asked for, and counts."""

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self.error: Exception | None = None
        self.waits = False

    def _answer(self, text: str, content: Any) -> "Future[Any]":
        self.drawn.append(text)
        future: Future[Any] = Future()
        if self.waits:
            return future
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(content)
        return future

    def mp4(
        self,
        task: str,
        states: Array,
        camera: str,
        width: int,
        height: int,
        *,
        fps: float,
        fragmented: bool = False,
    ) -> "Future[bytes]":
        text = f"mp4 {task} {len(states)} {camera} {width}x{height} {fps:g}"
        return self._answer(text, text.encode() + bytes(range(250)) * 10)

    def jpegs(
        self, task: str, state: Array, cameras: tuple[str, ...], width: int, height: int
    ) -> "Future[list[bytes]]":
        text = f"jpeg {task} {state[0]:.3f} {cameras[0]} {width}x{height}"
        return self._answer(text, [text.encode()])


@pytest.fixture
def pool() -> FakePool:
    return FakePool()


@pytest.fixture
def dataset(home: Path) -> Dataset:
    dataset = Dataset(home / "demos", create=True)
    dataset.add(episode("e1", steps=12))
    return dataset


def app_of(home: Path, pool: Any) -> FastAPI:
    """The pages of media alone, with nobody asking who is there."""
    app = FastAPI()
    app.state.station = SimpleNamespace(
        media=Media(home / "cache", lambda: pool), library=Library(home), outward=lambda text: text
    )
    error_pages.install(app)
    app.include_router(media_page.router)
    return app


@pytest.fixture
def client(home: Path, pool: FakePool, dataset: Dataset) -> Iterator[TestClient]:
    with TestClient(app_of(home, pool)) as client:
        yield client


def test_a_clip_is_drawn_once_however_often_it_is_asked_for(client: TestClient, pool: FakePool) -> None:
    first = client.get(f"{CLIP}&camera=side&width=480")
    assert first.status_code == 200
    assert first.headers["content-type"] == "video/mp4"
    assert first.headers["accept-ranges"] == "bytes"
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.content.startswith(b"mp4 push 13 side 480x360 20")
    for _ in range(3):
        assert client.get(f"{CLIP}&camera=side&width=480&v=1").content == first.content
    assert len(pool.drawn) == 1
    assert "immutable" in client.get(f"{CLIP}&camera=side&width=480&v=1").headers["cache-control"]


def test_what_is_shown_decides_not_what_is_said_of_it(client: TestClient, pool: FakePool, dataset: Dataset) -> None:
    tag = client.get(CLIP).headers["etag"]
    dataset.tag("e1", "good")
    dataset.note("e1", "look")
    assert client.get(CLIP).headers["etag"] == tag
    assert len(pool.drawn) == 1
    dataset.add(episode("e1", steps=12, seed=5), replace_existing=True)
    assert client.get(CLIP).headers["etag"] != tag
    assert len(pool.drawn) == 2


def test_every_view_is_another_picture(client: TestClient) -> None:
    base = "dataset=demos&episode=e1"
    addresses = [
        *(f"/media/{form}?{base}" for form in ("poster", "hover", "clip", "frame")),
        *(f"{CLIP}&width={width}" for width in (160, 640)),
        *(f"{CLIP}&camera={camera}" for camera in ("top", "10,-20,1.5", "10,-20,1.5,0,0,0.1")),
        *(f"{CLIP}&start={start}&stop={stop}" for start, stop in ((0, 5), (1, 5), (1, 6))),
        *(f"/media/frame?{base}&frame={frame}" for frame in (1, 2, 12)),
    ]
    tags = [client.get(address).headers["etag"] for address in addresses]
    assert len(set(tags)) == len(tags)


def test_frames_and_segments_are_those_of_the_episode(client: TestClient, pool: FakePool, dataset: Dataset) -> None:
    states = dataset.load("e1").state
    assert client.get(f"{CLIP}&start=3&stop=7").content.startswith(b"mp4 push 4 front 320x240 20")
    assert client.get(f"{CLIP}&start=10&stop=99").content.startswith(b"mp4 push 3 ")
    frame = "/media/frame?dataset=demos&episode=e1&frame="
    assert client.get(frame + "4").text == f"jpeg push {states[4, 0]:.3f} front 320x240"
    assert client.get(frame + "99").text == f"jpeg push {states[12, 0]:.3f} front 320x240"
    assert client.get(frame + "-5").text == f"jpeg push {states[0, 0]:.3f} front 320x240"
    drawn = len(pool.drawn)
    client.get(frame + "4")
    assert len(pool.drawn) == drawn


@pytest.mark.parametrize(
    "asked",
    [
        *("start=13", "start=-1", "start=5&stop=5", "start=5&stop=2", "width=321", "width=0", "camera=1,2"),
        *("camera=", "start=x", "camera=nan,0,1", f"camera={'x' * 300}"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(client: TestClient, asked: str) -> None:
    answer = client.get(f"{CLIP}&{asked}")
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_more_frames_than_a_clip_may_have_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teleop.station.media.films.MOST_FRAMES", 5)
    answer = client.get(CLIP)
    assert answer.status_code == 422
    assert "at least one and at most 5 of frames 0 to 12" in answer.json()["error"]
    assert MOST_FRAMES > 1000


def test_an_episode_is_drawn_in_parts_which_a_trim_uses_again(
    client: TestClient, pool: FakePool, dataset: Dataset
) -> None:
    whole = episode("long", steps=70)
    whole.state[:, 0] = 0.05 * np.arange(71)  # the simulator's clock
    dataset.add(whole)
    dataset.add(replace(whole.slice(7, 60), meta=replace(whole.meta, id="trimmed")))
    part = "/media/part?dataset=demos&episode={}&frame={}"
    frames = {k: client.get(part.format("long", k)).headers["x-frames"] for k in (0, 11, 12, 69, 70, 99)}
    assert frames == {0: "0-12", 11: "0-12", 12: "12-24", 69: "60-71", 70: "60-71", 99: "60-71"}
    assert [text[:11] for text in pool.drawn] == ["mp4 push 12", "mp4 push 12", "mp4 push 11"]
    cut = client.get(part.format("trimmed", 10))  # of the whole one it is frame 17
    assert cut.headers["x-frames"] == "5-17"
    assert cut.headers["etag"] == client.get(part.format("long", 17)).headers["etag"]
    assert len(pool.drawn) == 3
    assert client.get(part.format("trimmed", 0)).headers["x-frames"] == "0-5"
    assert pool.drawn[-1].startswith("mp4 push 5 ")


@pytest.mark.parametrize("clock", [np.nan, 1e300, -3.0])
def test_parts_of_states_without_a_clock_hold_every_frame_once(clock: float) -> None:
    states = np.full((45, 3), clock)
    found = [part_of(states, 20.0, frame) for frame in range(45)]
    assert all(frame in frames and len(frames) <= PART for frame, frames in enumerate(found))
    assert sum(len(frames) for frames in set(found)) == 45


def test_a_camera_that_the_scene_lacks_is_named(client: TestClient, pool: FakePool) -> None:
    pool.error = UnknownNameError("camera", "frnt", ["front", "side"])
    answer = client.get(f"{CLIP}&camera=frnt")
    assert answer.status_code == 404
    assert "Did you mean 'front'?" in answer.json()["error"]


RANGES = {
    "bytes=0-99": (206, [(0, 100)]),
    "bytes=100-": (206, [(100, None)]),
    "bytes=-7": (206, [(-7, None)]),
    "bytes=0-0,5-9": (206, [(0, 1), (5, 10)]),
    "bytes=-1,0-3,2-5": (206, [(-1, None), (0, 6)]),
    "bytes=99999-": (416, []),
    "bytes=9-5": (416, []),
    "bytes=x": (416, []),
    "lines=1-2": (200, [(0, None)]),
}


@pytest.mark.parametrize("header", RANGES)
def test_parts_are_the_bytes_asked_for(client: TestClient, header: str) -> None:
    whole = client.get(CLIP).content
    status, parts = RANGES[header]
    answer = client.get(CLIP, headers={"range": header})
    assert answer.status_code == status
    assert int(answer.headers.get("content-length", 0)) == len(answer.content)
    wanted = [whole[start:stop] for start, stop in parts]
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
        assert answer.content == b""
    elif len(parts) == 1:
        assert [answer.content] == wanted
        if status == 206:
            start = parts[0][0] % len(whole)
            assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted[0]) - 1}/{len(whole)}"
    else:
        found = pieces_of(answer)
        assert [content for _, content in found] == wanted
        assert all(head["content-type"] == "video/mp4" for head, _ in found)


def pieces_of(answer: httpx2.Response) -> list[tuple[dict[str, str], bytes]]:
    """Return headers and content of each part of a multipart answer."""
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    first, *pieces, last = (b"\r\n" + answer.content).split(f"\r\n--{boundary}".encode())
    assert (first, last) == (b"", b"--\r\n")
    found = []
    for piece in pieces:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found.append((dict(line.split(": ") for line in head.decode().split("\r\n")), content))
    return found


def test_tags_decide_whether_anything_is_sent(client: TestClient) -> None:
    whole = client.get(CLIP)
    tag = whole.headers["etag"]
    for header in (tag, f"W/{tag}", "*", f'"x", {tag}'):
        answer = client.get(CLIP, headers={"if-none-match": header, "range": "bytes=0-1"})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in answer.headers
    assert client.get(CLIP, headers={"if-none-match": '"x"'}).status_code == 200
    assert client.get(CLIP, headers={"if-match": '"x"'}).status_code == 412
    assert client.get(CLIP, headers={"if-match": tag, "range": "bytes=0-1"}).status_code == 206
    for fresh, status in ((tag, 206), ('"x"', 200), (f"W/{tag}", 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200)):
        assert client.get(CLIP, headers={"if-range": fresh, "range": "bytes=0-1"}).status_code == status


def test_head_says_what_get_would_send(client: TestClient) -> None:
    whole = client.get(CLIP)
    for header in ({}, {"range": "bytes=0-1"}):
        answer = client.head(CLIP, headers=header)
        assert (answer.status_code, answer.content) == (200, b"")
        for name in ("content-length", "etag", "content-type", "accept-ranges"):
            assert answer.headers[name] == whole.headers[name]
    assert client.post(CLIP).status_code == 405


def test_a_large_file_is_sent_block_by_block(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = client.get(CLIP).content
    monkeypatch.setattr("teleop.station.media.file_responses.AT_ONCE", 100)
    monkeypatch.setattr("teleop.station.media.file_responses.BLOCK", 64)
    assert client.get(CLIP).content == whole
    assert client.get(CLIP, headers={"range": "bytes=3-1002"}).content == whole[3:1003]
    parts = client.get(CLIP, headers={"range": "bytes=0-299,400-699"})
    assert [content for _, content in pieces_of(parts)] == [whole[:300], whole[400:700]]


def test_a_download_has_a_name(client: TestClient) -> None:
    answer = client.get(f"{CLIP}&download=true")
    assert answer.headers["content-disposition"] == 'attachment; filename="e1.mp4"'


def test_an_episode_that_is_not_there_has_a_picture_that_says_so(client: TestClient) -> None:
    for where in ("dataset=demos&episode=gone", "dataset=none&episode=e1", "dataset=demos&episode=../dataset"):
        picture = client.get(f"/media/poster?{where}")
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
        assert picture.headers["x-picture"] == "none"
        clip = client.get(f"/media/clip?{where}")
        assert (clip.status_code, clip.json()["code"]) == (404, "gone")


def test_a_damaged_episode_is_moved_aside_and_never_an_error(client: TestClient, dataset: Dataset, home: Path) -> None:
    flip(home / "demos" / "episodes" / "e1.parquet", 8 * 400)
    clip = client.get(CLIP)
    assert (clip.status_code, clip.json()["code"]) == (410, "broken")
    assert "moved aside" in clip.json()["error"]
    assert [file.name for file in (home / "demos" / "quarantine").glob("*.parquet")] == ["e1.parquet"]
    assert client.get(CLIP).status_code == 404
    assert "not here any more" in client.get("/media/poster?dataset=demos&episode=e1").text


def test_an_episode_in_the_trash_has_pictures_too(client: TestClient, dataset: Dataset) -> None:
    dataset.delete("e1")
    assert client.get("/media/poster?dataset=demos&episode=e1&trash=1").headers["content-type"] == "image/jpeg"
    assert client.get("/media/poster?dataset=demos&episode=e1&trash=2").headers["x-picture"] == "none"


def test_what_cannot_be_drawn_says_why(client: TestClient, dataset: Dataset, pool: FakePool) -> None:
    blind = episode("outside")
    object.__setattr__(blind, "state", np.zeros((13, 0)))
    dataset.add(blind)
    dataset.add(episode("foreign", task="<mujoco/>"))
    assert client.get("/media/part?dataset=demos&episode=outside").json()["code"] == "outside"
    for name, words in (
        ("outside", "It holds no simulator states."),
        ("foreign", "no name that a scene could have"),
    ):
        answer = client.get(f"/media/clip?dataset=demos&episode={name}")
        assert answer.status_code == 422
        assert words in answer.json()["error"]
    errors: list[tuple[RoboRlhfError | RuntimeError, str]] = [
        (UnknownNameError("task", "push", ["reach"]), "does not know"),
        (ShapeError("states", (9,), (8,)), "another version of the scene"),
        (WorkerDiedError("drawing", "states", "ended (killed by signal 9)"), "drawing failed"),
        (RuntimeError("a render worker failed"), "drawing failed"),
    ]
    for error, words in errors:
        pool.error = error
        answer = client.get(CLIP)
        assert answer.status_code in (422, 503)
        assert words in answer.json()["error"]
        assert client.get("/media/poster?dataset=demos&episode=e1").headers["x-picture"] == "none"
    pool.error = None
    assert client.get(CLIP).status_code == 200


def test_fifty_who_ask_at_once_cost_one_drawing(home: Path, pool: FakePool, dataset: Dataset) -> None:
    async def ask() -> list[int]:
        transport = httpx2.ASGITransport(app_of(home, pool))
        async with httpx2.AsyncClient(transport=transport, base_url="http://station") as client:
            answers = await asyncio.gather(*(client.get(CLIP) for _ in range(50)))
        return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200] * 50
    assert len(pool.drawn) == 1


def test_nobody_draws_for_somebody_who_left(home: Path, pool: FakePool, dataset: Dataset) -> None:
    pool.waits = True

    async def leave() -> int:
        media = Media(home / "cache", lambda: pool)  # type: ignore[arg-type]
        path = home / "demos" / "episodes" / "e1.parquet"
        asks = [asyncio.create_task(media.clip(path, CameraView(width=width))) for width in (160, 240, 320, 480)]
        await asyncio.sleep(0.3)
        drawn = len(pool.drawn)
        for ask in asks:
            ask.cancel()
        await asyncio.gather(*asks, return_exceptions=True)
        pool.waits = False
        body = (await media.clip(path, CameraView(width=640))).body
        body.close()
        return drawn

    assert asyncio.run(leave()) == 2  # the others waited for their turn, and gave it up
    assert len(pool.drawn) == 3


def test_media_is_only_for_those_who_are_signed_in(home: Path, dataset: Dataset) -> None:
    station = Station(home)
    try:
        client = TestClient(create_app(station), base_url="http://localhost")
        for form in ("clip", "poster", "hover", "frame", "part", "poses", "scene", "assets"):
            for headers in ({}, {"range": "bytes=0-1"}, {"if-none-match": "*"}):
                answer = client.get(f"/media/{form}?dataset=demos&episode=e1&name=push", headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "signed_out")
    finally:
        station.close()


def test_real_clips_play_and_step(reach_home: Path, home: Path) -> None:
    shutil.copytree(reach_home, home)
    (name, *_) = Dataset(home / "samples" / "reach").ids()
    frames = len(Dataset(home / "samples" / "reach").load(name)) + 1
    where = f"dataset=samples/reach&episode={name}&width=160"
    with RenderPool() as pool, TestClient(app_of(home, pool)) as client:
        clip = client.get(f"/media/clip?{where}&camera=side").content
        pictures, fps = decode_mp4(clip)
        assert (pictures.shape, fps) == ((frames, 120, 160, 3), 20.0)
        with av.open(io.BytesIO(clip)) as container:
            assert container.streams.video[0].codec_context.name == "h264"
        assert len(decode_mp4(client.get(f"/media/clip?{where}&start=5&stop=9").content)[0]) == 4
        part = client.get(f"/media/part?{where}&camera=side&frame=7")
        start, stop = map(int, part.headers["x-frames"].split("-"))
        assert np.abs(decode_mp4(part.content)[0].astype(int) - pictures[start:stop]).mean() < 3
        still = decoded(client.get(f"/media/frame?{where}&camera=side&frame=7").content)
        assert np.abs(still.astype(int) - pictures[7]).mean() < 6
        assert np.abs(still.astype(int) - pictures[frames - 1]).mean() > 1
        assert decoded(client.get(f"/media/poster?{where}&camera=10,-30,1.5").content).shape == (120, 160, 3)
        assert len(decode_mp4(client.get(f"/media/hover?{where}").content)[0]) <= 48
        assert client.get(f"/media/clip?{where}&camera=sid").status_code == 404


def decoded(jpeg: bytes) -> Array:
    picture: Array = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    return picture


def test_what_a_policy_saw_is_what_its_encoder_gets_late_frames_too(
    home: Path, env: TaskEnv, drawing: RenderPool
) -> None:
    sight, conditions = Sight(("wrist", "front"), 24), Conditions(delay_frames=1)
    (seen,) = rollout(under(env, conditions), BuiltInPolicy("zero", env.act_dim), np.array([3]), steps=3)
    versions = {**seen.meta.versions, **sight.provenance()}
    dataset = Dataset(home / "demos", create=True)
    dataset.add(replace(seen, meta=replace(seen.meta, id="seen", versions=versions)))
    dataset.add(replace(seen, meta=replace(seen.meta, id="blind")))
    address = "/media/seen?dataset=demos&episode={}&start=1&stop=99"
    with TestClient(app_of(home, drawing)) as client:
        answer = client.get(address.format("seen"))
        refused = client.get(address.format("blind"))
    assert answer.headers["content-type"] == "image/png"
    sheet = cv2.cvtColor(cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    drawer = Drawer("reach", sight)
    pictures = drawer.draw(seen.state[:3])
    drawer.close()
    assert np.array_equal(sheet, np.concatenate([np.concatenate([*pictures[name]]) for name in sight.cameras], axis=1))
    assert (refused.status_code, refused.json()["code"]) == (422, "unseen")
