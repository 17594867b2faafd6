"""How a reward model is fitted."""

from dataclasses import dataclass

from robo_rlhf.core.checks import above, at_least, check_ranges


@dataclass(frozen=True)
class FitSettings:
    """How a reward model is fitted."""

    updates: int = 1000
    """Gradient steps at most."""
    updates_blind: int = 200
    """Gradient steps where there are too few answers to hold any out for early stopping."""
    batch: int = 64
    """Answers per gradient step."""
    learning_rate: float = 3e-4
    """Adam's rate."""
    weight_decay: float = 0.0
    """Adam's weight decay."""
    stride: int = 4
    """Stride between the steps of a clip that a gradient step uses, from a random first one."""
    crop: float = 1.0
    """Smallest share of a clip that a gradient step uses; 1 never crops."""
    flip: float = 0.1
    """Probability that an annotator answers at random."""
    learn_flip: bool = True
    """Where several annotators answered, estimate that probability for each from held-out answers, prior `flip`."""
    margin: float = 0.0
    """Cost of the squared spread of the returns of a question's clips, which keeps margins small."""
    pseudo: float = 0.0
    """Weight of pseudo-labels: unlabelled pairs of clips that the model itself answers where it is confident."""
    pseudo_confidence: float = 0.99
    """Smallest confidence of a pseudo-label."""
    check_every: int = 50
    """Gradient steps between validations on the held-out answers."""
    patience: int = 6
    """Validations without any member improving, after which fitting stops."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range.
        """
        from_zero = at_least(0, "a number from 0")
        ranges = {
            "updates updates_blind batch stride check_every patience": at_least(1),
            "learning_rate": above(0),
            "weight_decay": from_zero,
            "crop": (lambda x: 0 < x <= 1, "a number in (0, 1]"),
            "flip": (lambda x: 0 <= x < 1, "a number in [0, 1)"),
            "margin pseudo": (lambda x: 0 <= x < float("inf"), from_zero[1]),
            "pseudo_confidence": (lambda x: 0.5 <= x < 1, "a number in [0.5, 1)"),
        }
        check_ranges(self, "reward fit {}", ranges)
