"""Virtual environments like this one, but for the version of MuJoCo."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = ("mujoco", "pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils", "__editable__", "robo_rlhf")

ROBOTICS = ("gymnasium-robotics==1.4.2", "pettingzoo", "imageio", "jinja2", "markupsafe")
META_WORLD = ("metaworld==3.1.1", "scipy", "imageio")


def python_with(version: str, folder: Path) -> Path:
    """Make an environment with that MuJoCo, all other packages being this environment's; return its Python.

    Those are links in a folder beside it, which comes after its own: pip, which would write through a link and remove
    what it finds in the environment, leaves them as they are.
    """
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    python = folder / "bin" / "python"
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    others = folder.parent / f"others-of-{folder.name}"
    others.mkdir()
    for there in Path(sysconfig.get_path("purelib")).iterdir():
        if not there.name.startswith(OWN) and there.suffix != ".pth":
            (others / there.name).symlink_to(there)
    (packages / "others.pth").write_text(f"{others}\n")
    parts = ("mujoco", "mujoco-core") if int(version.partition(".")[0]) >= 4 else ("mujoco",)
    add(python, *(f"{part}=={version}" for part in parts))
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
    """Install packages without what they ask for, into that environment alone."""
    if packages:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], check=True)
