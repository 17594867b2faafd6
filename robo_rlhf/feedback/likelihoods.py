"""Likelihoods of judgements under rewards, shared by several kinds of question. torch is imported when it is used.

Shapes: E reward models, B answers. Every choice is made at random with the chance `flip`, as in Christiano et al.
(2017), section 2.2.3, so that no answer is impossible.
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def log_mixed(meant: "Tensor", choices: "Tensor | int", flip: "Tensor") -> "Tensor":
    """Return log((1 - flip) exp(meant) + flip / choices), with a gradient also where flip is 0.

    Args:
        meant: log probability of what was chosen.
        choices: among how many.
        flip: chance of choosing at random, in [0, 1); broadcast against `meant`.
    """
    import torch

    among = math.log(choices) if isinstance(choices, int) else choices.log()
    at_random = flip.clamp_min(1e-30).log() - among
    return torch.where(flip > 0, torch.logaddexp(meant + torch.log1p(-flip), at_random), meant)


def prefer(returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
    """Bradley-Terry, (E, B): sum_k values_k log((1 - flip) softmax(returns)_k + flip / K).

    Args:
        returns: (E, B, K).
        values: (B, K) or (E, B, K), the share of each clip.
        flip: (B,) or (E, B).
    """
    return (values * log_mixed(returns.log_softmax(-1), returns.shape[-1], flip[..., None])).sum(-1)


def predict_best(returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Return the ensemble's probability of the clip that it prefers, (B,), and whether people put none above it.

    Both are NaN where people say that all clips are alike. `values` (B, K) are highest for what people like best.
    """
    import torch

    confidence, best = returns.softmax(-1).mean(0).max(-1)
    theirs = values.gather(-1, best[:, None])[:, 0]
    right = (theirs == values.amax(-1)).to(confidence.dtype)
    sided = values.amax(-1) != values.amin(-1)
    nothing = torch.full_like(right, torch.nan)
    return torch.where(sided, confidence, nothing), torch.where(sided, right, nothing)
