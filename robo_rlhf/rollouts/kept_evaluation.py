"""An evaluation that can be stopped: each episode's result is kept as it ends, and the same request continues.

The results lie beside the checkpoint, in a file whose name holds a digest of the request, until the caller removes it.
With them lie the states of the policy's random numbers at the start of the batch that is not done, so that a continued
evaluation equals one that was never stopped.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from robo_rlhf.core.errors import CorruptFileError, DiskError, DiskFullError, FileWarning
from robo_rlhf.core.files import read_json, read_whole, remove, write_json
from robo_rlhf.core.types import Array, Episode, Policy, VecEnv
from robo_rlhf.executor.cluster import joined
from robo_rlhf.rollouts.evaluation import EpisodeResult, Evaluation, result_of, summarize_results
from robo_rlhf.rollouts.rollout import OnStep, check_environment, rollout
from robo_rlhf.rollouts.turns import any_order, network_of, random_states, set_random_states

_ADVICE = "Remove it; the evaluation then starts over."


class SeededPolicy(Policy, Protocol):
    """A policy whose random numbers begin with a seed."""

    def seed(self, seed: int) -> None:
        """Set its source of randomness."""
        ...


class KeptResults:
    """The results of those episodes of one evaluation that have ended, in a file."""

    def __init__(self, checkpoint: Path, request: Mapping[str, Any]) -> None:
        """Read what the same request kept before it was stopped.

        Args:
            checkpoint: the policy that is evaluated; its content is a part of the request.
            request: a JSON object; whatever changes a result belongs into it.

        Raises:
            CorruptFileError: what was kept is damaged.
        """
        text = json.dumps(dict(request), sort_keys=True).encode()
        digest = hashlib.sha256(read_whole(checkpoint, "Name a checkpoint.") + text).hexdigest()[:12]
        self.file = checkpoint.with_name(f"{checkpoint.stem}.evaluation-{digest}.json")
        self.done: dict[int, EpisodeResult] = {}  # by seed
        self.random: dict[str, str] = {}  # network → the state of its random numbers, before the first seed not done
        self._keeps = True
        if os.path.lexists(self.file):
            stored = read_json(self.file, dict, _ADVICE)
            try:
                self.done = {row["seed"]: EpisodeResult(**row) for row in stored["done"]}
                self.random = dict(stored["random"])
            except (KeyError, TypeError, ValueError) as error:
                raise CorruptFileError(self.file, "it holds no results of an evaluation", _ADVICE) from error

    def missing(self, seeds: Array, num_envs: int) -> list[Array]:
        """Return the batches of `seeds` (M,), run in order and `num_envs` at a time, that are not done."""
        batches = [seeds[first : first + num_envs] for first in range(0, len(seeds), num_envs)]
        return [batch for batch in batches if not self.done.keys() >= {*batch.tolist()}]

    def write(self) -> None:
        """Store what is done; where that cannot be, warn once and go on without."""
        if not self._keeps:
            return
        try:
            write_json(self.file, {"done": [r._asdict() for r in self.done.values()], "random": self.random})
        except (DiskError, DiskFullError, PermissionError) as error:
            self._keeps = False
            what = f"the results of episodes cannot be kept in {self.file.parent}: {error}"
            warnings.warn(f"{what} If this evaluation is stopped, it starts over.", FileWarning, stacklevel=2)

    def remove(self) -> None:
        """Remove the file, as the evaluation was reported; one that could not be kept was not made."""
        if os.path.lexists(self.file):
            remove(self.file, missing_ok=True, durable=False)


def evaluate_keeping(
    env: VecEnv,
    policy: SeededPolicy,
    seeds: Array,
    kept: KeptResults,
    *,
    policy_seed: int = 0,
    on_step: OnStep | None = None,
) -> Evaluation:
    """Return what `evaluate` returns, run from the seeds (M,) whose results are not kept yet.

    Raises:
        EnvironmentFaultError: a fault of the environment ended every episode.
    """
    policy.seed(policy_seed)
    set_random_states(network_of(policy), kept.random)
    missing = kept.missing(seeds, env.num_envs)
    if missing and joined() is not None and any_order(policy):
        missing = [np.concatenate(missing)]  # whose batches are played at the same time
    for batch in missing:
        _run_batch(env, policy, batch, kept, on_step)
    results = [kept.done[seed] for seed in seeds.tolist()]
    check_environment(results, env.name)
    return summarize_results(env.name, results)


def _run_batch(env: VecEnv, policy: SeededPolicy, batch: Array, kept: KeptResults, on_step: OnStep | None) -> None:
    kept.random = random_states(network_of(policy))
    kept.write()

    def keep(ended: list[Episode]) -> None:
        kept.done |= {episode.meta.seed: result_of(episode) for episode in ended}
        if kept.done.keys() >= {*batch.tolist()}:
            kept.random = random_states(network_of(policy))  # those that the next batch begins with
        kept.write()

    rollout(env, policy, batch, record_state=False, on_step=on_step, on_ended=keep)
