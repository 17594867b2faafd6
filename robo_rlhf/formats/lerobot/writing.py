"""Writing a LeRobot set, version 3.0."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Source
from robo_rlhf.data.schema import Timing, meta_to_json, to_arrow, to_columns
from robo_rlhf.formats.base import Export, names_of
from robo_rlhf.formats.lerobot.files import RollingParquet, RollingVideo
from robo_rlhf.formats.lerobot.layout import (
    AS_JSON,
    CHUNK,
    DATA,
    DATA_MB,
    EPISODES_EACH,
    IMAGES,
    INDICES,
    NOT_WRITTEN,
    OWN,
    VERSION,
    VIDEO,
    VIDEO_MB,
    column,
)
from robo_rlhf.formats.pictures import rate_of
from robo_rlhf.formats.scaling import Scaling
from robo_rlhf.formats.statistics import RunningStatistics

_SOURCES = "who acted: " + ", ".join(f"{int(source)} {source.name.lower()}" for source in Source)


class LeRobotWriter:
    """Writes one set."""

    def __init__(self, export: Export, folder: Path) -> None:
        """Write `export` into an empty folder."""
        self.export, self.folder = export, folder
        first = export.reader.header(export.first.id)
        self.described = {name: (dtype, shape[1:]) for name, (dtype, shape) in first.columns.items()}
        self.fps = rate_of(export.first)
        self.scaling = Scaling.from_bounds(export.first.action_bounds)
        obs_dim, act_dim = self.described["obs"][1][0], self.described["action"][1][0]
        self.obs_names, self.action_names, _ = names_of(export.first, obs_dim, act_dim)
        self.features = self._features()
        self.stats = {name: RunningStatistics() for name in self.features}
        self.tasks: dict[str, int] = {}
        self.index = 0  # of the next row
        self.data = RollingParquet(folder, DATA, DATA_MB)
        self.videos = {c: RollingVideo(folder, f"{IMAGES}{c}", self.fps) for c in export.cameras}
        self.episodes = RollingParquet(folder, f"meta/episodes/{DATA.removeprefix('data/')}", DATA_MB)
        self.rows: list[dict[str, Any]] = []

    def write(self) -> None:
        """Write every file."""
        for number, (episode, timing) in enumerate(self.export.episodes()):
            self.rows.append(self._episode(number, episode, timing))
            if len(self.rows) == EPISODES_EACH:
                self._flush()
        self._flush()
        self.data.close()
        self.episodes.close()
        for video in self.videos.values():
            video.close()
        self._write_tasks()
        shapes = {name: (3, 1, 1) for name, kind in self.features.items() if kind["dtype"] == "video"}
        write_json_plain(
            self.folder / "meta/stats.json", {name: s.found(shapes.get(name, ())) for name, s in self.stats.items()}
        )
        count = len(self.export.infos)
        kept = count - round(count * self.export.valid)
        splits = {"train": f"0:{kept}", **({"validation": f"{kept}:{count}"} if kept < count else {})}
        info = {
            "codebase_version": VERSION,
            "robot_type": self.export.first.task,
            "total_episodes": count,
            "total_frames": self.index,
            "total_tasks": len(self.tasks),
            "chunks_size": CHUNK,
            "data_files_size_in_mb": DATA_MB,
            "video_files_size_in_mb": VIDEO_MB,
            "fps": self.fps,
            "splits": splits,
            "data_path": DATA,
            "video_path": VIDEO if self.videos else None,
            "features": self.features,
        }
        write_json_plain(self.folder / "meta/info.json", info)

    def _features(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for camera in self.export.cameras:
            found[f"{IMAGES}{camera}"] = self._video_feature(camera)
        named = {"obs": list(self.obs_names), "action": list(self.action_names), "source": [_SOURCES]}
        for name, (dtype, shape) in self.described.items():
            if name != "success" and 0 not in shape:
                found[column(name)] = {"dtype": dtype, "shape": list(shape or (1,)), "names": named.get(name)}
        if self.scaling:
            found["action_unit"] = {**found["action"]}
        for name, dtype in (("next.success", "bool"), ("next.done", "bool"), ("intervention", "bool")):
            found[name] = {"dtype": dtype, "shape": [1], "names": None}
        for name in INDICES:
            found[name] = {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1], "names": None}
        return found

    def _video_feature(self, camera: str) -> dict[str, Any]:
        path = self.export.picture(camera, self.export.first.id, ".mp4")
        with av.open(str(path)) as container:
            codec = container.streams.video[0].codec_context
            height, width = codec.height, codec.width
        about = {"height": height, "width": width, "codec": "h264", "pix_fmt": "yuv420p", "fps": self.fps}
        details = {f"video.{name}": value for name, value in {**about, "channels": 3, "is_depth_map": False}.items()}
        return {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": {**details, "has_audio": False},
        }

    def _episode(self, number: int, episode: Episode, timing: Timing) -> dict[str, Any]:
        steps = len(episode)
        _, _, sentence = names_of(episode.meta, episode.obs.shape[1], episode.action.shape[1])
        task = self.tasks.setdefault(sentence, len(self.tasks))
        columns = {column(n): v[:steps] for n, v in to_columns(episode, timing).items() if n != "success"}
        columns = {name: value for name, value in columns.items() if 0 not in value.shape[1:]}
        if self.scaling:
            columns |= {"action": self.scaling.original(episode.action), "action_unit": episode.action}
        columns |= {
            "next.success": episode.success[1:],
            "next.done": np.arange(steps) == steps - 1,
            "intervention": episode.source == Source.CORRECTION,
            "timestamp": (np.arange(steps) / self.fps).astype(np.float32),
            "frame_index": np.arange(steps),
            "episode_index": np.full(steps, number),
            "index": self.index + np.arange(steps),
            "task_index": np.full(steps, task),
        }
        table = pa.table({name: to_arrow(_flat(value), steps) for name, value in columns.items()})
        chunk, file = self.data.write(table)
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": [sentence],
            "length": steps,
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": self.index,
            "dataset_to_index": self.index + steps,
        }
        self.index += steps
        stats = {name: RunningStatistics() for name in self.features}
        for name, value in columns.items():
            known = np.nan_to_num(value) if value.dtype.kind == "f" else value
            stats[name].add(known)
            self.stats[name].add(known)
        for camera, video in self.videos.items():
            key = f"{IMAGES}{camera}"
            place = video.add(self.export.picture(camera, episode.meta.id, ".mp4"), steps, episode.meta.id)
            row |= {f"videos/{key}/{name}": value for name, value in place.items()}
            for picture in video.looked_at:
                stats[key].add(picture)
                self.stats[key].add(picture)
        for name, one in stats.items():
            shape = (3, 1, 1) if self.features[name]["dtype"] == "video" else ()
            row |= {f"stats/{name}/{what}": value for what, value in one.found(shape).items()}
        return {**row, **self._own(episode)}

    def _own(self, episode: Episode) -> dict[str, Any]:
        """Return what is known of an episode, in columns of ours."""
        about = meta_to_json(replace(episode.meta, frames={}))
        plain = meta_to_json(episode.meta) | {"origin": dict(episode.meta.origin), **_blank(episode.meta)}
        row = {f"{OWN}{name}": json.dumps(v) if name in AS_JSON else v for name, v in (plain | about).items()}
        for name in NOT_WRITTEN:
            row.pop(f"{OWN}{name}", None)
        described = {name: (dtype, (len(episode), *shape)) for name, (dtype, shape) in self.described.items()}
        return {
            **row,
            f"{OWN}columns": json.dumps(described),
            f"{OWN}last_obs": episode.obs[-1].tolist(),
            f"{OWN}last_state": episode.state[-1].tolist(),
            f"{OWN}first_success": bool(episode.success[0]),
        }

    def _flush(self) -> None:
        if self.rows:
            self.episodes.make_room(len(self.rows[0]) + 2)
            place = {"meta/episodes/chunk_index": self.episodes.chunk, "meta/episodes/file_index": self.episodes.file}
            rows = [{**row, **place} for row in self.rows]
            self.episodes.write(pa.Table.from_pylist(rows, schema=_schema(rows)))
            self.rows = []

    def _write_tasks(self) -> None:
        """Write the tasks as pandas writes a frame whose index is the task: LeRobot looks them up by it."""
        table = pa.table({"task_index": pa.array(self.tasks.values(), pa.int64()), "task": pa.array(self.tasks)})
        kinds = (("task_index", "int64", "int64"), ("task", "unicode", "object"))
        described = [
            {"name": n, "field_name": n, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
            for n, kind, numpy in kinds
        ]
        about = {"index_columns": ["task"], "column_indexes": [], "columns": described, "pandas_version": "2.2.0"}
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({b"pandas": json.dumps(about).encode()}), sink)
        write_atomic(self.folder / "meta/tasks.parquet", sink.getvalue().to_pybytes(), reserve=0)


def _flat(value: Array) -> Array:
    """Return a column as LeRobot wants it: one value a row is a plain number."""
    return value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value


def _blank(meta: EpisodeMeta) -> dict[str, Any]:
    """Return all fields that `meta_to_json` leaves out where they are empty: a column has a value in every row."""
    return {
        "instruction": meta.instruction,
        "obs_names": list(meta.obs_names),
        "action_names": list(meta.action_names),
        "action_bounds": [list(pair) for pair in meta.action_bounds],
    }


def _schema(rows: list[dict[str, Any]]) -> pa.Schema:
    """Return the types of the columns of `meta/episodes`; lists that are empty everywhere are of text."""
    found = pa.Table.from_pylist(rows[:1]).schema
    texts = {f"{OWN}{name}" for name in ("tags", "obs_names", "action_names")}
    doubles = {f"{OWN}last_state", f"{OWN}last_obs"}
    return pa.schema(
        [
            pa.field(f.name, pa.list_(pa.string()) if f.name in texts else pa.list_(pa.float64()))
            if f.name in texts | doubles
            else f
            for f in found
        ]
    )


def write_json_plain(path: Path, value: object) -> None:
    """Write JSON without a seal: other programs read it."""
    write_atomic(path, (json.dumps(value, indent=4) + "\n").encode(), reserve=0)
