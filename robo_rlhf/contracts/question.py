"""The contract of question kinds; answers come from a simulated teacher, as returns of clips do."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.contracts.clauses import Contract, require
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CANT_TELL, CLIP_NAMES, AnswerValue, QueryKind, Target, agreement
from robo_rlhf.feedback.store import Question
from robo_rlhf.feedback.teachers import Teacher

CLIPS = tuple(Segment(f"episode-{i}", 10 * i, 25) for i in range(6))
SEEDS = range(12)
NONSENSE: tuple[AnswerValue, ...] = (
    {},
    {"choice": None},
    {"choice": 3},
    {"choice": "left"},
    {"choice": ["A"]},
    {"ranking": 1},
)


class KindTrial:
    """A kind of question on trial."""

    def __init__(self, kind: QueryKind) -> None:
        """Nothing is asked yet."""
        self.kind, self.type = kind, type(kind)

    def ask(self, true: Array, teacher: Teacher | None = None) -> AnswerValue:
        """Return an answer about clips whose true returns a step are `true`: the kind's own example, or a teacher's."""
        example = self.kind.example()
        if example is not None and teacher is None:
            return example
        question = Question("q", "run", 0, self.kind.kind, "task", CLIPS[: len(true)], "data")
        return (teacher or Teacher()).answer(question, [np.full(25, value) for value in true])

    def target(self, answer: AnswerValue, clips: int) -> Target:
        """Return the target of an answer that trains something."""
        found = self.kind.target(answer, CLIPS[:clips])
        require(found is not None, f"target of {dict(answer)} is None: the answer trains nothing", self.type.target)
        assert found is not None
        return found

    def judged(self, clips: int) -> int:
        """Return how many clips a target is about."""
        return len(self.target(self.ask(np.linspace(2.0, -2.0, clips)), clips).clips) or clips

    def likelihood(self, returns: Array, target: Target, flip: float = 0.0) -> Tensor:
        """Return (E,) for returns (E, K) float64."""
        values = torch.from_numpy(target.values).double()[None]
        judged = self.seen(torch.from_numpy(returns)[:, None], values)
        found = self.kind.log_likelihood(judged, values, torch.full((1,), flip).double())
        text = f"log_likelihood has shape {tuple(found.shape)}, expected (E, B) = {(len(returns), 1)}"
        require(found.shape == (len(returns), 1), text, self.type.log_likelihood)
        return found[:, 0]

    def seen(self, returns: Tensor, values: Tensor) -> Tensor:
        """Return (E, B, K) as it is, or (E, B, K, L) with every step alike where the kind looks at steps."""
        steps = (*returns.shape, values.shape[-1])
        return returns[..., None].expand(steps) if self.kind.needs == "steps" else returns

    def returns(self, seed: int) -> Array:
        """Draw true returns for as many clips as a question may have."""
        rng = np.random.default_rng(seed)
        drawn: Array = np.round(rng.normal(size=rng.choice(list(self.kind.num_clips))), 1)
        return drawn


def describes_itself(trial: KindTrial) -> None:
    """It has a prompt, and controls with different labels and keys, whose values are valid answers."""
    kind = trial.kind
    for name in ("kind", "prompt", "controls"):
        require(getattr(kind, name, None), f"{name} is missing", trial.type)
    require(
        kind.prompt.endswith((".", "?")), f"prompt is {kind.prompt!r}, expected a sentence or a question", trial.type
    )
    for field in ("label", "key"):
        values = [getattr(control, field) for control in kind.controls]
        good = all(values) and len(set(values)) == len(values)
        require(good, f"controls have the {field}s {values}, expected different ones", trial.type)
    for control in kind.controls:
        if not control.part:
            _check(trial, control.value, kind.num_clips.start, f"the value of control {control.label!r}")
    parts, layouts = any(control.part for control in kind.controls), ("levels", "presses", "show", "number")
    text = f"layout is {kind.layout!r}, which {'takes' if kind.layout in layouts else 'has no'} controls with part=True"
    require(parts == (kind.layout in layouts), text, trial.type)
    require(kind.layout != "number" or kind.spans(), "layout is 'number', and no control has a span", trial.type)
    most = len(CLIP_NAMES)
    require(len(kind.num_clips) > 0 and kind.num_clips.stop - 1 <= most, f"num_clips exceeds {most}", trial.type)
    asked = kind.clips_asked or kind.num_clips.start
    require(asked in kind.num_clips, f"clips_asked is {asked}, outside num_clips", trial.type)


def _check(trial: KindTrial, answer: AnswerValue, clips: int, what: str) -> None:
    try:
        trial.kind.validate(answer, clips)
    except InvalidValueError as error:
        require(False, f"{what}, {dict(answer)}, is refused: {error}", trial.type.validate)


def refuses_nonsense(trial: KindTrial) -> None:
    """`validate` refuses what is no answer, by an InvalidValueError."""
    for nonsense in NONSENSE:
        try:
            trial.kind.validate(nonsense, trial.kind.num_clips.start)
        except InvalidValueError:
            continue
        require(False, f"validate accepts {dict(nonsense)}", trial.type.validate)


def swapping_clips_changes_nothing(trial: KindTrial) -> None:
    """Swapping the clips, and the answer by `permute`, leaves the likelihood unchanged, and back gives the same."""
    kind, permute = trial.kind, trial.type.permute
    for seed, flip, rationality in zip(SEEDS, itertools.cycle((0.0, 0.1)), itertools.cycle((0.5, np.inf, np.inf))):
        true, rng = trial.returns(seed), np.random.default_rng(seed)
        answer = trial.ask(true, Teacher(rationality=rationality, equal_threshold=0.3, seed=seed))
        order = rng.permutation(len(true))
        moved = kind.permute(answer, [int(i) for i in order])
        _check(trial, moved, len(true), "an answer after permute")
        back = kind.permute(moved, [int(i) for i in np.argsort(order)])
        require(back == answer, f"permute there and back makes {dict(back)} of {dict(answer)}", permute)
        names = dict(kind.labels(moved)).keys(), dict(kind.labels(answer)).keys()
        require(names[0] == names[1], "labels have other names after permute", trial.type.labels)
        if kind.target(answer, CLIPS[: len(true)]) is None:
            require(moved == answer, "permute changes an answer that trains nothing", permute)
            continue
        judged = trial.judged(len(true))
        returns = rng.normal(size=(3, judged))
        order = order if judged == len(true) else np.arange(judged)
        before = trial.likelihood(returns, trial.target(answer, len(true)), flip)
        after = trial.likelihood(returns[:, order], trial.target(moved, len(true)), flip)
        same = torch.allclose(after, before, rtol=0, atol=1e-12)
        require(same, "swapping the clips and the answer changes the likelihood", permute)


def orders_are_undone(trial: KindTrial) -> None:
    """`permute` by any order of up to four clips is undone by its inverse."""
    for clips in (count for count in trial.kind.num_clips if count <= 4):
        answer = trial.ask(np.linspace(2.0, -2.0, clips))
        for order in itertools.permutations(range(clips)):
            moved = trial.kind.permute(answer, order)
            back = trial.kind.permute(moved, [order.index(place) for place in range(clips)])
            require(back == answer, f"permute by {order} and back is not the same answer", trial.type.permute)


def gradient_favours_what_was_chosen(trial: KindTrial) -> None:
    """Learning from an answer raises the return of what was chosen, against that of the rest."""
    kind, most = trial.kind, trial.kind.num_clips.stop - 1
    for seed, flip in zip(SEEDS, itertools.cycle((0.0, 0.1))):
        drawn = trial.returns(seed)
        true = np.array([1.0, -1.0]) if kind.example() else np.sign(drawn) + drawn  # clear of the neutral middle
        if np.ptp(true) == 0 and (len(true) > 1 or not true.any()):
            continue
        target = trial.target(trial.ask(true[:most]), min(len(true), most))
        returns = torch.zeros(2, 1, len(true), dtype=torch.float64, requires_grad=True)
        values = torch.from_numpy(target.values).double()[None]
        trial.kind.log_likelihood(trial.seen(returns, values), values, torch.full((1,), flip).double()).sum().backward()  # type: ignore[no-untyped-call]
        require(returns.grad is not None, "the likelihood has no gradient", trial.type.log_likelihood)
        assert returns.grad is not None
        uphill = torch.from_numpy(true - (true.mean() if len(true) > 1 else 0.0))  # one clip is judged against nothing
        text = "the gradient does not favour what was chosen"
        require((returns.grad[:, 0] @ uphill > 0).all(), text, trial.type.log_likelihood)


def cant_tell_trains_nothing(trial: KindTrial) -> None:
    """An unsure judge answers {"choice": "cant_tell"}, which a control gives, and which trains nothing."""
    kind, clips = trial.kind, trial.kind.num_clips.start
    answer = trial.ask(np.zeros(clips), Teacher(skip_threshold=1.0))
    require(answer == {"choice": CANT_TELL}, f"an unsure judge answers {dict(answer)}", trial.type.simulate)
    given = answer in [control.value for control in kind.controls]
    require(given, f"no control gives {dict(answer)}", trial.type)
    _check(trial, answer, clips, "it")
    require(kind.target(answer, CLIPS[:clips]) is None, "target of a can't tell is not None", trial.type.target)
    require(not kind.labels(answer), "labels of a can't tell are not empty", trial.type.labels)


def answers_agree_with_themselves(trial: KindTrial) -> None:
    """An answer agrees with itself, and less with its opposite."""
    kind, clips = trial.kind, trial.kind.num_clips.start
    best = trial.ask(np.linspace(2.0, -2.0, clips))
    others: Iterator[AnswerValue] = (control.value for control in kind.controls if not control.part)
    worst = trial.ask(np.linspace(-2.0, 2.0, clips)) if kind.example() is None else next(others)
    require(agreement(kind, best, best) == 1.0, "an answer does not agree with itself", trial.type.labels)
    other = agreement(kind, best, worst)
    require(other is not None and other < 0.75, f"opposite answers agree to {other}", trial.type.labels)


def likelihood_is_a_probability(trial: KindTrial) -> None:
    """A log likelihood is at most 0, and never below what an answer at random gives."""
    clips = trial.kind.num_clips.stop - 1
    target = trial.target(trial.ask(np.linspace(2.0, -2.0, clips)), clips)
    returns = 1000.0 * np.random.default_rng(0).normal(size=(50, trial.judged(clips)))
    for flip, least in ((0.0, -np.inf), (0.1, -100.0)):
        found = trial.likelihood(returns, target, flip)
        text = f"with flip {flip} the log likelihood goes from {float(found.min()):.4g} to {float(found.max()):.4g}"
        require(bool((found <= 0).all() and (found > least).all()), text, trial.type.log_likelihood)


def predicts_how_sure_it_is(trial: KindTrial) -> None:
    """`predict` is right with the true returns, and wrong with their opposites."""
    clips = trial.kind.num_clips.start
    judged = trial.judged(clips)
    true = np.linspace(1.0, -1.0, judged)
    answer = trial.ask(true[:clips])
    values = torch.from_numpy(trial.target(answer, clips).values)[None]
    for returns, right in ((3 * true, 1.0), (-3 * true, 0.0)):
        seen = trial.seen(torch.from_numpy(returns).float().expand(2, 1, -1), values)
        confidence, correct = trial.kind.predict(seen, values)
        shapes = tuple(confidence.shape), tuple(correct.shape)
        require(shapes == ((1,), (1,)), f"predict gives shapes {shapes}, expected (B,) twice", trial.type.predict)
        text = f"predict is {float(confidence):.3g} sure, and calls it {float(correct)} where it is {right}"
        require(0.5 - 1e-6 <= float(confidence) <= 1.0 or judged > 2, text, trial.type.predict)
        require(float(correct) == right, text, trial.type.predict)


CONTRACT = Contract(
    KINDS,
    KindTrial,
    (
        describes_itself,
        refuses_nonsense,
        swapping_clips_changes_nothing,
        orders_are_undone,
        gradient_favours_what_was_chosen,
        cant_tell_trains_nothing,
        answers_agree_with_themselves,
        likelihood_is_a_probability,
        predicts_how_sure_it_is,
    ),
)
