"""What moves in a model, and its poses for states."""

from functools import cached_property

import mujoco
import numpy as np

from robo_rlhf.core.errors import ShapeError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.scene_description.landing import TOOLS, Landing

STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)
FIXED = int(mujoco.mjtCamLight.mjCAMLIGHT_FIXED)
NUMBERS = 7  # of a pose: position x, y, z [m] in the world, quaternion w, x, y, z


class Movers:
    """The bodies of a model that ever move, then its cameras that follow one by a rule of their own."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Find them. `model` is not changed."""
        self.model = model
        moves = np.zeros(model.nbody, bool)
        for body in range(1, model.nbody):  # parents come first
            free = model.body_dofnum[body] > 0 or model.body_mocapid[body] >= 0
            moves[body] = free or moves[model.body_parentid[body]]
        self.bodies = np.flatnonzero(moves & self._seen)
        self.cameras = np.flatnonzero(np.asarray(model.cam_mode) != FIXED)
        self._number = {int(body): i for i, body in enumerate(self.bodies)}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.bodies) + len(self.cameras)

    def of_body(self, body: int) -> int:
        """Return the number of a body among the movers; -1 where it never moves."""
        return self._number.get(int(body), -1)

    def of_camera(self, camera: int) -> int | None:
        """Return the number of a camera that follows by a rule; None where its body says where it is."""
        found = np.flatnonzero(self.cameras == camera)
        return len(self.bodies) + int(found[0]) if len(found) else None

    def poses(self, states: Array, *, landing: bool = False) -> Array:
        """Return the poses (T, M, 7) float32 of all movers in `states` (T, nstate).

        A state that is not finite has poses that are not. With `landing` one more row follows: where the hand is, the
        point under it, each x, y, z [m], and the radius [m] of a ring around that; not finite where there is none.

        Raises:
            ShapeError: the states are of another model.
        """
        model, data = self.model, self._data
        size = int(mujoco.mj_stateSize(model, STATE))
        if states.ndim != 2 or states.shape[1] != size:
            raise ShapeError("states to draw", ("T", size), states.shape)
        poses = np.full((len(states), len(self) + landing, NUMBERS), np.nan, np.float32)
        n = len(self.bodies)
        for pose, state in zip(poses, np.ascontiguousarray(states, np.float64), strict=True):
            mujoco.mj_setState(model, data, state, STATE)
            mujoco.mj_kinematics(model, data)
            pose[:n, :3], pose[:n, 3:] = data.xpos[self.bodies], data.xquat[self.bodies]
            if len(self.cameras):
                mujoco.mj_comPos(model, data)
                mujoco.mj_camlight(model, data)
                pose[n : len(self), :3] = data.cam_xpos[self.cameras]
                for row, camera in zip(pose[n : len(self)], self.cameras, strict=True):
                    row[3:] = quaternion(data.cam_xmat[camera])
            found = self._landing.under(data, self._landing.tool) if landing and np.isfinite(pose[:-1]).all() else None
            if found is not None:
                pose[-1] = (*found[0], *found[1], TOOLS[self._landing.tool][0])
        return poses

    @cached_property
    def _landing(self) -> Landing:
        return Landing(self.model, mujoco.MjvOption())

    @cached_property
    def _data(self) -> mujoco.MjData:
        return mujoco.MjData(self.model)

    @property
    def _seen(self) -> Array:
        """Whether each body (nbody,) has a geom, site or camera."""
        model = self.model
        seen: Array = np.zeros(model.nbody, bool)
        for bodies in (model.geom_bodyid, model.site_bodyid, model.cam_bodyid):
            seen[bodies] = True
        seen[model.jnt_bodyid[model.jnt_type == int(mujoco.mjtJoint.mjJNT_FREE)]] = True
        return seen


def quaternion(matrix: Array) -> Array:
    """Return a rotation matrix (3, 3) or (9,) as a quaternion (4,) w, x, y, z."""
    turned = np.empty(4)
    mujoco.mju_mat2Quat(turned, np.ascontiguousarray(matrix, np.float64).ravel())
    return turned
