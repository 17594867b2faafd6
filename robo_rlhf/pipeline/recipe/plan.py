"""The plan of a run: settings and counts, made of a budget, of what work costs, and of how long people take to answer.

Each rule says why it decides as it does, in the words and with the figures that the report shows. A setting in
`config.keep` is left as it is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.pipeline.config import SAMPLE_EFFICIENT, PipelineConfig
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.training_tools.settings import SACSettings

if TYPE_CHECKING:
    from robo_rlhf.feedback.quality.answer_times import AnswerTime
    from robo_rlhf.pipeline.recipe.speed import Speed

SHARES = {"clone": 0.29, "tries": 0.33, "finetune": 0.38}  # of the minutes that rollouts leave
LEAST_LEFT = 0.4  # share of the minutes that they leave at least: a small budget is exceeded by as much
TRIED = 600  # rollouts that choose the cloned policy and its exploration noise
UPDATES = (250, 500, 1000, 2000, 3000, 4000, 6000, 8000)  # gradient steps of a cloned policy: more brought nothing
SECOND = 2000  # gradient steps from which a second way of cloning is tried
BOTH = 1.4  # cost of both ways, in gradient steps of the first
ITERATIONS = 100  # of PPO: more brought nothing
EXPENSIVE = 0.025  # cost of a step of an outside environment, in gradient steps of cloning, that SAC is worth
SAC_ITERATIONS = (10, 90)  # fewest and most
SAC_UPDATE = 0.4  # gradient steps of SAC in the time of one of cloning
TURNS = 4  # of self-imitation
TRIES = 256  # episodes of such a turn
MOST_TRIED = 4000  # gradient steps of such a turn
APPROVALS = 0.35  # share of the answers that say whether an episode succeeded


class PlanChoice(NamedTuple):
    """One choice, for the report."""

    what: str
    chosen: str
    why: str


@dataclass(frozen=True)
class Plan:
    """Settings by their dotted names, and why they are so."""

    settings: Mapping[str, Any]
    decisions: tuple[PlanChoice, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        return {"settings": dict(self.settings), "decisions": [decision._asdict() for decision in self.decisions]}


def plan(
    config: PipelineConfig,
    speed: "Speed",
    answers: "Sequence[AnswerTime]",
    operators: Mapping[str, float] = MappingProxyType({}),
) -> Plan:
    """Return what the recipe decides before anything is trained.

    Args:
        config: what was asked for.
        speed: what work costs.
        answers: how long people take to answer.
        operators: how much a step of each operator counts, where there are some to compare.

    Raises:
        InvalidValueError: the minutes are not enough for the rollouts that a run measures and chooses by.
    """
    rolling = check_minutes(config, speed)
    left = max(60 * config.minutes - rolling, LEAST_LEFT * 60 * config.minutes)
    budget = {name: left * share for name, share in SHARES.items()}  # [s]
    cloning = _cloning(speed, budget["clone"], operators)
    found = [cloning, _learner(config, speed, budget["finetune"]), _questions(answers)]
    found.append(_tries(speed, budget["tries"], cloning.settings["clone.updates"]))
    kept = {name.strip() for name in config.keep.split(",")}
    settings = {k: v for part in found for k, v in part.settings.items() if not _within(k, kept)}
    settings = {k: v for k, v in settings.items() if _value(config, k.split(".")) != v}
    return Plan(settings, tuple(decision for part in found for decision in part.decisions))


def check_minutes(config: PipelineConfig, speed: "Speed") -> float:
    """Return the time [s] of the rollouts that a run measures and chooses by.

    Raises:
        InvalidValueError: the minutes are not enough for them.
    """
    rolling = _rollouts(config) * speed.horizon * speed.step
    if rolling > 60 * config.minutes:
        why = f"at least {math.ceil(rolling / 60)}, which its {_rollouts(config)} rollouts take: a step takes "
        raise InvalidValueError("--minutes", f"{config.minutes:g}", f"{why}{1000 * speed.step:.4g} ms here")
    return rolling


def _rollouts(config: PipelineConfig) -> int:
    """Return how many episodes a run plays beside those of fine-tuning and of own tries."""
    return 2 * config.episodes + config.rounds * (config.collect + 2 * config.gate_episodes) + TRIED


def _cloning(speed: "Speed", budget: float, operators: Mapping[str, float]) -> Plan:
    """Return how long to clone, and how many ways are tried."""
    affordable = budget / max(speed.update, 1e-9)
    weighed = bool(operators) and affordable >= 2 * SECOND
    ways = 2 if affordable >= (BOTH + weighed) * SECOND else 1
    cost = (BOTH if ways == 2 else 1.0) + weighed
    updates = max([n for n in UPDATES if n * cost <= affordable], default=UPDATES[0])
    each = f"a gradient step takes {1000 * speed.update:.3g} ms, and {budget / 60:.3g} of the minutes are for cloning"
    count = ("one way", "two ways", "three ways")[ways + weighed - 1]
    chosen = f"{updates} gradient steps, {count}" + (", of which rollouts choose" if ways + weighed > 1 else "")
    settings = {"clone.updates": updates, "clone_ways": ways, "clone_by_operator": weighed}
    if weighed:
        counts = ", ".join(f"{operator} {share:.2g}" for operator, share in sorted(operators.items()))
        each = f"{each}; one way weighs demonstrations by the skill of their operators ({counts})"
    return Plan(settings, (PlanChoice("cloning", chosen, each),))


def _learner(config: PipelineConfig, speed: "Speed", budget: float) -> Plan:
    """Return what fine-tunes, by what a step costs, and for how long."""
    ratio = speed.step / max(speed.update, 1e-9)
    cost = f"a step takes {1000 * speed.step:.3g} ms, as much as {ratio:.2g} gradient steps"
    if not is_outside(config.task) or ratio < EXPENSIVE:  # the batch simulation's own are cheap on any machine
        affordable = int(budget / max(speed.iteration, 1e-9))
        count = max(min(ITERATIONS, affordable // 10 * 10), min(affordable, 10), config.rounds)
        why = f"{cost}; an iteration of PPO takes {speed.iteration:.3g} s of {budget / 60:.3g} minutes"
        settings = {"finetune.iterations": count, "gate": True, "choose_exploration_noise": True}
        return Plan(settings, (PlanChoice("fine-tuning", f"PPO, {count} iterations", why),))
    sac: SACSettings = SAMPLE_EFFICIENT["sac"]
    iteration = SAMPLE_EFFICIENT["num_envs"] * speed.horizon * (speed.step + sac.updates * SAC_UPDATE * speed.update)
    least, most = SAC_ITERATIONS
    count = max(least, min(most, int(budget / iteration)), config.rounds)
    settings = {name: value for name, value in SAMPLE_EFFICIENT.items() if name != "sac"}
    settings |= {f"sac.{name}": value for name, value in asdict(sac).items()}
    settings |= {"sac.iterations": count, "gate": True}
    why = f"{cost}, so each is learned from many times; an iteration takes about {iteration:.3g} s"
    return Plan(settings, (PlanChoice("fine-tuning", f"SAC, {count} iterations", why),))


def _questions(answers: "Sequence[AnswerTime]") -> Plan:
    """Return which questions are asked: of those that compare, the one that tells most in a second."""
    best = max(answers, key=lambda time: time.worth / time.seconds)
    times = [f"{time.kind}: {time.seconds:.3g} s ({time.source}), worth {time.worth:g} pairs" for time in answers]
    asked = f"{best.kind}, and {APPROVALS:.0%} that ask whether an episode succeeded, more in earlier rounds"
    settings = {"question": best.kind, "approvals": APPROVALS}
    return Plan(settings, (PlanChoice("questions", asked, "; ".join(times)),))


def _tries(speed: "Speed", budget: float, cloning: int) -> Plan:
    """Return how many turns of self-imitation there is time for, after `cloning` gradient steps."""
    updates = min(cloning, MOST_TRIED)
    turn = TRIES * speed.step * speed.horizon + updates * speed.update
    turns = min(TURNS, int(budget / turn))
    settings = {"self_imitation_rounds": turns, "self_imitation_episodes": TRIES, "self_imitation_updates": updates}
    why = f"a turn of {TRIES} episodes and {updates} gradient steps takes {turn:.3g} s"
    return Plan(settings, (PlanChoice("own tries to imitate", f"up to {turns} turns, where it fails often", why),))


def _within(name: str, kept: set[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in kept)


def _value(config: Any, path: list[str]) -> Any:
    for name in path:
        config = getattr(config, name)
    return config
