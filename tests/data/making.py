"""Episodes out of a seed, for the tests of the record."""

import errno
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.types import Episode, EpisodeMeta
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.journal import EpisodeWriter
from robo_rlhf.data.recording.stream import step_row


def meta(episode_id: str = "", **fields: Any) -> EpisodeMeta:
    known: dict[str, Any] = {"task": "push", "seed": 7, "control_dt": 0.05, "outcome": "success"}
    return EpisodeMeta(id=episode_id, **{**known, **fields})


def episode(episode_id: str = "e1", steps: int = 12, seed: int = 0, obs_dim: int = 6, **fields: Any) -> Episode:
    """Return an episode of random numbers, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    return Episode(
        obs=rng.normal(size=(steps + 1, obs_dim)).astype(np.float32),
        action=rng.uniform(-1, 1, size=(steps, 3)).astype(np.float32),
        state=rng.normal(size=(steps + 1, 9)),
        reward=rng.uniform(size=steps).astype(np.float32),
        success=rng.uniform(size=steps + 1) > 0.5,
        source=rng.integers(0, 4, size=steps).astype(np.uint8),
        signals={
            "ee_pos": rng.normal(size=(steps, 3)).astype(np.float32),
            "contact_force": rng.uniform(size=(steps, 1)).astype(np.float32),
        },
        meta=meta(episode_id, **fields),
    )


def append(writer: EpisodeWriter, like: Episode, start: int = 0, stop: int | None = None) -> None:
    """Record steps [start, stop) of an episode, at the wall time 1000 s + its number, with inputs 10 ms old."""
    for t in range(start, len(like) if stop is None else stop):
        signals = {name: value[t] for name, value in like.signals.items()}
        done = bool(like.success[t + 1])
        after = (like.obs[t + 1], like.state[t + 1], like.action[t], like.reward[t], done, like.source[t], signals)
        writer.append(step_row(*after, 1000.0 + t, 0.01))


def begin(dataset: Dataset, like: Episode) -> EpisodeWriter:
    """Begin to record an episode like another."""
    return dataset.record(like.meta, like.obs[0], like.state[0], success=bool(like.success[0]))


def check_equal(found: Episode, expected: Episode, steps: int | None = None) -> None:
    """Check the arrays of an episode, bit for bit, against the first `steps` steps of another."""
    expected = expected.slice(0, len(expected) if steps is None else steps)
    for name in ("obs", "action", "state", "reward", "success", "source"):
        value, wanted = getattr(found, name), getattr(expected, name)
        assert (value.dtype, value.shape, value.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes()), name
    assert found.signals.keys() == expected.signals.keys()
    for name, wanted in expected.signals.items():
        assert found.signals[name].tobytes() == wanted.tobytes(), name


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file, counted modulo its length."""
    content = bytearray(path.read_bytes())
    bit %= 8 * len(content)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


class SmallDisk(NamedTuple):
    """A file system of its own that can be filled up."""

    folder: Path

    def fill(self) -> None:
        file = os.open(self.folder / "filler", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(file, b"x" * 4096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        finally:
            os.close(file)

    def free(self) -> None:
        (self.folder / "filler").unlink()
