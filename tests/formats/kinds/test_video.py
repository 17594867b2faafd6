"""Videos of rollouts: how they become episodes, and what is refused of them."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import DataWarning
from robo_rlhf.data.recorded_videos import VIDEOS, video_path
from robo_rlhf.episodes.access import open_access
from robo_rlhf.formats.base import ImportOptions
from robo_rlhf.formats.importing import import_place
from robo_rlhf.sim.rendering.video import decode_mp4, encode_mp4
from tests.data.making import flip
from tests.formats.making import brightness, grey_video, video_of_codec


def test_file_names_alone_make_episodes(tmp_path: Path) -> None:
    place = tmp_path / "rollouts"
    (place / "seven").mkdir(parents=True)
    (place / "first.mp4").write_bytes(grey_video(5))
    (place / "seven/wrist.mp4").write_bytes(grey_video(6))
    video_of_codec(place / "seven/top.webm", 6, "libvpx-vp9")
    assert import_place(place, tmp_path / "back") == 2
    back = Dataset(tmp_path / "back")
    first, seven = back.load("first"), back.load("seven")
    assert (len(first), first.meta.control_dt, first.meta.task) == (4, 0.1, "rollouts")
    assert (first.obs.shape, first.action.shape) == ((5, 0), (4, 0))
    assert sorted(seven.meta.frames) == ["top", "wrist"]
    kept = first.meta.frames["video"]
    assert kept.file == kept.original
    assert video_path(back.path, kept.file).read_bytes() == (place / "first.mp4").read_bytes()
    top = seven.meta.frames["top"]
    assert video_path(back.path, top.original).read_bytes() == (place / "seven/top.webm").read_bytes()
    assert brightness(decode_mp4(video_path(back.path, top.file))[0]) == [0, 1, 2, 3, 4, 5]
    shown = open_access(back.path / "episodes/seven.parquet")
    assert (shown.show, shown.enter) == ("frames", None)
    assert brightness(shown.frames([0, 2, 5], "top", 64, 48)) == [0, 2, 5]


def test_a_large_video_is_reviewed_as_a_proxy_and_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    large = encode_mp4([np.full((1440, 64, 3), 10 * i, np.uint8) for i in range(3)], 10)
    (tmp_path / "in/large.mp4").write_bytes(large)
    import_place(tmp_path / "in", tmp_path / "back")
    video = Dataset(tmp_path / "back").info("large").meta.frames["video"]
    assert (video.width, video.height) == (64, 1440)
    frames, _ = decode_mp4(video_path(tmp_path / "back", video.file))
    assert frames.shape == (3, 720, 32, 3)
    assert video_path(tmp_path / "back", video.original).read_bytes() == large


def test_a_table_says_what_the_videos_are(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    for number, name in enumerate(("x1", "x2", "y1")):
        (place / f"{name}.mp4").write_bytes(grey_video(3, first=30 * number))
    table = tmp_path / "table.csv"
    table.write_text(
        "file,episode,camera,task,policy,outcome,pair\n"
        "x1.mp4,x,left,fold,old,failed,p1\nx2.mp4,x,right,,,,\ny1.mp4,y,left,fold,new,success,p1\n"
    )
    import_place(place, tmp_path / "back", options=ImportOptions(metadata=table))
    back = Dataset(tmp_path / "back")
    one, other = back.info("x").meta, back.info("y").meta
    assert (one.task, one.operator, one.outcome, sorted(one.frames)) == ("fold", "old", "failure", ["left", "right"])
    assert (other.operator, other.outcome, other.origin["pair"]) == ("new", "success", "p1")
    table.write_text("file,outcome\nx1.mp4,maybe\n")
    with pytest.raises(CorruptFileError, match=r"episode x1.mp4, row 1: outcome 'maybe'"):
        import_place(place, tmp_path / "again", options=ImportOptions(metadata=table))
    table.write_text("file\nz.mp4\n")
    with pytest.raises(CorruptFileError, match=r"row 1: no video or folder 'z.mp4'"):
        import_place(place, tmp_path / "again", options=ImportOptions(metadata=table))


def arena_session(place: Path) -> None:
    """Write a session as RoboArena's dumps hold it."""
    session = place / "evaluation_sessions/s1"
    for letter, name, rows in (("A", "pi0", 6), ("B", "fast", 4)):
        folder = session / f"{letter}_{name}"
        folder.mkdir(parents=True)
        for camera in ("left", "right", "wrist"):
            (folder / f"run_{camera}.mp4").write_bytes(grey_video(2 * rows))
        rng = np.random.default_rng(rows)
        np.savez(folder / "arrays.npz", joint_position=rng.normal(size=(rows, 7)), action=rng.uniform(-3, 3, (rows, 8)))
    (session / "metadata.yaml").write_text(
        "language_instruction: Put the cup away.\nevaluator_name: kim\npreference: A\n"
        "policies:\n  A: {policy_name: pi0_droid, partial_success: 0.5}\n  B: {policy_name: fast, binary_success: 1}\n"
    )


def test_sessions_of_roboarena_come_in_with_actions_and_outcome(tmp_path: Path) -> None:
    arena_session(tmp_path / "dump")
    import_place(tmp_path / "dump", tmp_path / "back")
    one, two = Dataset(tmp_path / "back").load_all()
    assert (one.meta.operator, two.meta.operator) == ("pi0_droid", "fast")
    assert (one.meta.task, one.meta.instruction) == ("put_the_cup_away", "Put the cup away.")
    assert (one.meta.outcome, two.meta.outcome, float(one.reward[-1])) == ("failure", "success", 0.5)
    assert one.meta.origin["pair"] == two.meta.origin["pair"] == "s1"
    assert (one.obs.shape, one.action.shape, one.meta.control_dt) == ((7, 7), (6, 8), pytest.approx(0.2))
    assert sorted(one.meta.frames) == ["left", "right", "wrist"]
    name = one.meta.id
    shown = open_access(tmp_path / f"back/episodes/{name}.parquet").frames([0, 2, 5], "left", 64, 48)
    assert brightness(shown) == [0, 4, 10]


def audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def odd(path: Path, way: str) -> None:
    """Write a file that cannot be judged."""
    content = grey_video(25)
    match way:
        case "truncated":
            path.write_bytes(content[:-300])
        case "without an index":
            path.write_bytes(content.replace(b"moov", b"none"))
        case "audio":
            audio(path)
        case "text":
            path.write_text("not a video")
        case "empty":
            path.write_bytes(b"")
        case "pipe":
            os.mkfifo(path)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("truncated", "it is truncated"),
        ("without an index", "Invalid data"),
        ("audio", "audio only"),
        ("text", "Invalid data"),
        ("empty", "Invalid data|End of file"),
        ("pipe", "it is a pipe"),
    ],
)
def test_what_is_no_video_is_named(way: str, said: str, tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    odd(place / "cut.mp4", way)
    with pytest.raises(CorruptFileError, match=rf"cut.mp4 cannot be read \(episode cut: .*({said})"):
        import_place(place, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def uneven(path: Path) -> None:
    """Write a video that stays a second at its second frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.height, stream.width, stream.pix_fmt, stream.time_base = 48, 64, "yuv420p", Fraction(1, 20)
        for i, tick in enumerate((0, 2, 22, 24)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * i, np.uint8), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 20)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_variable_rate_becomes_an_even_one(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    uneven(place / "odd.mp4")
    import_place(place, tmp_path / "back")
    video = Dataset(tmp_path / "back").info("odd").meta.frames["video"]
    frames, fps = decode_mp4(video_path(tmp_path / "back", video.file))
    shown = brightness(frames)
    assert fps >= 10
    assert shown[0] == 0
    assert 0.8 < shown.count(1) / fps < 1.2  # [s]


@pytest.mark.parametrize(
    ("codec", "pixels"), [("libx265", "yuv420p10le"), ("libsvtav1", "yuv420p"), ("mpeg4", "yuv420p")]
)
def test_what_browsers_do_not_play_becomes_h264(codec: str, pixels: str, tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    video_of_codec(place / "odd.mkv", 8, codec, pixels=pixels)
    import_place(place, tmp_path / "back")
    video = Dataset(tmp_path / "back").info("odd").meta.frames["video"]
    assert video.file.endswith(".mp4")
    assert video.original.endswith(".mkv")
    assert brightness(decode_mp4(video_path(tmp_path / "back", video.file))[0]) == list(range(8))


def test_videos_go_with_the_last_episode_that_shows_them(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/one.mp4").write_bytes(grey_video(9))
    import_place(tmp_path / "in", tmp_path / "back")
    back, other = Dataset(tmp_path / "back"), Dataset(tmp_path / "other", create=True)
    part = back.trim("one", 3, 7)
    assert brightness(open_access(back.path / f"episodes/{part}.parquet").frames([0, 4], "video", 64, 48)) == [3, 7]
    other.merge(back)
    for dataset in (back, other):
        assert len(list((dataset.path / VIDEOS).iterdir())) == 1
    back.purge()
    assert len(list((back.path / VIDEOS).iterdir())) == 1  # the part still shows it
    back.delete(part)
    back.purge()
    assert not list((back.path / VIDEOS).iterdir())
    assert brightness(open_access(other.path / f"episodes/{part}.parquet").frames([1], "video", 64, 48)) == [4]


def test_a_video_that_a_phone_turned_is_shown_upright(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, :32] = 200  # the left half, which is above when the picture is turned clockwise
    content = bytearray(encode_mp4([frame] * 3, 10))
    at = content.index(b"tkhd") + 4 + 40  # the matrix by which the track is shown
    content[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    (place / "phone.mp4").write_bytes(content)
    import_place(place, tmp_path / "back")
    video = Dataset(tmp_path / "back").info("phone").meta.frames["video"]
    assert (video.width, video.height) == (48, 64)
    frames, _ = decode_mp4(video_path(tmp_path / "back", video.file))
    assert frames.shape == (3, 64, 48, 3)
    assert frames[0, :30].mean() > 190
    assert frames[0, 34:].mean() < 10


def test_a_video_that_is_damaged_or_gone_is_told(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    for name in ("one", "two"):
        (place / f"{name}.mp4").write_bytes(grey_video(3, first=100 * (name == "one")))
    import_place(place, tmp_path / "back")
    back = Dataset(tmp_path / "back")
    assert back.verify() == (("one", "two"), ())
    one, two = (video_path(back.path, back.info(name).meta.frames["video"].file) for name in ("one", "two"))
    flip(one, 900)
    two.unlink()
    with pytest.warns(DataWarning):
        found = back.verify()
    assert found.good == ("one", "two")
    assert [problem.partition(": ")[2] for problem in found.problems] == [
        "it is damaged; episode one cannot be shown whole.",
        "No such file or directory; episode two cannot be shown whole.",
    ]
    with pytest.raises(CorruptFileError, match="it is missing"):
        open_access(back.path / "episodes/two.parquet").frame(0, "video")


def turned(content: bytes) -> bytes:
    """Return an MP4 that is shown turned by a quarter: its track says so, its frames are as they were."""
    upright = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    quarter = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    track = content.index(b"tkhd")
    place = content.index(upright, track)
    return content[:place] + quarter + content[place + len(upright) :]


def test_a_video_that_is_turned_is_shown_upright_and_the_original_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    (place / "odd.mp4").write_bytes(turned(grey_video(6)))  # frames of 64 x 48
    import_place(place, tmp_path / "back")
    video = Dataset(tmp_path / "back").info("odd").meta.frames["video"]
    frames, _ = decode_mp4(video_path(tmp_path / "back", video.file))
    assert (video.width, video.height) == (48, 64)
    assert frames.shape[1:] == (64, 48, 3)
    assert brightness(frames) == list(range(6))
    assert video_path(tmp_path / "back", video.original).read_bytes() == (place / "odd.mp4").read_bytes()


def test_arrays_and_metadata_that_would_run_code_are_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    arena_session(tmp_path / "npz")
    arrays = next((tmp_path / "npz").rglob("*.npz"))
    np.savez(arrays, joint_position=np.zeros((5, 7)), action=np.array([[_Runs(ran)]] * 5, dtype=object))
    arena_session(tmp_path / "yaml")
    about = next((tmp_path / "yaml").rglob("metadata.yaml"))
    about.write_text(f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{ran}]]\n")
    for name in ("npz", "yaml"):
        with pytest.raises(CorruptFileError, match=r"allow_pickle=False|could not determine a constructor"):
            import_place(tmp_path / name, tmp_path / "back")
        assert not ran.exists()
        assert not (tmp_path / "back").exists()


class _Runs:
    """What leaves a file behind where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.mark,))
