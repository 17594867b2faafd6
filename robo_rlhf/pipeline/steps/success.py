"""Success as people judge it: the head that is learned from their answers, and its verdict on policies.

Where people were asked whether episodes succeeded, their answers decide what the environment's mark of success would:
part of the reward, and every choice between policies. Nothing that the environment marks reaches a weight then.

A policy that is optimised against a head, or chosen by it, may succeed less often than the head sees. So in every round
people judge episodes of the newest policy, from starts that nothing was chosen on, most of them where the head of the
round before is unsure; the chance with which each was chosen is written down, so that a mean over them, weighted by its
inverse, stands for all episodes. Where they show that the head is wrong, its verdicts are corrected by as much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.stats import prediction_powered
from robo_rlhf.core.types import Array, Episode, Policy, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.quality.report import gold_of, weighted, weights_among
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.feedback.selection import sample_in_proportion
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.cloning import load_demonstrations, trimmed
from robo_rlhf.reward_fitting.answers import fold_of, gather, success_examples
from robo_rlhf.rewards.success import (
    ENDING,
    SuccessHead,
    fit_success,
    held_out_accuracy,
    load_success,
    residuals,
    save_success,
)
from robo_rlhf.rollouts.evaluation import evaluate
from robo_rlhf.rollouts.rollout import OnEnded, rollout
from robo_rlhf.training.reward import episodes_of

INCLUSION = "inclusion"  # in a question's meta: the chance with which its episode was chosen among those of its round
UNSEEN = 0.2  # part of that chance, against an uncertainty of at most 0.5, that goes to every episode


def endings_to_judge(context: Context, head: SuccessHead | None, number: int) -> tuple[list[Segment], list[float]]:
    """Return the endings of round `number`'s episodes that people are asked to judge, and the chance of each of these.

    Drawn evenly where there is no head yet, else in proportion to how unsure it is, which makes the mean that is
    corrected by the answers the most precise (Neyman 1934).
    """
    config, dataset = context.config, context.clips
    names = [name for name in sorted(dataset.ids()) if name.startswith(f"r{number}-") and dataset.info(name).length]
    if not names:
        return [], []
    unsure = np.ones(len(names))
    if head is not None:
        chance, _ = head.chance(np.stack([episode.obs[-1] for episode in dataset.load_all(names)]))
        unsure = UNSEEN + np.sqrt(chance * (1 - chance))
    rng = np.random.default_rng((config.seed, number, 3))
    chosen, inclusion = sample_in_proportion(unsure, config.approvals_of(number), rng)
    steps = [dataset.info(names[i]).length for i in chosen]
    lengths = [min(config.clip_steps, whole) for whole in steps]
    clips = [Segment(names[i], t - n, n) for i, t, n in zip(chosen, steps, lengths, strict=True)]
    return clips, inclusion[chosen].tolist()


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
        rate = _newest_rate(context, head, number, questions, answers)
        head.overrates = 0.0 if rate is None else rate["overrates"]
        save_success(head, path, context.env.name)
        asked = examples.fold >= 0
        yes = float(np.average(examples.done[asked], weights=examples.weight[asked])) if asked.any() else None
        found = {"answers": len(answers), "yes": yes, "held_out_accuracy": held_out_accuracy(head, examples)}
        return {**found, "newest": rate}

    found = context.stage(f"round-{number}/success", work)
    return replace(policy, success=load_success(path)) if found["answers"] else policy


def _newest_rate(
    context: Context, head: SuccessHead, number: int, questions: Sequence[Question], answers: Sequence[Answer]
) -> dict[str, Any] | None:
    """Return how often round `number`'s episodes succeed, by the head and by answers about some of them.

    Each answer is compared with the members that were not trained on it. None where nobody answered in this round.
    """
    collected = context.run.child(f"round-{number}/collect", {}).result() or {}
    ends = {e.meta.id: e.obs[-1] for e in context.clips.load_all(collected.get("episodes", [])) if len(e)}
    asked = {q.id: q for q in questions if q.round == number and q.segments[0].episode_id in ends}
    given = [answer for answer in answers if answer.question_id in asked and answer.weight > 0]
    if not given:
        return None
    about = [asked[answer.question_id] for answer in given]
    fold = np.array([fold_of(question) for question in about])
    chance = head.held_out_chance(np.stack([ends[question.segments[0].episode_id] for question in about]), fold)
    says = np.array([answer.value["choice"] == "yes" for answer in given], np.float64)
    chosen = np.array([question.meta.get(INCLUSION, 1.0) for question in about])
    weight = np.array([answer.weight for answer in given]) / chosen
    predicted, _ = head.chance(np.stack(list(ends.values())))
    rate = prediction_powered(predicted, residuals(says, chance), weight)
    seen = float(predicted.mean())
    wrong = not rate.low <= seen <= rate.high  # else a few mistaken answers would move all that is chosen by the head
    return {"seen": seen, "overrates": wrong * (seen - rate.value), "answers": len(given), **rate._asdict()}


def waits_for_answers(context: Context, policy: PipelinePolicy) -> bool:
    """Whether a choice has to wait until people have said what success is."""
    return bool(context.config.approvals) and policy.success is None


def success_by_seed(
    context: Context, head: SuccessHead | None, acting: Policy, seeds: Array, on_ended: OnEnded | None = None
) -> Array:
    """Return (M,), whether the episodes of a policy end in success: the head's verdicts, else bool by the environment.

    The verdicts are chances, corrected by answers about the newest policy: see `SuccessHead.verdicts`. `on_ended` is
    given the episodes at the end, with their states.
    """
    if head is None:
        return np.array(evaluate(context.env, acting, seeds, on_ended=on_ended).success_end, np.bool_)
    episodes = rollout(context.env, acting, seeds, record_state=on_ended is not None)
    if on_ended is not None:
        on_ended(episodes)
    whole = np.array([episode.meta.outcome != "aborted" for episode in episodes])
    found: Array = np.where(whole, head.verdicts(np.stack([episode.obs[-1] for episode in episodes])), 0.0)
    return found


def success_share(context: Context, head: SuccessHead | None, acting: Policy, seeds: Array) -> float:
    """Return the share in [0, 1] of the episodes of a policy that end in success: see `success_by_seed`."""
    return float(np.clip(success_by_seed(context, head, acting, seeds).mean(), 0.0, 1.0))


def as_judged(episode: Episode, head: SuccessHead) -> Episode:
    """Return an episode with the marks of success that people would give it, in place of the environment's.

    It marks only what the head is sure of: what is imitated by mistake is seen again and again.
    """
    done = head.sure(episode.obs) > 0.5
    ends: Literal["success", "failure"] = "success" if done[-1] else "failure"
    outcome = episode.meta.outcome if episode.meta.outcome == "aborted" else ends
    return replace(episode, success=done, meta=replace(episode.meta, outcome=outcome))
