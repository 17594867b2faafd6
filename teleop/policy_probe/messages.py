"""The messages between the station and the policy probe's process; imports neither torch nor MuJoCo.

Every request names a frame of a recorded episode, in which the world is entered again from its stored state.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array

LONGEST, SHORTEST = 5.0, 0.5  # [s] of a what-if rollout
MOST_SAMPLES = 8  # what-if rollouts of one request


@dataclass(frozen=True)
class FrameRef:
    """A frame of a recorded episode."""

    dataset: str
    episode: str
    frame: int


@dataclass(frozen=True)
class ActionQuery:
    """Request for the policy's action at a frame."""

    at: FrameRef
    policy: str  # a checkpoint within the data home
    samples: int = MOST_SAMPLES


@dataclass(frozen=True)
class RolloutQuery:
    """Request for what-if rollouts: the policy in a closed loop from that frame on."""

    at: FrameRef
    policy: str
    seconds: float  # of the world, SHORTEST to LONGEST
    reward: str = ""  # a checkpoint of a reward model within the data home, or none
    samples: int = 6

    def __post_init__(self) -> None:
        """Check the length and the number.

        Raises:
            InvalidValueError: one is outside its range.
        """
        check_seconds(self.seconds)
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise InvalidValueError("what-if rollouts", self.samples, f"1 to {MOST_SAMPLES}")


@dataclass(frozen=True)
class RewardQuery:
    """Request for a reward model's values of the steps of an episode."""

    dataset: str
    episode: str
    reward: str


@dataclass(frozen=True)
class CompareQuery:
    """Request to record two policies from a frame on, for annotators to compare."""

    at: FrameRef
    policies: tuple[str, str]
    seconds: float
    into: str  # dataset that the two continuations are recorded into
    person: str  # the user

    def __post_init__(self) -> None:
        """Check the length, and that there are two policies.

        Raises:
            InvalidValueError: they are the same, or the length is outside its range.
        """
        check_seconds(self.seconds)
        if self.policies[0] == self.policies[1]:
            raise InvalidValueError("policies to compare", f"{self.policies[0]} twice", "two different ones")


Request = ActionQuery | RolloutQuery | RewardQuery | CompareQuery


@dataclass(frozen=True)
class ActionResult:
    """The policy's action at a frame."""

    frame: int
    state: Array  # (nstate,) float64
    names: tuple[str, ...]  # of the columns of an action
    actions: Array  # (K, act_dim) float32 in [-1, 1], the same K times where the policy leaves nothing to chance
    recorded: Array | None  # (act_dim,) the recorded action; None at the last frame
    tool: Array  # (3,) [m] position of the hand, in the world
    reach: Array  # (K, 3) [m] where it would be if each action were held for a moment
    chance: bool  # whether the actions differ
    task: str
    scene: str  # the name of the model that the state is drawn with
    warning: str  # how the world was another one when this was recorded; empty where it was this one
    cameras: tuple[str, ...] = ()  # whose pictures the policy sees
    seen: bytes = b""  # what they showed it: a PNG, one beside the other; empty where it sees none


@dataclass(frozen=True)
class RewardCurve:
    """A reward model's values of T steps, standardised: mean and deviation over its members."""

    mean: Array  # (T,) float32
    spread: Array  # (T,) float32


@dataclass(frozen=True)
class RolloutResult:
    """The what-if rollouts of a policy; the first of them is drawn."""

    frame: int
    scene: str  # the name of the model that the states are drawn with
    fps: float
    states: Array  # (L + 1, nstate) float64 of the first future
    paths: Array  # (N, L + 1, 3) [m] positions of the hand
    success: Array  # (N, L + 1) bool
    worth: RewardCurve | None  # of the first future's steps
    broken: str = ""  # why it ends early


@dataclass(frozen=True)
class RewardResult:
    """A reward model's values of a recorded episode, and what it looks at there."""

    worth: RewardCurve
    looks_at: Mapping[str, float] = field(default_factory=dict)  # quantity, in words → share of what carries the reward
    moments: Array | None = None  # (T,) in [0, 1], how much each step carries
    where: Mapping[str, bytes] = field(default_factory=dict)  # camera → PNG of a picture, red where the reward looks


@dataclass(frozen=True)
class CompareResult:
    """Two recorded continuations of one frame."""

    task: str
    dataset: str
    episodes: tuple[str, str]  # ids, in the order of the policies
    start: int  # the frame at which both begin
    length: int  # steps of each from there
    digests: tuple[str, str]  # of the policies' files


Result = ActionResult | RolloutResult | RewardResult | CompareResult


def check_seconds(seconds: float) -> None:
    """Check how long a future is to be.

    Raises:
        InvalidValueError: too short or too long.
    """
    if not SHORTEST <= seconds <= LONGEST:
        raise InvalidValueError("seconds of the future", seconds, f"{SHORTEST:g} to {LONGEST:g}")
