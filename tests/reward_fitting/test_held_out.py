from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.learning import pack_module
from robo_rlhf.core.runs import Run
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.reward_fitting.scores import evaluate
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.reward_fitting.trainer import FitReport, RewardTrainer, fit
from tests.rewards.making import answered, ensemble, linear

SETTINGS = FitSettings(updates=150, learning_rate=2e-3)


def three_people(count: int, seed: int, wrong: float) -> tuple[ClipTensors, AnswerExamples]:
    """Return answers of three people in turn; the last one says the opposite of what is meant with chance `wrong`."""
    clips, said = answered(count, seed, linear)
    who = torch.arange(count) % 3
    slips = torch.from_numpy(np.random.default_rng(seed).random(count) < wrong) & (who == 2)
    values = torch.where(slips[:, None], said.values.flip(1), said.values)
    return clips, replace(said, values=values, annotator=who, round=torch.arange(count) // 100)


def learned(clips: ClipTensors, said: AnswerExamples, **settings: object) -> tuple[RewardTrainer, FitReport]:
    trainer = RewardTrainer(ensemble(0, members=5, width=32), clips, [said], replace(SETTINGS, **settings), 0)
    return trainer, fit(trainer)


def test_who_flips_a_fifth_of_their_labels_is_found_out() -> None:
    """A fifth of labels turned around is two fifths given at random."""
    _, report = learned(*three_people(240, 0, 0.2))
    flips = [report.people[i].flip for i in range(3)]
    assert max(flips[:2]) <= 0.1
    assert 0.19 < flips[2] < 0.6


def test_answers_of_who_is_always_wrong_hardly_count() -> None:
    fresh, right = answered(300, 99, linear)
    accuracy: dict[bool, float] = {}
    for learn in (True, False):
        trainer, report = learned(*three_people(240, 1, 1.0), learn_flip=learn, updates=200)
        accuracy[learn] = evaluate(trainer.model, fresh, [right]).accuracy or 0.0
        assert report.people[2].flip > 0.39
    assert accuracy[True] > 0.8
    assert accuracy[True] > accuracy[False] + 0.05, accuracy


def test_one_person_alone_is_judged_but_learning_is_the_same() -> None:
    clips, said = answered(60, 0, linear)
    known, unknown = (
        learned(clips, replace(said, annotator=who), updates=50) for who in (torch.zeros(60, dtype=torch.int64), None)
    )
    first, second = (pack_module("m", found[0].model) for found in (known, unknown))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert set(known[1].people) == {0}
    assert unknown[1].people == {}


def test_careful_people_are_believed_and_scores_by_person_and_by_round_add_up() -> None:
    _, report = learned(*three_people(150, 3, 0.0))
    assert all(person.flip <= 0.15 for person in report.people.values())
    assert sum(person.held_out.answers for person in report.people.values()) == report.held_out.answers
    assert set(report.rounds) == {0, 1}
    assert sum(scores.answers for scores in report.rounds.values()) == report.held_out.answers


def test_flip_rates_are_in_the_checkpoint(tmp_path: Path) -> None:
    clips, said = three_people(60, 4, 0.5)

    def go(folder: str, until: int) -> RewardTrainer:
        def stop(done: int, total: int, metrics: object) -> None:
            if done == until:
                raise KeyboardInterrupt

        trainer = RewardTrainer(ensemble(0, width=16), clips, [said], SETTINGS, 0)
        fit(trainer, Run(tmp_path / folder, {}), save_every=50, progress=stop)
        return trainer

    whole = go("whole", -1)
    with pytest.raises(KeyboardInterrupt):
        go("killed", 50)
    resumed = go("killed", -1)
    a, b = (pack_module("m", trainer.model) for trainer in (whole, resumed))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert torch.equal(whole.flip, resumed.flip)
