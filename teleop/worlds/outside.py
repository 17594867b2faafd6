"""Copies of an outside environment, as sessions and the policy probe use them.

A frame is shown by its state or by the environment's own picture; only where the episode goes on from it is it entered,
by what was proven to be exact.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import cv2
import mujoco
import numpy as np

from robo_rlhf.core.errors import EnvironmentFaultError, NotNowError, UnknownNameError
from robo_rlhf.core.types import Array, Step
from robo_rlhf.episodes.access import NOT_EXACT
from robo_rlhf.episodes.drawing import STRAYS
from robo_rlhf.sim.external.controls import ColumnControl, usual_controls
from robo_rlhf.sim.external.ids import scene_name
from robo_rlhf.sim.external.physics import actuator_positions, physics_of
from robo_rlhf.sim.external.scene import model_of
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from robo_rlhf.sim.rendering.camera import Camera
from robo_rlhf.sim.rendering.scene_cameras import default_camera, free_cameras, free_fovy
from teleop.worlds.environment_camera import EnvironmentCamera
from teleop.worlds.native import RowAt

ENDLESS = 10**9  # steps: what an environment would do later than its time limit is asked too
MOST_PICTURES = 2000  # that are remembered of an episode
QUALITY = 85  # of JPEGs
OWN_CAMERA = "environment"  # the only one, where states do not draw it
NO_CAMERA = Camera("", 0.0, 0.0, 1.0, (0.0, 0.0, 0.0))
ENDED = "The environment ended the episode here: keep it, discard it, or rewind."
_TOOL = re.compile(r"grip|hand|tool|tip|(?<![a-z])ee(?![a-z])|end.?eff|wrist", re.IGNORECASE)


class OutsideWorld(ExternalVecEnv):
    """Copies in this process. What sessions use is of the first."""

    def __init__(self, name: str, num_envs: int, render_mode: str | None = None) -> None:
        """Make the copies; raises as `ExternalVecEnv`, which makes them render too."""
        super().__init__(name, num_envs, horizon=ENDLESS, workers=0, render_mode=render_mode)
        self.horizon = self._recipe.limit or self._recipe.spec.max_episode_steps or ENDLESS
        self.has_states = self.get_state().shape[1] > 0
        self.reset(np.zeros(num_envs, np.int64))
        self.picture = b""  # JPEG of what is shown, where states do not draw it
        self._at: int | None = None  # the frame of the episode that is driven, at which copy 0 stands
        self._camera: EnvironmentCamera | None = None  # gives pictures, where states do not
        self._pictures: dict[int, bytes] = {}  # frame → of the episode that is looked at

    def be_seen(self) -> None:
        """Provide pictures from now on.

        Raises:
            RoboRlhfError: the environment cannot be seen.
        """
        if self.provenance.get("show") != "state":
            self._camera = EnvironmentCamera(self._recipe, None if self.has_states else self.copies)

    @property
    def instruction(self) -> str:
        """Nothing: an environment does not say what is to be done."""
        return ""

    @property
    def usual_controls(self) -> tuple[ColumnControl, ...]:
        """What drives each column of an action, until it is changed."""
        columns = self._actions.columns(self.action_names)
        positions = np.isfinite(self.at())
        return usual_controls(
            self.name,
            [
                column._replace(kind="target") if is_position and column.kind == "rate" else column
                for column, is_position in zip(columns, positions, strict=True)
            ],
        )

    @property
    def over(self) -> str:
        """Why the episode of copy 0 cannot go on; empty where it can."""
        return self.faults.get(0) or ("" if self._local.active[0] else ENDED)

    def succeeded(self) -> Array:
        """Return that no copy has succeeded: an environment reports success with a step."""
        return np.zeros(self.num_envs, np.bool_)

    def tool(self) -> Array:
        """Return the position of what is named like a hand or its tip, (N, 3) [m]; zeros where nothing is."""
        return np.stack([_position(physics_of(env)) for env in self.copies])

    def begin_at(self, seed: int, goals: Mapping[str, Array]) -> tuple[Array, bool]:
        """Start the episode of `seed`; return obs (obs_dim,) and that it has not succeeded. It has no `goals`.

        Raises:
            EnvironmentFaultError: it cannot start.
        """
        self._pictures.clear()
        obs = self._restart(seed)
        self._see(seed, self.get_state()[0])
        return obs, False

    def step(self, action: Array) -> Step:
        """Step as `ExternalVecEnv`, and count the frames of the driven episode."""
        step = super().step(action)
        self._at = None if self._at is None or self.faults else self._at + 1
        return step

    def stepped(self, seed: int) -> None:
        """See the frame after a step of the driven episode."""
        assert self._at is not None
        self._pictures.pop(self._at, None)
        self._see(seed, self.get_state()[0])

    def show(self, seed: int, row: RowAt, frame: int, *, anew: bool = False) -> tuple[Array, Array]:
        """Show frame `frame` of an episode, `anew` another one than before; return obs (obs_dim,) and the state.

        Raises:
            NotNowError: it cannot be shown: a replay leads elsewhere.
        """
        if anew:
            self._at = None
            self._pictures.clear()
        at = row(frame)
        if self._camera is not None:
            if self._camera.own and frame not in self._pictures:
                self.stand(seed, row, frame)
            self._see(seed, at["state"], frame)
        return np.asarray(at["obs"], np.float32), np.asarray(at["state"], np.float64)

    def stand(self, seed: int, row: RowAt, frame: int) -> None:
        """Enter frame `frame` of the episode of `seed` where copy 0 does not stand there, to go on from it.

        Raises:
            NotNowError: it cannot be entered.
            EnvironmentFaultError: the environment fails meanwhile.
        """
        if self._at == frame and not self.faults:
            return
        self._at = None
        way = self.provenance.get("enter") if self.has_states else "replay"
        if way == "state":
            self.enter(np.array([seed]), row(frame)["state"][None], row(frame)["obs"][None])
        elif way == "replay":
            self._replay(seed, row, frame)
        else:
            raise NotNowError(f"A frame of {self.name} cannot be entered. {NOT_EXACT}", "Begin another episode.")
        if self.faults:
            raise EnvironmentFaultError(self.faults[0])
        self._at = frame

    def scene_of(self, seed: int) -> str:
        """Return the name of the model that states of an episode are drawn with; empty where `picture` shows them."""
        if self._camera is not None:
            return ""
        return scene_name(self.name, seed) if self.provenance.get("model") == "seed" else self.name

    movers: ClassVar[None] = None  # its model may be another one with each seed: the station draws

    def at(self) -> Array:
        """Return where the joints of position actuators are (act_dim,) in [-1, 1]; NaN for what is no such column."""
        return actuator_positions(self.copies[0], self.act_dim)

    def goals(self) -> dict[str, Array]:
        """Return nothing: which bodies may be moved is not known."""
        return {}

    def check_goal(self, name: str, position: Array) -> None:
        """Refuse a goal: raises UnknownNameError always."""
        raise UnknownNameError("goal", name, ())

    def cameras(self) -> Mapping[str, Camera]:
        """Return the cameras of the model as free ones, by name; the environment's own where states do not draw it."""
        if self._camera is not None:
            looks = default_camera(model_of(self.copies[0])[0]) if self.has_states else NO_CAMERA
            return {OWN_CAMERA: looks}
        return free_cameras(*model_of(self.copies[0]))

    @property
    def fovy(self) -> float:
        """Angle of view [deg] of free cameras."""
        physics = physics_of(self.copies[0])
        return free_fovy(physics.model) if physics else 45.0

    def close(self) -> None:
        """Close the copies, and what gives pictures."""
        if self._camera is not None:
            self._camera.close()
        super().close()

    def _restart(self, seed: int) -> Array:
        self._at = None
        obs: Array = self.reset(np.array([seed]))[0]
        if self.faults:
            raise EnvironmentFaultError(self.faults[0])
        self._at = 0
        return obs

    def _replay(self, seed: int, row: RowAt, frame: int) -> None:
        """Take the recorded steps again, up to `frame`; raises as `stand`."""
        obs = self._restart(seed)
        for i in range(frame + 1):
            if i:
                obs = self.step(row(i)["action"][None]).obs[0]
            recorded = row(i)["obs"]
            off = float(np.abs(obs - recorded).max(initial=0.0))
            if self.faults or not off <= STRAYS * max(1.0, float(np.abs(recorded).max(initial=0.0))):
                why = self.faults.get(0) or f"A replay is off by {off:.2g} from step {i} on."
                self._at = None
                raise NotNowError(f"Frame {frame} of {self.name} cannot be entered. {why}", "Begin another episode.")

    def _see(self, seed: int, state: Array, frame: int | None = None) -> None:
        """Have `picture` be that of a frame, which copy 0 stands at where none is given."""
        if self._camera is None:
            return
        at = self._at if frame is None else frame
        assert at is not None
        if at not in self._pictures:
            shown = cv2.cvtColor(self._camera.draw(seed, state), cv2.COLOR_RGB2BGR)
            self._pictures[at] = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
            while len(self._pictures) > MOST_PICTURES:
                del self._pictures[next(iter(self._pictures))]
        self.picture = self._pictures[at]


def _position(physics: Any) -> Array:
    if physics is None:
        return np.zeros(3)
    model, data = physics.model, physics.data
    for kind, count, places in (
        (mujoco.mjtObj.mjOBJ_SITE, model.nsite, data.site_xpos),
        (mujoco.mjtObj.mjOBJ_BODY, model.nbody, data.xpos),
    ):
        named = [i for i in range(count) if _TOOL.search(mujoco.mj_id2name(model, kind, i) or "")]
        if named:
            return np.array(places[named[-1]], np.float64)
    return np.zeros(3)
