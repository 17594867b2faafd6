"""Learning the reward from all answers so far."""

from dataclasses import replace

from robo_rlhf.feedback.held_out import for_training
from robo_rlhf.feedback.implicit.keeping import read_implicit, without_repeats
from robo_rlhf.feedback.quality.report import gold_of
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
        store, name = context.store, context.run.path.name
        questions = [q for q in for_training(store.questions(run=name)) if q.round <= number]
        order = {q.id: i for i, q in enumerate(questions)}
        answers = [a for a in store.answers(run=name) if a.question_id in order]
        answers.sort(key=lambda a: (order[a.question_id], a.annotator))
        until = (context.run.child(f"round-{number}/answer", {}).result() or {}).get("did_until")
        if context.config.implicit and until is not None:
            task, kind = context.config.task, context.config.annotator
            did = read_implicit(store, task, but_of=name, kind=kind, until=until)
            questions, answers = questions + did[0], without_repeats(questions + did[0], answers + did[1])
        config = replace(context.config.reward, seed=context.seed(number))
        pictures = _pictures(context, policy)
        shown = load_demonstrations(context) if config.demonstration_weight else []
        if pictures is not None:
            shown = [pictures.show(episode) for episode in shown]
        checked = gold_of(store, task=context.config.task)
        extra = reward.ExtraData(shown, checked=checked, pictures=pictures, teams=store.teams())
        load, progress = reward.episodes_of(context.home, pictures), context.observer.progress
        model = reward.train(config, run, questions, answers, load, extra, progress=progress)
    return replace(policy, reward=model)


def _pictures(context: Context, policy: PipelinePolicy) -> SeenEpisodes | None:
    """Return what shows episodes to a reward with cameras, and the encoders of the cloned policy, which it keeps."""
    asked = context.config.reward
    if asked.reward != "visual" or not asked.settings.get("cameras"):
        return None
    settings = asked.settings
    sight = Sight(tuple(settings["cameras"]), int(settings["size"]), int(settings["looks"]))
    cloned = load_policy(context.run.path / policy.base / "checkpoints" / "policy.safetensors")
    encoder = cloned.encoder if settings.get("frozen") and isinstance(cloned, VisualPolicy) else None
    return SeenEpisodes(sight, float(settings["rate"]), context.home, encoder)
