"""Showing recorded episodes to a reward, which may have cameras."""

from collections.abc import Callable
from pathlib import Path

from robo_rlhf.core.types import Episode
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.vision.seen_episodes import SeenEpisodes


def shown_to(model: RewardModel, home: Path, folder: Path | None = None) -> Callable[[Episode], Episode]:
    """Return what gives an episode as `model` gets it: with the numbers of its pictures, where it has cameras.

    Pictures are kept in the data home `home`; recorded videos are in the dataset at `folder`. What is returned raises
    as `vision.episode_pictures.see_episodes`.
    """
    if model.sight is None:
        return lambda episode: episode
    seen = SeenEpisodes(model.sight, model.rate, home)
    model.look_at(seen)
    return lambda episode: seen.show(episode, folder)
