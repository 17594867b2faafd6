"""Pictures of episodes that are not drawn from states: by a process that replays them, or drawn as curves."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import numpy as np

from robo_rlhf.core.errors import RoboRlhfError, WorkerDiedError
from robo_rlhf.core.types import Array
from robo_rlhf.data.schema import read_columns
from robo_rlhf.processes.worker import WorkerProcess

NICE = 10  # niceness of the process
PATIENCE = 180.0  # [s] for an environment to be made and replayed
CURVES, POINTS = 4, 160  # observations that are drawn, and points of a curve
SIZE = 320, 240  # [pixels] of the drawing of curves
COLOURS = ("#4f7cd8", "#c07a1c", "#3c9a6b", "#9a5fc0")


class CannotReplayError(Exception):
    """The environment is missing, draws nothing, or goes another way; the text says which."""


class EpisodeReplayer:
    """A process that draws episodes without states; it stays for the next one. Belongs to one event loop."""

    def __init__(self) -> None:
        """Start nothing before the first episode."""
        self._thread = ThreadPoolExecutor(1, "replays")  # a worker process belongs to one thread
        self._worker: WorkerProcess | None = None

    async def clip(self, path: Path, frames: range, fps: float, camera: str, size: tuple[int, int]) -> bytes:
        """Return a clip of some frames of an episode file.

        Raises:
            CannotReplayError: it cannot be.
        """
        request = {"path": path, "start": frames.start, "stop": frames.stop, "every": frames.step}
        request |= {"fps": fps, "camera": camera, "width": size[0], "height": size[1]}
        if self._worker is None:
            self._worker = WorkerProcess("replaying an episode", "teleop.ipc.replay_worker:start", nice=NICE)
        worker, loop = self._worker, asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: bytes(worker.ask(request, PATIENCE)))
        except WorkerDiedError as error:
            long = f"Replaying it took more than {PATIENCE:.0f} s."
            raise CannotReplayError(long if error.late else f"The process that replays it {error.how}.") from None
        except RoboRlhfError as error:
            raise CannotReplayError(str(error)) from None
        except RuntimeError as error:
            raise CannotReplayError(f"Its environment fails: {str(error).splitlines()[-1]}") from error
        except asyncio.CancelledError:  # no viewer waits any more
            worker.stop()
            self._worker = None
            raise


def frame_of(clip: bytes, index: int) -> bytes:
    """Return a frame of a clip as JPEG."""
    import cv2

    from robo_rlhf.sim.rendering.video import decode_mp4

    frames, _ = decode_mp4(clip)
    return bytes(cv2.imencode(".jpg", frames[min(index, len(frames) - 1)][:, :, ::-1])[1])


def curves(path: Path) -> str:
    """Return what an episode holds as a drawing: its reward and the observations that change most, over time."""
    columns, header = read_columns(path, ("obs", "reward"))
    obs, reward = columns["obs"], columns["reward"]
    most = np.argsort(-obs.std(axis=0))[:CURVES]
    seconds = header.steps * header.meta.control_dt
    parts = [_row(reward[:, None], 26, "reward")]
    parts.append(_row(obs[:, most], 116, f"observations {', '.join(str(int(column)) for column in most)}"))
    width, height = SIZE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" fill="#80848e" fill-opacity=".14"/>'
        f'<g fill="#7c818b" font-family="system-ui, sans-serif" font-size="12">{"".join(parts)}'
        f'<text x="12" y="206">0 s</text><text x="308" y="206" text-anchor="end">{seconds:.1f} s</text>'
        '<text x="12" y="226">It cannot be replayed.</text></g></svg>'
    )


def _row(values: Array, top: int, label: str) -> str:
    """Return curves (T, K) on one scale from their least to their largest, with both written beside them."""
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).round().astype(int))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    span = high - low if high > low else 1.0
    lines = []
    for column, colour in zip(range(values.shape[1]), COLOURS, strict=False):
        across = 12 + 296 * chosen / max(len(values) - 1, 1)
        down = top + 66 - 60 * np.nan_to_num((values[chosen, column] - low) / span)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return f'<text x="12" y="{top - 8}">{escape(label)}: {low:.3g} to {high:.3g}</text>{"".join(lines)}'
