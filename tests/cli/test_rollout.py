"""`robo-rlhf rollout`: episodes of any policy in any environment, and the loop on top of them."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import robo_rlhf.rollouts.rollout
from robo_rlhf.cli.main import main
from robo_rlhf.core.errors import ConflictError
from robo_rlhf.core.guests import ALLOW_VARIABLE
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.reserved_seeds import Reservation
from robo_rlhf.policies.foreign import ForeignPolicy

DOCS = Path(__file__).parents[2] / "docs" / "guides" / "your-environment.md"
OTHERS = """
import numpy as np

class Counting:
    made = 0
    def __init__(self): Counting.made += 1
    def get_action(self, obs): return np.full(2, Counting.made)

class Predicting:
    def predict(self, obs): return np.zeros(2), None

wide = lambda obs: np.zeros(3)
def breaks(obs): return obs["joints"]
class Wants:
    def __init__(self, size): pass
number = 3
"""
SAYING = """
import gymnasium
import numpy as np
from gymnasium.spaces import Box

class Saying(gymnasium.Env):
    metadata = {"render_fps": 20, "render_modes": []}
    observation_space, action_space = Box(-1, 1, (1,)), Box(-1, 1, (2,))
    def reset(self, *, seed=None, options=None): return np.zeros(1), {}
    def step(self, action): return np.zeros(1), 0.0, False, False, self.info

for name, info in {
    "AsDict": {"is_success": {"task": False}},
    "NoneFirst": {"success": None, "is_success": True},
    "AsTwo": {"success": np.array([True, False])},
}.items():
    kind = type(name, (Saying,), {"info": info})
    gymnasium.register(f"{name}-v0", entry_point=kind, max_episode_steps=3)

still = lambda obs: np.zeros(2)
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with the policy that the documentation shows, and others."""
    shown = re.search(r"```python\n(import numpy as np\n+def reach.*?)```", DOCS.read_text(), re.DOTALL)
    assert shown is not None
    (tmp_path / "shown_in_docs.py").write_text(shown.group(1))
    (tmp_path / "others_wrote.py").write_text(OTHERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(ALLOW_VARIABLE, "others_wrote")
    return tmp_path


REACHER = ["rollout", "--env", "Reacher-v5", "--policy", "shown_in_docs:reach", "--json"]


@pytest.mark.slow
def test_what_the_documentation_shows_works(code: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From no demonstrations to a finished loop on an external environment."""
    assert main(["run", "--env", "Reacher-v5", "--preset", "tiny", "--demos", "6"]) == 5
    assert "robo-rlhf rollout --env Reacher-v5 --policy MODULE:OBJECT --episodes 6" in capsys.readouterr().err
    assert main([*REACHER, "-n", "16", "--success-return", "-8", "--only-successes"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["kept"] == row["successes"] == row["in the dataset"]
    assert 8 <= row["kept"] < 16
    (first, *_) = Dataset(home / "samples" / "Reacher-v5").list(outcome="success")
    assert (first.meta.operator, first.meta.device) == ("shown_in_docs:reach", "scripted")
    tiny = ["--preset", "tiny", "--demos", "6", "--labels", "8", "--rounds", "1", "--set", "clone.updates=20"]
    assert main(["run", "--env", "Reacher-v5", *tiny]) == 0
    assert "return [1]" in capsys.readouterr().out


def test_seeds_go_on_and_rules_differ(code: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*REACHER, "-n", "3", "--dataset", "mine"]
    assert main([*command, "--success-return", "-1000"]) == main([*command, "--success-ever"]) == 0
    infos = Dataset(home / "mine").list()
    assert sorted(info.meta.seed for info in infos) == list(range(6))
    outcomes = {info.meta.seed: info.meta.outcome for info in infos}
    assert [outcomes[i] for i in range(6)] == ["success"] * 3 + ["failure"] * 3  # Reacher knows no success
    rows = [json.loads(part)[0] for part in re.findall(r"\[\s*\{.*?\}\s*\]", capsys.readouterr().out, re.DOTALL)]
    assert [row["in the dataset"] for row in rows] == [3, 6]


def test_what_an_environment_says_of_success_is_read_as_meant_or_refused(
    code: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (code / "said_by_env.py").write_text(SAYING)
    found = {}
    for name in ("AsDict", "NoneFirst", "AsTwo"):
        command = ["rollout", "--env", f"said_by_env:{name}-v0", "--policy", "said_by_env:still", "-n", "2", "--json"]
        found[name] = (main(command), json.loads(re.sub("[^\\]]*$", "", (said := capsys.readouterr()).out))[0])
    assert [(code, row["successes"]) for code, row in found.values()] == [(0, 0), (0, 2), (16, 0)]
    assert "said_by_env:AsTwo-v0 gave success array([ True, False]), expected a bool, 0 or 1 (gymnasium " in said.err
    assert "). Mend the environment and run the same command again." in said.err
    aborted = Dataset(home / "samples" / "said_by_env:AsTwo-v0").list(outcome="aborted")
    assert len(aborted) == 2
    assert {info.meta.note.partition(" gave ")[0] for info in aborted} == {"aborted at step 0: said_by_env:AsTwo-v0"}


def test_a_name_with_a_length_gives_episodes_that_a_job_finds(code: Path, home: Path) -> None:
    assert main(["rollout", "--env", "Reacher-v5@5", "--policy", "shown_in_docs:reach", "-n", "2"]) == 0
    infos = Dataset(home / "samples" / "Reacher-v5@5").list(task="Reacher-v5@5")
    assert sorted(info.meta.id for info in infos) == ["Reacher-v5-5-0", "Reacher-v5-5-1"]


def test_a_native_task_too(code: Path, reach_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(reach_home, tmp_path / "copy")
    command = [
        "rollout",
        "--env",
        "reach",
        "--policy",
        "others_wrote:wide",
        "-n",
        "1",
        "--home",
        str(tmp_path / "copy"),
    ]
    assert main(command) == 2
    assert "action of others_wrote:wide: expected shape (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code_of_error", "message"),
    [
        (["--policy", "nowhere_to_be_found:reach"], 9, "The module 'nowhere_to_be_found'"),
        (["--policy", "others_wrote:Countin"], 2, "Did you mean 'Counting'?"),
        (["--policy", ":x"], 2, "expected module:object"),
        (["--policy", "others_wrote:number"], 2, "a function of an observation, or something with get_action"),
        (["--policy", "others_wrote:Wants"], 18, "called without arguments, it raised TypeError: "),
        (["--policy", "others_wrote:Counting", "-n", "0"], 2, "rollout: expected at least 1 of each"),
        (["--policy", "missing.safetensors"], 5, "No policy"),
        (["--policy", "x:y", "--success-ever", "--success-return", "1"], 2, "one rule of success"),
    ],
)
def test_what_makes_no_sense_is_told(
    code: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code_of_error: int,
    message: str,
) -> None:
    assert main(["rollout", "--env", "Reacher-v5", *options]) == code_of_error
    assert message in capsys.readouterr().err
    assert not (home / "samples").exists()


def test_what_a_policy_of_ones_own_raises_is_told_with_its_place(
    code: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollout", "--env", "Reacher-v5", "-n", "1", "--policy", "others_wrote:breaks"]) == 18
    line = capsys.readouterr().err.splitlines()[-1]
    assert "error: The policy others_wrote:breaks cannot be used: called with an observation, it raised Index" in line
    assert line.endswith("others_wrote.py:13). Mend it and run the same command again.")


@pytest.mark.parametrize(
    ("name", "action"),
    [("others_wrote:Counting", lambda n: 1.0), ("others_wrote:Predicting", lambda n: 0.0)],
)
def test_classes_and_their_methods_act(code: Path, name: str, action: Callable[[int], Any]) -> None:
    policy = ForeignPolicy(name, 2)
    policy.reset(3)
    np.testing.assert_array_equal(policy.act(np.zeros((3, 4), np.float32)), np.full((3, 2), action(3), np.float32))


def test_noise_is_drawn_from_the_seed(code: Path) -> None:
    acted = []
    for seed in (1, 1, 2):
        policy = ForeignPolicy("others_wrote:Predicting", 2, noise=0.3, seed=seed)
        policy.reset(2)
        acted.append(policy.act(np.zeros((2, 4), np.float32)))
    np.testing.assert_array_equal(acted[0], acted[1])
    assert not np.array_equal(acted[0], acted[2])
    assert np.abs(acted[0]).max() <= 1


def test_what_ended_is_kept_and_the_same_command_goes_on(
    code: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in its second turn, and between keeping and writing that down; the same episodes as without a stop."""
    command = [*REACHER, "-n", "7", "--num-envs", "3", "--noise", "0.1", "--seed", "5", "--success-return", "-9"]
    assert main([*command, "--dataset", "whole"]) == 0
    (whole,) = json.loads(capsys.readouterr().out)
    note, calls = Reservation.note, list[int]()

    def stop(reserved: Reservation, done: Mapping[int, Any]) -> None:
        calls.append(len(done))
        if len(calls) == 2:
            raise KeyboardInterrupt
        note(reserved, done)

    with monkeypatch.context() as patch:
        patch.setattr(Reservation, "note", stop)
        assert main([*command, "--dataset", "stopped"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "stopped; run the same command to continue"
    dataset = Dataset(home / "stopped")
    assert len(dataset) == 6
    assert main([*command, "--dataset", "stopped"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {**whole, "dataset": "stopped"}
    assert sorted(info.meta.seed for info in dataset.list()) == list(range(5, 12))
    for name in dataset.ids():
        assert dataset.load(name).action.tobytes() == Dataset(home / "whole").load(name).action.tobytes()
    assert list((home / "stopped" / "reserved").iterdir()) == []
    assert main([*command, "--dataset", "stopped"]) == ConflictError.exit_code  # before any work
    assert "holds it already; choose another --seed, or none" in capsys.readouterr().err
    assert main([*REACHER, "-n", "1", "--dataset", "stopped"]) == 0
    assert max(info.meta.seed for info in dataset.list()) == 12


def test_failures_that_are_not_kept_are_not_run_again(
    code: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*REACHER, "-n", "4", "--num-envs", "2", "--only-successes", "--success-return", "0", "--dataset", "none"]
    turns, real = list[int](), robo_rlhf.rollouts.rollout.rollout

    def once(*args: Any, **more: Any) -> Any:
        turns.append(int(args[2][0]))
        if len(turns) == 2:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(robo_rlhf.rollouts.rollout, "rollout", once)
    assert main(command) == 130
    capsys.readouterr()
    assert main(command) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["run"], row["kept"], row["in the dataset"]) == (4, 0, 0)
    assert turns == [0, 2, 2]
