"""Contract of every question kind; answers come from a simulated teacher, as returns of clips do."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CANT_TELL, CLIP_NAMES, AnswerValue, QueryKind, Target, agreement
from robo_rlhf.feedback.store import Question
from robo_rlhf.feedback.teachers import Teacher

SHOWN = {"choice": "corrected", "dataset": "monday", "episode": "better", "start": 3, "length": 9, "from": 4}
CLIPS = tuple(Segment(f"episode-{i}", 10 * i, 25) for i in range(6))


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> QueryKind:
    return KINDS[request.param]


def ask(kind: QueryKind, true: Array, teacher: Teacher = Teacher()) -> AnswerValue:  # noqa: B008 - frozen
    if kind.layout == "show" and not math.isfinite(teacher.skip_threshold):
        return SHOWN  # which no teacher can
    question = Question("q", "run", 0, kind.kind, "task", CLIPS[: len(true)], "data")
    return teacher.answer(question, [np.full(25, value) for value in true])


def learn(kind: QueryKind, answer: AnswerValue, clips: int) -> Target:
    target = kind.target(answer, CLIPS[:clips])
    assert target is not None
    return target


def likelihood(kind: QueryKind, returns: Array, target: Target, flip: float = 0.0) -> torch.Tensor:
    """Return (E,) for returns (E, K) float64."""
    values = torch.from_numpy(target.values).double()[None]
    judged = seen(kind, torch.from_numpy(returns)[:, None], values)
    return kind.log_likelihood(judged, values, torch.full((1,), flip).double())[:, 0]


def seen(kind: QueryKind, returns: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return (E, B, K) as it is, or (E, B, K, L) with every step alike where the kind looks at steps."""
    steps = (*returns.shape, values.shape[-1])
    return returns[..., None].expand(steps) if kind.needs == "steps" else returns


def judged_clips(kind: QueryKind, clips: int) -> int:
    """How many clips a target is about."""
    return 2 if kind.layout == "show" else clips


def draw_returns(kind: QueryKind, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(size=rng.choice(list(kind.num_clips))), 1)


def test_name_and_controls(kind: QueryKind) -> None:
    assert KINDS[kind.kind] is kind
    for field in ("label", "key"):
        values = [getattr(control, field) for control in kind.controls]
        assert all(values)
        assert len(set(values)) == len(values)
    for control in kind.controls:
        if not control.part:
            kind.validate(control.value, kind.num_clips.start)
    assert kind.prompt.endswith((".", "?"))
    assert any(control.part for control in kind.controls) == (kind.layout in ("levels", "presses", "show"))
    assert len(CLIP_NAMES) >= kind.num_clips.stop - 1


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), flip=st.sampled_from([0.0, 0.1]), rationality=st.sampled_from([0.5, np.inf]))
def test_swapping_clips_and_answer_leaves_the_likelihood_unchanged(seed: int, flip: float, rationality: float) -> None:
    for kind in KINDS.values():
        true = draw_returns(kind, seed)
        rng = np.random.default_rng(seed)
        answer = ask(kind, true, Teacher(rationality=rationality, equal_threshold=0.3, seed=seed))
        order = rng.permutation(len(true))
        moved = kind.permute(answer, [int(i) for i in order])
        kind.validate(moved, len(true))
        back = kind.permute(moved, [int(i) for i in np.argsort(order)])
        assert back == answer
        assert dict(kind.labels(moved)).keys() == dict(kind.labels(answer)).keys()
        if kind.target(answer, CLIPS[: len(true)]) is None:
            assert moved == answer
            continue
        judged = judged_clips(kind, len(true))
        returns = rng.normal(size=(3, judged))
        order = order if judged == len(true) else np.arange(judged)
        before = likelihood(kind, returns, learn(kind, answer, len(true)), flip)
        after = likelihood(kind, returns[:, order], learn(kind, moved, len(true)), flip)
        torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), flip=st.sampled_from([0.0, 0.1]))
def test_gradient_favours_what_was_chosen(seed: int, flip: float) -> None:
    for kind in KINDS.values():
        true = draw_returns(kind, seed)
        true = np.array([1.0, -1.0]) if kind.layout == "show" else np.sign(true) + true  # clear of the neutral middle
        if np.ptp(true) == 0 and (len(true) > 1 or not true.any()):
            continue
        answer = ask(kind, true[: kind.num_clips.stop - 1])
        target = learn(kind, answer, min(len(true), kind.num_clips.stop - 1))
        returns = torch.zeros(2, 1, len(true), dtype=torch.float64, requires_grad=True)
        values = torch.from_numpy(target.values).double()[None]
        kind.log_likelihood(seen(kind, returns, values), values, torch.full((1,), flip).double()).sum().backward()
        assert returns.grad is not None
        uphill = torch.from_numpy(true - (true.mean() if len(true) > 1 else 0.0))  # one clip is judged against nothing
        assert (returns.grad[:, 0] @ uphill > 0).all()


def test_skip_trains_nothing(kind: QueryKind) -> None:
    answer = ask(kind, np.zeros(kind.num_clips.start), Teacher(skip_threshold=1.0))
    assert answer == {"choice": CANT_TELL}
    assert answer in [control.value for control in kind.controls]
    kind.validate(answer, kind.num_clips.start)
    assert kind.target(answer, CLIPS[: kind.num_clips.start]) is None
    assert kind.labels(answer) == {}
    assert kind.permute(answer, list(range(kind.num_clips.start))) == answer


def test_every_order_of_up_to_five_clips_is_undone_by_its_inverse(kind: QueryKind) -> None:
    for clips in (count for count in kind.num_clips if count <= 5):
        answer = ask(kind, np.linspace(2.0, -2.0, clips))
        for order in itertools.permutations(range(clips)):
            moved = kind.permute(answer, order)
            back = [order.index(place) for place in range(clips)]
            assert kind.permute(moved, back) == answer
            if clips > 1 and kind.layout in ("choice", "order"):
                assert (moved == answer) == (list(order) == sorted(order))


def test_an_answer_agrees_with_itself_and_less_with_another(kind: QueryKind) -> None:
    clips = kind.num_clips.start
    best = ask(kind, np.linspace(2.0, -2.0, clips))
    worst = {"choice": "fine"} if kind.layout == "show" else ask(kind, np.linspace(-2.0, 2.0, clips))
    assert agreement(kind, best, best) == 1.0
    other = agreement(kind, best, worst)
    assert other is not None
    assert other < 0.75
    assert agreement(kind, best, {"choice": CANT_TELL}) is None


def test_likelihood_is_a_probability_and_never_below_what_chance_gives(kind: QueryKind) -> None:
    true = np.linspace(2.0, -2.0, kind.num_clips.stop - 1)
    target = learn(kind, ask(kind, true), len(true))
    returns = 1000.0 * np.random.default_rng(0).normal(size=(50, judged_clips(kind, len(true))))
    assert (likelihood(kind, returns, target) <= 0).all()
    noisy = likelihood(kind, returns, target, flip=0.1)
    assert (noisy <= 0).all()
    assert (noisy > -100).all()


def test_forecast_says_how_sure_the_ensemble_is_and_whether_it_is_right(kind: QueryKind) -> None:
    true = np.linspace(1.0, -1.0, judged_clips(kind, kind.num_clips.start))
    answer = ask(kind, true[: kind.num_clips.start])
    values = torch.from_numpy(learn(kind, answer, kind.num_clips.start).values)[None]
    for returns, right in ((3 * true, 1.0), (-3 * true, 0.0)):
        judged = seen(kind, torch.from_numpy(returns).float().expand(2, 1, -1), values)
        confidence, correct = kind.predict(judged, values)
        assert confidence.shape == correct.shape == (1,)
        assert 0.5 < float(confidence) <= 1.0
        assert float(correct) == right


@pytest.mark.parametrize(
    "nonsense", [{}, {"choice": None}, {"choice": 3}, {"choice": "left"}, {"choice": ["A"]}, {"ranking": 1}]
)
def test_nonsense_is_refused(kind: QueryKind, nonsense: AnswerValue) -> None:
    with pytest.raises(InvalidValueError):
        kind.validate(nonsense, kind.num_clips.start)
