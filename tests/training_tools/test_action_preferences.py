"""Preferences over a policy's actions at one state."""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.rollouts.what_if import Frame, held_steps, what_if
from robo_rlhf.training import ppo
from robo_rlhf.training_tools.action_preferences import ActionChoice, ActionPreferences
from tests.toy import ToyEnv, demonstrations
from tests.training.test_ppo import SHORT, closeness, new_actor, traces

HOLD = held_steps(ToyEnv.control_dt)


def ending(episode: Episode) -> float:
    """How near the goal it ends."""
    return -float(np.hypot(*(episode.obs[-1, :2] - episode.obs[-1, 4:6])))


def choices(actor: GaussianPolicy, count: int) -> list[ActionChoice]:
    """Of what an actor might do, what ends nearest to the goal."""
    shown = demonstrations(8)
    rng = np.random.default_rng(0)
    frames = [Frame(shown[i % 8], int(rng.integers(0, 8))) for i in range(count)]
    found = what_if(ToyEnv(30), actor, frames, rng, 3)
    return [ActionChoice(some, int(np.argmax([ending(e) for e in some]))) for some in found]


def test_the_chosen_actions_become_likelier_and_the_others_less_likely() -> None:
    actor = new_actor()
    with torch.no_grad():
        actor.log_std.fill_(-1.0)
    preferences = ActionPreferences(choices(actor, 60), HOLD)
    preferences.begin(actor)
    rng = np.random.default_rng(1)
    begun = float(preferences.loss(actor, rng).detach())
    assert abs(begun - np.log(3)) < 1e-5  # nothing has moved
    optimizer = torch.optim.Adam(actor.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        preferences.loss(actor, rng).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(preferences.loss(actor, rng).detach()) < 0.8 * begun
    assert preferences.accuracy(actor) > 0.7  # a third by chance


def test_without_choices_or_weight_ppo_learns_as_ever_and_with_them_it_resumes(tmp_path: Path) -> None:
    """Chance of the choices is drawn from the iteration's own source, so that none of it moves without them."""
    whole = dataclasses.replace(SHORT, choice_weight=1.0)

    def trained(name: str, config: ppo.Config, *, given: bool, stop: int = 0) -> dict[str, bytes]:
        actor = new_actor()
        made = ActionPreferences(choices(actor, 9), HOLD) if given else None
        run = Run(tmp_path / name, config)

        def ends(iteration: int, policy: object, metrics: object) -> bool:
            if iteration == stop:
                raise KeyboardInterrupt
            return False

        try:
            ppo.train(config, run, ToyEnv(config.num_envs), actor, closeness, choices=made, on_iteration=ends)
        except KeyboardInterrupt:
            return trained(name, config, given=given)
        return traces(run)

    plain = trained("plain", SHORT, given=False)
    assert trained("no weight", SHORT, given=True) == plain
    chosen = trained("chosen", whole, given=True)
    assert chosen["checkpoints/policy.safetensors"] != plain["checkpoints/policy.safetensors"]
    assert trained("resumed", whole, given=True, stop=3) == chosen
