"""The first stage of a run with a budget: measure, plan, and go on with the settings that were decided."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from typing import Any

from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.quality.answer_times import answer_times
from robo_rlhf.pipeline.context import Context
from robo_rlhf.pipeline.recipe.decisions import STAGE, apply
from robo_rlhf.pipeline.recipe.plan import plan
from robo_rlhf.pipeline.recipe.speed import measure
from robo_rlhf.pipeline.steps.cloning import take_demonstrations
from robo_rlhf.sim.envs.task_env import make_env


@contextmanager
def deciding(context: Context) -> Iterator[Context]:
    """Yield the context with the settings that the recipe decides; as it is where there is no budget in minutes.

    What was measured and decided is a stage of the run: a resumed run goes on with the same counts, bit for bit.
    """
    config = context.config
    if not config.minutes:
        yield context
        return

    def work(run: Run) -> Mapping[str, Any]:
        speed = measure(context, take_demonstrations(context))
        found = plan(config, speed, answer_times(context.store, config.task))
        return {"speed": asdict(speed), **found.to_json()}

    config = apply(config, context.stage(STAGE, work)["settings"])
    if config.num_envs == context.env.num_envs:
        yield replace(context, config=config)
        return
    with closing(make_env(config.task, config.num_envs)) as env:
        yield replace(context, config=config, env=env)
