"""A helper process for libraries that a damaged file may crash: its death is one sentence, not the program's end.

It gets one call (a module, a function in it, arguments) on stdin and answers with pickles on stdout: ("item", value)
for each value that the function yields, then ("end", None); or ("error", class, message and fields of an error of
ours), ("system", an OSError) or ("fault", traceback).
"""

import importlib
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

from robo_rlhf.core.errors import CorruptFileError, RoboRlhfError

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 5.0  # [s] for the process to end by itself
_SKIP = "Mend it where it was made, or leave it out."


def apart(path: Path, function: Callable[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs) -> Generator[T]:
    """Iterate over what a generator function of a module yields in a process of its own.

    Args:
        path: the file or folder that it reads, for the error.
        function: found again by its module and name; what it takes and yields can be pickled.
        args: for it.
        kwargs: for it.

    Raises:
        CorruptFileError: the process died over it, after as many values as the message says.
        RoboRlhfError: an error of ours, as raised there.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "robo_rlhf.formats.helper_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)},
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    count = 0
    try:
        try:
            pickle.dump((function.__module__, function.__name__, args, kwargs), child.stdin, protocol=5)
            child.stdin.close()
            while (answer := pickle.load(child.stdout))[0] == "item":
                count += 1
                yield answer[1]
        except (EOFError, OSError, pickle.UnpicklingError):
            code = child.wait(PATIENCE)
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            reason = f"the process that read it ended by {how} after {count} episodes or videos"
            raise CorruptFileError(path, reason, _SKIP) from None
        if answer[0] == "error":
            raise _rebuilt(*answer[1])
        if answer[0] == "system":
            raise answer[1]
        if answer[0] == "fault":
            raise RuntimeError(f"{function.__name__} failed over {path}:\n{answer[1]}")
    finally:
        child.kill()
        child.stdout.close()
        child.wait(PATIENCE)


def one_apart(path: Path, function: Callable[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the first value that a generator function yields in a process of its own; raises as `apart`."""
    values = apart(path, function, *args, **kwargs)
    try:
        return next(values)
    finally:
        values.close()


def _rebuilt(kind: type[RoboRlhfError], message: str, fields: dict[str, Any]) -> RoboRlhfError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(fields)
    return error


def main() -> None:
    """Answer one call."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keeps output that a library prints out of the answers
    module, name, args, kwargs = pickle.load(sys.stdin.buffer)
    try:
        for value in getattr(importlib.import_module(module), name)(*args, **kwargs):
            _answer(answers, ("item", value))
        last: tuple[str, object] = ("end", None)
    except RoboRlhfError as error:
        last = "error", (type(error), str(error), error.__dict__)
    except BrokenPipeError:
        return  # no reader is left
    except OSError as error:
        last = "system", OSError(error.errno, error.strerror, error.filename)  # of the kind that its number says
    except Exception:  # a bug of this program: the text holds the traceback
        last = "fault", traceback.format_exc()
    _answer(answers, last)


def _answer(answers: BinaryIO, answer: object) -> None:
    pickle.dump(answer, answers, protocol=5)
    answers.flush()


if __name__ == "__main__":
    main()
