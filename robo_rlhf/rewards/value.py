"""A value function of the distance to success, learned from episodes with known success: a potential for shaping."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError, NonFiniteError, NotFoundError, ShapeError
from robo_rlhf.core.learning import AdamW, pack_module, seeded, unpack_module
from robo_rlhf.core.model_files import bounded
from robo_rlhf.core.runs import fitting, read_checkpoint, write_checkpoint
from robo_rlhf.core.types import Array, Episode

Progress = Callable[[int, int, Mapping[str, float]], None]  # updates done, total, newest metrics
PREFIX = "value"
OBS_FLOOR = 1e-3  # lower bound of a column's deviation
BATCH = 256
LEARNING_RATE = 1e-3


class ValueFunction(nn.Module):
    """Maps an observation to a number in [0, 1]: 1 where the task is done and stays so, less the longer it takes."""

    obs_mean: Tensor
    obs_std: Tensor

    def __init__(self, obs_dim: int, width: int = 64) -> None:
        """Build the network."""
        super().__init__()
        self.obs_dim, self.width = obs_dim, width
        self.register_buffer("obs_mean", torch.zeros(obs_dim))
        self.register_buffer("obs_std", torch.ones(obs_dim))
        layers = [nn.Linear(obs_dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)]
        self.net = nn.Sequential(*layers)

    def forward(self, obs: Tensor) -> Tensor:
        """Return the logit (...) of observations (..., obs_dim)."""
        logit: Tensor = self.net(((obs - self.obs_mean) / self.obs_std).clamp(-10, 10)).squeeze(-1)
        return logit

    @torch.inference_mode()
    def predict(self, obs: Array) -> Array:
        """Return the value (...) of observations (..., obs_dim), float64 in [0, 1].

        Raises:
            ShapeError: observations of another size.
        """
        if obs.shape[-1] != self.obs_dim:
            raise ShapeError("obs for a value function", (*obs.shape[:-1], self.obs_dim), obs.shape)
        value: Array = self.forward(torch.as_tensor(obs, dtype=torch.float32)).sigmoid().double().numpy()
        return value


def fit_value(
    episodes: Sequence[Episode],
    *,
    gamma: float = 0.99,
    width: int = 64,
    updates: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> ValueFunction:
    """Learn the value by Monte Carlo: (1 - gamma) times the discounted steps of success to come, (Sutton and Barto, 5).

    After its last step an episode is assumed to stay in its final state.

    Raises:
        InvalidValueError: no episode has a step, or they are of several tasks or shapes.
        NonFiniteError: NaN or infinity among the observations.
    """
    episodes = [episode for episode in episodes if len(episode)]
    kinds = {(episode.meta.task, episode.obs.shape[1]) for episode in episodes}
    if len(kinds) != 1:
        given = " and ".join(sorted({task for task, _ in kinds})) or "none"
        raise InvalidValueError("episodes for a value function", given, "at least one step, all of one task and shape")
    obs = torch.from_numpy(np.concatenate([episode.obs for episode in episodes]))
    target = torch.from_numpy(np.concatenate([_targets(episode.success, gamma) for episode in episodes]))
    if not torch.isfinite(obs).all():
        raise NonFiniteError("An observation", "data for a value function", "Verify the episodes it comes from.")
    with seeded(seed):
        model = ValueFunction(obs.shape[1], width)
    model.obs_mean.copy_(obs.mean(0))
    model.obs_std.copy_(obs.std(0, correction=0).clamp_min(OBS_FLOOR))
    optimizer = AdamW(model.parameters(), LEARNING_RATE)
    generator = torch.Generator().manual_seed(seed)
    for done in range(1, updates + 1):
        rows = torch.randint(len(obs), (BATCH,), generator=generator)
        loss = nn.functional.binary_cross_entropy_with_logits(model(obs[rows]), target[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if progress is not None:
            progress(done, updates, {"loss": loss.item()})
    return model.eval()


def save_value(model: ValueFunction, path: Path, task: str) -> None:
    """Write a value function atomically."""
    described = {"obs_dim": model.obs_dim, "width": model.width}
    write_checkpoint(path, pack_module(PREFIX, model), {"task": task, PREFIX: described})


def load_value(path: Path) -> ValueFunction:
    """Load the value function that `save_value` wrote.

    Raises:
        NotFoundError: there is no such file.
        CorruptFileError: the file is damaged or not a checkpoint.
        CheckpointMismatchError: it holds no value function.
        NonFiniteError: a weight is NaN or infinite.
    """
    if not path.exists():
        raise NotFoundError("checkpoint", path, "Train one with `robo-rlhf train value`, or give another path.")
    arrays, meta = read_checkpoint(path)
    if PREFIX not in meta:
        raise CheckpointMismatchError(path, "a value function", ", ".join(sorted(meta)) or "nothing")
    with fitting(path, f"weights for {str(meta[PREFIX])[:300]}"), bounded(sum(value.size for value in arrays.values())):
        model = ValueFunction(**meta[PREFIX])
        unpack_module(PREFIX, model, arrays)
    return model.eval()


def _targets(success: Array, gamma: float) -> Array:
    """Return the value (T+1,) float32 of every observation of an episode with marks of success (T+1,)."""
    value = np.empty(len(success))
    later = float(success[-1])
    for t in reversed(range(len(success))):
        later = value[t] = (1 - gamma) * float(success[t]) + gamma * later
    return value.astype(np.float32)
