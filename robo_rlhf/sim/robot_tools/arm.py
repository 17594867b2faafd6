"""What a robot is to the arm tasks: its model, and the names and numbers that they need of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import mujoco
import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.batch import BatchSim

ARM_BASE = (-0.5, 0.0, 0.0)  # [m] position of a robot's base on the table, unless it says another
HOME_EE = (0.0, 0.0, 0.25)  # [m] position of `ee` at home
HOME_QUAT = (0.0, 1.0, 0.0, 0.0)  # wxyz, orientation of `ee` at home: x along the world's x, z down
TIMESTEP = 0.005  # [s] of physics, unless the robot needs a finer one
PREFIX = "robot/"  # of the names of a robot whose model is attached to the scene


@dataclass(frozen=True)
class Workspace:
    """The workspace of the hand's target, a box in the world frame [m]."""

    low: tuple[float, float, float] = (-0.30, -0.35, 0.008)
    high: tuple[float, float, float] = (0.30, 0.35, 0.45)

    def within(self, other: "Workspace") -> "Workspace":
        """Return what both have in common.

        Raises:
            InvalidValueError: nothing.
        """
        low, high = np.maximum(self.low, other.low), np.minimum(self.high, other.high)
        if (low >= high).any():
            raise InvalidValueError("workspace of the robot", f"{other.low} to {other.high}", f"part of {self}")
        return Workspace((low[0], low[1], low[2]), (high[0], high[1], high[2]))


@dataclass(frozen=True)
class Hand:
    """Where the hand's frame is in a model that has none: body `hand` with site `ee` is added there."""

    body: str  # it is fixed to
    pos: tuple[float, float, float]  # [m] in the frame of that body
    quat: tuple[float, float, float, float]  # wxyz: z out of the hand towards the object, fingers close along y

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Add body and site, and a camera `wrist` that looks over the hand at what lies between the fingers."""
        body = spec.body(self.body).add_body(name="hand", pos=list(self.pos), quat=list(self.quat))
        body.add_site(name="ee", size=[0.005, 0.005, 0.005], group=4, rgba=[1, 1, 0, 0.6])
        body.add_camera(name="wrist", pos=[-0.085, 0, -0.0584], xyaxes=[0, 1, 0, 0.7644, 0, -0.6447], fovy=70)

    def turned(self) -> "Hand":
        """Return the frame after half a turn about z."""
        w, x, y, z = self.quat
        return Hand(self.body, self.pos, (-z, y, -x, w))


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """An arm with a gripper, with everything known that `Robot` leaves to be found.

    Names are those in the scene, with `PREFIX` where the model is attached to it.
    """

    spec: mujoco.MjSpec  # where it stands on the table; copied, never changed
    joints: tuple[str, ...]  # of the arm, base to hand: hinges and slides, each with one position servo
    home: Array  # (n,) [rad, m] of these, at which `ee` is at HOME_EE and points down
    gripper: tuple[str, ...]  # actuators
    open: Array  # (k,) their control values
    closed: Array  # (k,)
    rest: Mapping[str, float]  # positions [m, rad] of all other joints with the gripper open
    fingers: tuple[str, str]  # the two bodies that close on an object
    contact_body: str  # the body whose subtree is the hand: what it touches, the hand touches
    touching: float = 0.0  # [m] between the frames of the fingers where they touch
    hand: Hand | None = None  # None: the model has body `hand` and site `ee`
    lead: Array | None = None  # (n,) by which a joint's step is multiplied to become its target; None: not
    workspace: Workspace = field(default_factory=Workspace)
    timestep: float = TIMESTEP  # [s]
    findings: tuple[str, ...] = ()  # what was found in the model rather than given, in words

    def opening(self, sim: BatchSim) -> Array:
        """Distance between the fingertips (N,) [m]."""
        way = sim.body_pos(self.fingers[0]) - sim.body_pos(self.fingers[1])
        apart: Array = np.maximum(np.sqrt((way * way).sum(axis=1)) - self.touching, 0.0)
        return apart
