"""The mapping between a device's command and the action vector of a task.

A `Command` is the same for every robot: a twist of six parts and a gripper. A task names the columns of its action, and
each name is one part of the command. An arm is commanded in the world frame; a rover in its own frame, where x is
ahead and z is up. Where names say nothing, as in outside environments, controls join columns with parts of the command
(`robo_rlhf.sim.external.controls`).
"""

from collections.abc import Sequence

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Command
from robo_rlhf.sim.external.controls import ColumnControl, part_of

TWIST = {"x": 0, "y": 1, "z": 2, "roll": 3, "pitch": 4, "yaw": 5, "forward": 0, "turn": 5}  # action column → twist part
GRIPPER = "gripper"
WAY = 0.5  # [1/s] of a position's whole way that full input moves it by
CHOSEN = 0.05  # of an input: more than that chooses


def to_action(command: Command, names: Sequence[str]) -> Array:
    """Return the action (act_dim,) float32 in [-1, 1] that a command means for columns of these names."""
    wanted = [command.gripper if name == GRIPPER else command.twist[_part(name)] for name in names]
    return np.clip(np.array(wanted, np.float32), -1.0, 1.0)


def from_action(action: Array, names: Sequence[str]) -> Command:
    """Return the command that means `action` (act_dim,): `to_action` gives it back, bit for bit."""
    twist, gripper = np.zeros(6), -1.0
    for name, value in zip(names, action, strict=True):
        if name == GRIPPER:
            gripper = float(value)
        else:
            twist[_part(name)] = value
    return Command(twist, gripper)


class ActionMapping:
    """What a command means for the columns of one action, as its controls say.

    Positions (`target`) and what was chosen last are remembered from step to step; `begin` sets where they begin.
    """

    def __init__(self, controls: Sequence[ColumnControl], control_dt: float) -> None:
        """Map for steps of `control_dt` [s]."""
        self.controls = tuple(controls)
        self._parts = [part_of(one.source) for one in self.controls]
        self._step = 2 * WAY * control_dt
        self._groups = _choices(self.controls)
        self._at = np.zeros(len(self.controls))

    def begin(self, at: Array) -> None:
        """Begin with positions `at` (act_dim,) in [-1, 1], NaN where a column has none; choices are what rests."""
        rest = np.array([one.rest for one in self.controls])
        self._at = np.where(np.isfinite(at), at, rest)
        for group in self._groups:
            self._at[group] = _one_of(len(group), int(np.argmax(rest[group])))

    def action(self, command: Command) -> Array:
        """Return the action (act_dim,) float32 in [-1, 1] that a command means."""
        pushed = [self._pushed(command, i) for i in range(len(self.controls))]
        row = np.zeros(len(self.controls))
        for i, (one, push) in enumerate(zip(self.controls, pushed, strict=True)):
            if one.kind == "target":
                given = np.nan if command.joints is None else float(command.joints[i])
                self._at[i] = np.clip(self._at[i] + self._step * push if np.isnan(given) else given, -1.0, 1.0)
                row[i] = self._at[i]
            elif one.rest:
                row[i] = one.rest + push * (1.0 - one.rest if push > 0 else 1.0 + one.rest)
            else:
                row[i] = push
        for group in self._groups:
            self._choose(group, np.array([pushed[i] for i in group]))
            row[group] = self._at[group]
        return np.clip(row.astype(np.float32), -1.0, 1.0)

    def gripper(self, action: Array) -> float | None:
        """Return how an action (act_dim,) commands the gripper, -1 open to +1 closed; None where there is none."""
        for one, part, value in zip(self.controls, self._parts, action, strict=True):
            if part is not None and part[0] < 0 and one.scale and one.kind != "choice":
                return float(np.clip(float(value) * one.sign / one.scale, -1.0, 1.0))
        return None

    def _pushed(self, command: Command, i: int) -> float:
        """Return how far column `i` is pushed, in [-1, 1]: its part of the command, with dead zone, sign and scale."""
        one, part = self.controls[i], self._parts[i]
        if part is None:
            return 0.0
        value = float(command.gripper)
        if part[0] >= 0:
            value = float(command.twist[part[0]]) if part[1] == command.bank else 0.0
            if one.dead_zone:
                value = float(np.sign(value)) * max(abs(value) - one.dead_zone, 0.0) / (1.0 - one.dead_zone)
        return value * one.sign * one.scale

    def _choose(self, group: list[int], pushed: Array) -> None:
        rest = [i for i, column in enumerate(group) if self.controls[column].rest > 0]
        if pushed.max() > CHOSEN:
            self._at[group] = _one_of(len(group), int(pushed.argmax()))
        elif rest:
            self._at[group] = _one_of(len(group), rest[0])


def check_joints(device: str, task: str, controls: Sequence[ColumnControl]) -> None:
    """Check that a device that gives positions of joints drives some column of an action.

    Raises:
        InvalidValueError: none of the columns is a position.
    """
    if not any(one.kind == "target" for one in controls):
        columns = ", ".join(one.column for one in controls)
        expected = f"a task with columns that are positions of joints; {task} has {columns}, which are not"
        raise InvalidValueError(f"task for the device {device}", task, expected)


def _choices(controls: Sequence[ColumnControl]) -> list[list[int]]:
    """Return the columns of each choice: those that follow each other with names "what=thing" of one "what"."""
    groups: list[list[int]] = []
    named = ""
    for i, one in enumerate(controls):
        if one.kind != "choice":
            named = ""
            continue
        what = one.column.rpartition("=")[0]
        if not groups or what != named:
            groups.append([])
        named = what
        groups[-1].append(i)
    return groups


def _one_of(count: int, chosen: int) -> Array:
    row = np.full(count, -1.0)
    row[chosen] = 1.0
    return row


def _part(name: str) -> int:
    if name not in TWIST:
        raise InvalidValueError(
            "action column to be teleoperated", repr(name), f"one of {', '.join([*TWIST, GRIPPER])}"
        )
    return TWIST[name]
