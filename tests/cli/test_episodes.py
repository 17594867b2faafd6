import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.main import main
from robo_rlhf.core.types import Episode, Source
from robo_rlhf.data.dataset import Dataset
from tests.data.making import append, begin, check_equal, episode, flip, meta

GROUP = [name for name in COMMANDS if name.startswith("episodes ")]


@pytest.fixture
def dataset(home: Path) -> Dataset:
    """Three episodes in the dataset that commands take unless told otherwise."""
    made = Dataset(home / "samples", create=True)
    made.add_many(episode(f"push-{i}", steps=4 + i, seed=i, outcome=("success", "failure")[i % 2]) for i in range(3))
    return made


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("name", GROUP)
def test_every_command_explains_itself_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    assert f"robo-rlhf {name}" in capsys.readouterr().out.partition("Example:")[2]


@pytest.mark.usefixtures("dataset")
def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["episodes", "list", "--dataset", "samples"]) == 0
    text = capsys.readouterr().out
    assert "3 episodes in samples" in text
    assert "push-2" in text
    assert main(["episodes", "list", "--dataset", "samples", "--outcome", "success", "--min-steps", "5", "--json"]) == 0
    (row,) = rows(capsys)
    assert (row["id"], row["steps"], row["seconds"], row["outcome"]) == ("push-2", 6, 0.3, "success")
    assert main(["episodes", "list", "--dataset", "samples", "--task", "reach"]) == 0
    assert capsys.readouterr().out == "No episode fits.\n"


@pytest.mark.usefixtures("dataset")
def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["episodes", "show", "--dataset", "samples", "push-1", "--json"]) == 0
    (row,) = rows(capsys)
    assert (row["id"], row["steps"], row["obs_dim"], row["act_dim"], row["state_size"]) == ("push-1", 5, 6, 3, 9)
    assert row["signals"] == ["contact_force", "ee_pos"]
    assert main(["episodes", "show", "--dataset", "samples", "push-1"]) == 0
    assert "state_size" in capsys.readouterr().out


@pytest.mark.usefixtures("dataset")
def test_an_unknown_episode_or_dataset_is_one_sentence_and_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["show"], ["delete"], ["trim", "0", "2"], ["tag", "--add", "x"], ["render"]):
        assert main(["episodes", command[0], "--dataset", "samples", "push-11", *command[1:]]) == 5
        error = capsys.readouterr().err
        assert error.startswith("error: No episode in dataset samples 'push-11'. Did you mean 'push-1'?")
        assert error.count("\n") == 1
    assert main(["episodes", "list", "--dataset", "sample"]) == 5
    assert "No dataset 'sample'. Did you mean 'samples'?" in capsys.readouterr().err


def test_without_a_dataset_those_that_there_are_are_listed(
    dataset: Dataset, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Dataset(home / "more" / "push", create=True)
    assert main(["episodes", "list", "--json"]) == 0
    assert rows(capsys) == [{"dataset": "more/push", "episodes": 0}, {"dataset": "samples", "episodes": 3}]
    assert main(["episodes", "list", "--home", str(home / "nowhere")]) == 0
    assert "There is no dataset in" in capsys.readouterr().out
    assert main(["episodes", "show", "push-1"]) == 2
    error = capsys.readouterr().err
    assert "--dataset: expected one of those in" in error
    assert "more/push, samples, got none" in error


def test_another_home(dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset.path.parent.rename(tmp_path / "elsewhere")
    assert main(["episodes", "list", "--dataset", "samples", "--home", str(tmp_path / "elsewhere"), "--json"]) == 0
    assert len(rows(capsys)) == 3


def test_verify(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["episodes", "verify", "--dataset", "samples"]) == 0
    assert capsys.readouterr().out == "All 3 episodes are whole.\n"
    flip(dataset.path / "episodes" / "push-1.parquet", 5000)
    assert main(["episodes", "verify", "--dataset", "samples", "--json"]) == 4
    (row,) = rows(capsys)
    assert "push-1.parquet" in row["problem"]
    assert "moved to" in row["problem"]
    assert main(["episodes", "verify", "--dataset", "samples"]) == 0


def test_damage_met_on_the_way_is_a_line_on_stderr(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset.path / "episodes" / "push-1.parquet").write_bytes(b"PAR1")
    assert main(["episodes", "list", "--dataset", "samples", "--json"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 2
    assert captured.err.startswith("warning: ")
    assert "push-1.parquet" in captured.err
    assert captured.err.count("\n") == 1


def test_trim_tag_delete_undelete(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["episodes", "trim", "--dataset", "samples", "push-2", "1", "4"]) == 0
    assert capsys.readouterr().out == "push-2.1-4 has 3 steps; push-2 is in the trash: undelete brings it back\n"
    assert len(dataset.load("push-2.1-4")) == 3
    assert main(["episodes", "trim", "--dataset", "samples", "push-2.1-4", "3", "3"]) == 2
    assert main(["episodes", "trim", "--dataset", "samples", "push-2.1-4", "0", "3"]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert main(["episodes", "undelete", "--dataset", "samples", "push-2"]) == 0
    assert len(dataset.load("push-2")) == 6
    assert main(["episodes", "delete", "--dataset", "samples", "push-2.1-4"]) == 0
    command = [
        "episodes",
        "tag",
        "--dataset",
        "samples",
        "push-0",
        "push-1",
        "--add",
        "a",
        "b",
        "--note",
        "slow",
        "--outcome",
        "aborted",
    ]
    assert main(command) == 0
    assert main(["episodes", "tag", "--dataset", "samples", "push-0", "--remove", "a"]) == 0
    found = {info.meta.id: info.meta for info in dataset.list()}
    assert (found["push-0"].tags, found["push-1"].tags) == (("b",), ("a", "b"))
    assert (found["push-0"].note, found["push-0"].outcome) == ("slow", "aborted")
    assert main(["episodes", "delete", "--dataset", "samples", "push-0", "nothing"]) == 5
    assert len(dataset) == 3
    assert main(["episodes", "delete", "--dataset", "samples", "push-0", "push-1"]) == 0
    assert dataset.ids() == ("push-2",)
    capsys.readouterr()
    assert main(["episodes", "list", "--dataset", "samples", "--trash", "--json"]) == 0
    assert [row["id"] for row in rows(capsys)] == ["push-0", "push-1", "push-2.1-4"]
    assert main(["episodes", "undelete", "--dataset", "samples", "push-1", "push-0"]) == 0
    assert len(dataset) == 3


def test_purge_shows_what_it_is_about_and_asks(
    dataset: Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    purge = ["episodes", "purge", "--dataset", "samples"]
    assert main(purge) == 0
    assert capsys.readouterr().out == "The trash is empty.\n"
    dataset.delete("push-0")
    dataset.delete("push-1")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked, answers = list[str](), ["", "n", "y"]

    def answer(question: str) -> str:
        asked.append(question)
        return answers.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    for left in (2, 2, 1):
        assert main([*purge, "push-1"]) == 0
        assert len(dataset.trash()) == left
    text = capsys.readouterr().out
    assert text.count("1 episodes in the trash, 0.0 MB") == 3
    assert text.count("nothing was deleted") == 2
    assert "deleted 1 episodes for good" in text
    assert asked == ["Delete them for good? [y/N] "] * 3


def test_purge_deletes_nothing_unasked(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    purge = ["episodes", "purge", "--dataset", "samples"]
    dataset.delete("push-0")
    for options in ([], ["--json"]):
        assert main([*purge, *options]) == 2
        assert "--yes where nothing can be asked" in capsys.readouterr().err
    assert main([*purge, "push-1", "--yes"]) == 5
    assert "No episode in the trash 'push-1'. Did you mean 'push-0'?" in capsys.readouterr().err
    assert dataset.trash() == ("push-0",)
    assert main([*purge, "--yes", "--json"]) == 0
    (row,) = rows(capsys)
    assert (row["id"], row["versions"]) == ("push-0", 1)
    assert dataset.trash() == ()
    assert main([*purge, "--yes", "--json"]) == 0
    assert rows(capsys) == []


def test_recover(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["episodes", "recover", "--dataset", "samples"]) == 0
    assert capsys.readouterr().out == "Nothing to recover: every episode was closed.\n"
    left, live = episode("left"), episode("live")
    with begin(dataset, left) as writer:
        append(writer, left)
    (dataset.path / "journal" / "bad.arrows").write_bytes(b"bad")
    with begin(dataset, live) as writer:
        append(writer, live)
        assert main(["episodes", "recover", "--dataset", "samples", "--json"]) == 4
        found = rows(capsys)
    assert [(row["what"], row["name"]) for row in found[:2]] == [("recovered", "left"), ("being recorded", "live")]
    assert "bad.arrows: no step can be read" in found[2]["name"]
    check_equal(dataset.load("left"), left)


def test_commands_say_what_opening_recovered(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    left = episode("left")
    with begin(dataset, left) as writer:
        append(writer, left)
    assert main(["episodes", "list", "--dataset", "samples", "--json"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 4
    assert captured.err == "recovered left, which a crash had cut short\n"


def test_render_needs_states_and_time(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    like = episode("blind")
    dataset.add(Episode(**{**vars(like), "state": np.zeros((13, 0))}))
    assert main(["episodes", "render", "--dataset", "samples", "blind"]) == 14
    assert "Episode blind cannot be shown. It holds no simulator states." in capsys.readouterr().err
    assert main(["episodes", "render", "--dataset", "samples", "push-0", "--speed", "0"]) == 2


def test_render(dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from robo_rlhf.sim.envs.task_env import make_env

    env = make_env("reach", 1)
    env.reset(np.array([3]))
    state = np.repeat(env.get_state(), 3, axis=0)
    recorded = Episode(
        obs=np.zeros((3, 2), dtype=np.float32),
        action=np.zeros((2, 2), dtype=np.float32),
        state=state,
        reward=np.zeros(2, dtype=np.float32),
        success=np.zeros(3, dtype=np.bool_),
        source=np.full(2, Source.SCRIPTED, dtype=np.uint8),
        signals={},
        meta=meta("still", task="reach"),
    )
    env.close()
    dataset.add(recorded)
    clip = tmp_path / "clip.mp4"
    assert (
        main(
            [
                "episodes",
                "render",
                "--dataset",
                "samples",
                "still",
                "--out",
                str(clip),
                "--width",
                "64",
                "--height",
                "48",
            ]
        )
        == 0
    )
    assert capsys.readouterr().out == f"wrote {clip}\n"
    assert clip.read_bytes()[4:8] == b"ftyp"
