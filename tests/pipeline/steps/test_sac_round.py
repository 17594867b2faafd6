"""The main job without demonstrations."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.pipeline.config import PipelineConfig, preset
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.pipeline.steps import gate
from robo_rlhf.pipeline.steps.observers import NullObserver
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.training import sac
from tests.pipeline.making import do, fresh_home, read, short_config, traces


class KilledError(Exception):
    """Stands for the end of the process."""


class Killing(NullObserver):
    """Ends the process at a stage, after some of its iterations."""

    def __init__(self, stage: str) -> None:
        self.stage, self.now = stage, ""

    def begin(self, stage: str) -> None:
        self.now = stage

    def progress(self, done: int, total: int, metrics: object) -> None:
        if self.now == self.stage and done == 2:
            raise KilledError


def from_nothing(**asked: object) -> PipelineConfig:
    return short_config(demos=0, labels=24, **asked)


def whole_and_killed(config: PipelineConfig, reach_home: Path, tmp_path: Path) -> Path:
    """Do a job as a whole, and killed in its second round: both end alike. Return the folder of the second."""
    found = []
    for name in ("whole", "killed"):
        home = fresh_home(reach_home, tmp_path / name)
        path = home / "runs" / "short"
        if name == "killed":
            with pytest.raises(KilledError):
                run_loop(config, path, home, observer=Killing("round-2/finetune"))
        run_loop(config, path, home)
        found.append(traces(path))
    assert found[0] == found[1]
    return path


@pytest.mark.parametrize("stage", [pytest.param("explore", marks=pytest.mark.slow), "round-2/finetune"])
def test_it_may_explore_before_the_first_questions(tmp_path: Path, stage: str) -> None:
    config, found = from_nothing(explore=3, selection="disagreement"), []
    for name in ("whole", "killed"):
        home = tmp_path / name
        path = home / "runs" / "short"
        if name == "killed":
            with pytest.raises(KilledError):
                run_loop(config, path, home, observer=Killing(stage))
        run_loop(config, path, home)
        found.append(traces(path))
    assert found[0] == found[1]
    before, first = (_stored(path, stage)["replay/action"] for stage in ("explore", "round-1/finetune"))
    assert len(first) == len(before) + config.iterations_of(1)
    np.testing.assert_array_equal(first[: len(before)], before)  # what was seen then is remembered


def test_exploring_first_is_for_those_without_demonstrations() -> None:
    with pytest.raises(InvalidValueError, match="explore: expected 0 where there are demonstrations"):
        short_config(explore=3)


def test_the_unaided_take_as_many_steps_as_the_default() -> None:
    default, unaided = preset("default"), preset("no_demonstrations", demos=0, rounds=10)
    aided = default.num_envs * default.finetune.iterations + default.rounds * default.collect
    alone = unaided.num_envs * (unaided.sac.iterations + unaided.explore) + unaided.rounds * unaided.collect
    assert alone == pytest.approx(aided, rel=0.001)
    assert unaided.reward == default.reward


def test_the_sparing_learn_by_sac_with_and_without_demonstrations() -> None:
    corrected, alone = preset("sample_efficient", demos=1), preset("sample_efficient", demos=0)
    assert corrected.rl is corrected.sac
    assert alone.rl is alone.sac
    assert corrected.sac == alone.sac
    assert corrected.num_envs * corrected.sac.iterations < 0.2 * preset("default").num_envs * 100


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job without demonstrations; not to be written into."""
    return do(from_nothing(), tmp_path_factory.mktemp("alone"))


def test_a_job_needs_no_demonstrations_and_can_be_killed(alone: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "short"
    with pytest.raises(KilledError):
        run_loop(from_nothing(), path, tmp_path, observer=Killing("round-2/finetune"))
    run_loop(from_nothing(), path, tmp_path)
    assert traces(path) == traces(alone)
    assert read(path, "clone/result.json") == {"updates": 0}
    assert load_policy(path / "round-2" / "finetune" / "checkpoints" / "policy.safetensors", task="reach")


def test_a_round_goes_on_with_what_the_round_before_remembers(alone: Path) -> None:
    config = from_nothing()
    steps = [len(_stored(alone, f"round-{number}/finetune")["replay/action"]) for number in (1, 2)]
    assert steps == np.cumsum([config.iterations_of(number) for number in (1, 2)]).tolist()
    first, second = (_stored(alone, f"round-{number}/finetune") for number in (1, 2))
    np.testing.assert_array_equal(first["actor/normalizer.mean"], second["actor/normalizer.mean"])
    rows = Run(alone / "round-2" / "finetune", {}).metrics()
    assert rows[0]["critic_updates"] == rows[-1]["critic_updates"] + config.sac.refresh  # the reward is new


def test_a_clone_may_be_corrected_by_the_same_learner(reach_home: Path, tmp_path: Path) -> None:
    config = short_config(learner="sac", labels=24, residual_scale=0.4)
    path = whole_and_killed(config, reach_home, tmp_path)
    tuned = load_policy(path / "round-2" / "finetune" / "checkpoints" / "policy.safetensors", task="reach")
    assert isinstance(tuned, TanhGaussianPolicy)
    assert tuned.base is not None
    clone, obs = load_policy(path / "clone" / "checkpoints" / "policy.safetensors"), np.ones((3, tuned.obs_dim), "f4")
    moved = np.abs(tuned.act(obs) - clone.act(obs))
    assert 0 < moved.max() <= 0.4 + 1e-6
    assert len(_stored(path, "round-2/finetune")["replay/action"]) == config.sac.iterations


@pytest.mark.parametrize("demos", [pytest.param(0, marks=pytest.mark.slow), 4])
def test_what_a_refused_round_saw_is_not_lost(
    reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demos: int
) -> None:
    """Its policy is given up; the next round begins with the one before it and all that was seen."""
    config = short_config(learner="sac", demos=demos, labels=24, gate=True, gate_episodes=8)
    monkeypatch.setattr(gate, "may_replace", lambda context, old, new, number, stage="gate": number > 1)
    path = whole_and_killed(config, reach_home, tmp_path)
    first, second = (_stored(path, f"round-{number}/finetune") for number in (1, 2))
    assert len(second["replay/action"]) == config.sac.iterations
    np.testing.assert_array_equal(second["replay/action"][: len(first["replay/action"])], first["replay/action"])
    updates = sum(row["actor_updates"] for row in Run(path / "round-2" / "finetune", {}).metrics())
    assert float(second["actor_step/0/step"]) == updates > 0  # none of those of the refused round


def _stored(path: Path, stage: str) -> dict[str, np.ndarray]:
    found = Run(path / stage, {}).load("training")
    assert found is not None
    return found[0]


def test_without_demonstrations_the_sizes_are_those_of_learning_from_nothing() -> None:
    few, many = preset("default", demos=0), preset("default", demos=25)
    assert few.num_envs < many.num_envs
    assert sum(few.iterations_of(n) for n in range(1, few.rounds + 1)) == few.sac.iterations
    assert sum(many.iterations_of(n) for n in range(1, many.rounds + 1)) == many.finetune.iterations
    assert isinstance(few.sac, sac.Config)
