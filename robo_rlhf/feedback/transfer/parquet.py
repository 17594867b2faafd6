"""Conversion of Parquet to JSON Lines for an import, in a separate process: a small file can unpack to any size.

Beyond limits of memory and disk space a file is refused.
"""

import errno
import json
import resource
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, WorkerDiedError
from robo_rlhf.core.files import open_whole
from robo_rlhf.processes.worker import WorkerProcess

MEMORY = 512 * 2**20  # [bytes] in addition to what the process has when it begins
WRITTEN = 2**30  # [bytes] of JSON Lines of a file
LONGEST = 300.0  # [s]
BLOCK = 100  # rows that are in memory at once
QUIET = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def unpack(paths: Sequence[Path], folder: Path) -> dict[str, str]:
    """Write files of Parquet into `folder` as JSON Lines; return what is wrong with those that cannot be read.

    Raises:
        InvalidValueError: what is inside takes more memory, room or time than it may.
    """
    request = MEMORY, WRITTEN, folder, paths
    quiet = subprocess.DEVNULL
    try:
        with WorkerProcess("unpacking Parquet", f"{__name__}:start", environment=QUIET, output=quiet) as worker:
            broken: dict[str, str] = worker.ask(request, LONGEST)
    except (WorkerDiedError, RuntimeError) as error:
        given = "Parquet files that unpack to more"
        expected = f"at most {MEMORY >> 20} MiB at once, {WRITTEN >> 20} MiB in a file, within {LONGEST:.0f} s"
        raise InvalidValueError("files to import", given, expected) from error
    return broken


def start() -> Callable[[tuple[int, int, Path, Sequence[Path]]], dict[str, str]]:
    """Return what answers the arguments of `unpack_here` in the worker process."""
    return lambda request: unpack_here(*request)


def unpack_here(memory: int, written: int, folder: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Unpack the files with limits on the memory and the files of this process, in bytes; return what is wrong.

    Raises:
        MemoryError, OSError: a limit is exceeded, where that does not end the process.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    used = _data_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    refused = {}
    for path in paths:
        try:
            with (
                open_whole(path, "Nothing was imported.") as content,
                pq.ParquetFile(content, page_checksum_verification=True) as parquet,
                (folder / f"{path.stem}.jsonl").open("w", encoding="utf-8") as out,
            ):
                rows = 0
                for batch in parquet.iter_batches(BLOCK, use_threads=False):
                    batch.validate(full=True)
                    out.writelines(json.dumps(row, default=repr) + "\n" for row in batch.to_pylist())
                    rows += len(batch)
                if rows != parquet.metadata.num_rows:
                    raise ValueError(f"it holds {rows:,} rows and tells of {parquet.metadata.num_rows:,}")
        except (pa.ArrowMemoryError, MemoryError):
            raise
        except (pa.ArrowException, OSError, ValueError, ArithmeticError, CorruptFileError) as error:
            if getattr(error, "errno", None) == errno.EFBIG:
                raise
            refused[path.name] = f"it is no Parquet file, or a broken one: {' '.join(str(error).split())[:300]}"
    return refused


def _data_bytes() -> int:
    """Return what RLIMIT_DATA counts of this process; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)
