"""Every example of docs/guides/programs.md, run in its order against a station."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import robo_rlhf
from teleop.station.api import exchange
from teleop.station.api_docs.openapi import groups
from teleop.station.web import uploads
from teleop.station.web.limits import LISTS, MOST_BODY, MOST_PIECE
from teleop.station.web.throttle import NOTES
from teleop.station.webhooks.sender import sign
from tests.teleop.station.api.test_fuzz import served

TEXT = (Path(robo_rlhf.__file__).parents[1] / "docs" / "guides" / "programs.md").read_text()
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

__all__ = ["served"]  # a fixture


def test_every_example_runs(served: dict[str, object], tmp_path: Path) -> None:
    tokens = served["tokens"]
    assert isinstance(tokens, dict)
    known = {"STATION": str(served["address"]), "TOKEN": tokens["administrator"], "PATH": os.environ["PATH"]}
    blocks = BLOCK.findall(TEXT)
    assert [kind for kind, _ in blocks].count("sh") >= 4
    shell = "set -euo pipefail\n" + "\necho\n".join(text for kind, text in blocks if kind == "sh")
    done = subprocess.run(["bash", "-c", shell], env=known, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    program = "\n".join(text for kind, text in blocks if kind == "python")
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=known,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "'new': True" in found.stdout
    assert "'new': False" in found.stdout
    assert found.stdout.splitlines()[-1] == "1 answers"


def test_the_example_reads_our_signatures() -> None:
    held: dict[str, object] = {}
    (example,) = (text for _, text in BLOCK.findall(TEXT) if "def is_ours" in text)
    exec(example, held)
    is_ours = held["is_ours"]
    assert callable(is_ours)
    body, now = json.dumps({"event": "test"}), int(time.time())
    assert is_ours("secret", sign("secret", now, body), body.encode())
    assert not is_ours("other", sign("secret", now, body), body.encode())
    assert not is_ours("secret", sign("secret", now, body), b"{}")
    assert not is_ours("secret", sign("secret", now - 3600, body), body.encode())


def test_what_the_text_says_of_limits() -> None:
    assert f"a body of more than {MOST_BODY >> 10} KiB" in TEXT
    assert {most >> 20 for most in LISTS.values()} == {4}
    assert "4 MiB for lists" in TEXT
    assert f"{MOST_PIECE >> 20} MiB" in TEXT
    assert f"{uploads.MOST >> 20} MiB" in TEXT
    assert f"{exchange.MOST_ROWS:,} rows" in TEXT
    assert f"{NOTES} notes a minute" in TEXT


def test_every_endpoint_is_shown_with_a_command() -> None:
    shown = [one for group in groups() for one in group.endpoints]
    assert len(shown) > 50
    for one in shown:
        assert one.curl.startswith("curl ")
        assert one.path in one.curl
        assert one.answer or one.method == "DELETE" or one.path.endswith("/export"), one.path
