"""Make docs/pictures/robot.gif from a demonstration that ships with the checkout: `make pictures`."""

from pathlib import Path

import numpy as np

from robo_rlhf.sim.rendering.gl import choose_backend

EPISODE = "pick_place-3000000"
WIDTH, HEIGHT = 320, 240  # [pixels]
FPS = 10  # at real time
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Draw every few states of the episode, the last one for a second, and write the GIF."""
    choose_backend()  # before mujoco is imported
    from robo_rlhf.data.dataset import Dataset
    from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
    from robo_rlhf.sim.rendering.video import frames_to_gif

    episode = Dataset(ROOT / "recordings" / "samples" / "pick_place").load(EPISODE)
    states = episode.state[:: round(1 / FPS / episode.meta.control_dt)]
    with FrameRenderer(load_model(episode.meta.task), WIDTH, HEIGHT, "fine") as renderer:
        frames = renderer.frames(states)
    out = ROOT / "docs" / "pictures" / "robot.gif"
    frames_to_gif(np.concatenate([frames, np.repeat(frames[-1:], FPS, axis=0)]), out, fps=FPS)
    print(f"wrote {out}: {len(frames) / FPS:.1f} s, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
