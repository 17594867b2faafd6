import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.kinds import KINDS

RANKING, PAIRWISE = KINDS["ranking"], KINDS["pairwise"]
CLIPS = tuple(Segment(f"e{i}", 0, 5) for i in range(6))


def places(groups: list[list[str]], clips: int) -> torch.Tensor:
    target = RANKING.target({"ranking": groups}, CLIPS[:clips])
    assert target is not None
    return torch.from_numpy(target.values).double()[None]


def by_hand(returns: np.ndarray, groups: list[list[str]], flip: float) -> float:
    """Mean over every order that agrees with the groups of the log probability of its choices."""
    parts = [["ABCDEF".index(name) for name in group] for group in groups]
    logs = []
    for orders in itertools.product(*(itertools.permutations(part) for part in parts)):
        order = [clip for part in orders for clip in part]
        total = 0.0
        for i in range(len(order) - 1):
            left = np.exp(returns[order[i:]])
            total += np.log((1 - flip) * left[0] / left.sum() + flip / len(left))
        logs.append(total)
    return float(np.mean(logs))


@pytest.mark.parametrize("flip", [0.0, 0.1])
@pytest.mark.parametrize(
    "groups",
    [
        [["B"], ["A"], ["C"]],
        [["A", "C"], ["B"]],
        [["B"], ["A", "C", "D"]],
        [["A", "B", "C", "D"]],
        [["D", "A"], ["B", "C"]],
    ],
)
def test_likelihood_is_the_mean_over_the_orders_that_agree(groups: list[list[str]], flip: float) -> None:
    clips = sum(len(group) for group in groups)
    returns = np.random.default_rng(0).normal(size=clips)
    found = RANKING.log_likelihood(torch.from_numpy(returns)[None, None], places(groups, clips), torch.tensor([flip]))
    assert float(found) == pytest.approx(by_hand(returns, groups, flip), rel=1e-6)


def test_of_two_clips_it_is_the_pairwise_likelihood() -> None:
    returns, flip = torch.tensor([[[0.7, -0.4]]]), torch.tensor([0.1])
    for place, share in (([0.0, 1.0], [1.0, 0.0]), ([0.0, 0.0], [0.5, 0.5])):
        one = RANKING.log_likelihood(returns, torch.tensor([place]), flip)
        torch.testing.assert_close(one, PAIRWISE.log_likelihood(returns, torch.tensor([share]), flip))


def test_probabilities_of_all_orders_add_up_to_one() -> None:
    returns = torch.randn(2, 24, 4)
    ranks = torch.tensor(list(itertools.permutations(range(4)))).float()
    likely = RANKING.log_likelihood(returns[:, :1].expand(2, 24, 4), ranks, torch.full((24,), 0.1))
    torch.testing.assert_close(likely.exp().sum(1), torch.ones(2))


def test_each_member_may_have_its_own_batch() -> None:
    returns = torch.randn(3, 4, 5)
    ranks = torch.stack([torch.stack([torch.randperm(5) for _ in range(4)]) for _ in range(3)]).float()
    flip = torch.tensor([0.0, 0.1, 0.0, 0.1]).expand(3, 4)
    together = RANKING.log_likelihood(returns, ranks, flip)
    alone = [RANKING.log_likelihood(returns[i : i + 1], ranks[i], flip[i])[0] for i in range(3)]
    torch.testing.assert_close(together, torch.stack(alone))


def test_a_tie_of_all_pulls_the_returns_together() -> None:
    returns = torch.tensor([[[3.0, 0.0, 1.0]]], requires_grad=True)
    RANKING.log_likelihood(returns, torch.zeros(1, 3), torch.zeros(1)).sum().backward()
    assert returns.grad is not None
    assert returns.grad[0, 0, 0] < 0 < returns.grad[0, 0, 1]


@settings(max_examples=20)
@given(st.permutations(list("ABCDE")), st.permutations(range(5)))
def test_renaming_and_ranking_commute(order: list[str], moved: list[int]) -> None:
    answer = {"ranking": [[name] for name in order], "note": "x"}
    found = RANKING.permute(answer, moved)
    values = [places(a["ranking"], 5)[0] for a in (answer, found)]
    torch.testing.assert_close(values[1], values[0][list(moved)])
    assert found["note"] == "x"


def test_labels_are_of_pairs() -> None:
    found = RANKING.labels({"ranking": [["C"], ["A", "B"]]})
    assert found == {"AB": "neither", "AC": "C", "BC": "C"}


@pytest.mark.parametrize(
    "groups",
    [
        [["A"], ["B"]],
        [["A", "B", "C", "C"]],
        [["A"], [], ["B", "C"]],
        "ABC",
        [["A"], "BC"],
        [[1, 2, 3]],
        [["A", "B", "D"]],
    ],
)
def test_rankings_that_are_none(groups: object) -> None:
    with pytest.raises(InvalidValueError, match="answer to a ranking question: expected a ranking in groups"):
        RANKING.validate({"ranking": groups}, 3)


def test_two_clips_are_too_few() -> None:
    with pytest.raises(InvalidValueError, match=r"^clips of a ranking question: expected 3 to 6, got 2\.$"):
        RANKING.validate({"ranking": [["A"], ["B"]]}, 2)
