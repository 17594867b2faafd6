"""The contract of algorithms, on their own example: ten steps; killed and continued, it ends the same.

A training is killed by an exception out of its progress callback, as a signal would end it.
"""

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Algorithm, Progress, Row, RunAlgorithm
from robo_rlhf.contracts.clauses import Contract, require
from robo_rlhf.core.runs import Run, read_checkpoint

STEPS = 10
KILLS = ((3,), (2, 8, 10))  # after so many steps, one after the other


class KilledError(Exception):
    """The training was ended where a test wanted it."""


class KillingSession:
    """Trains in the algorithm's run folder; killed after so many steps, which are counted."""

    def __init__(self, algorithm: Algorithm, kill: int | None = None) -> None:
        """Train `algorithm` until `kill` steps are done; to the end without."""
        self.algorithm, self.kill, self.done, self.total = algorithm, kill, 0, 0

    def open(self, config: object, asked: Mapping[str, Any]) -> Run:
        """Create the run, or open it to continue."""
        where = type(self.algorithm)
        require(self.algorithm.folder is not None, "train opens a run, and folder is None", where)
        assert self.algorithm.folder is not None
        return Run(self.algorithm.folder, config, asked)

    @contextmanager
    def progress(self, label: str, metrics: Sequence[str]) -> Iterator[Progress]:
        """Count the steps."""

        def report(done: int, total: int, found: Mapping[str, float]) -> None:
            where = type(self.algorithm).train
            require({*found} & {*metrics}, f"progress is shown with {list(metrics)}, and told {list(found)}", where)
            self.done, self.total = done, total
            if done == self.kill:
                raise KilledError

        yield report

    def tell(self, sentence: str) -> None:
        """Show nothing."""

    def give_way(self) -> None:
        """Keep the priority."""


class AlgorithmTrial:
    """An algorithm on trial, and the training of its example that was never killed, when it is first needed."""

    def __init__(self, kind: type[Algorithm]) -> None:
        """Nothing is trained yet."""
        self.kind, self.home = kind, Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, self.home, ignore_errors=True)

    @cached_property
    def rows(self) -> list[Row]:
        """The result of the whole training, whose files lie in `home`."""
        example = self.kind.example(self.home)
        example.check()
        session = KillingSession(example)
        rows = example.train(session)
        text = f"the example ends after {session.done} of {session.total} steps, expected {STEPS} of {STEPS}"
        require((session.done, session.total) == (STEPS, STEPS), text, self.kind.train)
        return rows


def ten_steps_give_finite_results(trial: AlgorithmTrial) -> None:
    """Its example trains ten steps, and logs finite metrics and a result."""
    train = trial.kind.train
    require(trial.rows, "train returns no rows", train)
    for row in trial.rows:
        odd = [name for name, value in row.items() if isinstance(value, float) and not np.isfinite(value)]
        require(not odd, f"the result has {', '.join(odd)} that is NaN or infinite", train)
    for folder in (trial.home / "runs").glob("*"):
        run = Run(folder, _stored_config(folder))
        require(run.result() is not None, "a finished run has no result", train)
        logged = run.metrics()
        require(logged, "a run has no metrics", train)
        for row in logged:
            require(np.isfinite(list(row.values())).all(), f"a row of metrics is not finite: {row}", train)


def killed_and_continued_ends_the_same(trial: AlgorithmTrial) -> None:
    """Killed after any step and continued, it ends bit for bit as if it had never been killed."""
    train, rows = trial.kind.train, trial.rows
    for kills in KILLS:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            example = trial.kind.example(home)
            before = _files(home)
            for kill in kills:
                session = KillingSession(example, kill)
                try:
                    example.train(session)
                except KilledError:
                    pass
                else:
                    require(False, f"train ends before step {kill}, after {session.done}", train)
                if not isinstance(example, RunAlgorithm):
                    require(_files(home) == before, "killed, it leaves files, and has no run to continue", train)
            found = example.train(KillingSession(example))
            same = str(found) == str(rows).replace(str(trial.home), str(home))
            require(same, f"killed after {kills} steps and continued, its result differs", train)
            differs = _difference(trial.home, home)
            require(not differs, f"killed after {kills} steps and continued, {differs} differs", train)
            again = example.train(KillingSession(example))
            require(again == found, "a finished training, asked for once more, gives another result", train)


def _stored_config(folder: Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return {name: value for name, value in stored.items() if name != "seal"}


def _files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def _difference(one: Path, other: Path) -> str:
    """Return what of metrics, results and trained weights is not the same bit for bit; empty where all is."""
    compared = [path.relative_to(one) for path in sorted(one.rglob("*.safetensors")) if path.stem != "training"]
    compared += [path.relative_to(one) for path in sorted((one / "runs").rglob("metrics.jsonl"))]
    for name in compared:
        if not (other / name).exists():
            return str(name)
        if name.suffix == ".jsonl":
            if (one / name).read_bytes() != (other / name).read_bytes():
                return str(name)
            continue
        a, b = (read_checkpoint(home / name)[0] for home in (one, other))
        if a.keys() != b.keys() or any(not np.array_equal(a[key], b[key]) for key in a):
            return str(name)
    return "" if compared else "everything: there are neither weights nor metrics"


CONTRACT = Contract(ALGORITHMS, AlgorithmTrial, (ten_steps_give_finite_results, killed_and_continued_ends_the_same))
