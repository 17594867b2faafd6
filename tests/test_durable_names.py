"""Nothing makes, renames or removes files but `robo_rlhf.core.files`, which makes names survive a power cut."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
HELPER = "robo_rlhf/core/files.py"
ALWAYS = {  # attributes that mean nothing else
    "mkdir", "makedirs", "rename", "renames", "unlink", "rmdir", "removedirs", "rmtree", "touch", "symlink_to",
    "hardlink_to", "symlink", "copyfile", "copytree", "copy2", "mkdtemp", "mkstemp", "NamedTemporaryFile",
    "TemporaryDirectory", "write_text", "write_bytes", "ParquetWriter", "ZipFile", 
}  # fmt: skip
OF_OS = {"replace", "remove", "link", "move"}  # of os or shutil; else methods of lists and strings
WRITING = re.compile(r"[wxa][bt+]*|r[bt]?\+[bt]?")

ALLOWED = {
    ("robo_rlhf/data/recording/remarks.py", "rmdir"): "a folder in the place of a file, when its episode is closed",
    ("robo_rlhf/feedback/transfer/import_folder.py", "TemporaryDirectory"): "rows wait there for their transaction",
    ("robo_rlhf/feedback/transfer/votes.py", "TemporaryDirectory"): "rows wait there for their transaction",
    ("robo_rlhf/feedback/transfer/import_checks.py", "touch"): "of staged rows, not of a file",
    ("robo_rlhf/feedback/transfer/parquet.py", "open"): "rows that wait for their transaction",
    ("robo_rlhf/sim/physics/model_identity.py", "TemporaryDirectory"): "a model on its way to its digest",
    ("robo_rlhf/sim/physics/model_identity.py", "ZipFile"): "a model on its way to its digest",
    ("robo_rlhf/contracts/policy.py", "TemporaryDirectory"): "of a trial, gone with it",
    ("robo_rlhf/contracts/reward.py", "TemporaryDirectory"): "of a trial, gone with it",
    ("robo_rlhf/contracts/term.py", "TemporaryDirectory"): "of a trial, gone with it",
    ("robo_rlhf/contracts/algorithm.py", "TemporaryDirectory"): "of a trial, gone with it",
    ("robo_rlhf/contracts/algorithm.py", "mkdtemp"): "of a trial, gone with it",
    ("robo_rlhf/contracts/algorithm.py", "rmtree"): "of a trial",
    ("teleop/station/web/uploads.py", "touch"): "its name is synced with the description beside it",
    ("teleop/station/web/uploads.py", "open"): "parts of an upload, synced before they are acknowledged",
    ("robo_rlhf/formats/lerobot/files.py", "ParquetWriter"): "in a folder that is synced before it is named",
    ("robo_rlhf/formats/lerobot/files.py", "open"): "in a folder that is synced before it is named",
    ("robo_rlhf/data/curation.py", "os.open"): "the file that is locked while episodes are edited; never read",
    ("robo_rlhf/data/recording/stream.py", "os.open"): "journals: their name synced at once; read again after a crash",
    ("robo_rlhf/deploy/served_log.py", "open"): "pictures of an open episode; read again as far as they are whole",
    ("robo_rlhf/data/schema.py", "ParquetWriter"): "into memory",
    ("robo_rlhf/processes/locks.py", "os.open"): "the file that is locked while a lock is taken; never read",
    ("robo_rlhf/processes/locks.py", "write_bytes"): "a lock: nobody holds it after a power cut",
    ("robo_rlhf/processes/locks.py", "os.replace"): "a lock: nobody holds it after a power cut",
    ("robo_rlhf/processes/locks.py", "unlink"): "a lock that could not be written",
    ("robo_rlhf/processes/heartbeat.py", "rmdir"): "a folder in which no run was begun",
    ("robo_rlhf/core/json_lines.py", "open"): "metrics and events; synced before each checkpoint that needs them",
    ("robo_rlhf/core/tensorboard.py", "open"): "metrics once more, for TensorBoard",
    ("robo_rlhf/vision/drawing.py", "unlink"): "shared memory, not a file",
    ("robo_rlhf/cli/doctor.py", "open"): "into memory",
    ("robo_rlhf/sim/rendering/video.py", "open"): "into memory",
    ("robo_rlhf/feedback/arena/arena.py", "open"): "files that are locked; never read",
    ("robo_rlhf/feedback/rights/home.py", "os.open"): "the file that is locked while a person is erased; never read",
    ("robo_rlhf/feedback/transfer/export.py", "open"): "in a folder that is synced whole before it gets its name",
    ("robo_rlhf/feedback/transfer/export.py", "ParquetWriter"): "in a folder that is synced before it is named",
    ("robo_rlhf/remote/place.py", "makedirs"): "at the other side, not on this disk",
    ("teleop/station/operate/hub.py", "open"): "the log of sessions, which nothing reads back",
    ("robo_rlhf/processes/detached.py", "open"): "what a process printed; written again by the next one",
    ("robo_rlhf/executor/commands.py", "open"): "what a process printed; written again by the next one",
    ("teleop/station/arena/arenas.py", "open"): "what a process said last; gone with the station",
    ("teleop/station/api/exchange.py", "open"): "an upload, gone when it is answered",
    ("teleop/station/api/exchange.py", "ZipFile"): "a download, gone when it is sent; an upload",
    ("teleop/station/library/zip_download.py", "open"): "into what is sent",
    ("teleop/station/library/zip_download.py", "ZipFile"): "into what is sent",
    ("teleop/station/api/exchange.py", "mkdtemp"): "the folder of an upload or a download",
}  # fmt: skip


def test_nothing_goes_around_the_one_place_that_makes_and_renames() -> None:
    found = set()
    for package in ("robo_rlhf", "teleop"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name != HELPER:
                found |= {(name, what) for what in makers(ast.parse(path.read_text()))}
    assert found - ALLOWED.keys() == set(), "use make_folder, write_atomic, move and remove of robo_rlhf.core.files"
    assert ALLOWED.keys() - found == set(), "these are allowed, and not there any more"


def makers(tree: ast.AST) -> Iterator[str]:
    """Give what makes, renames or removes files, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil", "tempfile"):
            yield from (f"from {node.module} import {a.name}" for a in node.names if a.name in ALWAYS | OF_OS)
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in ALWAYS:
                yield node.attr
            elif node.attr in OF_OS and owner in ("os", "shutil"):
                yield f"{owner}.{node.attr}"
        if isinstance(node, ast.Call):
            yield from _called(node)


def _called(node: ast.Call) -> Iterator[str]:
    texts = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
    attr = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if attr == "open" and any(isinstance(text, str) and WRITING.fullmatch(text) for text in texts):
        yield "open"
    if attr == "open" and "O_CREAT" in ast.unparse(node):
        yield "os.open"
    if attr == "replace" and isinstance(node.func, ast.Attribute) and len(node.args) == 1 and not node.keywords:
        yield "replace"  # of a path; that of a string takes two, that of a dataclass takes names


def test_the_search_finds_what_it_is_to_find() -> None:
    lines = {
        "path.mkdir()": "mkdir",
        "os.replace(a, b)": "os.replace",
        "path.replace(target)": "replace",
        "'abc'.replace('a', 'b')": None,
        "replace(meta, id=3)": None,
        "names.remove(3)": None,
        "os.remove(path)": "os.remove",
        "from os import replace": "from os import replace",
        "work(shutil.rmtree, place)": "rmtree",
        "open(path, 'wb')": "open",
        "path.open('a')": "open",
        "os.open(path, os.O_RDONLY)": None,
        "os.open(path, os.O_RDWR | os.O_CREAT)": "os.open",
        "path.open()": None,
        "path.open(mode='r+b')": "open",
    }
    for line, what in lines.items():
        assert list(makers(ast.parse(line))) == ([] if what is None else [what]), line
