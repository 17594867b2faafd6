from pathlib import Path

from tests.pipeline.making import do, fresh_home, read, short_config


def test_a_run_practises_from_demonstrations_and_its_report_says_so(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    run = do(short_config(rounds=2, reverse_curriculum=0.5), home, report=True)
    assert [read(run, f"round-{n}/curriculum/result.json")["back"] for n in (1, 2)] == [0.5, 1.0]
    assert "50\u00a0% of the episodes from the middle of demonstrations" in (run / "report.html").read_text()
