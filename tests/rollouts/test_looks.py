"""Evaluation in looks: every look is used, whatever the number of copies, and cameras move as far as is said."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.learning import seeded
from robo_rlhf.policies.checkpoint import save_policy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.rollouts.kept_evaluation import KeptResults
from robo_rlhf.rollouts.looks import KINDS, evaluate_looks
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.rendering.looks import UNSEEN, Look
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.tasks import TASKS


class Blind(VisualPolicy):
    """Notes the looks that it is to see, and draws nothing."""

    def look_at(self, env: object, looks: object = ()) -> None:
        self.noted = [*getattr(self, "noted", []), tuple(looks)]  # type: ignore[call-overload]

    def act(self, obs: object) -> object:  # type: ignore[override]
        return np.zeros((2, self.act_dim), np.float32)


class Drawing(Blind):
    """Draws random numbers for its actions, and is stopped when no step is left."""

    left = 1000

    def seed(self, seed: int) -> None:
        self.inner.generator.manual_seed(seed)

    def act(self, obs: object) -> object:  # type: ignore[override]
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return 2 * torch.rand(2, self.act_dim, generator=self.inner.generator).numpy() - 1


def test_every_episode_has_the_look_of_its_number() -> None:
    env = TaskEnv(TASKS["reach"](), 2, nthread=1)
    with seeded(0):
        policy = Blind(env.obs_dim, env.act_dim, policy="gaussian", settings={"width": 8}, cameras=["front"], size=16)
    env.horizon = 2
    found = evaluate_looks(env, policy, np.arange(5), 3)
    assert [e.episodes for e in found.values()] == [5, 5, 5]
    numbers = [[look.seed - UNSEEN for look in looks] for looks in policy.noted]
    assert numbers == [[0, 1], [2, 0], [1, 2]] * 3 + [[]]
    bounds = [looks[0].bounds for looks in policy.noted[:-1]]
    assert bounds == [b for b in KINDS.values() for _ in range(3)]
    with pytest.raises(InvalidValueError, match="--looks: expected at least 1"):
        evaluate_looks(env, policy, np.arange(5), 0)


def test_looks_continue_where_they_were_stopped(tmp_path: Path) -> None:
    env = TaskEnv(TASKS["reach"](), 2, nthread=1)
    env.horizon = 2
    with seeded(0):
        policy = Drawing(env.obs_dim, env.act_dim, policy="gaussian", settings={"width": 8}, cameras=["front"], size=16)
    save_policy(policy, tmp_path / "p.safetensors", {"task": "reach"})

    def keeps(name: str) -> KeptResults:
        return KeptResults(tmp_path / "p.safetensors", {"looks": [name, 3]})

    whole = evaluate_looks(env, policy, np.arange(5), 3)
    noted, policy.noted, policy.left = policy.noted, [], 9  # steps: in the second batch of the second kind
    with pytest.raises(KeyboardInterrupt):
        evaluate_looks(env, policy, np.arange(5), 3, keeps=keeps)
    policy.noted, policy.left = [], 1000
    again = evaluate_looks(env, policy, np.arange(5), 3, keeps=keeps)
    assert {name: e.summary() for name, e in again.items()} == {name: e.summary() for name, e in whole.items()}
    assert policy.noted == noted[4:]


def test_cameras_move_by_centimetres_and_degrees_and_nothing_else() -> None:
    model = load_model("pick_place")
    with FrameRenderer(model, 32, 24) as renderer:
        dressed, wardrobe = renderer.model, renderer.wardrobe
        for name, centimetres in (
            ("cameras moved by 2 cm and 2 degrees", 2),
            ("cameras moved by 5 cm and 5 degrees", 5),
        ):
            moved, turned = [], []
            for seed in range(40):
                wardrobe.dress(Look(UNSEEN + seed, KINDS[name]))
                moved.append(np.abs(dressed.cam_pos - model.cam_pos).max())
                cosine = np.clip(np.abs((dressed.cam_quat * model.cam_quat).sum(-1)), 0, 1)
                turned.append(np.degrees(2 * np.arccos(cosine)).max())
                assert np.array_equal(dressed.geom_rgba, model.geom_rgba)
                assert np.array_equal(dressed.cam_fovy, model.cam_fovy)
            assert 0.8 * centimetres / 100 < max(moved) <= centimetres / 100
            assert 0.8 * centimetres < max(turned) <= 1.74 * centimetres  # about three axes
