"""`robo-rlhf sweep`: the main job with every combination of some settings, each from several seeds."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from robo_rlhf.cli import COMMANDS, CONTINUES
from robo_rlhf.cli.run import RunCommand
from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.checks import Count, RunName, Seed, at_least, check_run
from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError
from robo_rlhf.core.files import DATABASE_VARIABLE, data_home, run_folder

if TYPE_CHECKING:
    from robo_rlhf.pipeline.sweep.grid import SweepRun

FINISHED = "finished"
REPEATED = ("set",)  # options that are given once for each value


@COMMANDS.register("sweep")
@dataclass(frozen=True, kw_only=True)
class SweepCommand(RunCommand):
    """Do the main job with every combination of some settings, from several seeds, and say which does best.

    Each run is a `robo-rlhf run` in a process of its own, with the same results as alone, bit for bit; all of them are
    on the monitor page. Settings are as given: with --minutes each run decides for itself, by what its work costs while
    others are at work beside it. Stop it at any time: the same command continues with the runs that are missing; with
    more seeds it goes on with those.

    Example:
        robo-rlhf sweep --task pick_place --seeds 5 --vary finetune.anchor=0.01,0.02 --vary clone.updates=2000,4000
        robo-rlhf sweep --task reach --preset quick --seeds 3 --jobs 2
        robo-rlhf sweep --task stack --seeds 20 --cluster 10.0.0.7:6379
        robo-rlhf sweep --env Pendulum-v1 --demos 0 --seeds 3 --vary sac.updates=0.5,1
    """

    stopped: ClassVar = CONTINUES

    seeds: Count = 3
    """Seeds that each combination is run from: --seed and those that follow it."""
    seed: Seed = 0
    """The first seed."""
    vary: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A setting with its values, as NAME=VALUE,VALUE. May be repeated: every combination is run."""
    jobs: Annotated[int | None, at_least(1)] = None
    """Runs at the same time; where empty, as many as there are cores, of this machine or of the cluster."""
    minutes: Annotated[float | None, at_least(0, "0 or more")] = 0.0
    """Minutes of the processor from which each run decides its settings; 0: they are as they are given."""
    run: RunName = ""
    """Name of the sweep, a folder among the runs; its runs are called NAME-1 and on. sweep-TASK where empty."""

    def __call__(self) -> int:
        """Do the remaining runs and print the table."""
        if self.annotator != "simulated":
            raise InvalidValueError("--annotator", self.annotator, "simulated: nobody answers the questions of a sweep")
        if any(setting.partition("=")[0] == "seed" for setting in self.set):
            raise InvalidValueError("--set", "seed", "--seed and --seeds: each run has one of its own")
        from robo_rlhf.pipeline.sweep.grid import grid, varied

        home = data_home(self.home).absolute()
        task = self.env or self.task
        name = self.run or f"sweep-{task.replace('/', '-').replace(':', '-')}"
        settings = varied(self.vary)
        cells = grid(name, settings, range(self.seed, self.seed + self.seeds))
        check_run("--run", cells[-1].run)
        runs = {cell.run: self.of(cell) for cell in cells}
        firsts = [runs[cell.run].asked()[0] for cell in cells if cell.seed == self.seed]  # refuses before any work
        from robo_rlhf.core.runs import Run
        from robo_rlhf.pipeline.sweep.results import choices, table
        from robo_rlhf.pipeline.sweep.sweep import KIND, do_sweep

        varies = [f"{setting}={','.join(values)}" for setting, values in settings]
        asked = {"kind": KIND, "task": firsts[0].task, "seed": self.seed, "vary": varies}
        words = {run: ["run", *_words(replace(command, home=home))] for run, command in runs.items()}
        asked["command"] = _words(replace(runs[cells[0].run], run="", seed=0, set=self.set, home=None))
        path = run_folder(home, name)
        database = os.environ.get(DATABASE_VARIABLE) or None
        failed: dict[str, str] = {}
        with self.joining(), _watching(len(cells), failed) as observe:
            done = do_sweep(cells, words, Run(path, asked), home, self.jobs, database, observe)
        if self.json:
            rows = [{**choice.__dict__, "name": choice.name} for choice in choices(done)]
            print(json.dumps({"runs": rows, "failed": failed, "report": str(path / "report.html")}, indent=2))
        else:
            print_rows(table(done), as_json=False, title=f"{firsts[0].task}: {len(done)} of {len(cells)} runs")
            print(f"Report: {path / 'report.html'}")
        for run, why in failed.items():
            print(f"error: {run}: {why}", file=sys.stderr)
        return RoboRlhfError.exit_code if failed else 0

    def of(self, cell: "SweepRun") -> RunCommand:
        """Return the command of one run."""
        ours = {field.name: getattr(self, field.name) for field in fields(RunCommand)}
        return RunCommand(
            **{
                **ours,
                "seed": cell.seed,
                "run": cell.run,
                "set": (*self.set, *cell.settings),
                "json": False,
                "cluster": None,
            }
        )


def _words(command: RunCommand) -> list[str]:
    """Return the options of a command as they are written on the command line, those at their defaults left out."""
    words: list[str] = []
    for field in fields(command):
        value: Any = getattr(command, field.name)
        usual = field.default if field.default_factory is MISSING else field.default_factory()
        if value == usual and field.name != "minutes":
            continue
        option = f"--{field.name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option)
        elif field.name in REPEATED:
            words += [word for one in value for word in (option, one)]
        elif isinstance(value, tuple):
            words += [option, *value]
        elif value is not None:
            words += [option, str(value)]
    return words


@contextmanager
def _watching(count: int, failed: dict[str, str]) -> "Iterator[Callable[[SweepRun, str], None]]":
    """Show how many runs are finished, with a line for each that ends; yield what is called with each."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("runs", total=count)

        def observe(cell: "SweepRun", outcome: str) -> None:
            if outcome != FINISHED:
                failed[cell.run] = outcome
            what = ", ".join((*cell.settings, f"seed {cell.seed}"))
            progress.console.print(f"{cell.run} ({what}): {outcome}", highlight=False, markup=False, soft_wrap=True)
            progress.advance(bar)

        yield observe
