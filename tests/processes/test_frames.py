import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from robo_rlhf.processes.frames import LARGE, Frames

SMALL = arrays(st.sampled_from([np.float32, np.uint8, np.bool_]), array_shapes(min_side=0))
MESSAGES = st.recursive(
    st.none() | st.integers() | st.text() | st.binary() | SMALL,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Frames, Frames]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Frames(ours), Frames(theirs)


@given(MESSAGES)
def test_what_is_sent_is_received(pair: tuple[Frames, Frames], message: object) -> None:
    pair[0].send(message)
    np.testing.assert_equal(pair[1].receive(), message)


@pytest.mark.parametrize("size", [0, 1, LARGE - 1, LARGE, LARGE + 1, 3_000_001])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_size_are_the_receivers_own(pair: tuple[Frames, Frames], size: int, order: str) -> None:
    array = np.asarray(np.arange(2 * size).reshape(2, size).astype(np.uint8), order=order)  # type: ignore[call-overload]
    every = array[:, ::2]  # its memory is not in one piece
    sending = threading.Thread(target=pair[0].send, args=({"one": [array, every], "two": array.astype(float)},))
    sending.start()
    found = pair[1].receive(10.0)
    sending.join()
    np.testing.assert_array_equal(found["one"][0], array)
    np.testing.assert_array_equal(found["one"][1], every)
    np.testing.assert_array_equal(found["two"], array)
    for received in (*found["one"], found["two"]):
        received[:] = 0
    assert array.size == 0 or array.any()


def test_an_end_is_the_end_and_a_silence_takes_as_long_as_it_may() -> None:
    ours, theirs = (Frames(end) for end in socket.socketpair())
    more = iter([0.01, 0.01, -1.0])
    with pytest.raises(TimeoutError):
        ours.receive(0.01, lambda: next(more))
    assert list(more) == []  # it went on while there was more time
    assert not ours.torn
    theirs.send("last")
    theirs.close()
    assert ours.receive(1.0) == "last"
    with pytest.raises(EOFError):
        ours.receive(1.0)
    with pytest.raises(OSError, match="pipe"):
        ours.send("too late")
    ours.close()


def test_what_cannot_be_sent_sends_nothing(pair: tuple[Frames, Frames]) -> None:
    with pytest.raises(Exception, match="pickle"):
        pair[0].send(lambda: None)
    assert not pair[0].torn
    pair[0].send("whole")
    assert pair[1].receive(1.0) == "whole"


def test_a_frame_that_stops_in_the_middle_is_torn() -> None:
    one, other = socket.socketpair()
    with one, other:
        frames = Frames(one)
        other.sendall(b"\x05" + bytes(11) + b"ab")
        with pytest.raises(TimeoutError):
            frames.receive(0.01)
        assert frames.torn
