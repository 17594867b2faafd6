"""The RLHF pipeline, top to bottom: each step is given the context and the newest policy, and returns the next."""

from dataclasses import replace
from pathlib import Path

from robo_rlhf.core.files import feedback_database
from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.judgeable import check_task
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.context import Answerer, Context, PipelinePolicy, open_context
from robo_rlhf.pipeline.demonstrations import find_demonstrations
from robo_rlhf.pipeline.recipe.deciding import deciding, measured
from robo_rlhf.pipeline.recipe.forecast import forecast
from robo_rlhf.pipeline.recipe.speed import Speed
from robo_rlhf.pipeline.recipe.trials import choose_clone, clone_in_ways
from robo_rlhf.pipeline.steps.alarm import listen, questions_asked
from robo_rlhf.pipeline.steps.chunk_execution import choose_execution_horizon
from robo_rlhf.pipeline.steps.cloning import clone_demonstrations, untrained
from robo_rlhf.pipeline.steps.evaluation import evaluate_policy, stored_evaluation
from robo_rlhf.pipeline.steps.exploration_noise import choose_exploration_noise
from robo_rlhf.pipeline.steps.finetuning import base_policy, explore, fine_tunable, finetune
from robo_rlhf.pipeline.steps.gate import gate, look_again
from robo_rlhf.pipeline.steps.observers import Observer
from robo_rlhf.pipeline.steps.questions import answer, ask, ask_about_last, collect, withdraw_unanswered
from robo_rlhf.pipeline.steps.reward import learn_reward
from robo_rlhf.pipeline.steps.self_imitation import self_imitate
from robo_rlhf.pipeline.steps.simulated_labels import known_reasons
from robo_rlhf.pipeline.steps.success import learn_success
from robo_rlhf.processes.heartbeat import held, keep_heartbeat
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
    new, speed = not path.exists(), None
    with held(path):
        if new:  # a wrong command leaves no folder behind
            if is_outside(config.task):
                make_env(config.task).close()
            if config.demos:
                find_demonstrations(config, home)
            if config.annotator == "simulated" and config.teacher.reasons:
                with Store(feedback_database(home)) as store:
                    known_reasons(store, config.task)
            speed = measured(config, home)
        run = Run(path, config)
        if run.result() is not None:
            return stored_evaluation(path, "before"), stored_evaluation(path, "after")
        with open_context(config, run, home, observer, annotators) as context, keep_heartbeat(run):
            return _work(context, speed)


def _work(context: Context, speed: Speed | None) -> tuple[Evaluation, Evaluation]:
    """Run the remaining stages; return the evaluations before and after."""
    context.run.event("session")
    with deciding(context, speed) as decided:
        before, policy = _rounds(decided)
        after = evaluate_policy(decided, "after", policy.network)
    stage = f"round-{policy.round}/finetune" if policy.round else policy.base
    context.run.finish({"before": before.summary(), "after": after.summary(), "policy": stage})
    return before, after


def _rounds(context: Context) -> tuple[Evaluation, PipelinePolicy]:
    """Do all rounds; return the evaluation of the policy before fine-tuning, and the fine-tuned policy."""
    tried = clone_in_ways(context) if context.config.clone_ways else []
    if tried:
        policy, before = tried[0], None
    else:
        policy, before = (_imitate if context.config.demos else _begin_untrained)(context)
    made = list[PipelinePolicy]()  # the policy that each round began to fine-tune
    for number in range(1, context.config.rounds + 1):
        collect(context, tried if number == 1 and tried else [policy], number)
        answer(context, ask(context, policy, number), number)
        policy = listen(context, made, policy, number)
        policy = learn_success(context, learn_reward(context, policy, number), number)
        if number == 1 and tried:
            context, policy, before = _start_from_best(context, policy)
        elif number == 1 and policy.success is not None and context.config.demos:
            policy = _choose_by_answers(context, policy)
        policy = look_again(context, made[-1] if made else None, policy, number, "look")
        made.append(policy)
        policy = gate(context, policy, finetune(context, policy, number), number)
        forecast(context, number)
    assert before is not None  # the first round made it
    first = made[0] if number > 1 else None  # which the gate of the only round compared with
    return before, _ask_about_last(context, made, look_again(context, first, policy, number, "begun"))


def _ask_about_last(context: Context, made: list[PipelinePolicy], policy: PipelinePolicy) -> PipelinePolicy:
    """Return the last policy, or the one before where people find the last worse; asked where rounds hold some out."""
    number = context.config.rounds + 1
    if not (context.run.path / f"round-{number}").is_dir():  # its questions are not asked yet
        withdraw_unanswered(context)
    if not questions_asked(context) or policy.round < context.config.rounds:
        return policy
    collect(context, [policy], number)
    answer(context, ask_about_last(context, number), number)
    return listen(context, made, policy, number)


def _start_from_best(context: Context, policy: PipelinePolicy) -> tuple[Context, PipelinePolicy, Evaluation]:
    """Return the best of the cloned policies that were tried, ready to be fine-tuned, and its evaluation."""
    context, policy = choose_clone(context, policy)
    before = evaluate_policy(context, "before", fine_tunable(context, policy))
    policy = choose_exploration_noise(context, self_imitate(context, policy))
    return context, replace(policy, network=fine_tunable(context, policy)), before


def _imitate(context: Context) -> tuple[PipelinePolicy, Evaluation]:
    """Clone the demonstrations; return the policy to fine-tune, and the evaluation of the plain cloned policy."""
    policy = choose_execution_horizon(context, clone_demonstrations(context))
    before = evaluate_policy(context, "before", fine_tunable(context, policy))
    policy = choose_exploration_noise(context, self_imitate(context, policy))
    return replace(policy, network=fine_tunable(context, policy)), before


def _choose_by_answers(context: Context, policy: PipelinePolicy) -> PipelinePolicy:
    """Return the cloned policy as it is to be fine-tuned, by what people call success."""
    cloned = replace(policy, network=base_policy(context, policy))
    chosen = choose_exploration_noise(context, choose_execution_horizon(context, cloned))
    return replace(chosen, network=fine_tunable(context, chosen))


def _begin_untrained(context: Context) -> tuple[PipelinePolicy, Evaluation]:
    """Draw a policy; return it, explored where that is asked for, and the evaluation of the untrained one."""
    policy = untrained(context)
    before = evaluate_policy(context, "before", policy.network)
    return explore(context, policy), before
