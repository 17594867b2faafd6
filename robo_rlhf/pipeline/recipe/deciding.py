"""The first stage of a run with a budget: measure, plan, and go on with the settings that were decided."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.quality.answer_times import answer_times
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.context import Context
from robo_rlhf.pipeline.recipe.decisions import STAGE, apply
from robo_rlhf.pipeline.recipe.plan import check_minutes, plan
from robo_rlhf.pipeline.recipe.speed import Speed, measure
from robo_rlhf.pipeline.steps.cloning import draw_demonstrations, take_demonstrations
from robo_rlhf.sim.envs.conditioned_env import under
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.training_tools.operator_weights import operator_shares


def measured(config: PipelineConfig, home: Path) -> Speed | None:
    """Return what work costs in a run that is not begun yet; None where it has no budget in minutes.

    Raises:
        InvalidValueError: the minutes are not enough.
    """
    if not config.minutes:
        return None
    shown = draw_demonstrations(config, home)
    with closing(under(make_env(config.task, config.num_envs), config.conditions)) as env:
        speed = measure(config, env, shown)
    check_minutes(config, speed)
    return speed


@contextmanager
def deciding(context: Context, speed: Speed | None = None) -> Iterator[Context]:
    """Yield the context with the settings that the recipe decides; as it is where there is no budget in minutes.

    What was measured, here or before as `speed`, and what was decided is a stage of the run: a resumed run goes on with
    the same counts, bit for bit.
    """
    config = context.config
    if not config.minutes:
        yield context
        return

    def work(run: Run) -> Mapping[str, Any]:
        shown = take_demonstrations(context)
        costs = speed or measure(config, context.env, shown)
        found = plan(config, costs, answer_times(context.store, config.task), operator_shares(shown))
        return {"speed": asdict(costs), **found.to_json()}

    decided = apply(config, context.stage(STAGE, work)["settings"])
    if decided.num_envs == context.env.num_envs:
        yield replace(context, config=decided)
        return
    with closing(under(make_env(decided.task, decided.num_envs), decided.conditions)) as env:
        yield replace(context, config=decided, env=env)
