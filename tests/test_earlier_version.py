"""What main at eee734f wrote, before modules and names moved, is read as it was; `golden/eee734f` was made by it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.cli.main import main
from robo_rlhf.contracts.reward import inputs, tensors
from robo_rlhf.core.errors import FileWarning
from robo_rlhf.core.json_lines import row_of
from robo_rlhf.core.legacy_names import array_name, setting_now
from robo_rlhf.core.runs import read_checkpoint
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import list_datasets
from robo_rlhf.feedback.store import Store
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.rewards.checkpoint import load_reward

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden" / "eee734f"
COMMIT = "eee734f"
TOLERANCE = 1e-5  # of actions and rewards: another processor sums in another order
COLUMNS_THEN = {"samples/push": 17, "samples/navigate_room": 17}  # columns that were added since come after them


@pytest.mark.filterwarnings("ignore::robo_rlhf.core.errors.FileWarning")
@pytest.mark.parametrize("path", sorted((GOLDEN / "policies").glob("*.safetensors")), ids=lambda path: path.stem)
def test_policies_act_as_they_did(path: Path) -> None:
    with np.load(GOLDEN / "policies" / "acts.npz") as acts:
        seen, wanted = acts["seen"], acts[path.stem]
    policy = load_policy(path)
    policy.seed(3)
    policy.reset(3)
    np.testing.assert_allclose(np.stack([policy.act(obs) for obs in seen]), wanted, atol=TOLERANCE)


@pytest.mark.filterwarnings("ignore::robo_rlhf.core.errors.FileWarning")
@pytest.mark.parametrize("path", sorted((GOLDEN / "rewards").glob("*.safetensors")), ids=lambda path: path.stem)
def test_rewards_are_what_they_were(path: Path) -> None:
    with np.load(GOLDEN / "rewards" / "values.npz") as values, torch.no_grad():
        np.testing.assert_allclose(load_reward(path)(*tensors(inputs())).numpy(), values[path.stem], atol=TOLERANCE)


def test_one_warning_says_that_a_checkpoint_has_no_seal() -> None:
    with pytest.warns(FileWarning, match="sealed when it is next written"):
        load_policy(GOLDEN / "policies" / "01-flow.safetensors")


def test_recordings_hold_the_same_arrays() -> None:
    recordings = ROOT / "recordings"
    wanted = json.loads((GOLDEN / "samples.json").read_text())
    assert set(wanted) <= set(list_datasets(recordings))
    found = {}
    for name in wanted:
        dataset = Dataset(recordings / name)
        arrays = dataset.arrays()
        fields = ("obs", "next_obs", "action", "source", "frame", "starts")
        known = COLUMNS_THEN.get(name)
        found[name] = {field: digest(getattr(arrays, field)) for field in fields}
        found[name] |= {field: digest(getattr(arrays, field)[:, :known]) for field in ("obs", "next_obs")}
        states = hashlib.sha256()
        for episode_id in arrays.ids:
            states.update(np.ascontiguousarray(dataset.load(episode_id).state).tobytes())
        found[name] |= {"states": states.hexdigest(), "episodes": len(arrays.ids)}
    assert found == wanted


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_answers_are_the_same_rows(tmp_path: Path) -> None:
    path = Path(shutil.copy(GOLDEN / "home" / "feedback.db", tmp_path / "feedback.db"))
    with Store(path) as store:
        asked, said = store.questions(), store.answers()
    rows = json.loads((GOLDEN / "rows.json").read_text())
    assert [[q.id, q.run, q.kind, q.task, q.dataset, [list(s) for s in q.segments]] for q in asked] == rows["questions"]
    assert [[a.question_id, a.annotator, a.annotator_kind, a.value, a.standing] for a in said] == rows["answers"]


def command(names: str, home: Path) -> list[str]:
    """Return the command of the run in the middle, by the names of `then` or of `now`."""
    then = json.loads((GOLDEN / "job.json").read_text())
    if names == "now":
        settings = [word.partition("=") for word in then]
        then = [f"{setting_now(name) or name}{sign}{value}" if sign else name for name, sign, value in settings]
    return [*then, str(home)]


@pytest.mark.filterwarnings("ignore::robo_rlhf.core.errors.FileWarning")
def test_a_run_in_the_middle_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    shutil.copytree(GOLDEN / "home", home)
    assert main(command("then", home)) == 2
    assert "choose_execution_horizon, as it is called now" in capsys.readouterr().err
    assert main(command("now", home)) == 0
    config = json.loads((home / "runs" / "job" / "config.json").read_text())
    assert config["uncertainty_penalty"] == 0.4
    assert config["teacher"]["style_costs"] == "peak_jerk"
    assert not {"caution", "tries", "choose_pace"} & set(config)
    assert (home / "runs" / "job" / "result.json").exists()


def rows(path: Path) -> list[str]:
    """Return the rows of a file of lines to the last digit; those of now have a seal."""
    return [json.dumps(row_of(line)) for line in path.read_bytes().splitlines()]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::robo_rlhf.core.errors.FileWarning")
def test_a_run_in_the_middle_ends_as_the_earlier_version_ends_it(tmp_path: Path) -> None:
    if subprocess.run(["git", "cat-file", "-e", COMMIT], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("the history is not here: this is no clone of the repository")
    ended = {}
    earlier = tmp_path / "earlier"
    subprocess.run(["git", "worktree", "add", "--detach", str(earlier), COMMIT], cwd=ROOT, check=True)
    try:
        for names, code in (("then", earlier), ("now", ROOT)):
            home = tmp_path / names
            shutil.copytree(GOLDEN / "home", home)
            program = [sys.executable, "-m", "robo_rlhf.cli.main", *command(names, home)]
            subprocess.run(program, cwd=code, env={**os.environ, "PYTHONPATH": str(code)}, check=True)
            ended[names] = home / "runs" / "job"
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(earlier)], cwd=ROOT, check=True)
    for name in ("metrics.jsonl", "truth.jsonl"):
        then, now = ({str(p.relative_to(top)): rows(p) for p in top.rglob(name)} for top in ended.values())
        assert len(then) >= 2
        assert then == now
    for path in sorted(ended["then"].rglob("policy.safetensors")):
        then_arrays = {array_name(name): array for name, array in read_checkpoint(path)[0].items()}
        now_arrays = read_checkpoint(ended["now"] / path.relative_to(ended["then"]))[0]
        assert then_arrays.keys() == now_arrays.keys()
        for name, array in then_arrays.items():
            np.testing.assert_array_equal(array, now_arrays[name])
