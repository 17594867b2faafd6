from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.data.dataset import Dataset
from tests.data.making import check_equal, episode


@pytest.fixture
def dataset(home: Path) -> Dataset:
    """Three episodes: two pushed well, one not."""
    made = Dataset(home / "monday", create=True)
    made.add_many(episode(f"e{i}", steps=4 + i, seed=i, outcome=("success", "failure")[i % 2]) for i in range(3))
    return made


def test_what_is_exported_is_imported_under_another_name(
    dataset: Dataset, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "set")
    assert main(["episodes", "export", "monday", place, "--format", "lerobot", "--outcome", "success"]) == 0
    assert f"wrote 2 episodes to {place}" in capsys.readouterr().out
    assert main(["episodes", "import", place, "--dataset", "lab/back", "--min-steps", "5"]) == 0
    assert "imported 1 episodes into lab/back" in capsys.readouterr().out
    back = Dataset(home / "lab/back")
    assert back.ids() == ("e2",)
    check_equal(back.load("e2"), dataset.load("e2"))


@pytest.mark.usefixtures("dataset")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "monday", "x", "--format", "lerobto"], "Did you mean 'lerobot'?"),
        (["export", "monday", "x", "--format", "lerobot", "--size", "3"], "16 to 4096 pixels"),
        (["export", "tuesday", "x", "--format", "lerobot"], "No dataset 'tuesday'"),
        (["import", "nowhere"], "No file or folder to import 'nowhere'"),
        (["import", "nowhere", "--format", "zarr"], "Unknown format 'zarr'"),
        (["split", "monday", "--fractions", "0.5", "0.2"], "add up to 1"),
        (["merge", "monday", "tuesday", "--into", "week"], "No dataset 'tuesday'"),
        (["merge", "monday", "--into", "monday"], "another one than it is copied from"),
        (["copy", "monday", "week", "--tag", "none"], "none that fits"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["episodes", *words]) > 0
    (line,) = (text for text in capsys.readouterr().err.splitlines() if text.startswith("error: "))
    assert said in line
    assert sorted(path.name for path in home.iterdir()) == ["monday"]


def test_merged_episodes_keep_apart_and_know_where_they_came_from(
    dataset: Dataset, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Dataset(home / "tuesday", create=True).add_many([episode("e1", seed=50), episode("e7", seed=51)])
    for _ in range(2):  # the second time changes nothing
        assert main(["episodes", "merge", "monday", "tuesday", "--into", "week"]) == 0
        assert "tuesday: 2 episodes are in week, 1 with a new id" in capsys.readouterr().out
        week = Dataset(home / "week")
        assert week.ids() == ("e0", "e1", "e1-2", "e2", "e7")
    assert week.info("e1-2").meta.origin == {"dataset": "tuesday", "id": "e1"}
    check_equal(week.load("e1-2"), episode("e1", seed=50))
    check_equal(week.load("e1"), dataset.load("e1"))


@pytest.mark.usefixtures("dataset")
def test_copies_are_those_that_fit(home: Path) -> None:
    assert main(["episodes", "copy", "monday", "good", "--outcome", "success"]) == 0
    assert Dataset(home / "good").ids() == ("e0", "e2")


@pytest.mark.usefixtures("dataset")
def test_parts_have_all_episodes_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["episodes", "split", "monday", "--fractions", "0.67", "0.33", "--names", "train", "valid"]
    assert main(words) == 0
    train, valid = Dataset(home / "train").ids(), Dataset(home / "valid").ids()
    assert sorted((*train, *valid)) == ["e0", "e1", "e2"]
    assert (len(train), len(valid)) == (2, 1)
    assert main(words) == 0  # goes on where it was stopped
    capsys.readouterr()
    assert main([*words, "--seed", "3"]) == 10
    assert "it holds other episodes" in capsys.readouterr().err
