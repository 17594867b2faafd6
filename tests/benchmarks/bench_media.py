"""Speed of the library and of its pictures: `pytest -m bench -s tests/benchmarks/bench_media.py`.

A station in a process of its own is asked over loopback, signed in as browsers are.
"""

import shutil
import time
from collections.abc import Iterator

import httpx2
import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.types import Array
from tests.browser.conftest import SAMPLES, Served, serving
from tests.teleop.station.making import many

pytestmark = pytest.mark.bench
REQUESTS, BAR = 10_000, 0.050  # Range requests, and [s] that each may take
EPISODES, PAGE_BAR = 10_000, 0.100  # episodes in the library, and [s] that a page of it may take (p95)
CLIP = "/media/clip?dataset=samples/pick_place&episode={}&camera=front&width=480"


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("media") / "home"
    folder = home / "samples" / "pick_place"
    (folder / "episodes").mkdir(parents=True)
    shutil.copy(SAMPLES / "pick_place" / "dataset.json", folder)
    for episode in sorted((SAMPLES / "pick_place" / "episodes").iterdir())[:4]:
        shutil.copy(episode, folder / "episodes")
    many(home, EPISODES)
    with serving(home, lean=False) as served:
        yield served


@pytest.fixture(scope="module")
def browser(station: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=station.url, headers={"origin": station.url}, timeout=60) as client:
        token = station.new_link().partition("#")[2]
        assert client.post("/enter", json={"token": token}).status_code == 200
        yield client


def forms(rng: np.random.Generator, size: int, etag: str) -> tuple[dict[str, str], set[int]]:
    """Return the headers of a request of some form, and the answers that are right."""
    first, last = sorted(rng.integers(0, size, 2).tolist())
    choices: list[tuple[dict[str, str], set[int]]] = [
        ({"range": f"bytes={first}-{last}"}, {206}),
        ({"range": f"bytes={first}-"}, {206}),
        ({"range": f"bytes=-{last + 1}"}, {206}),
        ({"range": f"bytes=0-9,{first}-{last},-5"}, {206}),
        ({"range": f"bytes={size + first}-"}, {416}),
        ({"range": "bytes=9-3"}, {416}),
        ({"range": f"bytes={first}-{last}", "if-range": etag}, {206}),
        ({"range": f"bytes={first}-{last}", "if-range": '"old"'}, {200}),
        ({"if-none-match": etag}, {304}),
        ({}, {200}),
    ]
    return choices[rng.integers(len(choices))]


def test_range_requests(station: Served, browser: httpx2.Client) -> None:
    names = sorted(path.stem for path in (station.home / "samples" / "pick_place" / "episodes").iterdir())
    wholes = [browser.get(CLIP.format(name)) for name in names]  # drawn now; what is measured is sending
    rng, times = np.random.default_rng(0), np.empty(REQUESTS)
    for number in range(REQUESTS):
        which = number % len(names)
        whole = wholes[which]
        headers, right = forms(rng, len(whole.content), whole.headers["etag"])
        began = time.perf_counter()
        answer = browser.get(CLIP.format(names[which]), headers=headers)
        times[number] = time.perf_counter() - began
        assert answer.status_code in right, headers
        if answer.status_code == 206 and "content-range" in answer.headers:
            span = answer.headers["content-range"].removeprefix("bytes ").partition("/")[0]
            first, last = map(int, span.split("-"))
            assert answer.content == whole.content[first : last + 1]
    without = httpx2.get(station.url + CLIP.format(names[0]), headers={"range": "bytes=0-9"})
    assert without.status_code == 401
    report(f"{REQUESTS:,} Range requests", times, BAR)
    assert np.quantile(times, 0.999) <= BAR  # all of them on an idle machine; others at work make single ones wait


def test_a_library_of_ten_thousand(browser: httpx2.Client) -> None:
    began = time.perf_counter()
    first = browser.get("/api/library/episodes").elapsed.total_seconds()
    while (answer := browser.get("/api/library/episodes").json())["reading"]:
        pass
    reading = time.perf_counter() - began
    assert answer["facets"]["dataset"][0] == ["demos", EPISODES]
    queries = [
        "",
        "outcome=failure",
        "q=dropped",
        "operator=ada&tag=good&sort=longest",
        "since=2026-11-05&source=human",
    ]
    times = np.empty(100)
    for number in range(len(times)):
        query = (
            f"{queries[number % len(queries)]}&shortest={number / 1e6}&offset={48 * (number % 40)}"  # never the same
        )
        times[number] = browser.get(f"/api/library/episodes?{query}").elapsed.total_seconds()
    print(f"\n{EPISODES:,} footers read in {reading:.1f} s; the first answer after {first * 1e3:.0f} ms")
    report("pages of the library, each with another filter", times, PAGE_BAR)
    assert np.quantile(times, 0.95) <= PAGE_BAR


def report(what: str, times: Array, bar: float) -> None:
    figures = {"p50": np.median(times), "p95": np.quantile(times, 0.95), "p99": np.quantile(times, 0.99)}
    row = {name: f"{value * 1e3:.1f} ms" for name, value in figures.items()}
    print_rows(
        [{"what": what, **row, "longest": f"{times.max() * 1e3:.1f} ms", "bar": f"{bar * 1e3:.0f} ms"}], as_json=False
    )
