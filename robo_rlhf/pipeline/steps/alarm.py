"""The alarm that listens to people: whether the newest policy is worse than the one before, by held-out answers.

A few questions a round compare clips of the newest policy with clips of the one before, at the same stage. Their
answers train nothing. Where people prefer the older ones although the learned reward calls the newer ones better, the
reward is being exploited (Gao et al. 2023), and the policy of the round before is continued with. No success has to be
known.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.held_out import WATCHES
from robo_rlhf.feedback.notes import Round
from robo_rlhf.feedback.store import Question, question_id
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rewards.watching import shown_to
from robo_rlhf.training_tools.gates import prefers_older

KIND, USUAL = "pairwise", 15  # of the questions; how many a round where people answer


def questions_asked(context: Context) -> int:
    """Return how many questions of a round are held out for the alarm."""
    config = context.config
    usual = min(USUAL, config.labels_of(1)) if config.annotator == "human" else 0
    return usual if config.alarm_questions is None else config.alarm_questions


def watching_clips(context: Context, number: int) -> list[list[Segment]]:
    """Return pairs of clips: of round `number`'s policy, and of the one before; none in the first round."""
    if number < 2:
        return []
    config, dataset = context.config, context.clips
    names = sorted(dataset.ids())
    lengths = {name: dataset.info(name).length for name in names if name.startswith((f"r{number}-", f"r{number - 1}-"))}
    newer, older = (
        [name for name, steps in lengths.items() if steps and name.startswith(f"r{k}-")] for k in (number, number - 1)
    )
    rng = np.random.default_rng((config.seed, number, 5))
    pairs = []
    for _ in range(questions_asked(context) if newer and older else 0):
        stage = float(rng.uniform())
        pair = [str(rng.choice(some)) for some in (newer, older)]
        length = min(config.clip_steps, *(lengths[name] for name in pair))
        pairs.append([Segment(name, round(stage * (lengths[name] - length)), length) for name in pair])
    return pairs


def as_questions(context: Context, pairs: list[list[list[Any]]], number: int, dataset: str) -> list[Question]:
    """Return the questions about pairs of clips, half of them with the newer clip second."""
    found = []
    for index, pair in enumerate(pairs):
        clips = tuple(Segment(*clip) for clip in (pair if index % 2 else reversed(pair)))
        name = context.run.path.name
        meta = {WATCHES: "A" if index % 2 else "B"}  # the newer one
        key = question_id(name, number, f"{KIND} held out", clips)
        found.append(Question(key, name, number, KIND, context.config.task, clips, dataset, meta=meta))
    return found


def listen(context: Context, made: Sequence[PipelinePolicy], newest: PipelinePolicy, number: int) -> PipelinePolicy:
    """Return the newest policy, or the one before the one that people say is worse, by the newest answered round.

    `made`: the policies that fine-tuning began with in the rounds before; the episodes of round k are of the policy
    that round k - 1 made, which is what round k began with.
    """
    answered = context.config.answered_in(number)
    policies = [*made, newest]
    if answered < 2 or not questions_asked(context) or policies[answered - 1] is policies[answered - 2]:
        return newest
    if answered < number and (context.run.child(f"round-{number - 1}/alarm", {}).result() or {}).get("fired"):
        return newest  # the answers are about a policy that was given up when they were asked for
    older = policies[answered - 2]

    def work(run: Run) -> Mapping[str, Any]:
        newer, before = _votes(context, answered)
        why = prefers_older(newer, before, _gain(context, newest, answered))
        asked = questions_asked(context)
        silent = f"nobody has answered any of the {asked} questions that are held out for it"
        outcome = {
            "newer": newer,
            "older": before,
            "fired": bool(why),
            "why": why or ("" if newer + before else silent),
        }
        context.run.event("alarm", round=number, **outcome)
        if why:
            meta = {"why": why, "continues_with": f"round {older.round}" if older.round else "the policy before"}
            context.store.rounds.set(Round(context.run.path.name, number, "rolled back", meta))
            context.run.event("rolled back", round=number, **meta)
        return outcome

    return older if context.stage(f"round-{number}/alarm", work)["fired"] else newest


def _votes(context: Context, number: int) -> tuple[int, int]:
    """Return how many answers of a round prefer the newer clip, and the older one."""
    name = context.run.path.name
    newer = {q.id: q.meta[WATCHES] for q in context.store.questions(run=name, round=number) if WATCHES in q.meta}
    votes = [
        (newer[a.question_id], a.value.get("choice"))
        for a in context.store.answers(run=name, round=number)
        if a.question_id in newer
    ]
    return sum(new == choice for new, choice in votes), sum(
        choice in ("A", "B") and new != choice for new, choice in votes
    )


def _gain(context: Context, policy: PipelinePolicy, number: int) -> float:
    """Return how much more reward a step the newest clips have, by the reward that the newest policy maximised."""
    assert policy.reward is not None
    reward = PenalizedReward(policy.reward, context.config.uncertainty_penalty)
    show = shown_to(policy.reward, context.home)
    means = []
    for k in (number, number - 1):
        episodes = [
            e for e in context.clips.load_all([n for n in context.clips.ids() if n.startswith(f"r{k}-")]) if len(e)
        ]
        seen = [show(episode) for episode in episodes]
        means.append(float(np.mean([reward(e.obs[:-1], e.action, e.obs[1:]).mean() for e in seen])))
    return means[0] - means[1]
