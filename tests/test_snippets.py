"""The commands and the Python of the pages, run in their order against the installed wheel.

Settings are made as small as they can be: `SMALL` says how. What waits for a person is started and interrupted, and a
program answers. Pages with a test of their own are in `ELSEWHERE`.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.feedback.postgres import server
from tests.test_wheel import python, wheel

__all__ = ["python", "wheel"]  # fixtures

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FOLDERS = ("start", "guides", "reference", "explanation")
PAGES = sorted(str(path.relative_to(DOCS)) for folder in FOLDERS for path in (DOCS / folder).glob("*.md"))
ELSEWHERE = {  # page → test
    "guides/your-robot.md": "tests/test_your_robot.py",
    "guides/your-environment.md": "tests/cli/test_your_environment.py",
    "guides/your-own.md": "tests/test_your_own.py",
    "guides/programs.md": "tests/teleop/station/api/test_documentation.py",
}
PARSED = (  # need sets of other programs, or a bucket and minutes: `tests/cli/test_examples.py` checks their options
    "guides/judging-videos.md",
    "guides/your-data.md",
    "guides/scaling.md",
)
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE = 600.0  # [s] for one command on a busy machine
WAITING = 4.0  # [s] that a server runs after its first line before it is interrupted

SMALL: Mapping[str, Mapping[str, str | None]] = {  # command → option → smallest value; None takes the option away
    "run": {
        "--preset": "tiny",
        "--labels": "4",
        "--rounds": "1",
        "--demos": "4",
        "--minutes": None,
        "--annotator": "simulated",
    },
    "train bc": {"--updates": "4", "--batch": "4", "--select-episodes": "4"},
    "train cpl": {"--updates": "4"},
    "train reward": {"--fit.updates": "4"},
    "train ppo": {"--iterations": "1", "--num-envs": "2"},
    "evaluate": {"--episodes": "2", "--num-envs": "2"},
    "rollout": {"--episodes": "12"},
    "record": {"--device": "scripted", "--episodes": "2", "--no-pace": "", "--only-successes": None},
}
WAIT = ("serve", "policy serve")  # until they are interrupted


def smaller(line: str, extra: Mapping[str, str]) -> list[str]:
    """Return the words of a command line with the smallest settings."""
    words = shlex.split(line, comments=True)
    start = words.index("robo-rlhf") + 1
    name = next((" ".join(words[start : start + n]) for n in (2, 1) if " ".join(words[start : start + n]) in SMALL), "")
    for option, value in {**SMALL.get(name, {}), **(extra if name == "record" else {})}.items():
        while option in words:
            at = words.index(option)
            alone = at + 1 == len(words) or words[at + 1].startswith("--")
            del words[at : at + (1 if alone else 2)]
        words += [] if value is None else [option, *filter(None, [value])]
    return words


class Reader:
    """Somebody at a terminal with the wheel installed, in an empty folder, who types what a page says."""

    def __init__(self, python: Path, folder: Path) -> None:
        """Copy a few samples into the data home of a folder."""
        self.python, self.folder, self.home = python, folder, folder / "recordings"
        self.record: dict[str, str] = {}
        for task in ("reach", "pick_place"):
            place = self.home / "samples" / task
            (place / "episodes").mkdir(parents=True)
            shutil.copy(ROOT / "recordings" / "samples" / task / "dataset.json", place)
            for path in sorted((ROOT / "recordings" / "samples" / task / "episodes").iterdir())[:12]:
                shutil.copy(path, place / "episodes")
        left_out = ("PYTHONPATH", "ROBO_RLHF_HOME", "ROBO_RLHF_DATABASE")
        self.environment = {name: value for name, value in os.environ.items() if name not in left_out}
        self.environment |= {"HOME": str(folder), "PATH": f"{python.parent}:{os.environ['PATH']}"}

    def run(self, line: str) -> str:
        """Run a command line of the page and return its output."""
        words = smaller(line.replace("clone.updates=4000", "clone.updates=4"), self.record)
        words = [f"{self.folder}{word[1:]}" if word.startswith("~/") else word for word in words]
        at = words.index("robo-rlhf")
        variables = dict(word.split("=", 1) for word in words[:at])
        waits = " ".join(words[at + 1 :]).startswith(WAIT)
        if ">" in words:
            words, target = words[: words.index(">")], words[words.index(">") + 1]
            out = self.run(shlex.join(words))
            (self.folder / target).write_text(out)
            return out
        if waits:
            words += ["--port", "0", *(["--no-open"] if words[at + 1] == "serve" else [])]
        with subprocess.Popen(
            words[at:],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write("a long password of nobody\n" * 2)
                process.stdin.close()
            first = ""
            if waits:
                while not re.search(r"https?://", first):
                    got = process.stdout.readline()
                    assert got, first
                    first += got
                time.sleep(WAITING)
                process.send_signal(signal.SIGINT)
            out = first + process.stdout.read()
        assert process.returncode in ((0, 130) if waits else (0,)), f"{shlex.join(words)}\n{out}"
        return out

    @contextmanager
    def policy_served(self) -> Iterator[str]:
        """Serve the policy of the run and yield the address."""
        command = ["robo-rlhf", "policy", "serve", "main-run", "--port", "0"]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            line = ""
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", line)):
                line = process.stdout.readline()
                assert line
            try:
                yield found[0]
            finally:
                process.terminate()
                process.stdout.read()

    def python_block(self, code: str) -> None:
        """Run a piece of Python of the page."""
        done = subprocess.run(
            [str(self.python), "-c", code],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stderr}"


@pytest.fixture
def reader(python: Path, tmp_path: Path) -> Reader:
    return Reader(python, tmp_path)


Before = Callable[[Reader], None]


PRESS = """
import numpy as np
def press(obs):
    return np.clip([4 * (obs[2] - obs[0]) - obs[1]], -1, 1)
"""


def with_task(reader: Reader) -> None:
    """The file that the page shows, and demonstrations: it has no scripted operator."""
    shutil.copy(ROOT / "tests" / "guests" / "my_tasks.py", reader.folder)
    shutil.copy(ROOT / "tests" / "guests" / "my_devices.py", reader.folder)
    reader.record = {"--device": "my_devices:Swing"}
    (reader.folder / "press.py").write_text(PRESS)
    reader.run("robo-rlhf rollout --env my_tasks:PressButton --policy press:press --only-successes --dataset pressed")


def with_run(reader: Reader) -> None:
    """A finished run."""
    reader.run("robo-rlhf run --task reach --run main-run")


def with_people(reader: Reader) -> None:
    (reader.folder / "consent.md").write_text("Answers are used to train policies.\n")


BEFORE: Mapping[tuple[str, int], Before] = {  # (page, block) → what has to be there
    ("guides/your-task.md", 0): with_task,
    ("guides/deploying.md", 0): with_run,
    ("guides/team.md", 0): with_people,
}
SENSORS = """
import sys
sys.path.insert(0, "pick_place_policy")
import numpy as np
steps = []
def read_sensors():
    if len(steps) == 3:
        raise SystemExit
    return np.zeros(len(policy.obs_names), np.float32), 0.01
send_to_robot = steps.append
"""
LEROBOT = """
import json, sys, types, urllib.request
class SO101Follower:
    sent = []
    def __init__(self, config): ...
    connect = disconnect = lambda self: None
    def get_observation(self):
        return dict.fromkeys(told["obs_names"], 0.0)
    def send_action(self, action):
        assert action.keys() == set(told["action_names"])
        self.sent.append(action)
        if len(self.sent) == 3:
            raise SystemExit
module = types.SimpleNamespace(SO101Follower=SO101Follower, SO101FollowerConfig=dict)
sys.modules |= {"lerobot": types, "lerobot.robots": types, "lerobot.robots.so101_follower": module}
"""
BESIDE: Mapping[tuple[str, int], str] = {  # (page, block of Python) → what a reader has beside it
    ("guides/deploying.md", 1): SENSORS,
    ("guides/deploying.md", 6): LEROBOT,
}
SERVED = {("guides/deploying.md", 6): 4}  # block that asks a policy's server → the block whose function it calls


@pytest.mark.parametrize("page", [page for page in PAGES if page not in {*ELSEWHERE, *PARSED}])
def test_what_a_page_shows_runs(page: str, reader: Reader) -> None:
    blocks = BLOCK.findall((DOCS / page).read_text())
    for number, (kind, text) in enumerate(blocks):
        BEFORE.get((page, number), lambda _: None)(reader)
        if (page, number) in SERVED:
            with reader.policy_served() as address:
                code = BESIDE[page, number] + blocks[SERVED[page, number]][1] + text
                reader.python_block(code.replace("http://127.0.0.1:8000", address))
            continue
        if kind == "python":
            reader.python_block(BESIDE.get((page, number), "") + text)
            continue
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            if "postgresql" in line:
                with server() as database:
                    reader.run(re.sub(r"postgresql\S+", database.url(), line))
            elif line.strip():
                reader.run(line)


@pytest.mark.parametrize("page", ELSEWHERE)
def test_pages_that_are_run_elsewhere_are_named_there(page: str) -> None:
    assert page in (ROOT / ELSEWHERE[page]).read_text().replace('" / "', "/")


def test_the_notebook_runs(reader: Reader) -> None:
    small = {"DEMOS": 4, "LABELS": 4, "PRESET": "tiny"}
    reader.python_block(
        f"import sys; sys.path.insert(0, {str(DOCS)!r})\n"
        "import json, run_notebook\n"
        f"found = run_notebook.run(json.loads(run_notebook.NOTEBOOK.read_text()), {small})\n"
        "printed = ''.join(line for cell in found['cells'] for o in cell.get('outputs', []) for line in o['text'])\n"
        "assert 'answers; the command ended with 0' in printed, printed\n"
        "assert 'after: success' in printed, printed\n"
    )
