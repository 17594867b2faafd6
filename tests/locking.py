"""Locks as other processes leave them."""

import json
import os
from pathlib import Path
from typing import Any

from robo_rlhf.processes.locks import started, who_i_am


def elsewhere(file: Path, **differs: Any) -> None:
    """Write the lock that another process, the one that started this one, would hold."""
    file.parent.mkdir(parents=True, exist_ok=True)
    other = {"state": "working", "time": 0.0, **who_i_am(), "pid": os.getppid(), "started": started(os.getppid())}
    file.write_text(json.dumps(other | differs))
