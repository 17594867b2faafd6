"""Things in a user's own files, named as "module:Thing", and which modules may be imported for them.

A name comes from a command line, but also from a checkpoint, a configuration, a dataset or the database, and those may
be a stranger's. So a module is imported only where one of these names it too, or a package that it lies in:

- this command line, by `--allow MODULE` or by the value of an option;
- `$ROBO_RLHF_ALLOW`, modules with commas between, which the program's own processes inherit;
- an installed package's entry point in one of our groups (`robo_rlhf.tasks`, `robo_rlhf.policies`, ...).
"""

import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from robo_rlhf.core.errors import GuestError, MissingDependencyError, NotAllowedError, UnknownNameError

ALLOW_VARIABLE = "ROBO_RLHF_ALLOW"
ONLY_VARIABLE = "ROBO_RLHF_ALLOW_ONLY"  # set: command lines allow nothing; for programs whose options visitors fill in
PATH_VARIABLES = ("PYTHONPATH", "PYTHONSAFEPATH")
GROUPS = "robo_rlhf."  # how the names of entry-point groups begin
WHERE = (
    "Run in the folder of the file, install it, or set PYTHONPATH to its folder; "
    "the station does not look in the folder that it is started in."
)
_REFERENCE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_NAMED = re.compile(r"(?<![\w./:-])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]")  # anywhere in an argument

_added: list[str] = []  # folders that a command line put on the path
_present: set[str] = set()  # modules that this process imported by itself


def split(name: object) -> tuple[str, str] | None:
    """Split "module:Thing" into both; None for any other name.

    >>> split("my_tasks:PressButton")
    ('my_tasks', 'PressButton')
    >>> split("Pusher-v5"), split("Meta-World/MT1:door-open-v3")
    (None, None)
    """
    found = _REFERENCE.fullmatch(name) if isinstance(name, str) else None
    return (found[1], found[2]) if found else None


def named_in(arguments: Iterable[str]) -> list[str]:
    """Return the modules that the arguments of a command name, as "module:Thing" anywhere in one.

    >>> named_in(["--task", "my_tasks:PressButton", "--set", "finetune.objective=learned + my_terms:Near(of=[0])"])
    ['my_tasks', 'my_terms']
    >>> named_in(["--env", "Meta-World/MT1:door-open-v3", "--db", "postgresql://me:word@host/base"])
    []
    """
    return [module for argument in arguments for module in _NAMED.findall(argument)]


def allow(modules: Iterable[str]) -> None:
    """Let these modules be imported by name, in this process and in those that it starts."""
    there = _listed()
    os.environ[ALLOW_VARIABLE] = ",".join([*there, *(name for name in dict.fromkeys(modules) if name not in there)])


def is_present(module: str) -> None:
    """Take note that this process has imported a module by itself, as `gymnasium.make("module:id")` does."""
    _present.add(module)


def is_allowed(module: str) -> bool:
    """Whether a module may be imported because something names it."""
    parts = module.split(".")
    names = {".".join(parts[: count + 1]) for count in range(len(parts))}
    return bool(names & {*_listed(), *_present}) or module in _installed_modules()


def check(module: str, what: str, name: str) -> None:
    """Refuse to import `module` for the thing called `name` where nothing allows it.

    Raises:
        NotAllowedError: nothing does.
    """
    if not is_allowed(module):
        raise NotAllowedError(what, name, module)


def load(name: str, what: str) -> object:
    """Import what is called "module:Thing".

    Args:
        name: of the thing.
        what: the kind of thing, for errors.

    Raises:
        NotAllowedError: nothing allows the module.
        MissingDependencyError: it is not found.
        GuestError: its import fails.
        UnknownNameError: it holds no such thing; suggests the nearest.
    """
    parts = split(name)
    assert parts is not None
    module, attribute = parts
    found = import_allowed(module, what, name)
    if attribute not in vars(found):
        own = [key for key, value in vars(found).items() if getattr(value, "__module__", None) == module]
        raise UnknownNameError(f"{what} in {module} ({getattr(found, '__file__', 'built in')})", attribute, own)
    thing: object = vars(found)[attribute]
    return thing


def import_allowed(module: str, what: str, name: str) -> object:
    """Import a module for the thing called `name`; raises as `load` does, but for `UnknownNameError`."""
    check(module, what, name)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise MissingDependencyError(f"The module {error.name!r}", f"{what} {name}", WHERE) from error
        raise GuestError(f"{what} {name}", _why_not(error, module)) from error
    except (Exception, SystemExit) as error:  # a module of others may raise anything
        raise GuestError(f"{what} {name}", _why_not(error, module)) from error


def place(thing: object) -> str:
    """Return where a thing is written, as "file:line"; its module's name where the file is not known."""
    written = thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)
    try:
        return f"{inspect.getsourcefile(written)}:{inspect.getsourcelines(written)[1]}"
    except (OSError, TypeError):
        return str(getattr(written, "__module__", "?"))


def raised_at(error: BaseException, file: str) -> str:
    """Return where in `file` an exception came from, as "file:line"; the last place of all where it did not."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or frames
    return f"{own[-1].filename}:{own[-1].lineno}" if own else file


def source_of(module: str) -> Path | None:
    """Return the file of a module, found without importing anything; None where there is none in Python."""
    found = _spec(module)
    return Path(found.origin) if found and found.origin and found.origin.endswith(".py") else None


def is_found(module: str) -> bool:
    """Whether there is such a module, found without importing anything."""
    return _spec(module) is not None


def listed() -> tuple[str, ...]:
    """Return the modules that command line and environment allow."""
    return tuple(_listed())


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group ("tasks") of the installed packages, by name."""
    return {point.name: point for point in entry_points(group=GROUPS + group)}


@contextmanager
def command_line(arguments: Sequence[str], allowed: Sequence[str], *, folder: bool) -> Iterator[None]:
    """Allow what a command line names while its command runs; the processes that it starts find the same modules.

    Args:
        arguments: of the command.
        allowed: what `--allow` names.
        folder: whether the current folder may come to the end of the path, if a module is named.
    """
    kept = {name: os.environ.get(name) for name in (ALLOW_VARIABLE, ONLY_VARIABLE, *PATH_VARIABLES)}
    path = list(sys.path)
    named = [*allowed, *named_in(arguments)] if not os.environ.get(ONLY_VARIABLE) else []
    if named:
        allow(named)
    here = os.getcwd()
    if named and folder and here not in sys.path:
        sys.path.append(here)
        _added.append(here)
    _hand_on_path()
    os.environ["PYTHONSAFEPATH"] = "1"  # of a process started with -m: the current folder does not come first
    try:
        yield
    finally:
        sys.path[:] = path
        _added.clear()
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def serve_visitors() -> None:
    """Go over to serving visitors: the current folder is on the path no more, here and in processes that are started.

    What the command line allowed stays so. The command lines of processes that are started from now on, whose options
    visitors fill in, allow nothing.

    Raises:
        MissingDependencyError: an allowed module is not found there.
    """
    sys.path[:] = [entry for entry in sys.path if entry not in _added]
    _hand_on_path()
    os.environ[ONLY_VARIABLE] = "1"
    for module in listed():
        if not is_found(module):
            raise MissingDependencyError(f"The module {module!r}", "the station", WHERE)


def _hand_on_path() -> None:
    own = (sys.prefix, sys.base_prefix, sys.exec_prefix)  # what every program of this Python finds anyway
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p and not p.startswith(own))


def _spec(module: str) -> ModuleSpec | None:
    """Return how a module would be imported, without importing the packages that it lies in."""
    top, *parts = module.split(".")
    found = next((spec for finder in sys.meta_path if (spec := finder.find_spec(top, None))), None)
    for part in parts:
        inside = list(found.submodule_search_locations or ()) if found else []
        found = PathFinder.find_spec(part, inside) if inside else None
    return found


def _listed() -> list[str]:
    return [name for part in os.environ.get(ALLOW_VARIABLE, "").split(",") if (name := part.partition(":")[0].strip())]


@cache
def _installed_modules() -> frozenset[str]:
    groups = [group for group in entry_points().groups if group.startswith(GROUPS)]
    return frozenset(point.module for group in groups for point in entry_points(group=group))


def _why_not(error: BaseException, module: str) -> str:
    """Return in words why a module cannot be imported, and where."""
    file = source_of(module)
    return f"its import fails with {type(error).__name__}: {error} ({raised_at(error, str(file))})"
