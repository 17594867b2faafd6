"""Contrastive preference learning: the policy from preferences over recorded actions, without a reward model.

Hejna et al. 2023, "Contrastive preference learning: learning from human feedback without RL". People prefer the clip of
the smaller regret; in maximum entropy the advantage is alpha log pi(a|s), so that a preference is a contrast of the
likelihoods of two clips' actions under the policy itself. The deviation is fixed, so that log pi is the squared error.
First the actions of all clips are imitated, then the preferences are learned.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.learning import (
    pack_generator,
    pack_module,
    pack_optimizer,
    seeded,
    unpack_generator,
    unpack_module,
    unpack_optimizer,
)
from robo_rlhf.core.runs import Run, fitting
from robo_rlhf.core.types import Array
from robo_rlhf.policies.base import GaussianActor
from robo_rlhf.policies.checkpoint import load_policy, new_policy, save_policy
from robo_rlhf.reward_fitting.answers import AnswerData
from robo_rlhf.reward_fitting.clips import AnswerExamples
from robo_rlhf.training_tools.settings import CPLSettings

Progress = Callable[[int, int, Mapping[str, float]], None]  # updates done, total, newest metrics
Config = CPLSettings


def train(
    config: Config,
    run: Run,
    judged: AnswerData,
    *,
    start: GaussianActor | None = None,
    progress: Progress | None = None,
) -> GaussianActor:
    """Learn a Gaussian policy from comparisons of two clips, saved as the run's checkpoint "policy".

    A killed run resumes where it stopped.

    Args:
        config: the settings.
        run: the folder of the run.
        judged: the answers, see `reward_fitting.answers.gather`; those about two clips are used.
        start: a policy to start from instead of imitating the clips first.
        progress: called after every gradient step.

    Raises:
        InvalidValueError: no answer compares two clips.
        NonFiniteError: the loss is not finite; the previous checkpoint is kept.
    """
    path = run.checkpoint_path("policy")
    if run.result() is not None:
        return _gaussian(load_policy(path))
    learner = CPLLearner(config, judged, start)
    stored = run.load("training")
    if stored is not None:
        with fitting(run.checkpoint_path("training"), "where contrastive preference learning stopped"):
            learner.unpack(*stored)
    run.rewind_metrics(learner.done)
    while learner.done < learner.total:
        metrics = learner.update()
        if learner.done % config.log_every == 0:
            run.log(learner.done, metrics)
        if learner.done % config.save_every == 0:
            run.save("training", *learner.pack())
        if progress is not None:
            progress(learner.done, learner.total, metrics)
    policy = learner.policy.eval()
    save_policy(policy, path, {"task": judged.task, "algorithm": "cpl", "comparisons": len(learner.weight)})
    run.finish({"updates": learner.done, "comparisons": len(learner.weight), "accuracy": learner.accuracy()})
    return policy


class CPLLearner:
    """The policy in training, and the comparisons that it learns from."""

    def __init__(self, config: Config, judged: AnswerData, start: GaussianActor | None = None) -> None:
        """Take the comparisons of two clips, and build the policy with weights drawn from the seed."""
        self.config, self.clips = config, judged.clips
        self.pairs, self.shares, self.weight = comparisons(judged.examples)
        steps = self.clips.mask.bool()
        obs, action = self.clips.obs[steps], self.clips.action[steps]  # of all clips
        if start is None:
            with seeded(config.seed):
                settings = {"std": "fixed", **config.settings}
                self.policy = _gaussian(new_policy("gaussian", obs.shape[-1], action.shape[-1], settings))
            self.policy.fit_normalizer(obs, action)
        else:
            self.policy = start
        self.policy.train()
        self.shown = obs, action
        self.clone_updates = config.clone_updates if start is None else 0
        self.total = self.clone_updates + config.updates
        self.parameters = [p for p in self.policy.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, config.clone_learning_rate)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.done = 0

    def update(self) -> dict[str, float]:
        """Take one gradient step; return metrics.

        Raises:
            NonFiniteError: the loss is not finite; the weights are as before.
        """
        cloning = self.done < self.clone_updates
        self.optimizer.param_groups[0]["lr"] = self.config.clone_learning_rate if cloning else self.config.learning_rate
        loss = self.clone_loss() if cloning else self.preference_loss()
        value = loss.item()
        if not math.isfinite(value):
            advice = "The last checkpoint is kept; check the clips for extreme values, or lower the learning rate."
            raise NonFiniteError("The contrastive loss", f"update {self.done + 1}", advice)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimizer.step()
        self.done += 1
        return {"clone_loss" if cloning else "contrastive_loss": value, "loss": value}

    def clone_loss(self) -> Tensor:
        """Return the squared error of the actions of all clips alike, a scalar."""
        obs, action = self.shown
        rows = torch.randint(len(obs), (self.config.clone_batch,), generator=self.generator)
        return (self.policy.distribution(obs[rows]).mean - action[rows]).square().mean()

    def preference_loss(self) -> Tensor:
        """Return the contrastive loss of a batch of comparisons, a scalar."""
        config, count = self.config, len(self.weight)
        rows = torch.randint(count, (min(config.batch, count),), generator=self.generator)
        score = self.scores(self.pairs[rows], torch.rand(len(rows), generator=self.generator))  # (b, 2)
        contrast = -logsigmoid(score - config.bias * score.flip(-1))
        error = -score / (config.alpha * config.steps * self.clips.action.shape[-1])  # mean square
        each = (self.shares[rows] * (contrast + config.clone_weight * error)).sum(-1)
        weight = self.weight[rows]
        return (weight * each).sum() / weight.sum().clamp_min(1e-8)

    def scores(self, pairs: Tensor, where: Tensor) -> Tensor:
        """Return alpha sum_t log pi(a_t|s_t), but for a constant, of parts of clips: (b, 2) for places (b, 2).

        A part has at most `config.steps` steps; `where` (b,) in [0, 1) says how far into the clips it lies.
        """
        length = self.clips.mask.sum(1)[pairs]  # (b, 2)
        count = min(self.config.steps, int(length.max()))
        first = ((length - count).clamp_min(0) + 1) * where[:, None]
        steps = first.long()[..., None] + torch.arange(count)  # (b, 2, m)
        there = (steps < length[..., None]).float()
        steps = steps.clamp_max(self.clips.mask.shape[1] - 1)
        obs, action = (x[pairs[..., None], steps] for x in (self.clips.obs, self.clips.action))
        mean = self.policy.distribution(obs.flatten(0, 2)).mean.view(action.shape)
        error = (mean - action).square().sum(-1) * there  # (b, 2, m)
        return -self.config.alpha * error.sum(-1) * (self.config.steps / there.sum(-1))

    @torch.no_grad()
    def accuracy(self) -> float | None:
        """Return the share of comparisons whose better clip is likelier under the policy; None where all are ties."""
        sided = self.shares[:, 0] != self.shares[:, 1]
        if not sided.any():
            return None
        score = self.scores(self.pairs[sided], torch.zeros(int(sided.sum())))
        return float((score.argmax(1) == self.shares[sided].argmax(1)).float().mean())

    def pack(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return everything that later updates depend on, as arrays and a JSON object."""
        arrays = pack_module("policy", self.policy) | pack_optimizer("optimizer", self.optimizer)
        return {**arrays, "generator": pack_generator(self.generator)}, {"done": self.done}

    def unpack(self, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
        """Continue from what `pack` gave; see `runs.fitting`."""
        unpack_module("policy", self.policy, arrays)
        unpack_optimizer("optimizer", self.optimizer, arrays)
        unpack_generator(self.generator, arrays["generator"])
        self.done = int(meta["done"])


def comparisons(groups: Sequence[AnswerExamples]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the places of the clips of every comparison of two (B, 2), the share of each (B, 2) and weights (B,).

    Raises:
        InvalidValueError: there is none.
    """
    found = [group for group in groups if group.clips.shape[1] == 2 and group.values.shape[1:] == (2,) and len(group)]
    if not found:
        raise InvalidValueError("answers to learn a policy from", "none about two clips", "comparisons of two clips")
    columns = zip(*((group.clips, group.values, group.weight) for group in found), strict=True)
    pairs, shares, weight = (torch.cat(column) for column in columns)
    return pairs, shares, weight


def _gaussian(policy: object) -> GaussianActor:
    assert isinstance(policy, GaussianActor)
    return policy
