"""LeRobotDataset: version 3.0 written and read, 2.1 read.

A row is a step: what was observed, and the action that followed. What a row has no place for (the observation after
the last step, what is known of the episode) is in further columns of `meta/episodes`, all called robo_rlhf/NAME, which
LeRobot passes over. So what was exported here comes back bit for bit.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robo_rlhf.core.errors import InvalidValueError, VersionError
from robo_rlhf.core.files import make_folder, open_whole, read_json, read_whole, write_atomic
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Source
from robo_rlhf.data.schema import DECODE_ERRORS, Timing, from_arrow, meta_to_json, to_arrow, to_columns
from robo_rlhf.formats.base import Export, Format, Imported, ImportOptions, VideoPart, broken, exact, matrix, names_of
from robo_rlhf.formats.foreign import Foreign, ForeignSet
from robo_rlhf.formats.kinds import FORMATS
from robo_rlhf.formats.pictures import rate_of
from robo_rlhf.formats.scaling import Scaling
from robo_rlhf.formats.statistics import RunningStatistics

VERSION, READ = "v3.0", ("v2.1", "v3.0")
CHUNK = 1000  # files in a folder
DATA_MB, VIDEO_MB = 100, 200  # of a file, before the next one begins
OWN = "robo_rlhf/"  # columns of `meta/episodes` that are ours
EPISODES_EACH = 1000  # in a row group of `meta/episodes`
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
IMAGES = "observation.images."
INDICES = ("timestamp", "frame_index", "episode_index", "index", "task_index")
_KNOWN = {"next.reward", "next.success", "next.done", "next.truncated", "intervention", "source", "action", *INDICES}
_ADVICE = "A LeRobot set is a folder with meta/info.json, data and videos."


@FORMATS.register("lerobot")
class LeRobot(Format):
    """LeRobotDataset, a folder of Parquet and videos."""

    title = "LeRobotDataset v3.0 (2.1 is read too)"
    pictures = ".mp4"

    def recognises(self, place: Path) -> bool:
        """Whether there is meta/info.json."""
        return (place / "meta" / "info.json").is_file()

    def count(self, place: Path, options: ImportOptions) -> int:
        """Return what meta/info.json says."""
        return _Info(place).episodes

    def read(self, place: Path, options: ImportOptions, notes: Callable[[str], object]) -> Iterator[Imported]:
        """Iterate over the episodes, those of this program exact, others as `ForeignSet` makes them."""
        info = _Info(place)
        rows = {row["episode_index"]: row for row in _episode_rows(info)}
        own = bool(rows) and all(f"{OWN}id" in row for row in rows.values())
        made = None if own else _foreign(info, options, notes)
        seen = 0
        for index, path, table in _tables(info):
            if index not in rows:
                raise broken(path, "meta/episodes does not list it", index)
            row = rows[index]
            if row.get("length", table.num_rows) != table.num_rows:
                raise broken(path, f"{table.num_rows} rows, meta/episodes says {row['length']}", index)
            yield _exact(info, row, path, table) if made is None else _one(info, made, row, path, table)
            seen += 1
        if seen != len(rows):
            raise broken(info.path, f"{len(rows)} episodes are listed, the data files hold {seen}")

    def check(self, place: Path, export: Export) -> None:
        """Refuse cameras whose names no feature of LeRobot can have."""
        for camera in export.cameras:
            if "/" in camera:
                raise InvalidValueError("camera of a LeRobot set", repr(camera), "a name without a slash")

    def write(self, export: Export, folder: Path, place: Path) -> Path:
        """Write version 3.0."""
        _Writer(export, folder).write()
        return folder


class _Info:
    """meta/info.json, checked."""

    def __init__(self, place: Path) -> None:
        self.place, self.path = place, place / "meta" / "info.json"
        self.whole = read_json(self.path, dict, _ADVICE)
        try:
            version, self.fps = str(self.whole["codebase_version"]), float(self.whole["fps"])
            self.episodes = int(self.whole["total_episodes"])
            self.features = {str(name): dict(feature) for name, feature in self.whole["features"].items()}
            self.shapes = {name: tuple(int(n) for n in f["shape"]) for name, f in self.features.items()}
            self.types = {name: str(f["dtype"]) for name, f in self.features.items()}
            self.data, self.video = str(self.whole["data_path"]), str(self.whole.get("video_path") or "")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise broken(self.path, f"it lacks {error}" if isinstance(error, KeyError) else str(error)) from error
        if version not in READ:
            raise VersionError(place, version, " or ".join(READ), "Convert it with LeRobot's own script.")
        self.old = version == "v2.1"
        if not 0 < self.fps <= 1000:
            raise broken(self.path, f"fps is {self.fps:g}: expected more than 0 and up to 1000")
        if "action" not in self.features:
            raise broken(self.path, "it has no feature called action")

    def of_type(self, *types: str) -> list[str]:
        return [name for name, kind in self.types.items() if kind in types]

    def file(self, pattern: str, **values: object) -> Path:
        """Return a file of the set; none outside it."""
        try:
            path = self.place / pattern.format(**values)
        except (KeyError, IndexError, ValueError) as error:
            raise broken(self.path, f"the path {pattern!r} cannot be filled in") from error
        if not path.resolve().is_relative_to(self.place.resolve()):
            raise broken(self.path, f"the path {pattern!r} leads out of the set")
        return path

    def instructions(self) -> dict[int, str]:
        """Return the task of each index in a sentence."""
        if self.old:
            lines = _json_lines(self.place / "meta" / "tasks.jsonl")
            return {int(line["task_index"]): str(line["task"]) for line in lines}
        path = self.place / "meta" / "tasks.parquet"
        table = _read_table(path)
        names = [name for name in table.column_names if name != "task_index"]
        if "task_index" not in table.column_names or not names:
            raise broken(path, "it has no columns task and task_index")
        name = "task" if "task" in names else names[0]
        pairs = zip(table["task_index"].to_pylist(), table[name].to_pylist(), strict=True)
        return {int(index): str(text) for index, text in pairs}


def _episode_rows(info: _Info) -> Iterator[dict[str, Any]]:
    """Iterate over what is known of each episode."""
    if info.old:
        yield from _json_lines(info.place / "meta" / "episodes.jsonl")
        return
    for path in sorted((info.place / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
        for batch in _batches(path, EPISODES_EACH, lambda names: [n for n in names if not n.startswith("stats/")]):
            yield from batch.to_pylist()


def _batches(path: Path, rows: int, wanted: Callable[[list[str]], list[str]]) -> Iterator[pa.RecordBatch]:
    """Iterate over a Parquet file, so many rows at a time, and those of its columns that are wanted.

    Raises:
        CorruptFileError: it is no such file, or damaged.
    """
    with open_whole(path, _ADVICE) as content:
        try:
            with pq.ParquetFile(content, page_checksum_verification=True) as file:
                yield from file.iter_batches(rows, columns=wanted(file.schema_arrow.names))
        except DECODE_ERRORS as error:
            raise broken(path, _first_line(error)) from error


def _tables(info: _Info, columns: tuple[str, ...] = ()) -> Iterator[tuple[int, Path, pa.Table]]:
    """Iterate over the rows of each episode, in the order of the files: number, file, table (of some columns)."""
    waiting: list[pa.RecordBatch] = []
    index, last = -1, Path()

    def wanted(names: list[str]) -> list[str]:
        if missing := {"episode_index", "action", *columns} - set(names):
            raise ValueError(f"it has no column {min(missing)}")
        return ["episode_index", *columns] if columns else names

    for path in sorted(info.place.glob("data/chunk-*/*.parquet")):
        for batch in _batches(path, 8192, wanted):
            numbers = batch.column(batch.schema.get_field_index("episode_index")).to_pylist()
            start = 0
            for number, run in groupby(numbers):
                stop = start + len(list(run))
                if number != index and waiting:
                    yield index, last, pa.Table.from_batches(waiting)
                    waiting = []
                if not isinstance(number, int) or number < index:
                    raise broken(path, f"episode {number} comes after episode {index}")
                index, last = number, path
                waiting.append(batch.slice(start, stop - start))
                start = stop
    if waiting:
        yield index, last, pa.Table.from_batches(waiting)


def _numbers(info: _Info, table: pa.Table, name: str, path: Path, index: int) -> Array:
    """Return a feature as (T, k) float64, of the shape that meta/info.json says."""
    if name not in table.column_names:
        raise broken(path, f"it has no column {name}", index)
    try:
        column = table[name].combine_chunks()
        values = np.array(column.to_pylist() if column.type.num_fields else column.to_numpy(zero_copy_only=False))
    except DECODE_ERRORS as error:
        raise broken(path, f"column {name}: {_first_line(error)}", index) from error
    rows = matrix(values, path, f"column {name}", index)
    wanted = int(np.prod(info.shapes[name]))
    if rows.shape[1] != wanted:
        raise broken(path, f"column {name} has {rows.shape[1]} values a row, meta/info.json says {wanted}", index)
    return rows


def _foreign(info: _Info, options: ImportOptions, notes: Callable[[str], object]) -> ForeignSet:
    actions = (_numbers(info, table, "action", path, index) for index, path, table in _tables(info, ("action",)))
    numbers = [name for name, kind in info.types.items() if kind not in ("video", "image", "string")]
    others = [name for name in info.of_type("string") if name not in _KNOWN]
    if others:
        notes(f"columns of text are left out: {', '.join(others)}")
    observed = sorted(name for name in numbers if name.startswith("observation"))
    observed.sort(key=lambda name: name != "observation.state")
    if not observed:
        raise broken(info.path, "it has no numbers that were observed: a feature called observation.state")
    return ForeignSet(
        form="lerobot",
        place=info.place,
        options=options,
        notes=notes,
        control_dt=1 / info.fps,
        scaling=Scaling.of(actions),
        obs_parts=tuple(observed),
        obs_names=tuple(n for part in observed for n in _names(info, part)),
        action_names=_names(info, "action"),
        signals=tuple(n for n in numbers if n not in _KNOWN and n not in observed and not n.startswith("next.")),
        instructions=info.instructions(),
        marks_success="next.success" in info.features,
    )


def _names(info: _Info, feature: str) -> tuple[str, ...]:
    count, given = int(np.prod(info.shapes[feature])), info.features[feature].get("names")
    if isinstance(given, dict) and len(given) == 1:
        given = next(iter(given.values()))
    if isinstance(given, list) and len(given) == count:
        return tuple(map(str, given))
    short = feature.removeprefix("observation.")
    return tuple(f"{short}_{i}" for i in range(count))


def _one(info: _Info, made: ForeignSet, row: Mapping[str, Any], path: Path, table: pa.Table) -> Imported:
    """Return an episode that LeRobot wrote."""
    index, rows = int(row["episode_index"]), table.num_rows
    observed = np.concatenate([_numbers(info, table, part, path, index) for part in made.obs_parts], axis=1)
    rewards = _numbers(info, table, "next.reward", path, index) if "next.reward" in info.features else None
    success = _numbers(info, table, "next.success", path, index) if "next.success" in info.features else None
    human = _numbers(info, table, "intervention", path, index) if "intervention" in info.features else None
    tasks = table["task_index"].to_pylist() if "task_index" in table.column_names else [0]
    found = Foreign(
        index=index,
        path=path,
        obs=observed,
        action=_numbers(info, table, "action", path, index),
        reward=None if rewards is None else rewards[:, 0],
        success=None if success is None else np.concatenate([[False], success[:, 0] > 0]),
        corrected=None if human is None else human[:, 0] > 0,
        signals={name: _numbers(info, table, name, path, index) for name in made.signals},
        instruction=made.instructions.get(int(tasks[0] or 0), ""),
    )
    videos = {_camera(key): _video(info, row, key, rows) for key in info.of_type("video")}
    episode, timing = made.episode(found)
    return Imported(episode, timing, {**videos, **_images(info, table, path, index)})


def _video(info: _Info, row: Mapping[str, Any], key: str, rows: int) -> VideoPart:
    index = int(row["episode_index"])
    if info.old:
        path = info.file(info.video, video_key=key, episode_index=index, episode_chunk=index // _chunk(info))
        return VideoPart(path, 0.0, rows, info.fps)
    about = f"videos/{key}/"
    try:
        where = {name: int(row[f"{about}{name}"]) for name in ("chunk_index", "file_index")}
        start = float(row[f"{about}from_timestamp"])
    except (KeyError, TypeError, ValueError) as error:
        raise broken(info.path, f"meta/episodes does not say where video {key} is", index) from error
    return VideoPart(info.file(info.video, video_key=key, **where), start, rows, info.fps)


def _chunk(info: _Info) -> int:
    size = info.whole.get("chunks_size", CHUNK)
    return size if isinstance(size, int) and size > 0 else CHUNK


def _images(info: _Info, table: pa.Table, path: Path, index: int) -> dict[str, VideoPart]:
    """Return the pictures that are in the rows themselves, each camera's as frames that wait to be encoded."""
    found = {}
    for key in info.of_type("image"):
        frames = []
        for number, cell in enumerate(table[key].to_pylist()):
            content = cell.get("bytes") if isinstance(cell, dict) else None
            picture = None
            if content:
                picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            if picture is None:
                raise broken(path, f"column {key} holds no picture", index, number)
            frames.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        found[_camera(key)] = VideoPart(path, 0.0, len(frames), info.fps, tuple(frames))
    return found


def _camera(key: str) -> str:
    return key.removeprefix(IMAGES).removeprefix("observation.") or key


def _exact(info: _Info, row: Mapping[str, Any], path: Path, table: pa.Table) -> Imported:
    """Return an episode that this program exported."""
    index, rows = int(row["episode_index"]), table.num_rows
    try:
        meta = _meta_of(row)
        described = {name: (dtype, tuple(shape)) for name, (dtype, shape) in json.loads(row[f"{OWN}columns"]).items()}
        columns: dict[str, Array] = {}
        for name, (dtype, shape) in described.items():
            if name in _LAST:
                last = np.array(row[f"{OWN}last_{name}"], dtype).reshape(1, *shape[1:])
                first = _part(table, name, dtype, (rows, *shape[1:]), meta)
                columns[name] = np.concatenate([first, last])
            elif name == "success":
                after = from_arrow(table["next.success"], "bool", (rows,))
                columns[name] = np.concatenate([[bool(row[f"{OWN}first_success"])], after])
            else:
                columns[name] = _part(table, name, dtype, (rows, *shape[1:]), meta)
    except (*DECODE_ERRORS, KeyError) as error:
        raise broken(path, f"not as it was exported ({_first_line(error)})", index) from error
    episode, timing = exact(columns, meta, path, index)
    videos = {} if episode.state.shape[1] else {_camera(k): _video(info, row, k, rows) for k in info.of_type("video")}
    return Imported(episode, timing, videos)


_COLUMNS = {"obs": "observation.state", "state": "simulator_state", "reward": "next.reward"}
_LAST = ("obs", "state")  # of which a row more is known than there are steps


def _part(table: pa.Table, name: str, dtype: str, shape: tuple[int, ...], meta: Mapping[str, Any]) -> Array:
    if 0 in shape[1:]:
        return np.zeros(shape, dtype)
    if name == "action" and meta.get("action_bounds"):
        name = "action_unit"
    plain = shape[:1] if shape[1:] == (1,) else shape  # see `_flat`
    return from_arrow(table[_column(name)], dtype, plain).reshape(shape)


def _column(name: str) -> str:
    """Return the name of a column of ours in a LeRobot set: it has no slashes."""
    return _COLUMNS.get(name, name.replace("/", "."))


def _meta_of(row: Mapping[str, Any]) -> dict[str, Any]:
    meta = {field.name: row[f"{OWN}{field.name}"] for field in fields(EpisodeMeta) if f"{OWN}{field.name}" in row}
    return {name: json.loads(value) if name in _AS_JSON else value for name, value in meta.items()}


_AS_JSON = ("versions", "origin", "action_bounds")
_NOT_WRITTEN = ("frames",)  # a camera's video is written as one


class _Writer:
    """Writes one set."""

    def __init__(self, export: Export, folder: Path) -> None:
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
        self.data = _Rolling(folder, DATA, DATA_MB)
        self.videos = {c: _VideoFiles(folder, f"{IMAGES}{c}", self.fps) for c in export.cameras}
        self.episodes = _Rolling(folder, f"meta/episodes/{DATA.removeprefix('data/')}", DATA_MB)
        self.rows: list[dict[str, Any]] = []

    def write(self) -> None:
        for number, (episode, timing) in enumerate(self.export.episodes()):
            row = self._episode(number, episode, timing)
            place = {"meta/episodes/chunk_index": self.episodes.chunk, "meta/episodes/file_index": self.episodes.file}
            self.rows.append({**row, **place})
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
                found[_column(name)] = {"dtype": dtype, "shape": list(shape or (1,)), "names": named.get(name)}
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
        columns = {_column(n): v[:steps] for n, v in to_columns(episode, timing).items() if n != "success"}
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
        row = {f"{OWN}{name}": json.dumps(v) if name in _AS_JSON else v for name, v in (plain | about).items()}
        for name in _NOT_WRITTEN:
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
            self.episodes.write(pa.Table.from_pylist(self.rows, schema=_schema(self.rows)))
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


_SOURCES = "who acted: " + ", ".join(f"{int(source)} {source.name.lower()}" for source in Source)


class _Rolling:
    """Parquet files that follow each other, each up to a size; a table is one row group."""

    def __init__(self, folder: Path, pattern: str, most: int) -> None:
        self.folder, self.pattern, self.most = folder, pattern, most * 2**20
        self.chunk = self.file = 0
        self._writer: pq.ParquetWriter | None = None
        self._path = folder

    def write(self, table: pa.Table) -> tuple[int, int]:
        if self._writer is not None and self._path.stat().st_size > self.most:
            self.close()
            self.chunk, self.file = _next(self.chunk, self.file)
        if self._writer is None:
            self._path = self.folder / self.pattern.format(chunk_index=self.chunk, file_index=self.file)
            make_folder(self._path.parent)
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="snappy")
        self._writer.write_table(table, row_group_size=table.num_rows)
        return self.chunk, self.file

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _VideoFiles:
    """The video files of one camera: episodes joined packet by packet, without encoding them again."""

    def __init__(self, folder: Path, key: str, fps: int) -> None:
        self.folder, self.key, self.fps = folder, key, fps
        self.chunk = self.file = self.frames = 0
        self.looked_at: list[Array] = []  # pixels (n, 3) in [0, 1] of a few frames of the newest episode
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._path = folder

    def add(self, path: Path, steps: int, episode: str) -> dict[str, object]:
        if self._container is not None and self._path.stat().st_size > VIDEO_MB * 2**20:
            self.close()
            self.chunk, self.file = _next(self.chunk, self.file)
        with av.open(str(path)) as source:
            template = source.streams.video[0]
            if self._container is None:
                self._path = self.folder / VIDEO.format(
                    video_key=self.key, chunk_index=self.chunk, file_index=self.file
                )
                make_folder(self._path.parent)
                self._container = av.open(str(self._path), "w")
                self._stream = self._container.add_stream_from_template(template)
                self._stream.time_base = template.time_base
                self.frames = 0
            assert self._stream is not None
            tick = int(1 / (self.fps * template.time_base)) if template.time_base else 1
            count = 0
            for packet in source.demux(template):
                if packet.pts is not None:
                    packet.pts = packet.dts = (self.frames + count) * tick
                    packet.stream = self._stream
                    self._container.mux(packet)
                    count += 1
        if count != steps:
            raise InvalidValueError(f"video of episode {episode}", f"{count} frames", f"{steps}, one a step")
        self.looked_at = _keyframes(path)
        start, self.frames = self.frames, self.frames + count
        where = {"chunk_index": self.chunk, "file_index": self.file}
        return {**where, "from_timestamp": start / self.fps, "to_timestamp": self.frames / self.fps}

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None


def _keyframes(path: Path) -> list[Array]:
    """Return every fourth pixel of a few frames, (n, 3) in [0, 1], for statistics."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        frames = [frame.to_ndarray(format="rgb24")[::4, ::4] for frame in container.decode(stream)]
    kept = frames[:: max(len(frames) // 8, 1)]
    return [frame.reshape(-1, 3) / 255.0 for frame in kept]


def _next(chunk: int, file: int) -> tuple[int, int]:
    return (chunk, file + 1) if file + 1 < CHUNK else (chunk + 1, 0)


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


def _json_lines(path: Path) -> list[dict[str, Any]]:
    content = read_whole(path, _ADVICE)
    try:
        lines = [json.loads(line) for line in content.splitlines() if line.strip()]
        if all(isinstance(line, dict) for line in lines):
            return lines
        raise ValueError("a line holds no JSON object")
    except (ValueError, RecursionError) as error:
        raise broken(path, str(error)) from error


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(read_whole(path, _ADVICE)))
    except DECODE_ERRORS as error:
        raise broken(path, _first_line(error)) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
