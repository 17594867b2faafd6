"""The thread that reads what rewinds and takeovers say."""

import logging
from pathlib import Path

import pytest

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.store import Store
from teleop.station.background.implicit import ImplicitWriter
from tests.data.making import episode


def test_preferences_come_by_themselves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store(tmp_path / "feedback.db") as store:
        writer = ImplicitWriter(tmp_path, lambda: store)
        mine = Dataset(tmp_path / "mine", create=True)
        mine.add(episode("left", 12, outcome="failure", tags=("branch",)))
        mine.add(episode("kept", 12, parent="left", parent_step=4, operator="ada", device="browser"))
        with caplog.at_level(logging.WARNING):
            writer.look("nowhere")
            writer.look("mine")
            writer.finish()
        assert [answer.annotator for answer in store.answers(role="implicit")] == ["ada"]
        assert "in nowhere were not written" in caplog.text
