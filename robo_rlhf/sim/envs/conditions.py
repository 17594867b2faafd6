"""Settings of the conditions of the real world, apart from the environment under them: they load no simulator."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from robo_rlhf.core.checks import CheckedSettings, NotNegative, Share, WholeNumber, below


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
