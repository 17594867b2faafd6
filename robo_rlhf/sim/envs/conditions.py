"""Settings of the conditions of the real world, apart from the environment under them: they load no simulator."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

import numpy as np

from robo_rlhf.core.checks import CheckedSettings, NotNegative, Share, WholeNumber, below
from robo_rlhf.core.errors import InvalidValueError

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


def read_conditions(versions: Mapping[str, str]) -> Conditions:
    """Return the conditions that an episode was recorded under, as its `versions` say.

    Raises:
        InvalidValueError: they cannot be read, or are not known here.
    """
    text = versions.get(RECORDED, "{}")
    try:
        return Conditions(**json.loads(text))
    except (TypeError, ValueError):
        raise InvalidValueError(
            "conditions of an episode", text[:200], "those that this version knows; see docs/guides/pixels.md"
        ) from None


def frame_shown(conditions: Conditions, seed: int, now: int) -> int:
    """Return the number of the frame that is shown at frame `now` of the episode of `seed`: late, or one before."""
    frame = max(now - conditions.delay_frames, 0)
    share = conditions.drop_frames
    while frame and share and np.random.default_rng((_DROPS, seed, frame)).random() < share:
        frame -= 1
    return frame
