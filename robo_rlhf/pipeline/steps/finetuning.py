"""Fine-tuning on the learned reward, by PPO or SAC; the true return is logged, never used.

A policy without a likelihood, such as a flow, is kept as it is; a bounded correction on top of it is what learns.

SAC trains a policy from scratch, or a correction of the cloned policy. With demonstrations a share of each batch comes
from them. Without any it may explore before the first questions, without any reward, so that there is something to ask
about ("PEBBLE", Lee et al. 2021); those steps stay in the replay buffer and get the learned reward later.
"""

from dataclasses import replace

from robo_rlhf.core.learning import seeded, unpack_module
from robo_rlhf.core.runs import Run, fitting
from robo_rlhf.pipeline.action_questions import action_preferences
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.cloning import load_demonstrations, practice_starts
from robo_rlhf.pipeline.steps.gate import OveroptimizationAlarm
from robo_rlhf.pipeline.steps.meanwhile import FollowedReward
from robo_rlhf.pipeline.steps.observers import TrueRewardLog
from robo_rlhf.policies.base import GaussianActor, TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.on_base import on_top_of
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rewards.novelty import novelty
from robo_rlhf.rewards.success import WithSuccess
from robo_rlhf.training import ppo, sac
from robo_rlhf.training_tools.demonstrated_starts import DemonstratedStarts
from robo_rlhf.training_tools.experience import Reward
from robo_rlhf.training_tools.rl_loop import Stored
from robo_rlhf.training_tools.settings import PPOSettings
from robo_rlhf.training_tools.viewers import audience
from robo_rlhf.vision.observer import own_looks

CHOICE_WEIGHT = 1.0  # of the loss of chosen actions, where people were asked about actions and none is set
RESIDUAL_STD = 0.3  # initial deviation of a correction by SAC, before the tanh


def finetune(context: Context, policy: PipelinePolicy, number: int) -> PipelinePolicy:
    """Return `policy` fine-tuned on its reward, as the stage of round `number`.

    PPO continues from the newest accepted policy, with its value function and anchor. SAC continues from the round
    before, also where a gate refused that round: then only its policy is discarded, not its steps or value functions.
    """
    config, observer = context.config, context.observer
    settings = replace(
        config.rl, iterations=config.iterations_of(number), seed=context.seed(number), num_envs=config.num_envs
    )
    watched = audience(settings.objective, context.run.path, context.home, context.env)
    with context.training(_stage(number)) as run, watched as live:
        reward = _reward(context, policy, number, run)
        truth = (OveroptimizationAlarm if config.gate and policy.success is None else TrueRewardLog)(
            run, context.env.num_envs
        )
        actor: GaussianActor | TanhGaussianPolicy
        if isinstance(settings, PPOSettings):
            choices = action_preferences(context, number)
            weight = (settings.choice_weight or CHOICE_WEIGHT) if choices is not None else 0.0
            actor = ppo.train(
                replace(settings, std=policy.std, choice_weight=weight),
                run,
                context.env,
                gaussian_actor(base_policy(context, policy), config, policy.std),
                reward,
                carry=_carry(context, policy.round),
                progress=observer.progress,
                on_iteration=truth.log,
                diagnostics=truth.observe,
                live=live,
                choices=choices,
                begin=_practice_starts(context, number),
            )
        else:
            refused = policy.round < number - 1
            actor = sac.train(
                settings,
                run,
                context.env,
                _accepted_sac_actor(context, policy) if refused else _initial_sac_actor(context, policy),
                reward,
                demonstrations=load_demonstrations(context),
                carry=_carry(context, number - 1),
                refused=refused,
                progress=observer.progress,
                on_iteration=truth.log,
                diagnostics=truth.observe,
                live=live,
            )
    return replace(policy, network=actor, round=number)


def explore(context: Context, policy: PipelinePolicy) -> PipelinePolicy:
    """Return the policy that makes the clips of the first round: `policy`, or one that has explored."""
    config = context.config
    if not config.explore:
        return policy
    settings = replace(config.sac, iterations=config.explore, seed=context.seed(0), num_envs=config.num_envs)
    actor = _initial_sac_actor(context, policy)
    with context.training(_stage(0)) as run:
        sac.train(settings, run, context.env, actor, novelty, progress=context.observer.progress)
    return replace(policy, network=actor)


def fine_tunable(context: Context, policy: PipelinePolicy) -> GaussianActor | TanhGaussianPolicy:
    """Return a cloned policy in the form that is fine-tuned; it acts as before until then."""
    if context.config.rl is context.config.finetune:
        return gaussian_actor(policy.network, context.config, policy.std)
    return _initial_sac_actor(context, policy)


def gaussian_actor(network: TrainedPolicy, config: PipelineConfig, std: float) -> GaussianActor:
    """Return a policy as one that PPO can fine-tune, a correction exploring with deviation `std`."""
    if isinstance(network, GaussianActor):
        return network
    with seeded(config.seed):  # its hidden weights are drawn, and must be the same in every session of a run
        own, std = config.finetune.learn_encoder, std or config.residual_scale / 2
        return on_top_of(ResidualPolicy, network, scale=config.residual_scale, std=std, own_encoder=own)


def _reward(context: Context, policy: PipelinePolicy, number: int, run: Run) -> Reward:
    """Return the reward that the fine-tuning `run` maximises: what people prefer, and what they call success."""
    config = context.config
    assert policy.reward is not None
    if config.meanwhile:
        reward: PenalizedReward = FollowedReward(context, policy, number, run)
    else:
        reward = PenalizedReward(policy.reward, config.uncertainty_penalty)
    if policy.success is None or not config.success_weight:
        return reward
    return WithSuccess(reward, policy.success, config.success_weight)


def _practice_starts(context: Context, number: int) -> DemonstratedStarts | None:
    """Return where the episodes of round `number` begin, where that is more than a reset."""
    config = context.config
    if not config.reverse_curriculum:
        return None
    starts = practice_starts(config, load_demonstrations(context), number)
    found = {"share": starts.share, "back": config.curriculum_back(number), "states": len(starts.states)}
    context.stage(f"round-{number}/curriculum", lambda run: found)
    return starts


def _stage(number: int) -> str:
    """Return the training stage of round `number`; 0: the exploration before the first."""
    return f"round-{number}/finetune" if number else "explore"


def base_policy(context: Context, policy: PipelinePolicy) -> TrainedPolicy:
    """Return the policy that fine-tuning starts from, read anew: training changes it in place."""
    network = load_policy(context.run.path / policy.base / "checkpoints" / "policy.safetensors")
    network.look_at(context.env, own_looks(network.sight))
    return network


def _initial_sac_actor(context: Context, policy: PipelinePolicy) -> TanhGaussianPolicy:
    """Return the initial policy: the untrained one, or the cloned policy with a zero correction."""
    base, config = base_policy(context, policy), context.config
    if isinstance(base, TanhGaussianPolicy):
        return base
    with seeded(config.seed):  # hidden weights of the correction are drawn, the same in every session of a run
        return on_top_of(TanhGaussianPolicy, base, scale=config.residual_scale, std=RESIDUAL_STD, **config.sac_policy)


def _accepted_sac_actor(context: Context, policy: PipelinePolicy) -> TanhGaussianPolicy:
    """Return the newest accepted policy, as its stage saved it."""
    actor = _initial_sac_actor(context, policy)
    stored = _carry(context, policy.round)
    if stored is not None:
        path = context.run.path / _stage(policy.round) / "checkpoints" / "training.safetensors"
        with fitting(path, f"the policy of round {policy.round}"):
            unpack_module("actor", actor, stored[0])
    return actor


def _carry(context: Context, number: int) -> Stored | None:
    """Return what the training of round `number` ended with; 0: the exploration before the first, if any."""
    return context.run.child(_stage(number), {}).load("training") if number or context.config.explore else None
