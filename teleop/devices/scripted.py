"""The scripted operator as a device: it demonstrates the task as a person would, including errors."""

from typing import ClassVar

import numpy as np

from robo_rlhf.core.types import Command, Source
from robo_rlhf.sim.operators.scripted import PERSON, OperatorFaults, ScriptedOperator
from teleop.devices import DEVICES, Device
from teleop.input.action_mapping import from_action
from teleop.worlds.native import NativeWorld


@DEVICES.register("scripted")
class Scripted(Device):
    """Watches the simulation of its session and steers it; an episode depends on its seed alone."""

    name: ClassVar[str] = "scripted"
    source: ClassVar[Source] = Source.SCRIPTED

    def __init__(self, env: NativeWorld, faults: OperatorFaults = PERSON) -> None:
        """Demonstrate the task of `env` with `faults`."""
        self._names = env.task.action_names
        self._operator = ScriptedOperator(env, faults)
        self._obs = np.zeros((1, env.obs_dim), np.float32)  # the operator looks at the simulation instead

    def begin(self, seed: int) -> None:
        """Forget what was seen; draw the faults of this episode from `seed`."""
        self._operator.reseed(np.array([seed]))
        self._operator.reset(1)

    def read(self) -> Command:
        """Return the next command; each call is one control step of the operator."""
        return from_action(self._operator.act(self._obs)[0], self._names)
