"""The hidden folder in which an export or an import is made: the same one continues in it."""

import hashlib
import json
from pathlib import Path

from robo_rlhf.core.files import make_folder, read_json, remove_tree, write_json

_ASKED = "asked.json"


def begin_work(work: Path, asked: object) -> None:
    """Make the folder `work` for what is asked (JSON), or keep that of the same; one for something else is removed."""
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    try:
        same = read_json(work / _ASKED, dict) == {"digest": digest}
    except FileNotFoundError:
        same = False
    if not same:
        remove_tree(work)
        make_folder(work)
        write_json(work / _ASKED, {"digest": digest})
