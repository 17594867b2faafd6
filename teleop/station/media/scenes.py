"""Scenes for browsers that draw them: descriptions of models by content, and poses of episodes."""

import asyncio
import hashlib
import itertools
import json
import struct
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering.pool import RenderPool
from teleop.station.media.clip_cache import CachedBytes, ClipCache

HEAD = struct.Struct("<4sI")  # of poses: what they are, and the length of the JSON that follows
MAGIC = b"pos1"
ALIGNED = 4  # [bytes]: the numbers begin at a multiple of it


class KnownScene(NamedTuple):
    """A scene whose description was made."""

    digest: str  # of what is described, as letters and digits
    assets: str  # of the arrays of its meshes and textures; empty where it has none
    assets_size: int  # [bytes] before they were compressed


class Scenes:
    """Descriptions by the name of a scene. Its coroutines belong to one event loop."""

    def __init__(self, cache: ClipCache, pool: Callable[[], RenderPool]) -> None:
        """Keep descriptions in `cache`; they are made by the workers of `pool`."""
        self._cache, self._pool = cache, pool
        self._known: dict[str, KnownScene] = {}
        self._turn = asyncio.Lock()
        self._number = itertools.count()

    async def known(self, scene: str) -> KnownScene:
        """Return what is known of a scene, described now where it is not yet.

        Raises:
            UnknownNameError: there is no such scene.
        """
        if scene not in self._known:
            async with self._turn:
                if scene not in self._known:
                    await self._describe(scene)
        return self._known[scene]

    async def description(self, scene: str) -> tuple[CachedBytes, str]:
        """Return a description, JSON compressed with gzip, and its digest; raises as `known`."""
        known = await self.known(scene)
        return await self._kept(scene, f"{known.digest}.scene"), known.digest

    async def assets(self, scene: str) -> tuple[CachedBytes, str]:
        """Return the arrays that a description points into, compressed, and their digest; raises as `known`."""
        known = await self.known(scene)
        if not known.assets:
            return CachedBytes.of(b""), "none"
        return await self._kept(scene, f"{known.assets}.assets"), known.assets

    async def poses(self, scene: str, states: Array, fps: float) -> bytes:
        """Return the poses of all that moves in states (T, nstate), as a page reads them.

        Raises:
            UnknownNameError: there is no such scene.
            ShapeError: the states are of another one.
        """
        places = await self.places(scene)
        poses = await asyncio.wrap_future(self._pool().poses(scene, states, key=("poses", next(self._number))))
        return packed({**places, "frames": len(poses), "fps": fps, "movers": poses.shape[1]}, poses)

    async def places(self, scene: str) -> dict[str, object]:
        """Return where a page gets a scene from, and the bytes of its arrays; raises as `known`."""
        known = await self.known(scene)
        assets = address("assets", scene, known.assets) if known.assets else ""
        return {"scene": address("scene", scene, known.digest), "assets": assets, "size": known.assets_size}

    async def _describe(self, scene: str) -> str:
        files = await asyncio.wrap_future(self._pool().scene(scene, key=("scene", scene)))
        digest = hashlib.sha256(files.scene + files.assets).hexdigest()[:40]
        assets = hashlib.sha256(files.assets).hexdigest()[:40] if files.assets else ""
        for name, content in ((f"{digest}.scene", files.scene), (f"{assets}.assets", files.assets)):
            if content:
                (await self._cache.get(name, _given(content))).close()
        self._known[scene] = KnownScene(digest, assets, files.assets_size)
        return digest

    async def _kept(self, scene: str, name: str) -> CachedBytes:
        """Return a file of a scene that was described before, described again where the cache has let it go."""

        async def again() -> bytes:
            files = await asyncio.wrap_future(self._pool().scene(scene, key=("scene", scene)))
            return files.scene if name.endswith(".scene") else files.assets

        return await self._cache.get(name, again)


def packed(about: dict[str, object], poses: Array) -> bytes:
    """Return poses (T, M, 7) float32 with what they are about."""
    text = json.dumps(about, separators=(",", ":")).encode()
    text += b" " * (-(HEAD.size + len(text)) % ALIGNED)
    return HEAD.pack(MAGIC, len(text)) + text + poses.astype("<f4").tobytes()


def address(kind: str, scene: str, digest: str) -> str:
    """Return where a page gets a description, or its arrays, from."""
    return f"/media/{kind}?{urlencode({'name': scene, 'v': digest})}"


def _given(content: bytes) -> Callable[[], "asyncio.Future[bytes]"]:
    def give() -> "asyncio.Future[bytes]":
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        future.set_result(content)
        return future

    return give
