"""What the report says of the success of a round's episodes, and of policies that were given up."""

from pathlib import Path

from robo_rlhf.core.files import write_json
from robo_rlhf.pipeline.report.choices import choices_section


def test_the_corrected_rate_stands_beside_what_the_head_alone_sees(tmp_path: Path) -> None:
    newest = {"seen": 0.95, "overrates": 0.15, "answers": 21, "value": 0.8, "low": 0.65, "high": 0.925}
    found = {"answers": 49, "yes": 0.6, "held_out_accuracy": 0.9, "newest": newest}
    look = {"reason": "refused: shown to be worse, -20% over 100 seeds"}
    for stage, result in (("success", found), ("look", look), ("begun", look)):
        (tmp_path / "round-2" / stage).mkdir(parents=True)
        write_json(tmp_path / "round-2" / stage / "result.json", result)
    page = choices_section(tmp_path, range(1, 3), 0.35, 0.9)
    assert "episodes of round 2 that succeed</td><td><b>80\u00a0%</b> (65 to 92.5\u00a0%)" in page
    assert "the head alone sees 95\u00a0%, 21 answers correct it" in page
    assert "the policy before round 2, judged again by answers about it</td><td>refused" in page
    assert "the last policy, against the one that fine-tuning began with</td><td>refused" in page
