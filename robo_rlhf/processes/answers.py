"""How a piece of work went, in a form that crosses to another process: a word for it, and a content."""

import traceback
from collections.abc import Callable
from typing import Any

from robo_rlhf.core.errors import RoboRlhfError


def tried(work: Callable[[], object]) -> tuple[str, Any]:
    """Do some work; return "done" and its result, or what went wrong.

    That is "error" with the class, message and fields of an error of ours, or "fault" with a traceback.
    """
    try:
        return "done", work()
    except RoboRlhfError as error:
        return "error", (type(error), str(error), error.__dict__)
    except Exception:  # a bug of this program
        return "fault", traceback.format_exc()


def content_of(how: str, content: Any, failed: str) -> Any:
    """Return the result that `tried` gave elsewhere.

    Raises:
        RoboRlhfError: the error of ours that it ended with.
        RuntimeError: a bug of the program; the message is `failed` and the traceback.
    """
    if how == "error":
        raise _rebuilt(*content)
    if how == "fault":
        raise RuntimeError(f"{failed}:\n{content}")
    return content


def _rebuilt(kind: type[RoboRlhfError], message: str, fields: dict[str, Any]) -> RoboRlhfError:
    """Rebuild an error of ours, without calling its constructor, which would make the message again."""
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(fields)
    return error
