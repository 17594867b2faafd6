from pathlib import Path

import pytest

from robo_rlhf.core.errors import ConflictError, FileWarning
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.reserved_seeds import Reservation, Wanted
from tests.data.making import episode
from tests.locking import elsewhere


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    found = Dataset(tmp_path / "ds", create=True)
    found.add(episode("push-7", seed=7))
    return found


def wanted(first: int | None = None, *, policy: str | None = "a", count: int = 3) -> Wanted:
    asked = None if policy is None else {"policy": policy}
    return Wanted("push", count, first, asked, lambda seed: f"push-{seed}")


def test_two_at_once_take_different_seeds(dataset: Dataset) -> None:
    with Reservation(dataset, wanted()) as one, Reservation(dataset, wanted()) as other:
        assert (one.seeds, other.seeds) == ([8, 9, 10], [11, 12, 13])
        assert (one.more(), other.more(), one.more()) == (14, 15, 16)


def test_a_conflict_is_found_before_the_work(dataset: Dataset) -> None:
    with pytest.raises(ConflictError, match=r"'push-7': .* holds it already; choose another --seed"):
        Reservation(dataset, wanted(5))
    with Reservation(dataset, wanted(20)) as one:
        assert one.seeds == [20, 21, 22]
        with pytest.raises(ConflictError, match="seed 22 of push: another process is at work on it"):
            Reservation(dataset, wanted(22))
        with pytest.raises(ConflictError, match="seed 20 of push"):
            Reservation(dataset, wanted(20, policy=None))
    with Reservation(dataset, wanted(5, policy=None)._replace(id_of=None)) as other:  # its ids are new ones
        assert other.seeds == [5, 6, 7]


def test_the_same_command_goes_on_and_another_does_not(dataset: Dataset) -> None:
    with Reservation(dataset, wanted()) as stopped:
        stopped.note({8: ["success", 1.5, True]})
    with Reservation(dataset, wanted(policy="b")) as other:
        assert other.seeds == [11, 12, 13]
    with Reservation(dataset, wanted()) as again:
        assert (again.seeds, again.missing, again.done[8]) == ([8, 9, 10], [9, 10], ["success", 1.5, True])
        again.note({9: [], 10: []})
    assert list((dataset.path / "reserved").glob("*8*")) == []


def test_what_another_process_does_is_not_taken_over_while_it_lives(dataset: Dataset) -> None:
    with pytest.raises(KeyboardInterrupt), Reservation(dataset, wanted()):
        raise KeyboardInterrupt
    lock = dataset.path / "reserved" / "push-8.lock.json"
    elsewhere(lock)
    with Reservation(dataset, wanted()) as beside:
        assert beside.seeds == [11, 12, 13]
    elsewhere(lock, started="1")  # killed
    with Reservation(dataset, wanted()) as again:
        assert again.seeds == [8, 9, 10]


ODD = '{"task": "push", "asked": {"policy": "a"}, "seeds": %s, "done": %s}'


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '{"task": "push"}', "\x00\x00", "[" * 100_000]
    + [ODD % pair for pair in (("[]", "{}"), ("[true]", "{}"), ('["8"]', "{}"), ("[8]", "[]"), ("[8]", '{"x": 1}'))],
)
def test_a_file_that_makes_no_sense_keeps_nobody(dataset: Dataset, content: str) -> None:
    (dataset.path / "reserved").mkdir()
    (dataset.path / "reserved" / "push-8.json").write_text(content)
    with pytest.warns(FileWarning, match=r"push-8.json .* It is ignored"):
        found = Reservation(dataset, wanted())
    with found:
        assert found.seeds == [8, 9, 10]


def test_what_nobody_goes_on_with_is_swept(dataset: Dataset) -> None:
    file = dataset.path / "reserved" / "push-8.json"
    with Reservation(dataset, wanted(policy=None)):
        left = file.read_text()
    assert not file.exists()
    file.write_text(left)  # as after kill -9
    with Reservation(dataset, wanted(30, policy=None)):
        assert not file.exists()
