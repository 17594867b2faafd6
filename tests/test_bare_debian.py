"""What README.md and the guides begin with, in a bare Debian that has python3, make and git, and nothing else."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

ROOT = Path(__file__).parents[1]
HAS_WHAT_IT_TAKES = os.geteuid() == 0 and all(map(shutil.which, ("debootstrap", "unshare", "chroot")))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_WHAT_IT_TAKES, reason="only root can make a Debian root, with debootstrap"),
]
MINUTES = 15.0  # by the clock, of an idle machine, to a task of one's own
ON_DISK = 1.5 * 2**30  # bytes: of the packages and of what installers keep for the next time
SETTINGS = (
    "/etc/pip.conf",
    "/etc/xdg/pip",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/apt/apt.conf.d",
)
CARRIED = re.compile("(pip|uv|ssl)_.*|.*_proxy|requests_ca_bundle|curl_ca_bundle", re.IGNORECASE)


class Debian:
    """A bare root with the checkout in it; commands run in it with namespaces of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkout = root / "root/checkout"
        packages = "python3,make,git,ca-certificates"
        run("debootstrap", "--variant=minbase", f"--include={packages}", suite(), root, mirror())
        run("git", "clone", "--quiet", "--no-hardlinks", ROOT, self.checkout)
        for place in filter(Path.exists, map(Path, SETTINGS)):
            inside = root / place.relative_to("/")
            if place.is_dir():
                shutil.copytree(place, inside, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copyfile(place, inside)
        if (settings := Path.home() / ".config/pip").is_dir():
            shutil.copytree(settings, root / "root/.config/pip")
        self._sources = local_sources()
        for place in self._sources:
            (root / place.relative_to("/")).mkdir(parents=True)

    def run(self, command: str, *, offline: bool = False) -> str:
        """Run a command in the checkout, as a person who has just opened a terminal; return what it prints."""
        mounts = [f"mount -o bind,ro {place} {self.root}{place}" for place in self._sources]
        mounts += [f"mount --rbind /{name} {self.root}/{name}" for name in ("dev", "sys")]
        inner = shlex.quote(f"cd /root/checkout && {command}")
        enter = f"exec chroot {self.root} sh -c {inner}"
        script = " && ".join([*mounts, f"mount -t proc proc {self.root}/proc", enter])
        variables = {name: value for name, value in os.environ.items() if CARRIED.fullmatch(name)}
        variables |= {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        namespaces = ["--mount", "--pid", "--fork", "--kill-child", *(["--net"] if offline else [])]
        return run("unshare", *namespaces, "sh", "-c", script, env={**variables, "LANG": "C.UTF-8"})


def run(*command: object, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}"
    return done.stdout


def suite() -> str:
    """Return the codename of the Debian that runs here."""
    return run("apt-get", "indextargets", "--format", "$(CODENAME)", "Created-By: Packages").split()[0]


def mirror() -> str:
    """Return where the packages of the Debian that runs here come from."""
    return run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages").split()[0]


def local_sources() -> set[Path]:
    """Return the folders from which pip is configured to take packages on this machine."""
    told = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    words = [word for line in told for word in line.partition("=")[2].strip("'\"").replace("\\n", " ").split()]
    folders = {Path(unquote(urlparse(word).path)) for word in words if word.startswith(("/", "file:///"))}
    # the pages of an index name files that lie beside them
    return {folder.parent if folder.name == "simple" else folder for folder in folders if folder.is_dir()}


def on_disk(*paths: Path) -> int:
    """Return what all files below take on disk; a file that has several names counts once."""
    seen = {(found.st_dev, found.st_ino): found.st_blocks for p in paths for f in p.rglob("*") if (found := f.lstat())}
    return 512 * sum(seen.values())


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Debian]:
    """A bare Debian with this checkout, as it is committed; gone again after the test, because it is large."""
    root = tmp_path / "debian"
    try:
        yield Debian(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def test_the_demo_of_a_bare_debian_installs_little_and_works(debian: Debian) -> None:
    told = debian.run("make setup")
    caches = [path for path in (debian.root / "root/.cache",) if path.exists()]
    taken = on_disk(debian.checkout / ".venv", *caches)
    torch = debian.run(".venv/bin/python -c 'import torch; print(torch.__version__)'")
    print(f"packages {taken / 2**30:.3f} GiB, torch {torch}")
    if "+cpu" in torch:
        assert taken <= ON_DISK
        announced = re.search(r"fetch and ([\d.]+) GiB on disk", told)
        assert announced
        assert float(announced[1]) == pytest.approx(taken / 2**30, rel=0.05)
    packages = {path.name.partition("-")[0] for path in debian.checkout.glob(".venv/lib/*/site-packages/*.dist-info")}
    assert {"mujoco", "torch"} <= packages
    assert not packages & {"pytest", "playwright", "ruff", "mypy", "stable_baselines3"}
    again = debian.run("make setup", offline=True)  # nothing is fetched a second time
    assert "installing" not in again
    done = debian.run("make demo-quick")
    assert "Report: " in done
    assert (debian.checkout / "recordings/runs/quick/report.html").stat().st_size > 10_000


def test_from_zero_to_a_task_of_ones_own(debian: Debian) -> None:
    """The path of a reader who copies what docs/guides/your-task.md shows; a simulated teacher answers."""
    guide = (ROOT / "docs" / "guides" / "your-task.md").read_text()
    found = re.search(r"^  ```python\n(.*?)^  ```$", guide, re.MULTILINE | re.DOTALL)
    assert found is not None
    drives_itself = found[1].replace("\n  ", "\n    ").replace("  def", "\n    def", 1)
    task = (ROOT / "tests" / "guests" / "my_tasks.py").read_text() + drives_itself
    (debian.checkout / "my_tasks.py").write_text(task)
    began, spent = time.monotonic(), os.times()
    name = "my_tasks:PressButton"
    for line in (
        "make demo-quick",
        f".venv/bin/robo-rlhf check {name}",
        f".venv/bin/robo-rlhf record --task {name} --dataset pressed --device scripted --episodes 12",
        f".venv/bin/robo-rlhf train bc --task {name} --dataset pressed --run pressed",
        f".venv/bin/robo-rlhf run --task {name} --dataset pressed --labels 24 --rounds 1 --preset quick --run mine",
    ):
        debian.run(line)
        print(f"{(time.monotonic() - began) / 60:.1f} min: {line}")
    now = os.times()
    processor = now.children_user + now.children_system - spent.children_user - spent.children_system
    print(f"{(time.monotonic() - began) / 60:.1f} min by the clock, {processor:.0f} s of the processor")
    assert (debian.checkout / "recordings/runs/mine/report.html").stat().st_size > 10_000
    assert time.monotonic() - began <= 60 * MINUTES
