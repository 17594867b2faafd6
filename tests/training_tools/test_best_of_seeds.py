from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.training import bc
from robo_rlhf.training_tools.best_of_seeds import train_seeds
from tests.toy import demonstrations

EPISODES = demonstrations(2)
SCORES = {4: 0.2, 5: 0.8, 6: 0.8}


class Trainer:
    """Trains a seed, remembers which it trained, and stops like a signal at `stop`."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.trained = stop, list[int]()

    def train(self, run: Run, seed: int) -> TrainedPolicy:
        if seed == self.stop:
            raise KeyboardInterrupt
        self.trained.append(seed)
        return bc.train(bc.Config("gaussian", {"width": 8}, updates=2, batch=8, seed=seed), run, EPISODES)

    def score(self, policy: TrainedPolicy) -> float:
        return SCORES[self.trained[-1]]


def test_the_best_seed_is_kept_and_all_are_reported(tmp_path: Path) -> None:
    run, trainer = Run(tmp_path, {}), Trainer()
    policy = train_seeds(run, 4, 3, trainer.train, trainer.score)
    result = run.result()
    assert result is not None
    assert (result["seed"], result["rollouts"]) == (5, 0.8)
    assert [(row["seed"], row["rollouts"]) for row in result["seeds"]] == list(SCORES.items())
    best = load_policy(tmp_path / "seed-5" / "checkpoints" / "policy.safetensors")
    np.testing.assert_array_equal(policy.act(EPISODES[0].obs), best.act(EPISODES[0].obs))


def test_goes_on_with_the_seed_that_was_cut_short(tmp_path: Path) -> None:
    cut, rest = Trainer(stop=6), Trainer()
    with pytest.raises(KeyboardInterrupt):
        train_seeds(Run(tmp_path, {}), 4, 3, cut.train, cut.score)
    train_seeds(Run(tmp_path, {}), 4, 3, rest.train, rest.score)
    assert (cut.trained, rest.trained) == ([4, 5], [6])
    train_seeds(Run(tmp_path, {}), 4, 3, Trainer(stop=4).train, rest.score)


def test_no_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="seeds to train: expected at least 1, got 0"):
        train_seeds(Run(tmp_path, {}), 0, 0, Trainer().train, Trainer().score)
