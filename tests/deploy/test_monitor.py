"""The monitor: what is usual stays below its levels, what has changed does not; moments that look new are sent on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NotFoundError, NotNowError
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, RecordedVideo
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recorded_videos import store_video
from robo_rlhf.deploy import drift
from robo_rlhf.deploy.drift import FIRST, Drift, ObservedPolicy, Pictures
from robo_rlhf.deploy.monitor import NEW, known_state, reported, send, watch
from robo_rlhf.feedback.store import Store
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import save_policy
from robo_rlhf.sim.rendering.video import encode_mp4
from tests.deploy.test_export import CAMERAS, TASK, saved, seeing, trained

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
    learned = Drift.fit(observed, episodes(60, 1), NAMES)
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
    features, disagreement = observed.look(episodes(1, 1)[0])
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
    learned = Drift.fit(observed, episodes(40, 1), NAMES)
    assert set(learned.levels) == {"values", "changes"}
    assert "changes" in alarms(learned, observed, episodes(20, 9, gain=0.25))
    learned.save(tmp_path / "learned.safetensors")
    again = Drift.load(tmp_path / "learned.safetensors")
    assert again is not None
    assert again.levels == learned.levels
    (tmp_path / "learned.safetensors").write_bytes(b"damaged")
    assert Drift.load(tmp_path / "learned.safetensors") is None


def test_of_a_policy_with_cameras_its_encoders_are_watched() -> None:
    def pictures(change: int) -> Pictures:
        def shown(episode: Episode) -> dict[str, Array]:
            rng = np.random.default_rng(episode.meta.seed)
            return {name: (rng.integers(0, 90, (11, 16, 16, 3)) + change).astype(np.uint8) for name in CAMERAS}

        return shown

    usual, moved = (ObservedPolicy([seeing("gaussian")], NAMES, pictures=pictures(change)) for change in (0, 60))
    learned = Drift.fit(usual, episodes(40, 1), NAMES)
    assert set(learned.levels) == {"values", "changes", "features"}
    assert "features" not in alarms(learned, usual, episodes(20, 9))
    assert "features" in alarms(learned, moved, episodes(20, 9))


def test_pictures_that_are_shown_in_other_ways_are_not_compared(tmp_path: Path) -> None:
    save_policy(seeing("gaussian"), tmp_path / "policy.safetensors", {"task": TASK, "algorithm": "bc"})

    def store(name: str, count: int, seed: int, *, cameras: Sequence[str]) -> None:
        dataset = Dataset(tmp_path / name, create=True)
        picture = np.random.default_rng(seed).integers(0, 256, (STEPS + 1, 16, 16, 3), np.uint8)
        video = store_video(dataset.path, encode_mp4(iter(picture), 20.0, STEPS + 1), "mp4")
        frames = {camera: RecordedVideo(video, video, 20.0, STEPS + 1, 16, 16) for camera in cameras}
        dataset.add_many(replace(e, meta=replace(e.meta, frames=frames)) for e in episodes(count, seed))

    for name, count, seed, cameras in (
        ("week", 20, 1, CAMERAS),
        ("served", 5, 2, CAMERAS),
        ("old", 20, 3, CAMERAS[:1]),
    ):
        store(name, count, seed, cameras=cameras)
    for reference, known in (("week", True), ("old", False)):
        found = watch(tmp_path, "served", tmp_path / "policy.safetensors", "cloned", reference)
        (features,) = (signal for signal in found.signals if signal.name == "features")
        assert (features.level is not None) == known
        assert ("not known" in features.about) == (not known)
