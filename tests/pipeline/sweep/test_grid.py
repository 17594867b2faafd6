import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.pipeline.sweep.grid import SweepRun, grid, varied


def test_every_combination_is_run_from_the_first_seed_and_then_from_the_next() -> None:
    settings = varied(["clone.updates=200,400", "finetune.anchor = 0.1".replace(" ", "")])
    assert grid("tuned", settings, [7, 8]) == [
        SweepRun(1, "tuned-1", 7, ("clone.updates=200", "finetune.anchor=0.1")),
        SweepRun(2, "tuned-2", 7, ("clone.updates=400", "finetune.anchor=0.1")),
        SweepRun(3, "tuned-3", 8, ("clone.updates=200", "finetune.anchor=0.1")),
        SweepRun(4, "tuned-4", 8, ("clone.updates=400", "finetune.anchor=0.1")),
    ]


def test_more_seeds_leave_the_runs_that_there_are_as_they_are() -> None:
    settings = varied(["clone.updates=200,400"])
    assert grid("tuned", settings, range(5))[:4] == grid("tuned", settings, range(2))


def test_with_nothing_to_vary_only_the_seeds_differ() -> None:
    assert [(cell.seed, cell.settings) for cell in grid("s", varied([]), [0, 1])] == [(0, ()), (1, ())]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["clone.updates"], "NAME=VALUE,VALUE"),
        (["clone.updates=200,"], "NAME=VALUE,VALUE"),
        (["=200"], "NAME=VALUE,VALUE"),
        (["a=1,1"], "different values"),
        (["a=1", "a=2"], "each setting once"),
        (["episodes=50,100"], "another setting than task, seed, episodes"),
        (["seed=1,2"], "another setting than task, seed, episodes"),
    ],
)
def test_what_cannot_be_varied_is_refused(given: list[str], what: str) -> None:
    with pytest.raises(InvalidValueError, match=what):
        varied(given)


def test_a_sweep_of_too_many_runs_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="at most 1000"):
        grid("s", varied([f"a={','.join(map(str, range(101)))}"]), range(10))
