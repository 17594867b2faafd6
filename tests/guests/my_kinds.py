"""Two kinds of question: the best of three clips, and how good one is, on a slider from 0 to 100."""

import numpy as np

from robo_rlhf.feedback.question_kind import CANT_TELL, Control, QueryKind, Target


class BestOfThree(QueryKind):
    """Which of three clips is the best?"""

    kind = "best_of_three"
    prompt = "Which of the three is the best?"
    num_clips = range(3, 4)
    controls = (
        Control("A is the best", "1", {"choice": "A"}),
        Control("B is the best", "2", {"choice": "B"}),
        Control("C is the best", "3", {"choice": "C"}),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )


class Slider(QueryKind):
    """How good is this clip, from 0 to 100? A share of people that likes it, in a Bernoulli likelihood."""

    kind = "slider"
    prompt = "How good is this?"
    layout = "number"
    scale = "ordinal"
    levels = 101
    composed = "a score"
    controls = (
        Control("Score", "s", {"score": 50}, part=True, span=(0, 100)),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )

    def target(self, answer, clips):
        return Target(np.array([answer["score"] / 100], np.float32)) if "score" in answer else None

    def labels(self, answer):
        return {"score": answer["score"]} if "score" in answer else {}

    def log_likelihood(self, returns, values, flip):
        from torch.nn.functional import logsigmoid

        from robo_rlhf.feedback.likelihoods import log_mixed

        share, one = values[..., 0], returns[..., 0]
        return share * log_mixed(logsigmoid(one), 2, flip) + (1 - share) * log_mixed(logsigmoid(-one), 2, flip)

    def predict(self, returns, values):
        probability = returns[..., 0].sigmoid().mean(0)
        right = (probability > 0.5) == (values[:, 0] > 0.5)
        return probability.maximum(1 - probability), right.to(probability.dtype)

    def simulate(self, judge, returns, steps=()):
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        return {"score": int(judge.grade(returns, 101)[0])}
