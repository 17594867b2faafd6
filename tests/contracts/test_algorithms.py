"""Contract of every registered algorithm, on its own example: ten steps; killed and continued, it ends the same.

A training is killed by an exception out of its progress callback, as a signal would end it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Algorithm, Progress, Row, RunAlgorithm
from robo_rlhf.core.runs import Run, read_checkpoint

STEPS = 10


class KilledError(Exception):
    pass


class KillingSession:
    """Trains in the algorithm's run folder; killed after so many steps, which are counted."""

    def __init__(self, algorithm: Algorithm, kill: int | None = None) -> None:
        self.algorithm, self.kill, self.done, self.total = algorithm, kill, 0, 0

    def open(self, config: object, asked: Mapping[str, Any]) -> Run:
        assert self.algorithm.folder is not None
        return Run(self.algorithm.folder, config, asked)

    @contextmanager
    def progress(self, label: str, metrics: Sequence[str]) -> Iterator[Progress]:
        def report(done: int, total: int, found: Mapping[str, float]) -> None:
            assert {*found} & {*metrics}, "one of the metrics that are shown beside the bar is there"
            self.done, self.total = done, total
            if done == self.kill:
                raise KilledError

        yield report

    def tell(self, sentence: str) -> None: ...

    def give_way(self) -> None: ...


@pytest.fixture(scope="module", params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> type[Algorithm]:
    name: str = request.param
    return ALGORITHMS[name]


@pytest.fixture(scope="module")
def uninterrupted(algorithm: type[Algorithm], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    """The data home of an example that was never killed, and its result."""
    home = tmp_path_factory.mktemp("whole")
    example = algorithm.example(home)
    example.check()
    session = KillingSession(example)
    rows = example.train(session)
    assert (session.done, session.total) == (STEPS, STEPS)
    return home, rows


def test_it_is_called_as_it_is_registered(algorithm: type[Algorithm]) -> None:
    assert ALGORITHMS[algorithm.name] is algorithm
    assert algorithm.__module__ == f"robo_rlhf.algorithms.{algorithm.name}"


def test_ten_steps_log_finite_metrics_and_a_result(uninterrupted: tuple[Path, list[Row]]) -> None:
    home, rows = uninterrupted
    assert all(np.isfinite([v for v in row.values() if isinstance(v, float)]).all() for row in rows)
    for folder in (home / "runs").glob("*"):
        run = Run(folder, read_config(folder))
        assert run.result() is not None
        logged = run.metrics()
        assert logged
        assert all(np.isfinite(list(row.values())).all() for row in logged)


@pytest.mark.parametrize("kills", [[3], [2, 8, 10]])
def test_killed_and_resumed_equals_uninterrupted(
    algorithm: type[Algorithm], uninterrupted: tuple[Path, list[Row]], kills: list[int], tmp_path: Path
) -> None:
    whole, rows = uninterrupted
    example = algorithm.example(tmp_path)
    for kill in kills:
        with pytest.raises(KilledError):
            example.train(KillingSession(example, kill))
        if not isinstance(example, RunAlgorithm):
            assert files(tmp_path) == files_of_inputs(algorithm, tmp_path / "inputs"), "nothing is left behind"
    found = example.train(KillingSession(example))
    assert str(found) == str(rows).replace(str(whole), str(tmp_path))
    assert_equal(whole, tmp_path)
    assert example.train(KillingSession(example)) == found  # a finished one is only read, or done the same again


def read_config(folder: Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return {name: value for name, value in stored.items() if name != "seal"}


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and "inputs" not in path.parts}


def files_of_inputs(algorithm: type[Algorithm], home: Path) -> set[str]:
    home.mkdir(exist_ok=True)
    if not any(home.iterdir()):
        algorithm.example(home)
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def assert_equal(one: Path, other: Path) -> None:
    """Metrics, results and trained weights are the same, bit for bit."""
    compared = [path.relative_to(one) for path in sorted(one.rglob("*")) if path.suffix == ".safetensors"]
    compared += [path.relative_to(one) for path in sorted((one / "runs").rglob("metrics.jsonl"))]
    assert compared
    for name in compared:
        if name.suffix == ".jsonl":
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        elif name.stem != "training":
            a, b = (read_checkpoint(home / name)[0] for home in (one, other))
            assert a.keys() == b.keys()
            for key, value in a.items():
                np.testing.assert_array_equal(value, b[key], err_msg=f"{name}: {key}")
