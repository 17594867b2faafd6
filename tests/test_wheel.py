"""The wheel: it holds all that the program needs, and works in a separate environment, away from the checkout."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("robo_rlhf", "teleop", "sim_assets")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built out of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (path,) = folder.glob("robo_rlhf-*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of an environment that holds the wheel and sees the libraries installed here, not the checkout."""
    folder = tmp_path_factory.mktemp("an environment")
    venv.create(folder, symlinks=True, with_pip=False)
    interpreter = folder / "bin" / "python"
    pip("--python", interpreter, "install", "--no-deps", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A path that a .pth file adds is not searched for further .pth files: an editable install stays unseen.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def pip(*arguments: object) -> None:
    options = ["--disable-pip-version-check", "--no-input", "--quiet", "--no-index"]
    command = [sys.executable, "-m", "pip", *map(str, arguments), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run(command: list[object], folder: Path) -> str:
    """Run a command outside the checkout and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        info = {name.partition("/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        assert "robo-rlhf = robo_rlhf.cli.main:main" in archive.read(info["entry_points.txt"]).decode()
        assert "licenses/LICENSE" in info
    there = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == there
    assert any(name.endswith(".xml") for name in held)


def test_the_installed_wheel_is_what_runs(python: Path, tmp_path: Path) -> None:
    modules = ", ".join(PACKAGES)
    code = f"import json, {modules}; print(json.dumps([module.__file__ for module in ({modules})]))"
    for file in json.loads(run([python, "-c", code], tmp_path)):
        assert Path(file).is_relative_to(python.parents[1])


@pytest.mark.slow
def test_the_command_works_away_from_the_checkout(python: Path, tmp_path: Path) -> None:
    assert run([python.with_name("robo-rlhf"), "--version"], tmp_path).startswith("robo-rlhf ")
    checks = json.loads(run([python.with_name("robo-rlhf"), "doctor", "--json"], tmp_path))
    assert all(check["ok"] for check in checks if check["essential"])
    assert list(tmp_path.iterdir()) == []


def test_a_task_steps_away_from_the_checkout(python: Path, tmp_path: Path) -> None:
    code = """
import gymnasium, robo_rlhf
with gymnasium.make("robo_rlhf/PickPlace-v0") as env:
    observation, _ = env.reset(seed=1)
    after = env.step(env.action_space.sample())[0]
print(observation.shape == after.shape)
"""
    assert run([python, "-c", code], tmp_path) == "True\n"


def test_the_station_opens_away_from_the_checkout(python: Path, home: Path, tmp_path: Path) -> None:
    command = [python.with_name("robo-rlhf"), "serve", "--port", "0", "--no-open"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        list(map(str, command)), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("Station: ").partition("/enter#")[0]
            page = fetch(f"{url}/sign-in")
            assert "<h1>Sign in</h1>" in page
            addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
            assert any(address.endswith("shared/base.css") for address in addresses)
            for address in addresses:
                assert fetch(url + address)
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0
    assert (home / "feedback.db").exists()


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


@pytest.mark.slow
def test_the_whole_loop_runs_away_from_the_checkout(python: Path, home: Path, tmp_path: Path) -> None:
    command = python.with_name("robo-rlhf")
    recorded = ["--device", "scripted", "--episodes", 4, "--no-pace", "--dataset", "samples/reach"]
    run([command, "record", "--task", "reach", *recorded], tmp_path)
    numbers = ["--demos", 4, "--labels", 8, "--rounds", 1, "--preset", "tiny"]
    result = json.loads(run([command, "run", "--task", "reach", *numbers, "--json"], tmp_path))
    assert result
    assert (home / "runs" / "reach-0" / "report.html").stat().st_size > 10_000
    assert [path.name for path in tmp_path.iterdir()] == [home.name]  # nothing is written elsewhere
