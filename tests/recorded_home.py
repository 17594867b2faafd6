"""A data home with recorded videos of two policies, and questions about them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robo_rlhf.data.reader import Reader
from robo_rlhf.feedback.recorded_pairs import pairs_of, questions_about
from robo_rlhf.formats.base import ImportOptions
from robo_rlhf.formats.importing import import_place
from robo_rlhf.sim.rendering.video import encode_mp4
from tests.reviewing import ask

DATASET = "cups"


class Side(NamedTuple):
    """The videos of one side of a pair."""

    cameras: Sequence[str] = ("front", "wrist", "side")
    seconds: float = 3.0
    fps: float = 20.0
    size: tuple[int, int] = (64, 48)  # width, height [pixels]


def recorded_home(home: Path, pairs: Sequence[tuple[Side, Side]], folder: Path) -> Path:
    """Import the videos, made in `folder`, into a new data home, and ask about each pair; return the home."""
    rows = ["file,policy,pair,task"]
    for number, sides in enumerate(pairs):
        for policy, side in zip(("careful", "careless"), sides, strict=True):
            place = folder / f"{number}-{policy}"
            place.mkdir(parents=True)
            for shade, camera in enumerate(side.cameras):
                (place / f"{camera}.mp4").write_bytes(video(side, 30 * shade + number))
            rows.append(f"{place.name},{policy},{number},cups")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    import_place(folder, home / DATASET, options=ImportOptions(metadata=folder / "metadata.csv"))
    infos = Reader(home / DATASET).list()
    ask(home, questions_about(pairs_of(infos), DATASET, DATASET, overlap=9))
    return home


def video(side: Side, shade: int) -> bytes:
    """Return a video in which a bar goes from left to right, one pixel and more a frame."""
    width, height = side.size
    count = round(side.seconds * side.fps)

    def frame(i: int) -> np.ndarray:
        picture = np.full((height, width, 3), 40 + shade % 120, np.uint8)
        picture[:, int(i / count * width)] = 255
        return picture

    return encode_mp4((frame(i) for i in range(count)), side.fps, count)
