"""Run docs/start/notebook.ipynb without Jupyter, and write beneath each cell what it printed: `make pictures`.

A line that begins with ! is a command line of a shell, in which {NAME} is a name of the notebook, as in Jupyter.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent / "start" / "notebook.ipynb"
SHELL = re.compile(r"^!(.*)$", re.MULTILINE)


def shell(line: str) -> None:
    """Run a command line and print what it prints; this interpreter's own commands come first.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        line, shell=True, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True, check=True
    )
    print(done.stdout, end="")


def run(notebook: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Run the cells of code in order; names of `changed` keep those values whatever a cell says.

    Raises:
        Exception: whatever a cell raises.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # our commands first
    names: dict[str, Any] = {"shell": shell}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        code = SHELL.sub(lambda found: f"shell(f{found[1]!r})", "".join(cell["source"]))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "a cell", "exec"), names)
        names.update({name: value for name, value in changed.items() if name in names})
        lines = printed.getvalue().splitlines(keepends=True)
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []
    return notebook


def main() -> None:
    """Run it in an empty data home, and write it again with its outputs."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["ROBO_RLHF_HOME"] = home
        found = run(json.loads(NOTEBOOK.read_text()), {})
        text = json.dumps(found, indent=1, ensure_ascii=False).replace(f"{home}/", "")
        NOTEBOOK.write_text(f"{text}\n")
    print(f"wrote {NOTEBOOK}")


if __name__ == "__main__":
    main()
