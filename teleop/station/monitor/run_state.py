"""The state of a run: at work, waiting for answers, finished, stopped or failed; derived from its files alone."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from robo_rlhf.processes.heartbeat import beat_of

ALIVE = 150.0  # [s] since it last wrote, for a run without a heartbeat to count as at work
State = Literal["working", "waiting", "finished", "stopped", "failed"]


class RunState(NamedTuple):
    """What a run is doing."""

    state: State
    why: str = ""  # it failed


def run_state(folder: Path, config: Mapping[str, Any], *, finished: bool, stage: str, changed: float) -> RunState:
    """Return the state of the run in a folder.

    Args:
        folder: of the run.
        config: what it was asked for.
        finished: whether its result is there.
        stage: the stage that is not finished and wrote last.
        changed: when anything of the run changed [s since 1970].
    """
    if finished:
        return RunState("finished")
    beat = beat_of(folder)
    if beat is not None and beat.state == "failed":
        return RunState("failed", beat.why)
    if config.get("kind") == "arena" and config.get("judge") == "human" and (folder / "ratings.json").exists():
        return RunState("waiting")  # the judges need no process
    alive = beat.alive if beat is not None else time.time() - changed < ALIVE
    if not alive:
        return RunState("stopped")
    asks = config.get("annotator") == "human" and os.path.basename(stage) == "answer"
    return RunState("waiting" if asks else "working")
