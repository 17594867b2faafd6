import re

import pytest

from robo_rlhf.cli.stage_bars import StageBars


@pytest.mark.parametrize("columns", [80, 140])
def test_a_line_fits_its_terminal_with_whole_times(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    with StageBars() as bars:
        bars.begin("round-1/finetune")
        bars.progress(3000, 3000, {"loss": 0.1234, "reward": -0.494, "anchor_kl": 0.319, "success": 0.5})
        bars.end("round-1/finetune", {})
    line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).split("\r")[-1].splitlines()[0]
    assert re.search(r"3000/3000 \d:\d\d:\d\d left \d:\d\d:\d\d loss 0\.123", line)
    assert len(line.rstrip()) <= columns
    assert ("anchor_kl 0.319" in line) == (columns == 140)
