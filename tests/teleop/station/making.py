"""Data homes for the tests of the library: many small episodes, quickly."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.files import write_json
from robo_rlhf.core.types import EpisodeMeta
from robo_rlhf.data.layout import MANIFEST, episode_path
from robo_rlhf.data.schema import Timing, encode, to_columns
from tests.data.making import episode

OPERATORS = ("ada", "grace", "")
OUTCOMES = ("success", "success", "failure", "aborted")


def many(home: Path, count: int, dataset: str = "demos", **fields: Any) -> list[EpisodeMeta]:
    """Write `count` episodes of a few steps with varied metadata, each in a file of its own; return the metadata.

    Written without waiting for the disk. Of their arrays there are four kinds.
    """
    folder = home / dataset
    write_json(folder / MANIFEST, {"format": 1, "task": "mixed", "created": ""})
    (folder / "episodes").mkdir(exist_ok=True)
    arrays = [replace(episode(steps=8 + 4 * kind, seed=kind), source=_sources(kind, 8 + 4 * kind)) for kind in range(4)]
    columns = [to_columns(one, Timing.unknown(len(one))) for one in arrays]
    metas = []
    for index in range(count):
        known: dict[str, Any] = {
            "task": ("push", "reach")[index % 2],
            "seed": index,
            "outcome": OUTCOMES[index % 4],
            "operator": OPERATORS[index % 3],
            "device": ("browser", "scripted")[index % 2],
            "tags": ("good", "slow")[: index % 3],
            "note": "dropped it" if index % 5 == 0 else "",
            "started": f"2026-11-{1 + index % 28:02}T{index % 24:02}:{index % 60:02}:00.000+00:00",
        }
        meta = EpisodeMeta(id=f"e{index:05}", control_dt=0.05, **{**known, **fields})
        episode_path(folder, meta.id).write_bytes(encode(columns[index % 4], meta))
        metas.append(meta)
    return metas


def _sources(kind: int, steps: int) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """All by a person, all scripted, all by a policy, or corrected from the middle on."""
    values = ((0, 0), (2, 2), (1, 1), (1, 3))[kind]
    return np.repeat(np.array(values, np.uint8), (steps // 2, steps - steps // 2))
