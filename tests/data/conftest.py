import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_rlhf.core import files
from tests.data.making import SmallDisk


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """A disk of 2 MB, of which nothing is held in reserve; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    monkeypatch.setattr(files, "RESERVE", 0)
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)
