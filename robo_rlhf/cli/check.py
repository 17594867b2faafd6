"""`robo-rlhf check`: the contract of a thing of the user's own, tried in a process of its own."""

import json
import re
import signal
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.core import guests
from robo_rlhf.core.errors import GuestError, InvalidValueError, MissingDependencyError, RoboRlhfError
from robo_rlhf.processes.frames import Frames
from robo_rlhf.processes.worker import PATIENCE, HelperProcess

BROKEN_EXIT = 19  # of `contracts.clauses.BrokenContractError`
MARKS = {"kept": "✓", "broken": "✗", "not tried": "-"}
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


@COMMANDS.register("check")
@dataclass(frozen=True, kw_only=True)
class Check:
    """Try a task, robot, policy, reward model, reward term, kind of question or device on the contract of its kind.

    Says in words what is missing or wrong, with file and line; for a file of your own, before anything depends on it.
    It runs in a process of its own, so that a crash or an endless loop harms nothing.

    Example:
        robo-rlhf check my_tasks:PressButton
        robo-rlhf check pick_place
    """

    name: tyro.conf.Positional[str]
    """What to check: module:Thing, in a file of this folder or a package, or the name of one of ours."""
    kind: str = ""
    """The kind of thing, such as task or "reward model"; else what it derives from says it."""
    seconds: float = 120.0
    """Time for each clause of the contract; what takes longer is taken for an endless loop."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Try it, and print a line for each clause."""
        if not self.seconds > 0:
            raise InvalidValueError("--seconds", self.seconds, "more than 0")
        parts = guests.split(self.name)
        if parts:
            guests.check(parts[0], "thing", self.name)
            if not guests.is_found(parts[0]):
                raise MissingDependencyError(f"The module {parts[0]!r}", f"thing {self.name}", guests.WHERE)
        kind, rows = self.tried()
        if self.json:
            print(json.dumps({"name": self.name, "kind": kind, "clauses": rows}, indent=2))
        else:
            for row in rows:
                print(f"{MARKS[row['result']]} {row['clause']}")
                if row["result"] == "broken":
                    print(f"  {row['why']}")
        broken = [row for row in rows if row["result"] == "broken"]
        if not broken:
            print(f"The {kind} {self.name} keeps its contract.", file=sys.stderr)
            return 0
        more = f" And {len(broken) - 1} more." if len(broken) > 1 else ""
        print(f"error: The {kind} {self.name} breaks its contract: {broken[0]['why']}.{more}", file=sys.stderr)
        return BROKEN_EXIT

    def tried(self) -> tuple[str, list[dict[str, str]]]:
        """Return the kind, and for each clause that was begun what came of it.

        Raises:
            RoboRlhfError: there is nothing to try: the thing is refused, or ends the process already on import.
        """
        arguments = (self.name, self.kind, str(self.seconds))
        with tempfile.TemporaryFile() as errors:
            process = HelperProcess("robo_rlhf.contracts.trial:main", "talk", *arguments, output=errors)
            try:
                kind, rows = self.read(process.frames)
                code = process.wait(PATIENCE)
            finally:
                process.kill()
                process.end()
            errors.seek(0)
            stack = errors.read().decode(errors="replace")
        if code:
            why = self.ended(code, stack)
            if not rows:
                raise GuestError(f"{kind} {self.name}", f"while it was looked up, {why}")
            rows[-1] |= {"result": "broken", "why": why}
        return kind, rows

    def read(self, frames: Frames) -> tuple[str, list[dict[str, str]]]:
        """Return what the process says, until it ends."""
        kind, rows = self.kind or "thing", list[dict[str, str]]()
        while True:
            try:
                message: dict[str, Any] = frames.receive()
            except EOFError:
                return kind, rows
            if "refused" in message:
                raise _RefusedError(message["refused"], message["code"])
            kind = message.get("kind", kind)
            if "clause" in message:
                rows.append({"clause": message["clause"], "result": "not tried", "why": ""})
            elif "ok" in message:
                rows[-1]["result"] = "kept"
            elif "broken" in message:
                rows[-1] |= {"result": "broken", "why": f"{message['broken']} ({message['where']})"}

    def ended(self, code: int, stack: str) -> str:
        """Return in words how the process ended before its time, and where, from its exit code and what it wrote."""
        where = self.where(stack)
        if "Timeout (" in stack:
            return f"it did not come to an end within {self.seconds:g} s ({where})"
        if code < 0:
            return f"it crashed the process by signal {-code}, {signal.Signals(-code).name} ({where})"
        return f"it ended the process with exit code {code} ({where})"

    def where(self, stack: str) -> str:
        """Return the last place in the guest's own file that a traceback names, as "file:line"; else the file."""
        parts = guests.split(self.name)
        file = guests.source_of(parts[0]) if parts else None
        places = _FRAME.findall(stack)
        own = [f"{found}:{line}" for found, line in places if str(found) == str(file)]
        return own[0] if own else f"{places[0][0]}:{places[0][1]}" if places else str(file)


class _RefusedError(RoboRlhfError):
    """What the process refused, as it said it."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.exit_code = code  # of the error that it was
