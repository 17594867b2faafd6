"""The programs of the documentation that answer, against a station and a model that are only played."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.sim.rendering.video import encode_mp4

ROOT = Path(__file__).parents[1]
PROGRAM = re.search(
    r"^```py\n(.*?)^```$", (ROOT / "docs" / "guides" / "programs.md").read_text(), re.MULTILINE | re.DOTALL
)
VISION = (
    (ROOT / "docs" / "guides" / "vision_annotator.py").read_text().replace("320, 4, 2.0", "320, 4, 0.01")
)  # waits less


def film(moves: bool) -> bytes:
    """Return a video of a square that moves, or stands still."""
    frames = np.zeros((12, 48, 64, 3), np.uint8)
    for i, frame in enumerate(frames):
        frame[8:40, (4 * i if moves else 8) : (4 * i if moves else 8) + 16] = 255
    return encode_mp4(frames, 20.0)


class Played(ThreadingHTTPServer):
    """A station with some questions, and a model."""

    def __init__(self, questions: int, replies: list[Any]) -> None:
        """Ask so many questions; the model replies with each of `replies` in turn, a number being a status."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.films = {"still": film(False), "moves": film(True)}
        self.questions, self.replies = questions, replies
        self.asked: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def question(self) -> dict[str, Any] | None:
        """Return the next question: of the two clips the one that moves is B, shown first."""
        if len(self.answers) == self.questions:
            return None
        shown = (("B", "A", "moves"), ("A", "B", "still"))
        clips = [{"name": name, "label": label, "address": f"/review/clip/{w}?v=1"} for name, label, w in shown]
        about = {"task": "reach", "about": "Touch the ball.", "prompt": "Which is better?", "kind": "pairwise"}
        return {"question": f"q{len(self.answers)}", "lease": len(self.answers), "clips": clips, **about}


class Handler(BaseHTTPRequestHandler):
    """Answers as the station and the model do."""

    server: Played

    def do_GET(self) -> None:
        """Send a clip or the guidelines."""
        if self.path.startswith("/review/clip/"):
            return self.reply(200, self.server.films[self.path.split("/")[3].split("?")[0]])
        return self.reply(200, {"text": "Gentle first."})

    def do_POST(self) -> None:
        """Take an answer, or send a question or a reply."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/leases"):
            return self.reply(200, {"question": self.server.question()})
        if self.path.endswith("/answers"):
            assert self.headers["Authorization"] == "Bearer station"
            self.server.answers.append(body)
            return self.reply(201, {})
        assert self.headers["Authorization"] == "Bearer model"
        self.server.asked.append(body)
        said = self.server.replies.pop(0)
        if isinstance(said, int):
            return self.reply(said, {})
        return self.reply(200, {"choices": [{"message": {"content": said}}]})

    def reply(self, status: int, content: object) -> None:
        """Send bytes, or JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def play() -> Iterator[Any]:
    """Return a function that plays a station and a model."""
    made: list[Played] = []

    def begin(questions: int, replies: list[Any]) -> Played:
        made.append(Played(questions, replies))
        threading.Thread(target=made[-1].serve_forever, daemon=True).start()
        return made[-1]

    yield begin
    for server in made:
        server.shutdown()
        server.server_close()


def run(text: str, server: Played, *options: str) -> subprocess.CompletedProcess[str]:
    known = {"STATION": server.address, "TOKEN": "station", "MODEL_URL": f"{server.address}/v1/", "MODEL": "m"}
    known |= {"MODEL_KEY": "model", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-W", "error", "-c", text, *options]
    return subprocess.run(command, env=known, capture_output=True, text=True, check=False)


def test_the_program_in_the_documentation_prefers_what_moves(play: Any) -> None:
    assert PROGRAM is not None
    assert len([line for line in PROGRAM[1].splitlines() if line.strip()]) <= 30
    server = play(2, [])
    done = run(PROGRAM[1], server)
    assert done.returncode == 0, done.stderr
    assert [(a["question"], a["value"]["choice"], a["program"]) for a in server.answers] == [
        ("q0", "B", True),
        ("q1", "B", True),
    ]
    for answer in server.answers:
        KINDS["pairwise"].validate(answer["value"], 2)
        assert answer["value"]["probability"] > 0.6


def test_a_vision_model_is_asked_again_and_its_words_are_answers(play: Any) -> None:
    sure = '```json\n{"choice": "A", "probability": 0.9}\n```'
    server = play(4, [503, 429, sure, '{"choice": "tie"}', "I cannot see it.", '{"choice": "B", "probability": 7}'])
    done = run(VISION, server, "--run", "nightly")
    assert (done.returncode, done.stdout) == (0, "4 answers\n"), done.stderr
    assert [a["value"] for a in server.answers] == [
        {"choice": "B", "probability": 0.9},  # what stood on the left is B in the question
        {"choice": "tie"},
        {"choice": "cant_tell"},
        {"choice": "A"},
    ]
    assert all(a["program"] for a in server.answers)
    words, *pictures = server.asked[0]["messages"][0]["content"]
    assert "Touch the ball." in words["text"]
    assert "Gentle first." in words["text"]
    assert len(pictures) == 2
    assert all(one["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/") for one in pictures)


def test_it_stops_at_its_budget_and_at_an_endpoint_that_refuses(play: Any) -> None:
    server = play(5, [500, '{"choice": "A"}', '{"choice": "A"}'])
    done = run(VISION, server, "--run", "nightly", "--budget", "3")
    assert (done.returncode, done.stdout, len(server.answers)) == (0, "2 answers\n", 2)
    refusing = play(1, [401])
    done = run(VISION, refusing, "--run", "nightly")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "401" in done.stderr
    assert not refusing.answers
