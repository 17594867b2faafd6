"""Small untrained policies of reach for the tests of arenas."""

from pathlib import Path

from robo_rlhf.core.learning import seeded
from robo_rlhf.policies.checkpoint import new_policy, save_policy
from robo_rlhf.sim.tasks import TASKS


def save_policies(home: Path, *names: str, task: str = "reach") -> None:
    """Write a policy with weights of its own as the result of a run for each name."""
    shape = (len(TASKS[task].obs_names), len(TASKS[task].action_names))
    for name in names:
        with seeded(sum(map(ord, name))):
            policy = new_policy("gaussian", *shape, {"width": 8})
        save_policy(policy, home / "runs" / name / "checkpoints" / "policy.safetensors", {"task": task})
