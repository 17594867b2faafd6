"""The arena on the command line: it runs, resumes after any end, grows, and reports errors in a sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from robo_rlhf.cli.main import main
from robo_rlhf.core.learning import seeded
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.schema import to_columns
from robo_rlhf.feedback.arena.arena import Arena
from robo_rlhf.feedback.store import Store
from robo_rlhf.policies.checkpoint import load_policy, save_policy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.sim.envs.partial_observation import ObservationMask
from robo_rlhf.sim.tasks import TASKS
from tests.arenas import save_policies
from tests.forking import forked

PATIENCE = 120.0  # [s]
TWO = ["arena", "--policies", "old", "new", "--seeds", "3", "--name", "duel"]
META: Any = {"task": "reach", "mask_delay": 3}


@pytest.fixture
def trained(home: Path) -> Path:
    """A data home with three policies."""
    save_policies(home, "old", "new", "newest")
    return home


def result(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, object]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_simulated_judges_compare_everything_and_the_same_command_changes_nothing(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*TWO, "--judge", "simulated", "--judges", "2"]
    first = result(capsys, command)
    assert (first["done"], first["asked"], first["answers"]) == (True, 3, 6)
    assert result(capsys, command) == first
    assert result(capsys, ["arena", "show", "--name", "duel"]) == first
    assert main(["arena", "show"]) == 0
    assert "3 of 3" in capsys.readouterr().out
    with Store(trained / "feedback.db") as store:
        assert {a.annotator for a in store.answers()} == {"simulated teacher 1", "simulated teacher 2"}
        assert {a.annotator_kind for a in store.answers()} == {"simulated"}


def test_one_arena_that_cannot_be_read_hides_no_other(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("duel", "broken"):
        result(capsys, [*TWO[:-1], name, "--judge", "simulated"])
    (trained / "runs" / "broken" / "salt.json").write_text("{")
    assert main(["arena", "show", "--json"]) == 0
    listed = {row["arena"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["duel"]["answered"] == "3 of 3"
    assert listed["broken"]["answered"] is None
    assert "salt.json" in listed["broken"]["verdict"]
    assert main(["arena", "show", "--name", "broken"]) != 0
    assert main(["arena", "show"]) == 0


def test_an_arena_grows_by_policies_and_seeds(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result(capsys, [*TWO, "--judge", "simulated"])
    before = {path.name: path.read_bytes() for path in trained.glob("runs/duel/episodes/episodes/*.parquet")}
    grown = result(capsys, ["arena", "--policies", "third=newest", "--seeds", "4", "--name", "duel"])
    assert (grown["done"], grown["asked"]) == (True, 3 * 4)
    assert {policy["name"] for policy in grown["policies"]} == {"old", "new", "third"}  # type: ignore[attr-defined, index]
    after = {path.name: path.read_bytes() for path in trained.glob("runs/duel/episodes/episodes/*.parquet")}
    assert len(after) == 12
    assert before.items() <= after.items()


def test_episodes_tell_nothing_of_whose_they_are(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(TWO) == 0
    said = capsys.readouterr()
    assert "3 questions wait: `robo-rlhf serve`, then the address /review?run=duel." in said.err
    arena = Arena(trained, "duel")
    files = list((arena.path / "episodes" / "episodes").iterdir())
    assert len({path.stat().st_mtime_ns for path in files}) == 1
    metas = [info.meta for info in Dataset(arena.path / "episodes").list()]
    assert len({(m.operator, m.device, m.note, m.tags, m.started, m.finished, m.parent) for m in metas}) == 1
    assert not any(one.name in json.dumps(str(metas)) for one in arena.policies() if one.name != "new")


def test_a_policy_that_learned_behind_a_veil_is_shown_what_it_then_saw_and_recorded_whole(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("checkpoints") / "policy.safetensors"
    save_policy(load_policy(trained / "runs" / "new" / path), trained / "runs" / "new" / path, META)
    assert main([*TWO, "--judge", "simulated"]) == 0
    arena = Arena(trained, "duel")
    dataset = Dataset(arena.path / "episodes")
    entrant = next(one for one in arena.policies() if one.name == "new")
    whole = dataset.load(arena.episode(entrant, arena.seeds()[0]))
    observation_mask = ObservationMask(TASKS["reach"].obs_names, META["mask_delay"])
    assert np.abs(whole.obs[:, observation_mask.hidden]).max() > 0
    policy = load_policy(trained / "runs" / "new" / path)
    np.testing.assert_allclose(whole.action, policy.act(observation_mask.apply_to_episode(whole).obs[:-1]), atol=1e-5)


def test_the_arena_keeps_the_checkpoints_that_it_compared(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(TWO) == 0
    save_policies(trained, "other")
    (trained / "runs" / "other").rename(trained / "runs" / "kept")
    new = trained / "runs" / "new" / "checkpoints" / "policy.safetensors"
    new.write_bytes((trained / "runs" / "kept" / "checkpoints" / "policy.safetensors").read_bytes())
    assert main(["arena", "--name", "duel", "--seeds", "4"]) == 0
    assert main(TWO) == 10
    assert "another checkpoint takes part under that name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "code", "sentence"),
    [
        (["--policies", "old", "--name", "a"], 2, "policies of an arena: expected at least 2 to compare, got 1"),
        (["--policies", "old", "old", "--name", "a"], 2, "expected at least 2 to compare, got 1"),
        (["--policies", "old", "nowhere", "--name", "a"], 5, "No policy 'nowhere'. Give a checkpoint, a run's folder"),
        (["--policies", "old", "new"], 2, "--name: expected a name for a new arena"),
        (["--policies", "old", "new", "--name", "../a"], 2, "--name: expected 1 to 80 letters"),
        (["--policies", "old", "new", "--name", "old"], 10, "a run of that name is there already"),
        (["--policies", "old", "new", "--name", "a", "--task", "push"], 6, "does not fit: expected a policy for push"),
        (
            ["--policies", "old", "new", "--name", "a", "--seeds", "0"],
            2,
            "seeds of an arena: expected 1 to 2000, got 0",
        ),
        (["--policies", "old", "new", "--name", "a", "--judges", "0"], 2, "overlap of an arena: expected 1 to 20"),
        (["--policies", "x=old", "y=old", "--name", "a"], 10, "the same weights take part as 'x'"),
        (["--name", "a"], 2, "expected at least 2 to compare, got 0"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence_and_leaves_nothing(
    wrong: list[str], code: int, sentence: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["arena", *wrong]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert {path.name for path in (trained / "runs").iterdir()} == {"old", "new", "newest"}


def test_an_arena_is_not_continued_otherwise_than_it_was_begun(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TWO, "--judge", "simulated"]) == 0
    assert main([*TWO, "--judge", "human"]) == 2
    assert "--judge of the arena duel: expected simulated, as it was started, got human" in capsys.readouterr().err


class Blind(gymnasium.Env[Any, Any]):
    """An environment that renders no images."""

    observation_space = Box(-1, 1, (10,))
    action_space = Box(-1, 1, (2,))

    def reset(self, **_: Any) -> Any:
        return np.zeros(10, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(10, np.float32), float(action[0]), False, False, {}


def test_people_are_not_asked_about_what_they_cannot_be_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gymnasium.register("ArenaBlind-v0", entry_point=Blind)
    for number, name in enumerate(("one", "two")):
        with seeded(number):
            policy = TanhGaussianPolicy(10, 2, width=8)
        save_policy(policy, home / "runs" / name / "checkpoints" / "policy.safetensors", {"task": "ArenaBlind-v0@3"})
    command = ["arena", "--policies", "one", "two", "--seeds", "2", "--name", "outside"]
    assert main(command) == 14
    said = capsys.readouterr().err
    assert "People cannot judge episodes of ArenaBlind-v0@3. pictures of ArenaBlind-v0@3: expected render mode" in said
    assert "Let simulated teachers judge: --judge simulated." in said
    assert not (home / "runs" / "outside").exists()
    assert result(capsys, [*command, "--judge", "simulated"])["done"] is True


def test_who_waits_is_told_that_no_question_is_left(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(TWO) == 0
    with Store(trained / "feedback.db") as store:
        for question in store.questions(run="duel"):
            store.clips.withdraw_question(question.id, "clip quarantined: it is broken")
    capsys.readouterr()
    assert main(["arena", "--name", "duel", "--wait"]) == 14
    assert "All 3 questions of the arena were withdrawn (clip quarantined: it is broken)" in capsys.readouterr().err
    assert "every question was withdrawn" in str(result(capsys, ["arena", "show", "--name", "duel"])["verdict"])


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(lambda home: (home / "runs" / "killed").exists(), marks=pytest.mark.slow),
        lambda home: _episodes(home / "runs" / "killed") > 3,
        pytest.param(lambda home: _asked(home / "feedback.db") > 0, marks=pytest.mark.slow),
    ],
    ids=["made", "running", "judging"],
)
def test_a_killed_arena_goes_on_as_if_it_had_not_been(
    at: Callable[[Path], bool], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["arena", "--policies", "old", "new", "--seeds", "20", "--judge", "simulated"]
    process = forked([*command, "--name", "killed", "--home", str(trained)], trained.with_name("errors"))
    until = time.monotonic() + PATIENCE
    while not at(trained) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.end(signal.SIGKILL)
    killed = result(capsys, [*command, "--name", "killed"])
    assert (killed["done"], killed["asked"], killed["answers"]) == (True, 20, 20)
    assert _episodes(trained / "runs" / "killed") == 40
    result(capsys, [*command, "--name", "whole"])
    arenas = [Arena(trained, name) for name in ("whole", "killed")]
    for one in arenas[0].policies():  # the same policy does the same from the same seed
        for seed in (arenas[0].seeds()[0], arenas[0].seeds()[-1]):
            loaded = [Dataset(arena.path / "episodes").load(arena.episode(one, seed)) for arena in arenas]
            columns = [to_columns(episode, _untimed(len(episode))) for episode in loaded]
            assert all((columns[0][name] == columns[1][name]).all() for name in ("obs", "action", "state"))


@pytest.mark.slow
def test_who_waits_for_people_hears_of_the_last_answer_and_ctrl_c_leaves_all_in_order(trained: Path) -> None:
    program = [sys.executable, "-m", "robo_rlhf.cli.main", *TWO, "--home", str(trained), "--wait", "--json"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment())
    until = time.monotonic() + PATIENCE
    while _asked(trained / "feedback.db") < 3 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "stopped; run the same command to continue"
    process = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=_environment()
    )
    with Store(trained / "feedback.db") as store:
        for question in store.questions(run="duel"):
            store.answer(question.id, "ada", {"choice": "A"}, key=question.id)
    out, _ = process.communicate(timeout=PATIENCE)
    assert json.loads(out)["done"]
    assert json.loads((trained / "runs" / "duel" / "result.json").read_text())["answers"] == 3


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _untimed(steps: int):  # type: ignore[no-untyped-def]
    from robo_rlhf.data.schema import Timing

    return Timing.unknown(steps)


def _episodes(folder: Path) -> int:
    return sum(1 for _ in folder.glob("episodes/episodes/*.parquet"))


def _asked(database: Path) -> int:
    if not database.exists():
        return 0
    with Store(database) as store:
        return store.counts(run="killed").questions + store.counts(run="duel").questions
