"""The policy beside its teachers, in the report: success and time of the demonstrations next to the policy's."""

from html import escape

from robo_rlhf.core.checks import SAMPLES
from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.core.stats import Interval
from robo_rlhf.data.reader import Reader
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.pipeline.report.formatting import interval_text, value_text
from robo_rlhf.rollouts.teachers import BesideTeachers, evaluate_demonstrations


def teachers_section(findings: Findings) -> str:
    """Return the section; empty where the run had no demonstrations, or they are not here any more."""
    config = findings.config
    if not config["demos"]:
        return ""
    dataset = config["dataset"] or f"{SAMPLES}/{config['task']}"
    try:
        shown = evaluate_demonstrations(Reader(find_dataset(findings.home, dataset)), config["task"])
    except RoboRlhfError:
        return ""
    beside = BesideTeachers(findings.after, shown)
    rows = [
        _row(f"demonstrations in {dataset}", shown.success, shown.time_to_success, shown.episodes),
        _row("fine-tuned policy", findings.after.success, findings.after.time_to_success, findings.after.episodes),
    ]
    return (
        f"<h2>Beside its teachers</h2><p>{escape(beside.sentence())}</p>"
        '<div class="scroll"><table><thead><tr><th></th><th>success at the end</th><th>time until solved [s]</th>'
        f"<th>episodes</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, success: Interval, seconds: Interval, episodes: int) -> str:
    share = f"{value_text(success.value, True)} <small>{interval_text(success, True)}</small>"
    time = (
        f"{value_text(seconds.value)} <small>{interval_text(seconds)}</small>"
        if seconds.value == seconds.value
        else "–"
    )
    return f"<tr><td>{escape(name)}</td><td>{share}</td><td>{time}</td><td>{episodes}</td></tr>"
