"""Fitting a reward model to answers: one loss over every kind of question.

Each member of the ensemble has separate initial weights, batches and held-out answers: of `FOLDS` parts member e never
trains on part e. So most answers are held out by some member and none is lost to all; a member keeps the weights that
predict its held-out answers best, and calibration is measured on held-out answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.learning import (
    Adam,
    check_like,
    pack_generator,
    pack_module,
    pack_optimizer,
    take,
    take_count,
    unpack_generator,
    unpack_module,
    unpack_optimizer,
)
from robo_rlhf.core.runs import Run, fitting
from robo_rlhf.core.types import Array
from robo_rlhf.reward_fitting.calibration import member_temperature, pooled_temperature
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.reward_fitting.held_out import AnnotatorFit, HeldOut, HeldOutPredictions
from robo_rlhf.reward_fitting.sampling import Sampler
from robo_rlhf.reward_fitting.scores import (
    EnsembleScores,
    Scores,
    clip_rewards,
    ensemble_scores,
    held_out_scores,
    score_ensemble,
    scores_from_rewards,
)
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.base import RewardModel

FOLDS = 5  # parts that answers are split into
SAMPLED = 200  # approximate number of answers that validate a model which continues from another
FEWEST_HELD_OUT = 4  # answers per member, below which none are held out

Progress = Callable[[int, int, Mapping[str, float]], None]  # updates done, maximum number of updates, newest metrics


@dataclass(frozen=True)
class FitReport:
    """The result of fitting."""

    updates: int
    temperature: float
    held_out: Scores  # each answer predicted by the members that did not train on it
    trained: Scores  # all answers, predicted by the whole ensemble; some of them where it continues from another model
    people: dict[int, AnnotatorFit] = field(default_factory=dict)  # by annotator
    rounds: dict[int, Scores] = field(default_factory=dict)  # held-out answers by round
    disagreement: float = 0.0  # mean deviation of the members' calibrated scores of a clip
    axes: dict[str, "FitReport"] = field(default_factory=dict)  # of each named axis, where there are several heads
    predicted: HeldOutPredictions | None = None  # of each held-out answer; None where none is held out

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object, without the single predictions."""
        found = asdict(replace(self, predicted=None, axes={}))
        del found["predicted"]
        return {**found, "axes": {name: one.as_json() for name, one in self.axes.items()}}


class Trainer(Protocol):
    """What fits a model to answers in steps; can be packed into a checkpoint after any update."""

    model: RewardModel

    @property
    def holds_out(self) -> bool:
        """Whether answers are held out to validate the model."""
        ...

    @property
    def done(self) -> bool:
        """Whether more updates would not help."""
        ...

    @property
    def step(self) -> int:
        """Updates so far."""
        ...

    @property
    def limit(self) -> int:
        """The maximum number of updates."""
        ...

    def advance(self) -> dict[str, float]:
        """Make updates until the next validation; return metrics."""
        ...

    def finish(self) -> FitReport:
        """Complete the model and return its scores."""
        ...

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return arrays and meta from which `unpack` continues exactly."""
        ...

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave."""
        ...


class RewardTrainer:
    """Fits one model to one set of answers; can be packed into a checkpoint after any update."""

    def __init__(
        self,
        model: RewardModel,
        clips: ClipTensors,
        examples: Sequence[AnswerExamples],
        settings: FitSettings,
        seed: int,
        *,
        warm: bool = False,
    ) -> None:
        """Set the model's normalisation from the clips and prepare the fit.

        Args:
            model: the model, fitted in place.
            clips: the clips; those without an answer are used by self-supervised losses.
            examples: the answers, one entry per kind of question and number of clips.
            settings: settings of the fit.
            seed: the source of all randomness.
            warm: whether the model was fitted before, and keeps its normalisation.

        Raises:
            InvalidValueError: there is no answer to learn from.
            NonFiniteError: a clip holds NaN.
        """
        self.groups = [group.stretched(clips.mask.shape[1]) for group in examples if len(group)]
        self.total_weight = sum(float(group.weight.sum()) for group in self.groups)
        if self.total_weight <= 0:
            raise InvalidValueError("answers to learn a reward from", "none", "at least one that prefers or ties clips")
        self.model, self.clips, self.settings = model, clips, settings
        if not warm:
            counts = clips.mask.bool()
            model.fit_normalizer(clips.obs[counts])
            model.fit_steps(clips.obs[counts], clips.next_obs[counts])
        held = [_held_out(group, model.members) for group in self.groups]  # each (E, B)
        self.holds_out = bool(sum(mask.sum(1) for mask in held).min() >= FEWEST_HELD_OUT)  # type: ignore[union-attr]
        self.held = HeldOut(self.groups, held if self.holds_out else [torch.zeros_like(mask) for mask in held])
        self.optimizer = Adam(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        self.generator = torch.Generator().manual_seed(seed)
        self.sampler = Sampler(clips, settings.crop, settings.stride if model.markovian else 1, self.generator)
        self.step, self.stale = 0, 0
        self.best_loss = torch.full((model.members,), torch.inf)
        self.best = [parameter.detach().clone() for parameter in model.parameters()]
        people = max((int(g.annotator.max()) + 1 for g in self.groups if g.annotator is not None), default=0)
        self.flip = torch.full((people,), settings.flip)
        self.learns_flip = settings.learn_flip and people > 1  # of one alone, errors and hard questions look alike
        self.own = self.held.places(model.members) if warm and self.holds_out else None
        if self.own is not None:
            self._examine()  # so that the result is no worse than the initial weights

    @property
    def done(self) -> bool:
        """Whether more updates would not help."""
        return self.step >= self.limit or self.stale >= self.settings.patience

    @property
    def limit(self) -> int:
        """The maximum number of updates."""
        return self.settings.updates if self.holds_out else self.settings.updates_blind

    def advance(self) -> dict[str, float]:
        """Make updates until the next validation on the held-out answers; return metrics.

        Raises:
            NonFiniteError: the loss is not finite; the model is then unusable.
        """
        losses = []
        for _ in range(min(self.settings.check_every, self.limit - self.step)):
            losses.append(self._update())
            self.step += 1
        loss = float(torch.stack(losses).mean())
        if loss != loss:
            raise NonFiniteError("The loss of the reward model", f"update {self.step}", "Continue from a checkpoint.")
        metrics = {"loss": loss}
        if self.holds_out:
            held_out = self._examine()
            metrics["held_out_loss"] = float(held_out.mean())
        return metrics

    def finish(self) -> FitReport:
        """Load the best weights, calibrate the model, set its output's scale, and return its scores."""
        if self.holds_out:
            with torch.no_grad():
                for parameter, best in zip(self.model.parameters(), self.best, strict=True):
                    parameter.copy_(best)
        groups, places = self._sampled()
        rewards = clip_rewards(self.model, self.clips, places)  # (E, S, L)
        thought = scores_from_rewards(rewards, self.groups) if places is None else self._ensemble_scores()
        judged = rewards if places is None else rewards[:, places]
        held_out, temperature, people, rounds = Scores(0, 0, None, None, None), 1.0, dict[int, AnnotatorFit](), {}
        predicted = None
        if self.holds_out:
            rates = self._rates() if self.learns_flip else [torch.zeros_like(group.weight) for group in self.groups]
            alone = member_temperature(self.held, thought, rates)
            predicted = self.held.predictions(thought / alone)
            held_out, rounds = predicted.scores(), predicted.by_round()
            flips = self.held.flip_rates(thought, len(self.flip), self.settings.flip).tolist()
            people = {i: AnnotatorFit(flip, predicted.scores(predicted.annotator == i)) for i, flip in enumerate(flips)}
            temperature = pooled_temperature(judged.sum(-1), alone)
        self.model.temperature.fill_(temperature)
        counts = self.clips.mask.bool() if places is None else self.clips.mask[places].bool()
        self.model.fit_output(judged[:, counts])
        trained = score_ensemble(scores_from_rewards(rewards, groups) / self.model.temperature, groups)
        scores = judged.sum(-1) / temperature  # (E, clips)
        disagreement = float(scores.std(0, correction=0).mean())
        return FitReport(self.step, temperature, held_out, trained, people, rounds, disagreement, predicted=predicted)

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return arrays and meta from which `unpack` continues exactly."""
        arrays = pack_module("model", self.model) | pack_optimizer("optimizer", self.optimizer)
        arrays |= {f"best/{i:03d}": value.numpy().copy() for i, value in enumerate(self.best)}
        arrays |= {"generator": pack_generator(self.generator), "best_loss": self.best_loss.numpy().copy()}
        arrays["flip"] = self.flip.numpy().copy()
        return arrays, {"step": self.step, "stale": self.stale}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave; see `runs.fitting`."""
        unpack_module("model", self.model, arrays)
        unpack_optimizer("optimizer", self.optimizer, arrays)
        self.best = [torch.from_numpy(value.copy()) for _, value in sorted(take("best", arrays).items())]
        for best, parameter in zip(self.best, self.model.parameters(), strict=True):
            check_like("best", best, parameter)
        unpack_generator(self.generator, arrays["generator"])
        best_loss = torch.from_numpy(arrays["best_loss"].copy())
        check_like("best_loss", best_loss, self.best_loss)
        self.best_loss = best_loss
        if len(arrays.get("flip", ())) == len(self.flip):  # else annotators changed: it is estimated anew
            flip = torch.from_numpy(arrays["flip"].copy())
            check_like("flip", flip, self.flip)
            self.flip = flip
        self.step, self.stale = take_count(meta, "step"), take_count(meta, "stale")

    def _update(self) -> Tensor:
        """Take one optimiser step, with a separate batch per member; return the mean loss of the members."""
        answers = sum(len(group) for group in self.groups)
        loss = torch.zeros(self.model.members)
        for group, held, rate in zip(self.groups, self.held.masks, self._rates(), strict=True):
            size = max(1, round(self.settings.batch * len(group) / answers))
            rows = self.sampler.answers(held, size)  # (E, b)
            returns, values = self.sampler.regularizers(self.model, group, rows)
            weight = group.weight[rows]
            likely = group.likelihood.log_likelihood(returns, values, rate[rows])
            loss = loss - (weight * likely).mean(1) * (len(group) / self.total_weight)
            if self.settings.margin and returns.ndim == 3:
                spread = (returns - returns.mean(-1, keepdim=True)).square().sum(-1)  # (E, b)
                loss = loss + self.settings.margin * spread.mean(1) * (len(group) / answers)
        if self.settings.pseudo:
            loss = loss + self.settings.pseudo * self._own_answers()
        if self.model.dynamics_aware:
            loss = loss + self.model.auxiliary_loss(*self.sampler.steps(self.model.members))
        self.optimizer.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach().mean()

    def _rates(self) -> list[Tensor]:
        """Return the flip rate (B,) of every answer of each group."""
        usual = self.settings.flip
        return [
            torch.full_like(group.weight, usual) if group.annotator is None else self.flip[group.annotator]
            for group in self.groups
        ]

    def _own_answers(self) -> Tensor:
        """Return the loss (E,) of unlabelled pairs, on each member's pseudo-labels where it is confident.

        After Park et al. 2022 (SURF): the pseudo-label comes from the whole clips, the loss from cropped ones.
        """
        pairs = self.sampler.pairs(self.model.members, self.settings.batch)  # (E, b, 2)
        with torch.no_grad():
            sure, best = self.sampler.returns(self.model, pairs, whole=True).softmax(-1).max(-1)  # (E, b)
        likely = self.sampler.returns(self.model, pairs).log_softmax(-1).gather(-1, best[..., None])[..., 0]
        return -(likely * (sure > self.settings.pseudo_confidence)).mean(1)

    def _ensemble_scores(self) -> EnsembleScores:
        """Return the members' predictions, of each at least for its held-out answers."""
        if self.own is None:
            return ensemble_scores(self.model, self.clips, self.groups)
        return held_out_scores(self.model, self.clips, self.groups, self.own)

    def _sampled(self) -> tuple[list[AnswerExamples], Tensor | None]:
        """Return the answers that validate the finished model, and their clips; None: all of them."""
        if self.own is None:
            return self.groups, None
        every = -(-sum(len(group) for group in self.groups) // SAMPLED)
        groups = [group.some(slice(0, None, every)) for group in self.groups]
        return groups, torch.unique(torch.cat([group.clips.flatten() for group in groups]))

    def _examine(self) -> Tensor:
        """Return the loss (E,) of each member on its held-out answers; keep the weights of members that improved."""
        thought = self._ensemble_scores()
        if self.learns_flip:
            self.flip = self.held.flip_rates(thought, len(self.flip), self.settings.flip)
        loss = self.held.loss(thought, self._rates())
        better = loss < self.best_loss
        self.best_loss = torch.where(better, loss, self.best_loss)
        for kept, parameter in zip(self.best, self.model.parameters(), strict=True):
            kept[better] = parameter.detach()[better]
        self.stale = 0 if better.any() else self.stale + 1
        return loss


def fit(
    trainer: Trainer, run: Run | None = None, *, save_every: int = 200, progress: Progress | None = None
) -> FitReport:
    """Fit to the end, continuing from the checkpoint "training" of `run`, which is saved every so many updates."""
    if run is not None:
        saved = run.load("training")
        if saved is not None:
            model = f"a reward model of kind {trainer.model.kind} with observations ({trainer.model.obs_dim},)"
            with fitting(run.checkpoint_path("training"), f"where learning {model} stopped"):
                trainer.unpack(*saved)
        run.rewind_metrics(trainer.step)
    while not trainer.done:
        before, metrics = trainer.step, trainer.advance()
        if run is not None:
            run.log(trainer.step, metrics)
            if trainer.step // save_every > before // save_every:
                run.save("training", *trainer.pack())
        if progress is not None:
            progress(trainer.step, trainer.limit, metrics)
    return trainer.finish()


def _held_out(group: AnswerExamples, members: int) -> Tensor:
    """Return which answers each member holds out, (E, B) bool."""
    own = torch.arange(members) % FOLDS
    return (group.fold % FOLDS == own[:, None]) & (group.fold >= 0)
