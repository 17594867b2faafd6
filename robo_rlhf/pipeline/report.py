"""The report of a finished main job: one HTML file that holds all it shows."""

from pathlib import Path

from robo_rlhf.evaluation import Evaluation
from robo_rlhf.files import write_atomic
from robo_rlhf.pipeline.watch import Watch
from robo_rlhf.runs import Run


def write_report(path: Path, home: Path, watch: Watch) -> Path:
    """Write report.html into the finished run folder `path`, unless it stands there, and return its path."""
    out = path / "report.html"
    if not out.exists():
        found = [Evaluation.from_json(Run(path / name, {}).result() or {}) for name in ("before", "after")]
        write_atomic(out, " ".join(f"<p>{e.success}</p>" for e in found).encode())
    return out
