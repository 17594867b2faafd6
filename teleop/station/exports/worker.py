"""Writes one export in a worker process: begun by the first request, and asked how far it is by the others."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.data.layout import require_dataset
from robo_rlhf.data.reader import EpisodeInfo, Reader


class ExportProgress(NamedTuple):
    """How far an export is."""

    what: str = "begins"
    done: int = 0
    total: int = 0
    over: bool = False
    error: str = ""  # why it ended without a result


def chosen(home: Path, dataset: str, ids: list[str]) -> tuple[Reader, list[EpisodeInfo]]:
    """Return the dataset and those of its episodes that were chosen.

    Raises:
        NotFoundError: there is no such dataset.
    """
    reader, wanted = Reader(require_dataset(home, dataset)), set(ids)
    return reader, [info for info in reader.list() if info.meta.id in wanted]


def start() -> Callable[[Mapping[str, Any] | None], ExportProgress]:
    """Return what answers: a request begins the work, None asks how far it is."""
    from robo_rlhf.formats.exporting import export  # here: the station, which reads this module too, decodes no videos

    state = [ExportProgress()]

    def tell(what: str, done: int, total: int) -> None:
        state[0] = ExportProgress(what, done, total)

    def work(home: Path, place: Path, dataset: str, ids: list[str], form: str, **how: Any) -> None:
        try:
            reader, infos = chosen(home, dataset, ids)
            export(reader, infos, place, form, name=dataset, tell=tell, **how)
            state[0] = state[0]._replace(over=True)
        except (RoboRlhfError, OSError) as error:
            state[0] = state[0]._replace(over=True, error=str(error))
        except BaseException as error:  # the thread ends with it, and nobody else would say so
            state[0] = state[0]._replace(over=True, error=f"it failed: {type(error).__name__}: {error}")
            raise

    def answer(request: Mapping[str, Any] | None) -> ExportProgress:
        if request is not None:
            threading.Thread(target=work, kwargs=dict(request), daemon=True).start()
        return state[0]

    return answer
