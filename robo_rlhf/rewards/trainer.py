"""Fitting a reward model to what people said: one loss over every kind of question.

Each member of the ensemble has its own start, its own order of batches and its own held-out answers: of `FOLDS` parts
member e never trains on part e. So most answers are held out by some member and none is lost to all; a member keeps the
weights with which it foresaw its own held-out answers best, and calibration is measured on answers nobody trained on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from robo_rlhf.errors import InvalidValueError, NonFiniteError
from robo_rlhf.learning import (
    pack_generator,
    pack_module,
    pack_optimizer,
    take,
    unpack_generator,
    unpack_module,
    unpack_optimizer,
)
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.clips import Clips, Examples
from robo_rlhf.rewards.scores import Opinions, Scores, best_temperature, evaluate, opinions, summarize
from robo_rlhf.runs import Run
from robo_rlhf.types import Array

FOLDS = 5  # parts that answers are split into
FEWEST_HELD_OUT = 4  # answers a member, below which none are held out

Progress = Callable[[int, int, Mapping[str, float]], None]  # updates done, of at most how many, newest metrics


@dataclass(frozen=True)
class FitSettings:
    """How a reward model is fitted."""

    updates: int = 1000
    """Gradient steps at most."""
    updates_blind: int = 200
    """Gradient steps where answers are too few to hold any out, and so to know when to stop."""
    batch: int = 64
    """Answers a gradient step."""
    learning_rate: float = 3e-4
    """Adam's rate."""
    weight_decay: float = 0.0
    """Adam's weight decay."""
    stride: int = 4
    """A gradient step looks at every so many steps of a clip, from a random first one."""
    crop: float = 1.0
    """Shortest part of a clip that a gradient step looks at; 1 never crops."""
    flip: float = 0.1
    """Chance that a person answers at random."""
    check_every: int = 50
    """Gradient steps between looks at the held-out answers."""
    patience: int = 6
    """Looks without any member improving, until fitting ends."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range.
        """
        for name in ("updates", "updates_blind", "batch", "stride", "check_every", "patience"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"reward fit {name}", getattr(self, name), "at least 1")
        if not self.learning_rate > 0:
            raise InvalidValueError("reward fit learning_rate", self.learning_rate, "more than 0")
        if not self.weight_decay >= 0:
            raise InvalidValueError("reward fit weight_decay", self.weight_decay, "a number from 0")
        if not 0 < self.crop <= 1:
            raise InvalidValueError("reward fit crop", self.crop, "a number in (0, 1]")
        if not 0 <= self.flip < 1:
            raise InvalidValueError("reward fit flip", self.flip, "a number in [0, 1)")


@dataclass(frozen=True)
class Report:
    """What came of fitting."""

    updates: int
    temperature: float
    held_out: Scores  # each answer foreseen by the members that did not train on it
    trained: Scores  # all answers, foreseen by the whole ensemble

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)


class RewardTrainer:
    """Fits one model to one set of answers; can be packed into a checkpoint after any update."""

    def __init__(
        self, model: RewardModel, clips: Clips, examples: Sequence[Examples], settings: FitSettings, seed: int
    ) -> None:
        """Set the model's normalisation from the clips and get ready.

        Args:
            model: what is fitted, in place.
            clips: what was judged.
            examples: what was said about it, one entry a kind of question and number of clips.
            settings: how to fit.
            seed: the source of all chance.

        Raises:
            InvalidValueError: there is no answer to learn from.
            NonFiniteError: a clip holds NaN.
        """
        self.groups = [group.stretched(clips.mask.shape[1]) for group in examples if len(group)]
        self.total_weight = sum(float(group.weight.sum()) for group in self.groups)
        if self.total_weight <= 0:
            raise InvalidValueError("answers to learn a reward from", "none", "at least one that prefers or ties clips")
        self.model, self.clips, self.settings = model, clips, settings
        counts = clips.mask.bool()
        model.fit_normalizer(clips.obs[counts])
        self.held = [_held_out(group, model.members) for group in self.groups]  # each (E, B)
        self.holds_out = bool(sum(held.sum(1) for held in self.held).min() >= FEWEST_HELD_OUT)  # type: ignore[union-attr]
        if not self.holds_out:
            self.held = [torch.zeros_like(held) for held in self.held]
        self.optimizer = torch.optim.Adam(
            model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.step, self.stale = 0, 0
        self.best_loss = torch.full((model.members,), torch.inf)
        self.best = [parameter.detach().clone() for parameter in model.parameters()]

    @property
    def done(self) -> bool:
        """Whether more updates would not help."""
        return self.step >= self.limit or self.stale >= self.settings.patience

    @property
    def limit(self) -> int:
        """How many updates are made at most."""
        return self.settings.updates if self.holds_out else self.settings.updates_blind

    def advance(self) -> dict[str, float]:
        """Make updates until the next look at the held-out answers; return metrics.

        Raises:
            NonFiniteError: the loss is not finite; the model is of no use then.
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
            held_out = self._look()
            metrics["held_out_loss"] = float(held_out.mean())
        return metrics

    def finish(self) -> Report:
        """Give the model its best weights, calibrate it, set its output's scale, and say how good it is."""
        if self.holds_out:
            with torch.no_grad():
                for parameter, best in zip(self.model.parameters(), self.best, strict=True):
                    parameter.copy_(best)
        thought = opinions(self.model, self.clips, self.groups)
        held_out, temperature = Scores(0, 0, None, None, None), 1.0
        if self.holds_out:
            answers = sum(int(held.any(0).sum()) for held in self.held)
            temperature = best_temperature(lambda t: self._held_out_loss(thought / t, flip=0.0).mean().item(), answers)
            held_out = self._held_out_scores(thought / temperature)
        self.model.temperature.fill_(temperature)
        with torch.no_grad():
            reward = self.model(self.clips.obs, self.clips.action, self.clips.next_obs)  # (E, S, L)
        self.model.fit_output(reward[:, self.clips.mask.bool()])
        return Report(self.step, temperature, held_out, evaluate(self.model, self.clips, self.groups))

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return arrays and meta from which `unpack` continues exactly."""
        arrays = pack_module("model", self.model) | pack_optimizer("optimizer", self.optimizer)
        arrays |= {f"best/{i:03d}": value.numpy().copy() for i, value in enumerate(self.best)}
        arrays |= {"generator": pack_generator(self.generator), "best_loss": self.best_loss.numpy().copy()}
        return arrays, {"step": self.step, "stale": self.stale}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave."""
        unpack_module("model", self.model, arrays)
        unpack_optimizer("optimizer", self.optimizer, arrays)
        self.best = [torch.from_numpy(value.copy()) for _, value in sorted(take("best", arrays).items())]
        unpack_generator(self.generator, arrays["generator"])
        self.best_loss = torch.from_numpy(arrays["best_loss"].copy())
        self.step, self.stale = meta["step"], meta["stale"]

    def _update(self) -> Tensor:
        """Make one step of the optimiser on each member's own batch; return the mean loss of the members."""
        answers = sum(len(group) for group in self.groups)
        loss = torch.zeros(self.model.members)
        for group, held in zip(self.groups, self.held, strict=True):
            size = max(1, round(self.settings.batch * len(group) / answers))
            rows = self._draw(held, size)  # (E, b)
            judged, values = self._look_at_some_steps(group, rows)
            weight = group.weight[rows]
            likely = group.likelihood.log_likelihood(judged, values, torch.full_like(weight, self.settings.flip))
            loss = loss - (weight * likely).mean(1) * (len(group) / self.total_weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach().mean()

    def _draw(self, held: Tensor, size: int) -> Tensor:
        """Draw `size` answers for each member, (E, b), none of them twice and none that it holds out."""
        size = min(size, int((~held).sum(1).min()))
        lots = torch.rand(held.shape, generator=self.generator).masked_fill_(held, -1.0)
        return lots.topk(size, dim=1).indices

    def _look_at_some_steps(self, group: Examples, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each member thinks of its own answers `rows` (E, b), from some steps of their clips, and values.

        What it thinks is the return of each clip, (E, b, K), or what a clip like each of the m steps would return,
        (E, b, K, m); values of single steps are those of the same steps.
        """
        places, values = group.clips[rows], group.values[rows]
        members, size, clips = places.shape
        longest = self.clips.mask.shape[1]
        least = max(1, round(self.settings.crop * longest))
        length = least + int(self._uniform() * (longest - least + 1))
        stride = min(self.settings.stride, length)
        times = torch.arange(int(self._uniform() * stride), length, stride)  # (m,)
        room = (self.clips.mask.sum(1)[places] - length + 1).clamp_min(1)  # (E, b, K)
        start = (torch.rand(places.shape, generator=self.generator) * room).long()
        steps = start[..., None] + times  # (E, b, K, m)
        shown = places[..., None]
        flat = (members, size * clips, len(times), -1)
        seen = (self.clips.obs, self.clips.action, self.clips.next_obs)
        reward: Tensor = self.model(*(x[shown, steps].view(flat) for x in seen)).view(steps.shape)
        reward = reward * self.clips.mask[shown, steps]
        if group.likelihood.needs == "returns":
            return reward.sum(-1) * (longest / len(times)), values
        seen_values = values.gather(-1, steps.expand(*values.shape[:-1], len(times)))  # (E, b, V, m)
        return reward * longest, seen_values * (longest / len(times))

    def _uniform(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def _look(self) -> Tensor:
        """Return the loss (E,) of each member on its held-out answers; keep the weights of members that improved."""
        loss = self._held_out_loss(opinions(self.model, self.clips, self.groups), self.settings.flip)
        better = loss < self.best_loss
        self.best_loss = torch.where(better, loss, self.best_loss)
        for kept, parameter in zip(self.best, self.model.parameters(), strict=True):
            kept[better] = parameter.detach()[better]
        self.stale = 0 if better.any() else self.stale + 1
        return loss

    def _held_out_loss(self, thought: Opinions, flip: float) -> Tensor:
        """Return the loss (E,) of each member over the answers that it holds out."""
        loss, weights = torch.zeros(self.model.members), torch.zeros(self.model.members)
        for group, held in zip(self.groups, self.held, strict=True):
            rate = torch.full_like(group.weight, flip)
            likely = group.likelihood.log_likelihood(thought.about(group), group.values, rate)  # (E, B)
            weight = group.weight * held
            loss, weights = loss - (likely * weight).sum(1), weights + weight.sum(1)
        return loss / weights

    def _held_out_scores(self, thought: Opinions) -> Scores:
        """Return how well each member foresees what it holds out, all members together."""
        foreseen = []
        for group, held in zip(self.groups, self.held, strict=True):
            judgement = thought.about(group)
            for member in range(self.model.members):
                out = held[member]
                judged, values = judgement[member : member + 1, out], group.values[out]
                likely = group.likelihood.log_likelihood(judged, values, torch.zeros(len(values)))
                foreseen.append((*group.likelihood.forecast(judged, values), -likely[0]))
        return summarize(foreseen)


def fit(
    trainer: RewardTrainer, run: Run | None = None, *, save_every: int = 200, progress: Progress | None = None
) -> Report:
    """Fit to the end, continuing from the checkpoint "training" of `run`, which is saved every so many updates."""
    if run is not None:
        saved = run.load("training")
        if saved is not None:
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


def _held_out(group: Examples, members: int) -> Tensor:
    """Return which answers each member holds out, (E, B) bool."""
    own = torch.arange(members) % FOLDS
    return (group.fold % FOLDS == own[:, None]) & (group.fold >= 0)
