"""Conversion of Parquet to JSON Lines for an import, in a separate process: a small file can unpack to any size.

    python -m robo_rlhf.feedback.transfer.parquet MEMORY WRITTEN FOLDER FILE...

Beyond limits of memory and disk space a file is refused. What was wrong with a file is printed, as JSON.
"""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.files import open_whole

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
    command = [sys.executable, "-m", __spec__.name, str(MEMORY), str(WRITTEN), str(folder), *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, env={**os.environ, **QUIET})
        told = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        given = "Parquet files that unpack to more"
        expected = f"at most {MEMORY >> 20} MiB at once, {WRITTEN >> 20} MiB in a file, within {LONGEST:.0f} s"
        raise InvalidValueError("files to import", given, expected) from error
    return {str(name): str(text) for name, text in told.items()}


def main(memory: int, written: int, folder: Path, paths: Sequence[Path]) -> None:
    """Unpack the files; exceeding a limit ends the process silently."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    used = _data_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    told = {}
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
            told[path.name] = f"it is no Parquet file, or a broken one: {' '.join(str(error).split())[:300]}"
    print(json.dumps(told))


def _data_bytes() -> int:
    """Return what RLIMIT_DATA counts of this process; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), [Path(name) for name in sys.argv[4:]])
