"""Settings of the conditions of the real world, apart from the environment under them: they load no simulator."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

import numpy as np

from robo_rlhf.core.checks import CheckedSettings, NotNegative, Share, WholeNumber, below
from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError, UnknownNameError
from robo_rlhf.core.seal import parse_json
from robo_rlhf.core.types import EpisodeMeta

RECORDED = "conditions"  # the name under which the versions of an episode hold them
_DROPS = 1  # of random streams


@dataclass(frozen=True)
class Conditions(CheckedSettings):
    """Options of an environment, each off by default; any of them go together."""

    LABEL: ClassVar[str] = "{} of the conditions"

    drop_frames: Annotated[float, below(1, "a share from 0 to less than 1")] = 0.0
    """Share of frames that never arrive: the one before is shown again."""
    delay_frames: WholeNumber = 0
    """Steps by which frames are late, columns and pictures alike."""
    delay_actions: WholeNumber = 0
    """Steps by which actions are late; until the first arrives the robot stands still, gripper open."""
    sensor_noise: NotNegative = 0.0
    """Deviation of the noise on every column, in its unit."""
    speed_limit: Share = 1.0
    """Largest motion command that reaches the robot, as a share of the full range."""
    force_limit: NotNegative = 0.0
    """Contact force [N] above which no motion command reaches the robot, for as long as it lasts; 0: no limit."""

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != Conditions()

    def provenance(self) -> dict[str, str]:
        """Return what episodes under them record; nothing where nothing is asked for."""
        usual = asdict(Conditions())
        asked = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return {RECORDED: json.dumps(asked)} if asked else {}

    def __str__(self) -> str:
        """Return what is asked for, in words; empty where nothing is."""
        late = [(self.delay_frames, "frames"), (self.delay_actions, "actions")]
        words = [f"{what} {steps} step{'s' if steps > 1 else ''} late" for steps, what in late if steps]
        words += [f"{100 * self.drop_frames:g} % of frames lost"] if self.drop_frames else []
        words += [f"noise of {self.sensor_noise:g}"] if self.sensor_noise else []
        words += [f"speed up to {100 * self.speed_limit:g} %"] if self.speed_limit < 1 else []
        words += [f"force up to {self.force_limit:g} N"] if self.force_limit else []
        return ", ".join(words)


def conditions_from(asked: Mapping[str, object]) -> Conditions:
    """Return conditions by name, those that are missing off.

    Raises:
        UnknownNameError: there is no such condition.
        InvalidValueError: one is no number, no whole number of steps, or outside its range.
    """
    usual = asdict(Conditions())
    for name, value in asked.items():
        if name not in usual:
            raise UnknownNameError("condition", name, list(usual))
        whole = isinstance(usual[name], int)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or (whole and value != int(value)):  # type: ignore[call-overload]
            expected = "a whole number of steps" if whole else "a number"
            raise InvalidValueError(f"{name} of the conditions", value, expected)
    return Conditions(**{name: type(usual[name])(value) for name, value in asked.items()})


def read_conditions(versions: Mapping[str, str]) -> Conditions:
    """Return the conditions that an episode was recorded under, as its `versions` say.

    Raises:
        InvalidValueError: they cannot be read, or are not known here.
    """
    text = versions.get(RECORDED, "{}")
    try:
        return conditions_from(parse_json(text))
    except (AttributeError, ValueError, RoboRlhfError):
        expected = "those that this version knows; see docs/guides/pixels.md"
        raise InvalidValueError("conditions of an episode", text[:200], expected) from None


def frames_shown(meta: EpisodeMeta, frames: Iterable[int]) -> list[int]:
    """Return the number of the frame that was shown at each of `frames` of an episode; raises as `read_conditions`."""
    conditions, first = read_conditions(meta.versions), meta.parent_step if meta.trimmed else 0
    if not conditions:
        return list(frames)
    return [max(frame_shown(conditions, meta.seed, first + frame) - first, 0) for frame in frames]


def frame_shown(conditions: Conditions, seed: int, now: int) -> int:
    """Return the number of the frame that is shown at frame `now` of the episode of `seed`: late, or one before."""
    frame = max(now - conditions.delay_frames, 0)
    share = conditions.drop_frames
    while frame and share and np.random.default_rng((_DROPS, seed, frame)).random() < share:
        frame -= 1
    return frame
