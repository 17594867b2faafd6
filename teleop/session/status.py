"""Where a session is, as the page is told after every tick."""

from robo_rlhf.core.types import Source
from teleop.ipc.messages import Status
from teleop.session.io_thread import explain_waiting
from teleop.session.scene_info import goals
from teleop.session.state_machine import Play


def describe_status(play: Play, late: float, minutes: float) -> Status:
    """Return where a session is whose last tick was `late` [ms], `minutes` [min] after it began."""
    stage, ledger, writer = play.stage, play.ledger, play.stage.writer
    is_open = writer is not None and play.phase != "ready"
    parent = stage.past.meta.id if stage.past else writer.meta.parent if is_open and writer else ""
    disk = writer.trouble if is_open and writer else None
    return Status(
        phase=play.phase,
        tick=play.ticks,
        episode=writer.id if is_open and writer else "",
        seed=stage.seed,
        frame=stage.frame,
        frames=stage.steps + 1,
        success=stage.success,
        mark=play.mark,
        source=_source(play).name.lower(),
        gripper=play.driver.gripper,
        holds=play.holds,
        late=late,
        policy=play.policy_name,
        parent=parent,
        kept=len(ledger.kept),
        successes=sum(outcome == "success" for outcome in ledger.kept.values()),
        discarded=len(ledger.discarded),
        minutes=minutes,
        trouble=explain_waiting(disk) if disk else stage.trouble or ledger.trouble,
        goals=goals(stage.env) if play.phase == "ready" else (),
    )


def _source(play: Play) -> Source:
    """Return who chose the action that led to the frame shown; at the start, who chose the first one."""
    stage = play.stage
    if play.phase == "running" or not stage.steps:
        return play.source
    return Source(int(stage.row(max(stage.frame, 1))["source"]))
