"""The RLHF pipeline, top to bottom."""

from functools import partial
from pathlib import Path

from robo_rlhf.core.heartbeat import held, keep_heartbeat
from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.judgeable import check_task
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.demonstrations import find_demonstrations
from robo_rlhf.pipeline.steps.chunk_execution import choose_execution_horizon
from robo_rlhf.pipeline.steps.exploration_noise import choose_exploration_noise
from robo_rlhf.pipeline.steps.gate import may_replace
from robo_rlhf.pipeline.steps.job import Answerer, PipelineJob, as_actor, stored_evaluation
from robo_rlhf.pipeline.steps.observers import NullObserver, Observer
from robo_rlhf.pipeline.steps.sac_round import explore, initial_policy, train_sac_round, untrained_policy
from robo_rlhf.pipeline.steps.self_imitation import self_imitate
from robo_rlhf.policies.base import GaussianActor, TrainedPolicy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.rollouts.evaluation import Evaluation
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.external.ids import is_outside


def run_loop(
    config: PipelineConfig,
    path: Path,
    home: Path,
    *,
    observer: Observer | None = None,
    annotators: Answerer | None = None,
) -> tuple[Evaluation, Evaluation]:
    """Run or resume the whole pipeline in the run folder `path`; return the evaluations before and after.

    Raises:
        BusyError: another process works on it.
        RoboRlhfError: anything that a user can cause, each with its message; finished stages are kept.
    """
    if config.annotator == "human":
        check_task(config.task, "Let the simulated teacher answer: --annotator simulated.")
    new = not path.exists()
    with held(path):
        if new:  # a wrong command leaves no folder behind
            if is_outside(config.task):
                make_env(config.task).close()
            if config.demos:
                find_demonstrations(config, home)
        job = PipelineJob(config, Run(path, config), home, observer or NullObserver(), annotators)
        if job.run.result() is not None:
            return stored_evaluation(path, "before"), stored_evaluation(path, "after")
        with keep_heartbeat(job.run):
            return _work(job)


def as_fine_tunable(job: PipelineJob, clone: TrainedPolicy) -> GaussianActor | TanhGaussianPolicy:
    """Return the cloned policy in the form that is fine-tuned; it acts as before until then."""
    return initial_policy(job) if job.config.learner == "sac" else as_actor(clone, job.config)


def imitate(job: PipelineJob) -> tuple[GaussianActor | TanhGaussianPolicy, Evaluation]:
    """Clone the demonstrations; return the policy to fine-tune, and the evaluation of the plain cloned policy.

    In between, self-imitation may improve the cloned policy, and then the exploration noise is chosen.
    """
    clone = choose_execution_horizon(job, job.clone())
    before = job.evaluate("before", as_fine_tunable(job, clone))
    clone = self_imitate(job, clone)
    if job.config.learner == "ppo":
        choose_exploration_noise(job, clone)
    return as_fine_tunable(job, clone), before


def _work(job: PipelineJob) -> tuple[Evaluation, Evaluation]:
    """Run the remaining stages; return the evaluations before and after."""
    job.run.event("session")
    config = job.config
    if config.demos:
        actor, before = imitate(job)
    else:
        before = job.evaluate("before", untrained_policy(job))
        actor = explore(job)
    climb = job.finetune if config.rl is config.finetune else partial(train_sac_round, job)
    model, kept = None, 0
    for number in range(1, config.rounds + 1):
        job.collect(number, actor)
        job.answer(number, job.ask(number, model))
        model = job.learn_reward(number)
        tuned = climb(number, model, after=kept)
        if not config.gate or may_replace(job, number, actor, tuned):
            actor, kept = tuned, number
    after = job.evaluate("after", actor)
    job.run.finish({"before": before.summary(), "after": after.summary()})
    return before, after
