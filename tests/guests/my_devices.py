"""Guests: a device that needs no person and swings to and fro, and a leader arm."""

import numpy as np

from robo_rlhf.core.types import Command, Source
from teleop.devices import Device, Handheld
from teleop.input.operator_state import OperatorState


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


class Leader(Handheld):
    """A leader arm, whose joints say where those of the driven one are to be; these swing by themselves."""

    name = "leader"
    source = Source.HUMAN
    gives_joints = True

    def __init__(self, env, *, rate=0.2):
        self.operator_state = OperatorState(env.action_names)
        self.rate, self.step, self.width = rate, 0, env.act_dim

    def read(self):
        self.step += 1
        joints = np.full(self.width, 0.5 * np.sin(self.rate * self.step))
        return self.operator_state.command(np.zeros(6), takeover=True)._replace(joints=joints)
