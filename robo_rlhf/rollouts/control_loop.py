"""The control loop: the one place where a policy steps a world.

A person at a device, a scripted operator, a trained network and a replay are all policies. Recording, evaluation, the
collection of experience, clips and what-if rollouts iterate over these steps; they differ in what chooses the actions
and in what they keep of a step. A session of a person asks for the next step when the clock says so.
"""

from collections.abc import Callable, Iterator

from robo_rlhf.core.types import Array, Policy, Step, VecEnv

Act = Callable[[Array], Array]  # observations (N, obs_dim) → actions (N, act_dim)


def control_loop(env: VecEnv, act: Act, obs: Array) -> Iterator[Step]:
    """Yield step after step of `env`, whose observations are now `obs` (N, obs_dim), without end.

    An action is chosen when its step is asked for. An error of `act` or `env` ends the loop; that step was not taken.
    """
    while True:
        step = env.step(act(obs))
        yield step
        obs = step.obs


def seed_turn(policy: Policy, turn: Array) -> None:
    """Set the random numbers of a policy that has some, for a batch of episodes."""
    seed = getattr(policy, "seed", None)
    if callable(seed):
        seed(int(turn[0]))
