"""Shared control: the operator or a policy chooses the next action.

Without a policy the operator drives. With one the policy does, except while the operator takes over; after that the
policy plans anew. The gripper stays as it was last commanded, by either, until the operator commands a new value for
it: so nothing drops when the controls change hands or an episode resumes from another frame.
"""

import math
import time
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.errors import NonFiniteError
from robo_rlhf.core.types import Array, Command, Policy, Source
from teleop.devices import Device
from teleop.input.action_mapping import ActionMapping

SILENCE = 0.2  # [s] without input after which the robot holds


class Decision(NamedTuple):
    """The action of one tick, and its source."""

    action: Array  # (act_dim,) float32 in [-1, 1]
    source: Source
    age: float  # [s] since the input was made
    holds: bool  # whether the robot stands still because no input arrives from the operator
    at: float  # [s since 1970] when it was made


class OperatorInput(NamedTuple):
    """The operator's input in one tick."""

    twist: Array  # (6,) in [-1, 1]; zero while no input arrives
    age: float  # [s] since it was sent
    silent: bool  # nothing new for a while, or idle
    moves: bool  # a reason to begin: something is held, or the gripper was switched
    takes_over: bool  # from a policy
    buttons: frozenset[str]
    joints: Array | None = None  # as in a command, while they count


class Driver:
    """The operator as a policy: polls the device once a tick, and a trained policy when it is its turn."""

    decision: Decision  # the newest

    def __init__(self, device: Device, mapping: ActionMapping) -> None:
        """Drive by `device`, whose commands mean what `mapping` says."""
        self.device, self.mapping = device, mapping
        self.attended = device.source is Source.HUMAN  # else no person holds the device, which never rests
        self.policy: Policy | None = None
        self.correcting = False  # the operator shows how it should have gone: also what no policy did is a correction
        self.gripper = -1.0  # as commanded; to be set on a jump to another frame
        self._last_gripper: float | None = None  # the gripper as the operator last set it
        self._bank = 0  # of keys
        self._taken = False

    def begin(self, seed: int, at: Array) -> None:
        """Start, or resume from another frame, where positions are `at` (act_dim,), see `ActionMapping.begin`.

        The policy plans anew.
        """
        self._taken = False
        self.mapping.begin(at)
        self.device.begin(seed)
        reseed = getattr(self.policy, "seed", None)
        if callable(reseed):
            reseed(seed)
        if self.policy is not None:
            self.policy.reset(1)

    def read(self) -> OperatorInput:
        """Return the operator's current input; never blocks."""
        command = self.device.read()
        sound = bool(np.isfinite(command.twist).all() and np.isfinite(command.gripper))
        sound = sound and (command.joints is None or command.joints.shape == (len(self.mapping.controls),))
        silent = not command.active or command.age > SILENCE or not sound
        twist = np.zeros(6) if silent else command.twist
        joints = None if silent else command.joints
        switched = sound and self._last_gripper is not None and command.gripper != self._last_gripper
        if sound:
            self._last_gripper = command.gripper
        self._bank = command.bank
        stick = bool(twist.any()) or joints is not None
        takes_over = self.device.takeover in command.buttons if self.device.takeover else stick
        moves = not silent or (switched and command.gripper != self.gripper)
        if (switched and (self.policy is None or takes_over)) or not (self.attended or silent):
            self.gripper = command.gripper
        self._input = OperatorInput(twist, command.age, silent, moves, takes_over, command.buttons, joints)
        return self._input

    def act(self, obs: Array) -> Array:
        """Return the action (1, act_dim) for the input that was read last, given the observation (1, obs_dim).

        Raises:
            NonFiniteError: the policy's action is no number.
        """
        self.decision = self._decide(self._input, obs)
        return self.decision.action[None]

    def _decide(self, operator_input: OperatorInput, obs: Array) -> Decision:
        if self.policy is None or operator_input.takes_over:
            self._taken = self.policy is not None
            command = Command(operator_input.twist, self.gripper, bank=self._bank, joints=operator_input.joints)
            action = self.mapping.action(command)
            corrects = self._taken or self.correcting
            source = Source.CORRECTION if corrects else self.device.source
            return Decision(action, source, operator_input.age, operator_input.silent, time.time())
        if self._taken:
            self._taken = False
            self.policy.reset(1)
        action = self.policy.act(obs)[0]
        if not np.isfinite(action).all():
            raise NonFiniteError(
                "The action of the policy",
                f"columns {', '.join(self.mapping.controls[i].column for i in np.flatnonzero(~np.isfinite(action)))}",
                "The step was not taken and the episode is paused: take over, rewind, or load another policy.",
            )
        gripper = self.mapping.gripper(action)
        self.gripper = self.gripper if gripper is None else gripper
        return Decision(action, Source.POLICY, math.nan, False, time.time())
