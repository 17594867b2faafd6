"""Build the source distribution and the wheel, the wheel out of the source distribution, and check both.

Nothing is published. usage: python .ci/release.py [FOLDER]     else into dist/; what lies there is replaced
"""

import csv
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("robo_rlhf", "teleop", "sim_assets")
THREE = "teleop/station/shared/three/"  # fetched when it is built, and ignored by git


def main(folder: Path) -> int:
    """Build both into `folder` and return 1 where a check fails, after a line for each."""
    shutil.rmtree(folder, ignore_errors=True)
    build(ROOT, "sdist", folder)
    (source,) = folder.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(source) as archive:
            archive.extractall(place, filter="data")
        (unpacked,) = Path(place).iterdir()
        build(unpacked, "wheel", folder)
    (wheel,) = folder.glob("*.whl")
    problems = [*faults(source, wheel)]
    for problem in problems:
        print(f"release: {problem}", file=sys.stderr)
    for path in (source, wheel):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB  sha256 {sha256(path.read_bytes()).hexdigest()}")
    return 1 if problems else 0


def build(place: Path, target: str, folder: Path) -> None:
    """Build one of the two out of a checkout or an unpacked source distribution."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder.resolve())]
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)


def faults(source: Path, wheel: Path) -> list[str]:
    """Return what is wrong with the two: metadata, files that lack or are too many, hashes, the command."""
    with tarfile.open(source) as archive:
        sent = {member.name.partition("/")[2]: member for member in archive.getmembers() if member.isfile()}
        about = archive.extractfile(sent["PKG-INFO"])
        assert about is not None
        stated = about.read()
    found = []
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        metadata = packed.read(f"{info}/METADATA")
        found += [f"{wheel.name}: {name} is not what RECORD says" for name in unlike(packed, info)]
        command = packed.read(f"{info}/entry_points.txt").decode()
    parsed = Metadata.from_email(metadata, validate=True)  # raises where an index would refuse it
    if metadata != stated:
        found.append("the metadata of the two differ")
    if parsed.description_content_type != "text/markdown" or not parsed.description:
        found.append("the description is not README.md")
    if "robo-rlhf = robo_rlhf.cli.main:main" not in command:
        found.append("the command robo-rlhf is missing")
    if f"{info}/licenses/LICENSE" not in names:
        found.append("the licence is missing")
    inside, wanted = {name for name in names if not name.startswith(f"{info}/")}, tracked()
    found += [f"{name} is missing in the wheel" for name in sorted(wanted - inside)]
    found += [f"{name} is in the wheel, and not tracked" for name in sorted(inside - wanted) if THREE not in name]
    if f"{THREE}three.module.js" not in inside:
        found.append("three.js is missing in the wheel: run `python .ci/hatch_build.py` where npm reaches its registry")
    lacking = [name for name in ("README.md", "LICENSE", "CHANGELOG.md", "docs/index.md", "tests/conftest.py")]
    return found + [f"{name} is missing in the source distribution" for name in lacking if name not in sent]


def unlike(packed: zipfile.ZipFile, info: str) -> list[str]:
    """Return the files of a wheel whose hash is not the one in its RECORD."""
    rows = csv.reader(io.StringIO(packed.read(f"{info}/RECORD").decode()))
    stated = {name: digest for name, digest, _ in rows if digest}
    found = []
    for name, digest in stated.items():
        content = packed.read(name) if name in packed.namelist() else b""
        held = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
        if digest != f"sha256={held}":
            found.append(name)
    return found + sorted({*packed.namelist()} - stated.keys() - {f"{info}/RECORD"})


def tracked() -> set[str]:
    """Return the files of the packages that git knows."""
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if not re.search(r"/three/\.gitignore$", name)}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "dist"))
