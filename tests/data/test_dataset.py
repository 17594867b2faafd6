import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.errors import ConflictError, CorruptFileError, InvalidValueError, NotFoundError, VersionError
from robo_rlhf.core.files import write_json
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import DataWarning
from tests.data.making import append, begin, check_equal, episode, flip


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "ds", create=True)


@pytest.fixture
def full(dataset: Dataset) -> Dataset:
    """Ten episodes e0 to e9 of 1 to 10 steps."""
    outcomes = ("success", "failure")
    dataset.add_many(episode(f"e{i}", steps=i + 1, seed=i, outcome=outcomes[i % 2]) for i in range(10))
    return dataset


def test_a_missing_dataset_names_those_that_are_there(tmp_path: Path) -> None:
    for name in ("monday", "tuesday"):
        Dataset(tmp_path / name, create=True)
    (tmp_path / "runs").mkdir()
    expected = r"^No dataset 'mondy'\. Did you mean 'monday'\? In .* there are: monday, tuesday\.$"
    with pytest.raises(NotFoundError, match=expected):
        Dataset(tmp_path / "mondy")
    with pytest.raises(NotFoundError, match=r"^No dataset 'x'\. In .*/nowhere there are: \(no datasets\)\.$"):
        Dataset(tmp_path / "nowhere" / "x")


def test_a_dataset_of_another_version_is_refused_untouched(full: Dataset) -> None:
    manifest = full.path / "dataset.json"
    write_json(manifest, {"format": 99, "whatever": 1})
    expected = r"ds has format version 99, this program reads version 1\. Read it with the version of robo-rlhf that"
    with pytest.raises(VersionError, match=expected):
        Dataset(full.path)
    with pytest.raises(VersionError):
        Dataset(full.path, create=True)
    assert json.loads(manifest.read_text())["format"] == 99


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 1}'])
def test_a_damaged_manifest_says_how_to_mend_it(full: Dataset, content: str) -> None:
    (full.path / "dataset.json").write_text(content)
    with pytest.raises(CorruptFileError, match=r"dataset\.json cannot be read .* write \{\"format\": 1, .*\} into it"):
        Dataset(full.path)


def test_a_dataset_of_one_task_refuses_others(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "ds", create=True, task="reach")
    assert Dataset(tmp_path / "ds", create=True, task="push").task == "reach"
    expected = "episode for dataset ds: expected task 'reach', got task 'push'"
    with pytest.raises(InvalidValueError, match=expected):
        dataset.add(episode())
    with pytest.raises(InvalidValueError, match=expected):
        begin(dataset, episode())
    assert not len(dataset)


def test_adding_and_loading(dataset: Dataset) -> None:
    first, second = episode("a", seed=1), episode("", seed=2)
    assert dataset.add(first) == "a"
    new = dataset.add(second)
    assert new in dataset
    assert "b" not in dataset
    assert sorted(dataset) == sorted(["a", new])
    check_equal(dataset.load("a"), first)
    check_equal(dataset.load(new), second)
    assert dataset.load(new).meta.id == new
    with pytest.raises(ConflictError, match=r"episode 'a': .*ds holds it already"):
        dataset.add(second.slice(0, 3, id="a"))
    dataset.add(second.slice(0, 3, id="a"), replace_existing=True)
    check_equal(dataset.load("a"), second, 3)
    dataset.add_many([second.slice(0, 3, id="a")], replace_existing=True)  # the same, so nothing happens
    dataset.undelete("a")
    check_equal(dataset.load("a"), first)


def test_an_unknown_id_suggests_the_nearest(full: Dataset) -> None:
    full.add(episode("pick_place-0007"))
    expected = (
        r"^No episode in dataset ds 'pick_place-007'\. Did you mean 'pick_place-0007'\? "
        r"`robo-rlhf episodes list --dataset ds` shows what there is\.$"
    )
    for look in (full.load, full.info, full.timing, full.delete, full.require):
        with pytest.raises(NotFoundError, match=expected):
            look("pick_place-007")


def test_lists_filter(full: Dataset) -> None:
    full.add(episode("x", task="reach", operator="ann", device="keyboard", tags=("gentle",), control_dt=0.1))
    assert len(full.list()) == len(full) == 11
    assert [i.meta.id for i in full.list(task="reach")] == ["x"]
    assert [i.meta.id for i in full.list(operator="ann", tag="gentle")] == ["x"]
    assert [i.meta.id for i in full.list(device="keyboard", tag="rough")] == []
    assert [i.meta.id for i in full.list(outcome="failure", min_length=3, max_length=6)] == ["e3", "e5"]
    (info,) = full.list(task="reach")
    assert (info.length, info.duration) == (12, pytest.approx(1.2))
    assert info.size == (full.path / "episodes" / "x.parquet").stat().st_size


def test_lists_notice_changes_by_others(full: Dataset) -> None:
    full.list()
    Dataset(full.path).tag("e3", "new")
    Dataset(full.path).delete("e4")
    assert [i.meta.id for i in full.list(tag="new")] == ["e3"]
    assert len(full.list()) == 9


def test_damaged_episodes_are_quarantined_and_the_rest_loads(full: Dataset) -> None:
    folder = full.path / "episodes"
    (folder / "e2.parquet").write_bytes((folder / "e2.parquet").read_bytes()[:-40])
    flip(folder / "e5.parquet", 8000)
    with pytest.raises(CorruptFileError, match=r"e5\.parquet cannot be read"):
        full.load("e5")
    with pytest.warns(DataWarning) as caught:
        loaded = [e.meta.id for e in full.load_all()]
    assert loaded == ["e0", "e1", "e3", "e4", "e6", "e7", "e8", "e9"]
    messages = sorted(str(w.message) for w in caught)
    assert [name in message for name, message in zip(("e2.parquet", "e5.parquet"), messages, strict=True)] == [True] * 2
    assert full.ids() == tuple(loaded)
    assert "checksum does not fit" in (full.path / "quarantine" / "e5.parquet.reason.txt").read_text()


def test_verify_reports_what_it_moves(full: Dataset) -> None:
    assert full.verify() == (full.ids(), ())
    flip(full.path / "episodes" / "e5.parquet", 9000)
    with pytest.warns(DataWarning, match=r"e5\.parquet"):
        result = full.verify(("e4", "e5"))
    assert result.good == ("e4",)
    assert len(result.problems) == 1
    assert "moved to" in result.problems[0]
    assert full.verify() == (full.ids(), ())


def test_lists_leave_out_what_has_no_footer(full: Dataset) -> None:
    (full.path / "episodes" / "e1.parquet").write_bytes(b"")
    with pytest.warns(DataWarning, match=r"e1\.parquet"):
        assert len(full.list()) == 9


def test_a_damaged_file_that_cannot_be_moved_is_left_out(full: Dataset) -> None:
    flip(full.path / "episodes" / "e5.parquet", 9000)
    (full.path / "quarantine").write_text("in the way")
    with pytest.warns(DataWarning, match=r"e5\.parquet: .*; it is left out, but cannot be moved aside"):
        assert len(list(full.load_all())) == 9
    assert "e5" in full


def test_curation(full: Dataset) -> None:
    full.tag("e1", "good", "gentle", "good")
    full.tag("e1", "gentle")
    full.untag("e1", "good", "unknown")
    full.note("e1", "touches the glass")
    full.set_outcome("e1", "aborted")
    loaded = full.load("e1")
    check_equal(loaded, episode(steps=2, seed=1))
    assert (loaded.meta.tags, loaded.meta.note, loaded.meta.outcome) == (("gentle",), "touches the glass", "aborted")


def test_trimming_and_taking_it_back(dataset: Dataset) -> None:
    like = episode("e1", steps=10)
    with begin(dataset, like) as writer:
        append(writer, like)
        writer.close("success")
    assert dataset.trim("e1", 2, 7) == "e1.2-7"
    trimmed = dataset.load("e1.2-7")
    check_equal(trimmed, like.slice(2, 5))
    assert (trimmed.meta.parent, trimmed.meta.parent_step, trimmed.meta.trimmed) == ("e1", 2, True)
    assert dataset.timing("e1.2-7").wall_time.tolist() == [1002.0, 1003.0, 1004.0, 1005.0, 1006.0]
    assert dataset.ids() == ("e1.2-7",)
    for start, stop in ((-1, 3), (3, 3), (0, 6)):
        expected = rf"trimming episode e1.2-7: expected at least one step within 0 to 5, got steps {start} to {stop}"
        with pytest.raises(InvalidValueError, match=expected):
            dataset.trim("e1.2-7", start, stop)
    assert dataset.trim("e1.2-7", 0, 5) == "e1.2-7"  # all of it: nothing changes
    dataset.undelete("e1")
    check_equal(dataset.load("e1"), like)
    check_equal(dataset.load("e1.2-7"), like.slice(2, 5))
    assert dataset.trim("e1", 2, 7) == "e1.2-7"  # the same steps have the same name
    assert dataset.ids() == ("e1.2-7",)


def test_what_was_said_about_steps_of_an_episode_stays_true_when_it_is_trimmed(dataset: Dataset) -> None:
    for name in ("e1", "e2"):
        dataset.add(episode(name, steps=10))
    dataset.trim(dataset.trim("e1", 2, 9), 0, 4)
    for name, steps in (("e1", 10), ("e1.2-9", 7), ("e1.2-9.0-4", 4)):
        assert len(dataset.recall(name)) == steps
    dataset.delete("e2")
    for gone in ("e2", "e3"):  # deleting an episode takes it back as a whole
        with pytest.raises(NotFoundError, match=f"No episode in dataset ds '{gone}'"):
            dataset.recall(gone)
    dataset.purge(["e1"])
    with pytest.raises(NotFoundError):
        dataset.recall("e1")


def test_a_branch_of_a_trimmed_episode_is_a_branch(dataset: Dataset) -> None:
    dataset.add(episode("e1", steps=10))
    with dataset.branch(dataset.trim("e1", 2, 9), 3, "b") as writer:
        writer.close("failure")
    found = dataset.info("b").meta
    assert (found.parent, found.parent_step, found.trimmed) == ("e1.2-9", 3, False)


def test_a_name_that_would_grow_too_long_is_a_new_one(dataset: Dataset) -> None:
    dataset.add(episode("e" * 128, steps=10))
    new = dataset.trim("e" * 128, 1, 9)
    assert len(new) < 40
    assert dataset.info(new).meta.parent == "e" * 128


def test_emptying_the_trash(full: Dataset) -> None:
    sizes = {name: full.info(name).size for name in ("e1", "e2")}
    full.add(episode("e1", seed=77), replace_existing=True)
    full.delete("e1")
    full.delete("e2")
    with pytest.raises(NotFoundError, match=r"No episode in the trash 'e3'\. Did you mean"):
        full.purge(["e1", "e3"])
    assert full.trash() == ("e1", "e2")
    one, two = full.trashed()
    assert (one.id, one.versions, two.id, two.versions, two.size) == ("e1", 2, "e2", 1, sizes["e2"])
    assert one.size > sizes["e1"]
    assert one.since >= full.created[:19]
    assert full.purge(["e1"]) == (one,)
    assert full.trash() == ("e2",)
    assert full.purge() == (two,)
    assert (full.purge(), list((full.path / "trash").iterdir())) == ((), [])


def test_deleting_and_undeleting(full: Dataset) -> None:
    full.delete("e1")
    full.delete("e2")
    assert full.trash() == ("e1", "e2")
    assert "e1" not in full
    with pytest.raises(NotFoundError, match=r"No episode in the trash 'e3'\. Did you mean"):
        full.undelete("e3")
    full.add(episode("e1", seed=77))
    full.delete("e1")
    full.undelete("e1")
    check_equal(full.load("e1"), episode(seed=77))
    full.delete("e1")
    full.undelete("e2")
    check_equal(full.load("e2"), episode(steps=3, seed=2))


def test_ids_with_dots_do_not_mix_in_the_trash(dataset: Dataset) -> None:
    for name in ("a", "a.1", "a.1.2"):
        dataset.add(episode(name, seed=len(name)))
        dataset.delete(name)
    assert dataset.trash() == ("a", "a.1", "a.1.2")
    dataset.undelete("a.1")
    assert dataset.ids() == ("a.1",)
    check_equal(dataset.load("a.1"), episode(seed=3))


def test_merging(full: Dataset, tmp_path: Path) -> None:
    other = Dataset(tmp_path / "other", create=True)
    other.add(episode("e1", steps=2, seed=1, outcome="failure"))  # the same as here
    other.add(episode("e2", seed=50))  # another one
    other.add(episode("new", seed=51, parent="e2", parent_step=3))
    expected = {"e1": "e1", "e2": "e2-2", "new": "new"}
    assert full.merge(other) == expected
    assert len(full) == 12
    check_equal(full.load("e2"), episode(steps=3, seed=2))
    check_equal(full.load("e2-2"), episode(seed=50))
    assert full.load("new").meta.parent == "e2-2"
    assert full.merge(other) == expected  # again changes nothing
    assert len(full) == 12


@settings(max_examples=25)
@given(seed=st.integers(0, 99), cut=st.integers(0, 10))
def test_splits_are_complete_disjoint_and_repeatable(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cut: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "split"
    if not folder.exists():
        Dataset(folder, create=True).add_many(episode(f"e{i}", steps=1) for i in range(10))
    dataset = Dataset(folder)
    parts = dataset.split((cut / 10, 1 - cut / 10), seed)
    assert [len(part) for part in parts] == [cut, 10 - cut]
    assert sorted(sum(parts, ())) == list(dataset.ids())
    assert dataset.split((cut / 10, 1 - cut / 10), seed) == parts


def test_splits_keep_families_together(dataset: Dataset) -> None:
    for i in range(12):
        dataset.add(episode(f"e{i:02}", steps=1, parent=f"e{i - 1:02}" if i % 3 else ""))
    dataset.add(episode("x", steps=1, parent="gone"))
    dataset.add(episode("y", steps=1, parent="gone"))
    for seed in range(5):
        for part in dataset.split((0.5, 0.3, 0.2), seed):
            for root in ("e00", "e03", "e06", "e09"):
                family = {f"e{int(root[1:]) + k:02}" for k in range(3)}
                assert family <= set(part) or not family & set(part)
            assert ("x" in part) == ("y" in part)
    with pytest.raises(InvalidValueError, match=r"fractions of a split: expected non-negative values that add up to 1"):
        dataset.split((0.5, 0.6), 0)


def tag_often(folder: Path, name: str) -> None:
    dataset = Dataset(folder)
    for number in range(10):
        dataset.tag("e1", f"{name}{number}")


def test_edits_from_several_programs_do_not_get_lost(full: Dataset) -> None:
    context: Any = multiprocessing.get_context("spawn")
    programs = [context.Process(target=tag_often, args=(full.path, name)) for name in "ab"]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert len(full.load("e1").meta.tags) == 20


@pytest.mark.parametrize("what", ["pipe", "folder", "device", "circle"])
def test_what_is_no_file_among_episodes_hides_nothing(what: str, tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "set", create=True)
    dataset.add(episode("e2"))
    path = tmp_path / "set" / "episodes" / "e1.parquet"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if what == "device" else path.name)
    with pytest.warns(DataWarning, match=r"e1\.parquet"):
        assert [info.meta.id for info in dataset.list()] == ["e2"]
    (tmp_path / "set" / "journal").mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "set" / "journal" / "j1.arrows")
    with pytest.warns(DataWarning, match=r"j1\.arrows.*it is a pipe and no file"):
        assert "e2" in Dataset(tmp_path / "set")


def test_a_file_whose_name_is_no_id_hides_nothing_and_is_told(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "set", create=True)
    dataset.add(episode("e1"))
    (tmp_path / "set" / "episodes" / "my best.parquet").write_bytes(b"x")
    assert dataset.ids() == ("e1",)
    with pytest.warns(DataWarning, match=r"my best\.parquet: its name is no episode id"):
        assert dataset.verify().good == ("e1",)
