"""Questions about what the policy might do next, and what its fine-tuning learns from their answers."""

from dataclasses import replace

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Episode, Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CLIP_NAMES
from robo_rlhf.feedback.store import Question, question_id
from robo_rlhf.pipeline.config import OF_ACTIONS
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.policies.base import GaussianActor
from robo_rlhf.rollouts.what_if import Frame, held_steps, steps_of, what_if
from robo_rlhf.sim.envs.task_env import versions
from robo_rlhf.training_tools.action_preferences import ActionChoice, ActionPreferences

FOLDER = "what-if"  # in the folder of the run: the rollouts


def what_ifs(context: Context) -> Dataset:
    """Return the what-if rollouts of the run."""
    return Dataset(context.run.path / FOLDER, create=True, task=context.config.task)


def roll_out_actions(context: Context, policy: PipelinePolicy, number: int) -> list[list[Segment]]:
    """Return the clips of round `number`'s questions about actions, rolled out and stored.

    None where the policy does the same whatever its noise: an event says so, and pairs are asked about in their place.
    """
    count, env, actor = context.config.actions_of(number), context.env, policy.network
    if not count:
        return []
    assert isinstance(actor, GaussianActor)
    rng = np.random.default_rng((context.config.seed, number, 7))
    try:
        found = what_if(env, actor, _frames(context, number, count, rng), rng, KINDS[OF_ACTIONS].num_clips.start)
    except InvalidValueError as error:
        context.run.event("no questions about actions", round=number, why=str(error))
        return []
    dataset, name = what_ifs(context), context.run.path.name
    made = versions()
    named = [
        [
            replace(
                e,
                meta=replace(
                    e.meta, id=f"what-if-{number}-{e.meta.id}", operator=name, versions={**made, **e.meta.versions}
                ),
            )
            for e in candidates
        ]
        for candidates in found
    ]
    dataset.add_many([e for candidates in named for e in candidates if e.meta.id not in dataset])
    return [[Segment(e.meta.id, 0, len(e)) for e in candidates] for candidates in named if _comparable(candidates)]


def _frames(context: Context, number: int, count: int, rng: np.random.Generator) -> list[Frame]:
    """Draw frames of round `number`'s episodes from which a rollout ends before the horizon.

    Raises:
        InvalidValueError: no episode is long enough.
    """
    dataset, steps = context.clips, steps_of(context.env)
    names = sorted(name for name in dataset.ids() if name.startswith(f"r{number}-"))
    names = [name for name in names if dataset.info(name).length > steps]
    if not names:
        raise InvalidValueError("episodes to act in", "none", f"at least one of more than {steps} steps")
    episodes = [dataset.load(str(name)) for name in rng.choice(names, count)]
    return [Frame(episode, int(rng.integers(len(episode) - steps + 1))) for episode in episodes]


def _comparable(candidates: list[Episode]) -> bool:
    """Whether no fault cut a rollout short."""
    return len({len(episode) for episode in candidates}) == 1 and len(candidates[0]) > 0


def as_questions(context: Context, clips: list[list[Segment]], number: int) -> list[Question]:
    """Return the questions about sets of what-if rollouts."""
    run, found = context.run, list[Question]()
    dataset = str((run.path / FOLDER).relative_to(context.home))
    for some in clips:
        segments = tuple(Segment(*clip) for clip in some)
        key = question_id(run.path.name, number, OF_ACTIONS, segments)
        found.append(Question(key, run.path.name, number, OF_ACTIONS, context.config.task, segments, dataset))
    return found


def action_preferences(context: Context, number: int) -> ActionPreferences | None:
    """Return what people chose until round `number` fine-tunes; None where they chose nothing."""
    store, name = context.store, context.run.path.name
    if not context.config.actions:
        return None
    until = context.config.answered_in(number)
    asked = {q.id: q for q in store.questions(run=name) if q.kind == OF_ACTIONS and q.round <= until}
    order, dataset, found = {q: i for i, q in enumerate(asked)}, what_ifs(context), list[ActionChoice]()
    answers = [answer for answer in store.answers(run=name) if answer.question_id in asked]
    for answer in sorted(answers, key=lambda a: (order[a.question_id], a.annotator)):
        clips = asked[answer.question_id].segments
        choice = answer.value["choice"]
        if choice in CLIP_NAMES[: len(clips)] and all(clip.episode_id in dataset for clip in clips):
            episodes = [dataset.load(clip.episode_id) for clip in clips]
            found.append(ActionChoice(episodes, CLIP_NAMES.index(choice)))
    return ActionPreferences(found, held_steps(context.env.control_dt)) if found else None
