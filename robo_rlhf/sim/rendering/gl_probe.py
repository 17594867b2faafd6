"""Probe of rendering: does it work, and how fast? `python -m robo_rlhf.sim.rendering.gl_probe` prints a JSON object.

To be run in a separate process: a broken driver may end it without an exception.
"""

import json
import time
from collections.abc import Callable

from robo_rlhf.sim.rendering.gl import choose_backend

WIDTH, HEIGHT = 320, 240  # [pixels]
SECONDS = 0.3  # [s] of rendering that are timed
SCENE = """
<mujoco>
  <visual><quality offsamples="0"/><global offwidth="320" offheight="240"/></visual>
  <worldbody>
    <light pos="0 0 3"/>
    <camera name="view" pos="1.2 -1.2 1" xyaxes="1 1 0 -.4 .4 1"/>
    <geom type="plane" size="2 2 .1" rgba=".8 .8 .8 1"/>
    <geom type="box" size=".1 .1 .1" pos="0 0 .1" rgba=".8 .2 .2 1"/>
    <geom type="capsule" size=".06 .3" pos=".3 .2 .4" rgba=".2 .4 .8 1"/>
    <geom type="sphere" size=".12" pos="-.3 .2 .12" rgba=".2 .7 .3 1"/>
  </worldbody>
</mujoco>
"""
GL_RENDERER = 0x1F01  # from the OpenGL specification


def measure() -> dict[str, object]:
    """Render a small scene for a moment; return backend, driver and frames a second, without shadows at 320×240."""
    backend = choose_backend()
    import mujoco

    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, HEIGHT, WIDTH) as renderer:
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        renderer.update_scene(data, "view")
        if renderer.render().std() < 1:
            raise ValueError("the picture is empty")
        frames, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < SECONDS:
            renderer.update_scene(data, "view")
            renderer.render()
            frames += 1
        driver = _driver()
    return {"backend": backend, "driver": driver, "frames_per_s": round(frames / passed)}


def _driver() -> str:
    from OpenGL import GL

    return bytes(GL.glGetString(GL_RENDERER)).decode()


def start() -> Callable[[object], dict[str, object]]:
    """Return what measures in a worker process."""
    return lambda _: measure()


if __name__ == "__main__":
    print(json.dumps(measure()))
