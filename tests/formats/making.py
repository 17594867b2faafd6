"""Sets of other programs, written as their own libraries write them, for the tests of imports."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.formats.exporting import export
from robo_rlhf.formats.importing import import_place
from robo_rlhf.sim.rendering.video import encode_mp4
from tests.data.making import append, begin, episode

PLACES = {"lerobot": "set", "robomimic": "set.hdf5", "minari": "set-v0"}


def recorded(folder: Path, count: int = 3) -> Dataset:
    """Return a dataset of random episodes, one of them with times, a note and a parent."""
    made = Dataset(folder, create=True)
    made.add_many(episode(f"e{i}", steps=5 + i, seed=i, tags=("a", "b") * (i % 2)) for i in range(count - 1))
    like = episode("e9", steps=4, seed=9, note="it slipped", parent="e0", parent_step=2, versions={"mujoco": "4.0.0"})
    with begin(made, like) as writer:
        append(writer, like)
        writer.close("failure", note="it slipped")
    return made


def round_trip(dataset: Dataset, form: str, folder: Path, **options: Any) -> Dataset:
    """Return what a dataset is after an export and an import."""
    place = folder / PLACES[form]
    export(dataset, dataset.list(), place, form, **options)
    import_place(place, folder / "back", form)
    return Dataset(folder / "back")


def grey_video(count: int, fps: float = 10.0, first: int = 0, size: tuple[int, int] = (48, 64)) -> bytes:
    """Return an MP4 whose frame i is grey, of brightness first + 10 i."""
    return encode_mp4([np.full((*size, 3), first + 10 * i, np.uint8) for i in range(count)], fps)


def brightness(frames: Array) -> list[int]:
    """Return the frames' numbers in a video by `grey_video`."""
    return [round(float(frame.mean()) / 10) for frame in frames]


def video_of_codec(path: Path, count: int, codec: str, fps: int = 10, pixels: str = "yuv420p") -> None:
    """Write such a video with a codec that browsers may not know."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixels
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * i, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def lerobot_set(
    place: Path, lengths: tuple[int, ...] = (6, 4), *, old: bool = False, **changes: Any
) -> dict[str, Array]:
    """Write a LeRobot set of another program, 3.0 or 2.1, in degrees, with one camera; return all its rows."""
    rng, total = np.random.default_rng(0), sum(lengths)
    rows = {
        "observation.state": rng.normal(size=(total, 2)).astype(np.float32),
        "action": rng.uniform(-90, 90, size=(total, 2)).astype(np.float32),
        "gripper_force": rng.uniform(size=total).astype(np.float32),
        "next.success": np.arange(total) == lengths[0] - 1,
        "episode_index": np.repeat(np.arange(len(lengths)), lengths),
        "frame_index": np.concatenate([np.arange(n) for n in lengths]),
        "index": np.arange(total),
        "task_index": np.zeros(total, np.int64),
    }
    rows["timestamp"] = (rows["frame_index"] / 10).astype(np.float32)
    video = {"dtype": "video", "shape": [48, 64, 3], "names": ["height", "width", "channels"]}
    numbers = {
        name: {"dtype": str(value.dtype), "shape": [*value.shape[1:]] or [1], "names": None}
        for name, value in rows.items()
    }
    info = {
        "codebase_version": "v2.1" if old else "v3.0",
        "fps": 10,
        "total_episodes": len(lengths),
        "features": {**numbers, "observation.images.top": video},
        "chunks_size": 1000,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        **changes,
    }
    if old:
        info |= {"video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"}
    ends = np.cumsum(lengths)
    listed = [{"episode_index": i, "tasks": ["Pick it up."], "length": n} for i, n in enumerate(lengths)]
    files: dict[str, bytes] = {"meta/info.json": json.dumps(info).encode()}
    if old:
        files["meta/tasks.jsonl"] = json.dumps({"task_index": 0, "task": "Pick it up."}).encode()
        files["meta/episodes.jsonl"] = "\n".join(map(json.dumps, listed)).encode()
        for i, n in enumerate(lengths):
            part = {name: value[ends[i] - n : ends[i]] for name, value in rows.items()}
            files[f"data/chunk-000/episode_{i:06d}.parquet"] = _parquet(part)
            files[f"videos/chunk-000/observation.images.top/episode_{i:06d}.mp4"] = grey_video(n, first=10 * i)
    else:
        about = "videos/observation.images.top/"
        for row, end in zip(listed, ends, strict=True):
            row |= {
                f"{about}chunk_index": 0,
                f"{about}file_index": 0,
                f"{about}from_timestamp": (end - row["length"]) / 10,
            }  # type: ignore[operator]
        files["meta/episodes/chunk-000/file-000.parquet"] = _table(pa.Table.from_pylist(listed))
        files["meta/tasks.parquet"] = _table(pa.table({"task_index": [0], "task": ["Pick it up."]}))
        files["data/chunk-000/file-000.parquet"] = _parquet(rows)
        files["videos/observation.images.top/chunk-000/file-000.mp4"] = grey_video(total)
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return rows


def _parquet(rows: dict[str, Array]) -> bytes:
    columns = {
        name: pa.array(value)
        if value.ndim == 1
        else pa.FixedSizeListArray.from_arrays(value.reshape(-1), value.shape[1])
        for name, value in rows.items()
    }
    return _table(pa.table(columns))


def _table(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
