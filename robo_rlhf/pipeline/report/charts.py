"""Charts as plain SVG, coloured by the page's style sheet: `report.css` defines the classes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 260  # [units of the view box], which is scaled to the page
LEFT, RIGHT, TOP, BOTTOM = 72, 22, 26, 44  # margins of the plot; labels of marks are above it


@dataclass(frozen=True)
class Series:
    """One line, with the interval around each point; non-finite values are gaps."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Axis:
    """An axis: its label with the unit, and where it begins and ends (from the data where None)."""

    label: str
    low: float | None = None
    high: float | None = None
    percent: bool = False  # shares, written as per cent


@dataclass(frozen=True)
class PlotArea:
    """The plot's area, and its mapping from data to coordinates."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = WIDTH
    height: int = HEIGHT

    def across(self, value: float) -> float:
        """Return the coordinate of x = `value`."""
        return LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - LEFT - RIGHT)

    def up(self, value: float) -> float:
        """Return the coordinate of y = `value`."""
        return self.height - BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (self.height - TOP - BOTTOM)


def line_chart(series: Series, x: Axis, y: Axis, marks: Sequence[tuple[float, str]] = (), height: int = HEIGHT) -> str:
    """Return a line with its interval; `marks` are vertical lines with a label, such as the start of a round."""
    points = [(a, b) for a, b in zip(series.x, series.y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if not points:
        return _nothing(f"{series.name}: nothing was measured")
    edges = [value for value in (*series.low, *series.high) if math.isfinite(value)]
    frame = PlotArea(_span([a for a, _ in points], x), _span([b for _, b in points] + edges, y), height=height)
    parts = _axes(frame, x, y)
    for at, word in marks:
        place = frame.across(at)
        parts.append(f'<line class="mark" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP - 16}" y2="{height - BOTTOM}"/>')
        parts.append(f'<text class="note" x="{place + 4:.1f}" y="{TOP - 8}">{escape(word)}</text>')
    parts.append(_band(frame, series))
    drawn = " ".join(f"{frame.across(a):.1f},{frame.up(b):.1f}" for a, b in points)
    parts.append(f'<polyline class="line" points="{drawn}"/>')
    if len(points) <= 20:
        parts += [f'<circle class="dot" cx="{frame.across(a):.1f}" cy="{frame.up(b):.1f}" r="3"/>' for a, b in points]
    return _svg(parts, f"{series.name} over {x.label}", frame)


def scatter_chart(name: str, points: Sequence[tuple[float, float, bool]], x: Axis, y: Axis) -> str:
    """Return points (x, y, success); successes are discs and failures are rings."""
    points = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
    if not points:
        return _nothing(f"{name}: nothing was measured")
    frame = PlotArea(_span([p[0] for p in points], x, 0.04), _span([p[1] for p in points], y, 0.04))
    parts = _axes(frame, x, y)
    for a, b, success in points:
        kind = "success" if success else "failure"
        parts.append(f'<circle class="{kind}" cx="{frame.across(a):.1f}" cy="{frame.up(b):.1f}" r="4"/>')
    return _svg(parts, name, frame)


def reliability_chart(name: str, bins: Sequence[tuple[float, float, float, float, int]], guess: float = 0.5) -> str:
    """Return a reliability diagram: (confidence, accuracy, low, high, answers) a bin, against the diagonal.

    Nothing is less sure than `guess`, the share of answers that a guess is right about.
    """
    if not bins:
        return _nothing(f"{name}: too few answers to hold some out")
    axes = (
        Axis("how sure the model was", guess, 1.0, percent=True),
        Axis("how often it was right", 0.0, 1.0, percent=True),
    )
    frame = PlotArea((guess, 1.0), (0.0, 1.0), 320, 280)
    parts = _axes(frame, *axes)
    corner = [f"{frame.across(v):.1f},{frame.up(v):.1f}" for v in (guess, 1.0)]
    parts.append(f'<polyline class="ideal" points="{" ".join(corner)}"/>')
    most = max(count for *_, count in bins)
    for confidence, accuracy, low, high, count in bins:
        at = frame.across(confidence)
        parts.append(
            f'<line class="whisker" x1="{at:.1f}" x2="{at:.1f}" y1="{frame.up(low):.1f}" y2="{frame.up(high):.1f}"/>'
        )
        size = 3 + 5 * math.sqrt(count / most)
        title = f"<title>{count} answers: {accuracy:.0%} right, {confidence:.0%} sure</title>"
        parts.append(f'<circle class="dot" cx="{at:.1f}" cy="{frame.up(accuracy):.1f}" r="{size:.1f}">{title}</circle>')
    return _svg(parts, name, frame)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return tick values from `low` to `high`, approximately `about` of them."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - raw))
    return [round(k * step, 12) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _span(values: Sequence[float], axis: Axis, margin: float = 0.0) -> tuple[float, float]:
    low = min(values) if axis.low is None else axis.low
    high = max(values) if axis.high is None else axis.high
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        room = max(0.5, 1e-3 * abs(low))
        low, high = low - room, high + room
    wide = (high - low) * margin
    return low - wide * (axis.low is None), high + wide * (axis.high is None)


def _axes(frame: PlotArea, x: Axis, y: Axis) -> list[str]:
    """Return grid, numbers and labels."""
    parts, base = [], frame.height - BOTTOM
    for value in ticks(*frame.y):
        level = frame.up(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{frame.width - RIGHT}" y1="{level:.1f}" y2="{level:.1f}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 8}" y="{level + 4:.1f}">{_number(value, y)}</text>')
    whole = all(value == int(value) for value in frame.x)
    for value in ticks(*frame.x, 6 if frame.width > 400 else 4):
        if whole and not x.percent and value != int(value):
            continue
        parts.append(
            f'<text class="tick middle" x="{frame.across(value):.1f}" y="{base + 18}">{_number(value, x)}</text>'
        )
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{frame.width - RIGHT}" y1="{base}" y2="{base}"/>')
    middle = (LEFT + frame.width - RIGHT) / 2
    parts.append(f'<text class="label middle" x="{middle:.0f}" y="{frame.height - 6}">{escape(x.label)}</text>')
    turned = f"rotate(-90 13 {(TOP + base) / 2:.0f})"
    parts.append(
        f'<text class="label middle" x="13" y="{(TOP + base) / 2:.0f}" transform="{turned}">{escape(y.label)}</text>'
    )
    return parts


def _band(frame: PlotArea, series: Series) -> str:
    rows = zip(series.x, series.low, series.high, strict=True) if series.low else ()
    edges = [row for row in rows if all(map(math.isfinite, row))]
    around = [(a, high) for a, _, high in edges] + [(a, low) for a, low, _ in reversed(edges)]
    drawn = " ".join(f"{frame.across(a):.1f},{frame.up(b):.1f}" for a, b in around)
    return f'<polygon class="band" points="{drawn}"/>' if drawn else ""


def _number(value: float, axis: Axis) -> str:
    text = f"{100 * value:.4g} %" if axis.percent else f"{value:.4g}"
    return text.replace("-", "−")


def _svg(parts: Sequence[str], name: str, frame: PlotArea) -> str:
    box = f'viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(name)}"'
    return f'<svg {box} style="max-width:{frame.width * 1.35:.0f}px">{"".join(part for part in parts if part)}</svg>'


def _nothing(sentence: str) -> str:
    return f'<p class="nothing">{escape(sentence)}.</p>'
