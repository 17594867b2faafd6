"""The part of the report about what a run chose for itself, with the figures that decided."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from robo_rlhf.core.files import read_json
from robo_rlhf.core.stats import Interval, wilson
from robo_rlhf.pipeline.recipe.decisions import STAGE
from robo_rlhf.pipeline.report.formatting import interval_text, value_text


def choices_section(path: Path, rounds: Sequence[int], approvals: float, came: float) -> str:
    """Return what the run in the folder `path` chose; empty where it chose nothing and asked about no success.

    Args:
        path: the folder.
        rounds: the numbers of its rounds.
        approvals: share of the questions that asked about success.
        came: what its forecasts were about, the success of the last policy.
    """
    rows = [*_plan(_stored(path / STAGE)), *_trials(_stored(path / "trials" / "choice")), *_curriculum(path, rounds)]
    rows += [*_horizon(_stored(path / "pace")), *_tries(path), *_noise(_stored(path / "exploration"))]
    rows += [row for number in rounds for row in _head(number, _stored(path / f"round-{number}" / "success"))]
    rows += [row for number in rounds for row in _gates(number, path / f"round-{number}")]
    rows += [row for number in rounds for row in _forecast(number, path / f"round-{number}", came)]
    if not rows:
        return ""
    judge = "a success head learned from the answers judges them" if approvals else "the environment's mark judges them"
    listed = "".join(f"<tr><td>{escape(what)}</td><td>{text}</td></tr>" for what, text in rows)
    return (
        f'<h2>What the run chose</h2><p class="quiet">By rollouts on seeds that no result is reported on; {judge}. '
        "A figure by which something was chosen flatters what was chosen.</p>"
        f'<div class="scroll"><table class="words"><tbody>{listed}</tbody></table></div>'
    )


def _stored(stage: Path) -> Mapping[str, Any] | None:
    """Return the result of a stage; None where it was not run."""
    path = stage / "result.json"
    found: Mapping[str, Any] | None = read_json(path, dict) if path.exists() else None
    return found


def _plan(found: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    decisions = [] if found is None else found["decisions"]
    return [(d["what"], f"<b>{escape(d['chosen'])}</b> ({escape(d['why'])})") for d in decisions]


def _trials(found: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    tried = [
        f"{t['way']}, {t['horizon']} steps of each prediction: {value_text(t['success'], True)}" for t in found["tried"]
    ]
    why = "; ".join(tried) or "nobody could tell which succeeds, so it is the first, untried"
    return [("cloned policy", f"<b>{found['way']}, {found['horizon']} steps</b> of each prediction ({why})")]


def _curriculum(path: Path, rounds: Sequence[int]) -> list[tuple[str, str]]:
    """Return where episodes of practice began, where that was not by their seeds alone."""
    backs = [(number, _stored(path / f"round-{number}" / "curriculum")) for number in rounds]
    used = [f"round {number}: the last {value_text(found['back'], True)}" for number, found in backs if found]
    if not used:
        return []
    share = value_text(next(found["share"] for _, found in backs if found), True)
    text = f"<b>{share} of the episodes from the middle of demonstrations</b>, of the way to their success in"
    return [("reverse curriculum", f"{text} {'; '.join(used)}. Success and return over iterations are of all episodes")]


def _tries(path: Path) -> list[tuple[str, str]]:
    """Return how each turn of self-imitation went."""
    found = []
    for turn in sorted(path.glob("tries-*/act")):
        acted, judged = _stored(turn), _stored(turn.parent / "pace") or _stored(turn.parent / "judge")
        if acted and judged:
            shares = judged["success"] if isinstance(judged["success"], list) else [judged["success"]]
            text = f"{len(acted['successes'])} of {acted['tries']} tries succeeded and were imitated: then"
            found.append((f"own tries, {turn.parent.name[6:]}", f"{text} {value_text(max(shares), True)}"))
    return found


def _gates(number: int, folder: Path) -> list[tuple[str, str]]:
    """Return what was decided between the policy of a round and older ones."""
    stages = {
        "look": f"the policy before round {number}, judged again by answers about it",
        "gate": f"policy of round {number}",
        "begun": "the last policy, against the one that fine-tuning began with",
    }
    found = [(what, _stored(folder / stage)) for stage, what in stages.items()]
    return [(what, escape(str(one["reason"]))) for what, one in found if one is not None]


def _forecast(number: int, folder: Path, came: float) -> list[tuple[str, str]]:
    found = _stored(folder / "forecast")  # not in runs of earlier versions
    if found is None:
        return []
    expected = Interval(**found["expected"])
    held = "as expected" if expected.low <= came <= expected.high else "not as expected"
    text = f"{value_text(expected.low, True)} to {value_text(expected.high, True)}, {found['answers']} answers before"
    return [(f"success expected after round {number}", f"{text} the end: it came to {value_text(came, True)}, {held}")]


def _horizon(found: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    pairs = zip(found["tried"], found["success"], strict=True)
    tried = ", ".join(f"{steps} steps: {value_text(share, True)}" for steps, share in pairs)
    return [("action-execution horizon", f"<b>{found['execute']} steps</b> of each prediction ({tried})")]


def _noise(found: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    exploring = ", ".join(value_text(share, True) for share in found["exploring"])
    text = (
        f"<b>deviation {found['std']:g}</b> (without noise {value_text(found['still'], True)}, from most noise down: "
    )
    return [("exploration noise", f"{text}{exploring})")]


def _head(number: int, found: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    what = f"success by the answers, round {number}"
    if not found["answers"]:
        return [(what, "nobody could tell")]
    yes = wilson(round(found["yes"] * found["answers"]), found["answers"])
    text = f"{value_text(yes.value, True)} of {found['answers']} episodes ({interval_text(yes, True)})"
    text = f"{text}; answers left out of training predicted: {value_text(found['held_out_accuracy'], True)}"
    newest = found.get("newest")  # of runs since the head is corrected
    if not newest:
        return [(what, text)]
    rate = Interval(newest["value"], newest["low"], newest["high"])
    seen = f"the head alone sees {value_text(newest['seen'], True)}, {newest['answers']} answers correct it"
    about = f"episodes of round {number} that succeed"
    return [(what, text), (about, f"<b>{value_text(rate.value, True)}</b> ({interval_text(rate, True)}): {seen}")]
