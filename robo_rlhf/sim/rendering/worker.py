"""What a worker process of a `RenderPool` does with its requests."""

import atexit
import contextlib
from collections.abc import Callable

import cv2
import mujoco
import numpy as np
from cachetools import LRUCache

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.core.types import Array
from robo_rlhf.processes.shared_memory import attached
from robo_rlhf.sim.external.ids import SEED_SIGN, is_outside
from robo_rlhf.sim.rendering.clips import clip_bytes, png
from robo_rlhf.sim.rendering.pool import RenderRequest
from robo_rlhf.sim.rendering.renderer import FrameRenderer, ModelSource, Quality, check_states, load_model
from robo_rlhf.sim.rendering.scene_cameras import task_cameras
from robo_rlhf.sim.scene_description.description import describe
from robo_rlhf.sim.scene_description.movers import Movers

Context = tuple[ModelSource, int, int, Quality]
MAX_CONTEXTS = ((640, 480), (1280, 960))  # [pixels] sizes of contexts for live views
MAX_MODELS = 8  # open contexts
MOST_KEPT = 24  # compiled models; the one used longest ago is forgotten first


class _OpenRenderers(LRUCache[Context, FrameRenderer]):
    """Open contexts; the one used longest ago is closed when there are too many."""

    def popitem(self) -> tuple[Context, FrameRenderer]:
        key, renderer = super().popitem()
        renderer.close()
        return key, renderer


class RenderContexts:
    """The cache of a worker: compiled models and open contexts."""

    def __init__(self) -> None:
        """Start empty."""
        self._models: LRUCache[ModelSource, mujoco.MjModel] = LRUCache(MOST_KEPT)
        self._renderers = _OpenRenderers(MAX_MODELS)
        self._drawn: dict[Context, ModelSource] = {}  # the model that a context draws now
        self._movers: LRUCache[ModelSource, Movers] = LRUCache(MOST_KEPT)

    def answer(self, request: RenderRequest) -> object:
        """Return the result of the request; after a fault of the program the next one begins with a new context."""
        try:
            return self.draw(request)
        except RoboRlhfError:
            raise
        except Exception:
            renderer = self._renderers.pop(_context_of(request), None)
            if renderer is not None:
                with contextlib.suppress(Exception):  # of a driver that is broken already
                    renderer.close()
            raise

    def draw(self, request: RenderRequest) -> object:
        """Return the result of the request."""
        if request.form == "scene":
            return describe(self._model(request.model))
        if request.form == "poses":
            return self._movers_of(request.model).poses(request.states)
        renderer = self._renderer(request)
        if request.form == "cameras":
            renderer.warm_up()
            return task_cameras(str(request.model))
        if request.form == "mp4":
            drawn = request.states, request.cameras[0], request.fps, request.overlay
            return clip_bytes(renderer, *drawn, fragmented=request.fragmented)
        if request.form == "shared":
            write_shared(renderer, request)
            return None
        if request.form == "sheet":
            return sheet(renderer, request)
        if request.form == "frames":
            return renderer.frames(request.states, request.cameras[0], request.annotations)
        check_states(request.states, renderer.state_size)
        renderer.place(request.states[0])
        sizes = request.sizes or ((request.width, request.height),) * len(request.cameras)
        return [
            renderer.jpeg(camera, request.jpeg_quality, request.annotations, size)
            for camera, size in zip(request.cameras, sizes, strict=True)
        ]

    def close(self) -> None:
        """Close all contexts."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _renderer(self, request: RenderRequest) -> FrameRenderer:
        key = _context_of(request)
        renderer = self._renderers.get(key)
        if renderer is None:
            renderer = self._renderers[key] = FrameRenderer(self._model(request.model), *key[1:])
        elif self._drawn[key] != request.model:
            renderer.change(self._model(request.model))
        self._drawn[key] = request.model
        return renderer

    def _movers_of(self, source: ModelSource) -> Movers:
        model = self._model(source)
        if source not in self._movers or self._movers[source].model is not model:
            self._movers[source] = Movers(model)
        return self._movers[source]

    def _model(self, source: ModelSource) -> mujoco.MjModel:
        if source not in self._models:
            self._models[source] = load_model(source)
        return self._models[source]


def _context_of(request: RenderRequest) -> Context:
    """Return the context for a request; live views of any size share a large one, with equal pixels.

    All episodes of an outside environment share one, whichever seed their models are of.
    """
    width, height = request.width, request.height
    if request.form in ("jpeg", "cameras"):
        width, height = next(
            (room for room in MAX_CONTEXTS if width <= room[0] and height <= room[1]), (request.width, request.height)
        )
    model = request.model
    if isinstance(model, str) and is_outside(model):
        model = model.partition(SEED_SIGN)[0]
    return model, width, height, request.quality


def write_shared(renderer: FrameRenderer, request: RenderRequest) -> None:
    """Draw every state by every camera into the shared memory of the request."""
    check_states(request.states, renderer.state_size)
    first, room = request.span
    with attached(request.place) as memory:
        shape = (len(request.cameras), room, request.height, request.width, 3)
        pictures: Array = np.ndarray(shape, np.uint8, memory.buf)
        for index, state in enumerate(request.states, first):
            renderer.wardrobe.dress(request.looks[index - first] if request.looks else None)
            renderer.place(state)
            for of_camera, camera in zip(pictures, request.cameras, strict=True):
                renderer.draw(camera, of_camera[index])
        renderer.wardrobe.dress(None)
        del of_camera, pictures  # what still points into the memory keeps it from being closed


def sheet(renderer: FrameRenderer, request: RenderRequest) -> bytes:
    """Return a PNG with a row for each state and a column for each camera."""
    check_states(request.states, renderer.state_size)
    size = request.width
    pictures = np.empty((len(request.states) * size, len(request.cameras) * size, 3), np.uint8)
    for row, state in enumerate(request.states):
        renderer.place(state)
        for column, camera in enumerate(request.cameras):
            place = pictures[row * size : (row + 1) * size, column * size : (column + 1) * size]
            place[:] = renderer.draw(camera)
    return png(pictures)


def start() -> Callable[[RenderRequest], object]:
    """Return what answers requests."""
    cv2.setNumThreads(1)
    contexts = RenderContexts()
    atexit.register(contexts.close)
    return contexts.answer
