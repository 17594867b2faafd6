"""What reasons train, and what a simulated annotator gives as reasons."""

from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.reasons.simulated import SimulatedReasons, along_measures
from robo_rlhf.feedback.reasons.targets import AROUND, reason_targets
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.reward_fitting.answers import gather
from robo_rlhf.reward_fitting.axes import AxesTrainer
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.attribution import attribute, quantities
from robo_rlhf.training import reward
from tests.feedback.making import make_question
from tests.training.test_reward import ANSWERS, CONFIG, EPISODES, QUESTIONS, load

CLIPS = (Segment("e0", 0, 40), Segment("e1", 5, 30))
LEANS = {"reason": "leans", "axis": "tilt", "direction": "worse", "clip": "B"}


def test_a_reason_is_a_comparison_along_its_axis() -> None:
    (one,) = reason_targets({"choice": "A", "reasons": [LEANS]}, CLIPS)
    assert (one.kind, one.axis, one.target.values.tolist()) == ("pairwise", "tilt", [1.0, 0.0])
    (one,) = reason_targets({"reasons": [{**LEANS, "direction": "better"}]}, CLIPS)
    assert one.target.values.tolist() == [0.0, 1.0]
    (one,) = reason_targets({"reasons": [LEANS]}, [*CLIPS, Segment("e2", 0, 40)])
    assert one.target.values.tolist() == [0.5, 0.0, 0.5]


def test_a_reason_about_a_single_clip_is_a_judgement_of_it() -> None:
    (one,) = reason_targets({"choice": "no", "reasons": [{**LEANS, "clip": "A"}]}, CLIPS[:1])
    assert (one.kind, one.axis, one.target.values.tolist()) == ("approval", "tilt", [0.0])


def test_a_moment_weighs_the_steps_around_it() -> None:
    along, moment = reason_targets({"reasons": [{**LEANS, "step": 12}]}, CLIPS)
    assert (along.axis, moment.axis, moment.kind) == ("tilt", "tilt", "moments")
    assert moment.target.clips == (CLIPS[1],)
    good, bad = moment.target.values
    assert not good.any()
    assert bad.sum() == pytest.approx(1.0)
    assert np.flatnonzero(bad).tolist() == [*range(12 - AROUND, 12 + AROUND)]
    at_the_end = list(reason_targets({"reasons": [{**LEANS, "step": 30}]}, CLIPS))[1]
    assert at_the_end.target.values.sum() == pytest.approx(1.0)


def test_an_object_is_exchanged_between_the_clips() -> None:
    exchanged, along = reason_targets({"reasons": [{**LEANS, "object": "glass"}]}, CLIPS)
    assert (exchanged.axis, exchanged.object, exchanged.target.values.tolist()) == ("tilt", "glass", [0.0, 1.0])
    assert exchanged.target.clips == (CLIPS[1], CLIPS[0]), "as it is, and with the glass of the other"
    assert along.object == ""
    plain = {"reason": "lovely", "axis": "", "direction": "better", "clip": "A", "object": "glass"}
    (one,) = reason_targets({"reasons": [plain]}, CLIPS)
    assert (one.axis, one.target.values.tolist(), one.target.clips) == ("overall", [1.0, 0.0], CLIPS)


def test_without_an_axis_a_moment_is_about_the_whole_and_nothing_else_is_trained() -> None:
    plain = {"reason": "lovely", "axis": "", "direction": "better", "clip": "A"}
    assert list(reason_targets({"reasons": [plain]}, CLIPS)) == []
    (one,) = reason_targets({"reasons": [{**plain, "step": 3}]}, CLIPS)
    assert (one.kind, one.axis) == ("moments", "overall")


def test_a_reason_that_names_no_clip_trains_nothing() -> None:
    assert list(reason_targets({"choice": "tie", "reasons": [{"reason": "leans", "axis": "tilt"}]}, CLIPS)) == []


def with_reasons(answers: list[Answer], count: int) -> list[Answer]:
    """Return answers of which the first few say that the clip that was not chosen leans."""
    other = {"A": "B", "B": "A"}
    found = []
    for number, answer in enumerate(answers):
        why = [{**LEANS, "clip": other.get(answer.value["choice"], "A"), "step": 2}]
        found.append(replace(answer, value={**answer.value, "reasons": why}) if number < count else answer)
    return found


def test_reasons_train_a_head_of_their_own_and_count_no_answer_twice() -> None:
    judged = gather(QUESTIONS, with_reasons(ANSWERS, 20), load)
    assert {(group.axis, len(group)) for group in judged.examples} == {("overall", 60), ("tilt", 20)}
    assert judged.used == 60
    assert reward.head_of(CONFIG, judged)[1]["axes"] == ["overall", "tilt"]
    assert isinstance(reward.new_trainer(CONFIG, judged), AxesTrainer)
    folds = {int(f) for group in judged.examples if group.axis == "tilt" for f in group.fold}
    assert folds <= {int(f) for group in judged.examples if group.axis == "overall" for f in group.fold}


def test_an_axis_that_few_reasons_name_has_no_head_and_it_is_counted() -> None:
    judged = gather(QUESTIONS, with_reasons(ANSWERS, 3), load)
    assert {group.axis for group in judged.examples} == {"overall"}
    assert judged.skipped == {"gives one of fewer than 10 reasons along tilt": 6}


LISTED = (Reason("leans", "tilt"), Reason("near", "clearance"), Reason("other"))


def costs(question: Question, clip: Segment, axis: str) -> Array:
    """B leans at its end; A is nearer, by less."""
    steps = np.zeros(clip.length)
    is_b = clip == question.segments[1]
    if axis == "tilt" and is_b:
        steps[-5:] = 8.0
    if axis == "clearance" and not is_b:
        steps[:] = 0.5
    return steps


def test_a_simulated_annotator_names_what_is_worse_by_most_and_when() -> None:
    known = along_measures(LISTED, ("tilt", "clearance"))
    assert [reason.name for reason in known] == ["leans", "near"]
    giving = SimulatedReasons(known, costs)
    question = make_question(1)
    (one,) = giving.beside(question, {"choice": "A"})
    assert (one["reason"], one["clip"]) == ("leans", "B")
    assert one["step"] == pytest.approx(47.5)
    assert giving.beside(question, {"choice": "B"})[0]["reason"] == "near"
    assert giving.beside(question, {"choice": "tie"}) == []


def test_a_simulated_annotator_errs_as_often_as_asked() -> None:
    known = along_measures(LISTED, ("tilt", "clearance"))
    questions = [make_question(i) for i in range(400)]
    wrong = SimulatedReasons(known, costs, mistake=0.25)
    named = [wrong.beside(question, {"choice": "A"})[0]["reason"] for question in questions]
    assert 0.17 < named.count("near") / 400 < 0.33
    half = SimulatedReasons(known, costs, share=0.5)
    given = [bool(half.beside(question, {"choice": "A"})) for question in questions]
    assert 0.4 < np.mean(given) < 0.6


def test_an_object_that_reasons_name_carries_the_reward() -> None:
    """What goes together in all clips is told apart by the object that people mean."""
    rng = np.random.default_rng(0)
    episodes = {}
    for number in range(40):
        both = np.cumsum(rng.normal(0, 0.2, (31, 1)), axis=0) + rng.normal()
        obs = np.hstack([both, both + rng.normal(0, 0.01, (31, 1)), rng.normal(size=(31, 2))]).astype(np.float32)
        meta = replace(EPISODES[0].meta, id=f"x{number}", obs_names=("cup_dx", "glass_dx", "noise", "time"))
        episodes[f"x{number}"] = replace(EPISODES[0].slice(0, 30), obs=obs, meta=meta)
    questions, bare, reasoned = [], [], []
    for number in range(80):
        names = [f"x{i}" for i in rng.choice(40, 2, replace=False)]
        clips = tuple(Segment(name, 0, 30) for name in names)
        question = Question(f"q{number}", "run", number, "pairwise", "toy", clips, "data")
        better = max(range(2), key=lambda i: float(episodes[names[i]].obs[:, 1].mean()))
        why = {"reason": "near", "axis": "", "direction": "worse", "clip": "BA"[better], "object": "glass"}
        questions.append(question)
        for found, value in ((bare, {}), (reasoned, {"reasons": [why]})):
            value = {"choice": "AB"[better], **value}
            found.append(Answer(question.id, "anna", "human", value, "2026-01-01T00:00:00+00:00", 1.0))
    among = quantities(("cup_dx", "glass_dx", "noise", "time"), ())
    shares = []
    for answers in (bare, reasoned):
        judged = reward.gather(questions, answers, lambda _, name: episodes[name])
        fit = FitSettings(updates=400, batch=32, learning_rate=3e-3)
        model, _ = reward.fit_in_memory(replace(CONFIG, fit=fit), judged)
        obs = np.stack([episode.obs for episode in episodes.values()])
        action = np.stack([episode.action for episode in episodes.values()])
        found = attribute(model, obs, action, among, rng).shares
        shares.append(found["where glass is along x"] / found["where cup is along x"])
    assert shares[0] < 2 < 4 < shares[1], shares
