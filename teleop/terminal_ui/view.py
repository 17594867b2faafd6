"""The terminal view of a session: its state, notices, and the keys."""

import io
import os
from collections.abc import Iterable, Sequence

from rich.console import Console as Printer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from robo_rlhf.sim.external.controls import GRIPPER, part_of
from teleop.input.button_maps import STICKS, Button, explain
from teleop.input.key_bindings import KEYS, PAGE_ONLY, Binding, key_name
from teleop.input.response_curves import LEVELS
from teleop.ipc.messages import Scene, Status
from teleop.terminal_ui.console import OFFER, ConsoleState

TITLES = {"move": "Move", "turn": "Turn", "hand": "Hand", "episode": "Episode", "view": "Screen"}
_PHASES = {"ready": ("○ ready", "bold"), "running": ("● recording", "bold red"), "paused": ("‖ paused", "bold yellow")}


def terminal_keys() -> tuple[Binding, ...]:
    """Return the keys that do something in a terminal."""
    return tuple(binding for binding in KEYS if binding.act not in PAGE_ONLY)


def draw(shown: ConsoleState, size: tuple[int, int], buttons: Sequence[Button] = (), pictures: str = "") -> str:
    """Return the screen of a session as text with colours, for a terminal of (columns, lines).

    Args:
        shown: what there is to be seen.
        size: of the terminal.
        buttons: of a device that is no keyboard.
        pictures: where the robot can be seen.
    """
    columns, lines = size
    out = io.StringIO()
    plain = "NO_COLOR" in os.environ
    printer = Printer(
        file=out, width=columns, height=lines, force_terminal=True, no_color=plain, color_system="standard",
        highlight=False, legacy_windows=False,
    )  # fmt: skip
    printer.print(Group(*_parts(shown, columns, buttons, pictures)))
    return out.getvalue()


def _parts(shown: ConsoleState, columns: int, buttons: Sequence[Button], pictures: str) -> Iterable[RenderableType]:
    if shown.scene is None or shown.status is None:
        yield Text(" Starting the session ...", style="dim")
        return
    yield _title(shown.scene, shown.status)
    yield _line("─" * columns, "dim")
    yield _state(shown.status, shown.scene)
    yield _operator(shown, shown.status)
    yield _counts(shown.status)
    if shown.releases is False and shown.keys and not buttons:
        yield _line(" This terminal tells of one key at a time: a key counts as held for a moment.", "dim")
    yield from _notices(shown, shown.status)
    yield _line(f" {key_name('Slash')} {'hides' if shown.keys else 'shows'} the keys · Ctrl-C ends", "dim")
    if pictures:
        yield _line(f" {pictures}", "dim")
    if shown.keys:
        yield _keys([one.source for one in shown.scene.controls], buttons)


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _title(scene: Scene, status: Status) -> RenderableType:
    row = Table.grid(expand=True)
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    row.add_column(justify="right", no_wrap=True)
    about = " · ".join(filter(None, (scene.task, scene.instruction, scene.conditions)))
    row.add_row(Text(f" {about}", style="bold"), Text(f"seed {status.seed} "))
    return row


def _state(status: Status, scene: Scene) -> RenderableType:
    text, style = _PHASES[status.phase]
    if status.phase == "running" and status.holds:
        text, style = "● recording, the robot holds", "bold yellow"
    seconds = status.frame * scene.control_dt
    what = f"{int(seconds // 60):02}:{seconds % 60:04.1f}   step {status.frame}"
    if status.phase == "paused" and status.frame + 1 < status.frames:
        what += f" of {status.frames - 1}"
    line = _line(" ").append(text, style=style).append(f"   {what}   success ")
    line.append("● yes" if status.success else "○ no", style="bold green" if status.success else "")
    if status.mark:
        line.append(f"   marked {status.mark}", style="bold green" if status.mark == "success" else "bold red")
    return line


def _operator(shown: ConsoleState, status: Status) -> RenderableType:
    parts = [
        f"gripper {'closed' if status.gripper > 0 else 'open'}",
        f"source {'you' if status.source == 'human' else status.source}",
        f"speed {shown.level} of {len(LEVELS)}",
        *([f"answers in {shown.reaction:.0f} ms"] if shown.reaction is not None else []),
        *([f"policy {status.policy}"] if status.policy else []),
    ]
    return _line(" " + " · ".join(parts))


def _counts(status: Status) -> RenderableType:
    rate = 60 * status.kept / status.minutes if status.minutes > 1 else None
    parts = [
        f"kept {status.kept}",
        f"successes {status.successes}",
        f"failed {status.kept - status.successes}",
        *([f"branches {status.branches}"] if status.branches else []),
        f"discarded {status.discarded}",
        *([f"{rate:.0f} an hour"] if rate is not None else []),
    ]
    return _line(" " + " · ".join(parts))


def _notices(shown: ConsoleState, status: Status) -> Iterable[RenderableType]:
    if status.trouble:
        yield Text(f" {status.trouble}", style="bold red")
    if shown.lost:
        yield Text(" Nothing is received from the device; the robot holds. Nothing is lost.", style="bold yellow")
    tones = {"good": "green", "bad": "red", "plain": ""}
    for notice in shown.notices:
        yield Text(f" {notice.text}", style=tones[notice.tone])
    if shown.offer is not None and status.phase == "ready":
        yield Text(f" {key_name(OFFER.keys[0])}: {OFFER.label.lower()}", style="bold")
    if shown.note is not None:
        yield Text(f" Note: {shown.note}▏  (Enter: done, Escape: drop)", style="bold")


def _keys(sources: Sequence[str], buttons: Sequence[Button]) -> RenderableType:
    """Return what keys and buttons do, in three columns that fit into 80."""
    groups: dict[str, list[tuple[str, str]]] = {title: [] for title in TITLES.values()}
    for binding in terminal_keys():
        if moves_something(binding, sources) and (not buttons or binding.group in ("episode", "view")):
            groups[TITLES[binding.group]].append((key_name(binding.keys[0]), binding.label))
    if buttons:
        sticks = STICKS if any(button.act == "tilt" for button in buttons) else ()
        rows = [*sticks, *explain(tuple(buttons))]
        columns = [[("Buttons", rows)], [(name, groups[name]) for name in ("Episode", "Screen")]]
    else:
        columns = [
            [(name, groups[name]) for name in names] for names in (("Move", "Turn"), ("Hand", "Screen"), ("Episode",))
        ]
    table = Table.grid(padding=(0, 2))
    table.add_row(*(_column(column) for column in columns))
    return Padding(table, (0, 0, 0, 1))


def moves_something(binding: Binding, sources: Sequence[str]) -> bool:
    """Whether a key does something with a robot that has these action columns."""
    if binding.axis is not None:
        return binding.axis in {part[0] for name in sources if (part := part_of(name))}
    if binding.act == "joints":
        return any(part[1] for name in sources if (part := part_of(name)))
    return binding.act != "gripper" or GRIPPER in sources


def _column(blocks: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for title, rows in blocks:
        if rows:
            table.add_row(Text(title, style="bold"), Text())
        for name, label in rows:
            table.add_row(_line(name, "cyan"), _line(label))
    return table
