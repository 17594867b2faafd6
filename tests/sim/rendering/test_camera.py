import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.sim.rendering.camera import Camera


def test_a_name_is_a_camera_of_the_scene() -> None:
    assert Camera.parse(" front ") == Camera(name="front")


def test_numbers_are_a_free_camera() -> None:
    expected = Camera(azimuth=135, elevation=-30, distance=1.6, lookat=(0.5, 0, 0.1))
    assert Camera.parse("135,-30,1.6,0.5,0,0.1") == expected
    assert Camera.parse("135, -30, 1.6").lookat is None


@pytest.mark.parametrize("text", ["", "1", "1,2", "1,2,3,4", "1,2,3,4,5,6,7", "a,b,c", "front,side,top"])
def test_other_texts_are_refused_with_the_form_that_is_wanted(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"expected a camera's name, or azimuth,elevation,distance\[,x,y,z\]"):
        Camera.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,-91,1", "camera elevation: expected degrees from -90 .* got -91"),
        ("0,0,0", "camera distance: expected metres above 0, got 0"),
        ("0,0,-1", "camera distance"),
        ("nan,0,1", "expected finite numbers, got nan,0,1"),
        ("0,0,1,0,inf,0", "expected finite numbers"),
    ],
)
def test_numbers_outside_their_range_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Camera.parse(text)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown camera 'fornt'\. Did you mean 'front'\?"):
        Camera("fornt").index_in(["side", "front"])


@given(
    st.floats(-720, 720),
    st.floats(-90, 90),
    st.floats(1e-3, 1e3),
    st.none() | st.tuples(*[st.floats(-10, 10)] * 3),
)
def test_text_and_camera_are_one(
    azimuth: float, elevation: float, distance: float, lookat: tuple[float, float, float] | None
) -> None:
    camera = Camera(azimuth=azimuth, elevation=elevation, distance=distance, lookat=lookat)
    again = Camera.parse(str(camera))
    assert again == camera
    assert math.isclose(again.distance, distance, rel_tol=0)
