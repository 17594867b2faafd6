"""A scene has one identity, whatever the last bits of the processor that compiles it."""

import copy
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest

from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.physics.model_identity import DIGITS, compiled_hash, is_same, machine, model_hash
from robo_rlhf.sim.tasks import TASKS

SCENE = """
<mujoco><worldbody>
  <geom name='floor' type='plane' size='1 1 .1'/>
  <body name='box' pos='{x} 0 {z}'><freejoint/><geom type='box' size='.1 .1 .1' rgba='1 0 0 {alpha}'/></body>
</worldbody></mujoco>
"""


def scene(x: float = 0.25, z: float = 0.1, alpha: float = 1.0) -> mujoco.MjSpec:
    return mujoco.MjSpec.from_string(SCENE.format(x=repr(x), z=repr(z), alpha=alpha))


def last_bits(model: mujoco.MjModel, seed: int = 0) -> mujoco.MjModel:
    """Return the model as another processor would compile it: half of its doubles one bit up or down."""
    model, rng = copy.copy(model), np.random.default_rng(seed)
    for value in (getattr(model, name) for name in dir(model) if not name.startswith("_")):
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            way = rng.choice([-np.inf, np.inf], value.shape)
            value[...] = np.where((rng.random(value.shape) < 0.5) & (value != 0), np.nextafter(value, way), value)
    return model


def numbers(spec: mujoco.MjSpec) -> Iterator[Array]:
    """Iterate over places and directions of a spec, which can be written into."""
    for geom in spec.geoms:
        yield from (geom.fromto,) if np.isfinite(geom.fromto[0]) else (geom.pos, geom.alt.zaxis)
    for body in spec.bodies[1:]:
        yield from (body.pos, body.quat, body.ipos)
    for camera in spec.cameras:
        yield from (camera.pos, camera.alt.xyaxes)
    for light in spec.lights:
        yield from (light.pos, light.dir)


def computed_elsewhere(spec: mujoco.MjSpec, seed: int) -> mujoco.MjSpec:
    """Change the last bits of numbers that a scene is made from, zeros included."""
    rng = np.random.default_rng(seed)
    for value in numbers(spec):
        off = rng.integers(-3, 4, len(value)) * np.spacing(np.abs(value)) + rng.integers(-1, 2, len(value)) * 1e-16
        value[:] = np.where(np.isfinite(value), value + off, value)
    return spec


@pytest.mark.parametrize("task", list(TASKS))
def test_the_last_bits_of_a_processor_change_no_identity(task: str) -> None:
    env = TaskEnv(TASKS[task](), 1, nthread=1)
    other = last_bits(env.model)
    old = compiled_hash(env.model)
    assert compiled_hash(other) != old
    assert env.model_hash == model_hash(TASKS[task]().scene())
    for seed in range(2):
        spec = computed_elsewhere(TASKS[task]().scene(), seed)
        assert is_same(env.model_hash, spec, other)
        assert model_hash(spec) == env.model_hash
    assert env.is_scene_of(old)
    assert is_same(old, TASKS[task]().scene(), other) is None  # of another processor, or of another scene


def test_a_number_at_the_edge_of_rounding_is_rounded_elsewhere() -> None:
    edge = 12.34567885  # nine digits end in ...88|5
    spec = scene(x=edge)
    recorded = model_hash(spec)
    assert recorded.startswith(f"source{DIGITS[1]}-")
    for there in (np.nextafter(edge, 0), np.nextafter(edge, 1), edge + 1e-15, edge - 1e-15):
        assert is_same(recorded, scene(x=float(there)), spec.compile())
    assert model_hash(scene(x=0.25)).startswith(f"source{DIGITS[0]}-")


def test_what_computing_leaves_of_nothing_is_nothing() -> None:
    assert model_hash(scene(x=6e-17)) == model_hash(scene(x=0.0)) == model_hash(scene(x=-3e-16))


@pytest.mark.parametrize("change", [{"x": 0.25000001}, {"z": 0.2}, {"alpha": 0.5}])
def test_the_identity_follows_the_scene(change: dict[str, float]) -> None:
    recorded = model_hash(scene())
    spec = scene(**change)
    assert model_hash(spec) != recorded
    assert is_same(recorded, spec, spec.compile()) is False


def test_asking_for_it_changes_nothing() -> None:
    spec = scene()
    before, text = compiled_hash(spec.compile()), spec.to_xml()
    assert model_hash(spec) == model_hash(spec)
    assert (compiled_hash(spec.compile()), spec.to_xml()) == (before, text)


def write_mesh(folder: Path, width: float, *, meshdir: str = "meshes", name: str = "part.obj") -> mujoco.MjSpec:
    corners = f"v 0 0 0\nv {width} 0 0\nv 0 1 0\nv 0 0 1\n"
    place = folder / meshdir
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(corners + "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "scene.xml"
    path.write_text(
        f"<mujoco><compiler meshdir='{meshdir}'/><asset><mesh name='part' file='{name}'/></asset>"
        "<worldbody><body><geom type='mesh' mesh='part'/></body></worldbody></mujoco>"
    )
    return mujoco.MjSpec.from_file(str(path))


def test_files_count_by_what_is_in_them_and_not_by_where_they_lie(tmp_path: Path) -> None:
    recorded = model_hash(write_mesh(tmp_path / "here", 1.0))
    assert model_hash(write_mesh(tmp_path / "there", 1.0, meshdir="deep/er")) == recorded
    absolute = write_mesh(tmp_path / "third", 1.0, meshdir=str(tmp_path / "far"))
    assert model_hash(absolute) == recorded
    assert model_hash(write_mesh(tmp_path / "here", 1.0 + 1e-12)) != recorded


def test_pixels_that_a_spec_holds_count() -> None:
    found = set()
    for shade in (10, 11):
        spec = mujoco.MjSpec()
        texture = spec.add_texture(name="t", type=mujoco.mjtTexture.mjTEXTURE_2D, width=2, height=2, nchannel=3)
        texture.data = bytes([shade] * 12)
        spec.add_material(name="m").textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "t"
        spec.worldbody.add_geom(size=[0.1, 0.1, 0.1], material="m")
        found.add(model_hash(spec))
        assert bytes(texture.data) == bytes([shade] * 12)
    assert len(found) == 2
    assert all(name.startswith("source") for name in found)


def test_parts_with_settings_of_their_own_have_an_identity(tmp_path: Path) -> None:
    def attached(euler: str) -> mujoco.MjSpec:
        whole = scene()
        part = mujoco.MjSpec.from_string(
            "<mujoco><compiler angle='radian' balanceinertia='true'/><worldbody>"
            f"<body name='part' euler='{euler}'><geom size='.1'/></body></worldbody></mujoco>"
        )
        whole.attach(part, frame=whole.worldbody.add_frame(), prefix="part_")
        return whole

    assert model_hash(attached("0.1 0.2 0.3")) == model_hash(attached("0.1 0.2 0.3"))
    assert model_hash(attached("0.1 0.2 0.3")) != model_hash(attached("0.1 0.2 0.4"))
    assert model_hash(attached("0.1 0.2 0.3")).startswith("source")


def test_what_no_version_wrote_is_another_scene() -> None:
    spec = scene()
    for recorded in ("0123", "source99-0123456789abcdef", "source9-0123456789abcdef", "anything"):
        assert is_same(recorded, spec, spec.compile()) is False
    assert is_same("", spec, spec.compile()) is None


def test_names_the_machine() -> None:
    assert set(machine()) == {"platform", "processor"}
    assert all(value.isprintable() and len(value) < 200 for value in machine().values())
