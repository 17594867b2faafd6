"""Sets of other programs: from anywhere, so without a seal; but never read as something that the files do not hold.

Whether numbers were changed nobody can tell who reads LeRobot or HDF5. So what is compared is what an import promises:
all episodes with all their steps and videos, or a refusal.
"""

import json
from pathlib import Path
from typing import Any

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recorded_videos import video_path
from robo_rlhf.formats.base import ImportOptions
from robo_rlhf.formats.importing import read_place, recognise
from robo_rlhf.sim.rendering.video import decode_mp4
from tests.formats.kinds.test_hdf5_sets import minari_set, robomimic_set
from tests.formats.making import grey_video, lerobot_set
from tests.mutations.harness import Kind, forge_file


def _read(place: Path, form: str, options: ImportOptions) -> Any:
    """Read a place in this process, as the helper process does; return the shape of what it holds."""
    folder = place.parent / "into"
    Dataset(folder, create=True)
    found = {}
    for what in read_place(form, place, options, folder, set()):
        if isinstance(what, tuple):
            name, pair = what
            assert pair is not None
            episode = pair[0]
            videos = {c: decode_mp4(video_path(folder, v.file))[0].shape for c, v in episode.meta.frames.items()}
            found[name] = (episode.obs.shape, episode.action.shape, len(episode.reward), sorted(videos.items()))
    return found


def _any(folder: Path, found: Any) -> bool:
    """What a file without a seal says, it says: another id, length, rate or size."""
    return isinstance(found, dict)


def _lerobot(folder: Path) -> None:
    lerobot_set(folder / "set", (6, 4))


def _robomimic(folder: Path) -> None:
    robomimic_set(folder / "lift.hdf5")


def _minari(folder: Path) -> None:
    minari_set(folder / "lab-v0")


def _videos(folder: Path) -> None:
    (folder / "in").mkdir()
    (folder / "in/one.mp4").write_bytes(grey_video(12))
    (folder / "in/two.mp4").write_bytes(grey_video(5))
    (folder / "table.yaml").write_text(json.dumps([{"file": "one.mp4", "outcome": "failure", "pair": "p"}]))


def _reader(place: str, form: str, metadata: str = "") -> Any:
    def read(folder: Path) -> Any:
        options = ImportOptions(metadata=folder / metadata if metadata else None)
        return _read(folder / place, form or recognise(folder / place), options)

    return read


KINDS = [
    Kind("lerobot info", _lerobot, "set/meta/info.json", _reader("set", "lerobot"), explained=_any, forge=forge_file),
    Kind("lerobot rows", _lerobot, "set/data/*/*.parquet", _reader("set", "lerobot"), explained=_any),
    Kind("lerobot episodes", _lerobot, "set/meta/episodes/*/*.parquet", _reader("set", "lerobot"), explained=_any),
    Kind("lerobot video", _lerobot, "set/videos/*/*/*.mp4", _reader("set", "lerobot"), explained=_any),
    Kind(
        "minari spaces",
        _minari,
        "lab-v0/data/metadata.json",
        _reader("lab-v0", "minari"),
        explained=_any,
        forge=forge_file,
    ),
    Kind("robomimic", _robomimic, "lift.hdf5", _reader("lift.hdf5", "robomimic"), explained=_any),
    Kind("minari rows", _minari, "lab-v0/data/main_data.hdf5", _reader("lab-v0", "minari"), explained=_any),
    Kind("video", _videos, "in/*.mp4", _reader("in", "video"), explained=_any),
    Kind("video metadata", _videos, "table.yaml", _reader("in", "video", "table.yaml"), explained=_any),
]
