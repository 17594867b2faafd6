"""What a reward model looks at, where it is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.attribution import Attribution, as_clips, attribute, in_words, quantities
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.sim.tasks import TASKS

OBS = ("hand_x", "hand_y", "hand_z", "cube_dx", "cube_dy", "cube_dz", "cube_z", "force", "cup_roll", "cup_pitch")
ACTION = ("x", "gripper")
KNOWN = {
    "where cube is": lambda obs, action: -obs[..., 3:6].norm(dim=-1),
    "the height of cube": lambda obs, action: obs[..., 6],
    "force": lambda obs, action: -obs[..., 7].abs(),
    "how cup is turned": lambda obs, action: -obs[..., 8:].square().sum(-1),
    "the action gripper": lambda obs, action: action[..., 1],
}


class Known(RewardModel):
    """A reward that is known, by two members."""

    def __init__(self, obs_dim: int, act_dim: int, words: str) -> None:
        super().__init__(obs_dim, act_dim, members=2)
        self.words = words

    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        found = KNOWN[self.words](next_obs, action)
        return torch.stack([found, 3 * found + 1])


def look(words: str, seed: int = 0, clips: int = 40, length: int = 5) -> Attribution:
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(clips, length + 1, len(OBS))).astype(np.float32)
    action = rng.uniform(-1, 1, (clips, length, len(ACTION))).astype(np.float32)
    return attribute(Known(len(OBS), len(ACTION), words), obs, action, quantities(OBS, ACTION), rng)


@pytest.mark.parametrize("words", KNOWN)
def test_the_right_quantity_is_all_that_is_looked_at(words: str) -> None:
    found = look(words)
    assert next(iter(found.shares)) == words
    assert found.shares[words] == pytest.approx(1.0)
    assert in_words(found.shares) == f"Mostly {words}."
    assert found.moments.shape == (40, 5)
    assert (found.moments.max(1) == 1.0).all()


def test_every_column_of_every_task_is_in_one_quantity() -> None:
    for name in TASKS:
        task = TASKS[name]()
        found = quantities(task.obs_names, task.action_names)
        assert sorted(i for one in found for i in one.obs) == list(range(len(task.obs_names))), name
        assert len({one.words for one in found}) == len(found), name


def test_words_name_few_things() -> None:
    assert in_words({"a": 0.5, "b": 0.2, "c": 0.1, "d": 0.1, "e": 0.1}) == "Mostly a; a little: b, c."
    assert in_words({"a": 0.3, "b": 0.3, "c": 0.2, "d": 0.2}) == "A little of many: a, b, c."
    assert in_words({"a": 0.01}) == "Nothing in particular."


def test_what_cannot_be_exchanged_is_refused() -> None:
    model = Known(len(OBS), len(ACTION), "force")
    some = quantities(OBS, ACTION)
    obs, action = np.zeros((1, 3, len(OBS)), np.float32), np.zeros((1, 2, len(ACTION)), np.float32)
    with pytest.raises(InvalidValueError, match="clips to attribute: expected at least 2"):
        attribute(model, obs, action, some, np.random.default_rng(0))
    with pytest.raises(ShapeError):
        attribute(model, obs[:, :2], action, some, np.random.default_rng(0))


def test_an_episode_is_cut_into_what_the_model_looks_at() -> None:
    model = Known(len(OBS), len(ACTION), "force")
    obs: Array = np.arange(26 * len(OBS), dtype=np.float32).reshape(26, -1)
    cut, done = as_clips(obs, np.zeros((25, 2), np.float32), model)
    assert (cut.shape, done.shape) == ((25, 2, len(OBS)), (25, 1, 2))
    model.markovian = False
    cut, done = as_clips(obs, np.zeros((25, 2), np.float32), model)
    assert (cut.shape, done.shape) == ((2, 11, len(OBS)), (2, 10, 2))
    np.testing.assert_array_equal(cut[1], obs[10:21])
