"""What a reward model looks at: which columns, objects and moments carry its reward, by permutation.

A quantity, such as where the cube is from the hand, is several columns of observations or one of actions. Its values
are exchanged between clips, the rest stays, and the reward changes by as much as the model looks at it (Breiman 2001;
Fisher, Rudin and Dominici 2019 for groups). Every member of the ensemble is asked, and both ends of a step change.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.column_names import object_of

if TYPE_CHECKING:
    from robo_rlhf.rewards.base import RewardModel
    from robo_rlhf.vision.sight import Sight

DRAWS = 8  # exchanges of each quantity
MOST, LEAST = 0.4, 0.05  # shares from which a quantity is looked at "mostly", and "a little"
NAMED = 3  # quantities that are named in words
_CALLED = (  # of the suffixes in `column_names`: several columns, one column
    ("where {0} is", "where {0} is along {1}"),
    ("how fast {0} moves", "how fast {0} moves along {1}"),
    ("the place of {0}", "the height of {0}"),
    ("how {0} is turned", "how {0} is turned"),
)


class Quantity(NamedTuple):
    """Columns that mean one thing."""

    words: str
    obs: tuple[int, ...] = ()
    action: tuple[int, ...] = ()


class Attribution(NamedTuple):
    """What carries the reward of some clips."""

    shares: Mapping[str, float]  # words of a quantity → share of all changes, the largest first; they add up to 1
    moments: Array  # (B, L) in [0, 1], how much each step of a clip changes its reward, of the clip's largest


def quantities(obs_names: Sequence[str], action_names: Sequence[str], sight: "Sight | None" = None) -> list[Quantity]:
    """Group columns by what their names say: object and kind of quantity; pictures, numbered last, are one more."""
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(obs_names):
        groups.setdefault(_group_of(name), []).append(index)
    found = [Quantity(_words(key, [obs_names[i] for i in some]), tuple(some)) for key, some in groups.items()]
    if sight is not None:
        found.append(Quantity(f"what {' and '.join(sight.cameras)} show", (len(obs_names),)))
    return found + [Quantity(f"the action {name}", (), (index,)) for index, name in enumerate(action_names)]


def attribute(
    model: "RewardModel", obs: Array, action: Array, among: Sequence[Quantity], rng: np.random.Generator
) -> Attribution:
    """Return what carries the reward of clips: obs (B, L+1, seen_dim), action (B, L, act_dim), at least two clips.

    Raises:
        ShapeError: the arrays do not fit each other, or the model.
        InvalidValueError: there is one clip, so nothing can be exchanged.
    """
    count, length = action.shape[:2]
    if obs.shape != (count, length + 1, model.seen_dim) or action.shape[2] != model.act_dim:
        raise ShapeError("obs to attribute", (count, length + 1, model.seen_dim), obs.shape)
    if count < 2:
        raise InvalidValueError("clips to attribute", count, "at least 2, whose values can be exchanged")
    whole = scaled_rewards(model, obs, action)
    changes = np.zeros((len(among), count, length))
    for place, quantity in enumerate(among):
        for _ in range(DRAWS):
            other = (np.arange(count) + rng.integers(1, count)) % count
            seen, done = obs.copy(), action.copy()
            seen[..., quantity.obs] = obs[other][..., quantity.obs]
            done[..., quantity.action] = action[other][..., quantity.action]
            changes[place] += ((scaled_rewards(model, seen, done) - whole) ** 2).mean(0) / DRAWS
    total = changes.mean((1, 2))
    shares = total / max(float(total.sum()), 1e-12)
    order = np.argsort(-shares, kind="stable")
    by_step = np.sqrt(changes.sum(0))
    moments = by_step / np.maximum(by_step.max(1, keepdims=True), 1e-12)
    return Attribution({among[i].words: float(shares[i]) for i in order}, moments)


def in_words(shares: Mapping[str, float]) -> str:
    """Return a sentence of what the reward looks at.

    >>> in_words({"where cube is": 0.7, "the height of cube": 0.2, "grip": 0.01})
    'Mostly where cube is; a little: the height of cube.'
    """
    mostly = [words for words, share in shares.items() if share >= MOST]
    little = [words for words, share in shares.items() if LEAST <= share < MOST][: NAMED - len(mostly)]
    if not mostly and not little:
        return "Nothing in particular."
    if not mostly:
        return f"A little of many: {', '.join(little)}."
    more = f"; a little: {', '.join(little)}" if little else ""
    return f"Mostly {' and '.join(mostly)}{more}."


def as_clips(obs: Array, action: Array, model: "RewardModel", length: int = 10) -> tuple[Array, Array]:
    """Cut an episode, obs (T+1, d) and action (T, a), into clips: of one step where the model looks at no others."""
    steps = 1 if model.markovian else min(length, max(len(action) // 2, 1))
    count = len(action) // steps
    starts = np.arange(count) * steps
    cut = np.stack([obs[start : start + steps + 1] for start in starts])
    return cut, action[: count * steps].reshape(count, steps, -1)


def scaled_rewards(model: "RewardModel", obs: Array, action: Array) -> Array:
    """Return each member's reward of each step, (E, B, L), brought to deviation 1."""
    import torch  # here: pages show the words without it

    inputs = (torch.as_tensor(part, dtype=torch.float32) for part in (obs[:, :-1], action, obs[:, 1:]))
    with torch.inference_mode():
        found: Array = (model(*inputs) / model.output_std[:, None, None]).numpy()
    return found


def _group_of(name: str) -> str:
    """Return what a column belongs to: "cube d", "cube_z" apart from "cube"."""
    base, place = object_of(name)
    return f"{base} {place}" if base else name


def _words(group: str, names: Sequence[str]) -> str:
    base, _, place = group.rpartition(" ")
    if not base:
        return group.replace("_", " ")
    several, one = _CALLED[int(place)]
    text = several if len(names) > 1 else one
    return text.format(base.replace("_", " "), names[0][-1])
