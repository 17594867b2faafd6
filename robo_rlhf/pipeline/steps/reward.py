"""Learning the reward from all answers so far."""

from collections.abc import Container
from dataclasses import replace

from robo_rlhf.feedback.held_out import for_training
from robo_rlhf.feedback.implicit.keeping import read_implicit, without_repeats
from robo_rlhf.feedback.quality.report import gold_of
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.cloning import load_demonstrations
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.training import reward
from robo_rlhf.vision.seen_episodes import SeenEpisodes
from robo_rlhf.vision.sight import Sight


def learn_reward(context: Context, policy: PipelinePolicy, number: int) -> PipelinePolicy:
    """Return `policy` with the reward model of round `number`."""
    with context.training(f"round-{number}/reward") as run:
        questions, answers = answers_so_far(context, number)
        config = replace(context.config.reward, seed=context.seed(number))
        extra, progress = extra_data(context), context.observer.progress
        load = reward.episodes_of(context.home, extra.pictures)
        model = reward.train(config, run, questions, answers, load, extra, progress=progress)
    return replace(policy, reward=model)


def answers_so_far(
    context: Context, number: int, given: Container[str] | None = None
) -> tuple[list[Question], list[Answer]]:
    """Return what the reward of round `number` learns from, in an order that does not depend on timing.

    `given`: of the round's own questions, those whose answers count; all of them where None.
    """
    store, name = context.store, context.run.path.name
    questions = [q for q in for_training(store.questions(run=name)) if q.round <= number]
    if given is not None:
        questions = [q for q in questions if q.round < number or q.id in given]
    order = {q.id: i for i, q in enumerate(questions)}
    answers = [a for a in store.answers(run=name) if a.question_id in order]
    answers.sort(key=lambda a: (order[a.question_id], a.annotator))
    until = (context.run.child(f"round-{number}/answer", {}).result() or {}).get("did_until")
    if context.config.implicit and until is not None:
        task, kind = context.config.task, context.config.annotator
        did = read_implicit(store, task, but_of=name, kind=kind, until=until)
        questions, answers = questions + did[0], without_repeats(questions + did[0], answers + did[1])
    return questions, answers


def extra_data(context: Context) -> reward.ExtraData:
    """Return what the reward learns from beside answers."""
    store, config = context.store, context.config
    pictures = _pictures(context)
    shown = load_demonstrations(context) if config.reward.demonstration_weight else []
    if pictures is not None:
        shown = [pictures.show(episode) for episode in shown]
    checked, teams = gold_of(store, task=config.task), store.teams()
    return reward.ExtraData(shown, checked=checked, pictures=pictures, teams=teams)


def _pictures(context: Context) -> SeenEpisodes | None:
    """Return what shows episodes to a reward with cameras, and the encoders of the cloned policy, which it keeps."""
    asked = context.config.reward
    if asked.reward != "visual" or not asked.settings.get("cameras"):
        return None
    settings = asked.settings
    sight = Sight(tuple(settings["cameras"]), int(settings["size"]), int(settings["looks"]))
    cloned = load_policy(context.run.path / "clone" / "checkpoints" / "policy.safetensors")
    encoder = cloned.encoder if settings.get("frozen") and isinstance(cloned, VisualPolicy) else None
    return SeenEpisodes(sight, float(settings["rate"]), context.home, encoder)
