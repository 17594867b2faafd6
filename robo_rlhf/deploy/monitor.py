"""Watching a policy in use: its episodes against a reference, and what becomes of moments that look new.

What was found last lies beside the episodes in `monitor.json`, which the monitor page shows.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, NotFoundError, NotNowError
from robo_rlhf.core.files import read_if_whole, read_json, read_whole, write_json
from robo_rlhf.core.stats import wilson
from robo_rlhf.core.types import Array, Episode, Segment
from robo_rlhf.data.dataset import MIXED, Dataset
from robo_rlhf.data.layout import now, require_dataset
from robo_rlhf.data.reader import Reader
from robo_rlhf.data.recorded_videos import copy_videos
from robo_rlhf.episodes.access import open_access
from robo_rlhf.feedback.judgeable import check_questions
from robo_rlhf.feedback.records import Question, question_id
from robo_rlhf.feedback.store import Store

if TYPE_CHECKING:
    from robo_rlhf.deploy.drift import Pictures
    from robo_rlhf.vision.sight import Sight

STATE = "monitor.json"  # in the folder of the dataset
MOMENTS, SECONDS = 5, 2.0  # that look newest; [s] of each
WINDOW = 20  # episodes, as of `drift`
LATE = 0.95  # quantile of the latencies that is held against the time between two actions
NEW = "looks-new"  # the tag of episodes that were sent on
Send = Literal["review", "corrections", "training"]
KIND = {"review": "approval", "corrections": "correction"}  # of the question about a moment


@dataclass(frozen=True)
class DriftSignal:
    """One line of what is watched."""

    name: str
    value: float | None  # None where it is not known
    level: float | None  # from which on it is an alarm; None where none is known
    alarm: bool
    about: str = ""  # what deviates most, or how it was measured


@dataclass(frozen=True)
class NewMoment:
    """Steps of an episode that look new."""

    episode: str
    start: int
    length: int
    unusual: float  # times what 999 of 1000 held-out steps stay below
    why: str  # the column whose change is most unusual


class Monitor(NamedTuple):
    """What was found of a dataset."""

    policy: str
    reference: str
    episodes: int  # of the newest, that were looked at
    signals: list[DriftSignal]
    moments: list[NewMoment]
    time: str  # ISO 8601, UTC

    @property
    def alarm(self) -> bool:
        """Whether anything is over its level."""
        return any(signal.alarm for signal in self.signals)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        lists = {"signals": [asdict(s) for s in self.signals], "moments": [asdict(m) for m in self.moments]}
        return {**self._asdict(), **lists, "alarm": self.alarm}


def newest_moments(unusual: Sequence[tuple[Episode, Array, list[str]]]) -> list[NewMoment]:
    """Return the moments that look newest, of any episodes but not overlapping: each with its unusual steps (T,)."""
    found = []
    for episode, steps, why in unusual:
        length = min(max(round(SECONDS / episode.meta.control_dt), 1), len(episode))
        left = steps.copy()
        for _ in range(MOMENTS):
            worst = int(left.argmax())
            if left[worst] <= 0:
                break
            start = int(np.clip(worst - length // 2, 0, len(episode) - length))
            found.append(NewMoment(episode.meta.id, start, length, float(left[worst]), why[worst]))
            left[max(start - length // 2, 0) : start + length + length // 2] = 0
    return sorted(found, key=lambda moment: -moment.unusual)[:MOMENTS]


def reported(episodes: Sequence[Episode], usual: tuple[float, int] | None) -> list[DriftSignal]:
    """Return the signals of success as reported and of latency, of episodes that have them.

    Args:
        episodes: the newest.
        usual: the share of successes that is known of the policy, and of how many episodes.
    """
    found = []
    ended = [e.meta.outcome for e in episodes if e.meta.outcome != "aborted"]
    if ended:
        share = wilson(ended.count("success"), len(ended))
        level = None if usual is None else wilson(usual[0] * usual[1], usual[1]).low
        about = f"{ended.count('success')} of {len(ended)} episodes"
        about += "; no success of this policy is known to compare with" if level is None else ""
        found.append(DriftSignal("success", share.value, level, level is not None and share.high < level, about))
    late = [e.signals["latency"][:, 0] for e in episodes if "latency" in e.signals]
    if late:
        value, period = float(np.quantile(np.concatenate(late), LATE)), episodes[-1].meta.control_dt
        found.append(
            DriftSignal("latency", value, period, value > period, f"[s], {LATE:.0%} of the answers are faster")
        )
    return found


def usual_success(checkpoint: Path) -> tuple[float, int] | None:
    """Return the success that the run of a checkpoint has measured, and of how many episodes; None where it has not."""
    run = next((p for p in checkpoint.parents if (p / "config.json").is_file() and (p / "result.json").is_file()), None)
    result = read_json(run / "result.json", dict) if run is not None else {}
    found = result.get("before" if "clone" in checkpoint.parts else "after", result)
    share, count = (found.get("success") or {}).get("value"), found.get("episodes")
    return (float(share), int(count)) if share is not None and count else None


def training_set(checkpoint: Path, home: Path) -> tuple[str, list[str] | None]:
    """Return the dataset that a policy was trained on, and the ids of its episodes where they are known.

    Raises:
        InvalidValueError: its run does not say; another reference has to be named.
    """
    for folder in checkpoint.parents:
        config = read_if_whole(folder / "config.json")
        name, ids = config.get("dataset"), config.get("episodes")
        if isinstance(name, str) and name:
            return name, ids if isinstance(ids, list) else None
    raise InvalidValueError(
        "--reference", "none", f"a dataset to compare with: {checkpoint} does not say what it learned from"
    )


def known_state(dataset: Path) -> dict[str, Any]:
    """Return what was found last of a dataset; empty where nothing was."""
    return read_if_whole(dataset / STATE)


def send(home: Path, dataset: str, how: Send, store: Store | None, to: str = "") -> tuple[str, int]:
    """Send the moments that look new on; return where to and how many are new there.

    For review and corrections they become questions of the run `monitor-DATASET`; for training the whole episodes are
    copied into the dataset `to`. The episodes are tagged, so that no log deletes them.

    Raises:
        NotFoundError: nothing was found in the dataset yet.
        NotNowError: the moments cannot be shown, or not be entered to correct them.
    """
    folder = require_dataset(home, dataset)
    moments = [NewMoment(**one) for one in known_state(folder).get("moments", ())]
    if not moments:
        raise NotFoundError(
            "moments that look new in", dataset, f"`robo-rlhf monitor {dataset} --policy RUN` looks for them."
        )
    source = Dataset(folder)
    there = [moment for moment in moments if moment.episode in source]
    if how == "training":
        where, new = (
            to or f"{dataset}-new",
            _copy(source, there, Dataset(home / (to or f"{dataset}-new"), create=True, task=MIXED)),
        )
    else:
        where = f"monitor-{dataset.replace('/', '-')}"
        asked = [_question(source, moment, dataset, where, KIND[how]) for moment in there]
        check_questions(home, asked)
        if how == "corrections":
            _check_entered(source, there)
        assert store is not None
        new = store.add_questions(asked)
    for moment in there:
        source.tag(moment.episode, NEW)
    return where, new


def _question(source: Reader, moment: NewMoment, dataset: str, run: str, kind: str) -> Question:
    clips = (Segment(moment.episode, moment.start, moment.length),)
    task = source.info(moment.episode).meta.task
    return Question(question_id(run, 0, kind, clips), run, 0, kind, task, clips, dataset)


def _check_entered(source: Reader, moments: Sequence[NewMoment]) -> None:
    for moment in moments:
        access = open_access(source.path / "episodes" / f"{moment.episode}.parquet")
        if access.enter is None:
            advice = "Send them to review, or record how it should be done on the robot."
            raise NotNowError(
                f"Episode {moment.episode} cannot be corrected from a frame of it. {access.reason}", advice
            )


def _copy(source: Dataset, moments: Sequence[NewMoment], target: Dataset) -> int:
    new = 0
    for name in sorted({moment.episode for moment in moments}):
        if name not in target:
            episode = source.load(name)
            copy_videos(episode.meta, source.path, target.path)
            origin = {**episode.meta.origin, "dataset": source.path.name}
            target.add(replace(episode, meta=replace(episode.meta, origin=origin)), source.timing(name))
            new += 1
    return new


def watch(home: Path, dataset: str, checkpoint: Path, policy: str, reference: str = "") -> Monitor:
    """Look at the newest episodes of a dataset, store what is found beside them, and return it.

    Args:
        home: the data home.
        dataset: with the episodes of the policy in use.
        checkpoint: of the policy.
        policy: its name.
        reference: a dataset of episodes that are as they should be; what the policy was trained on where empty.

    Raises:
        NotFoundError: there is no such dataset.
        InvalidValueError: too few episodes, or of another task or other columns.
    """
    from robo_rlhf.deploy.drift import FIRST
    from robo_rlhf.policies.checkpoint import load_meta

    task = load_meta(checkpoint)["task"]
    source = Dataset(require_dataset(home, dataset))
    newest = [info.meta.id for info in source.list(task=task)][-WINDOW:]
    if len(newest) < FIRST:
        given = f"{len(newest)} of {task} in {dataset}"
        raise InvalidValueError("episodes to look at", given, f"at least {FIRST} of the task of the policy")
    name, ids = (reference, None) if reference else training_set(checkpoint, home)
    usual = Dataset(require_dataset(home, name))
    known = [info.meta.id for info in usual.list(task=task) if info.meta.outcome == "success" or reference]
    others = [one for one in known if one not in (ids or ())]  # those that the policy has not seen, if there are enough
    chosen = others if ids and len(others) >= 2 * WINDOW else known
    episodes = list(source.load_all(newest))
    signals, moments = _compared(home, checkpoint, (source, episodes), (usual, chosen))
    good = [info.meta.outcome for info in usual.list() if info.meta.outcome != "aborted"] if reference else []
    success = (good.count("success") / len(good), len(good)) if good else usual_success(checkpoint)
    signals += reported(episodes, success)
    found = Monitor(policy, name, len(newest), signals, moments, now())
    write_json(source.path / STATE, found.as_json())
    return found


def _compared(
    home: Path, checkpoint: Path, used: tuple[Dataset, list[Episode]], usual: tuple[Dataset, list[str]]
) -> tuple[list[DriftSignal], list[NewMoment]]:
    """Return what episodes of a dataset show against the ids of a usual one, and the moments that look new."""
    from robo_rlhf.deploy.drift import Drift, ObservedPolicy, key_of
    from robo_rlhf.policies.checkpoint import load_meta, load_policy

    members = sorted(checkpoint.parents[1].glob("seed-*/checkpoints/policy.safetensors"))
    policies = [load_policy(path) for path in (checkpoint, *members)]
    episodes = used[1]
    for episode in episodes:
        _check_columns(episode, policies[0].obs_dim, policies[0].act_dim)
    obs_names = list(episodes[-1].meta.obs_names) or [f"obs_{k}" for k in range(episodes[-1].obs.shape[1])]
    pictures, why = None, "one policy, which does not sample"
    if policies[0].sight is not None:
        folders = {name: usual[0].path for name in usual[1]} | {e.meta.id: used[0].path for e in episodes}
        pictures, why = _pictures(home, policies[0].sight, folders), "of a policy with cameras"
    observed = ObservedPolicy(policies, obs_names, load_meta(checkpoint).get("mask_delay"), pictures)
    content = [hashlib.sha256(read_whole(path, "Train it again.")).hexdigest() for path in (checkpoint, *members)]
    key = key_of(content, str(usual[0].path), usual[1], pictures is None)
    path = home / "cache" / "drift" / f"{key}.safetensors"
    drift = Drift.load(path)
    if drift is None:
        drift = Drift.fit(observed, list(usual[0].load_all(usual[1])), obs_names)
        drift.save(path)
    seen = [drift.watch(episode, observed) for episode in episodes]
    signals = [
        DriftSignal(f.family, f.value, f.level, f.alarm, _about(f.family, f.name, observed.kind))
        for f in drift.compare(seen)
    ]
    if observed.sees and pictures is None:
        unlike = "not known: pictures of both sides have to be recorded, or drawn from states; see --reference"
        signals.append(DriftSignal("features", None, None, False, unlike))
    if observed.kind == "none":
        signals.append(DriftSignal("disagreement", None, None, False, f"not known: {why}"))
    unusual = [
        (episode, drift.unusual(one), [obs_names[column] for column in one.columns])
        for episode, one in zip(episodes, seen, strict=True)
    ]
    return signals, newest_moments(unusual)


def _pictures(home: Path, sight: "Sight", folders: Mapping[str, Path]) -> "Pictures | None":
    """Return what shows the pictures of episodes, by the folders of their ids; None unless all are by the same means.

    Those of a video have been compressed, so they are far from those that are drawn, whatever the policy meets.
    """
    from robo_rlhf.deploy.drift import EVERY
    from robo_rlhf.vision.episode_pictures import see_episodes
    from robo_rlhf.vision.frame_cache import FRAMES, FrameCache

    access = [open_access(folder / "episodes" / f"{name}.parquet") for name, folder in folders.items()]
    seen = {one.show if one.show != "frames" or set(sight.cameras) <= set(one.videos) else None for one in access}
    if len(seen) > 1 or None in seen:
        return None
    plain, cache = replace(sight, looks=0), FrameCache(home / FRAMES)

    def pictures(episode: Episode) -> dict[str, Array]:
        found = see_episodes([episode], plain, cache, folder=folders[episode.meta.id], every=EVERY)
        return found.take(np.arange(len(found)))

    return pictures


def _about(family: str, name: str, kind: str) -> str:
    return {"features": f"{name} distance", "disagreement": f"of {kind}"}.get(family, name)


def _check_columns(episode: Episode, obs_dim: int, act_dim: int) -> None:
    given = episode.obs.shape[1], episode.action.shape[1]
    if given != (obs_dim, act_dim):
        raise InvalidValueError(
            f"episode {episode.meta.id}",
            f"{given[0]} columns and {given[1]} actions",
            f"{obs_dim} and {act_dim}, as the policy",
        )
