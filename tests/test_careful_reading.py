"""Files that anybody may have damaged are read by `robo_rlhf.core.files`, which knows pipes, depths and seals."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
READERS = {"read_text", "read_bytes"}  # of a path: they wait for ever at a pipe
OUR_ROWS = "columns of the database, whose depth was checked when they were written"
ALLOWED = {
    ("robo_rlhf/cli/policy.py", "read_text"): "a file with a token that the command line names; a pipe is meant",
    ("robo_rlhf/cli/team_rights.py", "read_text"): "a text that the command line names, a file",
    ("robo_rlhf/contracts/algorithm.py", "json.loads"): "of a trial, written a moment ago",
    ("robo_rlhf/contracts/algorithm.py", "read_bytes"): "of a trial, written a moment ago",
    ("robo_rlhf/contracts/algorithm.py", "read_text"): "of a trial, written a moment ago",
    ("robo_rlhf/core/files.py", "open"): "the one place",
    ("robo_rlhf/pipeline/sweep/report.py", "read_text"): "our own style sheet",
    ("robo_rlhf/sim/external/proof.py", "read_text"): "of /proc",
    ("robo_rlhf/sim/rendering/video.py", "open"): "bytes in memory",
    ("teleop/station/api/exchange.py", "open"): "an upload that is whole, a file of ours",
    ("robo_rlhf/core/registry.py", "read_text"): "our own source",
    ("robo_rlhf/core/runs.py", "json.loads"): "of what was made JSON on the same line",
    ("robo_rlhf/core/seal.py", "json.loads"): "the one place",
    ("robo_rlhf/data/recording/reserved_seeds.py", "json.loads"): "of what was made JSON on the same line",
    ("robo_rlhf/deploy/export.py", "read_bytes"): "our own source",
    ("robo_rlhf/deploy/exported.py", "json.loads"): "an exported policy, which runs without this package",
    ("robo_rlhf/deploy/exported.py", "read_bytes"): "an exported policy, which runs without this package",
    ("robo_rlhf/deploy/exported.py", "read_text"): "an exported policy, which runs without this package",
    ("robo_rlhf/feedback/arena/standings.py", "json.loads"): "of what was made JSON on the same line",
    ("robo_rlhf/feedback/assignment/gold.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/assignment/my_progress.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/assignment/submission.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/assignment/task_settings.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/implicit/keeping.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/notes.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/queries.py", "json.loads"): OUR_ROWS,
    (
        "robo_rlhf/feedback/rights/home.py",
        "json.loads",
    ): "lines of JSON; one that cannot be read is removed with the person",
    ("robo_rlhf/feedback/rights/home.py", "read_bytes"): "only files, see `_files`",
    ("robo_rlhf/feedback/rights/rows.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/reasons/suggestions.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/store.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/transfer/columns.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/transfer/import_checks.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/feedback/transfer/import_folder.py", "json.loads"): "lines of an import: constants are refused as well",
    ("robo_rlhf/feedback/transfer/parquet.py", "read_text"): "of /proc",
    ("robo_rlhf/feedback/transfer/staging.py", "json.loads"): OUR_ROWS,
    ("robo_rlhf/pipeline/recipe/decisions.py", "json.loads"): "of what was made JSON on the same line",
    ("robo_rlhf/pipeline/report/page.py", "read_bytes"): "clips that the report has just drawn",
    ("robo_rlhf/pipeline/report/page.py", "read_text"): "our own style sheet",
    ("robo_rlhf/processes/locks.py", "read_text"): "of /proc",
    ("robo_rlhf/processes/worker.py", "read_text"): "of /proc",
    ("robo_rlhf/sim/physics/model_identity.py", "read_text"): "of /proc",
    ("teleop/input/hidraw.py", "read_bytes"): "of /sys",
    ("teleop/input/hidraw.py", "read_text"): "of /sys",
    ("teleop/station/api/webhooks.py", "json.loads"): OUR_ROWS,
    ("teleop/station/api_docs/openapi.py", "json.loads"): "our own examples",
    ("teleop/station/library/signals.py", "read_text"): "our own source",
    ("teleop/station/operate/launch_options.py", "read_text"): "our own source",
    ("teleop/station/questions/answered.py", "json.loads"): OUR_ROWS,
    ("teleop/station/web/templates.py", "read_bytes"): "our own scripts",
}


def test_nothing_reads_around_the_one_place() -> None:
    found = set()
    for package in ("robo_rlhf", "teleop"):
        for path in sorted((ROOT / package).rglob("*.py")):
            found |= {(path.relative_to(ROOT).as_posix(), what) for what in readers(ast.parse(path.read_text()))}
    assert found - ALLOWED.keys() == set(), "use read_json, read_if_whole, read_whole or parse_json of core"
    assert ALLOWED.keys() - found == set(), "these are allowed, and not there any more"


def readers(tree: ast.AST) -> Iterator[str]:
    """Give what reads whole files, or parses JSON, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in READERS:
            yield node.attr
        if isinstance(node, ast.Call) and is_open(node):
            yield "open"
        if isinstance(node, ast.Attribute) and node.attr in ("load", "loads") and ast.unparse(node.value) == "json":
            yield f"json.{node.attr}"


def is_open(call: ast.Call) -> bool:
    """Whether it opens a file to read, as `open(path)` and `path.open("rb")` do."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    modes = [word.value for word in [*call.args, *(k.value for k in call.keywords)] if isinstance(word, ast.Constant)]
    plain = isinstance(call.func, ast.Name) and not call.args[1:]
    return name == "open" and (plain or any(mode in ("r", "rb", "rt") for mode in modes))


def test_the_search_finds_what_it_is_to_find() -> None:
    lines = {
        "path.read_text()": "read_text",
        "map(Path.read_bytes, paths)": "read_bytes",
        "json.loads(text)": "json.loads",
        "json.load(file)": "json.load",
        "open(path)": "open",
        "path.open('rb')": "open",
        "open(path, mode='r')": "open",
        "path.open('wb')": None,
        "session.open(config)": None,
        "json.dumps(value)": None,
        "yaml.load(file)": None,
    }
    for line, what in lines.items():
        assert list(readers(ast.parse(line))) == ([] if what is None else [what]), line
