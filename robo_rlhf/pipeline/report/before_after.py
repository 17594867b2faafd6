"""Clips of the cloned and the fine-tuned policy on the same evaluation seeds, one above the other."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.types import Array, Episode
from robo_rlhf.episodes.access import access_of
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.pipeline.report.formatting import initial_policy_name
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.latest_policy import POLICY, final_policy
from robo_rlhf.rollouts.evaluation import FIRST_SEED, Evaluation
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.rendering.clips import side_by_side
from robo_rlhf.sim.rendering.pool import RenderPool
from robo_rlhf.vision.observer import own_looks

SHOWN = 3  # seeds
MOST_FRAMES = 160  # frames per clip; longer ones skip frames
WIDTH, HEIGHT = 320, 240  # [pixels]
RULE = (
    "the first two starts on which the two policies fare differently and the first on which both succeed; "
    "where there are too few, the first starts of all"
)


class ClipPair(NamedTuple):
    """One start, by both policies."""

    seed: int
    before: bool  # success at the end
    after: bool
    file: Path  # both clips, playing together


def chosen_seeds(before: Evaluation, after: Evaluation) -> list[int]:
    """Return the seeds that are shown, by `RULE`; where there are too few such starts, the first ones fill up."""
    rows = list(zip(before.seeds, before.success_end, after.success_end, strict=True))
    differ = [seed for seed, old, new in rows if old != new]
    solved = [seed for seed, old, new in rows if old and new]
    order = differ[: SHOWN - 1] + solved[:1] + differ[SHOWN - 1 :] + [seed for seed, *_ in rows]
    return list(dict.fromkeys(order))[:SHOWN]


def make_clips(findings: Findings, folder: Path) -> Iterator[ClipPair]:
    """Run both policies again from the chosen seeds and write the clips into `folder`, one by one.

    Raises:
        RoboRlhfError: rendering is not available here.
    """
    seeds, begun = chosen_seeds(findings.before, findings.after), initial_policy_name(findings.config["demos"])
    first = findings.path / "clone" / POLICY
    both = [_episodes(findings, path, seeds) for path in (first, final_policy(findings.path) or first)]
    with RenderPool() as pool:
        for seed, old, new in zip(seeds, *both, strict=True):
            every = max(1, math.ceil((max(len(old), len(new)) + 1) / MOST_FRAMES))
            frames = [_frames(episode, every, pool) for episode in (old, new)]
            titles = [f"{name}: {e.meta.outcome}" for name, e in ((begun, old), ("fine-tuned", new))]
            out = folder / f"seed-{seed}.mp4"
            side_by_side(frames, titles, out, fps=1 / old.meta.control_dt / every, columns=1)
            yield ClipPair(seed, old.meta.outcome == "success", new.meta.outcome == "success", out)


def _episodes(findings: Findings, path: Path, seeds: list[int]) -> list[Episode]:
    policy: TrainedPolicy = load_policy(path)
    policy.seed(0)  # as the evaluation did
    # As many copies as the evaluation had: sums inside a network may depend on how many rows it sees at once.
    env = make_env(findings.config["task"], findings.config["num_envs"])
    try:
        looks = own_looks(policy.sight)
        copies = [(seed - FIRST_SEED) % env.num_envs for seed in seeds]  # that the evaluation played them in
        policy.look_at(env, [looks[copy % len(looks)] for copy in copies] if looks else ())
        return rollout(env, policy, np.array(seeds))
    finally:
        env.close()


def _frames(episode: Episode, every: int, pool: RenderPool) -> Array:
    """Return frames (K, H, W, 3) uint8 of an episode."""
    access = access_of(episode)
    if access.show != "state":
        return access.frames(range(0, len(episode) + 1, every), width=WIDTH, height=HEIGHT)
    return pool.frames(access.scene, episode.state[::every], width=WIDTH, height=HEIGHT).result()
