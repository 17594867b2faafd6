"""What a node of a cluster does: it plays a batch of episodes."""

from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.rollouts.sending import dumps, loads
from robo_rlhf.rollouts.turns import network_of, random_states


def play(given: bytes) -> bytes:
    """Play a batch of episodes, as `turns.spread` sends it; return them and the policy's random numbers after them."""
    use_one_thread()
    env, policy, turn, source, record_state = loads(given)
    episodes = rollout(env, policy, turn, source=source, record_state=record_state)
    return dumps(episodes, random_states(network_of(policy)))
