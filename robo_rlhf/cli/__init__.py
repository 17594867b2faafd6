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

A name of two words belongs to a group. All modules are imported to list the commands, so whatever is heavy
(torch, mujoco, pyarrow) is imported inside `__call__`.
"""

from typing import Protocol

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


COMMANDS: Registry[type[CliCommand]] = Registry("command", "robo_rlhf.cli")
