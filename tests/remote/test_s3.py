"""Episodes at a local S3-compatible server, in an environment of its own with s3fs and moto.

python -m venv s3-venv && s3-venv/bin/pip install . s3fs 'moto[server]'
ROBO_RLHF_S3=$PWD/s3-venv/bin/python make test-all ARGS=tests/remote/test_s3.py
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

S3 = os.environ.get("ROBO_RLHF_S3", "")  # the interpreter
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not S3, reason="$ROBO_RLHF_S3 names no interpreter with s3fs and moto"),
]
EPISODES = 100
STOPS = (
    *range(1, 32, 2),
    33,
    20,
    35,
    20,
)  # file at which each push is killed; 32 files at a time are listed, and count
PLACE = "s3://lab-robots/kitchen"
PUSH = """
import os, sys, threading
from pathlib import Path
from robo_rlhf.remote import copying, place
calls, stop, send = 0, int(sys.argv[3]), place.RemotePlace.send
def counted(self, *given):
    global calls
    calls += 1
    if calls == stop:
        threading.Timer(0.001 * (stop % 5), os.kill, (os.getpid(), 9)).start()  # while it is sent
    return send(self, *given)
place.RemotePlace.send = counted
print(copying.push_dataset(Path(sys.argv[1]), place.RemotePlace(sys.argv[2]), lambda done, total: None))
"""
PULL = """
import sys
from pathlib import Path
from robo_rlhf.remote import copying, place
print(copying.pull_dataset(place.RemotePlace(sys.argv[1]), Path(sys.argv[2]), lambda done, total: None))
"""


@pytest.fixture
def environment() -> Iterator[Mapping[str, str]]:
    """The variables with which programs find the server and its bucket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    ours = {"PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    server = subprocess.Popen([S3, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        bucket = urllib.request.Request(f"{url}/lab-robots", method="PUT")
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(bucket)
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.1)
        yield {**os.environ, **ours, **keys}
    finally:
        server.kill()
        server.wait()


def python(program: str, *words: object, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a program there; return its exit status and what it printed."""
    command = [S3, "-c", program, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode, done.stdout


def test_a_push_that_is_killed_at_many_instants_arrives_once(tmp_path: Path, environment: Mapping[str, str]) -> None:
    """Bar: 100 episodes, killed at 20 instants and repeated, are all there once, with equal hashes."""
    kitchen = tmp_path / "kitchen"
    (kitchen / "episodes").mkdir(parents=True)
    (kitchen / "dataset.json").write_text(json.dumps({"format": 1, "task": "reach", "created": "2026-01-01"}))
    for number in range(EPISODES):
        (kitchen / "episodes" / f"e{number:03}.parquet").write_bytes(os.urandom(5000))
    for stop in STOPS:
        assert python(PUSH, kitchen, PLACE, stop, environment=environment)[0] == -9
    _, printed = python(PUSH, kitchen, PLACE, 0, environment=environment)
    print(f"killed {len(STOPS)} times; the last push sent {printed.strip()} files")
    assert python(PUSH, kitchen, PLACE, 0, environment=environment) == (0, "0\n")
    back = tmp_path / "back"
    assert python(PULL, PLACE, back, environment=environment) == (0, f"{EPISODES + 1}\n")
    files = sorted(path.relative_to(kitchen) for path in kitchen.rglob("*") if path.is_file())
    assert sorted(path.relative_to(back) for path in back.rglob("*") if path.is_file()) == files
    assert all((back / name).read_bytes() == (kitchen / name).read_bytes() for name in files)
