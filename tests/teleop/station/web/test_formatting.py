import pytest

from teleop.station.web.formatting import count_with_noun, iso, percent, time_ago

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86399, "23 h ago"),
        (86400, "1 day ago"),
        (13.9 * 86400, "13 days ago"),
        (14 * 86400, "7 Sep 2026"),
    ],
)
def test_times(passed: float, words: str) -> None:
    assert time_ago(NOW - passed, NOW) == words


def test_numbers() -> None:
    assert [count_with_noun(0, "run"), count_with_noun(1, "run"), count_with_noun(12345, "run")] == [
        "0 runs",
        "1 run",
        "12,345 runs",
    ]
    assert count_with_noun(2, "copy", "copies") == "2 copies"
    assert [percent(None), percent(0.456), percent(0.985), percent(1.0)] == ["–", "46 %", "99 %", "100 %"]
    assert iso(0) == "1970-01-01T00:00:00+00:00"
