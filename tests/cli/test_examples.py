"""The examples in the help of commands, in README.md and docs: each passes the checks of its options, on every task."""

import contextlib
import inspect
import io
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.algorithms.bc import BC
from robo_rlhf.algorithms.sac import SAC
from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.env_args import folded
from robo_rlhf.cli.main import ENV_ARG, parse, split_allowed
from robo_rlhf.cli.run import RunCommand
from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.core.files import HOME_VARIABLE
from robo_rlhf.sim.tasks import TASKS

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def commands_in(text: str) -> list[str]:
    """Return the command lines of this program that stand in lines of their own."""
    return re.findall(r"^(?:\w+=\S+ )*robo-rlhf [^\n]*", re.sub(r"\\\n\s*", " ", text), re.MULTILINE)


def mentions_in(text: str) -> list[str]:
    """Return what is said of commands in backquotes, which leaves out what is not spoken of."""
    return re.findall(r"`(?:\w+=\S+ )*(robo-rlhf [^`\n]*)`", text)


def words_of(line: str) -> list[str]:
    """Return the words behind the program's name, up to what a shell would do with its output."""
    words = shlex.split(line, comments=True)
    words = words[words.index("robo-rlhf") + 1 :]
    end = next((i for i, word in enumerate(words) if word in ("|", "&&", "&", ";", ">") or word[-1] in ";,"), None)
    return words[:end]


def all_examples() -> list[str]:
    helps = [inspect.cleandoc(inspect.getdoc(command) or "").partition("Example:")[2] for command in COMMANDS.values()]
    helps = ["\n".join(line.strip() for line in text.splitlines()) for text in helps]
    found = [line for text in [*helps, *(path.read_text() for path in DOCUMENTS)] for line in commands_in(text)]
    run_elsewhere = ("my_robots", "my_tasks:")  # by `tests/test_your_robot.py` and `tests/test_snippets.py`
    found = [line for line in found if not any(name in line for name in run_elsewhere)]
    return sorted({shlex.join(words) for words in map(words_of, found) if words and not words[0].startswith("-")})


EXAMPLES = all_examples()


MENTIONS = sorted({line for path in DOCUMENTS for line in mentions_in(path.read_text())})


def enter(words: list[str]) -> None:
    """Parse and check a command line as the program does, and count the demonstrations of a main job."""
    words, _ = split_allowed(folded(words, ENV_ARG))
    name = next(" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS)
    command = parse(name, words[len(name.split()) :])
    if isinstance(command, RunCommand) and command.env is None:
        command.asked()
    if isinstance(command, BC) and not command.dataset:
        command.check()


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty data home beside the samples that ship."""
    monkeypatch.setattr("robo_rlhf.core.files.SHIPPED", ROOT / "recordings")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))


def test_the_examples_are_found() -> None:
    assert {line.split()[0] for line in EXAMPLES} >= {name.split()[0] for name in COMMANDS}
    assert "run --task stack --annotator human --labels 60" in EXAMPLES
    assert "record --task pick_place" in EXAMPLES


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_is_let_in(line: str) -> None:
    enter(shlex.split(line))


@pytest.mark.parametrize("line", MENTIONS)
def test_what_is_mentioned_is_there(line: str) -> None:
    words = words_of(line)
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
    if name is None:  # a group of commands, or the overview
        assert words[0] in ("--help", "--version", *(command.split()[0] for command in COMMANDS)), line
        return
    with contextlib.redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit):
        parse(name, ["--help"])
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert re.search(rf"(?<![\w-]){option}\b", shown.getvalue()), (line, option)


@pytest.mark.parametrize("task", list(TASKS))
def test_examples_are_let_in_on_every_task(task: str) -> None:
    """As written, but for the task, and for how many demonstrations there are of the one that it is written for."""
    lines = {on_task(shlex.split(line), task) for line in EXAMPLES if "--task" in shlex.split(line)}
    assert ("run", "--task", task, "--annotator", "human", "--labels", "60") in lines
    for words in lines:
        try:
            enter(list(words))
        except RoboRlhfError as error:
            pytest.fail(f"robo-rlhf {shlex.join(words)}: {error}")
    learning = parse("train sac", ["--task", task, "--objective", "success"])
    assert isinstance(learning, SAC)
    assert len(learning.demonstrations(task)) == (25 if task == "pick_place" else 24)


def on_task(words: list[str], task: str) -> tuple[str, ...]:
    """Return a command line for another task, without demonstrations and cameras of the task it was for."""
    words[words.index("--task") + 1] = task
    words = [word.replace("front,wrist", "front") for word in words]
    if "--demos" in words and words[words.index("--demos") + 1] != "0":
        del words[words.index("--demos") : words.index("--demos") + 2]
    return tuple(words)


def test_more_demonstrations_than_there_are_is_refused_and_the_default_is_what_is_there(tmp_path: Path) -> None:
    plain = parse("run", ["--task", "stack"])
    assert isinstance(plain, RunCommand)
    config, path, home = plain.asked()
    assert (config.demos, path, home) == (24, tmp_path / "runs" / "stack-0", tmp_path)
    path.mkdir(parents=True)
    (path / "config.json").write_text('{"demos": 7}')
    assert plain.asked()[0].demos == 7, "it goes on with as many as it began with"
    assert replace(plain, task="pick_place").asked()[0].demos == 25
    with pytest.raises(RoboRlhfError, match=r"--demos: expected at most the 24 that .* holds, got 25"):
        replace(plain, demos=25, run="x").asked()
