"""`make release`: both distributions are built and checked, and what is wrong with one is noticed."""

import importlib.util
import shutil
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def release() -> ModuleType:
    """The script."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(release: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution and the wheel."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    assert release.main(folder) == 0
    assert len(list(folder.iterdir())) == 2
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


def test_what_is_changed_or_missing_in_a_wheel_is_named(
    release: ModuleType, built: tuple[Path, Path], tmp_path: Path
) -> None:
    source, wheel = built
    broken = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            if name != "robo_rlhf/core/stats.py":
                new.writestr(name, old.read(name) + (b"#" if name == "robo_rlhf/core/seal.py" else b""))
        new.writestr("robo_rlhf/secret.env", "")
    found = release.faults(source, broken)
    assert f"{broken.name}: robo_rlhf/core/seal.py is not what RECORD says" in found
    assert f"{broken.name}: robo_rlhf/secret.env is not what RECORD says" in found
    assert "robo_rlhf/core/stats.py is missing in the wheel" in found
    assert "robo_rlhf/secret.env is in the wheel, and not tracked" in found
    assert release.faults(source, Path(shutil.copy(wheel, tmp_path / "same"))) == []
