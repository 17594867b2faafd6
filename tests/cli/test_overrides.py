"""NAME=VALUE on the command line."""

import pytest

from robo_rlhf.cli.overrides import override
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.pipeline.config import PipelineConfig


@pytest.mark.parametrize(("text", "found"), [("2", 2), ("0", 0), ("null", None)])
def test_a_setting_that_may_be_empty_takes_its_kind_and_null(text: str, found: int | None) -> None:
    assert override(PipelineConfig(), [f"alarm_questions={text}"]).alarm_questions == found
    assert override(PipelineConfig(alarm_questions=3), [f"alarm_questions={text}"]).alarm_questions == found


@pytest.mark.parametrize("text", ["2.5", "many", "true", ""])
def test_another_kind_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="setting alarm_questions: expected a int, or null"):
        override(PipelineConfig(), [f"alarm_questions={text}"])
