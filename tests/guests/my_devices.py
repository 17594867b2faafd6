"""A guest: a device that needs no person, and swings to and fro."""

import numpy as np

from robo_rlhf.core.types import Command, Source
from teleop.devices import Device


class Swing(Device):
    """Swings along every axis, as fast as `rate` says."""

    name = "swing"
    source = Source.SCRIPTED

    def __init__(self, env, *, rate=0.2):
        self.rate, self.step = rate, 0

    def begin(self, seed):
        self.step = 0

    def read(self):
        self.step += 1
        return Command(np.full(6, np.sin(self.rate * self.step)), -1.0)
