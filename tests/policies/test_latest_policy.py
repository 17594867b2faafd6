"""The latest policy of a run."""

from pathlib import Path

import pytest

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.files import write_json
from robo_rlhf.policies.latest_policy import final_policy, label_of, policy_at

FILE = Path("checkpoints") / "policy.safetensors"


def touch(folder: Path, *, finished: bool = True) -> Path:
    (folder / FILE).parent.mkdir(parents=True)
    (folder / FILE).touch()
    if finished:
        write_json(folder / "result.json", {})
    return folder / FILE


def test_a_run_stands_for_its_policy_and_a_main_job_for_its_last_round(home: Path) -> None:
    single = touch(home / "runs" / "bc")
    clone = touch(home / "runs" / "main" / "clone")
    assert policy_at(Path("main"), home) == clone
    rounds = [touch(home / "runs" / "main" / f"round-{number}" / "finetune") for number in (1, 2, 10)]
    touch(home / "runs" / "main" / "round-11" / "finetune", finished=False)
    assert policy_at(Path("main"), home) == rounds[-1]
    assert policy_at(Path("main/clone"), home) == clone
    assert policy_at(Path("bc"), home) == policy_at(single, home) == policy_at(home / "runs" / "bc", home) == single
    assert policy_at(single.relative_to(home), home) == single
    with pytest.raises(NotFoundError, match="No policy 'nothing'"):
        policy_at(Path("nothing"), home)


def test_a_round_that_its_gate_refused_is_not_the_final_one(home: Path) -> None:
    run = home / "runs" / "main"
    write_json(run / "config.json", {"gate": True})
    clone = touch(run / "clone")
    kept, refused = (touch(run / f"round-{number}" / "finetune") for number in (1, 2))
    assert final_policy(run) == clone
    write_json(run / "round-1" / "gate" / "result.json", {"accepted": True})
    write_json(run / "round-2" / "gate" / "result.json", {"accepted": False})
    assert final_policy(run) == kept
    assert refused.exists()


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("runs/main/round-3/finetune/checkpoints/policy.safetensors", "main/round-3"),
        ("runs/bc/checkpoints/policy.safetensors", "bc"),
        ("runs/bc/checkpoints/best.safetensors", "bc/best"),
        ("old.safetensors", "old"),
    ],
)
def test_a_checkpoint_is_called_by_its_place(home: Path, path: str, label: str) -> None:
    assert label_of(home / path, home) == label


def test_a_policy_that_a_later_round_gave_up_is_not_the_final_one(home: Path) -> None:
    run = home / "runs" / "main"
    write_json(run / "config.json", {"gate": True})
    touch(run / "clone")
    rounds = [touch(run / f"round-{number}" / "finetune") for number in (1, 2)]
    for number in (1, 2):
        write_json(run / f"round-{number}" / "gate" / "result.json", {"accepted": True})
    write_json(run / "round-3" / "look" / "result.json", {"accepted": False})
    assert final_policy(run) == rounds[0]
    write_json(run / "result.json", {"policy": "round-2/finetune"})
    assert final_policy(run) == rounds[1]
