from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import CheckpointMismatchError, InvalidValueError, NonFiniteError
from robo_rlhf.core.learning import pack_module
from robo_rlhf.core.runs import Run
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.reward_fitting.scores import clip_returns, ensemble_scores, evaluate, held_out_scores
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.reward_fitting.trainer import FOLDS, FitReport, RewardTrainer, fit
from tests.rewards.making import Hidden, answered, ensemble, linear, nonlinear, pairs

QUICK = FitSettings(updates=150, check_every=50)
SMALL = {"width": 16}


def learn(
    clips: ClipTensors, *groups: AnswerExamples, seed: int = 0, settings: FitSettings = QUICK, **model: object
) -> RewardTrainer:
    trainer = RewardTrainer(ensemble(seed, **(model or SMALL)), clips, groups, settings, seed)
    trainer.report = fit(trainer)  # type: ignore[attr-defined]
    return trainer


def report_of(trainer: RewardTrainer) -> FitReport:
    report: FitReport = trainer.report  # type: ignore[attr-defined]
    return report


@pytest.mark.parametrize(("hidden", "seed", "bar"), [(linear, 1, 0.9), (nonlinear, 0, 0.72)])  # the worst of 4 seeds
def test_two_hundred_answers_are_enough(hidden: Hidden, bar: float, seed: int) -> None:
    clips, said = answered(200, seed, hidden)
    trainer = learn(clips, said, seed=seed, settings=FitSettings(updates=400), members=3, width=64)
    fresh = evaluate(trainer.model, *_one(answered(500, 1000 + seed, hidden)))
    assert fresh.accuracy is not None
    assert fresh.accuracy >= bar
    report = report_of(trainer)
    assert report.held_out.accuracy is not None
    assert report.held_out.answers == 120  # three of five parts, each by one member
    assert report.held_out.accuracy > 0.65
    assert report.trained.answers == 200


def _one(made: tuple[ClipTensors, AnswerExamples]) -> tuple[ClipTensors, list[AnswerExamples]]:
    return made[0], [made[1]]


def test_same_seed_same_weights_and_another_seed_others() -> None:
    clips, said = answered(60, 0, linear)
    first, second, other = (learn(clips, said, seed=seed) for seed in (3, 3, 4))
    a, b, c = (pack_module("m", trainer.model) for trainer in (first, second, other))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not all(np.array_equal(a[name], c[name]) for name in a)


@pytest.mark.parametrize("kills", [[50], [100], [50, 100, 150]])
def test_killed_and_resumed_equals_uninterrupted(kills: list[int], tmp_path: Path) -> None:
    clips, said = answered(60, 0, linear)

    def go(folder: str, until: int | None) -> RewardTrainer:
        def stop(done: int, total: int, metrics: object) -> None:
            if done == until:
                raise KeyboardInterrupt

        trainer = RewardTrainer(ensemble(0, **SMALL), clips, [said], QUICK, 0)
        trainer.report = fit(trainer, Run(tmp_path / folder, {}), save_every=100, progress=stop)  # type: ignore[attr-defined]
        return trainer

    whole = go("whole", None)
    for kill in kills:
        with pytest.raises(KeyboardInterrupt):
            go("killed", kill)
    resumed = go("killed", None)
    a, b = (pack_module("m", trainer.model) for trainer in (whole, resumed))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    reports = [report_of(trainer) for trainer in (whole, resumed)]
    assert reports[0].as_json() == reports[1].as_json()
    predicted = [report.predicted for report in reports]
    assert all(np.array_equal(one, other, equal_nan=True) for one, other in zip(*map(list, predicted), strict=True))  # type: ignore[arg-type]
    assert Run(tmp_path / "whole", {}).metrics() == Run(tmp_path / "killed", {}).metrics()


def test_no_member_trains_on_what_it_holds_out() -> None:
    """The answers of part 0 change; member 0, which holds them out, must not notice until the best is chosen."""
    clips, said = answered(60, 0, linear)
    turned = said.values.clone()
    turned[said.fold % FOLDS == 0] = turned[said.fold % FOLDS == 0].flip(1)
    models = []
    for values in (said.values, turned):
        trainer = RewardTrainer(ensemble(0, **SMALL), clips, [replace(said, values=values)], QUICK, 0)
        trainer.advance()
        models.append(clip_returns(trainer.model, clips))
    torch.testing.assert_close(models[0][0], models[1][0], rtol=0, atol=0)
    assert not torch.equal(models[0][1], models[1][1])


def test_swapping_clips_and_answers_leaves_the_loss_unchanged() -> None:
    clips, said = answered(60, 0, linear)
    swapped = replace(said, clips=said.clips.flip(1), values=said.values.flip(1))
    settings = replace(QUICK, stride=1)
    losses = []
    for group in (said, swapped):
        losses.append(RewardTrainer(ensemble(0, **SMALL), clips, [group], settings, 0).advance()["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_contradictory_answers_end_undecided() -> None:
    clips, said = answered(40, 0, linear)
    both = AnswerExamples(
        said.likelihood,
        torch.cat([said.clips, said.clips]),
        torch.cat([said.values, said.values.flip(1)]),
        torch.cat([said.weight, said.weight]),
        torch.cat([said.fold, said.fold]),
    )
    trainer = learn(clips, both)
    scores = evaluate(trainer.model, clips, [both])
    assert scores.accuracy == pytest.approx(0.5)
    assert scores.log_loss == pytest.approx(np.log(2), abs=0.05)


def test_one_answer_is_learned_without_holding_it_out() -> None:
    clips, said = answered(1, 0, linear)
    report = report_of(learn(clips, said))
    assert report.held_out.accuracy is None
    assert report.temperature == 1.0
    assert report.trained.accuracy == 1.0


def test_ties_alone_make_clips_equal() -> None:
    clips, _ = answered(40, 0, linear)
    trainer = learn(clips, pairs(np.full((40, 2), 0.5, np.float32)))
    report = report_of(trainer)
    assert report.held_out.accuracy is None
    assert report.held_out.log_loss == pytest.approx(np.log(2), abs=0.05)
    mean, std = trainer.model.predict(*(x.numpy() for x in (clips.obs, clips.action, clips.next_obs)))
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()


def test_clips_that_are_all_the_same_give_a_constant_reward() -> None:
    clips, said = answered(40, 0, linear)
    same = ClipTensors(
        *(x[:1, :1].expand(x.shape).contiguous() for x in (clips.obs, clips.action, clips.next_obs)), clips.mask
    )
    trainer = learn(same, said)
    mean, _ = trainer.model.predict(*(x.numpy() for x in (same.obs, same.action, same.next_obs)))
    assert np.abs(mean).max() < 1e-2


def test_answers_to_one_side_only_are_learned_by_their_clips() -> None:
    """Someone who always answers A gives answers that say nothing; nothing must break, and confidence stay low."""
    clips, said = answered(60, 0, linear)
    always = replace(said, values=torch.tensor([[1.0, 0.0]]).repeat(60, 1))
    report = report_of(learn(clips, always))
    assert report.held_out.log_loss is not None
    assert report.held_out.log_loss < 1.0


def test_weight_of_an_answer_counts() -> None:
    clips, said = answered(40, 0, linear)
    against = replace(said, values=said.values.flip(1), weight=torch.full((40,), 0.01), fold=torch.full((40,), -1))
    trainer = learn(clips, said, against)
    assert evaluate(trainer.model, clips, [said]).accuracy == pytest.approx(1.0, abs=0.1)


def test_clips_of_several_lengths_and_crops() -> None:
    clips, said = answered(60, 0, linear)
    mask = clips.mask.clone()
    mask[::3, 20:] = 0
    short = replace(clips, mask=mask)
    trainer = learn(short, said, settings=replace(QUICK, crop=0.5, stride=7))
    changed = replace(short, obs=torch.where(mask[..., None] > 0, short.obs, 5.0))
    torch.testing.assert_close(clip_returns(trainer.model, changed), clip_returns(trainer.model, short))


def test_nothing_to_learn_from() -> None:
    clips, said = answered(4, 0, linear)
    none = AnswerExamples(said.likelihood, said.clips[:0], said.values[:0], said.weight[:0], said.fold[:0])
    for groups in ([], [none]):
        with pytest.raises(InvalidValueError, match="answers to learn a reward from: expected at least one"):
            RewardTrainer(ensemble(), clips, groups, QUICK, 0)


def test_nan_is_refused_before_and_during_training() -> None:
    clips, said = answered(4, 0, linear)
    broken = replace(clips, obs=torch.full_like(clips.obs, torch.nan))
    with pytest.raises(NonFiniteError, match="An observation is not finite"):
        RewardTrainer(ensemble(), broken, [said], QUICK, 0)
    trainer = RewardTrainer(ensemble(), clips, [replace(said, weight=torch.full((4,), torch.inf))], QUICK, 0)
    with pytest.raises(NonFiniteError, match="The loss of the reward model is not finite"):
        trainer.advance()


@pytest.mark.parametrize(
    "option", [{"margin": 0.05}, {"pseudo": 0.5, "pseudo_confidence": 0.8}, {"crop": 0.5}, {"weight_decay": 0.01}]
)
def test_options_change_what_is_learned_and_it_stays_sound(option: dict[str, float]) -> None:
    clips, said = answered(50, 0, linear)
    plain, changed = (learn(clips, said, settings=replace(QUICK, updates=100, **some)) for some in ({}, option))
    first, second = (clip_returns(trainer.model, clips) for trainer in (plain, changed))
    assert not torch.equal(first, second)
    accuracy = report_of(changed).trained.accuracy
    assert accuracy is not None
    assert accuracy > 0.75
    if "margin" in option:
        assert second.std() < first.std()


def test_clips_that_nobody_judged_are_seen_by_what_needs_no_answers() -> None:
    clips, said = answered(40, 0, linear)
    more = clips.joined(answered(20, 1, linear)[0])
    trainer = learn(more, said, settings=replace(QUICK, pseudo=0.5, pseudo_confidence=0.6))
    assert report_of(trainer).trained.answers == 40
    drawn = trainer.sampler.pairs(3, 500)
    assert drawn.max() >= len(clips)


def test_a_warm_start_keeps_the_normalisation_and_goes_on_from_the_weights() -> None:
    clips, said = answered(80, 0, linear)
    model = learn(clips, said).model
    before = clip_returns(model, clips)
    shifted = replace(clips, obs=clips.obs + 1, next_obs=clips.next_obs + 1)
    mean = model.obs_mean.clone()
    trainer = RewardTrainer(model, shifted, [said], QUICK, 1, warm=True)
    torch.testing.assert_close(model.obs_mean, mean)
    torch.testing.assert_close(clip_returns(trainer.model, clips), before)


def test_looking_at_ones_own_clips_alone_gives_the_same_loss() -> None:
    clips, said = answered(70, 0, linear)
    short = replace(said, clips=said.clips[:30], values=said.values[:30], weight=said.weight[:30], fold=said.fold[:30])
    for groups in ([said], [short, said]):
        trainer = RewardTrainer(ensemble(0, members=5, **SMALL), clips, groups, QUICK, 0)
        places = trainer.held.places(5)
        usual = trainer._rates()
        everything = trainer.held.loss(ensemble_scores(trainer.model, clips, groups), usual)
        own = trainer.held.loss(held_out_scores(trainer.model, clips, groups, places), usual)
        torch.testing.assert_close(own, everything, rtol=1e-5, atol=1e-5)


def test_a_checkpoint_of_other_shapes_is_refused_and_one_of_other_people_goes_on(tmp_path: Path) -> None:
    clips, said = answered(40, 0, linear)
    run = Run(tmp_path / "run", {})
    run.save("training", *RewardTrainer(ensemble(0, width=24), clips, [said], QUICK, 0).pack())
    trainer = RewardTrainer(ensemble(0, **SMALL), clips, [said], QUICK, 0)
    with pytest.raises(CheckpointMismatchError) as error:
        fit(trainer, run)
    wanted = "expected where learning a reward model of kind ensemble with observations (6,) stopped"
    assert wanted in str(error.value)
    assert "size mismatch" in str(error.value)
    two = replace(said, annotator=torch.arange(40) % 2)
    again = RewardTrainer(ensemble(0, **SMALL), clips, [two], QUICK, 0)
    again.unpack(*trainer.pack())
    assert again.flip.tolist() == pytest.approx([0.1, 0.1])
    again.advance()
