"""Encoding against LeRobot's own writer: `make bench ARGS=tests/benchmarks/bench_encoding.py`.

The same frames from memory, H.264, alternating. $ROBO_RLHF_LEROBOT is the interpreter of an environment with
lerobot[dataset] 0.6, whose `StreamingVideoEncoder` writes once with its own settings for H.264, and once with ours.
"""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.sim.rendering.video import CRF, GOP, PRESET, encode_mp4

pytestmark = pytest.mark.bench
LEROBOT = os.environ.get("ROBO_RLHF_LEROBOT", "")
FRAMES, SIDE, FPS, TIMES = 200, 256, 20, 3
PROGRAM = """
import json, sys, time
from pathlib import Path
import numpy as np
from lerobot.configs.video import RGBEncoderConfig
from lerobot.datasets.video_utils import StreamingVideoEncoder
frames, place, same = np.load(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
writer = StreamingVideoEncoder(fps=20, rgb_encoder=RGBEncoderConfig(vcodec="h264", **same), queue_maxsize=len(frames))
began = time.perf_counter()
writer.start_episode(["front"], place)
for frame in frames:
    writer.feed_frame("front", frame)
path, _ = writer.finish_episode()["front"]
print(json.dumps([time.perf_counter() - began, Path(path).stat().st_size]))
"""


def drawn() -> np.ndarray:
    """Return frames (T, H, W, 3) of a scene that moves: a textured ground, and a bright block that goes round."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(60, 120, (SIDE // 8, SIDE // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    frames = np.repeat(ground[None], FRAMES, axis=0)
    for i in range(FRAMES):
        x, y = (int(SIDE / 2 + SIDE / 3 * f(i / 30)) for f in (np.cos, np.sin))
        frames[i, y - 16 : y + 16, x - 16 : x + 16] = (230, 180, 40)
    return frames


@pytest.mark.skipif(not LEROBOT, reason="$ROBO_RLHF_LEROBOT names no interpreter with lerobot")
def test_encoding_alone_against_lerobots_writer(tmp_path: Path) -> None:
    """Bar: at least 1.5 times the frames a second of LeRobot's writer, with the same codec."""
    frames = drawn()
    np.save(tmp_path / "frames.npy", frames)
    same = {"g": GOP, "crf": CRF, "preset": PRESET}
    ways = {"its own settings": {}, "our settings": same}
    took: dict[str, list[float]] = {name: [] for name in ("ours", *ways)}
    for number in range(TIMES):
        began = time.perf_counter()
        size = len(encode_mp4(frames, FPS))
        took["ours"].append(time.perf_counter() - began)
        for name, settings in ways.items():
            (place := tmp_path / f"{name}-{number}").mkdir()
            command = [LEROBOT, "-c", PROGRAM, str(tmp_path / "frames.npy"), str(place), json.dumps(settings)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, theirs = json.loads(done.stdout.splitlines()[-1])
            took[name].append(seconds)
            print(
                f"\n{name}: {FRAMES / seconds:.0f} frames/s, {theirs / 1000:.0f} kB; ours {size / 1000:.0f} kB", end=""
            )
    rate = {name: FRAMES / float(np.median(seconds)) for name, seconds in took.items()}
    print("\n" + ", ".join(f"{name} {value:.0f} frames/s" for name, value in rate.items()))
    assert rate["ours"] >= 1.5 * rate["its own settings"]
