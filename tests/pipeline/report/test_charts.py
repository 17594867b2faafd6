import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.pipeline.report.charts import (
    LEFT,
    RIGHT,
    Axis,
    Series,
    line_chart,
    reliability_chart,
    scatter_chart,
    ticks,
)

X, Y = Axis("iteration"), Axis("success", 0.0, 1.0, percent=True)


def numbers(svg: str) -> list[float]:
    """All coordinates of lines, bands and dots."""
    found = []
    for element in ElementTree.fromstring(svg).iter():
        points = element.get("points", "").replace(",", " ").split()
        found += [float(value) for value in (*points, element.get("cx", "0"), element.get("cy", "0"))]
    return found


def test_a_line_is_drawn_with_its_interval_labels_and_marks() -> None:
    svg = line_chart(
        Series("success", [1, 2, 3], [0.1, 0.5, 0.9], [0, 0.3, 0.7], [0.3, 0.7, 1]), X, Y, [(2, "round <2>")]
    )
    assert 'class="line"' in svg
    assert 'class="band"' in svg
    assert "round &lt;2&gt;" in svg
    assert "iteration" in svg
    assert "100 %" in svg
    assert 'aria-label="success over iteration"' in svg


ANY = st.floats(-1e100, 1e100) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(st.lists(ANY, max_size=12))
def test_any_numbers_give_a_chart_or_a_sentence(values: list[float]) -> None:
    svg = line_chart(Series("return", list(range(len(values))), values, values, values), X, Axis("return"))
    if any(map(math.isfinite, values)) and svg.startswith("<svg"):
        ElementTree.fromstring(svg)
    else:
        assert "nothing was measured" in svg


def test_one_point_and_equal_points_are_drawn_inside_the_plot() -> None:
    for values in ([3.0], [0.0, 0.0], [1e-12, 1e-12], [-5.0, -5.0, -5.0]):
        svg = line_chart(Series("return", list(range(len(values))), values), X, Axis("return"))
        assert all(0 <= value <= 560 for value in numbers(svg))


def test_nothing_measured_is_said() -> None:
    assert "too few answers" in reliability_chart("round 1", [])
    assert "nothing was measured" in scatter_chart("both", [(math.nan, 1.0, True)], X, Y)


def test_success_and_failure_differ_in_shape() -> None:
    svg = scatter_chart("both", [(1.0, 2.0, True), (2.0, 3.0, False)], Axis("learned"), Axis("true"))
    assert svg.count('class="success"') == svg.count('class="failure"') == 1


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 17), (0.00011, 0.00012), (1, 60), (99.5, 100.5)])
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 11
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


def test_a_model_less_sure_than_one_of_two_is_inside_its_chart() -> None:
    svg = reliability_chart("orders of four", [(0.3, 0.4, 0.2, 0.6, 20), (0.9, 0.95, 0.8, 1.0, 30)], 1 / 4)
    dots = [float(e.get("cx", "nan")) for e in ElementTree.fromstring(svg).iter() if e.get("class") == "dot"]
    assert len(dots) == 2
    assert all(LEFT <= at <= 320 - RIGHT for at in dots)
