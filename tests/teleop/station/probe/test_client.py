"""The policy probe's process: started on demand, the newest request wins, and it may die or hang."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from robo_rlhf.core.errors import NotFoundError, NotNowError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.processes.worker import START
from teleop.policy_probe.messages import ActionQuery, ActionResult, FrameRef, RolloutQuery, RolloutResult
from teleop.station.probe.client import ProbeClient
from tests.teleop.policy_probe.making import FLOW, PLAIN, ask_home

WAIT = START


@pytest.fixture(scope="module")
def asked_home(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ask_home(reach_home, tmp_path_factory.mktemp("thinking") / "home")


@pytest.fixture(scope="module")
def thinking(asked_home: Path) -> Iterator[ProbeClient]:
    thinking = ProbeClient(asked_home, limit=5.0)
    yield thinking
    thinking.close()


@pytest.fixture
def at(asked_home: Path) -> FrameRef:
    return FrameRef("samples/reach", Dataset(asked_home / "samples/reach").ids()[0], 5)


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_started_when_asked_kept_warm_and_replaced_when_it_dies(thinking: ProbeClient, at: FrameRef) -> None:
    seen = thinking.ask(ActionQuery(at, PLAIN), "page").result(WAIT)
    assert isinstance(seen, ActionResult)
    first = thinking.pid
    assert first is not None
    with pytest.raises(NotFoundError, match="No episode in dataset reach 'none'"):
        thinking.ask(ActionQuery(FrameRef(at.dataset, "none", 0), PLAIN), "page").result(WAIT)
    assert thinking.pid == first  # what a question does wrong does not end it

    os.kill(first, signal.SIGSTOP)
    waits = thinking.ask(ActionQuery(at, PLAIN), "page")
    os.kill(first, signal.SIGKILL)
    with pytest.raises(NotNowError, match=r"ended \(killed by signal 9\) before it had an answer.*ask again"):
        waits.result(WAIT)
    again = thinking.ask(ActionQuery(at, PLAIN), "page").result(WAIT)
    assert isinstance(again, ActionResult)
    assert thinking.pid not in (None, first)


def test_the_newest_question_of_a_page_wins(thinking: ProbeClient, at: FrameRef) -> None:
    thinking.ask(ActionQuery(at, PLAIN), "page").result(WAIT)
    pid = thinking.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    older = [thinking.ask(ActionQuery(FrameRef(at.dataset, at.episode, frame), PLAIN), "page") for frame in range(5)]
    others = thinking.ask(ActionQuery(at, PLAIN), "another page")
    newest = thinking.ask(ActionQuery(FrameRef(at.dataset, at.episode, 9), PLAIN), "page")
    os.kill(pid, signal.SIGCONT)
    for future in older:
        with pytest.raises(NotNowError, match="newer question"):
            future.result(WAIT)
    found = newest.result(WAIT)
    assert isinstance(found, ActionResult)
    assert found.frame == 9
    assert isinstance(others.result(WAIT), ActionResult)


def test_a_look_does_not_wait_for_a_future(thinking: ProbeClient, at: FrameRef) -> None:
    thinking.ask(RolloutQuery(at, FLOW, 0.5, samples=8), "page").result(WAIT)
    future = thinking.ask(RolloutQuery(at, FLOW, 5.0, samples=8), "page")
    look = thinking.ask(ActionQuery(at, FLOW), "page")
    assert isinstance(look.result(WAIT), ActionResult)
    looked = time.monotonic()
    assert isinstance(future.result(WAIT), RolloutResult)
    assert time.monotonic() > looked  # both came; which first is the worker's test


def test_one_that_hangs_is_ended_and_said_so_and_those_behind_it_are_answered(
    thinking: ProbeClient, at: FrameRef
) -> None:
    thinking.ask(ActionQuery(at, PLAIN), "page").result(WAIT)
    pid = thinking.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    hangs = thinking.ask(RolloutQuery(at, FLOW, 5.0, samples=8), "page")
    until(lambda: thinking.busy)
    behind = thinking.ask(RolloutQuery(at, FLOW, 0.5, samples=8), "another page")
    with pytest.raises(NotNowError, match=r"gave no answer within 5 s and was ended.*ask again"):
        hangs.result(WAIT)
    assert isinstance(behind.result(WAIT), RolloutResult)
    assert not Path(f"/proc/{pid}").exists()
    assert not thinking.busy


@pytest.mark.slow
def test_it_ends_when_nobody_asks(asked_home: Path, at: FrameRef) -> None:
    thinking = ProbeClient(asked_home, idle=0.5)
    try:
        thinking.ask(ActionQuery(at, PLAIN), "page").result(WAIT)
        pid = thinking.pid
        until(lambda: thinking.pid is None)
        until(lambda: not Path(f"/proc/{pid}").exists())
        assert isinstance(thinking.ask(ActionQuery(at, PLAIN), "page").result(WAIT), ActionResult)
    finally:
        thinking.close()
    with pytest.raises(NotNowError, match="being stopped"):
        thinking.ask(ActionQuery(at, PLAIN), "page")
