"""Tasks that each break the contract in one way."""

import os

import numpy as np
from my_tasks import PressButton


class WrongShape(PressButton):
    name = "wrong_shape"

    def observe(self, sim):
        return super().observe(sim)[:, :2]


class NotANumber(PressButton):
    name = "not_a_number"

    def observe(self, sim):
        return super().observe(sim) * np.float32(np.nan)


class Chance(PressButton):
    name = "chance"

    def reset(self, sim, index, rng):
        super().reset(sim, index, np.random.default_rng())


class Remembers(PressButton):
    name = "remembers"

    def reward_terms(self, sim):
        self.calls = getattr(self, "calls", 0) + 1
        return super().reward_terms(sim)


class NoName(PressButton):
    pass


class Twice(PressButton):
    name = "reach"


class Loops(PressButton):
    name = "loops"

    def reset(self, sim, index, rng):
        while True:
            pass


class Crashes(PressButton):
    name = "crashes"

    def observe(self, sim):
        os.abort()


class CrashesWhenDrawn(PressButton):
    name = "crashes_when_drawn"

    def scene(self):
        os.abort()


class Leaves(PressButton):
    name = "leaves"

    def observe(self, sim):
        os._exit(3)


class Writes(PressButton):
    name = "writes"

    def observe(self, sim):
        sim.qvel("x")[:] = 0.5
        return super().observe(sim)


class Generous(PressButton):
    name = "generous"

    def reward_terms(self, sim):
        return {"near": 2 * super().reward_terms(sim)["near"]}


class Raises(PressButton):
    name = "raises"

    def success(self, sim):
        return self.no_such_function(sim)


class Unfinished(PressButton):
    name = "unfinished"
    success = None


NOTHING = 3
