"""The probe page's view of a policy: pictures with arrows and paths, clips of rollouts, questions."""

import asyncio
import base64
from collections.abc import Hashable
from dataclasses import asdict
from typing import Any

import numpy as np

from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.judgeable import check_episodes
from robo_rlhf.feedback.records import Question, question_id
from robo_rlhf.rewards.attribution import in_words
from robo_rlhf.sim.rendering.annotations import Annotation, Arrow, Point, Trail
from teleop.policy_probe.messages import (
    ActionQuery,
    ActionResult,
    CompareQuery,
    CompareResult,
    FrameRef,
    Request,
    RewardCurve,
    RewardQuery,
    RewardResult,
    RolloutQuery,
    RolloutResult,
)
from teleop.station.library.entry import EpisodeKey
from teleop.station.media.file_responses import Content
from teleop.station.media.media import CameraView
from teleop.station.probe.rollouts_cache import PredictedRollout
from teleop.station.services import Station

RUN = "ask"  # that questions from the page belong to
ALONG = 30  # points of a path that is drawn
LEAST_REACH = 0.004  # [m] below which an arrow would be a dot
FIRST, OTHERS = "guide", "purple"  # colours of the rollout that the clip shows, and of the other samples


class ProbeView:
    """Answers for one page of one person."""

    def __init__(self, station: Station, who: Hashable) -> None:
        """Ask with what `station` has; `who` is the page that asks."""
        self._station, self._who = station, who

    async def predict_actions(self, at: FrameRef, policy: str, view: CameraView | None) -> dict[str, Any]:
        """Return the policy's action at a frame, and a picture of it where there is a view.

        Errors are raised with a message for the page.
        """
        seen = await self._ask(ActionQuery(at, policy))
        assert isinstance(seen, ActionResult)
        return {
            "frame": seen.frame,
            "task": seen.task,
            "names": seen.names,
            "actions": _numbers(seen.actions),
            "recorded": None if seen.recorded is None else _numbers(seen.recorded),
            "chance": seen.chance,
            "warning": seen.warning,
            "cameras": seen.cameras,
            "seen": base64.b64encode(seen.seen).decode(),
            **await self._shown(seen.scene, seen.state, view, arrows(seen)),
        }

    async def roll_out(
        self, at: FrameRef, policy: str, view: CameraView | None, seconds: float, reward: str
    ) -> dict[str, Any]:
        """Return the what-if rollouts of the policy, and a picture of its paths; raises as `look`."""
        found = await self._ask(RolloutQuery(at, policy, seconds, reward))
        assert isinstance(found, RolloutResult)
        name = self._station.futures.put(PredictedRollout(found.scene, found.states, found.fps))
        return {
            "id": name,
            "frame": found.frame,
            "steps": len(found.states) - 1,
            "fps": found.fps,
            "samples": len(found.paths),
            "succeed": int(found.success.any(axis=1).sum()),
            "done": _first(found.success[0]),
            "worth": reward_as_json(found.worth),
            "broken": found.broken,
            **await self._shown(found.scene, found.states[0], view, trails(found.paths)),
        }

    async def clip(self, name: str, view: CameraView) -> Content:
        """Return the clip of a rollout; raises NotFoundError where it is not kept any more."""
        future = self._station.futures.get(name)
        return await self._station.media.drawn(future.scene, future.states, future.fps, view)

    async def poses(self, name: str) -> bytes:
        """Return the poses of a rollout, for a page that draws it; raises as `clip`."""
        future = self._station.futures.get(name)
        return await self._station.media.scenes.poses(future.scene, future.states, future.fps)

    async def predict_reward(self, dataset: str, episode: str, reward: str) -> dict[str, Any]:
        """Return a reward model's values of the steps of an episode; raises as `look`."""
        found = await self._ask(RewardQuery(dataset, episode, reward))
        assert isinstance(found, RewardResult)
        looks = {"words": in_words(found.looks_at), "shares": dict(found.looks_at)} if found.looks_at else None
        moments = None if found.moments is None else _numbers(found.moments)
        where = {camera: base64.b64encode(picture).decode() for camera, picture in found.where.items()}
        return {"worth": reward_as_json(found.worth), "looks": looks, "moments": moments, "where": where}

    async def compare(self, at: FrameRef, policies: tuple[str, str], seconds: float, person: str) -> dict[str, Any]:
        """Record two policies' continuations, and ask annotators to compare; raises as `look`, or that they cannot.

        Asked again, it is the same question.
        """
        first, second = sorted(policies)  # the same question whichever policy the page shows
        policies = first, second
        await asyncio.to_thread(check_episodes, self._station.home, [(at.dataset, at.episode)])
        task = await asyncio.to_thread(self._task_of, at)
        found = await self._ask(CompareQuery(at, policies, seconds, f"comparisons/{task}", person))
        assert isinstance(found, CompareResult)
        asked = question_about(found, at, policies, person)
        new = await asyncio.to_thread(self._add, asked)
        return {"question": asked.id, "new": new, "dataset": found.dataset, "episodes": found.episodes}

    def _add(self, asked: Question) -> bool:
        """Ask a question unless it was asked before, perhaps by another user; return whether it is new."""
        store = self._station.store
        return not store.questions(ids=[asked.id]) and bool(store.add_questions([asked]))

    def _task_of(self, at: FrameRef) -> str:
        library = self._station.library
        library.index.refresh()
        return library.index.get(EpisodeKey(at.dataset, at.episode)).meta.task

    async def _ask(self, request: Request) -> object:
        return await asyncio.wrap_future(self._station.thinking.ask(request, self._who))

    async def _shown(
        self, scene: str, state: Array, view: CameraView | None, annotations: tuple[Arrow | Trail, ...]
    ) -> dict[str, Any]:
        """Return annotations for a page that draws, and their picture where there is a view."""
        marks = [{"kind": type(mark).__name__.lower(), **asdict(mark)} for mark in annotations]
        picture = "" if view is None else await self._picture(scene, state, view, annotations)
        return {"marks": marks, "picture": picture}

    async def _picture(self, scene: str, state: Array, view: CameraView, annotations: tuple[Annotation, ...]) -> str:
        """Return a JPEG in base 64, drawn before anything that is not live."""
        key = ("ask", self._who, bool(annotations))
        done = self._station.pool.jpegs(
            scene, state, (view.camera,), view.width, view.height, annotations=annotations, key=key
        )
        return base64.b64encode((await asyncio.wrap_future(done))[0]).decode()


def question_about(found: CompareResult, at: FrameRef, policies: tuple[str, str], person: str) -> Question:
    """Return the question which of two recorded continuations is better; their origin is in its meta."""
    clips = (
        Segment(found.episodes[0], found.start, found.length),
        Segment(found.episodes[1], found.start, found.length),
    )
    meta = {
        "asked_by": person,
        "from": {"dataset": at.dataset, "episode": at.episode, "frame": at.frame},
        "policies": list(policies),
        "digests": list(found.digests),
    }
    made = question_id(RUN, 0, "pairwise", clips)
    return Question(made, RUN, 0, "pairwise", found.task, clips, found.dataset, meta=meta)


def arrows(seen: ActionResult) -> tuple[Arrow, ...]:
    """Return an arrow for each action that chance may choose, the first one in front, from the hand on."""
    start = _point(seen.tool)
    reach = seen.reach if seen.chance else seen.reach[:1]
    long = [point for point in reach if np.linalg.norm(point - seen.tool) >= LEAST_REACH]
    return tuple(
        Arrow(start, _point(point), FIRST if i == 0 else OTHERS, 0.006 if i == 0 else 0.0025)
        for i, point in enumerate(long)
    )


def trails(paths: Array) -> tuple[Trail, ...]:
    """Return a line for each path of the hand (N, L + 1, 3), the first one in front."""
    chosen = np.unique(np.linspace(0, paths.shape[1] - 1, ALONG).round().astype(int))
    if len(chosen) < 2:
        return ()
    return tuple(
        Trail(tuple(map(_point, path[chosen])), FIRST if i == 0 else OTHERS, 0.004 if i == 0 else 0.002, fade=0.35)
        for i, path in enumerate(paths)
    )


def reward_as_json(worth: RewardCurve | None) -> dict[str, Any] | None:
    """Return a reward model's values as the page draws them."""
    return None if worth is None else {"mean": _numbers(worth.mean), "spread": _numbers(worth.spread)}


def _first(success: Array) -> int | None:
    found = np.flatnonzero(success)
    return int(found[0]) if len(found) else None


def _numbers(values: Array) -> list[Any]:
    rounded: list[Any] = np.round(values.astype(np.float64), 4).tolist()
    return rounded


def _point(array: Array) -> Point:
    x, y, z = map(float, array)
    return x, y, z
