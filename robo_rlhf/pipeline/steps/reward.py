"""Learning the reward from all answers so far."""

from collections.abc import Container
from dataclasses import replace

from robo_rlhf.feedback.held_out import for_training
from robo_rlhf.feedback.implicit.keeping import read_implicit, without_repeats
from robo_rlhf.feedback.quality.report import gold_of
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.cloning import load_demonstrations
from robo_rlhf.training import reward


def learn_reward(context: Context, policy: PipelinePolicy, number: int) -> PipelinePolicy:
    """Return `policy` with the reward model of round `number`."""
    with context.training(f"round-{number}/reward") as run:
        questions, answers = answers_so_far(context, number)
        config = replace(context.config.reward, seed=context.seed(number))
        load, progress = reward.episodes_of(context.home), context.observer.progress
        model = reward.train(config, run, questions, answers, load, extra_data(context), progress=progress)
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
    shown = load_demonstrations(context) if config.reward.demonstration_weight else ()
    return reward.ExtraData(shown, checked=gold_of(store, task=config.task), teams=store.teams())
