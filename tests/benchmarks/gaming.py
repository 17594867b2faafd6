"""A policy that games a reward, and an honest one: when the alarm by people's held-out answers fires.

On the toy task and by the steps of `run`. The reward of the one is learned from mistaken answers and maximised without
restraint; that of the other from careful ones, as near to the cloned policy as a run keeps it: without restraint even
an honest reward is exploited there, and the alarm right to fire. The answers that are held out are careful in both.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.files import feedback_database
from robo_rlhf.core.runs import Run
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.held_out import WATCHES
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.pipeline.config import PipelineConfig, TeacherConfig, preset
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.alarm import USUAL, listen
from robo_rlhf.pipeline.steps.cloning import clone_demonstrations
from robo_rlhf.pipeline.steps.finetuning import finetune
from robo_rlhf.pipeline.steps.observers import NullObserver
from robo_rlhf.pipeline.steps.questions import answer, ask, collect
from robo_rlhf.pipeline.steps.reward import learn_reward
from robo_rlhf.pipeline.steps.simulated_labels import SimulatedLabeler
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.training_tools.settings import BCSettings, PPOSettings, RewardSettings
from tests.toy import ToyEnv, demonstrations

ROUNDS, MISTAKEN = 3, 0.9  # rounds of a run, the last one only to hear; share of mistaken answers
CAREFUL = TeacherConfig()
UNRESTRAINED = PPOSettings(
    num_envs=32, iterations=240, epochs=10, minibatch=1280, anchor=0.0, std=0.2, actor_lr=2e-3, target_kl=0.3
)
RESTRAINED = replace(UNRESTRAINED, iterations=120, anchor=0.02, std=0.1, actor_lr=5e-4, target_kl=0.06)


def config(seed: int, finetune: PPOSettings) -> PipelineConfig:
    """Return a short job."""
    sizes = {"demos": 12, "labels": 480, "rounds": ROUNDS, "collect": 32, "num_envs": 32, "dataset": "shown"}
    return preset(
        "tiny",
        task="toy",
        seed=seed,
        alarm_questions=USUAL,
        **sizes,
        clone=BCSettings(policy="gaussian", settings={"width": 64}, updates=800),
        reward=RewardSettings(settings={"width": 32, "members": 3}, fit=FitSettings(updates=300, learning_rate=1e-3)),
        finetune=finetune,
    )


def alarm(seed: int, home: Path) -> dict[str, Any]:
    """Return what was held out for the alarm and whether it fired, and how well each round's policy really does."""
    shown = Dataset(home / "shown", create=True, task="toy")
    shown.add_many(demonstrations(64, first_seed=1000 * seed, noise=0.8, pause=0.1))
    gamed, honest = config(seed, UNRESTRAINED), config(seed, RESTRAINED)
    return {"gamed": _run(gamed, home, "gamed", MISTAKEN), "honest": _run(honest, home, "honest", 0.0)}


def _run(job: PipelineConfig, home: Path, name: str, mistaken: float) -> dict[str, Any]:
    run = Run(home / "runs" / name, job)

    def people(store: Store, asked: Sequence[Question]) -> None:
        """Answer, mistaken or not where it trains, and careful where it is held out."""
        load = Dataset(run.path / "episodes").load
        for settings, held_out in ((replace(CAREFUL, mistake=mistaken or CAREFUL.mistake), False), (CAREFUL, True)):
            mine = [question for question in asked if (WATCHES in question.meta) == held_out]
            if mine:
                SimulatedLabeler(load, mine, settings, None).answer(store, mine, job.seed)

    with Store(feedback_database(home)) as store:
        context = Context(job, run, home, ToyEnv(32), store, NullObserver(), people)
        heard = _heard(context)
    clips = Dataset(run.path / "episodes")
    rounds = [[n for n in clips.ids() if n.startswith(f"r{k}-")] for k in range(1, ROUNDS + 1)]
    worth = [round(float(np.mean([e.reward.mean() for e in clips.load_all(names)])), 3) for names in rounds]
    return {"alarms": heard, "worth": worth}


def _heard(context: Context) -> list[dict[str, Any]]:
    """Do the rounds of a run as far as the last alarm; return what each alarm heard."""
    policy, made = clone_demonstrations(context), list[PipelinePolicy]()
    for number in range(1, ROUNDS + 1):
        collect(context, [policy], number)
        answer(context, ask(context, policy, number), number)
        policy = listen(context, made, policy, number)
        if number < ROUNDS:
            policy = learn_reward(context, policy, number)
            made.append(policy)
            policy = finetune(context, policy, number)
    results = {k: context.run.child(f"round-{k}/alarm", {}).result() for k in range(2, ROUNDS + 1)}
    return [{"round": k, **{w: r[w] for w in ("newer", "older", "fired")}} for k, r in results.items() if r]
