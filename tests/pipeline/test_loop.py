import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError, NotFoundError, UnknownNameError
from robo_rlhf.core.runs import read_checkpoint, write_checkpoint
from robo_rlhf.core.types import Step, VecEnv
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.config import PipelineConfig, preset, share
from robo_rlhf.pipeline.demonstrations import find_demonstrations
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.pipeline.steps import exploration_noise
from robo_rlhf.pipeline.steps.cloning import clone_demonstrations, load_demonstrations, trimmed
from robo_rlhf.pipeline.steps.evaluation import EVALUATED
from robo_rlhf.pipeline.steps.finetuning import finetune
from robo_rlhf.pipeline.steps.gate import may_replace
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.rewards.success import load_success
from robo_rlhf.rollouts.evaluation import FIRST_SEED
from tests.pipeline.making import do, fresh_home, opened, read, short_config, traces


class Poisoned:
    """An environment whose task reward and success are rubbish; everything else is as it was."""

    def __init__(self, env: VecEnv) -> None:
        self.env = env

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def step(self, action: np.ndarray) -> Step:
        step = self.env.step(action)
        rubbish = np.random.default_rng(int(1e6 * abs(step.obs).sum())).random(len(step.success)) < 0.5
        return step._replace(reward=np.full_like(step.reward, np.nan), success=rubbish)


def test_a_job_leaves_every_stage_in_its_folder(finished: Path) -> None:
    assert set(read(finished, "result.json")) == {"before", "after", "policy"}
    for number in (1, 2):
        assert read(finished, f"round-{number}/answer/result.json")["simulated"] == 20
        rows = (finished / f"round-{number}/finetune/truth.jsonl").read_text().splitlines()
        assert len(rows) == read(finished, f"round-{number}/finetune/result.json")["iterations"]
    with Store(finished.parents[1] / "feedback.db") as store:
        assert store.counts(run="short").answers == 40
    shown = Dataset(finished / EVALUATED)
    assert {name.rpartition("-")[0] for name in shown.ids()} == {"before", "after"}  # its gates are off
    kept = shown.load(f"after-{FIRST_SEED}")
    assert (kept.meta.device, kept.meta.operator) == ("policy", "short")
    assert (kept.meta.outcome == "success") == read(finished, "after/result.json")["success_end"][0]
    assert kept.state.shape[1] > 0


def test_orders_of_four_clips_are_asked_for_and_learned_from(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    run = do(short_config(question="ranking", rounds=1, labels=8, approvals=0.0), home, report=True)
    with Store(home / "feedback.db") as store:
        assert {(q.kind, len(q.segments)) for q in store.questions("short")} == {("ranking", 4)}
        orders = sum("ranking" in answer.value for answer in store.answers(run="short"))
    assert read(run, "round-1/reward/result.json")["trained"]["answers"] == orders > 0
    row = f"<tr><td>round 1</td><td>{orders}</td><td>{8 - orders}</td><td>8</td></tr>"
    assert row in (run / "report.html").read_text()


def test_the_name_of_a_run_and_its_neighbours_change_nothing(finished: Path, tmp_path: Path) -> None:
    home = fresh_home(finished.parents[1], tmp_path / "home")
    assert traces(do(short_config(labels=40), home, "another name")) == traces(finished)


def test_the_answers_of_a_deleted_run_of_the_same_name_are_not_mixed_in(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    config = short_config(rounds=1, labels=8)
    run = do(config, home)
    shutil.rmtree(run)
    teacher = dataclasses.replace(config.teacher, mistake=1.0)
    with pytest.raises(InvalidValueError, match=f"a name that no earlier run had.*{run.name}"):
        do(dataclasses.replace(config, teacher=teacher), home)


def test_another_seed_is_another_job(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    first, second = (traces(do(short_config(rounds=1, seed=seed), home, f"seed {seed}")) for seed in (0, 1))
    assert first.keys() == second.keys()
    assert first["clone/checkpoints/policy.safetensors"] != second["clone/checkpoints/policy.safetensors"]
    assert first["round-1/finetune/metrics.jsonl"] != second["round-1/finetune/metrics.jsonl"]


def test_fine_tuning_never_sees_task_reward_or_success(finished: Path, reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(finished.parents[1], tmp_path / "home")
    path = home / "runs" / "short"
    stage = path / "round-1" / "finetune"
    before = {name: (stage / name).read_bytes() for name in ("checkpoints/policy.safetensors", "metrics.jsonl")}
    truth = (stage / "truth.jsonl").read_text()
    for file in sorted(stage.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    config = short_config(labels=40)
    with opened(config, home) as context:
        policy = dataclasses.replace(
            clone_demonstrations(context),
            reward=load_reward(path / "round-1" / "reward" / "checkpoints" / "reward.safetensors"),
            success=load_success(path / "round-1" / "success" / "checkpoints" / "success.safetensors"),
        )
        poisoned: Any = Poisoned(context.env)
        finetune(dataclasses.replace(context, env=poisoned), policy, 1)
    assert {name: (stage / name).read_bytes() for name in before} == before
    assert (stage / "truth.jsonl").read_text() != truth  # the poison was there


def test_choices_never_see_task_reward_or_success(
    finished: Path, reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exploration_noise, "EPISODES", 8)
    home, found = fresh_home(reach_home, tmp_path / "home"), []
    head = load_success(finished / "round-1" / "success" / "checkpoints" / "success.safetensors")
    settings = {"choose_exploration_noise": True, "gate_episodes": 8}
    for number, wrap in enumerate((lambda env: env, Poisoned)):
        with opened(short_config(**settings), home, f"choices {number}") as context:
            seen: Any = wrap(context.env)
            seeing = dataclasses.replace(context, env=seen)
            policy = dataclasses.replace(clone_demonstrations(context), success=head)
            exploration_noise.choose_exploration_noise(seeing, policy)
            may_replace(seeing, policy, policy, 1)
        found.append([read(context.run.path, f"{stage}/result.json") for stage in ("exploration", "round-1/gate")])
    assert found[0] == found[1]


def test_what_becomes_of_a_dataset_does_not_disturb_a_job(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    config = short_config(rounds=1)
    with opened(config, home, "later") as context:
        clone_demonstrations(context)
    dataset = Dataset(home / "samples" / "reach")
    first = next(iter(dataset.load_all()))
    dataset.add(dataclasses.replace(first, meta=dataclasses.replace(first.meta, id="a-new-one")))
    taken = [episode.meta.id for episode in load_demonstrations(context)]
    assert len(taken) == config.demos
    for name in taken:
        dataset.delete(name)
    assert [episode.meta.id for episode in load_demonstrations(context)] == taken
    assert do(config, home, "later").exists()


def test_a_finished_job_is_only_read(finished: Path) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    home = finished.parents[1]
    before, after = run_loop(short_config(labels=40), finished, home)
    assert before.summary() == read(finished, "result.json")["before"]
    assert after.summary() == read(finished, "result.json")["after"]
    assert stamps == {path: path.stat().st_mtime_ns for path in finished.rglob("*")}


def test_a_policy_of_nan_stops_the_job(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    config = short_config()
    path = home / "runs" / "spoiled"
    with opened(config, home, "spoiled") as context:
        clone_demonstrations(context)
    spoil(path / "clone" / "checkpoints" / "policy.safetensors")
    with pytest.raises(NonFiniteError, match="is not finite"):
        run_loop(config, path, home)


def spoil(checkpoint: Path) -> None:
    """Make every weight of a checkpoint NaN."""
    arrays, meta = read_checkpoint(checkpoint)
    spoiled = {name: np.full_like(a, np.nan) if a.dtype.kind == "f" else a for name, a in arrays.items()}
    write_checkpoint(checkpoint, spoiled, meta)


@pytest.mark.parametrize("task", ["reach", "push"])
def test_a_job_without_demonstrations_leaves_no_folder(task: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=f"robo-rlhf record --task {task} .* --dataset samples/{task}`"):
        run_loop(preset("tiny", task=task), tmp_path / "runs" / "none", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_samples_of_a_checkout_are_found_from_any_home(
    reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robo_rlhf.core.files.SHIPPED", reach_home)
    dataset, found = find_demonstrations(preset("tiny", task="reach", demos=4), tmp_path)
    assert (dataset.path, len(found)) == (reach_home / "samples" / "reach", 8)
    Dataset(tmp_path / "samples" / "reach", create=True)
    with pytest.raises(NotFoundError, match=r"No demonstration in .* of task 'reach'"):  # the home's own come first
        find_demonstrations(preset("tiny", task="reach", demos=4), tmp_path)


def test_demonstrations_end_as_long_after_success_as_asked(reach_home: Path) -> None:
    dataset = Dataset(reach_home / "samples" / "reach")
    (whole,) = dataset.load_all(dataset.ids()[:1])
    assert whole.success[-1]
    short = trimmed(whole, 1)
    assert short.success[-1]
    assert not short.success[-2]
    assert len(trimmed(whole, 3)) == min(len(short) + 2, len(whole))
    assert len(trimmed(whole, 10**6)) == len(whole)


def test_too_few_demonstrations_are_told_with_their_number(reach_home: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"--demos: expected at most the 8 that .*reach holds, got 9"):
        run_loop(short_config(demos=9), reach_home / "runs" / "none", reach_home)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"labels": 0}, "labels: expected at least 1, got 0"),
        ({"labels": 2, "rounds": 3}, "--labels: expected at least one a round, 3, got 2"),
        ({"num_envs": 0}, "num_envs: expected at least 1, got 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        PipelineConfig(**wrong)  # type: ignore[arg-type]


def test_a_kind_of_question_that_no_job_asks_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Unknown kind of question 'rankings'"):
        PipelineConfig(question="rankings")


@pytest.mark.parametrize(("total", "weights"), [(200, [1.0, 1.0, 1.0]), (60, [1.0, 1.0, 2.0]), (3, [1.0, 1.0, 1.0])])
def test_shares_add_up(total: int, weights: list[float]) -> None:
    parts = share(total, weights)
    assert sum(parts) == total
    assert min(parts) >= 1
