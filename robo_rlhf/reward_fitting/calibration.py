"""Calibration of a reward model: the temperature by which its returns are divided.

Members are calibrated one by one, on answers that they were not trained on. The reported probability is that of the
whole ensemble, and the mean of calibrated forecasts is underconfident (Ranjan and Gneiting 2010, "Combining probability
forecasts"). So the ensemble's confidence about unlabelled pairs of clips is then matched to that of a single member.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from robo_rlhf.reward_fitting.held_out import HeldOut
from robo_rlhf.reward_fitting.scores import EnsembleScores

TEMPERATURES = torch.logspace(-1.5, 1.5, 121)  # candidates for calibration
PRIOR_DEVIATION = 1.0  # prior deviation of the log temperature: keeps it near one where answers are few
PAIRS = 2000  # of clips, on which members and ensemble are compared
SHRINKING = torch.logspace(-1, 0, 61)  # candidate factors for the ensemble


def best_temperature(log_loss: Callable[[float], float], answers: int) -> float:
    """Return the temperature of the least log loss [nat an answer], held near one where `answers` are few."""
    cost = [log_loss(float(t)) + float(t.log() ** 2) / (2 * PRIOR_DEVIATION**2 * max(answers, 1)) for t in TEMPERATURES]
    return float(TEMPERATURES[min(range(len(cost)), key=cost.__getitem__)])


def member_temperature(held: HeldOut, thought: EnsembleScores, rates: Sequence[Tensor]) -> float:
    """Return the temperature at which members predict their held-out answers best, for flip rates (B,) of each group.

    Ties do not count: they are neither right nor wrong, and would make the model underconfident about other answers.
    """
    judged = held.sided(thought)
    answers = sum(int(mask.any(0).sum()) for mask in judged.masks)
    return best_temperature(lambda t: judged.loss(thought / t, rates).mean().item(), answers)


def pooled_temperature(returns: Tensor, temperature: float) -> float:
    """Return the temperature at which the ensemble is as confident as its members are, at most `temperature`.

    Args:
        returns: (E, S) of each clip by each member.
        temperature: of the members.
    """
    if len(returns) < 2:
        return temperature
    rows = torch.randint(returns.shape[1], (2, PAIRS), generator=torch.Generator().manual_seed(0))
    apart = (returns[:, rows[0]] - returns[:, rows[1]]) / temperature  # (E, PAIRS)
    wanted = _sureness(torch.sigmoid(apart))
    together = torch.stack([_sureness(torch.sigmoid(apart / s).mean(0)) for s in SHRINKING])
    return temperature * float(SHRINKING[(together - wanted).abs().argmin()])


def _sureness(first: Tensor) -> Tensor:
    """Return the mean probability of the likelier of two, where the first has the probability `first`."""
    return torch.maximum(first, 1 - first).mean()
