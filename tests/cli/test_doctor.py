import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.cli import doctor
from robo_rlhf.cli.main import main
from robo_rlhf.pipeline import dataset_check
from robo_rlhf.sim.rendering.gl import VARIABLE, choose_backend

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have one backend")


@pytest.fixture
def no_probe(monkeypatch: pytest.MonkeyPatch) -> dict[str | None, tuple[str, bool]]:
    """Answers of the rendering probes, to be filled in by a test; the real ones take a second each."""
    answers: dict[str | None, tuple[str, bool]] = {}
    monkeypatch.setattr(doctor, "probe_rendering", lambda backend: answers.get(backend, ("1000 frames/s", True)))
    return answers


def found(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    return {check["check"]: check for check in json.loads(capsys.readouterr().out)}


def test_rendering_is_measured_in_a_process_of_its_own() -> None:
    text, works = doctor.probe_rendering(choose_backend())
    assert works, text
    assert int(text.split()[0]) > 20  # [frames/s]


@linux
def test_a_backend_that_fails_or_hangs_is_reported() -> None:
    text, works = doctor.probe_rendering("nonsense")
    assert not works
    assert "nonsense" in text
    assert doctor.probe_rendering("egl", limit=0.01) == ("no picture within 0.01 s", False)


@pytest.mark.usefixtures("no_probe")
def test_a_machine_that_has_all_that_is_essential_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    checks = found(capsys)
    assert {"python", "mujoco", "mujoco batch", "torch", "rendering", "h264", "cores", "gpu", "browser", "disk"} <= set(
        checks
    )
    assert all(check["ok"] for check in checks.values() if check["essential"])
    assert "frames/s" in str(checks["h264"]["found"])


@linux
def test_broken_rendering_names_the_backend_that_works(
    no_probe: dict[str | None, tuple[str, bool]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "egl")
    no_probe["egl"] = ("does not work: no driver", False)
    assert main(["doctor"]) == 9
    shown = capsys.readouterr().out
    assert "rendering (essential): No clips: " in shown
    assert "Set MUJOCO_GL=osmesa, which works here." in shown
    no_probe["osmesa"] = ("does not work: no library", False)
    assert main(["doctor"]) == 9
    assert "apt-get install libegl1 libgl1 libgl1-mesa-dri" in capsys.readouterr().out


@pytest.mark.usefixtures("no_probe")
def test_what_is_required_has_to_be_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "BROWSERS", ())
    monkeypatch.setattr(sys, "platform", "linux")
    assert main(["doctor"]) == 0
    assert "browser: Reports cannot be opened" in capsys.readouterr().out
    assert main(["doctor", "--require", "browser"]) == 9


@pytest.mark.usefixtures("no_probe")
def test_an_unknown_requirement_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--require", "brwser"]) == 2
    assert "Unknown check 'brwser'. Did you mean 'browser'?" in capsys.readouterr().err


@pytest.mark.usefixtures("no_probe")
def test_little_room_is_a_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil._ntuple_diskusage(10**12, 10**12 - 10**9, 10**9)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert main(["doctor", "--json", "--home", str(tmp_path / "new")]) == 0
    disk = found(capsys)["disk"]
    assert disk["ok"] is False
    assert disk["found"] == f"1.0 GB free for {tmp_path / 'new'}"


@pytest.mark.usefixtures("no_probe")
@pytest.mark.parametrize("module", ["mujoco", "torch", "av", "cv2"])
def test_a_missing_library_is_essential(
    module: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["doctor"]) == 9
    assert "(essential): " in capsys.readouterr().out


def test_a_dataset_is_judged_and_each_finding_is_a_sentence(
    reach_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_check, "CURVE", replace(dataset_check.CURVE, updates=20))
    assert main(["doctor", "--dataset", "samples/reach", "--home", str(reach_home), "--json"]) == 0
    checks = found(capsys)
    assert not checks["demonstrations that succeed"]["fine"]
    assert str(checks["demonstrations that succeed"]["advice"]).startswith("Record 17 more")
    assert str(checks["success of a small policy cloned from"]["found"]).count("%") == 9  # three parts, with intervals
    assert main(["doctor", "--dataset", "nowhere", "--home", str(reach_home)]) == 5
    assert main(["doctor", "--dataset", "samples/reach", "--env", "Pusher-v5"]) == 2
