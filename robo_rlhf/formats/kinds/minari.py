"""Minari: a folder NAME-vN with data/main_data.hdf5 and data/metadata.json.

What Minari has no place for is in a group `robo_rlhf` of each episode, so that what was exported here comes back bit
for bit. Sets whose episodes are stored as Arrow are read by Minari itself.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, MissingDependencyError
from robo_rlhf.core.files import make_folder, read_json, write_atomic
from robo_rlhf.core.seal import parse_json
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.schema import SIGNAL, Timing, meta_to_json
from robo_rlhf.formats.base import Export, Format, Imported, ImportOptions, broken, exact, matrix, names_of
from robo_rlhf.formats.foreign import Foreign, ForeignSet
from robo_rlhf.formats.hdf5 import array_of, h5py_for, opened, text_of
from robo_rlhf.formats.kinds import FORMATS
from robo_rlhf.formats.scaling import Scaling

if TYPE_CHECKING:
    import h5py

OWN = "robo_rlhf"
_NAME = re.compile(r"[\w.-]+-v\d+")
_ADVICE = "A Minari set is a folder NAME-vN with data/main_data.hdf5 and data/metadata.json."
SUCCESS = ("infos/success", "infos/is_success")
RATE = 20.0  # [1/s] of sets that do not say it, as of environments that do not


@FORMATS.register("minari")
class Minari(Format):
    """Minari's folder."""

    title = "Minari set with its spaces"
    pictures = ".npy"

    def recognises(self, place: Path) -> bool:
        """Whether there is data/metadata.json beside data/main_data.hdf5."""
        return (place / "data" / "metadata.json").is_file() and (place / "data" / "main_data.hdf5").is_file()

    def count(self, place: Path, options: ImportOptions) -> int:
        """Return what data/metadata.json says."""
        return _total(place, _about(place))

    def read(self, place: Path, options: ImportOptions, notes: Callable[[str], object]) -> Iterator[Imported]:
        """Iterate over the episodes by number."""
        about, path = _about(place), place / "data" / "main_data.hdf5"
        with opened(path, "importing a Minari set") as file:
            names = [f"episode_{i}" for i in range(_total(place, about))]
            for name in names:
                if name not in file or not hasattr(file[name], "keys"):
                    raise broken(path, "data/metadata.json counts it, the file has no such group", name)
            if names and all(OWN in file[name] for name in names):
                yield from (_exact(file[name], path) for name in names)
                return
            has_success = any(f"{names[0]}/{key}" in file for key in SUCCESS)
            made, spaces = _foreign(place, about, options, notes, has_success)
            for index, name in enumerate(names):
                yield _one(file[name], path, made, spaces, index)

    def check(self, place: Path, export: Export) -> None:
        """Refuse a name that Minari cannot load, and a missing extra."""
        h5py_for("exporting a Minari set")
        if not _NAME.fullmatch(place.name):
            raise InvalidValueError("place of a Minari export", place, "a folder NAME-vN, such as pick_place-v0")

    def write(self, export: Export, folder: Path, place: Path) -> Path:
        """Write the folder."""
        h5py = h5py_for("exporting a Minari set")
        make_folder(folder / "data")
        total, shapes = 0, dict(export.reader.header(export.first.id).columns)
        scaling = Scaling.from_bounds(export.first.action_bounds)
        pictures: dict[str, tuple[int, ...]] = {}
        with h5py.File(folder / "data" / "main_data.hdf5", "w") as file:
            for number, (episode, timing) in enumerate(export.episodes()):
                pictures = _write_one(file.create_group(f"episode_{number}"), number, episode, timing, export, scaling)
                total += len(episode)
        size = (folder / "data" / "main_data.hdf5").stat().st_size
        act_dim = shapes["action"][1][1]
        low, high = (scaling.low, scaling.high) if scaling else (-np.ones(act_dim), np.ones(act_dim))
        observed = _box("float32", (shapes["obs"][1][1],), "-inf", "inf")
        if pictures:
            images = {f"{camera}_image": _box("uint8", shape, 0, 255) for camera, shape in sorted(pictures.items())}
            observed = {"type": "Dict", "subspaces": {**images, "state": observed}}
        obs_names, action_names, sentence = names_of(export.first, shapes["obs"][1][1], act_dim)
        described = {
            "dataset_id": _identity(place),
            "minari_version": _version(),
            "data_format": "hdf5",
            "total_episodes": len(export.infos),
            "total_steps": total,
            "dataset_size": round(size / 1e6, 3),
            "observation_space": json.dumps(observed),
            "action_space": json.dumps(
                {"type": "Box", "dtype": "float32", "shape": [act_dim], "low": _list(low), "high": _list(high)}
            ),
            "description": sentence,
            "jpeg_encoding": False,
            "control_hz": 1 / export.first.control_dt,
            "obs_names": list(obs_names),
            "action_names": list(action_names),
        }
        write_atomic(folder / "data" / "metadata.json", json.dumps(described).encode(), reserve=0)
        return folder


def _box(dtype: str, shape: tuple[int, ...], low: object, high: object) -> dict[str, Any]:
    """Return a box as Minari writes it; one number a bound, except where infinite, as nested lists."""
    whole = [np.full(shape, float(str(bound))).tolist() for bound in (low, high)]
    return {"type": "Box", "dtype": dtype, "shape": list(shape), "low": whole[0], "high": whole[1]}


def _list(bounds: Array) -> list[float]:
    return [float(value) for value in bounds]


def _identity(place: Path) -> str:
    """Return the id by which Minari finds the set: its path below $MINARI_DATASETS_PATH, else its name."""
    root = Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets").absolute()
    whole = place.absolute()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else place.name


def _version() -> str:
    try:
        return metadata.version("minari")
    except metadata.PackageNotFoundError:
        return "0.5.4"  # whose format this is


def _write_one(
    group: "h5py.Group", number: int, episode: Episode, timing: Timing, export: Export, scaling: Scaling | None
) -> dict[str, tuple[int, ...]]:
    steps = len(episode)
    group.attrs.update({"id": number, "total_steps": steps, "seed": episode.meta.seed})
    pictures = {}
    if export.cameras:
        for camera in export.cameras:
            drawn = np.load(export.picture(camera, episode.meta.id, ".npy"), mmap_mode="r", allow_pickle=False)
            pictures[camera] = drawn.shape[1:]
            options = {"chunks": (1, *drawn.shape[1:]), "compression": "gzip", "compression_opts": 1}
            name = f"observations/{camera}_image"
            whole = group.create_dataset(name, (steps + 1, *drawn.shape[1:]), drawn.dtype, **options)
            whole[:-1] = drawn
            whole[-1] = drawn[-1]  # what follows the last step is not drawn
        group.create_dataset("observations/state", data=episode.obs)
    else:
        group.create_dataset("observations", data=episode.obs)
    group.create_dataset("actions", data=scaling.original(episode.action) if scaling else episode.action)
    group.create_dataset("rewards", data=episode.reward.astype(np.float64))
    last = np.arange(steps) == steps - 1
    done = episode.success[-1]
    group.create_dataset("terminations", data=last & bool(done))
    group.create_dataset("truncations", data=last & (not done))
    group.create_dataset("infos/success", data=episode.success)
    if episode.state.shape[1]:
        group.create_dataset("infos/state", data=episode.state)
    own = group.create_group(OWN)
    own.attrs["meta"] = json.dumps(meta_to_json(episode.meta) | {"frames": {}})
    further = {"source": episode.source, **timing._asdict()}
    further |= {SIGNAL + name: value for name, value in episode.signals.items()}
    if scaling:
        further["action"] = episode.action
    for name, value in further.items():
        own.create_dataset(name, data=value)
    return pictures


def _exact(group: "h5py.Group", path: Path) -> Imported:
    name = group.name.rpartition("/")[2]
    own = group[OWN]
    try:
        meta = parse_json(text_of(own.attrs["meta"]))
        nested = hasattr(group["observations"], "keys")
        obs = array_of(group, "observations/state" if nested else "observations", path, name)
        where = (own, "action") if "action" in own else (group, "actions")
        columns: dict[str, Array] = {
            "obs": obs,
            "action": array_of(*where, path, name),
            "state": array_of(group, "infos/state", path, name) if "infos/state" in group else np.zeros((len(obs), 0)),
            "reward": array_of(group, "rewards", path, name).astype(np.float32),
            "success": array_of(group, "infos/success", path, name),
            **{n: array_of(own, n, path, name) for n in ("source", *Timing._fields)},
        }
        if "signals" in own:
            columns |= {SIGNAL + n: array_of(own, SIGNAL + n, path, name) for n in own["signals"]}
    except (KeyError, ValueError, TypeError) as error:
        raise broken(path, f"not as it was exported ({error})", name) from error
    return Imported(*exact(columns, meta, path, name))


def _about(place: Path) -> dict[str, Any]:
    about = read_json(place / "data" / "metadata.json", dict, _ADVICE)
    if about.get("data_format", "hdf5") != "hdf5":
        given = about["data_format"]
        raise InvalidValueError(f"data_format of {place}", given, "hdf5: convert it with Minari")
    return about


def _total(place: Path, about: Mapping[str, Any]) -> int:
    total = about.get("total_episodes")
    if not isinstance(total, int) or isinstance(total, bool) or not 0 < total < 10**8:
        raise broken(place / "data" / "metadata.json", f"total_episodes is {str(total)[:40]}, no number of episodes")
    return total


def _foreign(
    place: Path, about: Mapping[str, Any], options: ImportOptions, notes: Callable[[str], object], has_success: bool
) -> tuple[ForeignSet, Any]:
    """Return what is the same for all episodes, and the space of observations."""
    try:
        from minari.serialization import deserialize_space
    except ImportError as error:
        advice = "Run: pip install 'robo-rlhf[minari]'"
        raise MissingDependencyError("minari", "importing a Minari set of another program", advice) from error
    path = place / "data" / "metadata.json"
    try:
        observed, acted = (deserialize_space(str(about[f"{what}_space"])) for what in ("observation", "action"))
        spec = parse_json(about.get("env_spec") or "{}")
        task = str(spec.get("id") or "")
        limit = spec.get("max_episode_steps")
        rate = float(options.control_hz or about.get("control_hz") or RATE)
    except (KeyError, ValueError, TypeError, AssertionError, AttributeError, RecursionError) as error:
        raise broken(path, f"its spaces or env_spec cannot be read ({str(error)[:150]})") from error
    if getattr(acted, "low", None) is None or len(acted.shape) != 1 or not acted.is_bounded():
        raise InvalidValueError(f"action space of {place}", acted, "a box of one axis with finite bounds")
    low, high = np.asarray(acted.low, np.float64), np.asarray(acted.high, np.float64)
    own_units = bool((low == -1).all() and (high == 1).all())
    if not options.control_hz and "control_hz" not in about:
        notes(f"nothing says how many steps a second there are: {RATE:g} are taken (--control-hz)")
    if not isinstance(limit, int | None):
        raise broken(path, f"max_episode_steps is {str(limit)[:40]}")
    made = ForeignSet(
        form="minari",
        place=place,
        options=options,
        notes=notes,
        control_dt=1 / rate,
        scaling=None if own_units else Scaling(low, high),
        marks_success=has_success,
        task=task or place.name.rpartition("-v")[0],
        obs_names=(),
    )
    return made, observed


def _one(group: "h5py.Group", path: Path, made: ForeignSet, space: Any, index: int) -> Imported:
    name = f"episode_{index}"
    obs = np.concatenate(list(_observed(group, "observations", space, path, name)), axis=1)
    action = matrix(array_of(group, "actions", path, name), path, "actions", name)
    if made.scaling is not None and action.shape[1] != len(made.scaling.low):
        raise broken(path, f"actions have {action.shape[1]} columns, their space {len(made.scaling.low)}", name)
    reward = matrix(array_of(group, "rewards", path, name), path, "rewards", name)[:, 0]
    if len(reward) != len(action):
        raise broken(path, f"{len(reward)} rewards and {len(action)} actions", name)
    success = None
    for key in SUCCESS:
        if key in group:
            values = matrix(array_of(group, key, path, name), path, key, name)[:, 0] > 0
            success = values if len(values) == len(action) + 1 else np.concatenate([[False], values])
    seed = group.attrs.get("seed")
    seed = int(seed) if isinstance(seed, int | np.integer) and seed >= 0 else 0
    return Imported(*made.episode(Foreign(index, path, obs, action, reward, success, seed=seed)))


def _observed(group: "h5py.Group", name: str, space: Any, path: Path, episode: str) -> Iterator[Array]:
    """Yield the numbers of an observation (T+1, k), entry after entry by name, as environments here are read."""
    inner = getattr(space, "spaces", None)
    if isinstance(inner, Mapping):
        for key in sorted(inner):
            yield from _observed(group, f"{name}/{key}", inner[key], path, episode)
        return
    if inner is not None or getattr(space, "low", None) is None:
        raise broken(path, f"{name} is of {str(space)[:60]}: expected boxes, or a dictionary of boxes", episode)
    yield matrix(array_of(group, name, path, episode), path, name, episode)
