"""Trials of cloned policies: several ways to clone, of which the answers of the first round choose.

Episodes of all of them are asked about, so that the success head sees what each does; it then judges rollouts of each,
on seeds that no result is reported on. Where people were asked and could not tell, the first way is taken, untried.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.runs import Run
from robo_rlhf.data.training_arrays.observation_spread import starts_of
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.cloning import load_demonstrations, take_demonstrations
from robo_rlhf.pipeline.steps.finetuning import gaussian_actor
from robo_rlhf.pipeline.steps.success import success_share, waits_for_answers
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_meta, load_policy, save_policy
from robo_rlhf.policies.chunked import ChunkedPolicy
from robo_rlhf.rollouts.evaluation import SELECTION_SEED
from robo_rlhf.training import bc
from robo_rlhf.training_tools.operator_weights import weights_by_operator
from robo_rlhf.training_tools.settings import BCSettings

EPISODES = 100  # rollouts of each policy
NOISE = 0.25  # exploration of the episodes that are asked about, as a share of that of fine-tuning
BY_OPERATOR = "by operator"
FINE: dict[str, int | float | bool | str] = {"symlog": 0.02, "width": 256}


class Trial(NamedTuple):
    """One cloned policy that is tried."""

    way: str  # how it was cloned
    horizon: int  # the steps that it carries out of each prediction; 0: it predicts one at a time


def ways(config: PipelineConfig) -> dict[str, BCSettings]:
    """Return the settings of each way to clone that is tried, by its name.

    "fine" sees larger what is nearly zero, and disturbs it less: for tight tolerances. "by operator" weighs
    demonstrations by the skill of who showed them.
    """
    clone = replace(config.clone, seed=config.seed)
    found = {"plain": clone}
    if config.clone_by_operator:
        found[BY_OPERATOR] = clone
    if config.clone_ways > 1 and clone.policy == "flow":
        found["fine"] = replace(clone, settings={**clone.settings, **FINE}, obs_noise_least=0.02)
    return found


def clone_in_ways(context: Context) -> list[PipelinePolicy]:
    """Clone the demonstrations in each way; return a policy that explores a little for each trial."""
    config, demonstrations = context.config, take_demonstrations(context)
    for name, settings in ways(config).items():
        with context.training(_stage(name), {"demonstrations": [e.meta.id for e in demonstrations]}) as run:
            starts = None if run.result() else starts_of(context.env)
            weighting = weights_by_operator(demonstrations) if name == BY_OPERATOR else None
            progress = context.observer.progress
            bc.train(settings, run, demonstrations, weighting=weighting, starts=starts, progress=progress)
    std = NOISE * (config.finetune.std or config.residual_scale / 2)
    return [
        PipelinePolicy(gaussian_actor(_load(context, trial), config, std), config.finetune.std, _stage(trial.way))
        for trial in _trials(context)
    ]


def choose_clone(context: Context, policy: PipelinePolicy) -> tuple[Context, PipelinePolicy]:
    """Return the cloned policy that succeeds most often by the answers, as the stage `clone`, and its settings."""

    def work(run: Run) -> Mapping[str, Any]:
        trials, shares = _trials(context), list[float]()
        if not waits_for_answers(context, policy):
            seeds = np.arange(SELECTION_SEED, SELECTION_SEED + EPISODES)
            for trial in trials:
                shares.append(success_share(context, policy.success, _load(context, trial), seeds))
        best = trials[max(range(len(shares)), key=shares.__getitem__)] if shares else trials[0]
        _keep(context, best)
        tried = [{**t._asdict(), "success": share} for t, share in zip(trials, shares, strict=False)]
        return {**best._asdict(), "tried": tried}

    chosen = context.stage("trials/choice", work)
    cloned = load_policy(_checkpoint(context, "clone"))
    config = replace(context.config, clone=ways(context.config)[chosen["way"]])
    return replace(context, config=config), replace(policy, network=cloned, base="clone")


def _keep(context: Context, trial: Trial) -> None:
    """Save the policy of a trial as that of the stage `clone`."""
    clone = context.run.child("clone", {"demonstrations": [e.meta.id for e in load_demonstrations(context)]})
    meta = {name: value for name, value in load_meta(_checkpoint(context, _stage(trial.way))).items()}
    save_policy(
        _load(context, trial), clone.checkpoint_path("policy"), {k: v for k, v in meta.items() if k != "policy"}
    )
    clone.finish(trial._asdict())


def _trials(context: Context) -> list[Trial]:
    """Return the trials: each way, at half and at whole chunks."""
    found = []
    for name, settings in ways(context.config).items():
        network = load_policy(_checkpoint(context, _stage(name)))
        chunk = network.chunk if isinstance(network, ChunkedPolicy) else 1
        usual = int(settings.settings.get("execution_horizon", -(-chunk // 2)))
        found += [
            Trial(name, horizon) for horizon in (dict.fromkeys((min(usual, chunk), chunk)) if chunk > 1 else (0,))
        ]
    return found


def _load(context: Context, trial: Trial) -> TrainedPolicy:
    network = load_policy(_checkpoint(context, _stage(trial.way)))
    if isinstance(network, ChunkedPolicy) and trial.horizon:
        network.execution_horizon = network.settings["execution_horizon"] = trial.horizon
    return network


def _checkpoint(context: Context, stage: str) -> Path:
    return context.run.path / stage / "checkpoints" / "policy.safetensors"


def _stage(way: str) -> str:
    return f"trials/{way.replace(' ', '-')}"
