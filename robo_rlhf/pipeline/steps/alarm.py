"""The alarm that listens to people: whether the newest policy is worse than one before, by held-out answers.

A few questions a round compare clips of the newest policy with clips of the one before, from the same start and at the
same stage. Their answers train nothing. Where people prefer the older ones, in the newest round or in all rounds
together, the policy before is continued with: its reward was exploited (Gao et al. 2023), or its practice failed. No
success has to be known.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robo_rlhf.core.files import read_json
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


def repeated_starts(context: Context, number: int) -> int:
    """Return how many episodes of round `number` begin as those of the first round, so that clips can be paired."""
    return min(questions_asked(context), context.config.collect) if number > 1 else 0


def watching_clips(context: Context, number: int) -> list[list[Segment]]:
    """Return pairs of clips: of round `number`'s policy, and of the one before; none in the first round.

    Both begin from the same start, unless an earlier version collected the episodes of one of them.
    """
    if number < 2:
        return []
    before = _compared_with(context, number)
    config, dataset = context.config, context.clips
    lengths = {name: dataset.info(name).length for name in sorted(dataset.ids())}
    newer, older = (
        {name.removeprefix(f"r{k}-"): name for name, steps in lengths.items() if steps and name.startswith(f"r{k}-")}
        for k in (number, before)
    )
    both = [start for start in newer if start in older]
    rng = np.random.default_rng((config.seed, number, 5))
    pairs = []
    for index in range(questions_asked(context) if newer and older else 0):
        stage = float(rng.uniform())
        starts = [both[index % len(both)]] * 2 if both else [str(rng.choice(list(some))) for some in (newer, older)]
        pair = [newer[starts[0]], older[starts[1]]]
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
    """Return the newest policy, or the one before those that people say are worse, by the newest answered round.

    `made`: the policies that fine-tuning began with in the rounds before; the episodes of round k are of the policy
    that round k - 1 made, which is what round k began with.
    """
    answered, policies = context.config.answered_in(number), [*made, newest]
    given_up = max((k for k, found in _results(context, number).items() if found["fired"]), default=1)
    rounds = [k for k in range(given_up + 1, answered + 1) if policies[k - 1].round != policies[k - 2].round]
    if not questions_asked(context) or not rounds or rounds[-1] != answered:
        return newest  # nothing new was compared, or what was given up when it was asked about

    def work(run: Run) -> Mapping[str, Any]:
        votes = [_votes(context, k) for k in rounds]
        back, why = prefers_older(votes, _gain(context, newest, answered), context.config.rounds)
        asked, (newer, before) = questions_asked(context), votes[-1]
        silent = f"nobody has answered any of the {asked} questions that are held out for it"
        outcome = {
            "newer": newer,
            "older": before,
            "fired": bool(back),
            "why": why or ("" if newer + before else silent),
            "began": rounds[-back],
        }
        context.run.event("alarm", round=number, **outcome)
        if back:
            older = policies[rounds[-back] - 2]
            meta = {"why": why, "continues_with": f"round {older.round}" if older.round else "the policy before"}
            context.store.rounds.set(Round(context.run.path.name, number, "rolled back", meta))
            context.run.event("rolled back", round=number, **meta)
        return outcome

    outcome = context.stage(f"round-{number}/alarm", work)
    return policies[outcome.get("began", answered) - 2] if outcome["fired"] else newest  # "began" is of this version


def _results(context: Context, number: int) -> dict[int, dict[str, Any]]:
    """Return the results of the alarm in the rounds before `number`."""
    results = {k: context.run.path / f"round-{k}" / "alarm" / "result.json" for k in range(2, number)}
    return {k: read_json(path, dict) for k, path in results.items() if path.is_file()}


def _compared_with(context: Context, number: int) -> int:
    """Return the round whose episodes are of the policy before that of round `number`: what was given up is none."""
    found = _results(context, number).get(number - 1, {"fired": False})
    began = found.get("began", context.config.answered_in(number - 1))  # an earlier version tested one round alone
    return int(began) - 1 if found["fired"] else number - 1


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
    for k in (number, _compared_with(context, number)):
        episodes = [
            e for e in context.clips.load_all([n for n in context.clips.ids() if n.startswith(f"r{k}-")]) if len(e)
        ]
        seen = [show(episode) for episode in episodes]
        means.append(float(np.mean([reward(e.obs[:-1], e.action, e.obs[1:]).mean() for e in seen])))
    return means[0] - means[1]
