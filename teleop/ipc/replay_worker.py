"""The process that draws an episode without states: `python -m teleop.ipc.replay_worker '{"path": ..., ...}'`.

Its actions are replayed from its seed, or its recorded video is read. The frames asked for are written to the
standard output as MP4; where that cannot be, the reason is the last line on stderr and the exit code is not 0.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.episodes.access import open_access
from robo_rlhf.sim.rendering.video import encode_mp4

NICE = 10


def main(asked: dict[str, Any]) -> int:
    """Draw frames `start`, `start` + `every`, ... before `stop`, each `width` x `height`; return the exit code."""
    os.nice(NICE)
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what environments print does not get into the clip
        try:
            out.write(draw(**asked))
        except RoboRlhfError as error:
            print(error, file=sys.stderr)
            return error.exit_code
        except Exception as error:  # an environment of others may raise anything
            print(f"Its environment fails: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


def draw(path: str, start: int, stop: int, every: int, fps: float, camera: str, width: int, height: int) -> bytes:
    """Return the clip; raises as `EpisodeAccess.frames`."""
    access = open_access(Path(path))
    return encode_mp4(access.frames(range(start, stop, every), camera, width, height), fps)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
