"""The monitor: what is usual stays below its levels, what has changed does not; moments that look new are sent on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NotFoundError, NotNowError
from robo_rlhf.core.types import Episode, EpisodeMeta
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.deploy import drift
from robo_rlhf.deploy.drift import FIRST, Drift, ObservedPolicy
from robo_rlhf.deploy.monitor import NEW, known_state, reported, send, watch
from robo_rlhf.feedback.store import Store
from robo_rlhf.policies.base import TrainedPolicy
from tests.deploy.test_export import TASK, saved, trained

STEPS, NAMES = 40, [f"column {k}" for k in range(trained("gaussian").obs_dim)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "UPDATES", 150)


def episodes(count: int, seed: int, *, gain: float = 0.5, moved: float = 0.0) -> list[Episode]:
    """Return episodes of a made-up robot, whose columns follow its actions with a gain, from places of its own."""
    rng, policy, made = np.random.default_rng(seed), trained("gaussian"), []
    mixing = np.random.default_rng(0).standard_normal((policy.act_dim, policy.obs_dim)) / 4
    for number in range(count):
        obs, action = [rng.standard_normal(policy.obs_dim) / 4 + moved], []
        for _ in range(STEPS):
            action.append(rng.uniform(-1, 1, policy.act_dim))
            obs.append(0.9 * (obs[-1] - moved) + moved + gain * action[-1] @ mixing + 0.01 * rng.standard_normal())
        meta = EpisodeMeta(f"e{seed}-{number:03}", TASK, number, 0.05, "success", obs_names=tuple(NAMES))
        arrays = np.array(obs, np.float32), np.array(action, np.float32), np.zeros((STEPS + 1, 0))
        rest = np.zeros(STEPS, np.float32), np.ones(STEPS + 1, np.bool_), np.ones(STEPS, np.uint8)
        made.append(Episode(*arrays, *rest, {"latency": np.full((STEPS, 1), 0.01, np.float32)}, meta))
    return made


def alarms(learned: Drift, observed: ObservedPolicy, new: Sequence[Episode]) -> dict[str, str]:
    found = learned.compare([learned.watch(episode, observed) for episode in new])
    return {one.family: one.name for one in found if one.alarm}


def test_what_changed_is_found_and_what_did_not_is_not() -> None:
    observed = ObservedPolicy([trained("gaussian")], NAMES)
    learned = Drift.fit(observed, episodes(60, 1), NAMES, {})
    assert observed.kind == "none"
    assert [alarms(learned, observed, episodes(20, seed)) for seed in range(2, 8)].count({}) >= 5
    assert "changes" in alarms(learned, observed, episodes(20, 9, gain=0.25))
    assert {"values", "features"} <= alarms(learned, observed, episodes(20, 9, moved=0.5)).keys()
    assert learned.compare([learned.watch(episode, observed) for episode in episodes(FIRST - 1, 3)]) == []


@pytest.mark.parametrize(
    ("policies", "kind"),
    [([trained("gaussian"), trained("gaussian")], "ensemble of 2"), ([trained("mixture")], "4 samples")],
    ids=["ensemble", "samples"],
)
def test_which_disagreement_is_watched(policies: list[TrainedPolicy], kind: str) -> None:
    for parameter in policies[-1].parameters():
        if len(policies) > 1:
            parameter.data += 0.1
    observed = ObservedPolicy(policies, NAMES)
    features, disagreement = observed.look(episodes(1, 1)[0].obs)
    assert observed.kind == kind
    assert features.shape[0] == STEPS + 1
    assert disagreement is not None
    assert (disagreement > 0).all()


def test_success_and_latency_have_levels() -> None:
    good = episodes(20, 1)
    bad = [replace(e, meta=replace(e.meta, outcome="failure")) for e in good]
    late = [replace(e, signals={"latency": np.full((STEPS, 1), 0.06, np.float32)}) for e in good]
    assert not [signal for signal in reported(good, (0.9, 100)) if signal.alarm]
    assert [signal.name for signal in reported(bad, (0.9, 100)) if signal.alarm] == ["success"]
    assert [signal.name for signal in reported(late, (0.9, 100)) if signal.alarm] == ["latency"]
    (success, _) = reported(bad, None)
    assert success.level is None
    assert "compare" in success.about


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A policy, its training set, and what it met in use, whose tenth episode holds a moment that nobody has seen."""
    saved(tmp_path, "gaussian")
    Dataset(tmp_path / "trained", create=True).add_many(episodes(40, 1))
    used = episodes(20, 2)
    odd = used[9].obs.copy()
    odd[20:24] += 3
    used[9] = replace(used[9], obs=odd)
    Dataset(tmp_path / "in-use", create=True).add_many(used)
    return tmp_path


def test_moments_that_look_new_are_sent_on(home: Path) -> None:
    policy = home / "policy.safetensors"
    with pytest.raises(InvalidValueError, match="--reference"):
        watch(home, "in-use", policy, "cloned")
    found = watch(home, "in-use", policy, "cloned", "trained")
    assert found.moments[0].episode == "e2-009"
    assert found.moments[0].start <= 20 < found.moments[0].start + found.moments[0].length
    assert known_state(home / "in-use")["moments"][0]["episode"] == "e2-009"
    before = [path.stat().st_mtime_ns for path in (home / "cache" / "drift").iterdir()]
    assert watch(home, "in-use", policy, "cloned", "trained").signals == found.signals
    assert [path.stat().st_mtime_ns for path in (home / "cache" / "drift").iterdir()] == before  # learned once
    where, new = send(home, "in-use", "training", None)
    copied = Dataset(home / where)
    assert new == len(copied) == len({moment.episode for moment in found.moments})
    assert send(home, "in-use", "training", None) == (where, 0)
    assert NEW in Dataset(home / "in-use").info("e2-009").meta.tags
    with Store(home / "feedback.db") as store:
        with pytest.raises(NotNowError, match="no simulator states"):  # and no pictures
            send(home, "in-use", "review", store)
        with pytest.raises(NotFoundError, match="moments that look new"):
            send(home, "trained", "review", store)


def test_other_tasks_and_columns_are_refused(home: Path) -> None:
    policy = home / "policy.safetensors"
    others = [replace(e, meta=replace(e.meta, task="push")) for e in episodes(6, 1)]
    Dataset(home / "other", create=True).add_many(others)
    with pytest.raises(InvalidValueError, match=r"at least 5 of the task of the policy, got 0 of reach in other"):
        watch(home, "other", policy, "cloned", "trained")
    Dataset(home / "narrow", create=True).add_many(replace(e, obs=e.obs[:, :3]) for e in episodes(6, 1))
    with pytest.raises(InvalidValueError, match="3 columns"):
        watch(home, "narrow", policy, "cloned", "trained")


def test_of_a_policy_with_cameras_the_columns_are_watched(tmp_path: Path) -> None:
    observed = ObservedPolicy([trained("gaussian")], NAMES)
    observed.sees = True
    learned = Drift.fit(observed, episodes(40, 1), NAMES, {})
    assert set(learned.levels) == {"values", "changes"}
    assert "changes" in alarms(learned, observed, episodes(20, 9, gain=0.25))
    learned.save(tmp_path / "learned.safetensors")
    again = Drift.load(tmp_path / "learned.safetensors")
    assert again is not None
    assert again.levels == learned.levels
    (tmp_path / "learned.safetensors").write_bytes(b"damaged")
    assert Drift.load(tmp_path / "learned.safetensors") is None
