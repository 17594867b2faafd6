"""Records episodes until it is killed: `victim.py DATASET HZ STEPS`. It reports its progress on stdout."""

import os
import sys
import time
from pathlib import Path

from robo_rlhf.data.dataset import Dataset
from tests.data.making import append, begin, episode


def main(folder: Path, hz: float, steps: int) -> None:
    dataset = Dataset(folder, create=True)
    number = 0
    while True:
        like = episode(f"e{number:04}", steps=steps, seed=number)
        writer = begin(dataset, like)
        for t in range(steps):
            time.sleep(1 / hz)
            append(writer, like, t, t + 1)
            say(f"step {number} {t + 1} {time.monotonic()}")
        writer.close("success")
        say(f"closed {number} {steps} {time.monotonic()}")
        number += 1


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # all at once, so that no line is torn


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
