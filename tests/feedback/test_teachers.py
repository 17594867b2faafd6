from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.feedback.teachers import TaskUtility, Teacher
from robo_rlhf.sim.task_tools.style_measures import cost
from tests.feedback.making import make_question
from tests.toy import demonstrations

QUESTIONS = [make_question(i) for i in range(400)]
numbers = st.floats(-10, 10)


def clip(value: float, length: int = 5) -> Array:
    return np.full(length, value)


def share(teacher: Teacher, choice: str, first: float = 1.0, second: float = 0.0) -> float:
    answers = [teacher.answer(question, [clip(first), clip(second)]) for question in QUESTIONS]
    return float(np.mean([answer["choice"] == choice for answer in answers]))


@given(first=numbers, second=numbers, seed=st.integers(0, 9))
def test_without_faults_the_best_clip_always_wins(first: float, second: float, seed: int) -> None:
    answer = Teacher(seed=seed).answer(QUESTIONS[0], [clip(first), clip(second)])
    means = [np.mean(clip(first)), np.mean(clip(second))]
    expected = "tie" if means[0] == means[1] else "AB"[int(np.argmax(means))]
    assert answer == {"choice": expected}


@given(first=numbers, second=numbers, threshold=st.floats(0, 5))
def test_ties_exactly_within_the_threshold(first: float, second: float, threshold: float) -> None:
    teacher = Teacher(equal_threshold=threshold)
    scores = teacher.scores([clip(first), clip(second)])
    answer = teacher.answer(QUESTIONS[0], [clip(first), clip(second)])
    assert (answer["choice"] == "tie") == (abs(scores[0] - scores[1]) <= threshold)


@given(first=numbers, second=numbers, threshold=numbers)
def test_skips_where_no_clip_reaches_the_threshold(first: float, second: float, threshold: float) -> None:
    teacher = Teacher(skip_threshold=threshold)
    scores = teacher.scores([clip(first), clip(second)])
    answer = teacher.answer(QUESTIONS[0], [clip(first), clip(second)])
    assert (answer["choice"] == "cant_tell") == (scores.max() < threshold)


def test_rationality_is_the_slope_of_a_logistic() -> None:
    assert share(Teacher(rationality=0.0), "A") == pytest.approx(0.5, abs=0.08)
    assert share(Teacher(rationality=1.0), "A") == pytest.approx(1 / (1 + np.exp(-1)), abs=0.08)
    assert share(Teacher(rationality=100.0), "A") == 1.0


def test_mistakes_come_at_their_rate() -> None:
    assert share(Teacher(mistake=0.2), "B") == pytest.approx(0.2, abs=0.06)
    assert share(Teacher(mistake=1.0), "B") == 1.0
    assert share(Teacher(mistake=0.0), "B") == 0.0


def test_short_sight_looks_at_the_end() -> None:
    early, late = np.array([3.0, 0, 0, 0, 0]), np.array([0, 0, 0, 0, 1.0])
    assert Teacher().answer(QUESTIONS[0], [early, late]) == {"choice": "A"}
    assert Teacher(myopia=0.5).answer(QUESTIONS[0], [early, late]) == {"choice": "B"}


def test_calibration_makes_scores_comparable_between_tasks() -> None:
    rng = np.random.default_rng(0)
    utilities = [rng.normal(size=20) for _ in range(50)]
    for scale, shift in ((1.0, 0.0), (1000.0, 5.0)):
        scaled = [scale * utility + shift for utility in utilities]
        teacher = Teacher().calibrated(scaled)
        scores = teacher.scores(scaled)
        assert scores.mean() == pytest.approx(0, abs=1e-9)
        assert scores.std() == pytest.approx(1)
    constant = Teacher().calibrated([clip(1.0)] * 3)
    assert constant.answer(QUESTIONS[0], [clip(1.0)] * 2) == {"choice": "tie"}


def test_answers_do_not_depend_on_the_name_of_the_run() -> None:
    teacher = Teacher(rationality=0.5, mistake=0.3)
    clips = [np.array([0.1]), np.array([0.0])]
    answers = [[teacher.answer(make_question(i, run=run), clips) for i in range(30)] for run in ("one", "another")]
    assert answers[0] == answers[1]
    assert len({answer["choice"] for answer in answers[0]}) > 1


def test_answers_depend_on_question_and_seed_alone() -> None:
    teacher = Teacher(rationality=0.0, seed=3)
    clips = [clip(0.5), clip(0.0)]
    forwards = [teacher.answer(question, clips)["choice"] for question in QUESTIONS]
    backwards = [teacher.answer(question, clips)["choice"] for question in reversed(QUESTIONS)]
    assert forwards == backwards[::-1]
    other = [replace(teacher, seed=4).answer(question, clips)["choice"] for question in QUESTIONS]
    assert forwards != other


def test_utility_adds_reward_success_and_the_cost_of_style() -> None:
    episode = demonstrations(1)[0]
    assert episode.success.any()
    plain = TaskUtility()(episode)
    assert plain.shape == (len(episode),)
    np.testing.assert_allclose(plain, episode.reward + episode.success[1:], atol=1e-6)
    path = cost(episode.signals, episode.meta.control_dt, "path_length")
    styled = TaskUtility(2.0, {"path_length": 0.5}, cost)(episode)
    np.testing.assert_allclose(styled, episode.reward + 2.0 * episode.success[1:] - 0.5 * path, atol=1e-6)


def test_style_that_cannot_be_measured_is_named() -> None:
    episode: Episode = demonstrations(1)[0]
    with pytest.raises(InvalidValueError) as error:
        TaskUtility(style={"tilt": 1.0}, cost=cost)(episode)
    assert str(error.value) == (
        "style measure of a teacher: expected one that toy can measure from its signals (ee_pos), got 'tilt'."
    )
    with pytest.raises(InvalidValueError, match="a function that gives its cost"):
        TaskUtility(style={"tilt": 1.0})(episode)


def test_nan_is_not_judged() -> None:
    with pytest.raises(NonFiniteError, match="The utility of a clip is not finite"):
        Teacher().answer(QUESTIONS[0], [clip(np.nan), clip(0.0)])


@pytest.mark.parametrize("fault", [{"rationality": -1.0}, {"myopia": 0.0}, {"equal_threshold": -1.0}, {"mistake": 1.5}])
def test_impossible_faults_are_refused(fault: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=f"^{next(iter(fault))} of a teacher: expected"):
        Teacher(**fault)  # type: ignore[arg-type]
