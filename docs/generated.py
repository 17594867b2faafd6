"""An extension of Sphinx: fills pages from the help of commands, the settings and the REST API's description.

A page has a comment where it goes: `<!-- generated: commands -->`.
"""

import contextlib
import dataclasses
import inspect
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.checking import choices_of
from robo_rlhf.cli.main import parse
from robo_rlhf.core import errors

WIDTH = 84  # characters of a line of help
RULE = re.compile(r" -{9,}$")  # below the title of a group of options


def commands() -> str:
    """Return a section for each command: its text, its examples, its options."""
    os.environ["COLUMNS"] = str(WIDTH)
    lines: list[str] = []
    group = ""
    for name in COMMANDS:
        if " " in name and name.split()[0] != group:
            group = name.split()[0]
            lines += [f"## {group} ...", ""]
        lines += [f"{'###' if ' ' in name else '##'} {name}", "", *_command(name), ""]
    return "\n".join(lines)


def _command(name: str) -> Iterator[str]:
    text, _, example = (inspect.getdoc(COMMANDS[name]) or "").partition("Example:")
    if not example:
        text, _, example = text.partition("Examples:")
    yield text.strip()
    if example:
        yield from ("", "```sh", inspect.cleandoc(example), "```")
    yield from ("", "```text", *_options(name), "```")


def _options(name: str) -> Iterator[str]:
    """Yield the usage, what can be chosen by name, and the options as `--help` shows them."""
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        parse(name, ["--help"])
    lines = [line.rstrip() for line in shown.getvalue().splitlines()]
    yield from itertools.takewhile(bool, lines)
    if choices := list(choices_of(COMMANDS[name])):
        yield from ("", *choices)
    rule = next(number for number, line in enumerate(lines) if RULE.match(line))
    rest = [line for line in lines[rule - 1 :] if not RULE.match(line)]
    yield from ("", *"\n".join(rest).rstrip().split("\n"))


def exit_codes() -> str:
    """Return a table of the exit codes: number, error, meaning."""
    kinds = [kind for kind in _below(errors.RoboRlhfError) if "exit_code" in vars(kind)]
    lines = ["| code | error | |", "|---|---|---|", "| 0 | | done |"]
    for kind in sorted(kinds, key=lambda kind: kind.exit_code):
        about = (inspect.getdoc(kind) or "").partition("\n")[0]
        lines.append(f"| {kind.exit_code} | `{kind.__name__}` | {about} |")
    return "\n".join([*lines, "| 130 | | stopped by Ctrl-C |"])


def _below(kind: type[errors.RoboRlhfError]) -> Iterator[type[errors.RoboRlhfError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


def settings() -> str:
    """Return a table for each group of a run's settings: name, default, meaning."""
    from robo_rlhf.pipeline.config import PipelineConfig

    return "\n".join(_table("", PipelineConfig()))


def _table(prefix: str, held: Any) -> Iterator[str]:
    """Yield the table of one dataclass, then those of the dataclasses in it."""
    about = _meanings(type(held))
    inner = []
    if prefix:
        yield from (f"## {prefix}", "", (inspect.getdoc(type(held)) or "").partition("\n")[0], "")
    yield from ("| setting | default | |", "|---|---|---|")
    for field in dataclasses.fields(held):
        value, name = getattr(held, field.name), f"{prefix}.{field.name}".lstrip(".")
        if dataclasses.is_dataclass(value):
            inner.append((name, value))
        else:
            text = " ".join(about.get(field.name, "").split()).replace("|", "\\|")
            yield f"| `{name}` | `{value!r}` | {text} |"
    yield ""
    for name, value in inner:
        yield from _table(name, value)


def _meanings(kind: type) -> dict[str, str]:
    """Return what the string behind each field of a dataclass says, also of the classes that it derives from."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if dataclasses.is_dataclass(each):
            comments = ModuleAnalyzer.for_module(each.__module__).find_attr_docs()
            found |= {name: "\n".join(text) for (owner, name), text in comments.items() if owner == each.__qualname__}
    return found


def rest_api() -> str:
    """Return a section for each resource of the REST API, and in it one for each request."""
    from teleop.station.api_docs.openapi import groups

    lines: list[str] = []
    for group in groups():
        lines += [f"## {group.name}", "", group.about, ""]
        for one in group.endpoints:
            lines += [
                f"### {one.method} {one.path.removeprefix('/api/v1')}",
                "",
                one.summary,
                "",
                f"Role: {one.role}.",
                "",
            ]
            if one.parameters:
                lines += ["| parameter | in | |", "|---|---|---|"]
                lines += [f"| `{name}` | {place} | {text} |" for name, place, text in one.parameters] + [""]
            for title, example in (("Body", one.body), ("Answer", one.answer)):
                if example:
                    lines += [f"{title}:", "", "```json", example, "```", ""]
            failures = [f"{status}: {text}" for status, text in one.statuses if status[0] != "2"]
            if failures:
                lines += ["; ".join(failures) + ".", ""]
    return "\n".join(lines)


def decisions() -> str:
    """Return the pages of decisions for the navigation; the page itself lists them in a table."""
    return "\n".join(["```{toctree}", ":hidden:", ":glob:", "", "[a-z]*", "```"])


GENERATED: dict[str, Callable[[], str]] = {
    "exit-codes": exit_codes,
    "commands": commands,
    "settings": settings,
    "rest-api": rest_api,
    "decisions": decisions,
}


class NotebookParser(MystParser):
    """Reads a notebook as Markdown: its cells in order, and beneath a cell of code what it printed."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document: Any) -> None:
        """Parse a notebook."""
        super().parse("\n".join(_cells(json.loads(inputstring))), document)


def _cells(notebook: dict[str, Any]) -> Iterator[str]:
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield f"{text}\n"
        else:
            for of_shell, lines in itertools.groupby(text.splitlines(), lambda line: line.startswith("!")):
                language, code = ("text" if of_shell else "python"), "\n".join(lines).strip("\n")
                yield f"```{language}\n{code}\n```\n"
            printed = "".join(line for output in cell["outputs"] for line in output["text"])
            if printed:
                yield f"```text\n{printed.rstrip()}\n```\n"


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Put what is generated in the place of the comment that names it."""
    for name, make in GENERATED.items():
        comment = f"<!-- generated: {name} -->"
        if comment in source[0]:
            source[0] = source[0].replace(comment, make())


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it."""
    app.connect("source-read", fill_in)
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    return {"parallel_read_safe": True}
