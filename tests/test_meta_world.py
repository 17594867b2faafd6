"""Meta-World in a separate virtual environment, because it pins an old MuJoCo.

Installs from the package index, so it is slow; `.ci/run` runs it.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests import meta_world

pytestmark = pytest.mark.slow
TASK = "Meta-World/MT1:button-press-v3"
SCRIPT = """
import mujoco
import numpy as np
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from robo_rlhf.sim.external.replay import replay_frames

class Policy:
    def reset(self, num_envs): self.rng, self.n = np.random.default_rng(0), num_envs
    def act(self, obs): return self.rng.uniform(-1, 1, (self.n, 4)).astype(np.float32)

if __name__ == "__main__":
    name = "Meta-World/MT1:button-press-v3"
    batch, shared = ExternalVecEnv(name, 3, horizon=30, workers=0), ExternalVecEnv(name, 3, horizon=30, workers=1)
    here, there = (rollout(env, Policy(), np.array([5, 6, 5])) for env in (batch, shared))
    assert all(np.array_equal(a.obs, b.obs) and np.array_equal(a.reward, b.reward) for a, b in zip(here, there))
    assert not np.array_equal(here[0].obs[0], here[1].obs[0])
    again = rollout(ExternalVecEnv(name, 1, horizon=30), Policy(), np.array([5]))[0]
    assert np.array_equal(again.obs[0], here[2].obs[0])
    replay = replay_frames(here[1], range(3))
    assert replay.frames.shape == (3, 480, 480, 3) and replay.deviation == 0.0
    shared.close()
    print(mujoco.__version__, batch.obs_dim, batch.control_dt)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment `venv` that holds this project, Meta-World and the MuJoCo that it pins."""
    folder = tmp_path_factory.mktemp("meta")
    meta_world.python_of(folder)
    return folder


def run(folder: Path, *command: object) -> str:
    """Run a command of the environment, away from the checkout, and return what it prints."""
    program, *arguments = map(str, command)
    done = subprocess.run(
        [str(folder / "venv/bin" / program), *arguments],
        cwd=folder,
        env=meta_world.variables(folder, checkout=False),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_episodes_are_those_of_their_seeds(folder: Path) -> None:
    (folder / "script.py").write_text(SCRIPT)
    assert run(folder, "python", "script.py").split() == ["3.3.0", "39", "0.0125"]


def test_the_whole_loop_runs_on_its_demonstrations(folder: Path) -> None:
    scripted = ("--policy", "metaworld.policies:SawyerButtonPressV3Policy", "--noise", 0.1)
    run(folder, "robo-rlhf", "rollout", "--env", TASK, *scripted, "-n", 6, "--only-successes")
    job = ("--demos", 5, "--labels", 8, "--rounds", 1, "--preset", "tiny", "--run", "meta")
    run(folder, "robo-rlhf", "run", "--env", TASK, *job)
    result = json.loads((folder / "home/runs/meta/result.json").read_text())
    assert 0 <= result["after"]["success"]["value"] <= 1
    assert (folder / "home/runs/meta/report.html").stat().st_size > 10_000
