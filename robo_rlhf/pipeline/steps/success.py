"""Success as people judge it: the head that is learned from their answers, and its verdict on policies.

Where people were asked whether episodes succeeded, their answers decide what the environment's mark of success would:
part of the reward, and every choice between policies. Nothing that the environment marks reaches a weight then.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Episode, Policy
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.quality.report import gold_of, weighted, weights_among
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.cloning import load_demonstrations, trimmed
from robo_rlhf.reward_fitting.answers import gather, success_examples
from robo_rlhf.rewards.success import ENDING, SuccessHead, fit_success, held_out_accuracy, load_success, save_success
from robo_rlhf.rollouts.evaluation import evaluate
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training.reward import episodes_of


def learn_success(context: Context, policy: PipelinePolicy, number: int) -> PipelinePolicy:
    """Return `policy` with the success head of round `number`, from all answers so far; unchanged without such."""
    store, name = context.store, context.run.path.name
    questions = [q for q in store.questions(run=name) if q.round <= number and q.kind == "success"]
    if not questions:
        return policy
    order, kind = {q.id: i for i, q in enumerate(questions)}, KINDS["success"]
    answers = [a for a in store.answers(run=name) if a.question_id in order and kind.labels(a.value)]
    answers.sort(key=lambda a: (order[a.question_id], a.annotator))
    answers = weighted(answers, weights_among(questions, answers, gold_of(store, task=context.config.task)))
    path = context.run.child(f"round-{number}/success", {}).checkpoint_path("success")

    def work(run: Run) -> Mapping[str, Any]:
        if not answers:
            return {"answers": 0}  # nobody could tell
        judged = gather(questions, answers, episodes_of(context.home))
        shown = [trimmed(episode, 2 * ENDING) for episode in load_demonstrations(context)]
        examples = success_examples(judged, shown)
        try:
            head = fit_success(examples)
        except InvalidValueError as error:  # there are no demonstrations, and all answers are alike
            context.run.event("no success head", round=number, why=str(error))
            return {"answers": 0}
        save_success(head, path, context.env.name)
        asked = examples.fold >= 0
        yes = float(np.average(examples.done[asked], weights=examples.weight[asked])) if asked.any() else None
        return {"answers": len(answers), "yes": yes, "held_out_accuracy": held_out_accuracy(head, examples)}

    found = context.stage(f"round-{number}/success", work)
    return replace(policy, success=load_success(path)) if found["answers"] else policy


def waits_for_answers(context: Context, policy: PipelinePolicy) -> bool:
    """Whether a choice has to wait until people have said what success is."""
    return bool(context.config.approvals) and policy.success is None


def success_by_seed(context: Context, head: SuccessHead | None, acting: Policy, seeds: Array) -> Array:
    """Return (M,) bool, whether the episodes of a policy end in success: by the head, else by the environment."""
    if head is None:
        return np.array(evaluate(context.env, acting, seeds).success_end, np.bool_)
    episodes = rollout(context.env, acting, seeds, record_state=False)
    ends = np.stack([episode.obs[-1] for episode in episodes])
    chance, _ = head.chance(ends)
    whole = np.array([episode.meta.outcome != "aborted" for episode in episodes])
    found: Array = (chance > 0.5) & whole
    return found


def as_judged(episode: Episode, head: SuccessHead) -> Episode:
    """Return an episode with the marks of success that people would give it, in place of the environment's."""
    done = head.chance(episode.obs)[0] > 0.5
    ends: Literal["success", "failure"] = "success" if done[-1] else "failure"
    outcome = episode.meta.outcome if episode.meta.outcome == "aborted" else ends
    return replace(episode, success=done, meta=replace(episode.meta, outcome=outcome))
