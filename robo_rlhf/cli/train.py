"""`robo-rlhf train NAME`: the command that is made of an algorithm."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robo_rlhf.algorithms.base import Algorithm, Progress
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import lower_priority, use_one_thread

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run


class TerminalSession:
    """Trains in the algorithm's run folder, with bars on stderr."""

    def __init__(self, algorithm: Algorithm, stack: ExitStack) -> None:
        """Train `algorithm` until `stack` is closed."""
        self.algorithm, self.stack = algorithm, stack

    def open(self, config: object, asked: Mapping[str, Any]) -> "Run":
        """Create the run, or open it to continue; this process keeps its heartbeat."""
        from robo_rlhf.core.runs import Run
        from robo_rlhf.processes.heartbeat import keep_heartbeat

        assert self.algorithm.folder is not None
        run = Run(self.algorithm.folder, config, asked)
        self.stack.enter_context(keep_heartbeat(run))
        return run

    def progress(self, label: str, metrics: Sequence[str]) -> AbstractContextManager[Progress]:
        """Show a bar."""
        return progress_bar(label, tuple(metrics))

    def give_way(self) -> None:
        """Lower this process's priority."""
        lower_priority()

    def tell(self, sentence: str) -> None:
        """Print a sentence on stderr."""
        print(sentence, file=sys.stderr, flush=True)


def train(algorithm: Algorithm) -> int:
    """Train, with a bar, and print the result.

    Raises:
        BusyError: another process works in the run folder.
        RoboRlhfError: as the algorithm's `check` and `train`.
    """
    from robo_rlhf.processes.heartbeat import held
    from robo_rlhf.trackers.base import tracking

    with ExitStack() as stack:
        if algorithm.folder is not None:
            stack.enter_context(held(algorithm.folder))
        algorithm.check()
        use_one_thread()
        if algorithm.folder is not None:
            stack.enter_context(tracking(getattr(algorithm, "track", ""), algorithm.folder))
        rows = algorithm.train(TerminalSession(algorithm, stack))
    print_rows(rows, as_json=algorithm.json)
    return 0


def command(algorithm: type[Algorithm], stopped: str) -> Any:
    """Return the command of an algorithm: the same options, and `train` when it is called.

    `stopped` says what Ctrl-C leaves behind, see `CliCommand`.
    """
    added = {"__doc__": algorithm.__doc__, "__call__": train, "stopped": stopped}
    extended = type(algorithm.__name__, (algorithm,), added)
    return dataclass(frozen=True, kw_only=True)(extended)
