"""Names of the columns of an episode's observations and actions."""

from robo_rlhf.core.types import EpisodeMeta
from robo_rlhf.sim.tasks import TASKS


def column_names(meta: EpisodeMeta, obs_dim: int, act_dim: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of both: those of the task, or of the episode, else numbers."""
    obs, action = meta.obs_names, meta.action_names
    if meta.task in TASKS:
        task = TASKS[meta.task]
        obs, action = task.obs_names, task.action_names
    if len(obs) != obs_dim:
        obs = tuple(f"column {i}" for i in range(obs_dim))
    if len(action) != act_dim:
        action = tuple(f"{i}" for i in range(act_dim))
    return obs, action
