"""Gates of the pipeline: a fine-tuned policy is kept only if it is not shown to be worse than the one before."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.evaluation import clip_keeper
from robo_rlhf.pipeline.steps.observers import TrueRewardLog, truth_rows
from robo_rlhf.pipeline.steps.success import success_by_seed
from robo_rlhf.rollouts.evaluation import SELECTION_SEED, evaluate
from robo_rlhf.rollouts.rollout import OnEnded
from robo_rlhf.training_tools.gates import Measurement, over_optimised, replacement

GATE_SEED = SELECTION_SEED + 500_000  # first of the seeds that gates judge on; no result is reported on them


def gate(context: Context, old: PipelinePolicy, new: PipelinePolicy, number: int) -> PipelinePolicy:
    """Return the policy of round `number`, or the one before it where it may not replace it."""
    return new if not context.config.gate or may_replace(context, old, new, number) else old


def look_again(
    context: Context, old: PipelinePolicy | None, new: PipelinePolicy, number: int, stage: str
) -> PipelinePolicy:
    """Return `new`, or an older policy where the success head of `new` shows that it is worse; the stage of a round.

    A gate judges by a head that the policy was optimised against, and that nobody taught about this policy yet. The
    head of the next round was trained on answers about its episodes.
    """
    if old is None or new.success is None or not context.config.gate or old.network is new.network:
        return new
    if may_replace(context, old, new, number, stage):
        return new
    return replace(old, reward=new.reward, success=new.success)


def may_replace(context: Context, old: PipelinePolicy, new: PipelinePolicy, number: int, stage: str = "gate") -> bool:
    """Return whether a policy replaces an older one; a stage of round `number`, and an event of the run."""

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(GATE_SEED, GATE_SEED + context.config.gate_episodes)
        keep = clip_keeper(context, f"round-{number}-{stage}")
        scores, judged = _scores(context, old, new, seeds, keep), new.success is not None
        decision = replacement(*scores, percent=judged).to_json()
        context.run.event("gate" if stage == "gate" else "looked again", round=number, **decision)
        kept = scores[1 if decision["accepted"] else 0]
        share = float(np.clip(kept.mean(), 0.0, 1.0)) if judged or kept.dtype == np.bool_ else None
        return {**decision, "success": share}

    return bool(context.stage(f"round-{number}/{stage}", work)["accepted"])


class OveroptimizationAlarm(TrueRewardLog):
    """A `TrueRewardLog` that also stops the training where the learned reward rises while success falls."""

    def __init__(self, run: Run, num_envs: int, window: int = 5) -> None:
        """Observe `run`; `window` iterations are compared with as many before."""
        super().__init__(run, num_envs)
        self.window = window

    def log(self, iteration: int, policy: object, metrics: Mapping[str, float]) -> bool:
        """Write a row for the iteration that ended; return whether to stop."""
        super().log(iteration, policy, metrics)
        learned = {int(row["step"]): row["reward"] for row in self.run.metrics()}
        rows = [row for row in truth_rows(self.run) if int(row["step"]) in learned]
        history = [
            Measurement(learned[int(r["step"])], round(r["success"] * r["episodes"]), int(r["episodes"])) for r in rows
        ]
        why = over_optimised(history, window=self.window)
        if why:
            self.run.event("over-optimised: the training of this round ends here", iteration=iteration, why=why)
        return bool(why)


def _scores(
    context: Context, old: PipelinePolicy, new: PipelinePolicy, seeds: Array, keep: OnEnded
) -> tuple[Array, Array]:
    """Return the success of both by seed, as people judge it or the environment does; returns where it marks none.

    `keep` is given the episodes of the new policy.
    """
    both = ((old, None), (new, keep))
    if new.success is not None:
        before, after = (success_by_seed(context, new.success, one.network, seeds, kept) for one, kept in both)
        return before, after
    found = [evaluate(context.env, one.network, seeds, on_ended=kept) for one, kept in both]
    marked = any(any(evaluation.success_end) for evaluation in found)
    before, after = (np.array(e.success_end, np.bool_) if marked else np.array(e.returns) for e in found)
    return before, after
