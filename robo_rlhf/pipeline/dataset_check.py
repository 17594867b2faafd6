"""Whether demonstrations are enough to learn from: what is measured of them, and what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.stats import Interval
from robo_rlhf.core.types import Array, Episode, VecEnv
from robo_rlhf.data.training_arrays.idle import idle_steps
from robo_rlhf.data.training_arrays.observation_spread import starts_of
from robo_rlhf.pipeline.steps.cloning import trimmed
from robo_rlhf.rollouts.evaluation import SELECTION_SEED, Evaluation, evaluate
from robo_rlhf.sim.task_tools.style_measures import MEASURES, summarize
from robo_rlhf.training import bc
from robo_rlhf.training_tools.settings import BCSettings

FEW, USUAL = 10, 25  # demonstrations
FAILURES = 0.3  # share of failures from which they are worth a word
COVERED = 0.7  # share of where episodes start that demonstrations have to span
EXPLAINED = 0.5  # share of an action's variance that the nearest demonstrated state has to predict
IDLE, IDLE_SHARE = 0.05, 0.3  # size of an action that moves nothing, and the share of such steps that is much
MOST_STEPS = 4000  # steps that consistency is measured on
PARTS = (0.25, 0.5, 1.0)  # of the demonstrations, which the learning curve is made of
RISING = 0.1  # rise of success from half to all of them from which more are worth recording
CURVE = BCSettings(settings={"noise": 0.0, "width": 256}, updates=1500, obs_noise=0.05)
ROLLOUTS = 64  # of each part's policy
TRIM = 10  # steps of a demonstration after its final success


class Finding(NamedTuple):
    """One thing that was measured of a dataset."""

    check: str
    fine: bool
    found: str  # with its figure
    advice: str = ""  # what to do, where it is not fine


def dataset_findings(episodes: Sequence[Episode], env: VecEnv) -> Iterator[Finding]:
    """Yield what is found of the episodes of one task, the cheap checks first.

    Raises:
        NotFoundError: none of them succeeds, so nothing can be imitated.
    """
    yield from quick_findings(episodes, env)
    shown = [trimmed(e, TRIM) for e in episodes if _succeeds(e)]
    yield _curve([(count, one.success) for count, one in learning_curve(shown, env)])


def quick_findings(episodes: Sequence[Episode], env: VecEnv) -> Iterator[Finding]:
    """Yield what is found without training; raises as `dataset_findings`."""
    shown = [episode for episode in episodes if _succeeds(episode)]
    yield _number(len(shown))
    yield _failures(len(episodes) - len(shown), len(episodes))
    if not shown:
        advice = "Record some that succeed: `robo-rlhf record`. A policy imitates nothing else."
        raise NotFoundError("demonstration that succeeds among", f"{len(episodes)} episodes", advice)
    names = shown[0].meta.obs_names or tuple(getattr(getattr(env, "task", None), "obs_names", ()))
    yield _coverage(shown, starts_of(env), names)
    yield _consistency(shown)
    yield _idle(shown)
    yield from _force(shown)


def _succeeds(episode: Episode) -> bool:
    return episode.meta.outcome == "success" and len(episode) > 0


def _number(count: int) -> Finding:
    advice = f"Record {USUAL - count} more: with fewer than {FEW} a cloned policy meets states that nobody has shown."
    return Finding("demonstrations that succeed", count >= FEW, f"{count}", "" if count >= FEW else advice)


def _failures(failed: int, count: int) -> Finding:
    share = failed / max(count, 1)
    advice = "They are not imitated. Where the task is hard to do, drive slower, or rewind to before the mistake."
    return Finding("failures", share < FAILURES, f"{failed} of {count}", advice if share >= FAILURES else "")


def _coverage(shown: Sequence[Episode], starts: Array, names: Sequence[str] = ()) -> Finding:
    """Compare where demonstrations start with where episodes start: `starts` (S, d)."""
    mine = np.stack([episode.obs[0] for episode in shown])
    low, high = np.percentile(starts, (5, 95), axis=0)
    varied = np.flatnonzero(high - low > 1e-3 * np.maximum(1e-3, np.abs(starts).max(axis=0)))
    if not len(varied):
        return Finding("starts", True, "episodes always start alike")
    inside = np.minimum(mine.max(axis=0), high) - np.maximum(mine.min(axis=0), low)
    share = np.clip(inside[varied] / (high - low)[varied], 0, 1)
    worst = varied[int(share.argmin())]
    name = names[worst] if len(names) > worst else f"column {worst}"
    found = f"they span {share.mean():.0%} of where episodes start, the least {share.min():.0%} ({name})"
    advice = f"Record starts where {name} is between {low[worst]:.3g} and {high[worst]:.3g}; yours are between "
    advice += f"{mine[:, worst].min():.3g} and {mine[:, worst].max():.3g}."
    fine = bool(share.min() >= COVERED)
    return Finding("starts", fine, found, "" if fine else advice)


def consistency(shown: Sequence[Episode], seed: int = 0) -> float:
    """Return the share of the variance of actions that the nearest state of another demonstration predicts."""
    obs, action = (np.concatenate([getattr(e, name)[: len(e)] for e in shown]) for name in ("obs", "action"))
    of = np.repeat(np.arange(len(shown)), [len(episode) for episode in shown])
    some = np.random.default_rng(seed).permutation(len(obs))[:MOST_STEPS]
    obs, action, of = obs[some].astype(np.float64), action[some].astype(np.float64), of[some]
    obs = (obs - obs.mean(axis=0)) / np.maximum(obs.std(axis=0), 1e-3)
    square = (obs**2).sum(axis=1)
    error = 0.0
    for part in np.array_split(np.arange(len(obs)), max(1, len(obs) // 500)):
        distance = square[part, None] + square - 2 * obs[part] @ obs.T
        distance[of[part, None] == of] = np.inf
        error += float(((action[part] - action[distance.argmin(axis=1)]) ** 2).sum())
    whole = 2 * float(action.var(axis=0).sum()) * len(obs)  # of two steps drawn by chance
    return 1 - error / max(whole, 1e-12)


def _consistency(shown: Sequence[Episode]) -> Finding:
    if len(shown) < 2:
        return Finding("consistency", False, "not to be told from one demonstration", "Record another.")
    share = consistency(shown)
    advice = "Do the same thing in the same place each time; or the policy is not shown what you act by: show it more."
    found = f"the nearest state of another demonstration predicts {max(share, 0):.0%} of what is done"
    return Finding("consistency", share >= EXPLAINED, found, "" if share >= EXPLAINED else advice)


def _idle(shown: Sequence[Episode]) -> Finding:
    share = float(np.mean(np.concatenate([idle_steps(e.action, IDLE) for e in shown])))
    advice = "Pauses are cut before a policy imitates them, but what follows a pause is learned badly: drive on."
    return Finding("idle steps", share < IDLE_SHARE, f"{share:.0%}", advice if share >= IDLE_SHARE else "")


def _force(shown: Sequence[Episode]) -> Iterator[Finding]:
    name = "peak_contact_force"
    found = [summarize(e.signals, e.meta.control_dt) for e in shown]
    forces = [style[name] for style in found if name in style]
    if forces:
        text = f"{np.median(forces):.3g} {MEASURES[name].unit} at the most (median), {max(forces):.3g} in the worst"
        yield Finding("contact force", True, text)


def learning_curve(
    shown: Sequence[Episode],
    env: VecEnv,
    *,
    parts: Sequence[float] = PARTS,
    clone: BCSettings = CURVE,
    rollouts: int = ROLLOUTS,
) -> list[tuple[int, Evaluation]]:
    """Return the number of demonstrations and the evaluation of a policy cloned from so many, for each part."""
    order, found = np.random.default_rng(0).permutation(len(shown)), []
    seeds, starts = np.arange(SELECTION_SEED, SELECTION_SEED + rollouts), starts_of(env)
    for count in sorted({max(1, round(part * len(shown))) for part in parts}):
        some = [shown[i] for i in sorted(order[:count])]
        policy = bc.fit(replace(clone, seed=count), some, starts=starts)
        found.append((count, evaluate(env, policy, seeds)))
    return found


def _curve(curve: Sequence[tuple[int, Interval]]) -> Finding:
    parts = [f"{count}: {i.value:.0%} ({i.low:.0%} to {i.high:.0%})" for count, i in curve]
    rising = len(curve) > 1 and curve[-1][1].value - curve[-2][1].value >= RISING
    advice = "It still rises with their number, so more demonstrations are the surest gain."
    return Finding("success of a small policy cloned from", not rising, "; ".join(parts), advice if rising else "")
