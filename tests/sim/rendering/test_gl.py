import sys

import pytest

from robo_rlhf.sim.rendering import gl


def test_a_choice_already_made_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gl.VARIABLE, "glfw")
    assert gl.choose_backend() == "glfw"


@pytest.mark.parametrize(
    ("present", "chosen"),
    [(("libEGL.so.1", "libOSMesa.so.8"), "egl"), (("libOSMesa.so.6",), "osmesa"), ((), None)],
)
def test_egl_comes_before_osmesa(present: tuple[str, ...], chosen: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gl.VARIABLE, "")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(gl, "_loads", lambda library: library in present)
    assert gl.choose_backend() == chosen


def test_other_systems_choose_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gl.VARIABLE, "")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert gl.choose_backend() is None
