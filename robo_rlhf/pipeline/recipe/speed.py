"""What a run's work costs on this machine, in seconds of the processor: measured once, and written into the run."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from robo_rlhf.core.types import Array, Episode, VecEnv
from robo_rlhf.executor.cluster import alone
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.steps.finetuning import gaussian_actor
from robo_rlhf.policies.base import GaussianActor, TrainedPolicy
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training.bc import BCLearner
from robo_rlhf.training.ppo import PPOLearner
from robo_rlhf.training_tools.settings import BCSettings
from robo_rlhf.training_tools.shaping import RewardObjective

Clock = Callable[[], float]
STEPS = 12  # of every copy that are timed: two predictions of a cloned policy
UPDATES, BEFORE = 20, 3  # gradient steps that are timed, and those before them
AFFORDABLE = 20.0  # [s] an iteration of PPO may take for it to be timed


@dataclass(frozen=True)
class Speed:
    """Seconds of the processor."""

    step: float  # a step of one copy of the environment, with the action of a cloned policy
    update: float  # a gradient step of cloning
    iteration: float  # an iteration of PPO, an episode of every copy; an estimate where steps are too expensive to try
    horizon: int = 1  # steps of an episode


@alone()
def measure(
    config: PipelineConfig, env: VecEnv, demonstrations: list[Episode], clock: Clock = time.process_time
) -> Speed:
    """Return what work costs here; nothing that is measured on is kept."""
    policy, update = time_updates(config.clone, demonstrations, clock)
    seeds = np.arange(env.num_envs)
    for steps in (1, STEPS):
        begun = clock()
        rollout(env, policy, seeds, record_state=False, steps=steps)
        step = (clock() - begun) / (steps * env.num_envs)
        if step * env.num_envs > AFFORDABLE / STEPS:
            break  # one says enough
    iteration = step * env.horizon * env.num_envs
    if iteration <= AFFORDABLE:
        iteration = _iteration(config, env, policy, clock)
    return Speed(step, update, iteration, env.horizon)


def time_updates(settings: BCSettings, shown: list[Episode], clock: Clock) -> tuple[TrainedPolicy, float]:
    """Return a policy that was cloned a little, and the seconds of a gradient step."""
    learner = BCLearner(replace(settings, updates=UPDATES + BEFORE, candidates=1), shown)
    for _ in range(BEFORE):
        learner.update()
    begun = clock()
    for _ in range(UPDATES):
        learner.update()
    update = (clock() - begun) / UPDATES
    return learner.finish(), update


def _iteration(config: PipelineConfig, env: VecEnv, policy: TrainedPolicy, clock: Clock) -> float:
    """Return the seconds of one iteration of PPO on a reward of no use."""
    actor: GaussianActor = gaussian_actor(policy, config, config.finetune.std)
    settings = replace(config.finetune, num_envs=env.num_envs, warmup=0, objective="learned")
    shaping = RewardObjective(RewardSum("learned"), env, settings.gamma, ends=settings.finite)
    learner = PPOLearner(settings, actor)
    begun = clock()
    learner.iterate(env, _anything, None, shaping)
    return clock() - begun


def _anything(obs: Array, action: Array, next_obs: Array) -> Array:
    found: Array = np.sin(next_obs.sum(-1)).astype(np.float32)
    return found
