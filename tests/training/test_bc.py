from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError, UnknownNameError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_meta, load_policy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import bc
from tests.toy import ToyEnv, demonstrations

SMALL = {"width": 64, "layers": 2}


@pytest.fixture(scope="module")
def episodes() -> list[Episode]:
    return demonstrations(16)


@pytest.mark.parametrize(
    ("kind", "settings", "bar"),
    [("gaussian", SMALL, 0.7), ("flow", {**SMALL, "chunk": 4, "execution_horizon": 2}, 0.35)],
)
def test_clones_the_toy_task(episodes: list[Episode], kind: str, settings: dict[str, int], bar: float) -> None:
    config = bc.Config(kind, settings, updates=800, precision="float32")
    policies = {"trained": bc.fit(config, episodes), "untrained": bc.BCLearner(config, episodes).finish()}
    success = {
        name: np.mean([e.success[-1] for e in rollout(ToyEnv(32), policy, np.arange(1000, 1032))])
        for name, policy in policies.items()
    }
    assert success["trained"] > bar
    assert success["untrained"] < 0.2


def test_snapshot_that_scores_best_is_kept(episodes: list[Episode], tmp_path: Path) -> None:
    scores = iter([0.2, 0.9, 0.4])
    seen: list[np.ndarray] = []

    def score(policy: TrainedPolicy) -> float:
        seen.append(next(iter(policy.parameters())).detach().numpy().copy())
        return next(scores)

    run = Run(tmp_path, {})
    policy = bc.train(bc.Config(settings=SMALL, updates=60, candidates=3), run, episodes, score=score)
    np.testing.assert_array_equal(next(iter(policy.parameters())).detach().numpy(), seen[1])
    assert [row["step"] for row in run.metrics() if "score" in row] == [40, 50, 60]
    result = run.result()
    assert result is not None
    assert result["score"] == 0.9


def test_finished_run_is_not_done_again(episodes: list[Episode], tmp_path: Path) -> None:
    config = bc.Config(settings=SMALL, updates=10)
    bc.train(config, Run(tmp_path, config), episodes)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))

    def fail(done: int, total: int, metrics: object) -> None:
        raise AssertionError

    bc.train(config, Run(tmp_path, config), episodes, progress=fail)
    assert before == sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))


def test_checkpoint_says_what_it_is(episodes: list[Episode], tmp_path: Path) -> None:
    config = bc.Config(policy="gaussian", settings={"width": 8}, updates=10)
    run = Run(tmp_path, config)
    bc.train(config, run, episodes)
    meta = load_meta(run.checkpoint_path("policy"))
    assert (meta["task"], meta["algorithm"], meta["demonstrations"]) == ("toy", "bc", 16)
    assert load_policy(run.checkpoint_path("policy"), task="toy").kind == "gaussian"


def test_task_reward_and_success_are_not_looked_at(episodes: list[Episode]) -> None:
    config = bc.Config(settings=SMALL, updates=20)
    poisoned = [replace(e, reward=np.full_like(e.reward, np.nan), success=~e.success) for e in episodes]
    one, other = bc.fit(config, episodes), bc.fit(config, poisoned)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_not_a_number_stops_with_the_last_good_checkpoint(episodes: list[Episode], tmp_path: Path) -> None:
    run = Run(tmp_path, {})
    config = bc.Config(settings=SMALL, updates=40, save_every=10, learning_rate=1e30, clip=1e30, warmup=0)
    with pytest.raises(NonFiniteError, match=r"The imitation loss is not finite \(update \d+\)\. The last checkpoint"):
        bc.train(config, run, episodes)
    assert run.result() is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_precisions_learn_in_float32_weights(episodes: list[Episode], precision: str) -> None:
    config = bc.Config(settings=SMALL, updates=5, precision=precision)  # type: ignore[arg-type]
    policy = bc.fit(config, episodes)
    assert {p.dtype for p in policy.parameters()} == {torch.float32}


def test_bad_settings_are_named(episodes: list[Episode], tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="bc updates: expected at least 1, got 0"):
        bc.Config(updates=0)
    with pytest.raises(UnknownNameError, match=r"Unknown policy 'flou'\. Did you mean 'flow'"):
        bc.fit(bc.Config(policy="flou"), episodes)
    with pytest.raises(InvalidValueError, match=r"settings of policy flow: expected some of width, .*got widht"):
        bc.fit(bc.Config(settings={"widht": 3}), episodes)
    with pytest.raises(InvalidValueError, match="at least one step"):
        bc.fit(bc.Config(), [])


def test_snapshots_every_so_many_updates_and_at_the_end(episodes: list[Episode], tmp_path: Path) -> None:
    run, config = Run(tmp_path, {}), bc.Config("gaussian", {"width": 8}, updates=10, batch=8, select_every=4)
    assert config.selects
    bc.train(config, run, episodes, score=lambda policy: 0.5)
    assert [row["step"] for row in run.metrics() if "score" in row] == [4, 8, 10]
    with pytest.raises(InvalidValueError, match="bc select_every: expected 0 or more, got -1"):
        bc.Config(select_every=-1)


def test_the_flow_clone_of_the_main_job_computes_what_it_always_did() -> None:
    """Numbers of version 0.1, to rounding: other processors add in another order."""
    config = bc.Config(settings={"width": 32, "noise": 0.0}, updates=50, obs_noise=0.05, precision="float32", warmup=5)
    policy = bc.fit(config, demonstrations(4))
    sizes = [value.double().abs().sum().item() for value in policy.state_dict().values()]
    known = [0.0, 2.0, 0.6341, 2.8807, 104.7212, 3.1586, 90.0868, 2.8454, 89.8316, 2.4329, 68.3015, 1.4518]
    np.testing.assert_allclose(sizes, known, atol=2e-3)
    policy.reset(1)
    np.testing.assert_allclose(policy.act(demonstrations(4)[0].obs[:1]), [[-0.11657, -0.00729]], atol=2e-4)


@pytest.mark.parametrize("kind", ["gaussian", "flow", "mixture", "act", "recurrent"])
def test_little_and_dull_demonstrations_train_every_policy(episodes: list[Episode], kind: str) -> None:
    one = episodes[0]
    dull = replace(one, obs=np.ones_like(one.obs), action=np.zeros_like(one.action))
    constant = replace(one, action=np.ones_like(one.action))
    for shown in ([one], [one.slice(0, 1)], [dull], [constant, one.slice(0, 0)]):
        policy = bc.fit(bc.Config(kind, {"width": 16}, updates=3, batch=8), shown)
        policy.reset(2)
        assert np.isfinite(policy.act(one.obs[:2])).all()


def test_what_is_no_demonstration_is_named_and_leaves_nothing(episodes: list[Episode], tmp_path: Path) -> None:
    def refused(error: type[Exception], text: str, *shown: Episode) -> None:
        with pytest.raises(error, match=text):
            bc.train(bc.Config(updates=2), Run(tmp_path, {}), shown)
        assert not (tmp_path / "checkpoints").exists()

    one = episodes[0]
    obs = one.obs.copy()
    obs[3, 0] = np.inf
    refused(InvalidValueError, "expected at least one step, got 1 episodes without a step", one.slice(0, 0))
    refused(
        InvalidValueError,
        r"expected episodes of one task, got lift: .*; toy: ",
        one,
        replace(one, meta=replace(one.meta, task="lift")),
    )
    refused(
        NonFiniteError,
        r"A demonstrated observation is not finite \(episode toy-0, frame 3\)\. Leave this episode out, or trim it\.",
        replace(one, obs=obs),
    )
    with pytest.raises(InvalidValueError, match=r"Episode\.action: expected every value within \[-1, 1\], got .*nan"):
        replace(one, action=np.full_like(one.action, np.nan))


def test_noise_can_be_less_where_a_column_is_near_zero() -> None:
    episodes = demonstrations(4)
    spread = []
    for least in (1.0, 0.1):
        learner = bc.BCLearner(
            bc.Config(settings={"width": 8}, obs_noise=0.5, obs_noise_least=least, batch=4), episodes
        )
        learner.data.obs.zero_()
        spread.append(torch.cat([learner.sample().obs for _ in range(200)]).std(0))
    torch.testing.assert_close(spread[1], 0.1 * spread[0])


def test_a_column_that_was_not_shown_gets_the_scale_of_the_starts() -> None:
    one = demonstrations(1)[0]
    obs, starts = one.obs.copy(), np.zeros((2, one.obs.shape[1]), np.float32)
    obs[:, 0], starts[:, 0] = 1.0, (-0.3, 0.3)
    config = bc.Config(settings={"width": 8}, obs_noise=0.5, batch=4)
    plain, told = (bc.BCLearner(config, [replace(one, obs=obs)], starts=given) for given in (None, starts))
    assert plain.policy.normalizer.std[0] == pytest.approx(1e-3)
    assert told.policy.normalizer.std[0] == pytest.approx(0.3, rel=1e-3)
    assert plain.noise[0] == 0
    assert told.noise[0] == pytest.approx(0.15, rel=1e-3)
    torch.testing.assert_close(plain.policy.normalizer.std[1:], told.policy.normalizer.std[1:])


def test_going_on_from_a_policy_begins_with_its_weights_and_scales(episodes: list[Episode], tmp_path: Path) -> None:
    config = bc.Config("flow", SMALL, updates=20, precision="float32")
    start = bc.fit(config, episodes[:8])
    later = replace(config, seed=7, learning_rate=0.0)
    kept = bc.train(later, Run(tmp_path / "kept", later), episodes, start=start).state_dict()
    assert all((value == kept[name]).all() for name, value in start.state_dict().items())
    moved = bc.BCLearner(replace(config, seed=7), episodes, start=start)
    moved.advance()
    assert any((value != moved.policy.state_dict()[name]).any() for name, value in start.state_dict().items())
