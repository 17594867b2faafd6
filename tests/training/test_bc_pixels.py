"""Cloning from pictures in memory: the right picture with each example, and the same bits after a kill."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.training import bc
from robo_rlhf.vision.frame_cache import TrainingPictures
from tests.toy import demonstrations

SIGHT = {"policy": "flow", "cameras": ["eye"], "size": 16, "encoder_settings": {"width": 4}, "shift": 1}


@pytest.fixture(scope="module")
def episodes() -> list[Episode]:
    return demonstrations(3)


def numbered(episodes: list[Episode]) -> TrainingPictures:
    """Pictures that hold the number of their frame."""
    lengths = [len(e.obs) for e in episodes]
    first = np.cumsum([0, *lengths])

    def frames(start: int, count: int) -> Array:
        return np.broadcast_to(np.arange(start, start + count)[:, None, None, None], (count, 16, 16, 3)).astype(
            np.uint8
        )

    made = [frames(int(start), count) for start, count in zip(first, lengths, strict=False)]
    return TrainingPictures([{"eye": lambda one=one: one} for one in made], lengths)


def test_each_example_has_the_pictures_of_its_history(episodes: list[Episode]) -> None:
    settings = {**SIGHT, "settings": {"width": 16, "history": 2}, "columns": [0, 1]}
    config = bc.Config(policy="visual", settings=settings, batch=64, obs_noise=0.0)  # type: ignore[arg-type]
    pictures = numbered(episodes)
    learner = bc.BCLearner(config, episodes, pictures=pictures)
    frames = np.concatenate([e.obs for e in episodes])
    batch = learner.sample()
    shown = batch.pictures["eye"][:, :, 0, 0, 0].long()
    assert batch.pictures["eye"].shape == (64, 2, 16, 16, 3)
    assert torch.equal(batch.obs.view(64, 2, -1), torch.from_numpy(frames[shown.numpy()]))


def test_killed_and_resumed_is_the_same_to_the_bit(episodes: list[Episode], tmp_path: Path) -> None:
    settings = {**SIGHT, "settings": {"width": 16}}
    config = bc.Config(policy="visual", settings=settings, batch=8, updates=6, save_every=3)  # type: ignore[arg-type]
    pictures = numbered(episodes)
    whole = bc.train(config, Run(tmp_path / "whole", config), episodes, pictures=pictures)

    class KilledError(Exception):
        """In the place of a signal."""

    def kill(done: int, total: int, metrics: object) -> None:
        if done == 5:
            raise KilledError

    with pytest.raises(KilledError):
        bc.train(config, Run(tmp_path / "part", config), episodes, pictures=pictures, progress=kill)
    again = bc.train(config, Run(tmp_path / "part", config), episodes, pictures=pictures)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_a_policy_with_cameras_needs_pictures(episodes: list[Episode]) -> None:
    learner = bc.BCLearner(bc.Config(policy="visual", settings=SIGHT, batch=8), episodes)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="columns alone"):
        learner.update()
