"""Live signals as answers: presses about an episode become answers of the kind "moments" about pieces of it.

A press is credited to the steps that were shown 0.2 to 0.8 s before it (see `kinds.moments`), whatever piece they lie
in. Nothing of this is stored: training computes it anew each time, so presses count as soon as their episode is closed,
and those that are taken back do not count any more.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from robo_rlhf.core.errors import CorruptFileError, NotFoundError, VersionError
from robo_rlhf.core.types import Episode, Segment
from robo_rlhf.feedback.kinds.moments import MOST_PRESSES
from robo_rlhf.feedback.live_signal.credit import DELAY
from robo_rlhf.feedback.live_signal.signals import Signal, Signals
from robo_rlhf.feedback.records import Answer, Question, question_id

PIECE = 50  # steps of a piece
RECHECK_INTERVAL = 1.0  # [s] between checks for episodes that were not closed yet
KIND = "moments"


class SignalCutoff(NamedTuple):
    """Presses up to a moment, as a run that is continued needs them."""

    number: int  # of the last press
    at: str  # ISO 8601, UTC: what was taken back from then on still counts


class SignalReader:
    """The presses in a store, as training data; used by one thread."""

    def __init__(self, signals: Signals, load: Callable[[str, str], Episode]) -> None:
        """Take presses from `signals`, and episodes, by dataset and id, from `load`."""
        self._signals, self._load = signals, load
        self._known: dict[tuple[str, str], tuple[str, int]] = {}  # dataset and id → task, steps
        self._waiting: set[tuple[str, str]] = set()  # episodes that are not there, or not yet
        self._news = 0  # episodes that came after presses about them
        self._looked = 0.0

    def version(self) -> tuple[int, ...]:
        """Return a version that changes whenever there is anything new to learn; costs next to nothing."""
        if self._waiting and time.monotonic() - self._looked > RECHECK_INTERVAL:
            self._looked = time.monotonic()
            for key in tuple(self._waiting):
                self._find(key)
        return (*self._signals.version(), self._news)

    def read(
        self, run: str | None = None, task: str | None = None, until: SignalCutoff | None = None
    ) -> tuple[list[Question], list[Answer]]:
        """Return the presses about episodes that are closed as questions and answers, in a fixed order.

        Args:
            run: only those about policies of this run.
            task: only those about this task.
            until: only those up to a moment.
        """
        pressed = self._signals.list(run, withdrawn=until is not None)
        if until is not None:
            pressed = [s for s in pressed if s.number <= until.number and (not s.withdrawn or s.withdrawn >= until.at)]
        by_episode: dict[tuple[str, str, str], list[Signal]] = {}
        for signal in pressed:
            by_episode.setdefault((signal.dataset, signal.episode_id, signal.run), []).append(signal)
        questions, answers = [], []
        for (dataset, episode, of), some in sorted(by_episode.items()):
            found = self._find((dataset, episode))
            if found is None or task not in (None, found[0]):
                continue
            for question, given in pieces(some, dataset, episode, of, *found):
                questions.append(question)
                answers += given
        return questions, answers

    def _find(self, key: tuple[str, str]) -> tuple[str, int] | None:
        """Return the task and length of an episode; None where it is not closed yet, or gone."""
        if key not in self._known:
            try:
                episode = self._load(*key)
            except (NotFoundError, CorruptFileError, VersionError):
                self._waiting.add(key)
                return None
            self._news += key in self._waiting
            self._waiting.discard(key)
            self._known[key] = episode.meta.task, len(episode)
        return self._known[key]


def pieces(
    pressed: Sequence[Signal], dataset: str, episode: str, run: str, task: str, steps: int
) -> Iterator[tuple[Question, list[Answer]]]:
    """Give a question for each piece of an episode of `steps` steps that presses may mean, and each person's answer."""
    given: dict[int, dict[str, list[Signal]]] = {}
    for signal in pressed:
        first, last = signal.step - DELAY[1] * signal.rate, signal.step - DELAY[0] * signal.rate
        if last <= 0 or first >= steps:
            continue
        for piece in range(max(0, int(first)) // PIECE, math.ceil(min(last, steps) / PIECE)):
            given.setdefault(piece, {}).setdefault(signal.annotator, []).append(signal)
    for piece, by_person in sorted(given.items()):
        clip = Segment(episode, piece * PIECE, min(PIECE, steps - piece * PIECE))
        made = question_id(f"live {run}", 0, KIND, (clip,))
        question = Question(made, run or "live", 0, KIND, task, (clip,), dataset, meta={"live": True})
        yield question, [_answer(made, clip, person, some) for person, some in sorted(by_person.items())]


def _answer(question: str, clip: Segment, person: str, pressed: Sequence[Signal]) -> Answer:
    last = pressed[-1]
    value: dict[str, Any] = {"presses": [_as_answer_press(signal, clip) for signal in pressed[-MOST_PRESSES:]]}
    return Answer(question, person, "human", value, last.pressed, None, number=last.number)


def _as_answer_press(signal: Signal, clip: Segment) -> dict[str, Any]:
    """Return a press as it is about a clip: credit that belongs to what is before the clip falls outside of it."""
    return {"sign": signal.sign, "step": max(signal.step - clip.start, 0.0), "rate": signal.rate}
