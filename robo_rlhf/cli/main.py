"""Entry point of the `robo-rlhf` command: find the command, fill in its options, turn errors into exit codes."""

import errno
import inspect
import os
import sys
import textwrap
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

from robo_rlhf import __version__
from robo_rlhf.cli import (
    COMMANDS,
    STOPPED,
    TRAIN,
    CliCommand,
)
from robo_rlhf.core import guests
from robo_rlhf.core.errors import (
    DiskFullError,
    FileWarning,
    InvalidValueError,
    RoboRlhfError,
    UnknownNameError,
)
from robo_rlhf.core.legacy_names import option_now
from robo_rlhf.vision.torch_device import is_out_of_memory, use_torch_device

LINE = 100  # characters of the overview, where names are listed
PROGRAM = "robo-rlhf"
DEBUG_VARIABLE = "ROBO_RLHF_DEBUG"
STATION = "serve"  # the command that never looks in the current folder
ALLOW, ENV_ARG = "--allow", "--env-arg"
ALLOW_HELP = f"""{ALLOW} MODULE (with any command, as often as needed) lets code of yours be imported that a checkpoint,
a run, a dataset or the database names; what the command line itself names, as MODULE:THING, it allows by that."""
NO_MEMORY = """The torch device has no memory left for so many pictures at once; what was saved stays. Take a smaller
--batch or --size, or --torch-device cpu; the same command continues."""
USAGE_EXIT, INTERRUPT_EXIT, BROKEN_PIPE_EXIT = 2, 130, 141  # the last two as a shell reports SIGINT and SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (without the program's name) and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("once", FileWarning)
            warnings.showwarning = _show_warning
            code = _dispatch(args)
        sys.stdout.flush()  # here, where a closed pipe can still be handled
        return code
    except SystemExit as stop:  # tyro, after --help or a wrong option
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except RoboRlhfError as error:
        return _report(str(error), error.exit_code)
    except KeyboardInterrupt:
        print(f"stopped; {_left_behind(args)}", file=sys.stderr)
        return INTERRUPT_EXIT
    except RuntimeError as error:
        if "torch" not in sys.modules or not is_out_of_memory(error):
            raise
        return _report(NO_MEMORY, RoboRlhfError.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # no reader is left: no error at exit
        return BROKEN_PIPE_EXIT
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise  # not about a file that the user named: a bug, so show the full traceback
        where = f" ({error.filename})" if error.filename is not None else ""
        full = error.errno == errno.ENOSPC
        return _report(f"{error.strerror}{where}", DiskFullError.exit_code if full else RoboRlhfError.exit_code)


def _left_behind(args: Sequence[str]) -> str:
    """Return what a command that Ctrl-C stopped leaves behind, in words."""
    name = next((name for words in (2, 1) if (name := " ".join(args[:words])) in COMMANDS), "")
    return str(getattr(COMMANDS[name], "stopped", STOPPED)) if name else STOPPED


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Show warnings about a user's files as one line, and all others as Python does."""
    if issubclass(category, FileWarning):
        print(f"warning: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=file or sys.stderr)


def _report(message: str, code: int) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _dispatch(args: list[str]) -> int:
    if args[:1] == ["--version"]:
        print(f"{PROGRAM} {__version__}")
        return 0
    if not args or args[0] in ("-h", "--help"):
        print(_overview(""))
        return 0 if args else USAGE_EXIT
    args, allowed = split_allowed(args)
    if any(word.partition("=")[0] == ENV_ARG for word in args):
        from robo_rlhf.cli.env_args import folded

        args = folded(args, ENV_ARG)
    with guests.command_line(args[1:], allowed, folder=args[0] != STATION):
        _check_found(allowed)
        return _run(args)


def _run(args: list[str]) -> int:
    for words in (2, 1):
        name = " ".join(args[:words])
        guest = words == 2 and args[0] == TRAIN.strip() and guests.split(name.removeprefix(TRAIN))  # an algorithm
        if len(args) >= words and (guest or name in COMMANDS):
            return parse(name, args[words:])()
    if any(name.startswith(f"{args[0]} ") for name in COMMANDS):
        if len(args) == 1 or args[1].startswith("-"):
            print(_overview(args[0]))
            return 0 if args[1:] in (["-h"], ["--help"]) else USAGE_EXIT
        raise UnknownNameError("command", " ".join(args[:2]), COMMANDS)
    if args[0].startswith("-"):
        raise InvalidValueError(
            "command", repr(args[0]), f"a command first, then its options: {PROGRAM} --help lists them"
        )
    raise UnknownNameError("command", args[0], COMMANDS)


def split_allowed(args: list[str]) -> tuple[list[str], list[str]]:
    """Split a command line into the rest, and the modules that it allows to be imported.

    Raises:
        InvalidValueError: `--allow` without a module, or with something that is none.
    """
    rest, allowed, words = [], list[str](), iter(args)
    for word in words:
        option, sign, value = word.partition("=")
        if option != ALLOW:
            rest.append(word)
            continue
        module = (value if sign else next(words, "")).partition(":")[0]
        if not all(part.isidentifier() for part in module.split(".")):
            raise InvalidValueError(ALLOW, repr(module), "a Python module such as my_tasks")
        allowed.append(module)
    return rest, allowed


def _check_found(allowed: Sequence[str]) -> None:
    """Refuse to allow a module that is not there.

    Raises:
        InvalidValueError: one of them.
    """
    for module in allowed:
        if not guests.is_found(module):
            where = "a module in this folder, on PYTHONPATH or installed (`serve` does not look in this folder"
            raise InvalidValueError(ALLOW, repr(module), f"{where}; its names of hosts go to --allow-host)")


def parse(name: str, args: Sequence[str]) -> CliCommand:
    """Return the command `name` with its options filled in from `args`, and checked for what they are meant to be.

    Raises:
        SystemExit: after `--help`, or after saying what is wrong with an option.
        InvalidValueError, UnknownNameError: an option is not what it is meant to be.
        RoboRlhfError: the robot of its task is of no use.
    """
    import tyro  # here, so that the overview needs nothing but the standard library

    from robo_rlhf.cli.checking import check_environment, check_options, own_options_first
    from robo_rlhf.cli.optional import registry
    from robo_rlhf.cli.robots import choose_robot

    for argument in args:
        if now := option_now(argument):
            raise InvalidValueError("option", argument, f"{now}, as it is called now")
    command = tyro.cli(
        own_options_first(COMMANDS[name]),
        args=list(args),
        prog=f"{PROGRAM} {name}",
        description=_described(name) if {"-h", "--help"} & {*args} else None,
        config=(tyro.conf.FlagCreatePairsOff,),
        registry=registry,
    )
    check_environment()
    check_options(command)
    use_torch_device(getattr(command, "torch_device", ""))
    return choose_robot(command)


def _described(name: str) -> str:
    """Return the description of a command: its docstring, whole, what can be chosen by name, and `--allow`."""
    from robo_rlhf.cli.checking import choices_of

    choices = "\n".join(choices_of(COMMANDS[name]))
    return "\n\n".join(filter(None, [inspect.getdoc(COMMANDS[name]), choices, ALLOW_HELP]))


def _overview(group: str) -> str:
    """Return what a group's commands do; without a group, that of the single ones, and the names of the others."""
    names = [name for name in COMMANDS if name.startswith(f"{group} ") or (not group and " " not in name)]
    grouped: dict[str, list[str]] = {}
    for name in COMMANDS:
        if not group and " " in name:
            grouped.setdefault(name.split()[0], []).append(name.split(maxsplit=1)[1])
    width = max(map(len, [*names, *(f"{name} ..." for name in grouped)]), default=0)
    lines = [f"  {name:<{width}}  {_first_line(COMMANDS[name])}" for name in names]
    indent = " " * (width + 4)
    for name, others in grouped.items():
        row = textwrap.fill(", ".join(others), LINE, initial_indent=indent, subsequent_indent=indent)
        lines.append(f"  {f'{name} ...':<{width}}  {row.lstrip()}")
    several = [f"{PROGRAM} GROUP lists the commands of a group, such as {PROGRAM} episodes."] if grouped else []
    return "\n".join(
        [
            f"usage: {PROGRAM} {group + ' ' if group else ''}COMMAND [options]",
            "",
            "Teach robots by demonstration and by preference.",
            "",
            "commands:",
            *lines,
            "",
            f"{PROGRAM} COMMAND --help explains one of them, with an example; {PROGRAM} --version names the version.",
            *several,
            "Recordings and runs live in ./recordings, or in $ROBO_RLHF_HOME, or where --home says.",
            ALLOW_HELP,
        ]
    )


def _first_line(command: type[CliCommand]) -> str:
    return (inspect.getdoc(command) or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
