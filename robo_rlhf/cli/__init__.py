"""The `robo-rlhf` command: the composition root.

One file a command. A module of this package registers a frozen dataclass whose fields are the options:

    @COMMANDS.register("episodes list")
    @dataclass(frozen=True)
    class EpisodesList:
        \"\"\"List the episodes of a dataset.

        The docstring becomes the help, as written, and ends with an example: `robo-rlhf episodes list samples --json`
        \"\"\"

        dataset: tyro.conf.Positional[str]
        \"\"\"Name of the dataset in the data home.\"\"\"

        def __call__(self) -> int: ...

A name of two words belongs to a group; `train NAME` is made of an algorithm, see `robo_rlhf.algorithms`. All modules
are imported to list the commands, so whatever is heavy (torch, mujoco, pyarrow) is imported inside `__call__`.
"""

from collections.abc import Iterator
from typing import Protocol

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.core import guests
from robo_rlhf.core.registry import Registry

CONTINUES = "run the same command to continue"
STAYS = "what was done until then stays"
STOPPED = "nothing was changed"


class CliCommand(Protocol):
    """A command with its options filled in.

    A class may state in `stopped` what Ctrl-C leaves behind, `CONTINUES` where the same command resumes; else it is
    `STOPPED`, which is true of commands that only read, and of those that make their one change at the end.
    """

    def __call__(self) -> int:
        """Run it and return the exit code: 0 for done, else one of `robo_rlhf.core.errors`."""
        ...


class _Commands(Registry[type[CliCommand]]):
    """The commands of the files of this package, and `train NAME` for each algorithm."""

    def __getitem__(self, name: str) -> type[CliCommand]:
        """Return a command; that of an algorithm is made when it is first asked for."""
        algorithm = name.removeprefix(TRAIN)
        if name not in self._items and name.startswith(TRAIN) and (algorithm in ALGORITHMS or guests.split(algorithm)):
            from robo_rlhf.cli.train import command  # here, where the algorithm's options are needed

            found = ALGORITHMS[algorithm]
            stopped = CONTINUES if hasattr(found, "run") else STOPPED  # where it works in a run folder
            self.register(name)(command(found, stopped))
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        """Whether there is such a command; imports nothing."""
        return super().__contains__(name) or (str(name).startswith(TRAIN) and str(name)[len(TRAIN) :] in ALGORITHMS)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted; imports nothing."""
        return iter(sorted({*super().__iter__(), *(TRAIN + name for name in ALGORITHMS)}))

    def __len__(self) -> int:
        """Return the number of commands; imports nothing."""
        return len(list(iter(self)))


TRAIN = "train "  # before the name of an algorithm
COMMANDS = _Commands("command", "robo_rlhf.cli")
