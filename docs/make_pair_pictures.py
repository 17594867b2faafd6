"""Make the pairs of docs/guides/labelling.md, each clip a row of frames: `make pictures`.

Failures are made without training: the actions of one demonstration, replayed from the start of another.
"""

from pathlib import Path

import cv2
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.rendering.gl import choose_backend

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT, FRAMES = 288, 216, 5  # [pixels], and frames a row
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]
FIRST, SECOND, THIRD = "pick_place-3000000", "pick_place-3000001", "pick_place-3000004"


def main() -> None:
    """Draw the four pairs."""
    choose_backend()  # before mujoco is imported
    dataset = Dataset(ROOT / "recordings" / "samples" / "pick_place")
    one, two = (dataset.load(name).state for name in (FIRST, SECOND))
    missed = [missing(dataset, FIRST, start) for start in (SECOND, THIRD)]
    save("better", [one, missed[0]], "front")
    save("equal", [one, two], "front")
    save("both-bad", missed, "front")
    save("hidden", [one[20:50], two[20:50]], "top")


def missing(dataset: Dataset, actions_of: str, start_of: str) -> Array:
    """Return the states (T, state_dim) of an episode's actions from the start of another."""
    from robo_rlhf.sim.envs.task_env import make_env

    actions, seed = dataset.load(actions_of).action, dataset.info(start_of).meta.seed
    assert seed is not None
    env = make_env("pick_place")
    env.reset(np.array([seed]))
    states = [env.get_state()[0]]
    for action in actions:
        env.step(action[None])
        states.append(env.get_state()[0])
    env.close()
    return np.stack(states)


def save(name: str, clips: list[Array], camera: str) -> None:
    """Write docs/pictures/pair-NAME.jpg: a row of frames a clip, with its letter."""
    from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model

    rows = []
    with FrameRenderer(load_model("pick_place"), WIDTH, HEIGHT, "fine") as renderer:
        for letter, states in zip("AB", clips, strict=True):
            at = np.linspace(0, len(states) - 1, FRAMES).round().astype(int)
            row = np.concatenate(list(renderer.frames(states[at], camera)), axis=1)
            row = np.ascontiguousarray(row)
            cv2.putText(row, letter, (10, 34), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2, cv2.LINE_AA)
            rows.append(row)
    gap = np.full((6, FRAMES * WIDTH, 3), 255, np.uint8)
    picture = np.concatenate([rows[0], gap, rows[1]])
    cv2.imwrite(str(ROOT / "docs" / "pictures" / f"pair-{name}.jpg"), picture[..., ::-1], QUALITY)


if __name__ == "__main__":
    main()
