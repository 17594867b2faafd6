"""Meshes, height fields and textures of a model as arrays one after the other, as browsers hand them to the GPU."""

from typing import Any

import mujoco
import numpy as np

from robo_rlhf.core.types import Array

ALIGNED = 4  # [bytes] that every array begins at a multiple of


class Assets:
    """Arrays that a description points into; equal content is held once."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Hold nothing yet of `model`."""
        self._model = model
        self._parts: list[bytes] = []
        self._size = 0
        self._meshes: dict[int, dict[str, Any]] = {}
        self._fields: dict[int, dict[str, Any]] = {}
        self._textures: dict[int, dict[str, Any]] = {}

    @property
    def content(self) -> bytes:
        """All arrays."""
        return b"".join(self._parts)

    def mesh(self, mesh: int) -> dict[str, Any]:
        """Return where the arrays of a mesh are: positions [m], normals, indices, and uv where it has coordinates."""
        if mesh not in self._meshes:
            self._meshes[mesh] = self._triangles(*corners(self._model, mesh))
        return self._meshes[mesh]

    def field(self, field: int) -> dict[str, Any]:
        """Return where the arrays of a height field are, as those of a mesh without coordinates."""
        if field not in self._fields:
            self._fields[field] = self._triangles(*surface(self._model, field))
        return self._fields[field]

    def texture(self, texture: int) -> dict[str, Any]:
        """Return where the pixels of a texture are, RGBA, rows in the order of the model; a cube has six faces."""
        if texture not in self._textures:
            model = self._model
            wide, high = int(model.tex_width[texture]), int(model.tex_height[texture])
            channels, start = int(model.tex_nchannel[texture]), int(model.tex_adr[texture])
            raw = np.asarray(model.tex_data[start : start + wide * high * channels], np.uint8)
            pixels = np.full((high, wide, 4), 255, np.uint8)
            pixels[..., : min(channels, 4)] = raw.reshape(high, wide, channels)
            if channels == 1:
                pixels[..., 1:3] = pixels[..., :1]
            cube = int(model.tex_type[texture]) != int(mujoco.mjtTexture.mjTEXTURE_2D)
            self._textures[texture] = {"pixels": self._add(pixels), "width": wide, "height": high, "cube": cube}
        return self._textures[texture]

    def _triangles(self, places: Array, normals: Array, uv: Array | None, faces: Array) -> dict[str, Any]:
        turned = np.zeros((len(normals), 4), np.int8)
        turned[:, :3] = np.round(127 * normals)
        found = {
            "positions": self._add(places.astype("<f4")),
            "normals": self._add(turned),
            "indices": self._add(faces.astype("<u4")),
        }
        return found | ({"uv": self._add(uv.astype("<f4"))} if uv is not None else {})

    def _add(self, values: Array) -> list[int]:
        """Return where an array begins [bytes], and its length in numbers."""
        content = values.tobytes()
        start = self._size
        content += b"\0" * (-len(content) % ALIGNED)
        self._parts.append(content)
        self._size += len(content)
        return [start, values.size]


def corners(model: mujoco.MjModel, mesh: int) -> tuple[Array, Array, Array | None, Array]:
    """Return positions (V, 3), normals (V, 3), texture coordinates (V, 2) or None, and faces (F, 3) of a mesh.

    A corner that several faces share, with the same normal and coordinates, is one vertex.
    """
    first, count = int(model.mesh_faceadr[mesh]), int(model.mesh_facenum[mesh])
    rows = slice(first, first + count)
    vertices = np.asarray(model.mesh_vert[model.mesh_vertadr[mesh] :])
    used = [np.asarray(model.mesh_face[rows]).ravel(), np.asarray(model.mesh_facenormal[rows]).ravel()]
    has_uv = int(model.mesh_texcoordadr[mesh]) >= 0
    if has_uv:
        used.append(np.asarray(model.mesh_facetexcoord[rows]).ravel())
    unique, inverse = np.unique(np.stack(used, axis=1), axis=0, return_inverse=True)
    places = vertices[unique[:, 0]]
    normals = np.asarray(model.mesh_normal[model.mesh_normaladr[mesh] :])[unique[:, 1]]
    uv = np.asarray(model.mesh_texcoord[model.mesh_texcoordadr[mesh] :])[unique[:, 2]] if has_uv else None
    return places, normals, uv, inverse.reshape(count, 3)


def surface(model: mujoco.MjModel, field: int) -> tuple[Array, Array, None, Array]:
    """Return positions (V, 3), normals (V, 3), None, and faces (F, 3) of a height field with its walls and floor."""
    rows, columns = int(model.hfield_nrow[field]), int(model.hfield_ncol[field])
    x, y, top, base = (float(value) for value in model.hfield_size[field])
    start = int(model.hfield_adr[field])
    heights = top * np.asarray(model.hfield_data[start : start + rows * columns], np.float64).reshape(rows, columns)
    across, along = np.meshgrid(np.linspace(-x, x, columns), np.linspace(-y, y, rows))
    places = np.stack([across, along, heights], axis=-1)
    slope_y, slope_x = np.gradient(heights, 2 * y / max(rows - 1, 1), 2 * x / max(columns - 1, 1))
    normals = np.stack([-slope_x, -slope_y, np.ones_like(heights)], axis=-1)
    parts = [(places, normals / np.linalg.norm(normals, axis=-1, keepdims=True))]
    edges = places[0], places[:, -1], places[-1, ::-1], places[::-1, 0]
    for edge, outward in zip(edges, ((0, -1, 0), (1, 0, 0), (0, 1, 0), (-1, 0, 0)), strict=True):
        low = edge * (1, 1, 0) - (0, 0, base)
        parts.append((np.stack([low, edge]), np.broadcast_to(outward, (2, *edge.shape)).astype(np.float64)))
    low = np.array([[[-x, y, -base], [x, y, -base]], [[-x, -y, -base], [x, -y, -base]]])
    parts.append((low, np.broadcast_to((0.0, 0.0, -1.0), low.shape)))
    faces, offset = [], 0
    for grid, _ in parts:
        faces.append(_grid(*grid.shape[:2]) + offset)
        offset += grid.shape[0] * grid.shape[1]
    joined = [np.concatenate([part[i].reshape(-1, 3) for part in parts]) for i in (0, 1)]
    return joined[0], joined[1], None, np.concatenate(faces)


def _grid(rows: int, columns: int) -> Array:
    """Return the faces (F, 3) of a grid of vertices, seen from above where rows go along y and columns along x."""
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    return np.concatenate([np.stack([a, b, c], axis=-1).reshape(-1, 3), np.stack([a, c, d], axis=-1).reshape(-1, 3)])
