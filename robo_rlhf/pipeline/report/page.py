"""The report of a finished pipeline run: one self-contained HTML file, with images and clips."""

import base64
import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from statistics import median

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.stats import Interval, spearman, wilson
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.pipeline.report.before_after import RULE, SHOWN, make_clips
from robo_rlhf.pipeline.report.charts import Axis, Series, line_chart, reliability_chart, scatter_chart
from robo_rlhf.pipeline.report.choices import choices_section
from robo_rlhf.pipeline.report.failure_map import failures_section
from robo_rlhf.pipeline.report.findings import Findings, Iteration
from robo_rlhf.pipeline.report.formatting import change_text, humanize, initial_policy_name, interval_text, value_text
from robo_rlhf.pipeline.report.groups import groups_section
from robo_rlhf.pipeline.report.planned import planned_section
from robo_rlhf.pipeline.report.speed import speed_section
from robo_rlhf.pipeline.report.teachers import teachers_section
from robo_rlhf.pipeline.steps.observers import Observer
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.task_tools.style_measures import MEASURES

STAGE = "report"
FAULTS = {
    "rationality": "how surely it prefers the better clip (softmax over scores)",
    "myopia": "how much an earlier step counts, next to the one after it",
    "equal_threshold": "scores so close are a tie",
    "skip_threshold": "it cannot tell where no clip scores more",
    "mistake": "chance of another answer than the one meant",
}
CONTINUED = " \\\n    --set"  # on a separate line


def write_report(path: Path, home: Path, observer: Observer) -> Path:
    """Write report.html into the finished run folder `path`, unless it exists, and return its path."""
    out = path / "report.html"
    if not out.exists():
        observer.begin(STAGE)
        findings = Findings.of(path, home)
        write_atomic(out, page(findings, _clips(findings, observer)).encode())
    observer.end(STAGE, {"report": str(out)})
    return out


def page(findings: Findings, clips: str) -> str:
    """Return the whole page; `clips` is the part with the clips."""
    task, name = escape(findings.config["task"]), escape(findings.path.name)
    style = (files("robo_rlhf.pipeline.report") / "report.css").read_text()
    parts = [_headline(findings), clips, _measures(findings), teachers_section(findings)]
    parts += [_learning(findings), speed_section(findings), planned_section(findings)]
    parts += [_reward(findings), _labels(findings), groups_section(findings)]
    if not is_outside(findings.config["task"]):  # which could not be started from such a seed by `record`
        parts.append(failures_section(findings))
    parts.append(_choices(findings))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{task} · {name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><main>{''.join(parts)}{_command(findings)}</main></body></html>\n"
    )


def _headline(findings: Findings) -> str:
    before, after, config = findings.before, findings.after, findings.config
    who = "a simulated teacher" if config["annotator"] == "simulated" else "people"
    tiles = [_tile("Success at the end", before.success, after.success, percent=True)]
    for cares in findings.style_costs:
        old, new = before.measures()[cares], after.measures()[cares]
        label = f"{humanize(cares)} [{MEASURES[cares].unit}], what the teacher cares about"
        tiles.append(_tile(label, old, new))
    minutes = max((i.minutes for i in findings.iterations() if math.isfinite(i.minutes)), default=0.0)
    spent = f"{minutes:.3g} minutes of work" if minutes >= 1 else f"{60 * minutes:.0f} seconds of work"
    tiles.append(
        f'<div class="tile">Labels<b>{len(findings.answers())}</b><small>by {who}, in {config["rounds"]} rounds</small>'
        f"<small>{config['demos']} demonstrations · {spent}</small></div>"
    )
    return (
        f"<h1>{escape(config['task'])}: before and after {config['labels']} questions</h1>"
        f'<p class="quiet">Run {escape(findings.path.name)} · seed {config["seed"]} · {after.episodes} evaluation '
        f'episodes each, on equal starts</p><div class="tiles">{"".join(tiles)}</div><p>{_verdict(findings)}</p>'
    )


def _tile(label: str, before: Interval, after: Interval, *, percent: bool = False) -> str:
    old, new = (value_text(i.value, percent) for i in (before, after))
    part = f", {value_text(after.value / before.value - 1, True, sign=True)}" if before.value and not percent else ""
    return (
        f'<div class="tile">{escape(label[:1].upper() + label[1:])}<b><span class="from">{old} →</span> {new}</b>'
        f"<small>before {interval_text(before, percent)}</small>"
        f"<small>after {interval_text(after, percent)}{part}</small></div>"
    )


def _verdict(findings: Findings) -> str:
    found = findings.comparison
    won, lost, begun = found.only_new, found.only_old, initial_policy_name(findings.config["demos"])
    counted = (
        f"Of {findings.after.episodes} starts the fine-tuned policy solved {won} that the {begun} one did not, "
        f"and failed {lost} that the {begun} one solved"
    )
    p = min(found.p_better, found.p_worse)
    if p < 0.05:
        often = "more" if won > lost else "less"
        return f"{counted}: it succeeds {often} often (exact one-sided McNemar test, p\u00a0=\u00a0{p:.2g})."
    return f"{counted}: no difference in success is shown (exact one-sided McNemar test, p\u00a0=\u00a0{p:.2g})."


def _measures(findings: Findings) -> str:
    before, after, change = findings.before, findings.after, findings.comparison
    rows = [
        _row("success at the end", before.success, after.success, change.success, percent=True),
        _row(
            "success at any time", before.success_at_any_time, after.success_at_any_time, None, "higher", percent=True
        ),
        _row("task return", before.mean_return, after.mean_return),
    ]
    old, new = before.measures(), after.measures()
    for name in [name for name in old if name in new]:
        measure = MEASURES[name]
        label = f"{humanize(name)} [{measure.unit}], {measure.better} is better"
        rows.append(_row(label, old[name], new[name], change.style[name], measure.better))
    aborted = before.aborted + after.aborted
    why = f", the first {before.note or after.note}" if before.note or after.note else ""
    note = escape(f" {aborted} episodes were aborted{why}; they count as failures.") if aborted else ""
    return (
        '<h2>All measures</h2><p class="quiet">Means over episodes with 95 % intervals: Wilson\'s for shares, '
        f"bootstrap for the rest. The change is counted start by start.{note}</p>"
        '<div class="scroll"><table><thead><tr><th>measure</th>'
        f"<th>{initial_policy_name(findings.config['demos'])}</th><th>fine-tuned</th><th>change</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(
    name: str,
    before: Interval,
    after: Interval,
    change: Interval | None = None,
    better: str = "higher",
    *,
    percent: bool = False,
) -> str:
    cells = [f"{value_text(i.value, percent)} <small>{interval_text(i, percent)}</small>" for i in (before, after)]
    moved = change_text(change or Interval(after.value - before.value, math.nan, math.nan), percent)
    if change is not None and (change.low > 0 or change.high < 0):
        kind, word = ("good", "better") if (change.value > 0) == (better == "higher") else ("bad", "worse")
        moved = f'<span class="{kind}">{word}</span> {moved}'
    return f"<tr><td>{escape(name)}</td><td>{cells[0]}</td><td>{cells[1]}</td><td>{moved}</td></tr>"


def _learning(findings: Findings) -> str:
    rows = findings.iterations()
    number, minutes = [float(i.number) for i in rows], [i.minutes for i in rows]
    x, clock = Axis("iteration of fine-tuning"), Axis("minutes of work", low=0.0)
    share, score = Axis("success", 0.0, 1.0, percent=True), Axis("task return")
    charts = [
        ("Success over iterations", line_chart(_success(rows, number), x, share, _round_starts(rows, number))),
        ("Success over minutes", line_chart(_success(rows, minutes), clock, share, _round_starts(rows, minutes))),
        ("Task return over iterations", line_chart(_return(rows, number), x, score, _round_starts(rows, number))),
        ("Task return over minutes", line_chart(_return(rows, minutes), clock, score, _round_starts(rows, minutes))),
    ]
    return (
        '<h2>Learning</h2><p class="quiet">The learner\'s own episodes, which explore and so do worse than the policy '
        "does in an evaluation. Training never sees these figures: it maximises the learned reward only. Bands are 95 "
        f"% intervals over the {rows[0].episodes} episodes of an iteration; a dashed line is where a round begins.</p>"
        f'<div class="grid">{_figures(charts)}</div>'
    )


def _success(rows: Sequence[Iteration], x: Sequence[float]) -> Series:
    unknown = Interval(math.nan, math.nan, math.nan)
    shares = [wilson(round(i.success * i.episodes), i.episodes) if math.isfinite(i.success) else unknown for i in rows]
    value, low, high = ([share[k] for share in shares] for k in range(3))
    return Series("success", x, value, low, high)


def _return(rows: Sequence[Iteration], x: Sequence[float]) -> Series:
    low, high = ([i.true_return + sign * 1.96 * i.return_error for i in rows] for sign in (-1, 1))
    return Series("task return", x, [i.true_return for i in rows], low, high)


def _round_starts(rows: Sequence[Iteration], x: Sequence[float]) -> list[tuple[float, str]]:
    """Return the start of each round."""
    firsts = {row.round: at for row, at in reversed(list(zip(rows, x, strict=True))) if math.isfinite(at)}
    return [(at, f"round {number}") for number, at in sorted(firsts.items())] if len(firsts) > 1 else []


def _reward(findings: Findings) -> str:
    rows = findings.iterations()
    x, begins = [float(i.number) for i in rows], _round_starts(rows, [float(i.number) for i in rows])
    axis, height = Axis("iteration of fine-tuning"), 200
    learned = Series("learned reward", x, [i.learned for i in rows])
    last = findings.last_round()
    points = list(zip(last.learned.tolist(), last.true.tolist(), last.success.tolist(), strict=True))
    rank = spearman(last.learned, last.true) if len(points) > 1 else math.nan
    agree = (
        f"Spearman's ρ = {value_text(rank)} over {len(points)} episodes" if math.isfinite(rank) else "no correlation"
    )
    panels = line_chart(learned, axis, Axis("learned reward a step"), begins, height) + line_chart(
        _return(rows, x), axis, Axis("task return"), begins, height
    )
    scatter = scatter_chart("learned against true", points, Axis("learned return"), Axis("task return"))
    caption = f"{agree} that the last round collected. Green discs succeeded, red rings failed."
    looks = f"<p>What it looks at: {escape(last.looks_at)}</p>" if last.looks_at else ""
    for camera, picture in last.where.items():
        source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        looks += f'<img src="{source}" alt="Where it looks in {escape(camera)}: red">'
    return (
        f'<h2>The learned reward</h2>{looks}<p class="quiet">What the policy maximises, next to what it never sees. '
        "Each round fits a new reward to all answers so far, so scales differ between rounds. Where the first rises "
        "while the second falls, the reward is being exploited.</p>"
        f'<div class="grid">{_figure("Learned and true, by iteration", panels)}'
        f"{_figure('Learned against true, by episode', scatter, caption)}</div>{_prediction_quality(findings)}"
    )


def _prediction_quality(findings: Findings) -> str:
    """Return how well the reward model predicts answers that it was not trained on, round by round."""
    rows, charts = [], []
    clips = max(2, KINDS[findings.config.get("question", "pairwise")].clips_a_question)
    for number, result in zip(findings.rounds, findings.reward_scores(), strict=True):
        held = result["held_out"]
        accuracy = "–"
        if held["accuracy"] is not None:
            interval = wilson(round(held["accuracy"] * held["sided"]), held["sided"])
            accuracy = f"{value_text(interval.value, True)} <small>{interval_text(interval, True)}</small>"
        others = "".join(f"<td>{value_text(held[k])}</td>" for k in ("log_loss", "ece"))
        rows.append(f"<tr><td>round {number}</td><td>{held['answers']}</td><td>{accuracy}</td>{others}</tr>")
        bins = [
            (b["confidence"], *wilson(round(b["accuracy"] * b["answers"]), b["answers"]), b["answers"])
            for b in held["bins"]
        ]
        charts.append((f"Round {number}", reliability_chart(f"reliability in round {number}", bins, 1 / clips)))
    guess = f"A guess scores {value_text(1 / clips, True)} and {math.lgamma(clips + 1):.2f} nat."  # of one order of all
    return (
        '<div class="scroll"><table><thead><tr><th>answers not trained on</th><th>number</th><th>predicted</th>'
        "<th>log loss [nat]</th><th>calibration error</th></tr></thead>"
        f'<tbody>{"".join(rows)}</tbody></table></div><div class="grid small">{_figures(charts[-4:])}</div>'
        '<p class="quiet"><small>A dot on the dashed line is a model exactly as sure as it is right; a large dot '
        f"represents many answers. Ties are neither right nor wrong. {guess}</small></p>"
    )


def _labels(findings: Findings) -> str:
    answers, config = findings.answers(), findings.config
    kind = KINDS[config.get("question", "pairwise")]
    choices = [control.label for control in kind.controls if not control.part]
    choices = choices if kind.layout == "choice" else [kind.composed, *choices]
    if config.get("approvals"):
        choices = list(dict.fromkeys([*(control.label for control in KINDS["success"].controls[:2]), *choices]))
    heads = "".join(f"<th>{escape(word)}</th>" for word in choices)
    rows = []
    for number, counts in zip(findings.rounds, findings.answers_by_round(), strict=True):
        cells = "".join(f"<td>{counts[choice]}</td>" for choice in choices)
        rows.append(f"<tr><td>round {number}</td>{cells}<td>{counts.total()}</td></tr>")
    people = sorted({a.annotator for a in answers if a.annotator_kind == "human"})
    facts = []
    if people:
        times = [a.response_time for a in answers if a.response_time is not None]
        taken = f", {median(times):.1f} s each (median)" if times else ""
        facts.append(("people", f"{', '.join(people)}{taken}"))
    if any(a.annotator_kind == "simulated" for a in answers):
        teacher = config["teacher"]
        facts.append(("who answered", "a simulated teacher: a program that sees the true task reward, not a person"))
        named = " and ".join(humanize(name) for name in findings.style_costs)
        costs = f", and a cost of {teacher['style_weight']:g} on {named}" if named else ""
        facts.append(("what it wants", f"task reward, {teacher['success_bonus']:g} more a step after success{costs}"))
        facts += [(humanize(name), f"{teacher[name]:g}: {what}") for name, what in FAULTS.items() if name in teacher]
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return (
        f"<h2>Labels</h2><p>{len(answers)} answers to {config['labels']} questions, clips chosen by "
        f"“{escape(config['selection'])}”, {config['clip_steps']} steps each.</p>"
        f'<div class="scroll"><table><thead><tr><th>answer</th>{heads}<th>all</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div><dl>{listed}</dl>"
    )


def _choices(findings: Findings) -> str:
    came = findings.after.success.value
    return choices_section(findings.path, findings.rounds, findings.config["approvals"], came)


def _command(findings: Findings) -> str:
    return (
        "<h2>Make it again</h2><p>The same demonstrations and the same seed give the same policy, bit for bit on the "
        f"same machine and versions.</p><pre>{escape(findings.command().replace(' --set', CONTINUED))}</pre>"
    )


def _clips(findings: Findings, watch: Observer) -> str:
    """Return the part with the clips, or the reason why there are none."""
    shown, most = [], min(SHOWN, findings.before.episodes)
    begun = initial_policy_name(findings.config["demos"])
    try:
        for pair in make_clips(findings, findings.path / "clips" / "before-after"):
            video = base64.b64encode(pair.file.read_bytes()).decode()
            fares = [("succeeds" if done else "fails") for done in (pair.before, pair.after)]
            shown.append(
                '<figure><video controls muted loop playsinline preload="metadata" '
                f'src="data:video/mp4;base64,{video}"></video>'
                f"<figcaption>Start {pair.seed}: {begun} {fares[0]}, fine-tuned {fares[1]}</figcaption></figure>"
            )
            watch.progress(len(shown), most, {})
    except RoboRlhfError as error:
        return f'<h2>Before and after</h2><p class="nothing">No clips could be drawn: {escape(str(error))}</p>'
    return (
        f'<h2>Before and after</h2><p class="quiet">Both policies from the same starts: {RULE}.</p>'
        f'<div class="grid clips">{"".join(shown)}</div>'
    )


def _figures(charts: Sequence[tuple[str, str]]) -> str:
    return "".join(_figure(title, chart) for title, chart in charts)


def _figure(title: str, chart: str, caption: str = "") -> str:
    under = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure><h3>{escape(title)}</h3>{chart}{under}</figure>"
