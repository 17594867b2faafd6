import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.data.dataset import Dataset
from teleop.station.library import statistics
from teleop.station.library.entry import EpisodeKey
from teleop.station.library.facts_cache import CachedFacts, FactsCache
from teleop.station.library.facts_worker import facts_of, smoothness, start_of
from teleop.station.library.index import Index
from tests.teleop.station.making import many


def test_a_smoother_path_has_the_higher_number() -> None:
    t = np.linspace(0, 1, 101)
    calm = np.stack([10 * t**3 - 15 * t**4 + 6 * t**5, 0 * t, 0 * t], axis=1)  # the path of least jerk
    shaky = calm + 0.01 * np.sin(60 * t)[:, None]
    best = smoothness(calm, 0.01)
    assert best is not None
    # of the path of least jerk the integral of the squared jerk is 720 L² / D⁵ and the peak speed 1.875 L / D
    assert best == pytest.approx(-math.log(720 / 1.875**2), abs=0.1)
    assert (smoothness(shaky, 0.01) or 0.0) < best - 1


@given(scale=st.floats(0.1, 10), dt=st.floats(0.01, 0.2), seed=st.integers(0, 99))
def test_smoothness_has_no_unit(scale: float, dt: float, seed: int) -> None:
    path = np.random.default_rng(seed).normal(size=(30, 3)).cumsum(axis=0)
    assert smoothness(scale * path, dt) == pytest.approx(smoothness(path, 0.05), rel=1e-6)


def test_paths_that_say_nothing_have_no_smoothness() -> None:
    assert smoothness(np.zeros((50, 3)), 0.05) is None
    assert smoothness(np.random.default_rng(0).normal(size=(4, 3)), 0.05) is None
    assert smoothness(np.linspace(0, 1, 16)[:, None] * np.ones(3), 0.0625) in (None, pytest.approx(60, abs=60))


def test_starts_are_read_off_the_names() -> None:
    names = ("hand_x", "hand_y", "hand_z", "cube_dx", "cube_dy", "bin_dx", "bin_dy")
    hand, thing, what = start_of(np.array([1, 2, 3, 0.5, -0.5, 9, 9]), names)
    assert (hand, thing, what) == ([1, 2], [1.5, 1.5], "cube")
    assert start_of(np.array([1.0, 2.0]), ("x", "y")) == ([1, 2], None, "")
    assert start_of(np.array([1.0, 2.0]), ("speed", "spin")) == (None, None, "")
    assert start_of(np.array([1.0, 2.0]), ()) == (None, None, "")


def test_facts_of_a_real_episode(reach_home: Path) -> None:
    path = next((reach_home / "samples" / "reach" / "episodes").glob("*.parquet"))
    facts = facts_of(path)
    recorded = Dataset(reach_home / "samples" / "reach").load(path.stem)
    assert facts["what"] == "goal"
    assert facts["hand"] == [float(recorded.obs[0, 0]), float(recorded.obs[0, 1])]
    assert np.sum(facts["actions"], axis=1).tolist() == [len(recorded)] * recorded.action.shape[1]
    assert facts["names"][:3] == ["x", "y", "z"]
    assert facts["done"] == int(np.flatnonzero(recorded.success)[0])
    assert facts["smooth"] < 0


@pytest.fixture
def index(home: Path) -> Index:
    many(home, 24)
    index = Index(home)
    index.refresh(10)
    return index


@pytest.fixture
def book(home: Path, index: Index) -> Iterator[FactsCache]:
    book = FactsCache(home / "cache" / "facts.jsonl", index.path)
    yield book
    book.close()


def all_of(book: FactsCache, index: Index) -> CachedFacts:
    until = time.monotonic() + 60
    while (known := book.of(index.entries())).missing:
        assert time.monotonic() < until
        time.sleep(0.05)
    return known


def test_facts_are_worked_out_once_and_written_down(book: FactsCache, index: Index, home: Path) -> None:
    assert book.of(index.entries()).missing == 24
    known = all_of(book, index)
    assert known.facts[EpisodeKey("demos", "e00003")] == facts_of(index.path(EpisodeKey("demos", "e00003")))
    lines = book.file.read_text().splitlines()
    assert len(lines) == 24
    with book.file.open("a") as file:
        file.write('["demos", "e000')  # torn by a crash
    later = FactsCache(book.file, index.path)
    assert later.of(index.entries()).missing == 0
    Dataset(home / "demos").tag("e00001", "x")
    assert later.of([index.get(EpisodeKey("demos", "e00001"))]).missing == 1
    later.close()


def test_what_cannot_be_read_has_no_facts_and_stops_nothing(home: Path, index: Index, book: FactsCache) -> None:
    (home / "demos" / "episodes" / "e00002.parquet").write_bytes(b"nothing")
    (home / "demos" / "episodes" / "e00003.parquet").unlink()
    known = all_of(book, index)
    assert "cannot be read" in known.facts[EpisodeKey("demos", "e00002")]["error"]
    assert "error" in known.facts[EpisodeKey("demos", "e00003")]
    assert statistics.charts(index.entries(), known.facts)


def test_a_reader_that_dies_is_started_again(book: FactsCache, index: Index, home: Path) -> None:
    all_of(book, index)
    pid = book._background.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    many(home, 30)
    index.refresh(10)
    known = all_of(book, index)
    assert sum("error" in facts for facts in known.facts.values()) <= 1


def test_charts_hold_intervals_and_say_what_they_show(index: Index) -> None:
    facts = {entry.key: facts_of(index.path(entry.key)) for entry in index.entries()}
    made = {chart["id"]: chart for chart in statistics.charts(index.entries(), facts)}
    assert all(chart["title"] and chart["text"] for chart in made.values())
    assert {"outcomes", "over-time", "lengths", "idle", "smoothness", "actions-push"} <= made.keys()
    row = next(row for row in made["outcomes"]["rows"] if row["name"] == "push")
    assert (row["count"], row["parts"]) == (12, {"success": 6, "failure": 6})
    assert row["low"] < row["value"] == 0.5 < row["high"]
    assert sum(sum(series["values"]) for series in made["lengths"]["series"]) == 24
    assert [p["low"] <= p["value"] <= p["high"] for p in made["over-time"]["points"]] == [True] * 4
    assert {row["name"] for row in made["idle"]["rows"]} == {"ada", "grace", "not known"}
    figures = statistics.summary(index.entries())
    assert (figures["episodes"], figures["operators"]) == (24, 2)


def test_many_operators_are_counted_together(home: Path) -> None:
    for number in range(20):
        many(home, number + 1, f"d{number}", operator=f"person {number}", task=f"task {number}")
    index = Index(home)
    index.refresh(60)
    (chart, *_) = statistics.charts(index.entries(), {})
    assert len(chart["rows"]) == statistics.GROUPS
    assert chart["rows"][-1]["name"] == statistics.OTHERS
    assert sum(row["count"] for row in chart["rows"]) == 210


def test_nothing_recorded_makes_no_chart_fail() -> None:
    assert statistics.summary([])["success"] is None
    assert statistics.over_time([]) == {}
    assert statistics.lengths([]) == {}
