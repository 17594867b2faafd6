"""The contract of input devices, on a machine that need not have their hardware."""

import inspect
import time
from collections.abc import Callable

import numpy as np

from robo_rlhf.contracts.clauses import Contract, require
from robo_rlhf.core.errors import MissingDependencyError
from robo_rlhf.core.types import Command, Source
from robo_rlhf.sim.tasks import TASKS
from teleop.devices import DEVICES, Device
from teleop.input.action_mapping import to_action
from teleop.worlds.native import NativeWorld

SLOWEST = 0.2  # [s] of a reading, on a machine that does nothing else
READINGS = 20


class DeviceTrial:
    """A kind of device on trial, in a world that is compiled once."""

    def __init__(self, kind: type[Device], make: Callable[[NativeWorld], Device] | None = None) -> None:
        """Make devices by `make`, with stand-ins for hardware; else of the world alone."""
        self.kind, self.make = kind, make or kind
        self.env = NativeWorld(TASKS["reach"](), 1, nthread=1)
        self.env.reset(np.array([3]))


def describes_itself(trial: DeviceTrial) -> None:
    """It has a source, a docstring that ends in a full stop, and options by keyword with defaults, after the world."""
    kind = trial.kind
    source = getattr(kind, "source", None)
    require(isinstance(source, Source), f"source is {source!r}, expected a Source, such as Source.HUMAN", kind)
    require((inspect.getdoc(kind) or "").endswith("."), "its docstring is missing, or ends without a full stop", kind)
    _, *parameters = inspect.signature(kind.__init__).parameters.values()
    names = [option.name for option in parameters]
    require(names[:1] == ["env"], "__init__ does not take env first", kind.__init__)
    bare = [option.name for option in parameters[1:] if option.default is inspect.Parameter.empty]
    require(not bare, f"the options {', '.join(bare)} have no default", kind.__init__)


def reads_quickly_and_leaves_the_world_alone(trial: DeviceTrial) -> None:
    """A reading is a command in range, takes no time, and changes nothing in the world."""
    before, read = trial.env.get_state(), trial.kind.read
    try:
        opened = trial.make(trial.env).__enter__()
    except MissingDependencyError:
        return  # its hardware is not here, and it says so
    try:
        opened.begin(3)
        for _ in range(READINGS):
            began = time.perf_counter()
            command = opened.read()
            took = time.perf_counter() - began
            require(took < SLOWEST, f"read takes {took:.2g} s; it may not wait", read)
            _check(trial, command)
    finally:
        opened.__exit__(None, None, None)
    same = trial.env.get_state().tobytes() == before.tobytes()
    require(same, "read writes into the simulation", read)


def _check(trial: DeviceTrial, command: object) -> None:
    read = trial.kind.read
    require(isinstance(command, Command), f"read gives a {type(command).__name__}, expected a Command", read)
    assert isinstance(command, Command)
    shape = np.shape(command.twist)
    require(shape == (6,), f"the twist has shape {shape}, expected (6,)", read)
    require(np.isfinite(command.twist).all(), "the twist holds NaN or infinity", read)
    require(np.abs(command.twist).max() <= 1, "the twist is outside [-1, 1]", read)
    require(-1 <= command.gripper <= 1, f"the gripper is {command.gripper}, outside [-1, 1]", read)
    require(command.age >= 0, f"the age is {command.age} s, below 0", read)
    if command.joints is not None:
        require(trial.kind.gives_joints, "it gives joints, but gives_joints is False", trial.kind)
        given, wanted = np.shape(command.joints), (trial.env.act_dim,)
        require(given == wanted, f"the joints have shape {given}, expected {wanted}: one a column of the action", read)
        largest = np.abs(np.nan_to_num(np.asarray(command.joints, np.float64), nan=0.0)).max()
        require(bool(largest <= 1), "the joints are outside [-1, 1]", read)
    require(np.abs(to_action(command, trial.env.task.action_names)).max() <= 1, "its action is outside [-1, 1]", read)


CONTRACT = Contract(DEVICES, DeviceTrial, (describes_itself, reads_quickly_and_leaves_the_world_alone))
