"""How a reward model is fitted."""

from dataclasses import dataclass
from math import inf
from typing import Annotated, ClassVar

from robo_rlhf.core.checks import CheckedSettings, Count, NotNegative, Positive, below, in_range


@dataclass(frozen=True)
class FitSettings(CheckedSettings):
    """How a reward model is fitted."""

    LABEL: ClassVar[str] = "reward fit {}"

    updates: Count = 1000
    """Gradient steps at most."""
    updates_blind: Count = 200
    """Gradient steps where there are too few answers to hold any out for early stopping."""
    batch: Count = 64
    """Answers per gradient step."""
    learning_rate: Positive = 3e-4
    """Adam's rate."""
    weight_decay: NotNegative = 0.0
    """Adam's weight decay."""
    stride: Count = 4
    """Stride between the steps of a clip that a gradient step uses, from a random first one."""
    crop: Annotated[float, in_range(lambda share: 0 < share <= 1, "a number in (0, 1]")] = 1.0
    """Smallest share of a clip that a gradient step uses; 1 never crops."""
    flip: Annotated[float, below(1)] = 0.1
    """Probability that an annotator answers at random."""
    learn_flip: bool = True
    """Where several annotators answered, estimate that probability for each from held-out answers, prior `flip`."""
    margin: Annotated[float, below(inf, "a number from 0")] = 0.0
    """Cost of the squared spread of the returns of a question's clips, which keeps margins small."""
    pseudo: Annotated[float, below(inf, "a number from 0")] = 0.0
    """Weight of pseudo-labels: unlabelled pairs of clips that the model itself answers where it is confident."""
    pseudo_confidence: Annotated[float, in_range(lambda share: 0.5 <= share < 1, "a number in [0.5, 1)")] = 0.99
    """Smallest confidence of a pseudo-label."""
    check_every: Count = 50
    """Gradient steps between validations on the held-out answers."""
    patience: Count = 6
    """Validations without any member improving, after which fitting stops."""
