"""Episodes out of a LeRobot set: those of this program exact, others as `ForeignSet` makes them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from robo_rlhf.core.seal import parse_json
from robo_rlhf.core.types import Array, EpisodeMeta
from robo_rlhf.data.schema import DECODE_ERRORS, from_arrow
from robo_rlhf.formats.base import Imported, ImportOptions, VideoPart, broken, exact, matrix
from robo_rlhf.formats.foreign import Foreign, ForeignSet
from robo_rlhf.formats.lerobot.info import LeRobotInfo, tables
from robo_rlhf.formats.lerobot.layout import AS_JSON, CHUNK, IMAGES, KNOWN, LAST, OWN, column, first_line
from robo_rlhf.formats.scaling import Scaling

MOST_COLUMNS = 100_000  # of a feature; an observation or action of more is damage


def _numbers(info: LeRobotInfo, table: pa.Table, name: str, path: Path, index: int) -> Array:
    """Return a feature as (T, k) float64, of the shape that meta/info.json says."""
    if name not in table.column_names:
        raise broken(path, f"it has no column {name}", index)
    try:
        column = table[name].combine_chunks()
        values = np.array(column.to_pylist() if column.type.num_fields else column.to_numpy(zero_copy_only=False))
    except DECODE_ERRORS as error:
        raise broken(path, f"column {name}: {first_line(error)}", index) from error
    rows = matrix(values, path, f"column {name}", index)
    wanted = int(np.prod(info.shapes[name]))
    if rows.shape[1] != wanted:
        raise broken(path, f"column {name} has {rows.shape[1]} values a row, meta/info.json says {wanted}", index)
    return rows


def foreign_set(info: LeRobotInfo, options: ImportOptions, notes: Callable[[str], object]) -> ForeignSet:
    """Return what makes episodes of rows that another program wrote."""
    actions = (_numbers(info, table, "action", path, index) for index, path, table in tables(info, ("action",)))
    numbers = [name for name, kind in info.types.items() if kind not in ("video", "image", "string")]
    others = [name for name in info.of_type("string") if name not in KNOWN]
    if others:
        notes(f"columns of text are left out: {', '.join(others)}")
    observed = sorted(name for name in numbers if name.startswith("observation"))
    observed.sort(key=lambda name: name != "observation.state")
    if not (observed or info.of_type("video")):
        raise broken(info.path, "nothing was observed: it has no feature called observation.state, and no video")
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
        signals=tuple(n for n in numbers if n not in KNOWN and n not in observed and not n.startswith("next.")),
        instructions=info.instructions(),
        marks_success="next.success" in info.features,
    )


def _names(info: LeRobotInfo, feature: str) -> tuple[str, ...]:
    count, given = math.prod(info.shapes[feature]), info.features[feature].get("names")
    if not 0 < count <= MOST_COLUMNS:
        shape = f"{feature} has the shape {info.shapes[feature]}"
        raise broken(info.path, f"{shape}: expected 1 to {MOST_COLUMNS:,} columns")
    if isinstance(given, dict) and len(given) == 1:
        given = next(iter(given.values()))
    if isinstance(given, list) and len(given) == count:
        return tuple(map(str, given))
    short = feature.removeprefix("observation.")
    return tuple(f"{short}_{i}" for i in range(count))


def foreign_episode(
    info: LeRobotInfo, made: ForeignSet, row: Mapping[str, Any], path: Path, table: pa.Table
) -> Imported:
    """Return an episode that LeRobot wrote."""
    index, rows = int(row["episode_index"]), table.num_rows
    parts = [_numbers(info, table, part, path, index) for part in made.obs_parts]
    observed = np.concatenate(parts, axis=1) if parts else np.zeros((table.num_rows, 0))  # pictures alone
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


def _video(info: LeRobotInfo, row: Mapping[str, Any], key: str, rows: int) -> VideoPart:
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


def _chunk(info: LeRobotInfo) -> int:
    size = info.whole.get("chunks_size", CHUNK)
    return size if isinstance(size, int) and size > 0 else CHUNK


def _images(info: LeRobotInfo, table: pa.Table, path: Path, index: int) -> dict[str, VideoPart]:
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


def exact_episode(info: LeRobotInfo, row: Mapping[str, Any], path: Path, table: pa.Table) -> Imported:
    """Return an episode that this program exported."""
    index, rows = int(row["episode_index"]), table.num_rows
    try:
        meta = _meta_of(row)
        described = {name: (dtype, tuple(shape)) for name, (dtype, shape) in parse_json(row[f"{OWN}columns"]).items()}
        columns: dict[str, Array] = {}
        for name, (dtype, shape) in described.items():
            if name in LAST:
                last = np.array(row[f"{OWN}last_{name}"], dtype).reshape(1, *shape[1:])
                first = _part(table, name, dtype, (rows, *shape[1:]), meta)
                columns[name] = np.concatenate([first, last])
            elif name == "success":
                after = from_arrow(table["next.success"], "bool", (rows,))
                columns[name] = np.concatenate([[bool(row[f"{OWN}first_success"])], after])
            else:
                columns[name] = _part(table, name, dtype, (rows, *shape[1:]), meta)
    except (*DECODE_ERRORS, KeyError) as error:
        raise broken(path, f"not as it was exported ({first_line(error)})", index) from error
    episode, timing = exact(columns, meta, path, index)
    videos = {} if episode.state.shape[1] else {_camera(k): _video(info, row, k, rows) for k in info.of_type("video")}
    return Imported(episode, timing, videos)


def _part(table: pa.Table, name: str, dtype: str, shape: tuple[int, ...], meta: Mapping[str, Any]) -> Array:
    if 0 in shape[1:]:
        return np.zeros(shape, dtype)
    if name == "action" and meta.get("action_bounds"):
        name = "action_unit"
    plain = shape[:1] if shape[1:] == (1,) else shape  # see `_flat`
    return from_arrow(table[column(name)], dtype, plain).reshape(shape)


def _meta_of(row: Mapping[str, Any]) -> dict[str, Any]:
    meta = {field.name: row[f"{OWN}{field.name}"] for field in fields(EpisodeMeta) if f"{OWN}{field.name}" in row}
    return {name: parse_json(value) if name in AS_JSON else value for name, value in meta.items()}
