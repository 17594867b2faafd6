"""robomimic HDF5: one file, a group a demonstration, masks for training and validation.

Written with simulator states, the scene as MJCF, observations as `obs/state` and `obs/CAMERA_image`. What robomimic has
no place for is in a group `robo_rlhf` of each demonstration, so that what was exported here comes back bit for bit.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.seal import parse_json
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.schema import SIGNAL, Timing, meta_to_json
from robo_rlhf.data.split import split_families
from robo_rlhf.formats.base import Export, Format, Imported, ImportOptions, VideoPart, broken, exact, matrix, names_of
from robo_rlhf.formats.foreign import Foreign, ForeignSet
from robo_rlhf.formats.hdf5 import HDF5_SUFFIXES, array_of, h5py_for, opened, text_of
from robo_rlhf.formats.kinds import FORMATS
from robo_rlhf.formats.pictures import rate_of
from robo_rlhf.formats.scaling import Scaling
from robo_rlhf.sim.tasks import TASKS

if TYPE_CHECKING:
    import h5py

OWN = "robo_rlhf"  # a group and an attribute
ROBOSUITE, GYM = 1, 2  # robomimic's numbers for the kinds of environments
IMAGE = "_image"
_STATE = "state"


@FORMATS.register("robomimic")
class Robomimic(Format):
    """robomimic's HDF5."""

    title = "robomimic HDF5 with states, scene and masks"
    pictures = ".npy"

    def recognises(self, place: Path) -> bool:
        """Whether it is a file of HDF5; a Minari set is a folder."""
        return place.is_file() and place.suffix in HDF5_SUFFIXES

    def count(self, place: Path, options: ImportOptions) -> int:
        """Return how many groups data/demo_N there are."""
        with opened(place, "importing a robomimic set") as file:
            return len(_demos(file, place))

    def read(self, place: Path, options: ImportOptions, notes: Callable[[str], object]) -> Iterator[Imported]:
        """Iterate over the demonstrations by number."""
        with opened(place, "importing a robomimic set") as file:
            demos = _demos(file, place)
            if all(OWN in file["data"][name] for name in demos):
                yield from (_exact(file["data"][name], place) for name in demos)
                return
            made = _foreign(file, place, demos, options, notes)
            for name in demos:
                yield _one(file["data"][name], place, made)

    def check(self, place: Path, export: Export) -> None:
        """Refuse actions in other units, which robomimic wants in [-1, 1], and a missing extra."""
        h5py_for("exporting a robomimic set")
        if place.suffix not in HDF5_SUFFIXES:
            raise InvalidValueError("place of a robomimic export", place, f"a file {' or '.join(HDF5_SUFFIXES)}")

    def write(self, export: Export, folder: Path, place: Path) -> Path:
        """Write the file."""
        h5py = h5py_for("exporting a robomimic set")
        path = folder / place.name
        parents = {info.meta.id: info.meta.parent for info in export.infos}
        valid = set(split_families(parents, (1 - export.valid, export.valid), 0)[1]) if export.valid else set[str]()
        masks: dict[str, list[str]] = {"train": [], "valid": []} if valid else {}
        with h5py.File(path, "w", libver="latest") as file:
            data = file.create_group("data")
            total = 0
            for number, (episode, timing) in enumerate(export.episodes()):
                name = f"demo_{number}"
                _write_one(data.create_group(name), episode, timing, export)
                total += len(episode)
                if masks:
                    masks["valid" if episode.meta.id in valid else "train"].append(name)
            data.attrs["total"] = total
            data.attrs["env_args"] = json.dumps(_env_args(export))
            for name, members in masks.items():
                file.create_dataset(f"mask/{name}", data=np.array(members, dtype="S"))
        return path


def _env_args(export: Export) -> dict[str, Any]:
    meta = export.first
    shapes = dict(export.reader.header(meta.id).columns)
    obs_names, action_names, sentence = names_of(meta, shapes["obs"][1][1], shapes["action"][1][1])
    return {
        "env_name": meta.task,
        "type": GYM,
        "env_version": meta.versions.get("robo_rlhf", ""),
        "env_kwargs": {"control_hz": rate_of(meta), "instruction": sentence},
        "obs_names": obs_names,
        "action_names": action_names,
    }


def _write_one(group: "h5py.Group", episode: Episode, timing: Timing, export: Export) -> None:
    steps = len(episode)
    group.attrs["num_samples"] = steps
    group.create_dataset("actions", data=episode.action)
    group.create_dataset("rewards", data=episode.reward)
    group.create_dataset("dones", data=(np.arange(steps) == steps - 1).astype(np.int64))
    if episode.state.shape[1]:
        group.create_dataset("states", data=episode.state[:-1])
        if episode.meta.task in TASKS:
            group.attrs["model_file"] = TASKS[episode.meta.task]().scene().to_xml()
    group.create_dataset(f"obs/{_STATE}", data=episode.obs[:-1])
    group.create_dataset(f"next_obs/{_STATE}", data=episode.obs[1:])
    for camera in export.cameras:
        pictures = np.load(export.picture(camera, episode.meta.id, ".npy"), mmap_mode="r", allow_pickle=False)
        options = {"chunks": (1, *pictures.shape[1:]), "compression": "gzip", "compression_opts": 1}
        group.create_dataset(f"obs/{camera}{IMAGE}", data=pictures, **options)
        after = group.create_dataset(f"next_obs/{camera}{IMAGE}", pictures.shape, pictures.dtype, **options)
        after[:-1] = pictures[1:]
        after[-1] = pictures[-1]  # what follows the last step is not drawn
    own = group.create_group(OWN)
    own.attrs["meta"] = json.dumps(meta_to_json(episode.meta) | {"frames": {}})
    further = {"last_state": episode.state[-1], "success": episode.success, "source": episode.source}
    further |= {**timing._asdict(), **{SIGNAL + name: value for name, value in episode.signals.items()}}
    for name, value in further.items():
        own.create_dataset(name, data=value)


def _demos(file: "h5py.File", place: Path) -> list[str]:
    """Return the names of the demonstrations by number.

    Raises:
        CorruptFileError: there is no group `data`, or no demonstration in it.
    """
    data = file.get("data")
    if data is None or not hasattr(data, "keys"):
        raise broken(place, "it has no group called data")
    names = [name for name in data if name.removeprefix("demo_").isdecimal()]
    if not names:
        raise broken(place, "its group data holds no demo_0, demo_1, ...")
    for name in names:
        if not hasattr(data[name], "keys"):
            raise broken(place, "it is no group", name)
    return sorted(names, key=lambda name: int(name.removeprefix("demo_")))


def _exact(group: "h5py.Group", place: Path) -> Imported:
    name = group.name.rpartition("/")[2]
    own = group[OWN]
    try:
        meta = parse_json(text_of(own.attrs["meta"]))
        last = array_of(own, "last_state", place, name)
        obs, after = (array_of(group, f"{side}/{_STATE}", place, name) for side in ("obs", "next_obs"))
        state = np.zeros((len(obs) + 1, 0))
        if len(last):
            state = np.concatenate([array_of(group, "states", place, name), last[None]])
        columns: dict[str, Array] = {
            "obs": np.concatenate([obs, after[-1:]]),
            "state": state,
            "action": array_of(group, "actions", place, name),
            "reward": array_of(group, "rewards", place, name),
            **{n: array_of(own, n, place, name) for n in ("success", "source", *Timing._fields)},
        }
        if "signals" in own:
            columns |= {SIGNAL + n: array_of(own, SIGNAL + n, place, name) for n in own["signals"]}
    except (KeyError, ValueError, TypeError) as error:
        raise broken(place, f"not as it was exported ({error})", name) from error
    return Imported(*exact(columns, meta, place, name))


def _foreign(
    file: "h5py.File", place: Path, demos: list[str], options: ImportOptions, notes: Callable[[str], object]
) -> ForeignSet:
    data = file["data"]
    try:
        about = parse_json(text_of(data.attrs["env_args"])) if "env_args" in data.attrs else {}
        arguments = about.get("env_kwargs") or {}
        rate = float(options.control_hz or arguments.get("control_freq") or arguments.get("control_hz") or 0)
        task = str(about.get("env_name") or "")
    except (ValueError, TypeError, AttributeError) as error:
        raise broken(place, f"its env_args cannot be read ({error})") from error
    if not 0 < rate <= 1000:
        raise InvalidValueError("--control-hz", "none, and the file does not say it", "steps a second of the recording")
    first = data[demos[0]]
    if "obs" not in first or not hasattr(first["obs"], "keys"):
        raise broken(place, "it has no observations: a group called obs", demos[0])
    parts = tuple(sorted(key for key in first["obs"] if not _is_picture(first["obs"][key])))
    if not parts:
        raise broken(place, "its observations are pictures alone, without numbers", demos[0])
    if any("states" in data[name] for name in demos):
        notes("simulator states of another program are left out: they cannot be entered here, nor drawn")
    scaling = Scaling.of(matrix(array_of(data[n], "actions", place, n), place, "actions", n) for n in demos)
    return ForeignSet(
        form="robomimic",
        place=place,
        options=options,
        notes=notes,
        control_dt=1 / rate,
        scaling=scaling,
        marks_success=about.get("type") == ROBOSUITE and all("rewards" in data[name] for name in demos),
        task=task,
        obs_parts=parts,
        obs_names=tuple(f"{p}_{i}" for p in parts for i in range(_width(first["obs"][p]))),
    )


def _one(group: "h5py.Group", place: Path, made: ForeignSet) -> Imported:
    name = group.name.rpartition("/")[2]
    action = matrix(array_of(group, "actions", place, name), place, "actions", name)
    parts = [matrix(array_of(group, f"obs/{p}", place, name), place, f"obs/{p}", name) for p in made.obs_parts]
    for part, rows in zip(made.obs_parts, parts, strict=True):
        if len(rows) != len(action):
            raise broken(place, f"obs/{part} has {len(rows)} rows, actions {len(action)}", name)
    obs = np.concatenate(parts, axis=1)
    if all(f"next_obs/{part}" in group for part in made.obs_parts):
        after = [matrix(array_of(group, f"next_obs/{p}", place, name), place, p, name)[-1:] for p in made.obs_parts]
        obs = np.concatenate([obs, np.concatenate(after, axis=1)])
    reward = (
        matrix(array_of(group, "rewards", place, name), place, "rewards", name)[:, 0] if "rewards" in group else None
    )
    success = None
    if made.marks_success and reward is not None:  # robosuite's tasks pay 1 where they are done
        success = np.concatenate([[False], reward >= 1])
    found = Foreign(int(name.removeprefix("demo_")), place, obs, action, reward, success)
    episode, timing = made.episode(found)
    videos = {}
    for key in group["obs"]:
        if _is_picture(group["obs"][key]):
            pictures = array_of(group, f"obs/{key}", place, name)
            if len(pictures) != len(action):
                raise broken(place, f"obs/{key} has {len(pictures)} pictures, actions {len(action)}", name)
            camera = key.removesuffix(IMAGE)
            videos[camera] = VideoPart(place, 0.0, len(pictures), 1 / made.control_dt, tuple(pictures))
    return Imported(episode, timing, videos)


def _is_picture(item: Any) -> bool:
    shape = tuple(getattr(item, "shape", ()))
    return len(shape) == 4 and shape[-1] == 3 and item.dtype == np.uint8


def _width(item: Any) -> int:
    return int(np.prod(item.shape[1:]))
