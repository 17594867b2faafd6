"""Waiting for people to answer a run's questions: in this terminal, or by other means that write into the store."""

import getpass
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robo_rlhf.cli.typed_answers import menu, read_answer
from robo_rlhf.core.errors import (
    InvalidValueError,
    NotNowError,
)
from robo_rlhf.core.files import (
    find_dataset,
    make_folder,
    write_atomic,
)
from robo_rlhf.feedback.question_kind import CLIP_NAMES

if TYPE_CHECKING:
    from robo_rlhf.feedback.question_kind import AnswerValue, QueryKind
    from robo_rlhf.feedback.reasons.listed import Reason
    from robo_rlhf.feedback.store import Question, Store

POLL = 1.0  # [s] between checks of the store
PAGE = "Answer them side by side in a browser: `robo-rlhf serve{allow}` in another terminal, then Review."


class HumanAnnotators:
    """Asks the user at the terminal; without one, waits until the store holds all answers."""

    def __init__(self, home: Path, run: Path) -> None:
        """Find episodes under `home`; put the clips that are watched under the folder `run`."""
        self.home, self.folder = home, run / "clips"
        self.name = getpass.getuser()

    def __call__(self, store: "Store", questions: "Sequence[Question]") -> None:
        """Return when each of `questions` has an answer, or was withdrawn.

        Raises:
            NotNowError: all of them were withdrawn before they were answered.
        """
        ids = {question.id for question in questions}
        announced = False
        here = sys.stdin.isatty()
        if here:
            print(f"{len(questions)} questions. {page_for(questions[0].task)}", file=sys.stderr, flush=True)
        gone: set[str] = set()
        while waiting := [q for q in store.questions(questions[0].run, unanswered=True) if q.id in ids]:
            gone = self.tell_of_withdrawn(store, questions[0].run, ids, gone)
            if here:
                self.ask(store, waiting[0], len(questions) - len(waiting) + 1, len(questions))
                continue
            if not announced:
                text = f"{len(waiting)} questions wait for answers in {store.name}\n{page_for(questions[0].task)}"
                print(text, file=sys.stderr, flush=True)
                announced = True
            time.sleep(POLL)
        self.tell_of_withdrawn(store, questions[0].run, ids, gone)

    def tell_of_withdrawn(self, store: "Store", run: str, ids: set[str], known: set[str]) -> set[str]:
        """Print how many of the questions `ids` were withdrawn unanswered, and why, where they are not `known` yet.

        Returns:
            The questions that were.

        Raises:
            NotNowError: that is all of them.
        """
        gone = {name: why for name, why in store.withdrawn(run).items() if name in ids}
        why = next((why for name, why in gone.items() if name not in known), "")
        if gone and len(gone) == len(ids):
            advice = "Take their clips back in with the API (/clips), or start another run with --run."
            text = f"All {len(gone)} questions were withdrawn before they were answered"
            raise NotNowError(f"{text} ({why or next(iter(gone.values()))})", advice)
        if gone.keys() - known:
            text = f"{len(gone)} of {len(ids)} questions were withdrawn before they were answered ({why})"
            print(text, file=sys.stderr, flush=True)
        return set(gone)

    def ask(self, store: "Store", question: "Question", number: int, count: int) -> None:
        """Show the clips of one question and store the answer."""
        from robo_rlhf.feedback.kinds import KINDS

        kind = KINDS[question.kind]
        clips = [self.clip(question, place) for place in range(len(question.segments))]
        prompt = question.meta.get("prompt") or kind.prompt
        print(f"\nQuestion {number} of {count} · {question.task} · {prompt[:1].lower()}{prompt[1:]}")
        for label, path in zip(CLIP_NAMES, clips, strict=False):
            print(f"  {label}: {path}")
            show(path)
        started = time.monotonic()
        value = ask_until_valid(kind, question, self.rate(question), store.tasks.reasons(question.task))
        taken = time.monotonic() - started
        store.answer(question.id, self.name, value, key=uuid.uuid4().hex, response_time=taken)

    def rate(self, question: "Question") -> float:
        """Return the control rate [steps/s] of a question's clips."""
        from robo_rlhf.data.dataset import Dataset

        dataset = Dataset(find_dataset(self.home, question.dataset))
        return 1 / dataset.load(question.segments[0].episode_id).meta.control_dt

    def clip(self, question: "Question", place: int) -> Path:
        """Render one clip of a question, unless it is there, and return its file."""
        from robo_rlhf.data.layout import episode_path
        from robo_rlhf.episodes.access import open_access
        from robo_rlhf.sim.rendering.video import encode_mp4

        path = self.folder / question.id / f"{CLIP_NAMES[place]}.mp4"
        if not path.exists():
            segment = question.segments[place]
            access = open_access(episode_path(find_dataset(self.home, question.dataset), segment.episode_id))
            frames = access.frames(range(segment.start, segment.start + segment.length + 1))
            make_folder(path.parent)
            write_atomic(path, encode_mp4(frames, 1 / access.meta.control_dt))
        return path


def page_for(task: str) -> str:
    """Return how questions about a task are answered in a browser; the station imports no module unasked."""
    from robo_rlhf.episodes.access import modules_of

    return PAGE.format(allow="".join(f" --allow {module}" for module in modules_of(task)))


def ask_until_valid(
    kind: "QueryKind", question: "Question", rate: float, listed: "Sequence[Reason]" = ()
) -> "AnswerValue":
    """Ask until an answer is typed; clips have `rate` steps a second, and `listed` are the reasons of the task."""
    while True:
        try:
            print(
                f"  {menu(kind, question, listed)}\n  your answer: ", end="", flush=True
            )  # input() would prompt on stderr
            typed = input()
        except EOFError:
            raise KeyboardInterrupt from None  # Ctrl-D: as good as Ctrl-C
        try:
            return read_answer(kind, question, typed, rate, listed)
        except InvalidValueError as error:
            print(f"  {error}")


def show(path: Path) -> None:
    """Open a clip in the desktop's player where there is a desktop."""
    opener = shutil.which("xdg-open") or shutil.which("open")
    if opener and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"):
        subprocess.Popen([opener, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
