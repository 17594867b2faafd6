"""Settings of the conditions of the real world, apart from the environment under them: they load no simulator."""

from dataclasses import dataclass

from robo_rlhf.core.checks import at_least, check_ranges, within


@dataclass(frozen=True)
class Conditions:
    """Options of an environment, each off by default; any of them go together."""

    drop_frames: float = 0.0
    """Share of frames that never arrive: the one before is shown again."""
    delay_frames: int = 0
    """Steps by which frames are late, columns and pictures alike."""
    delay_actions: int = 0
    """Steps by which actions are late; until the first arrives the robot stands still, gripper open."""
    sensor_noise: float = 0.0
    """Deviation of the noise on every column, in its unit."""
    speed_limit: float = 1.0
    """Largest motion command that reaches the robot, as a share of the full range."""
    force_limit: float = 0.0
    """Contact force [N] above which no motion command reaches the robot, for as long as it lasts; 0: no limit."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one of them.
        """
        ranges = {
            "drop_frames": (lambda share: 0 <= share < 1, "a share from 0 to less than 1"),
            "delay_frames delay_actions": at_least(0, "0 steps or more"),
            "sensor_noise force_limit": at_least(0, "0 or more"),
            "speed_limit": within(0, 1),
        }
        check_ranges(self, "{} of the conditions", ranges)

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != Conditions()
