"""How a reward model is fitted."""

from dataclasses import dataclass

from robo_rlhf.core.errors import InvalidValueError


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
        for name in ("updates", "updates_blind", "batch", "stride", "check_every", "patience"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"reward fit {name}", getattr(self, name), "at least 1")
        if not self.learning_rate > 0:
            raise InvalidValueError("reward fit learning_rate", self.learning_rate, "more than 0")
        if not self.weight_decay >= 0:
            raise InvalidValueError("reward fit weight_decay", self.weight_decay, "a number from 0")
        if not 0 < self.crop <= 1:
            raise InvalidValueError("reward fit crop", self.crop, "a number in (0, 1]")
        if not 0 <= self.flip < 1:
            raise InvalidValueError("reward fit flip", self.flip, "a number in [0, 1)")
        for name in ("margin", "pseudo"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InvalidValueError(f"reward fit {name}", getattr(self, name), "a number from 0")
        if not 0.5 <= self.pseudo_confidence < 1:
            raise InvalidValueError("reward fit pseudo_confidence", self.pseudo_confidence, "a number in [0.5, 1)")
