"""The status of a session, as sent to the page after every tick."""

import numpy as np

from robo_rlhf.core.types import Array, Source
from teleop.ipc.messages import Status
from teleop.session.scene_info import goals
from teleop.session.state_machine import SessionMachine


def describe_status(machine: SessionMachine, late: float, minutes: float) -> Status:
    """Return where a session is whose last tick was `late` [ms], `minutes` [min] after it began."""
    world, history, writer = machine.world, machine.episode_log, machine.world.writer
    is_open = writer is not None and machine.phase != "ready"
    parent = world.recorded.meta.id if world.recorded else writer.meta.parent if is_open and writer else ""
    return Status(
        phase=machine.phase,
        tick=machine.ticks,
        episode=writer.id if is_open and writer else "",
        seed=world.seed,
        frame=world.frame,
        frames=world.steps + 1,
        success=world.success,
        mark=machine.mark,
        source=_source(machine).name.lower(),
        gripper=machine.driver.gripper,
        holds=machine.holds,
        late=late,
        policy=machine.policy_name,
        sees=machine.sight,
        parent=parent,
        kept=len(history.kept),
        successes=sum(outcome == "success" for outcome in history.kept.values()),
        discarded=len(history.discarded),
        branches=history.branches,
        undo=machine.undo.next,
        minutes=minutes,
        trouble=machine.trouble,
        goals=goals(world.env) if machine.phase == "ready" else (),
        action=tuple(round(float(value), 3) for value in _action(machine)),
    )


def _action(machine: SessionMachine) -> Array:
    """Return the action that led to the frame shown; zeros at the start."""
    action = machine.world.action()
    return np.zeros(machine.world.env.act_dim) if action is None else action


def _source(machine: SessionMachine) -> Source:
    """Return who chose the action that led to the frame shown; at the start, who chose the first one."""
    world = machine.world
    if machine.phase == "running" or not world.steps:
        return machine.source
    return Source(int(world.row(max(world.frame, 1))["source"]))
