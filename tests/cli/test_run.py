"""The main job on the command line: its output, its errors, and how people answer its questions."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from gymnasium.spaces import Box

from robo_rlhf.cli.answering import HumanAnnotators, ask_until_valid
from robo_rlhf.cli.main import main, parse
from robo_rlhf.cli.overrides import override
from robo_rlhf.cli.run import RunCommand
from robo_rlhf.core.errors import InvalidValueError, NotNowError, UnknownNameError
from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.pipeline.config import PipelineConfig
from tests.feedback.making import make_question

SHORT = ["run", "--task", "reach", "--demos", "4", "--rounds", "1", "--preset", "tiny"]
PATIENCE = 300  # [s]


@pytest.fixture
def reach(reach_home: Path, tmp_path: Path) -> Path:
    """A data home of its own with demonstrations of reach."""
    shutil.copytree(reach_home, tmp_path / "reach")
    return tmp_path / "reach"


class Still(gymnasium.Env[Any, Any]):
    """An environment whose actions cannot differ."""

    observation_space = Box(-1, 1, (2,))
    action_space = Box(0, 0, (2,))


class Blind(Still):
    action_space = Box(-1, 1, (2,))


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    environments = {"RunStill-v0": Still, "RunBlind-v0": Blind}
    for name, kind in environments.items():
        gymnasium.register(name, entry_point=kind, max_episode_steps=5)
    yield
    for name in environments:
        del gymnasium.registry[name]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str]:
    """Run a command that must fail with one sentence; return its exit code and the sentence."""
    code = main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    return code, line


@pytest.mark.parametrize(
    ("wrong", "code", "sentence"),
    [
        (["--task", "pick_plase"], 2, "Did you mean 'pick_place'?"),
        (["--env", "pusher"], 2, "expected a Gymnasium id such as Pusher-v5; native tasks go to --task, got 'pusher'"),
        (
            ["--preset", "huge"],
            2,
            "--preset: expected one of default, self_imitation, sample_efficient, no_demonstrations, ",
        ),
        (["--set", "finetune.iteratoins=3"], 2, "Unknown setting 'finetune.iteratoins'. Did you mean 'iterations'?"),
        (["--set", "finetune"], 2, "expected NAME=VALUE, such as finetune.iterations=90, got 'finetune'"),
        (["--set", "finetune=3"], 2, "expected one of the settings inside it, such as finetune.objective=..., got '3'"),
        (["--set", "finetune.iterations=many"], 2, "setting finetune.iterations: expected a int such as 4, got 'many'"),
        (["--set", "teacher.mistake=NaN"], 2, "setting teacher.mistake: expected a float such as 0.05, got 'NaN'"),
        (["--set", "num_envs=0"], 2, "num_envs: expected at least 1, got 0"),
        (["--labels", "0"], 2, "--labels: expected at least 1, got 0"),
        (["--minutes", "3"], 2, "--minutes: expected one of the two, got 3 and --preset tiny"),
        (
            ["--preset", "default", "--minutes", "3", "--demos", "0"],
            2,
            "--minutes: expected 0 where there are no demonstrations; --set sac.iterations=N says how long it learns",
        ),
        (["--preset", "default", "--minutes", "-1"], 2, "--minutes: expected 0 or more, got -1.0"),
        (["--run", "../elsewhere"], 2, "--run: expected a name without slashes"),
        (["--demos", "9"], 2, "--demos: expected at most the 8 that"),
        (
            ["--dataset", "nowhere"],
            5,
            "nowhere'. Record some with `robo-rlhf record --task reach",
        ),
        (["--task", "push"], 5, "4 --only-successes --dataset samples/push`."),
        (
            ["--env", "RunBlind-v0", "--annotator", "human"],
            14,
            "People cannot judge episodes of RunBlind-v0. pictures of RunBlind-v0: expected render mode 'rgb_array', "
            "got render modes []. Let the simulated teacher answer: --annotator simulated.",
        ),
        (["--env", "RunStill-v0"], 2, "action space of RunStill-v0: expected bounds that leave room to act"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence_and_leaves_nothing(
    wrong: list[str], code: int, sentence: str, reach: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, line = refused(capsys, [*SHORT, *wrong, "--home", str(reach)])
    assert found == code
    assert sentence in line
    assert not (reach / "runs").exists()


def test_a_run_is_not_continued_with_other_settings(reach: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*SHORT, "--labels", "4", "--home", str(reach), "--json"]
    assert main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"before", "after", "report"}
    assert Path(result["report"]).stat().st_size > 10_000
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == result
    code, line = refused(capsys, [*command, "--labels", "8"])
    assert code == 2
    assert "labels=4" in line


def test_with_people_nobody_waits_unless_rounds_are_given_or_were(tmp_path: Path) -> None:
    def rounds(*words: str) -> tuple[int, bool]:
        command = parse("run", ["--task", "reach", "--home", str(tmp_path), *words])
        assert isinstance(command, RunCommand)
        config = command.config(tmp_path)
        return config.rounds, config.meanwhile

    assert rounds() == (3, False)
    assert rounds("--annotator", "human") == (6, True)
    assert rounds("--annotator", "human", "--labels", "12") == (2, True)
    assert rounds("--annotator", "human", "--rounds", "3") == (3, False)
    earlier = tmp_path / "runs" / "reach-0"
    Run(earlier, {"rounds": 3, "annotator": "human"})  # by a version whose rounds waited
    assert rounds("--annotator", "human") == (3, False)


def test_settings_reach_any_depth_and_keep_their_type() -> None:
    changed = override(
        PipelineConfig(), ["finetune.iterations=90", "reward.fit.flip=0", 'clone.settings={"width": 8}', "task=lift"]
    )
    assert (changed.finetune.iterations, changed.reward.fit.flip, changed.task) == (90, 0.0, "lift")
    assert isinstance(changed.reward.fit.flip, float)
    assert changed.clone.settings == {"width": 8}
    with pytest.raises(InvalidValueError):
        override(PipelineConfig(), ["demos=true"])
    with pytest.raises(UnknownNameError):
        override(PipelineConfig(), ["task.name=lift"])


def test_an_answer_is_a_key_or_a_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed = iter(["x", "", "a", "2", " TIE ", "4", "0"])
    monkeypatch.setattr("builtins.input", lambda: next(typed))
    found = [ask_until_valid(KINDS["pairwise"], make_question(0), 20.0)["choice"] for _ in range(5)]
    assert found == ["A", "B", "tie", "both_bad", "cant_tell"]
    assert "answer: expected [1] A is better   [2] B is better" in capsys.readouterr().out


def test_questions_that_were_put_aside_are_told_and_none_is_left_waiting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [make_question(i) for i in range(3)]
    with Store(tmp_path / "feedback.db") as store:
        store.add_questions(asked)
        store.clips.withdraw_question(asked[0].id, "clip quarantined: it is broken")
        for question in asked[1:]:
            store.answer(question.id, "ann", {"choice": "A"}, key=question.id)
        HumanAnnotators(tmp_path, tmp_path / "run")(store, asked)
        told = "1 of 3 questions were withdrawn before they were answered (clip quarantined: it is broken)"
        assert capsys.readouterr().err.splitlines()[-1] == told
        with pytest.raises(NotNowError, match=r"^All 1 questions were withdrawn .*quarantined.*--run\.$"):
            HumanAnnotators(tmp_path, tmp_path / "run")(store, asked[:1])
        assert store.withdrawn(asked[0].run) == {asked[0].id: "clip quarantined: it is broken"}
        assert store.withdrawn("another") == {}


def command_line(home: Path, labels: int) -> list[str]:
    options = [*SHORT, "--labels", str(labels), "--annotator", "human", "--run", "people", "--home", str(home)]
    return [sys.executable, "-m", "robo_rlhf.cli.main", *options]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}


def asked(home: Path) -> list[Question]:
    with Store(home / "feedback.db") as store:
        return store.questions(run="people")


def test_people_answer_in_the_terminal(reach: Path, tmp_path: Path) -> None:
    """A, a slip of the finger, a tie, B, then Ctrl-D; the same command asks the last question, about success, again."""
    outer, inner = pty.openpty()
    try:
        for keys, code in ((["A", "what?", "tie", "B", "\x04"], 130), (["2"], 0)):
            with (tmp_path / "stderr").open("w+") as err:
                process = subprocess.Popen(
                    [*command_line(reach, 4), "--set", "approvals=0.25", "--set", "alarm_questions=0"],
                    stdin=inner,
                    stdout=inner,
                    stderr=err,
                    env=environment(),
                )
                with process:
                    for number, key in enumerate(keys):
                        screen = read_until(outer, "your answer: ", process)
                        assert number or "A: " in screen
                        os.write(outer, key.encode() + (b"" if key == "\x04" else b"\n"))
                    assert finish(process, outer) == code, (tmp_path / "stderr").read_text()
    finally:
        os.close(outer)
        os.close(inner)
    with Store(reach / "feedback.db") as store:
        choices = {a.question_id: a.value["choice"] for a in store.answers(run="people")}
        assert [choices[q.id] for q in store.questions(run="people")] == ["A", "tie", "B", "yes"]
        assert store.counts(run="people").human == 4
    clips = sorted((reach / "runs" / "people" / "clips").rglob("[AB].mp4"))
    assert len(clips) == 7


def read_until(terminal: int, words: str, process: "subprocess.Popen[Any]") -> str:
    """Read the screen until it ends in `words`."""
    screen, until = "", time.monotonic() + PATIENCE
    while not screen.endswith(words):
        assert process.poll() is None, screen
        if time.monotonic() > until:
            process.kill()
            raise AssertionError(screen)
        screen += drained(terminal)
    return screen


def finish(process: "subprocess.Popen[Any]", terminal: int) -> int:
    """Wait for the end and keep reading, so that the program never waits for the screen."""
    until = time.monotonic() + PATIENCE
    while process.poll() is None:
        assert time.monotonic() < until
        drained(terminal)
    drained(terminal)
    return process.wait()


def drained(terminal: int) -> str:
    os.set_blocking(terminal, False)
    try:
        return os.read(terminal, 65536).decode()
    except BlockingIOError:
        time.sleep(0.02)
        return ""


@pytest.mark.slow
def test_without_a_terminal_it_waits_for_answers_from_elsewhere(reach: Path) -> None:
    process = subprocess.Popen(
        command_line(reach, 4), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + PATIENCE
        while not (reach / "runs" / "people" / "round-1" / "ask" / "result.json").exists() or len(asked(reach)) < 4:
            assert time.monotonic() < until
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        with Store(reach / "feedback.db") as store:
            for number, question in enumerate(asked(reach)):
                said = "yes" if question.kind == "success" else "AB"[number % 2]
                store.answer(question.id, f"person {number % 2}", {"choice": said}, key=f"key {number}")
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, err
    assert f"questions wait for answers in {reach / 'feedback.db'}" in err or "round-1/answer: done" in err
    assert "success" in out
    assert "people, " not in err
    report = (reach / "runs" / "people" / "report.html").read_text()
    assert "person 0, person 1" in report
    assert "a simulated teacher" not in report
