"""What a policy or reward sees of a task: which cameras, how large, and which columns beside them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from robo_rlhf.core.checks import at_least
from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.seal import parse_json

SMALLEST, LARGEST = 8, 512  # [pixels] sides of a picture that a network sees
RECORDED = "sight"  # the name under which the versions of an episode hold that of its policy


@dataclass(frozen=True)
class Sight:
    """Cameras, and the size of their pictures, which are square."""

    cameras: tuple[str, ...]
    size: int = 96  # [pixels]
    looks: int = 0  # in how many looks recorded frames are drawn for training; 0: as the scene was made

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            InvalidValueError: no camera, one twice, or a size outside 8 to 512.
        """
        if not self.cameras or len(set(self.cameras)) < len(self.cameras):
            raise InvalidValueError("cameras", ",".join(self.cameras) or "none", "names, each of them once")
        if self.looks < 0:
            raise InvalidValueError("looks", self.looks, "0, or how many different ones")
        if not SMALLEST <= self.size <= LARGEST:
            expected = f"pixels a side, from {SMALLEST} to {LARGEST}: a network sees no more in larger ones"
            raise InvalidValueError("size of a policy's pictures", self.size, expected)

    def provenance(self) -> dict[str, str]:
        """Return what episodes of a policy that sees this record."""
        return {RECORDED: json.dumps({"cameras": self.cameras, "size": self.size})}


def read_sight(versions: Mapping[str, str]) -> Sight | None:
    """Return what the policy of an episode saw, as its `versions` say; None where it saw no pictures, or none says."""
    try:
        found = parse_json(versions.get(RECORDED, "{}"))
        return Sight(tuple(map(str, found["cameras"])), int(found["size"]))
    except (KeyError, TypeError, ValueError, InvalidValueError):
        return None


def check_cameras(asked: Iterable[str], known: Mapping[str, str] | Sequence[str]) -> None:
    """Refuse cameras that the scene does not have, or that are `known` with a reason why they are none.

    Raises:
        UnknownNameError: one is missing; the message suggests the nearest.
        InvalidValueError: one gives something else than pictures.
    """
    why = known if isinstance(known, Mapping) else dict.fromkeys(known, "")
    for camera in asked:
        if camera not in why:
            raise UnknownNameError("camera", camera, list(why))
        if why[camera]:
            raise InvalidValueError(f"pictures of camera {camera}", why[camera], "uint8 (height, width, 3)")


def columns_seen(
    what: str, obs_dim: int, columns: Sequence[int] | None, cameras: Sequence[str], augment: Mapping[str, float]
) -> list[int]:
    """Return the indices of the columns that a network sees beside cameras, all of `obs_dim` where `columns` is None.

    Raises:
        InvalidValueError: there is no such column, there are neither columns nor cameras, or a number of `augment`, by
            its name, is below 0; `what` names the network.
    """
    for name, number in augment.items():
        at_least(0).check(f"{name} of {what}", number)
    shown = list(range(obs_dim)) if columns is None else [int(i) for i in columns]
    if not all(0 <= i < obs_dim for i in shown) or not (shown or cameras):
        raise InvalidValueError(f"columns of {what}", shown, f"some of 0 to {obs_dim - 1}, or cameras")
    return shown


def shown_columns(names: Sequence[str], privileged: Sequence[str], hide: Sequence[str]) -> tuple[int, ...]:
    """Return the indices of the columns that stay when columns or objects are hidden.

    >>> shown_columns(("hand_x", "cube_dx", "cube_dy", "grip"), ("cube_dx", "cube_dy"), ("cube",))
    (0, 3)

    Args:
        names: of all columns of the task.
        privileged: those that a real robot could not measure itself.
        hide: names of columns, or of things ("cube" hides "cube_dx"); "privileged" hides all of those.

    Raises:
        UnknownNameError: there is nothing of that name.
        InvalidValueError: "privileged" where the task names no such column.
    """
    hidden: set[str] = set()
    for word in hide:
        if word == "privileged":
            if not privileged:
                expected = "a task that names its privileged columns; name columns with --hide"
                raise InvalidValueError("--proprioception-only", "a task that names none", expected)
            hidden |= set(privileged)
            continue
        found = {name for name in names if name == word or name.startswith(f"{word}_")}
        if not found:
            things = {name.partition("_")[0] for name in names}
            raise UnknownNameError("column or thing to hide", word, sorted({*things, *names}))
        hidden |= found
    return tuple(i for i, name in enumerate(names) if name not in hidden)
