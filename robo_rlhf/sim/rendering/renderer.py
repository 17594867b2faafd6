"""Rendering of states: one model, one size, one OpenGL context, in the thread that made it.

Only the visible part of the simulator state is computed, and buffers are reused. On a CPU the shadow map and
multisampling cost most, then vertices and texture lookups; see `QUALITIES` and `tests/benchmarks/bench_render.py`.
"""

import contextlib
import copy
import importlib
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import mujoco
import numpy as np

from robo_rlhf.core.errors import InvalidValueError, MissingDependencyError, NotFoundError, ShapeError, UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.external.scene import outside_scene
from robo_rlhf.sim.rendering.annotation_geoms import AnnotationDrawer
from robo_rlhf.sim.rendering.annotations import Annotation
from robo_rlhf.sim.rendering.camera import Camera
from robo_rlhf.sim.rendering.gl import choose_backend
from robo_rlhf.sim.rendering.looks import Wardrobe
from robo_rlhf.sim.rendering.scene_cameras import DEFAULT_CAMERA, camera_names, free_fovy

Quality = Literal["fast", "fine"]
ModelSource = str | Path  # the name of a task, MJCF as text, or the path of an MJCF file
MAX_SIZE = 4096  # [pixels]
STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)


@dataclass(frozen=True)
class Effort:
    """Rendering settings of a quality."""

    shadows: bool
    oversample: int  # images are rendered this many times larger along both axes, then averaged
    slices: int  # corners around a cylinder; half as many from pole to pole of a sphere


QUALITIES: dict[str, Effort] = {
    "fast": Effort(shadows=False, oversample=1, slices=14),
    "fine": Effort(shadows=True, oversample=2, slices=20),
}
SHADOW_MAP = 1024  # [texels] a side
SHADOW_REACH = 1.8  # [extents of the scene] that the shadow map covers: with more, flat objects shade themselves


def load_model(source: ModelSource) -> mujoco.MjModel:
    """Compile the scene of a task, MJCF text (which starts with "<"), or an MJCF file.

    The scene of an outside environment ("Pusher-v5") is the model of a copy of it.

    Raises:
        UnknownNameError: there is no such task or environment.
        NotFoundError: there is no such file.
        InvalidValueError: MuJoCo refuses the MJCF.
    """
    if isinstance(source, str) and not source.lstrip().startswith("<"):
        if is_outside(source):
            return outside_scene(source)[0]
        from robo_rlhf.sim.tasks import TASKS

        return TASKS[source]().scene().compile()
    if isinstance(source, Path) and not source.is_file():
        raise NotFoundError("MJCF file", source, "Name an existing file, or a task.")
    try:
        if isinstance(source, Path):
            return mujoco.MjModel.from_xml_path(str(source))
        return mujoco.MjModel.from_xml_string(source)
    except ValueError as error:
        what = f"MJCF file {source}" if isinstance(source, Path) else "MJCF text"
        raise InvalidValueError(what, f"the error {str(error)!r}", "a model that MuJoCo compiles") from error


class FrameRenderer:
    """Renders states of one model at one size; a context manager.

    The same state gives the same pixels, whatever was rendered before. It belongs to the thread that made it, as its
    OpenGL context does; `robo_rlhf.sim.rendering.pool.RenderPool` serves any thread.
    """

    def __init__(self, model: mujoco.MjModel, width: int, height: int, quality: Quality = "fast") -> None:
        """Make a context for images of `width` x `height` [pixels]. `model` is copied, not changed.

        Raises:
            InvalidValueError: a size outside 1 to MAX_SIZE.
            UnknownNameError: an unknown quality.
            MissingDependencyError: OpenGL is not available.
        """
        check_size(width, height)
        if quality not in QUALITIES:
            raise UnknownNameError("quality", quality, QUALITIES)
        effort = QUALITIES[quality]
        self.width, self.height, self.quality = width, height, quality
        self._thread = threading.get_ident()
        self._oversample = effort.oversample
        self._take(model)
        wide, high = width * effort.oversample, height * effort.oversample
        self._pixels = np.empty(3 * high * wide, np.uint8)
        self._option = mujoco.MjvOption()
        self._scene = mujoco.MjvScene(self.model, maxgeom=2000 + 2 * (self.model.ngeom + self.model.nsite))
        self._annotation_drawer = AnnotationDrawer(self.model, self._scene, self._option)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = effort.shadows
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._gl, self._context = _open_context(self.model, wide, high)
        self._free = weakref.finalize(self, _free_context, self._gl, self._context)

    def _take(self, model: mujoco.MjModel) -> None:
        self.model = _tuned(model, QUALITIES[self.quality], self.width, self.height)
        self.wardrobe = Wardrobe(self.model)
        self.data = mujoco.MjData(self.model)
        self.state_size = int(mujoco.mj_stateSize(self.model, STATE))
        self.camera_names = camera_names(self.model)
        self._cameras: dict[Camera, mujoco.MjvCamera] = {}

    def change(self, model: mujoco.MjModel) -> None:
        """Draw another model from now on, in the same context: one with the same meshes and textures, moved perhaps.

        A new context takes seconds where meshes are large.
        """
        self._take(model)
        self._annotation_drawer = AnnotationDrawer(self.model, self._scene, self._option)

    def frame(
        self,
        state: Array,
        camera: Camera | str = "front",
        out: Array | None = None,
        annotations: Sequence[Annotation] = (),
    ) -> Array:
        """Return an image (H, W, 3) uint8 RGB of `state` (nstate,); written into `out` where one is given.

        Raises:
            ShapeError: the state is of another model.
            UnknownNameError: the model has no such camera, or an annotation names something that does not exist.
        """
        self.place(state)
        return self.draw(camera, out, annotations)

    def frames(self, states: Array, camera: Camera | str = "front", annotations: Sequence[Annotation] = ()) -> Array:
        """Return images (T, H, W, 3) uint8 of `states` (T, nstate)."""
        pictures = np.empty((len(states), self.height, self.width, 3), np.uint8)
        for index, picture in enumerate(self.each(states, camera, annotations)):
            pictures[index] = picture
        return pictures

    def each(
        self, states: Array, camera: Camera | str = "front", annotations: Sequence[Annotation] = ()
    ) -> Iterator[Array]:
        """Yield an image (H, W, 3) for each of `states` (T, nstate), in one reused buffer: copy it to keep it."""
        check_states(states, self.state_size)
        buffer = np.empty((self.height, self.width, 3), np.uint8)
        for state in states:
            yield self.frame(state, camera, buffer, annotations)

    def place(self, state: Array) -> None:
        """Enter `state` (nstate,) and compute the visible parts: poses, cameras, lights, soft bodies and tendons.

        Raises:
            ShapeError: the state is of another model.
        """
        if state.shape != (self.state_size,):
            raise ShapeError("state to draw", (self.state_size,), state.shape)
        model, data = self.model, self.data
        mujoco.mj_setState(model, data, np.asarray(state, np.float64), STATE)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_camlight(model, data)
        if model.nflex:
            mujoco.mj_flex(model, data)
        if model.ntendon:
            mujoco.mj_tendon(model, data)

    def draw(
        self,
        camera: Camera | str = "front",
        out: Array | None = None,
        annotations: Sequence[Annotation] = (),
        size: tuple[int, int] | None = None,
    ) -> Array:
        """Return an image uint8 RGB of the state placed last: (H, W, 3), or of a smaller `size` (width, height)."""
        width, height = size or (self.width, self.height)
        upright = self._rendered(camera, annotations, width, height)[::-1]
        picture = np.empty((height, width, 3), np.uint8) if out is None else out
        if self._oversample > 1:
            cv2.resize(upright, (width, height), dst=picture, interpolation=cv2.INTER_AREA)
        else:
            picture[:] = upright
        return picture

    def jpeg(
        self,
        camera: Camera | str,
        jpeg_quality: int,
        annotations: Sequence[Annotation] = (),
        size: tuple[int, int] | None = None,
    ) -> bytes:
        """Return an image of the state placed last as a JPEG of `jpeg_quality` 1 to 100; see `draw`."""
        width, height = size or (self.width, self.height)
        picture = self._rendered(camera, annotations, width, height)
        if self._oversample > 1:
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        upright = cv2.flip(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), 0)
        _, code = cv2.imencode(".jpg", upright, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
        return code.tobytes()

    def _rendered(self, camera: Camera | str, annotations: Sequence[Annotation], width: int, height: int) -> Array:
        """Render the state placed last; return OpenGL's pixels: the lowest row first, larger where oversampled.

        They are valid until the next call.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError("a FrameRenderer draws only in the thread that made it; use a RenderPool from several")
        if not self._free.alive:
            raise RuntimeError("this FrameRenderer is closed")
        if not (1 <= width <= self.width and 1 <= height <= self.height):
            raise InvalidValueError(
                "size of a view", f"{width}x{height}", f"at most {self.width}x{self.height}, the renderer's own"
            )
        wide, high = width * self._oversample, height * self._oversample
        view, part = self._camera(Camera.of(camera)), mujoco.MjrRect(0, 0, wide, high)
        pixels = self._pixels[: 3 * wide * high].reshape(high, wide, 3)
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self.model, self.data, self._option, None, view, int(mujoco.mjtCatBit.mjCAT_ALL), self._scene
        )
        self._annotation_drawer.add(annotations, self.data)
        mujoco.mjr_render(part, self._scene, self._context)
        mujoco.mjr_readPixels(pixels, None, part, self._context)
        return pixels

    def warm_up(self) -> None:
        """Render the initial state once: a driver compiles its shaders at the first draw."""
        state = np.empty(self.state_size)
        mujoco.mj_getState(self.model, mujoco.MjData(self.model), state, STATE)
        self.place(state)
        self.jpeg(Camera(), jpeg_quality=80)

    def close(self) -> None:
        """Release the context; a second call does nothing."""
        self._free()

    def __enter__(self) -> "FrameRenderer":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _camera(self, camera: Camera) -> mujoco.MjvCamera:
        if camera not in self._cameras:
            view = mujoco.MjvCamera()
            if camera.name == DEFAULT_CAMERA and camera.name not in self.camera_names:
                mujoco.mjv_defaultFreeCamera(self.model, view)
            elif camera.name:
                view.type = mujoco.mjtCamera.mjCAMERA_FIXED
                view.fixedcamid = camera.index_in(self.camera_names)
            else:
                view.type = mujoco.mjtCamera.mjCAMERA_FREE
                view.azimuth, view.elevation, view.distance = camera.azimuth, camera.elevation, camera.distance
                view.lookat[:] = self.model.stat.center if camera.lookat is None else camera.lookat
            self._cameras[camera] = view
        return self._cameras[camera]


def check_size(width: int, height: int) -> None:
    """Check the size of an image [pixels].

    Raises:
        InvalidValueError: it is outside 1 to MAX_SIZE.
    """
    if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
        raise InvalidValueError("picture size", f"{width}x{height}", f"width and height from 1 to {MAX_SIZE} pixels")


def check_states(states: Array, state_size: int) -> None:
    """Check that `states` are (T, state_size).

    Raises:
        ShapeError: they are not; both shapes are in the message.
    """
    if states.ndim != 2 or states.shape[1] != state_size:
        raise ShapeError("states to draw", ("T", state_size), states.shape)


def _tuned(model: mujoco.MjModel, effort: Effort, width: int, height: int) -> mujoco.MjModel:
    """Return a copy of the model with the rendering settings of the quality; physics is the same."""
    tuned = copy.copy(model)
    quality, screen = tuned.vis.quality, tuned.vis.global_
    quality.offsamples = 0
    quality.shadowsize, tuned.vis.map.shadowclip = SHADOW_MAP, SHADOW_REACH
    quality.numslices, quality.numstacks = effort.slices, effort.slices // 2
    screen.fovy = free_fovy(model)
    screen.offwidth, screen.offheight = width * effort.oversample, height * effort.oversample
    return tuned


def _open_context(model: mujoco.MjModel, width: int, height: int) -> tuple[Any, mujoco.MjrContext]:
    """Return an OpenGL context and MuJoCo's drawing context in it.

    Raises:
        MissingDependencyError: no backend works; the message says what to install.
    """
    try:
        backend = choose_backend()
        source = importlib.import_module(f"mujoco.{backend}") if backend in ("egl", "osmesa") else mujoco
        gl = source.GLContext(width, height)
        gl.make_current()
        context = mujoco.MjrContext(model, int(mujoco.mjtFontScale.mjFONTSCALE_100))
        calls = importlib.import_module("OpenGL.GL")  # after the backend, which says whose
        calls.glEnable(calls.GL_LINE_SMOOTH)
    except Exception as error:  # any exception of a driver: ImportError, RuntimeError, GLError, FatalError, ...
        raise MissingDependencyError(
            f"A working OpenGL (MUJOCO_GL={backend or 'unset'}: {error})",
            "drawing",
            "Unset MUJOCO_GL, and on Debian or Ubuntu: apt-get install libegl1 libgl1 libgl1-mesa-dri (or libosmesa6).",
        ) from error
    mujoco.mjr_setBuffer(int(mujoco.mjtFramebuffer.mjFB_OFFSCREEN), context)
    return gl, context


def _free_context(gl: Any, context: mujoco.MjrContext) -> None:
    with contextlib.suppress(RuntimeError):  # the driver is unloaded already, at the end of the process
        gl.make_current()
        context.free()
    gl.free()
