"""`robo-rlhf plan`: what a run of a task will probably take, before it is begun."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import DatasetName, above, within
from robo_rlhf.core.files import feedback_database
from robo_rlhf.sim.names import OnRobot, Task


@COMMANDS.register("plan")
@dataclass(frozen=True, kw_only=True)
class PlanCommand(OnRobot):
    """Say how many demonstrations, answers and minutes a success will probably take, and what would save most.

    It clones policies from half of the demonstrations and from all for a minute, and draws the rest from earlier runs:
    those of this data home, and measured ones that ship. Intervals hold 90 % of what may come. The plan is kept beside
    the dataset; the report of the next run of that task says what came of it.

    Example:
        robo-rlhf plan --task pick_place
        robo-rlhf plan --task stack --dataset kitchen --target 95 --json
    """

    task: Task = "pick_place"
    """A native task; `--env` names an outside environment instead."""
    env: str | None = None
    """Gymnasium id of an outside environment that marks success; --env-arg KEY=VALUE gives it an argument."""
    dataset: DatasetName = ""
    """Dataset of demonstrations in the data home. Where empty: as `robo-rlhf run` chooses it."""
    target: Annotated[float, within(1, 99, "a success from 1 to 99 %; no number of episodes shows 100 %")] = 90.0
    """Success at the end of an episode that is wanted [%]."""
    minutes: Annotated[float, above(0)] = 15.0
    """Minutes of the processor that the run will be given."""
    cloning: Annotated[float, above(0)] = 1.0
    """Minutes of the processor that may be spent on cloning, now."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print the plan as JSON."""

    def __call__(self) -> int:
        """Make the plan, keep it and print it."""
        from robo_rlhf.cli.run import RunCommand

        asked = RunCommand(task=self.task, env=self.env, dataset=self.dataset, robot=self.robot, home=self.home)
        config, _, home = asked.asked()  # errors are reported before anything heavy is loaded
        use_one_thread()
        from robo_rlhf.feedback.quality.answer_times import answer_times
        from robo_rlhf.feedback.store import Store
        from robo_rlhf.pipeline.prediction.earlier import runs_of, shipped_runs
        from robo_rlhf.pipeline.prediction.plan_file import store_plan
        from robo_rlhf.pipeline.prediction.planning import plan_task

        with Store(feedback_database(home)) as store:
            times = answer_times(store, config.task)
        plan = plan_task(
            config.task,
            config.dataset,
            home,
            [*shipped_runs(), *runs_of(home)],
            times,
            target=self.target,
            cloning=self.cloning,
            minutes=self.minutes,
        )
        path = store_plan(home, plan)
        if self.json:
            print(json.dumps(plan, indent=2))
            return 0
        title = f"{config.task}, {plan['demos']} demonstrations in {config.dataset}, to {self.target:g} % success"
        print_rows(plan_rows(plan), as_json=False, title=title)
        print("\n".join(plan["advice"]))
        print(f"Kept in {path}; the report of the next run says what came of it.")
        return 0


def plan_rows(plan: dict[str, Any]) -> list[dict[str, object]]:
    """Return a plan as rows of a table: the middle of what may come, and its interval."""
    from robo_rlhf.pipeline.prediction.plan_file import range_of

    def row(what: str, stored: Any, scale: float = 1.0) -> dict[str, object]:
        found = range_of(stored)
        middle, low, high = (f"{scale * value:.3g}" if value != float("inf") else "more" for value in found)
        return {"what": what, "probably": middle, "from": low, "to": high}

    with_answers = f"success with {plan['usual_answers']} answers too [%]"
    rows = [row("success of a clone [%]", plan["cloned"], 100), row(with_answers, plan["success"], 100)]
    rows += [
        row("answers to the target", plan["answers"]),
        row("or demonstrations alone, in all", plan["demonstrations"]),
    ]
    rows += [row(f"minutes of people, {name}", found) for name, found in plan["people"].items()]
    return rows + ([row("minutes of the processor", plan["minutes"])] if plan["minutes"] else [])
