"""Virtual environments like this one, but for the version of MuJoCo."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = ("mujoco", "pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils", "__editable__", "robo_rlhf")


def python_with(version: str, folder: Path) -> Path:
    """Make an environment with that MuJoCo, all other packages being this environment's; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    python = folder / "bin" / "python"
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    for there in Path(sysconfig.get_path("purelib")).iterdir():
        if not there.name.startswith(OWN) and there.suffix != ".pth":
            (packages / there.name).symlink_to(there)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", f"mujoco=={version}"], check=True)
    return python


def run(python: Path, *words: str, home: Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a module of the checkout with that Python, in a folder."""
    return subprocess.run(
        [python, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ROBO_RLHF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def add(python: Path, *packages: str) -> None:
    """Install packages without what they ask for: what is linked to this environment's stays as it is."""
    if packages:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], check=True)
