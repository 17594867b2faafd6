from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.sim.external.controls import ColumnControl
from teleop.worlds.remembered_controls import controls_from, controls_path, read_controls, write_controls

USUAL = (ColumnControl("a", "x"), ColumnControl("b", "gripper"))
ENV = "my_envs:Cart-v0+speed=2@50"


def test_controls_are_read_back_and_usual_ones_forgotten(tmp_path: Path) -> None:
    assert read_controls(tmp_path, ENV, USUAL) == USUAL
    changed = (replace(USUAL[0], sign=-1, scale=0.3), replace(USUAL[1], dead_zone=0.1))
    write_controls(tmp_path, ENV, changed, USUAL)
    assert read_controls(tmp_path, ENV, USUAL) == changed
    assert read_controls(tmp_path, "Other-v0", USUAL) == USUAL
    write_controls(tmp_path, ENV, USUAL, USUAL)
    assert not controls_path(tmp_path, ENV).exists()


def test_those_of_other_columns_do_not_hold_any_more(tmp_path: Path) -> None:
    write_controls(tmp_path, ENV, (ColumnControl("c", "x"),), ())
    assert read_controls(tmp_path, ENV, USUAL) == USUAL


@pytest.mark.parametrize("content", ["[]", "{", '{"controls": 3}'])
def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path, content: str) -> None:
    path = controls_path(tmp_path, ENV)
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(CorruptFileError, match="Remove it"):
        read_controls(tmp_path, ENV, USUAL)


@pytest.mark.parametrize(
    "text", ["{}", "nonsense", '[{"column": "a"}]', '[{"column": "a", "source": "x", "scale": "big"}]']
)
def test_what_is_no_list_of_controls_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        controls_from(text)
