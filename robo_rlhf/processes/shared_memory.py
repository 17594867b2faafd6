"""Memory that a process and its workers share: what is large and read at once crosses without a copy."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory


@contextmanager
def attached(name: str) -> Iterator[SharedMemory]:
    """Open the memory that another process made under `name`, which alone removes it.

    Raises:
        FileNotFoundError: there is none.
    """
    if sys.version_info >= (3, 13):
        memory = SharedMemory(name, track=False)
    else:
        memory = SharedMemory(name)
        resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]  # else removed twice
    try:
        yield memory
    finally:
        memory.close()
