"""A device that a test moves, and sessions with it."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from robo_rlhf.core.types import Command, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.tasks import TASKS
from teleop.devices import Device
from teleop.session.unattended import UnattendedSession
from teleop.worlds.native import NativeWorld

Say = Callable[[int], Command]


class Puppet(Device):
    """Says at step t what `say(t)` returns; no person holds it."""

    name: ClassVar[str] = "puppet"
    source: ClassVar[Source] = Source.SCRIPTED

    def __init__(self, env: NativeWorld, say: Say) -> None:
        self.say, self.t, self.seeds = say, 0, list[int]()

    def begin(self, seed: int) -> None:
        self.seeds.append(seed)
        self.t = 0

    def read(self) -> Command:
        self.t += 1
        return self.say(self.t - 1)


def command(*buttons: str, x: float = 0.0, gripper: float = -1.0, **fields: Any) -> Command:
    return Command(np.array([x, 0, 0, 0, 0, 0]), gripper, frozenset(buttons), **fields)


def world(task: str = "reach") -> NativeWorld:
    return NativeWorld(TASKS[task](), 1, nthread=1)


def puppet_session(dataset: Dataset, say: Say, **options: Any) -> UnattendedSession:
    env = world()
    return UnattendedSession(env, Puppet(env, say), dataset, **{"pace": False, **options})
