"""Collections of environments beside the MuJoCo that they run with, an environment of Python each.

Meta-World has a test of its own (`tests/test_meta_world.py`). Installs from the package index.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from robo_rlhf.core.errors import InvalidValueError
from tests.answering import answer_all
from tests.browser.conftest import serving
from tests.mujoco_versions import ROBOTICS, ROOT, add, python_with, run

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[1] / "docs" / "guides" / "your-environment.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
HIL = ("gym-hil==0.1.14", "pygame", "pynput", "hidapi", "evdev", "python-xlib", "six")
CONTROL = ("dm-control==1.0.50", "shimmy==2.0.1", "dm-env", "dm-tree", "labmaze", "lxml", "pyparsing", "wrapt", "scipy")
SUITE = ("robosuite==1.5.2", "numba", "llvmlite", "scipy", "termcolor", "tqdm")
ALOHA = ("gym-aloha==0.1.5",)  # beside CONTROL
PUSHT = ("gym-pusht==0.1.8", "pymunk<7", "shapely", "scikit-image", "lazy-loader", "tifffile", "networkx")


class Beside(NamedTuple):
    """A version of MuJoCo, what is installed beside it, and environments with what their frames are entered by."""

    mujoco: str
    packages: tuple[str, ...]
    enters: dict[str, str]


MATRIX = (
    Beside(
        "3.8.1",
        (*ROBOTICS, *HIL, *SUITE),
        {
            "gymnasium_robotics:FetchPickAndPlace-v4": "replay",
            "gymnasium_robotics:AdroitHandDoor-v1": "state",
            "gym_hil/PandaPickCubeBase-v0": "replay",
            "my_lift:Lift-v0": "replay",
        },
    ),
    Beside(
        "3.17.0",
        (*ROBOTICS, *CONTROL, *PUSHT, *ALOHA, "pygame"),
        {
            "dm_control/reacher-easy-v0@200": "state",
            "gym_pusht/PushT-v0": "replay",
            "gym_aloha/AlohaTransferCube-v0+obs_type=pixels_agent_pos": "state",
        },
    ),
    Beside("4.0.0", (), {"Pusher-v5": "state", "Humanoid-v5": "state"}),
)


@pytest.fixture(params=MATRIX, ids=lambda row: row.mujoco, scope="module")
def beside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Beside, Path]:
    row: Beside = request.param
    python = python_with(row.mujoco, tmp_path_factory.mktemp("venv") / "venv")
    add(python, *row.packages)
    return row, python


def write_lift(folder: Path) -> None:
    """Write the environment around robosuite that the documentation shows."""
    (lift,) = (block for block in BLOCK.findall(DOCS.read_text("utf-8")) if "GymWrapper" in block)
    (folder / "my_lift.py").write_text(lift)


def test_they_run_and_ten_frames_are_entered_exactly(beside: tuple[Beside, Path], tmp_path: Path) -> None:
    row, python = beside
    write_lift(tmp_path)
    for name, enters in row.enters.items():
        words = ("doctor", "--env", name, "--json")
        told = run(python, "robo_rlhf.cli.main", *words, home=tmp_path, folder=tmp_path)
        assert told.returncode == 0, f"{name}: {told.stderr}"
        found = json.loads(told.stdout)
        assert f"mujoco {row.mujoco}" in found["runs with"]
        assert found["entered by"].startswith(f"A frame of {name} is entered by {_ways[enters]}"), found
        words = ("--env", name, "--policy", "random", "-n", "1", "--dataset", "played")
        played = run(python, "robo_rlhf.cli.main", "rollout", *words, home=tmp_path, folder=tmp_path)
        assert played.returncode == 0, f"{name}: {played.stderr}"


def test_a_picture_is_no_observation_by_itself(beside: tuple[Beside, Path], tmp_path: Path) -> None:
    row, python = beside
    if row.mujoco != "3.17.0":
        pytest.skip("gym-aloha is in one row only")
    told = run(python, "robo_rlhf.cli.main", "doctor", "--env", "gym_aloha/AlohaTransferCube-v0", home=tmp_path)
    assert told.returncode == InvalidValueError.exit_code
    assert "--env-arg obs_type=pixels_agent_pos, got a picture of 480×640×3 (921,600 numbers)." in told.stderr
    assert "Traceback" not in told.stderr


ANSWERED = {"3.8.1": "my_lift:Lift-v0@40", "3.17.0": "gym_pusht/PushT-v0@40", "4.0.0": "Pusher-v5@40"}
TINY = ("--demos", "3", "--preset", "tiny", "--labels", "4", "--rounds", "1", "--annotator", "human")
TINY = (*TINY, "--run", "asks", "--set", "alarm_questions=0")


def test_a_program_answers_what_a_run_asks_about_it(
    beside: tuple[Beside, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, python = beside
    name, home = ANSWERED[row.mujoco], tmp_path / "home"
    home.mkdir()
    write_lift(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    monkeypatch.setenv("ROBO_RLHF_ALLOW", "my_lift")
    kept = ("rollout", "--env", name, "--policy", "random", "-n", "3", "--success-return", "-10000")
    played = run(python, "robo_rlhf.cli.main", *kept, home=home, folder=tmp_path)
    assert played.returncode == 0, played.stderr
    with serving(home, python=str(python)) as station:
        words = [python, "-m", "robo_rlhf.cli.main", "run", "--env", name, *TINY, "--home", home, "--json"]
        asking = subprocess.Popen(words, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        answers = answer_all(station, asking)
        out, said = asking.communicate(timeout=60)
    assert asking.returncode == 0, said[-2000:]
    assert answers == 4
    assert json.loads(out[out.index("{") :])["after"]["episodes"] > 0


_ways = {"state": "its state: 10 of 10 frames exact", "replay": "a replay of the actions before it, which is exact"}


def test_what_does_not_fit_is_one_line_with_the_versions_and_the_line_for_pip(
    beside: tuple[Beside, Path], tmp_path: Path
) -> None:
    row, python = beside
    if row.mujoco != "3.17.0":
        pytest.skip("Fetch is beside a MuJoCo that it does not run with in one row only")
    name = "gymnasium_robotics:FetchPickAndPlace-v4"
    told = run(python, "robo_rlhf.cli.main", "doctor", "--env", name, home=tmp_path)
    assert told.returncode == 16
    (line,) = (line for line in told.stderr.splitlines() if line.startswith("error: "))
    assert "mujoco 3.17.0" in line
    assert line.endswith("pip install mujoco==3.8.1 gymnasium-robotics==1.4.2")
    assert "Traceback" not in told.stderr
