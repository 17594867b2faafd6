"""Videos of rollouts: a folder of MP4, WebM or MKV, with a CSV or YAML of metadata, or nothing but file names.

A video in the folder itself is an episode; a folder in it is an episode too, each video in that a camera. RoboArena's
sessions are known: folders A_POLICY and B_POLICY with a video a camera and arrays of proprioception and actions, and a
metadata.yaml that says what was asked and how each ended.

A row of the metadata is about an episode, or one video of it. Its columns: `file` (a path in the folder; of a video, or
of an episode's folder), and any of `episode`, `camera`, `task`, `policy`, `outcome`, `pair`, `operator`, `seed`,
`instruction` and `note`.
"""

import csv
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.files import read_whole
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Outcome, Source
from robo_rlhf.data.schema import Timing
from robo_rlhf.formats.base import Format, Imported, ImportOptions, VideoPart, broken, matrix, widened
from robo_rlhf.formats.foreign import plain, task_name
from robo_rlhf.formats.kinds import FORMATS
from robo_rlhf.formats.scaling import Scaling
from robo_rlhf.formats.videos import SUFFIXES, Probe, probe

SESSIONS = "evaluation_sessions"  # RoboArena's folder of all of them
ALONE = "video"  # the camera of an episode that is one video
COLUMNS = ("file", "episode", "camera", "task", "policy", "outcome", "pair", "operator", "seed", "instruction", "note")
_GOOD: Outcome = "success"
_BAD: Outcome = "failure"
OUTCOMES: Mapping[str, Outcome] = {
    **dict.fromkeys(("success", "succeeded", "true", "yes", "1", "1.0"), _GOOD),
    **dict.fromkeys(("failure", "failed", "false", "no", "0", "0.0"), _BAD),
    "aborted": "aborted",
}
MOST_ARRAYS = 2**31  # [bytes] of one file of arrays
_ROLLOUT = re.compile(r"([A-Z])_(.+)")
_ADVICE = "Mend it, or leave it out."


@dataclass
class Rollout:
    """The videos of one episode, and what is known of it."""

    name: str  # its path in the folder, without suffix
    videos: dict[str, Path] = field(default_factory=dict)  # by camera
    about: dict[str, str] = field(default_factory=dict)  # of COLUMNS
    arrays: Path | None = None  # npz
    progress: float | None = None  # 0 to 1, how much of the task was done


@FORMATS.register("video")
class Videos(Format):
    """A folder of videos."""

    title = "videos, which are only read"

    def recognises(self, place: Path) -> bool:
        """Whether it is a video, or a folder that holds one."""
        return next(_videos(place), None) is not None

    def count(self, place: Path, options: ImportOptions) -> int:
        """Return how many episodes the videos make."""
        return len(_rollouts(place, options.metadata))

    def read(self, place: Path, options: ImportOptions, notes: Callable[[str], object]) -> Iterator[Imported]:
        """Iterate over the episodes by name."""
        rollouts = _rollouts(place, options.metadata)
        if any("outcome" not in one.about for one in rollouts):
            notes(f"where nothing says how an episode ended it counts as {options.outcome} (--assume)")
        acted = [(one.arrays, _arrays(one.arrays, one.name)[1]) for one in rollouts if one.arrays]
        scaling = Scaling.of(action for _, action in acted)
        if scaling is not None:
            notes("actions are scaled to [-1, 1] by their range; an export gives their own units back")
        for one in rollouts:
            yield _episode(one, place, options, scaling)


def _videos(place: Path) -> Iterator[Path]:
    """Iterate over the videos below a place, which may be one, by path; hidden ones are skipped."""
    if place.is_file():
        if place.suffix.lower() in SUFFIXES:
            yield place
        return
    for folder, inner, names in os.walk(place):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(folder, name)


def _rollouts(place: Path, metadata: Path | None) -> list[Rollout]:
    """Return the episodes of a place, by name.

    Raises:
        CorruptFileError: there is no video, or the metadata names one that is not there.
    """
    root = place if place.is_dir() else place.parent
    found: dict[str, Rollout] = {}
    sessions: dict[Path, dict[str, Any]] = {}
    for path in _videos(place):
        inside = path.relative_to(root)
        alone = len(inside.parts) == 1
        name = inside.with_suffix("").as_posix() if alone else inside.parent.as_posix()
        one = found.setdefault(name, Rollout(name))
        one.videos[ALONE if alone else _camera(path)] = path
        if not alone and not one.about:
            one.about, one.progress = _session(path.parent, sessions)
            one.arrays = next(iter(sorted(path.parent.glob("*.npz"))), None)
    if not found:
        raise CorruptFileError(place, f"it holds no video ({', '.join(SUFFIXES)})", _ADVICE)
    if metadata is not None:
        found = _with_metadata(found, root, metadata)
    return [found[name] for name in sorted(found)]


def _camera(path: Path) -> str:
    """Return the camera of one of several videos: what is behind the last underscore of a long name, else all of it."""
    name = path.stem
    last = name.rpartition("_")[2]
    return last if last in ("left", "right", "wrist", "front", "top", "side") else name


def _session(folder: Path, known: dict[Path, dict[str, Any]]) -> tuple[dict[str, str], float | None]:
    """Return what RoboArena's metadata.yaml says about the rollout in a folder, and how much of the task it did."""
    rollout, path = _ROLLOUT.fullmatch(folder.name), folder.parent / "metadata.yaml"
    if rollout is None or not path.is_file():
        return {}, None
    if path not in known:
        known[path] = _mapping(path)
    about = known[path]
    policies = about.get("policies")
    mine = policies.get(rollout[1], {}) if isinstance(policies, dict) else {}
    if not isinstance(mine, dict):
        raise broken(path, f"policy {rollout[1]} is no mapping", folder.name)
    task = str(about.get("language_instruction") or about.get("task") or "")
    found = {
        "policy": str(mine.get("policy_name") or rollout[2]),
        "pair": folder.parent.name,
        "instruction": task,
        "note": str(mine.get("feedback") or about.get("longform_feedback") or ""),
        "operator": str(about.get("evaluator_name") or ""),
    }
    progress = mine.get("partial_success")
    whole = mine.get("binary_success")
    if isinstance(progress, int | float) and not isinstance(progress, bool) and 0 <= progress <= 1:
        found["outcome"] = "success" if progress >= 1 else "failure"
    if isinstance(whole, int | float):
        found["outcome"] = "success" if whole else "failure"
    return {name: text for name, text in found.items() if text}, float(progress) if progress is not None else None


def _with_metadata(found: dict[str, Rollout], root: Path, metadata: Path) -> dict[str, Rollout]:
    """Return the episodes that the rows of a CSV or YAML make of the videos; those without a row stay as they are."""
    by_file = {path.relative_to(root).as_posix(): one for one in found.values() for path in one.videos.values()}
    by_file |= found
    made: dict[str, Rollout] = {}
    used: set[str] = set()
    for number, row in enumerate(_rows(metadata), start=1):
        file = row.get("file", "")
        if unknown := sorted(row.keys() - set(COLUMNS)):
            raise broken(metadata, f"unknown column {unknown[0]!r}: there are {', '.join(COLUMNS)}", "of every", number)
        if file not in by_file:
            raise broken(metadata, f"no video or folder {file!r} below {root}", row.get("episode", file), number)
        if row.get("outcome", "success").lower() not in OUTCOMES:
            given = row["outcome"]
            raise broken(metadata, f"outcome {given!r}: success, failure or aborted", row.get("episode", file), number)
        if not row.get("seed", "0").isdecimal():
            raise broken(metadata, f"seed {row['seed']!r} is no number", row.get("episode", file), number)
        before = by_file[file]
        one = made.setdefault(row.get("episode") or before.name, replace(before, videos={}, about={}))
        one.name = row.get("episode") or before.name
        used.add(before.name)
        here = {c: p for c, p in before.videos.items() if file in (before.name, p.relative_to(root).as_posix())}
        if row.get("camera") and len(here) == 1:
            here = {row["camera"]: next(iter(here.values()))}
        if twice := set(here) & set(one.videos):
            raise broken(metadata, f"camera {min(twice)!r} is there twice", one.name, number)
        one.videos |= here
        one.about = {**before.about, **one.about, **{name: text for name, text in row.items() if text}}
    return {**{name: one for name, one in found.items() if name not in used}, **made}


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV, or the mappings of a YAML list or below file names, all as text."""
    if path.suffix.lower() in (".yaml", ".yml"):
        value = _yaml(path)
        if isinstance(value, dict):
            value = [{"file": name, **row} if isinstance(row, dict) else row for name, row in value.items()]
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise broken(path, "it holds no list of mappings, each with a file")
        return [{str(k): str(v) for k, v in row.items() if v not in (None, "")} for row in value]
    try:
        text = read_whole(path, _ADVICE).decode("utf-8-sig")
        return [
            {str(k): v for k, v in row.items() if isinstance(v, str) and v} for row in csv.DictReader(io.StringIO(text))
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise broken(path, str(error)) from error


def _mapping(path: Path) -> dict[str, Any]:
    value = _yaml(path)
    if not isinstance(value, dict):
        raise broken(path, "it holds no mapping")
    return value


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(read_whole(path, _ADVICE))
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise broken(path, str(error).splitlines()[0]) from error


def _arrays(path: Path, episode: str) -> tuple[Array, Array]:
    """Return what was observed and done (T, k) of a file of arrays: those called action..., and all others."""
    try:
        if path.stat().st_size > MOST_ARRAYS:
            raise ValueError("it is larger than 2 GiB")
        with np.load(io.BytesIO(read_whole(path, _ADVICE)), allow_pickle=False) as file:
            arrays = {name: file[name] for name in sorted(file.files)}
    except (ValueError, OSError, KeyError, EOFError, NotImplementedError, MemoryError, zipfile.BadZipFile) as error:
        raise broken(path, str(error).splitlines()[0][:150] if str(error) else type(error).__name__, episode) from error
    rows = {n: matrix(v, path, n, episode) for n, v in arrays.items() if v.dtype.kind in "fiub" and v.ndim >= 1}
    acted = [value for name, value in rows.items() if name.startswith("action")]
    seen = [value for name, value in rows.items() if not name.startswith("action")]
    if not acted or not seen:
        raise broken(
            path, f"it holds {', '.join(rows) or 'nothing'}: expected an array called action and others", episode
        )
    lengths = {len(value) for value in (*acted, *seen)}
    if len(lengths) > 1 or lengths == {0}:
        raise broken(path, f"its arrays have {', '.join(map(str, sorted(lengths)))} rows", episode)
    return np.concatenate(seen, axis=1), np.concatenate(acted, axis=1)


def _meta(
    one: Rollout, place: Path, options: ImportOptions, dt: float, bounds: tuple[tuple[float, float], ...]
) -> EpisodeMeta:
    """Return what is known of an episode whose steps take `dt` [s]."""
    sentence = one.about.get("instruction", "")
    return EpisodeMeta(
        id="-".join(plain(part) for part in one.name.split("/") if part != SESSIONS)[:128],
        task=options.task or one.about.get("task") or task_name(sentence) or plain(place.resolve().stem),
        seed=int(one.about.get("seed", "0")),
        control_dt=dt,
        outcome=OUTCOMES[one.about["outcome"].lower()] if "outcome" in one.about else options.outcome,
        operator=one.about.get("policy") or one.about.get("operator", ""),
        device="video",
        origin={
            "format": "video",
            "place": str(place),
            "episode": one.name,
            **{name: one.about[name] for name in ("policy", "pair") if name in one.about},
        },
        instruction=sentence,
        note=one.about.get("note", ""),
        action_bounds=bounds,
    )


def _episode(one: Rollout, place: Path, options: ImportOptions, scaling: Scaling | None) -> Imported:
    probes: dict[str, Probe] = {}
    for camera, path in sorted(one.videos.items()):
        try:
            (probes[camera],) = probe(path)
        except CorruptFileError as error:
            raise CorruptFileError(path, f"episode {one.name}: {error.reason}", _ADVICE) from error
    longest = max(probes.values(), key=lambda known: known.frames / known.fps)
    seconds = longest.frames / longest.fps
    if one.arrays is not None:
        obs, action = _arrays(one.arrays, one.name)
        obs, dt = widened(obs), seconds / len(action)
    else:  # a step from each frame to the next, of which nothing is known
        obs, action = np.zeros((max(longest.frames, 2), 0), np.float32), np.zeros((max(longest.frames, 2) - 1, 0))
        dt = 1 / longest.fps
    steps, dt = len(action), 1 / options.control_hz if options.control_hz else dt
    if not 1e-4 <= dt <= 10:
        raise broken(one.arrays or place, f"{steps} rows over {seconds:.1f} s of video", one.name)
    meta = _meta(one, place, options, dt, scaling.bounds if scaling is not None and one.arrays else ())
    success = np.zeros(steps + 1, np.bool_)
    success[-1] = meta.outcome == "success"
    reward = np.zeros(steps, np.float32)
    reward[-1] = one.progress if one.progress is not None else float(success[-1])
    try:
        episode = Episode(
            obs=obs,
            action=scaling.scaled(action) if scaling and one.arrays else action.astype(np.float32),
            state=np.zeros((steps + 1, 0)),
            reward=reward,
            success=success,
            source=np.full(steps, int(Source.POLICY), np.uint8),
            signals={},
            meta=meta,
        )
    except InvalidValueError as error:
        raise broken(one.arrays or place, str(error), one.name) from error
    return Imported(episode, Timing.unknown(steps), {c: VideoPart(p) for c, p in one.videos.items()})
