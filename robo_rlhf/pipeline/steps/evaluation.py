"""The evaluations of the pipeline, on seeds that nothing is learned from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.errors import CorruptFileError, NonFiniteError
from robo_rlhf.core.files import read_json
from robo_rlhf.core.runs import Run
from robo_rlhf.pipeline.context import Context
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.rollouts.evaluation import FIRST_SEED, Evaluation, evaluate


def evaluate_policy(context: Context, name: str, network: TrainedPolicy) -> Evaluation:
    """Evaluate a policy, as the stage `name`.

    Raises:
        NonFiniteError: the policy never gives a finite action.
        EnvironmentFaultError: a fault of the environment ended every episode.
    """

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(FIRST_SEED, FIRST_SEED + context.config.episodes)
        found = evaluate(context.env, network, seeds, on_step=context.steps(len(seeds)))
        if found.aborted == found.episodes:  # by the policy, at least in part
            where = f"all {found.episodes} evaluation episodes of {name} in {context.run.path}"
            raise NonFiniteError("The action of the policy", where, "Its checkpoint is spoiled; start another run.")
        if found.warning:
            context.run.event("episodes of an evaluation were aborted", evaluation=name, what=found.warning)
        return found.to_json()

    return _evaluation(context.stage(name, work), context.run.path / name / "result.json")


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
