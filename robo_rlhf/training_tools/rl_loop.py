"""The training loop shared by RL algorithms: checks, resuming, iterations and checkpoints.

One iteration is one whole episode of every copy and then learning from it, so that no state of an environment outlives
an iteration, and a killed run that resumes from its checkpoint gives the same result as an uninterrupted run.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.runs import Run, fitting
from robo_rlhf.core.types import Array, Step, VecEnv
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import save_policy
from robo_rlhf.sim.envs.partial_observation import MaskedEnv
from robo_rlhf.training_tools.experience import Reward, refresh_reward
from robo_rlhf.training_tools.settings import RLSettings

Progress = Callable[[int, int, Mapping[str, float]], None]  # iterations done, total, newest metrics
Diagnostics = Callable[[int, int, Step], None]  # iteration, step within the episode, result of the step
Stored = tuple[Mapping[str, Array], Mapping[str, Any]]  # a checkpoint: arrays and a JSON object
A = TypeVar("A", bound=TrainedPolicy, covariant=True)
P = TypeVar("P", bound=TrainedPolicy)


class RLLearner(Protocol[A]):
    """A learner between two iterations."""

    done: int  # iterations
    ended: bool

    @property
    def actor(self) -> A:
        """The policy that learns."""
        ...

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return the whole state of training, as arrays and a JSON object."""
        ...

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave; see `runs.fitting`."""
        ...


def resume(run: Run, learner: RLLearner[P], carry: Stored | None) -> bool:
    """Resume `learner` where the run stopped, else from the round before; return whether it was the latter.

    Raises:
        CheckpointMismatchError: the run's checkpoint, or `carry`, is of another policy.
    """
    stored = run.load("training")
    found = stored if stored is not None or carry is None else (carry[0], {**carry[1], "done": 0, "ended": False})
    if found is not None:
        actor = learner.actor
        expected = f"a {actor.kind} policy with settings {dict(actor.settings)}"
        with fitting(run.checkpoint_path("training"), expected):
            learner.unpack(*found)
    return stored is None and carry is not None


def rl_loop(
    config: RLSettings,
    run: Run,
    env: VecEnv,
    learner: RLLearner[P],
    reward: Reward,
    iterate: Callable[[bool], dict[str, float]],
    progress: Progress | None = None,
    on_iteration: Callable[[int, P, Mapping[str, float]], object] | None = None,
) -> None:
    """Iterate to the end, saving checkpoints; then save the policy as the run's checkpoint "policy".

    Args:
        config: the settings: interval of checkpoints, number of iterations.
        run: the run folder, for metrics, events and checkpoints.
        env: the environment.
        learner: the algorithm.
        reward: the reward to maximise; checked before each iteration for changes.
        iterate: runs one iteration of `learner`, given whether the reward has changed, and returns the metrics.
        progress: called after every iteration.
        on_iteration: the same, with the policy; a true return value ends the training early.
    """
    run.rewind_metrics(learner.done)
    while not learner.ended:
        metrics = iterate(refresh_reward(reward, run, learner.done + 1))
        run.log(learner.done, metrics)
        if metrics["reward_std"] == 0:
            run.event("the reward is the same for every step: nothing to maximise", iteration=learner.done)
        if on_iteration is not None and on_iteration(learner.done, learner.actor, metrics):
            learner.ended = True
        if learner.done % config.save_every == 0 or learner.ended:
            run.save("training", *learner.pack())
        if progress is not None:
            progress(learner.done, config.iterations, metrics)
    if run.result() is None:
        observation_mask = {"mask_delay": env.observation_mask.delay} if isinstance(env, MaskedEnv) else {}
        remembered = {"task": env.name, "algorithm": config.ALGORITHM, **observation_mask}
        save_policy(learner.actor, run.checkpoint_path("policy"), remembered)
        newest = [row for row in run.metrics() if row["step"] == learner.done]  # none where that line is damaged
        run.finish({"iterations": learner.done, **(newest[0] if newest else {})})


def check_fit(config: RLSettings, env: VecEnv, actor: TrainedPolicy) -> None:
    """Refuse an environment or a policy of other sizes.

    Raises:
        InvalidValueError: the environment has another number of copies.
        ShapeError: the policy has other observations or actions.
    """
    if env.num_envs != config.num_envs:
        what, wanted = f"copies of the environment for {config.ALGORITHM}", f"num_envs of the config, {config.num_envs}"
        raise InvalidValueError(what, env.num_envs, wanted)
    given, expected = (actor.obs_dim, actor.act_dim), (env.obs_dim, env.act_dim)
    if given != expected:
        raise ShapeError(f"(observation, action) sizes of the policy for {env.name}", expected, given)
