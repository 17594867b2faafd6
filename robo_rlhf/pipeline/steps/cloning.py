"""The policy that the pipeline starts from: a clone of the demonstrations, or an untrained one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from robo_rlhf.core.errors import CheckpointMismatchError
from robo_rlhf.core.files import find_dataset, read_json
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import MANIFEST
from robo_rlhf.data.training_arrays.observation_spread import starts_of
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.demonstrations import find_demonstrations
from robo_rlhf.policies.checkpoint import save_policy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.sim.envs.conditioned_env import as_shown
from robo_rlhf.sim.envs.current_observation import with_current_observations
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.training import bc
from robo_rlhf.training_tools.demonstrated_starts import DemonstratedStarts, demonstrated_starts
from robo_rlhf.vision.episode_pictures import see_episodes
from robo_rlhf.vision.frame_cache import FRAMES, FrameCache, TrainingPictures
from robo_rlhf.vision.observer import own_looks
from robo_rlhf.vision.sight import Sight


def clone_demonstrations(context: Context) -> PipelinePolicy:
    """Imitate the demonstrations.

    Raises:
        CheckpointMismatchError: the run was begun when the task had other observation columns.
    """
    demonstrations = load_demonstrations(context)
    config = replace(context.config.clone, seed=context.config.seed)
    with context.training("clone", {"demonstrations": [e.meta.id for e in demonstrations]}) as run:
        starts = None if run.result() else starts_of(context.env)
        pictures = None if run.result() else _pictures(context, demonstrations)
        network = bc.train(
            config, run, demonstrations, starts=starts, progress=context.observer.progress, pictures=pictures
        )
        network.look_at(context.env, own_looks(network.sight))
        path = run.checkpoint_path("policy")
    if network.obs_dim != context.env.obs_dim:  # the run was begun before the task gained columns
        expected = f"a policy for {context.env.name} with observations ({context.env.obs_dim},)"
        raise CheckpointMismatchError(path, expected, f"one with observations ({network.obs_dim},)")
    return PipelinePolicy(network, context.config.finetune.std)


def _pictures(context: Context, demonstrations: list[Episode]) -> TrainingPictures | None:
    """Return the pictures of all frames of the demonstrations, where the policy has cameras."""
    seen = context.config.clone.settings
    if context.config.clone.policy != "visual" or not seen.get("cameras"):
        return None
    sight = Sight(tuple(seen["cameras"]), int(seen["size"]), int(seen["looks"]))  # type: ignore[arg-type]
    folder = find_dataset(context.home, context.config.demonstrations)
    progress = context.observer.progress
    return see_episodes(
        [as_shown(episode) for episode in demonstrations],
        sight,
        FrameCache(context.home / FRAMES),
        folder=folder,
        progress=lambda done, total: progress(done, total, {}),
    )


def untrained(context: Context) -> PipelinePolicy:
    """Draw the initial policy, saved in the place of a cloned policy, so that later stages find it there."""
    run = context.run.child("clone", {"demonstrations": []})
    with seeded(context.config.seed):
        network = TanhGaussianPolicy(context.env.obs_dim, context.env.act_dim, **context.config.sac_policy)
    if run.result() is None:
        save_policy(network, run.checkpoint_path("policy"), {"task": context.env.name, "algorithm": "none"})
        run.finish({"updates": 0})
    return PipelinePolicy(network, context.config.finetune.std)


def load_demonstrations(context: Context) -> list[Episode]:
    """Return the demonstrations to imitate: drawn by the seed, cut off soon after they succeed.

    A run keeps copies of those that it took, so that whatever becomes of their dataset changes nothing in it.

    Raises:
        NotFoundError: there is no such dataset, or no success in it.
        InvalidValueError: there are too few.
    """
    config, stored = context.config, context.run.path / "clone" / "config.json"
    if not config.demos:
        return []
    taken = context.run.path / "demonstrations"
    if stored.exists():
        ids = read_json(stored, list, entry="demonstrations")
        older = not (taken / MANIFEST).exists()  # runs of earlier versions took no copies
        dataset = Dataset(find_dataset(context.home, config.demonstrations) if older else taken)
    else:
        source, ids = _draw(config, context.home)
        if config.reverse_curriculum:  # refused before anything is learned
            practice_starts(config, list(source.load_all(ids)), 1)
        dataset = Dataset(taken, create=True, task=config.task)
        dataset.add_many(source.load_all([name for name in ids if name not in dataset]))
    return [trimmed(episode, config.trim) for episode in with_current_observations(dataset.load_all(ids))]


def practice_starts(config: PipelineConfig, shown: Sequence[Episode], number: int) -> DemonstratedStarts:
    """Return where the practice of round `number` begins in demonstrations: in those of today's scene.

    Raises:
        InvalidValueError: there is none that succeeds.
    """
    scene = TaskEnv(TASKS[config.task](), 1)
    mine = [episode for episode in shown if scene.is_scene_of(episode.meta.model_hash)]
    return demonstrated_starts(mine, config.reverse_curriculum, config.curriculum_back(number))


def draw_demonstrations(config: PipelineConfig, home: Path) -> list[Episode]:
    """Return the demonstrations that a run which is not begun yet would imitate: see `load_demonstrations`."""
    source, ids = _draw(config, home)
    return [trimmed(episode, config.trim) for episode in with_current_observations(source.load_all(ids))]


def _draw(config: PipelineConfig, home: Path) -> tuple[Dataset, list[str]]:
    """Return the dataset of demonstrations, and the ids of those that the seed draws; raises as its caller does."""
    source, found = find_demonstrations(config, home)
    order = np.random.default_rng((config.seed, 1)).permutation(len(found))
    return source, [found[i] for i in sorted(order[: config.demos])]


def take_demonstrations(context: Context) -> list[Episode]:
    """Return the demonstrations to imitate, and write down which they are before anything is learned from them."""
    demonstrations = load_demonstrations(context)
    context.run.child("clone", {"demonstrations": [episode.meta.id for episode in demonstrations]})
    return demonstrations


def trimmed(episode: Episode, after: int) -> Episode:
    """Return a successful demonstration up to `after` steps after its final success."""
    lasting = len(episode) - int(np.argmin(episode.success[::-1])) if not episode.success.all() else 0
    end = min(lasting + after, len(episode))
    return episode.slice(0, end) if episode.success[-1] else episode
