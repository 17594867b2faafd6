"""N simulations of one model, stepped together by MuJoCo's native thread pool, or by threads, with named views."""

import copy
from typing import Any

import mujoco
import numpy as np

from robo_rlhf.core.errors import MissingDependencyError, ShapeError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.thread_batch import ThreadBatch

try:
    from mujoco.batch import Batch
except ImportError:  # before 3.17
    Batch = None
OLDEST = (3, 8)  # MuJoCo with which the scenes of the tasks compile

# The fields computed from a state and exposed as views: poses, which depend on the positions alone.
POSES = ("xpos", "xquat", "xanchor", "xaxis", "site_xpos", "site_xmat")
_SAME = ("qpos", "qvel", "ctrl", "mocap_pos", "mocap_quat", "sensordata")  # whichever stages a step ends with
FEW = 8  # copies: with fewer, a second call costs more than it saves
EPS = float(np.finfo(np.float64).eps)
_STAGE = mujoco.mjtStage


class BatchSim:
    """N copies of one `MjModel`; copy i is row i of `state`, MuJoCo's integration state.

    The named views (`site_pos`, `qpos`, ...) are live arrays with leading axis N: looked up once, always current.
    Positions and velocities describe the current state after `step` and `forward`; acceleration-level sensors (contact
    forces) describe the last physics substep.
    """

    def __init__(self, model: mujoco.MjModel, num_envs: int, substeps: int, nthread: int = 0) -> None:
        """Make `num_envs` copies that advance `substeps` physics steps a call, on `nthread` threads (0: all cores)."""
        self.model, self.num_envs, self.substeps = model, num_envs, substeps
        self._batch: Any = ThreadBatch(model, num_envs, nthread) if Batch is None else Batch(model, num_envs, nthread)
        # After a step MuJoCo brings poses up to date together with contacts and constraints, which cost three quarters
        # of it and which the next step computes again. A second batch, of a model that has none, computes poses alone.
        apart = Batch is not None and num_envs >= FEW and bool((model.sensor_needstage == _STAGE.mjSTAGE_ACC).all())
        self._poses = Batch(_bare(model), num_envs, nthread) if apart else self._batch
        self._stage = int(_STAGE.mjSTAGE_NONE if apart else _STAGE.mjSTAGE_VEL)
        self.scratch = mujoco.MjData(model)  # for kinematics of one copy, outside the batch
        self._bound: dict[str, Array] = {}
        self._views: dict[tuple[str, str | tuple[str, ...]], Array] = {}
        self._spans: dict[tuple[str, tuple[str, ...]], slice | Array] = {}
        self._joint_ids: dict[tuple[str, ...], Array] = {}
        self._limits: dict[tuple[str, ...], tuple[Array, Array]] = {}
        self._columns: dict[tuple[str, ...], tuple[Array, Array, Array]] = {}
        self._actuators: dict[tuple[str, ...], Array] = {}
        self._slides: dict[tuple[str, ...], Array] = {}
        self.state: Array = self._batch.state  # (N, nstate) float64, live
        self.ctrl: Array = self._batch.bind("ctrl")  # (N, nu) float64, live and writable
        for name in ("qpos", "qvel", *POSES, "sensordata"):
            self.bind(name)

    def step(self) -> None:
        """Advance every simulation by `substeps` physics steps and update positions and velocities."""
        self._batch.step(nstep=self.substeps, stage=self._stage)
        self._pose(None)

    def forward(self, ids: Array | None = None) -> None:
        """Recompute everything that follows from the states, contact forces included."""
        self._batch.forward(ids)
        self._pose(ids)

    def reset(self, ids: Array | None = None) -> None:
        """Reset simulations to the model's defaults, without computing anything."""
        self._batch.reset(ids, stage=int(_STAGE.mjSTAGE_NONE))

    def set_state(self, state: Array) -> None:
        """Enter the states (N, nstate).

        Raises:
            ShapeError: the states are of another model or another number of copies.
        """
        if state.shape != self.state.shape:
            raise ShapeError("simulator state", self.state.shape, state.shape)
        self.state[:] = state
        self.forward()

    def bind(self, field: str) -> Array:
        """Return the live (N, ...) array of an `MjData` field."""
        if field not in self._bound:
            if field not in (*_SAME, *POSES):
                self._stage = int(_STAGE.mjSTAGE_VEL)  # it may follow from velocities
            self._bound[field] = (self._poses if field in POSES else self._batch).bind(field)
        return self._bound[field]

    def body_pos(self, name: str) -> Array:
        """World position (N, 3) [m] of a body."""
        return self._view("xpos", "body", name)

    def body_quat(self, name: str) -> Array:
        """World orientation (N, 4) wxyz of a body."""
        return self._view("xquat", "body", name)

    def site_pos(self, name: str) -> Array:
        """World position (N, 3) [m] of a site."""
        return self._view("site_xpos", "site", name)

    def site_mat(self, name: str) -> Array:
        """World orientation (N, 3, 3) of a site: columns are its axes."""
        return self._view("site_xmat", "site", name)

    def qpos(self, joint: str) -> Array:
        """Writable position (N, k) of a joint: 1 for slides and hinges [m, rad], 7 for free joints."""
        return self._joint_view("qpos", joint, self.model.jnt_qposadr, {0: 7, 1: 4})

    def qvel(self, joint: str) -> Array:
        """Writable velocity (N, k) of a joint: 1 for slides and hinges [m/s, rad/s], 6 for free joints."""
        return self._joint_view("qvel", joint, self.model.jnt_dofadr, {0: 6, 1: 3})

    def mocap_pos(self, body: str) -> Array:
        """Writable position (N, 3) [m] of a mocap body."""
        return self._mocap_view("mocap_pos", body)

    def mocap_quat(self, body: str) -> Array:
        """Writable orientation (N, 4) wxyz of a mocap body."""
        return self._mocap_view("mocap_quat", body)

    def sensor(self, name: str) -> Array:
        """Readings (N, k) of a sensor."""
        key = ("sensordata", name)
        if key not in self._views:
            sensor = self.model.sensor(name)
            start = int(sensor.adr[0])
            self._views[key] = self.bind("sensordata")[:, start : start + int(sensor.dim[0])]
        return self._views[key]

    def joint_columns(self, names: tuple[str, ...]) -> tuple[Array, Array, Array]:
        """Return qpos, qvel and actuator columns (k,) of single-axis joints, each driven by one actuator."""
        if names not in self._columns:
            ids = self.joint_ids(names)
            on_joint = self.model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT
            actuators = [np.flatnonzero(on_joint & (self.model.actuator_trnid[:, 0] == joint))[0] for joint in ids]
            self._columns[names] = (self.model.jnt_qposadr[ids], self.model.jnt_dofadr[ids], np.array(actuators))
        return self._columns[names]

    def actuator_ids(self, names: tuple[str, ...]) -> Array:
        """Return the columns (k,) of actuators in `ctrl`."""
        if names not in self._actuators:
            self._actuators[names] = np.array([self.model.actuator(name).id for name in names])
        return self._actuators[names]

    def slides(self, names: tuple[str, ...]) -> Array:
        """Return which of the joints slide, by their places in `names`."""
        if names not in self._slides:
            kinds = self.model.jnt_type[self.joint_ids(names)]
            self._slides[names] = np.flatnonzero(kinds == mujoco.mjtJoint.mjJNT_SLIDE)
        return self._slides[names]

    def joint_field(self, field: str, names: tuple[str, ...]) -> Array:
        """Return the columns (N, k, ...) of joints in a field of one entry per joint; do not write into them."""
        return self._side_by_side(field, names, self.joint_ids(names))

    def joint_qpos(self, names: tuple[str, ...]) -> Array:
        """Return the positions (N, k) [m, rad] of single-axis joints; do not write into them."""
        return self._side_by_side("qpos", names, self.joint_columns(names)[0])

    def set_ctrl(self, names: tuple[str, ...], value: Array) -> None:
        """Write the controls of the joints' actuators, (N, k) or (N, 1)."""
        self.ctrl[:, self._span(("ctrl", names), self.joint_columns(names)[2])] = value

    def joint_limits(self, names: tuple[str, ...]) -> tuple[Array, Array]:
        """Return the lowest and highest positions (k,) of joints [m, rad]; infinite where there is no limit."""
        if names not in self._limits:
            ids = self.joint_ids(names)
            free = self.model.jnt_limited[ids] == 0
            low, high = self.model.jnt_range[ids].T
            self._limits[names] = np.where(free, -np.inf, low), np.where(free, np.inf, high)
        return self._limits[names]

    def joint_ids(self, names: tuple[str, ...]) -> Array:
        """Return the ids (k,) of joints."""
        if names not in self._joint_ids:
            self._joint_ids[names] = np.array([self.model.joint(name).id for name in names])
        return self._joint_ids[names]

    def _span(self, key: tuple[str, tuple[str, ...]], columns: Array) -> slice | Array:
        """Return the columns as a slice where they are contiguous: faster, and without a copy."""
        if key not in self._spans:
            first = int(columns[0])
            together = np.array_equal(columns, np.arange(first, first + len(columns)))
            self._spans[key] = slice(first, first + len(columns)) if together else columns
        return self._spans[key]

    def _side_by_side(self, field: str, names: tuple[str, ...], columns: Array) -> Array:
        key = (field, names)
        if key not in self._views:
            span = self._span(key, columns)
            if not isinstance(span, slice):
                return self.bind(field)[:, span]
            self._views[key] = self.bind(field)[:, span]
        return self._views[key]

    def _pose(self, ids: Array | None) -> None:
        """Compute the poses of the current states."""
        if self._poses is not self._batch:
            self._poses.state[:] = self.state
            self._poses.forward(ids, stage=int(_STAGE.mjSTAGE_POS))

    def _view(self, field: str, kind: str, name: str) -> Array:
        key = (field, name)
        if key not in self._views:
            array = self.bind(field)[:, getattr(self.model, kind)(name).id]
            self._views[key] = array.reshape(-1, 3, 3) if field == "site_xmat" and array.ndim == 2 else array
        return self._views[key]

    def _joint_view(self, field: str, joint: str, address: Array, width: dict[int, int]) -> Array:
        key = (field, joint)
        if key not in self._views:
            index = self.model.joint(joint).id
            start = int(address[index])
            self._views[key] = self.bind(field)[:, start : start + width.get(int(self.model.jnt_type[index]), 1)]
        return self._views[key]

    def _mocap_view(self, field: str, body: str) -> Array:
        key = (field, body)
        if key not in self._views:
            self._views[key] = self.bind(field)[:, int(self.model.body(body).mocapid[0])]
        return self._views[key]


def check_mujoco() -> None:
    """Refuse a MuJoCo that is too old for the native tasks.

    Raises:
        MissingDependencyError: it is.
    """
    if tuple(int(part) for part in mujoco.__version__.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise MissingDependencyError(
            f"MuJoCo {oldest} (installed: {mujoco.__version__})",
            "a task of this project",
            f"Install mujoco>={oldest}, or use an outside environment with --env.",
        )


def _bare(model: mujoco.MjModel) -> mujoco.MjModel:
    """Return a copy of the model with equal poses, and without contacts, constraints and sensors."""
    bare = copy.copy(model)
    off = mujoco.mjtDisableBit
    bare.opt.disableflags |= int(off.mjDSBL_CONSTRAINT) | int(off.mjDSBL_CONTACT) | int(off.mjDSBL_SENSOR)
    return bare


def apart(model: mujoco.MjModel, one: Array, other: Array) -> float:
    """Return the largest difference of a position [m, rad] between two integration states (nstate,), NaN included.

    Zero only where all bits are equal; where only velocities or accelerations differ it is `EPS`. Those jump at
    contacts, so they are a poor measure of the distance of two states.
    """
    if one.tobytes() == other.tobytes():
        return 0.0
    return float(np.maximum(np.abs(_positions(model, one) - _positions(model, other)).max(initial=0.0), EPS))


def _positions(model: mujoco.MjModel, state: Array) -> Array:
    """Return the indices of joints [m, rad] and mocap bodies in a state."""
    kind = mujoco.mjtState
    wanted = int(kind.mjSTATE_QPOS) | int(kind.mjSTATE_MOCAP_POS) | int(kind.mjSTATE_MOCAP_QUAT)
    found = np.empty(mujoco.mj_stateSize(model, wanted))
    mujoco.mj_extractState(model, state, int(kind.mjSTATE_INTEGRATION), found, wanted)
    return found
