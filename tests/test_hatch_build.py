"""three.js comes whole and unchanged out of the npm registry, or not at all."""

import importlib.util
import io
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def hatch_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / ".ci" / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(**files: bytes) -> bytes:
    """Return a package as npm packs it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return content.getvalue()


def npm_that(monkeypatch: pytest.MonkeyPatch, module: ModuleType, code: str) -> None:
    """Have npm be some lines of Python, which run in the folder that the package is wanted in."""
    monkeypatch.setattr(module, "npm", lambda: [sys.executable, "-c", code])


def test_what_has_another_hash_is_not_taken(
    hatch_build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = package(**{name: b"// other" for name in hatch_build.FILES})
    npm_that(monkeypatch, hatch_build, f"open('three.tgz', 'wb').write({other!r})")
    with pytest.raises(hatch_build.CannotFetchError, match="has another hash"):
        hatch_build.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_registry_out_of_reach_is_told_in_its_words(
    hatch_build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    npm_that(monkeypatch, hatch_build, "import sys; sys.exit('npm error network')")
    with pytest.raises(hatch_build.CannotFetchError, match="npm could not fetch it: npm error network"):
        hatch_build.fetch(tmp_path)
    monkeypatch.setattr(hatch_build, "npm", list)
    with pytest.raises(hatch_build.CannotFetchError, match="there is no npm"):
        hatch_build.fetch(tmp_path)


def test_all_of_it_is_there_afterwards_and_is_not_fetched_again(
    hatch_build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = package(**{name: name.encode() for name in hatch_build.FILES})
    hashed = hatch_build.base64.b64encode(hatch_build.hashlib.sha512(content).digest()).decode()
    monkeypatch.setattr(hatch_build, "SHA512", hashed)
    npm_that(monkeypatch, hatch_build, f"open('three.tgz', 'wb').write({content!r})")
    hatch_build.fetch(tmp_path)
    folder = tmp_path / hatch_build.FOLDER
    assert {file.name for file in folder.iterdir()} == {*hatch_build.FILES.values(), "version.txt"}
    assert (folder / "three.module.js").read_text() == "build/three.module.js"
    npm_that(monkeypatch, hatch_build, "raise SystemExit('asked again')")
    hatch_build.fetch(tmp_path)
    (folder / "version.txt").write_text("0.1.0")  # of an earlier version
    with pytest.raises(hatch_build.CannotFetchError, match="asked again"):
        hatch_build.fetch(tmp_path)


def test_what_was_fetched_here_is_of_the_pinned_version(hatch_build: ModuleType) -> None:
    if not hatch_build.is_there(ROOT):
        pytest.skip("three.js could not be fetched here")
    core = (ROOT / hatch_build.FOLDER / "three.core.js").read_text()
    assert f"const REVISION = '{hatch_build.VERSION.split('.')[1]}'" in core
    assert "The MIT License" in (ROOT / hatch_build.FOLDER / "LICENSE").read_text()
