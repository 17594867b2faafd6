"""A separate virtual environment for Meta-World, which pins an old MuJoCo: our code runs in it from the checkout."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
POLICIES = "metaworld.policies"


def python_of(folder: Path) -> Path:
    """Return the Python of the environment in `folder`, after making it where it is not there yet."""
    python = folder / "venv/bin/python"
    if not python.exists() or subprocess.run([python, "-c", "import metaworld, torch"], check=False).returncode:
        _install(folder)
    return python


def variables(folder: Path, *, checkout: bool) -> dict[str, str]:
    """Return what processes of the environment shall find around them; `checkout`: this project's code is ours."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**found, "ROBO_RLHF_HOME": str(folder / "home"), **({"PYTHONPATH": str(ROOT)} if checkout else {})}


def _install(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pins = (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
    (folder / "pins").write_text("\n".join(line for line in pins if not line.startswith("mujoco==")))
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "venv"], check=True)
    install = [ROOT / ".ci/install", folder / "venv/bin/python", folder / "pins", ROOT, "metaworld==3.1.1"]
    done = subprocess.run(list(map(str, install)), stderr=subprocess.PIPE, text=True, check=False)
    assert not done.returncode, done.stderr
