import os
from pathlib import Path

import pytest

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.data.layout import datasets_of, list_datasets, require_dataset

HERE = ("a", "a/b", "samples/reach", "samples/Meta-World/MT1:door-open-v3", "samples/cases:Lab/Point-v0", "1/2/3/4/5/6")


def make(home: Path, *names: str) -> None:
    for name in names:
        (home / name).mkdir(parents=True, exist_ok=True)
        (home / name / "dataset.json").write_text("{}")


def test_datasets_are_found_at_any_depth(tmp_path: Path) -> None:
    make(tmp_path, *HERE)
    assert list_datasets(tmp_path) == tuple(sorted(HERE))


def test_what_is_not_a_dataset_of_the_home_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a", ".hidden", "x/.samples-reach-7/raw", "runs/main/clips", "cache/x", "a/trash", "a/episodes/b")
    (tmp_path / "file").write_text("")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "linked").symlink_to(tmp_path / "a", target_is_directory=True)
    assert list_datasets(tmp_path) == ("a", "linked")
    assert list_datasets(tmp_path / "nowhere") == ()
    assert list_datasets(tmp_path / "file") == ()


def test_a_folder_that_cannot_be_looked_into_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a", "closed/b", "z")
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    assert list_datasets(tmp_path) == ("a", "z")


def test_samples_that_ship_belong_to_every_home(home: Path, tmp_path: Path) -> None:
    make(tmp_path / "shipped", "samples/reach", "samples/push", "other")
    make(home, "samples/push", "mine")
    found = datasets_of(home)
    assert found == {
        "mine": home / "mine",
        "samples/push": home / "samples/push",
        "samples/reach": tmp_path / "shipped" / "samples/reach",
    }
    for name, folder in found.items():
        assert require_dataset(home, name) == folder
    with pytest.raises(NotFoundError, match=r"No dataset 'mino'. Did you mean 'mine'\? There are: mine, samples/"):
        require_dataset(home, "mino")
    with pytest.raises(NotFoundError, match="No dataset 'other'"):
        require_dataset(home, "other")
    with pytest.raises(NotFoundError, match=r"No dataset '\.\./shipped/other'"):
        require_dataset(home, "../shipped/other")
