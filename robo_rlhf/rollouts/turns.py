"""Batches of episodes that are played on a cluster: what is sent, in which order, and what comes back.

An episode depends on its seed, its policy and the size of its batch, and not on the node that plays it. So a batch that
is lost with a node is played anew on another, with the same bits.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from robo_rlhf.core.learning import pack_generator, unpack_generator
from robo_rlhf.core.types import Array, Episode, Policy, Source, VecEnv
from robo_rlhf.executor.cluster import Cluster, joined
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.built_in import BuiltInPolicy
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.policies.foreign import ForeignPolicy
from robo_rlhf.policies.masked import MaskedPolicy
from robo_rlhf.rollouts.control_loop import seed_turn
from robo_rlhf.rollouts.sending import dumps, loads

PLAY = "robo_rlhf.rollouts.node:play"
SENT = TrainedPolicy | MaskedPolicy | ExploringPolicy | BuiltInPolicy | ForeignPolicy


def can_be_sent(policy: Policy, *, seed_turns: bool) -> bool:
    """Whether a policy can act on a node: not a person, and not code whose random numbers would stay there."""
    return isinstance(policy, SENT) and (seed_turns or not isinstance(policy, BuiltInPolicy | ForeignPolicy))


def any_order(policy: Policy) -> bool:
    """Whether batches of episodes of a policy may be played in any order: it draws nothing from one to the next."""
    if isinstance(policy, MaskedPolicy):
        return any_order(policy.policy)
    return isinstance(policy, ExploringPolicy) or (isinstance(policy, TrainedPolicy) and not policy.samples())


def spread(
    env: VecEnv, policy: Policy, turns: Sequence[Array], source: Source, *, record_state: bool, seed_turns: bool
) -> Iterator[list[Episode]] | None:
    """Play batches of episodes on the cluster that this process has joined; return those of each batch, in order.

    They are played at the same time where the policy draws nothing from one batch to the next, or draws anew for each;
    else one after the other. The policy's random numbers are afterwards as if it had acted here. None where there is no
    cluster, or the policy cannot be sent.
    """
    cluster = joined()
    if cluster is None or not can_be_sent(policy, seed_turns=seed_turns):
        return None
    return _spread(cluster, env, policy, turns, (source, record_state), seed_turns=seed_turns)


def _spread(
    cluster: Cluster, env: VecEnv, policy: Policy, turns: Sequence[Array], how: tuple[Source, bool], *, seed_turns: bool
) -> Iterator[list[Episode]]:
    independent = seed_turns or any_order(policy)

    def begin(turn: Array) -> object:
        if seed_turns:
            seed_turn(policy, turn)
        return cluster.begin(PLAY, dumps(env, policy, turn, *how))

    calls = []
    for turn in turns if independent else ():
        calls.append(begin(turn))
        policy.reset(env.num_envs)  # as the batch would have begun here: explorers count their batches
    for number, turn in enumerate(turns):
        episodes, random = loads(cluster.result(calls[number] if independent else begin(turn)))
        set_random_states(network_of(policy), random)
        yield episodes


def network_of(policy: object) -> TrainedPolicy | None:
    """Return the network of a policy; None of one that has none."""
    if isinstance(policy, ExploringPolicy):
        return policy.actor if isinstance(policy.actor, TrainedPolicy) else None
    found = getattr(policy, "policy", policy)  # inside one that masks what it sees, or changes its looks
    return found if isinstance(found, TrainedPolicy) else None


def random_states(policy: TrainedPolicy | None) -> dict[str, str]:
    """Return the states of the random numbers of a policy and of networks inside it, as text by the network's name."""
    return {name: base64.b64encode(pack_generator(g).tobytes()).decode() for name, g in _generators(policy)}


def set_random_states(policy: TrainedPolicy | None, states: Mapping[str, str]) -> None:
    """Set what `random_states` returned."""
    for name, generator in _generators(policy):
        if name in states:
            unpack_generator(generator, np.frombuffer(base64.b64decode(states[name]), np.uint8))


def _generators(policy: TrainedPolicy | None) -> Iterator[tuple[str, torch.Generator]]:
    for name, module in policy.named_modules() if policy is not None else ():
        generator = getattr(module, "generator", None)
        if isinstance(generator, torch.Generator):
            yield name, generator
