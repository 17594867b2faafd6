"""`robo-rlhf policy`: a run's policy leaves, as a folder and as a server in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.policies.checkpoint import load_policy
from tests.deploy.test_export import saved

TOKEN = "ROBO_RLHF_POLICY_TOKEN"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    checkpoints = tmp_path / "runs" / "cloned" / "checkpoints"
    checkpoints.mkdir(parents=True)
    saved(checkpoints, "gaussian")
    return tmp_path


def test_a_run_is_exported_by_its_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["policy", "export", "cloned", "--home", str(home), "--format", "torch"]
    assert main([*words, "--to", str(home / "out")]) == 0
    assert "gaussian policy for reach, 1 network(s)" in capsys.readouterr().out
    assert sorted(path.name for path in (home / "out").iterdir()) == [
        "README.md",
        "exported_policy.py",
        "part-0.pt2",
        "policy.json",
    ]
    assert main([*words, "--to", str(home / "out")]) != 0
    assert "exists" in capsys.readouterr().err
    assert main(["policy", "export", "missing", "--home", str(home), "--to", str(home / "other")]) != 0
    assert not (home / "other").exists()


def test_a_policy_is_loaded_by_name_folder_and_file(home: Path) -> None:
    run = home / "runs" / "cloned"
    for place in ("cloned", str(run), run, run / "checkpoints" / "policy.safetensors"):
        assert load_policy(place, home=home).kind == "gaussian"


def test_a_server_answers_and_ends_with_ctrl_c(home: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "robo_rlhf.cli.main",
        "policy",
        "serve",
        "cloned",
        "--port",
        "0",
        "--home",
        str(home),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = process.stdout.readline() + process.stdout.readline()
        address = re.search(r"http://\S+/act", told)
        assert address is not None, told
        with urllib.request.urlopen(address[0].replace("/act", "/metadata"), timeout=60) as found:
            names = json.load(found)["obs_names"]
        body = json.dumps({"observation": [0.0] * len(names)}).encode()
        with urllib.request.urlopen(urllib.request.Request(address[0], body), timeout=60) as found:
            assert len(json.load(found)["actions"]) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Traceback" not in process.communicate()[1]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "0.0.0.0"], TOKEN),
        (["--clients", "0"], "--clients"),
        (["--max-age", "nan"], "--max-age"),
        (["--token-file", "missing.token"], "--token-file"),
        (["--ahead", "5"], "--ahead"),
        (["--host", "203.0.113.9"], TOKEN),
    ],
)
def test_what_cannot_be_served_is_said_first(
    words: list[str], told: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    if "--ahead" in words:
        checkpoints = home / "runs" / "cloned" / "checkpoints"
        os.remove(checkpoints / "policy.safetensors")
        saved(checkpoints, "act")
    assert main(["policy", "serve", "cloned", "--port", "0", "--home", str(home), *words]) != 0
    error = capsys.readouterr().err
    assert told in error
    assert error.strip().count("\n") == 0


def test_a_short_token_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "short")
    assert main(["policy", "serve", "cloned", "--home", str(home)]) != 0
    assert "at least 16" in capsys.readouterr().err
