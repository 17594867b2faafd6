"""A guest's task that ends the process of a session, or of drawing: told in a sentence with its file and line."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import ShapeError, WorkerDiedError
from robo_rlhf.sim.rendering.pool import RenderPool
from teleop.ipc.messages import Scene
from tests.guesting import FILES, at_home
from tests.teleop.remote import Remote


def line_of(name: str) -> int:
    """Return where the first `os.abort()` of a class is."""
    lines = (FILES / "broken_tasks.py").read_text().splitlines()
    start = next(number for number, line in enumerate(lines, 1) if line.startswith(f"class {name}("))
    return start + 1 + lines[start:].index("        os.abort()")


def test_a_task_that_crashes_ends_its_session_alone(tmp_path: Path, home: Path) -> None:
    with at_home(tmp_path / "code", ["broken_tasks"]):
        with Remote(home, "broken_tasks:Crashes", dataset="crashes") as remote:
            text = remote.ended().text
        assert f"ended (killed by signal 6 at broken_tasks.py, line {line_of('Crashes')})." in text
        assert str(tmp_path) not in text
        with Remote(home) as remote:
            remote.until(lambda: bool(remote.of(Scene)))


def test_a_task_that_crashes_while_it_is_drawn_costs_its_picture_alone(tmp_path: Path) -> None:
    with at_home(tmp_path / "code", ["broken_tasks", "my_tasks"]), RenderPool() as pool:
        with pytest.raises(WorkerDiedError) as caught:
            pool.frames("broken_tasks:CrashesWhenDrawn", np.zeros((1, 3))).result()
        where = f"killed by signal 6 at broken_tasks.py, line {line_of('CrashesWhenDrawn')}"
        assert f"ended twice ({where})" in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
        with pytest.raises(ShapeError, match="states to draw"):
            pool.frames("my_tasks:PressButton", np.zeros((1, 99))).result()  # it answers
