"""Episodes of the newest policy, questions about clips of them, and the answers."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch

from robo_rlhf.core.errors import ConflictError, InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Episode, Segment
from robo_rlhf.feedback.held_out import for_training
from robo_rlhf.feedback.implicit.keeping import read_implicit
from robo_rlhf.feedback.reasons.given import OBJECTS
from robo_rlhf.feedback.selection import BY_MODELS, SegmentCandidate, select
from robo_rlhf.feedback.store import Question, Store, question_id
from robo_rlhf.pipeline import action_questions
from robo_rlhf.pipeline.action_questions import roll_out_actions, what_ifs
from robo_rlhf.pipeline.config import OF_ACTIONS
from robo_rlhf.pipeline.context import Answerer, Context, PipelinePolicy
from robo_rlhf.pipeline.steps.alarm import as_questions, repeated_starts, watching_clips
from robo_rlhf.pipeline.steps.cloning import load_demonstrations
from robo_rlhf.pipeline.steps.simulated_labels import SimulatedLabeler
from robo_rlhf.pipeline.steps.success import INCLUSION, endings_to_judge
from robo_rlhf.policies.base import Actor
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.watching import shown_to
from robo_rlhf.rollouts.rollout import check_environment, rollout
from robo_rlhf.sim.column_names import column_names, objects
from robo_rlhf.sim.envs.conditioned_env import ConditionedEnv
from robo_rlhf.sim.envs.task_env import TaskEnv, versions

RATED = "rating"  # the kind of question about a clip of the last policy by itself
COLLECT_SEED = 4_000_000  # first of the seeds of the episodes that clips are cut from


def collect(context: Context, policies: Sequence[PipelinePolicy], number: int) -> list[str]:
    """Run the newest policy with exploration, or each of several in turn, and store the episodes; return their ids."""
    config, name = context.config, context.run.path.name

    def meta(seed: int) -> Mapping[str, Any]:
        return {"id": f"r{number}-{seed}", "device": "policy", "operator": name, "versions": versions()}

    def work(run: Run) -> Mapping[str, Any]:
        first, again = COLLECT_SEED + 100_000 * config.seed, repeated_starts(context, number)
        seeds = np.arange(config.collect) + first + 1000 * number
        seeds[:again] -= 1000 * (number - 1)
        episodes = list[Episode]()
        for policy, part in zip(policies, np.array_split(seeds, len(policies)), strict=True):
            explorer = ExploringPolicy(cast(Actor, policy.network), context.seed(number))  # as `fine_tunable` gave it
            episodes += rollout(context.env, explorer, part, meta=meta, on_step=context.steps(len(part)))
        check_environment([e.meta for e in episodes], context.env.name)
        shown = load_demonstrations(context) if number == 1 else []
        shown = [e.slice(0, len(e), id=f"r0-{i:03d}") for i, e in enumerate(shown)]
        dataset = context.clips
        dataset.add_many([e for e in [*shown, *episodes] if e.meta.id not in dataset])
        return {"episodes": [e.meta.id for e in episodes]}

    return list(context.stage(f"round-{number}/collect", work)["episodes"])


def ask(context: Context, policy: PipelinePolicy, number: int) -> list[Question]:
    """Choose clips, by the reward model that there is, and write questions about them into the store."""
    run, config = context.run, context.config
    dataset = str((run.path / "episodes").relative_to(context.home))

    def work(run: Run) -> Mapping[str, Any]:
        acting = [[list(clip) for clip in clips] for clips in roll_out_actions(context, policy, number)]
        chosen = _choose(context, policy.reward, number, len(acting))
        compared = [[list(clip) for clip in clips] for clips in chosen]
        watching = [[list(clip) for clip in pair] for pair in watching_clips(context, number)]
        endings, inclusion = endings_to_judge(context, policy.success, number)
        asked = {"questions": compared, "success": [list(clip) for clip in endings], "inclusion": inclusion}
        named = _objects(context) if config.clips_a_question == 2 else []
        more = {"alarm": watching, "actions": acting, OBJECTS: named}
        return {**asked, **{name: some for name, some in more.items() if some}}

    questions, stored = list[Question](), context.stage(f"round-{number}/ask", work)
    about: dict[str, Any] = {"axes": list(config.axes)} if config.axes else {}
    about |= {OBJECTS: stored[OBJECTS]} if OBJECTS in stored else {}  # runs of earlier versions named none
    asked: list[tuple[str, Any, dict[str, Any]]] = [(config.question, clips, about) for clips in stored["questions"]]
    endings = stored.get("success", ())  # runs of earlier versions asked none, or drew them with equal chances
    chances = stored.get("inclusion", [1.0] * len(endings))
    asked += [("success", [clip], {INCLUSION: chance}) for clip, chance in zip(endings, chances, strict=True)]
    for kind, places, meta in asked:
        clips = tuple(Segment(*clip) for clip in places)
        key = question_id(run.path.name, number, kind, clips)
        questions.append(Question(key, run.path.name, number, kind, config.task, clips, dataset, meta=meta))
    questions += action_questions.as_questions(context, stored.get("actions", []), number)
    questions += as_questions(context, stored.get("alarm", []), number, dataset)
    context.store.add_questions(questions)
    return questions


def _objects(context: Context) -> list[str]:
    """Return the objects that reasons may name: those that the clips observe."""
    first = context.clips.info(min(context.clips.ids())).meta
    names, _ = column_names(first, context.env.obs_dim, context.env.act_dim)
    return list(objects(names))


def ask_about_last(context: Context, number: int) -> list[Question]:
    """Write questions about the last policy, which no reward of the run learns from: `number` is one after the last.

    They compare it with the policy before, and half as many of its clips are rated.
    """
    pairs = watching_clips(context, number)
    dataset, name = str((context.run.path / "episodes").relative_to(context.home)), context.run.path.name
    questions = list[Question]()
    for newest, _ in pairs[: -(-len(pairs) // 2)]:
        key = question_id(name, number, RATED, [newest])
        questions.append(Question(key, name, number, RATED, context.config.task, (newest,), dataset))
    questions += as_questions(context, [[list(clip) for clip in pair] for pair in pairs], number, dataset)
    context.store.add_questions(questions)
    return questions


def withdraw_unanswered(context: Context) -> None:
    """Withdraw what would train a run that trains no more; only where it practised meanwhile is anything unanswered.

    Older questions come first, so people would answer them in vain before those about the last policy.
    """
    left = context.store.questions(run=context.run.path.name, role="work", unanswered=True)
    for question in for_training(left):
        context.store.clips.withdraw_question(question.id, "its run has ended its practice")


def answer(context: Context, questions: Sequence[Question], number: int) -> None:
    """Collect answers to the questions of a round, from the simulated teacher or from human annotators.

    Where the policy practises meanwhile, a round collects those of the round before, but the first its own.
    """

    def work(run: Run) -> Mapping[str, Any]:
        name, answered = context.run.path.name, context.config.answered_in(number)
        asked = questions if answered == number else context.store.questions(run=name, round=answered)
        (context.annotators or _teacher(context))(context.store, asked)
        counts = context.store.counts(run=name, round=number)
        did = read_implicit(context.store, context.config.task, but_of=name)[1]
        until = {"did_until": max(one.number for one in did)} if did else {}  # what was done until now counts as well
        return {**counts._asdict(), **until}

    context.stage(f"round-{number}/answer", work)


def _choose(context: Context, model: RewardModel | None, number: int, others: int) -> list[tuple[Segment, ...]]:
    config, dataset = context.config, context.clips
    candidates, returns = list[SegmentCandidate](), list[Array]()
    show = None if model is None else shown_to(model, context.home)
    for episode in dataset.load_all(sorted(dataset.ids())):
        made_in = int(episode.meta.id[1:].split("-")[0])
        if made_in > number or not len(episode):  # one without a step was aborted at once
            continue
        length = min(config.clip_steps, len(episode))
        seen = episode if show is None else show(episode)
        for start in _starts(len(episode), length):
            stage = start / max(len(episode) - length, 1)
            clip = Segment(episode.meta.id, start, length)
            candidates.append(SegmentCandidate(clip, made_in, stage, demonstration=made_in == 0))
            if model is not None:
                returns.append(member_returns(model, seen.slice(start, length)))
    rng = np.random.default_rng((config.seed, number, 2))
    predicted = np.stack(returns, axis=1) if returns else None
    method = "uniform" if model is None and config.selection in BY_MODELS else config.selection
    compared = config.labels_of(number) - config.approvals_of(number) - others
    return select(candidates, compared, method, rng, predicted, clips=config.clips_a_question)


def _starts(steps: int, length: int) -> list[int]:
    """Return the starts of clips of `length`: half a clip apart or less, the last one reaching the very end."""
    room = steps - length
    count = max(-(-2 * room // length), 1)
    return [round(room * k / count) for k in range(count + 1)] if room else [0]


def member_returns(model: RewardModel, clip: Episode) -> Array:
    """Return the logit (E,) of a clip by each member."""
    with torch.inference_mode():
        inputs = (torch.from_numpy(a)[None] for a in (clip.obs[:-1], clip.action, clip.obs[1:]))
        found: Array = (model(*inputs).sum(-1)[:, 0] / model.temperature).numpy()
    return found


def teacher_of(context: Context, questions: Sequence[Question]) -> SimulatedLabeler:
    """Return the simulated teacher of the run, on the scale of the clips of `questions`."""
    env = context.env
    style_cost = env.task.style_cost if isinstance(env, TaskEnv | ConditionedEnv) else None
    clips, acting = context.clips, {clip.episode_id for q in questions if q.kind == OF_ACTIONS for clip in q.segments}
    branches = what_ifs(context) if acting else clips

    def load(name: str) -> Episode:
        return (branches if name in acting else clips).load(name)

    return SimulatedLabeler(load, questions, context.config.teacher, style_cost)


def _teacher(context: Context) -> Answerer:
    """Return the simulated teacher, who answers at once."""

    def teach(store: Store, questions: Sequence[Question]) -> None:
        try:
            teacher_of(context, questions).answer(store, questions, context.config.seed)
        except ConflictError as error:  # its folder was deleted, and its questions are still in the database
            wanted = "a name that no earlier run had: another run of this name asked the same and got other answers"
            raise InvalidValueError("--run", context.run.path.name, wanted) from error

    return teach
