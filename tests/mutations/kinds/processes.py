"""Locks, heartbeats and reserved seeds: one that is damaged counts as none, and is written again."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from robo_rlhf.core.files import sealed_json, write_atomic
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.reserved_seeds import Reservation, Wanted
from robo_rlhf.processes.heartbeat import beat_of
from robo_rlhf.processes.locks import HELD, holder_of, pid_of
from tests.data.making import episode
from tests.mutations.harness import Kind, forge_file, made_again

ELSEWHERE: Mapping[str, Any] = {"host": "elsewhere", "boot": "b", "pid": 1234, "started": "5678"}


def _make_lock(folder: Path) -> None:
    write_atomic(folder / "a.lock.json", sealed_json({"state": HELD, "time": 1.5, **ELSEWHERE}))


def _read_lock(folder: Path) -> Any:
    file = folder / "a.lock.json"
    holder = holder_of(file)
    return made_again((re.sub(r"heartbeat \d+ s", "heartbeat", holder or ""), pid_of(file)), holder is not None)


def _make_beat(folder: Path) -> None:
    left = {"state": "failed", "why": "The disk is full.", "time": 1.7e9, **ELSEWHERE}
    write_atomic(folder / "run" / "alive.json", sealed_json(left))


def _read_beat(folder: Path) -> Any:
    found = beat_of(folder / "run")
    return made_again(found, found is not None)


def _wanted() -> Wanted:
    return Wanted("push", 3, None, {"policy": "a"}, lambda seed: f"push-{seed}")


def _make_reserved(folder: Path) -> None:
    dataset = Dataset(folder / "set", create=True)
    dataset.add(episode("push-7", seed=7))
    with suppress(KeyboardInterrupt), Reservation(dataset, _wanted()) as reserved:
        reserved.note({8: ["success", 1.5, True]})
        raise KeyboardInterrupt


def _read_reserved(folder: Path) -> Any:
    with Reservation(Dataset(folder / "set"), _wanted()) as reserved:
        return reserved.seeds, reserved.done


KINDS = [
    Kind("lock", _make_lock, "a.lock.json", _read_lock, part=lambda found, _: found == ("", None), forge=forge_file),
    Kind(
        "heartbeat",
        _make_beat,
        "run/alive.json",
        _read_beat,
        part=lambda found, _: found is None,
        forge=forge_file,
    ),
    Kind(
        "reserved seeds",
        _make_reserved,
        "set/reserved/push-8.json",
        _read_reserved,
        part=lambda found, _: found == ([8, 9, 10], {}),  # anew, with seeds that are free
        forge=forge_file,
    ),
]
