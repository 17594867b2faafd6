"""The review page's data: the next question as it is drawn, its clips as addresses, and an answer's outcome.

On the screen the clips are called A, B, ... from left to right, whatever their names in the question; the answers
that a page sends name the clips of the question. A question is assigned only when all of its clips can be shown;
a clip that cannot is put into quarantine with all questions about it, and the next question is taken.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from robo_rlhf.core import guests
from robo_rlhf.core.errors import BusyError, InvalidValueError, NotFoundError, RoboRlhfError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.core.types import Segment
from robo_rlhf.data.layout import episode_path
from robo_rlhf.episodes.access import modules_of
from robo_rlhf.feedback.assignment.assign import AssignedQuestion, QuestionFilter
from robo_rlhf.feedback.assignment.quarantine import Clip
from robo_rlhf.feedback.axes import axes_of
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.reasons.given import OBJECTS
from robo_rlhf.feedback.reasons.listed import Reason, keyed
from robo_rlhf.feedback.records import Question, clip_id
from robo_rlhf.feedback.store import Store, SubmissionResult
from teleop.station.media.file_responses import Content
from teleop.station.media.films import EpisodeFilm, FilmVideo, NoPictureError
from teleop.station.media.media import CameraView, Media
from teleop.station.operate import launch_options

MOST_BROKEN = 200  # questions that are withdrawn in one request before the annotator has to wait


class ReviewQuestions:
    """Questions of a data home, as they are drawn."""

    def __init__(self, home: Path, store: Store, media: Media, *, places: bool = False) -> None:
        """Take the questions out of `store` and the pictures from `media`.

        `places`: whether to send the episodes of the clips. They are hidden from plain annotators: a dataset may be
        called after the policy that drove, or hold nothing but questions whose answer is known.
        """
        self.home, self.store, self.media, self.places = home, store, media, places

    async def next(
        self, person: str, chosen: QuestionFilter, have: Sequence[int], practice: bool
    ) -> dict[str, Any] | None:
        """Assign the next question that can be shown; None where there is none.

        Raises:
            BusyError: too many questions are open, or nothing but broken ones came.
            NotAllowedError: none is left but those whose kind or task is code of a module that this station was not
                allowed to import; the one that came first.
        """
        known, refused = list(have), list[RoboRlhfError]()
        for _ in range(MOST_BROKEN):
            handed = await self.store.leases.next_async(person, chosen, have=known, practice=practice)
            if handed is None:
                break
            try:
                check_code(handed.question)
            except RoboRlhfError as error:  # the question stays as it is, for a station that is started with more
                await asyncio.to_thread(self.store.leases.release, handed.lease, person)
                known.append(handed.lease)  # not again in this request
                refused.append(error)
                continue
            shown = await self.check_clip(handed.question)
            if shown is not None:
                listed = self.store.tasks.reasons_lately(handed.question.task)
                return drawn(handed, shown, listed, places=self.places)
        else:
            refused.append(BusyError("The review", "many clips in a row could not be shown; they were put aside"))
        if refused:
            raise refused[0]
        return None

    async def check_clip(self, question: Question) -> list[EpisodeFilm] | None:
        """Return the properties of the clips; None where one cannot be shown: it is in quarantine then."""
        shown = []
        for clip in question.segments:
            try:
                shown.append(await self.film(question.dataset, clip))
            except NoPictureError as error:
                await asyncio.to_thread(self.put_aside, question.dataset, clip, str(error))
                return None
        return shown

    async def film(self, dataset: str, clip: Segment) -> EpisodeFilm:
        """Return the properties of a clip.

        Raises:
            NoPictureError: it cannot be shown.
        """
        path = self.path(dataset, clip.episode_id)
        for attempt in range(2):
            try:
                film = await self.media.film(path)
                break
            except NoPictureError as error:
                if error.code != "changed" or attempt:
                    raise
            except (FileNotFoundError, NotADirectoryError):
                raise NoPictureError("gone", "Its episode is not here any more.") from None
        if clip.start < 0 or clip.length < 1 or clip.start + clip.length + 1 > film.frames:
            raise NoPictureError("broken", f"Its episode has {film.frames} frames, which do not reach so far.")
        return film

    def path(self, dataset: str, episode: str) -> Path:
        """Return the file of an episode.

        Raises:
            NoPictureError: no episode of the data home can have such a name.
        """
        try:
            folder = find_dataset(self.home, dataset)
        except InvalidValueError as error:
            raise NoPictureError("gone", "Its dataset does not lie in the data home.") from error
        try:
            return episode_path(folder, episode)
        except InvalidValueError as error:
            raise NoPictureError("gone", "No episode has such a name.") from error

    def put_aside(self, dataset: str, clip: Segment, reason: str) -> None:
        """Withdraw the questions about a clip that cannot be shown."""
        self.store.clips.mark("quarantined", dataset, clip.episode_id, clip, reason=reason)

    async def report(self, person: str, lease: int, name: str) -> bool:
        """Look into a clip that a page could not show; return whether it was put aside. The question is given back.

        Raises:
            NotFoundError: the person has no such question, or no such clip.
        """
        clip = await asyncio.to_thread(self.store.clips.get, name)
        broken = clip.state != "good"
        if not broken:
            try:
                await self.film(clip.dataset, clip.segment)
            except NoPictureError as error:
                await asyncio.to_thread(self.put_aside, clip.dataset, clip.segment, str(error))
                broken = True
        await asyncio.to_thread(self.store.leases.release, lease, person)
        return broken

    async def corrections(self, dataset: str, clip: Segment, entries: Sequence[Any]) -> dict[str, Any] | None:
        """Return the correction of a clip as an answer; None where there is none.

        `entries` are the episodes of the library that the person recorded. The newest one counts that branches off the
        clip's episode inside of the clip.
        """
        stop = clip.start + clip.length
        found = [
            entry
            for entry in entries
            if entry.meta.parent == clip.episode_id
            and not entry.meta.trimmed
            and clip.start <= entry.meta.parent_step < stop
            and entry.steps > entry.meta.parent_step
        ]
        if not found:
            return None
        newest = max(found, key=lambda entry: (entry.meta.started, entry.key.episode))
        at = newest.meta.parent_step
        return {
            "choice": "corrected",
            "dataset": newest.key.dataset,
            "episode": newest.key.episode,
            "start": at,
            "length": newest.steps - at,
            "from": at,
        }


def check_code(question: Question) -> None:
    """Check that the kind and the task of a question may be used here; imports nothing but the kind.

    Raises:
        NotAllowedError: one is code of a module that nothing allows.
        UnknownNameError, MissingDependencyError, GuestError: the kind cannot be used.
    """
    KINDS[question.kind]
    for module in modules_of(question.task):
        guests.check(module, "task", question.task)


def drawn(
    handed: AssignedQuestion, shown: Sequence[EpisodeFilm], listed: Sequence[Reason], *, places: bool
) -> dict[str, Any]:
    """Return a question as the page draws it; `places`: and where its clips are from."""
    question, kind = handed.question, KINDS[handed.question.kind]
    return {
        "lease": handed.lease,
        "question": question.id,
        "kind": kind.kind,
        "prompt": question.meta.get("prompt") or kind.prompt,
        "layout": kind.layout,
        "task": question.task,
        "about": about(question.task),
        "axes": list(axes_of(question.meta, ())),
        "practice": handed.purpose == "practice",
        "seconds": handed.seconds,
        "controls": controls(question.kind, handed.order),
        "reasons": [{**reason.as_json(), "key": key} for key, reason in keyed(listed)],
        "objects": list(question.meta.get(OBJECTS, ())),
        "clips": [
            clip_on_screen(question, place, name, label, shown[place], places)
            for place, name, label in zip(handed.order, handed.shown, sorted(handed.shown), strict=True)
        ],
    }


def controls(name: str, order: Sequence[int]) -> list[dict[str, Any]]:
    """Return the controls, as named on the screen, each with the answer in the question's names of the clips.

    A kind's control is about a question whose clips stand as they do on the screen: clip i there is clip `order[i]`.
    """
    kind, back = KINDS[name], [list(order).index(place) for place in range(len(order))]
    return [
        {
            "label": control.label,
            "key": control.key,
            "value": dict(kind.permute(control.value, back)),
            "part": control.part,
            "span": control.span,
        }
        for control in kind.controls
    ]


def clip_on_screen(
    question: Question, place: int, name: str, label: str, shown: EpisodeFilm, places: bool
) -> dict[str, Any]:
    """Return one clip: its name in the question, what it is called on the screen, and where its pictures are."""
    clip = question.segments[place]
    key = clip_id(question.dataset, clip)
    return {
        "name": name,
        "label": label,
        "id": key,
        "address": f"/review/clip/{key}?v={shown.version}",
        "poses": f"/review/poses/{key}?v={shown.version}" if shown.from_states else "",
        "sees": _seen(key, shown),
        "fps": shown.fps,
        "frames": clip.length + 1,
        "cameras": [_recorded(key, clip, video, shown) for video in shown.videos],
        "start": clip.start if places else 0,
        "source": question.dataset if places else "",
        "episode": clip.episode_id if places else "",
    }


def _seen(key: str, shown: EpisodeFilm) -> dict[str, Any] | None:
    """Return which cameras the policy of a clip saw, and where their pictures are; None where it saw none."""
    sight = shown.sight
    return None if sight is None else {**asdict(sight), "address": f"/review/seen/{key}?v={shown.version}"}


def _recorded(key: str, clip: Segment, video: FilmVideo, shown: EpisodeFilm) -> dict[str, Any]:
    """Return what one camera recorded of a clip: the file, where in it the clip begins, and how much of it is there."""
    begins = clip.start / shown.fps  # [s] into the episode
    there = (video.frames / video.fps - begins) * shown.fps
    return {
        "name": video.camera,
        "address": f"/review/video/{key}?camera={quote(video.camera, safe='')}&v={shown.version}",
        "start": video.start + begins,
        "frames": max(min(clip.length + 1, round(there)), 1),
    }


def about(task: str) -> str:
    """Return a sentence about a task; empty where it is not known here."""
    choice = launch_options.task(task)
    return choice.about if choice else ""


def answer_view(written: SubmissionResult, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an answer's outcome for the page; it does not reveal whether it was a gold question."""
    return {
        "new": written.new,
        "counts": written.standing not in ("surplus", "withdrawn"),
        "feedback": known,
    }


async def recording_of(reviewing: ReviewQuestions, clip: Clip, camera: str) -> Content:
    """Return the video that a camera recorded of a clip; raises NoPictureError where there is none."""
    path = reviewing.path(clip.dataset, clip.segment.episode_id)
    try:
        return await reviewing.media.recording(path, camera)
    except FileNotFoundError:
        raise NoPictureError("gone", "Its episode is not here any more.") from None


async def content_of(reviewing: ReviewQuestions, clip: Clip, view: CameraView | tuple[int, int] | None) -> Content:
    """Return the pictures of a clip; raises NoPictureError where there are none.

    `view` None asks for its poses, two numbers for what its policy saw from one of its frames to before another.
    """
    path = reviewing.path(clip.dataset, clip.segment.episode_id)
    start, length = clip.segment.start, clip.segment.length
    try:
        if view is None:
            return await reviewing.media.poses(path, start, start + length + 1)
        if isinstance(view, tuple):
            first, end = (start + min(max(frame, 0), length + 1) for frame in view)
            return await reviewing.media.seen(path, first, end)
        return await reviewing.media.clip(path, view, start, start + length + 1)
    except FileNotFoundError:
        raise NoPictureError("gone", "Its episode is not here any more.") from None
    except InvalidValueError as error:
        raise NoPictureError("broken", str(error)) from error


def practice_feedback(store: Store, question: str, value: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the feedback on an answer to a practice question."""
    try:
        known = store.gold.get(question)
    except NotFoundError:
        return None
    return {"right": known.right(value), "expected": dict(known.expected), "why": known.explanation}
