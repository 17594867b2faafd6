"""What goes wrong over one request of a background process is the answer to it: the next ones are not its concern."""

import traceback
from collections.abc import Callable
from functools import cache
from typing import Any

import sqlalchemy as sa

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.feedback.store import Store

Answer = dict[str, Any]


def with_errors(work_out: Callable[[Any], Answer]) -> Callable[[Any], Answer]:
    """Return a function that answers as `work_out` does, and with {"error": TEXT} where that fails."""

    def answer(request: Any) -> Answer:
        try:
            return work_out(request)
        except (RoboRlhfError, OSError, sa.exc.SQLAlchemyError) as error:
            return {"error": str(error)}
        except Exception as error:  # a bug of this program
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"}

    return answer


def with_store(database: str, work_out: Callable[[Store, Any], Answer]) -> Callable[[Any], Answer]:
    """Do the same where `work_out` needs the store of a database, which is opened once and stays open."""
    open_store = cache(lambda: Store(database))
    return with_errors(lambda request: work_out(open_store(), request))
