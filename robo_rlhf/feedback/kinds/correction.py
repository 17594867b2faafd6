"""Correction: the person opens the operate page at a frame of the clip and does it better from there.

The recording is a separate episode, a demonstration; it also states a preference: the corrected steps are better than
those of the original from the same frame on.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import (
    CANT_TELL,
    NOTHING,
    AnswerValue,
    Control,
    Label,
    QueryKind,
    SimulatedJudge,
    Target,
    check_clips,
)

FINE = "fine"  # the choice where there is nothing to correct; it trains nothing
SHOWN = "corrected"


class Correction(QueryKind):
    """Bradley-Terry over two clips of equal length: the correction, which is preferred, and what it corrects."""

    kind = "correction"
    prompt = "Would you do it otherwise? Show how."
    layout = "show"
    composed = "a correction"
    keys: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(
        ("choice", "dataset", "episode", "start", "length", "from", "sure", "how", "judged"), ()
    )
    controls = (
        Control("Show how", "h", {"choice": SHOWN}, part=True),
        Control("Nothing to correct", "1", {"choice": FINE}),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check that the answer is a correction, {"choice": "fine"} or {"choice": "cant_tell"}.

        A correction is {"choice": "corrected", "dataset": where its episode is, "episode": its id, "start": its first
        step that corrects, "length": how many do, "from": the step of the original episode that `start` replaces}.
        One that follows from what a person did has more: see `feedback.implicit`.
        """
        check_clips(self, num_clips)
        choice = answer.get("choice")
        if choice in (FINE, CANT_TELL):
            return
        if choice != SHOWN:
            expected = f"a choice of {SHOWN}, {FINE}, {CANT_TELL}"
            raise InvalidValueError("answer to a correction question", repr(choice), expected)
        for name in ("dataset", "episode"):
            if not isinstance(answer.get(name), str) or not answer[name]:
                raise InvalidValueError(f"{name} of a correction", repr(answer.get(name)), "its name")
        for name, least in (("start", 0), ("length", 1), ("from", 0)):
            value = answer.get(name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidValueError(f"{name} of a correction", repr(value), f"a whole number from {least}")
        sure = answer.get("sure", 1.0)
        if not isinstance(sure, int | float) or isinstance(sure, bool) or not 0 < sure <= 1:
            raise InvalidValueError("how sure a correction is", repr(sure), "a number above 0, at most 1")

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return (1, 0) for the correction and what it corrects; None where nothing was shown, or outside the clip."""
        if answer["choice"] != SHOWN:
            return None
        clip, first = clips[0], answer["from"]
        length = min(answer["length"], clip.start + clip.length - first)
        if first < clip.start or length < 1:
            return None
        shown = Segment(answer["episode"], answer["start"], length)
        pair = (shown, Segment(clip.episode_id, first, length))
        values, datasets = np.array([1.0, 0.0], np.float32), (answer["dataset"], "")
        return Target(values, float(answer.get("sure", 1.0)), clips=pair, datasets=datasets)

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return whether there was something to correct."""
        return {"corrected": answer["choice"]} if answer["choice"] in (SHOWN, FINE) else {}

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Answer that a good clip needs no correction, and else "can't tell": a simulated judge cannot show how."""
        if judge.unsure(returns) or int(judge.grade(returns, 2)[0]) == 0:
            return {"choice": CANT_TELL}
        return {"choice": FINE}

    def example(self) -> AnswerValue:
        """Return a correction, which no simulated judge can show."""
        return {"choice": SHOWN, "dataset": "monday", "episode": "better", "start": 3, "length": 9, "from": 4}


KINDS.register("correction")(Correction())
