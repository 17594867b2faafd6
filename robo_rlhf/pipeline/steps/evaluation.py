"""The evaluations of the pipeline, on seeds that nothing is learned from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.errors import CorruptFileError, NonFiniteError
from robo_rlhf.core.files import read_json
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.context import Context
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.rollouts.evaluation import FIRST_SEED, Evaluation, evaluate
from robo_rlhf.rollouts.rollout import OnEnded
from robo_rlhf.sim.envs.task_env import versions

SHOWN = 3  # episodes of an evaluation that are kept
EVALUATED = "evaluations"  # the dataset of them, in the folder of a run


def evaluate_policy(context: Context, name: str, network: TrainedPolicy) -> Evaluation:
    """Evaluate a policy, as the stage `name`.

    Raises:
        NonFiniteError: the policy never gives a finite action.
        EnvironmentFaultError: a fault of the environment ended every episode.
    """

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(FIRST_SEED, FIRST_SEED + context.config.episodes)
        found = evaluate(
            context.env, network, seeds, on_step=context.steps(len(seeds)), on_ended=clip_keeper(context, name)
        )
        if found.aborted == found.episodes:  # by the policy, at least in part
            where = f"all {found.episodes} evaluation episodes of {name} in {context.run.path}"
            raise NonFiniteError("The action of the policy", where, "Its checkpoint is spoiled; start another run.")
        if found.warning:
            context.run.event("episodes of an evaluation were aborted", evaluation=name, what=found.warning)
        return found.to_json()

    return _evaluation(context.stage(name, work), context.run.path / name / "result.json")


def clip_keeper(context: Context, name: str) -> OnEnded:
    """Return what keeps the first episodes of an evaluation, for people to watch; nothing is learned from them.

    They are a dataset in the run's folder, with ids such as {name}-1000000.
    """

    def keep(episodes: list[Episode]) -> None:
        about = {"device": "policy", "operator": context.run.path.name, "versions": versions()}
        whole = [e for e in episodes[:SHOWN] if len(e)]
        shown = [e.slice(0, len(e), id=f"{name}-{e.meta.seed}", **about) for e in whole]
        dataset = Dataset(context.run.path / EVALUATED, create=True, task=context.config.task)
        dataset.add_many([e for e in shown if e.meta.id not in dataset])

    return keep


def stored_evaluation(path: Path, name: str) -> Evaluation:
    """Return the evaluation `name` ("before" or "after") of the finished run in the folder `path`.

    Raises:
        CorruptFileError: its file is damaged, or holds something else.
    """
    stored = path / name / "result.json"
    return _evaluation(read_json(stored, dict), stored)


def _evaluation(found: Mapping[str, Any], stored: Path) -> Evaluation:
    """Return the evaluation that was found in a file."""
    try:
        return Evaluation.from_json(found)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CorruptFileError(
            stored, "it holds no evaluation", "Remove it, and run the same command again."
        ) from error
