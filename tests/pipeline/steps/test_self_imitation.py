"""Self-imitation: a cloned policy's rollouts, and which of them are imitated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import write_json
from robo_rlhf.core.types import Array, Episode, VecEnv
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.steps import self_imitation
from robo_rlhf.pipeline.steps.chunk_execution import success_at_chosen_horizon
from robo_rlhf.pipeline.steps.cloning import clone_demonstrations
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.rollouts.evaluation import Evaluation
from tests.pipeline.making import do, fresh_home, opened, read, short_config, traces

TURNS = replace(short_config(), self_imitation_rounds=2, self_imitation_episodes=8)


def succeeding(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Let this share of the tries count as successes, whatever happened in them."""
    real = self_imitation.rollout

    def rollout(env: VecEnv, policy: object, seeds: Array, **asked: object) -> list[Episode]:
        episodes = real(env, policy, seeds, **asked)
        outcome = ["success" if i < share * len(seeds) else "failure" for i in range(len(seeds))]
        return [replace(e, meta=replace(e.meta, outcome=o)) for e, o in zip(episodes, outcome, strict=True)]

    monkeypatch.setattr(self_imitation, "rollout", rollout)


def judging(monkeypatch: pytest.MonkeyPatch, *successes: float) -> None:
    """Let the clones, in the order in which they come, succeed so often."""
    left = list(successes)

    def judged(env: object, policy: object, seeds: Array) -> Evaluation:
        done = tuple(bool(x) for x in np.arange(len(seeds)) < left[0] * len(seeds))
        del left[0]
        return Evaluation("reach", tuple(range(len(seeds))), done, done, (0.0,) * len(seeds), {})

    monkeypatch.setattr(self_imitation, "evaluate", judged)


@pytest.mark.parametrize(("later", "base"), [((0.6, 0.7), "tries-2"), ((0.6, 0.5), "tries-1"), ((0.2, 0.3), "clone")])
def test_the_best_clone_is_kept(
    later: tuple[float, float], base: str, reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    succeeding(monkeypatch, 0.5)
    judging(monkeypatch, 0.4, *later)
    for _ in range(2):  # the second time from what stands in the folder: nobody is judged again
        with opened(TURNS, home) as context:
            found = self_imitation.self_imitate(context, clone_demonstrations(context))
        assert found.base == base
        stored = load_policy(context.run.path / base / "checkpoints" / "policy.safetensors").state_dict()
        assert all((value == stored[name]).all() for name, value in found.network.state_dict().items())
    own = Dataset(context.run.path / "tries")
    assert len(own.ids()) == 8  # half of eight, in two turns
    shown = read(context.run.path, "tries-2/config.json")["found"]
    assert sorted(shown) == sorted(own.ids())


def test_without_a_success_nothing_changes(reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    succeeding(monkeypatch, 0.0)
    with opened(TURNS, home) as context:
        assert self_imitation.self_imitate(context, clone_demonstrations(context)).base == "clone"
    assert read(context.run.path, "tries-1/act/result.json") == {"tries": 8, "successes": []}
    assert not (context.run.path / "tries-2").exists()


def test_a_job_goes_on_from_its_tries_and_ends_the_same(
    reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_imitation, "EPISODES", 8)
    succeeding(monkeypatch, 0.5)
    done = do(replace(TURNS, rounds=1, self_imitation_rounds=1), fresh_home(reach_home, tmp_path / "home"))
    first = traces(done)
    for stage in ("tries-1", "before", "round-1/collect", "round-1/finetune", "after"):  # as if killed in the midst
        (done / stage / "result.json").unlink()
    (done / "result.json").unlink()
    assert traces(do(replace(TURNS, rounds=1, self_imitation_rounds=1), tmp_path / "home")) == first


def test_the_rollouts_that_chose_a_pace_judge_too(reach_home: Path, tmp_path: Path) -> None:
    with opened(TURNS, fresh_home(reach_home, tmp_path / "home")) as context:
        policy = clone_demonstrations(context)
        write_json(context.run.path / "pace" / "result.json", {"success": [0.25, 0.75]})
        assert success_at_chosen_horizon(context, "clone") == 0.75
        assert success_at_chosen_horizon(context, "tries-1") is None
        assert self_imitation._success_in_rollouts(context, policy) == 0.75


def test_a_negative_number_of_turns_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"self_imitation_rounds: expected 0 or more, got -1"):
        short_config(self_imitation_rounds=-1)
