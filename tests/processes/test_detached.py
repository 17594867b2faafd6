"""Commands that outlive their starter: a session of their own, and none of its secrets."""

import os
from pathlib import Path

from robo_rlhf import __version__
from robo_rlhf.processes.detached import environment_of, last_words, start_detached


def test_a_command_has_a_session_of_its_own_and_its_words_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "new" / "log"
    process = start_detached(["--version"], log, None)
    assert os.getsid(process.pid) == process.pid
    assert process.wait(60) == 0
    assert __version__ in log.read_text()
    failing = start_detached(["no-such-command"], log, None)
    assert failing.wait(60) == 2
    assert last_words(log).startswith("Unknown command")


def test_no_secret_is_handed_on() -> None:
    ours = {
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "x",
        "ROBO_RLHF_DATABASE": "postgresql://u:pw@h/d",
        "MUJOCO_GL": "egl",
    }
    ours |= {"SMTP_PASSWORD": "x", "HTTPS_PROXY": "http://u:pw@proxy", "LC_ALL": "C.UTF-8"}
    handed = environment_of(None, ours)
    assert handed.keys() == {"PATH", "MUJOCO_GL", "LC_ALL", "PYTHONPATH", "PYTHONUNBUFFERED"}
    assert environment_of("postgresql://u:pw@h/d", ours)["ROBO_RLHF_DATABASE"] == "postgresql://u:pw@h/d", (
        "it is needed"
    )
