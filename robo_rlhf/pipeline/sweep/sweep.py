"""The work of a sweep: its runs, some at a time, and the report, which is written again whenever one is finished.

Each run is a `robo-rlhf run` of its own, in a process of its own, here or on a node of a cluster, with a folder of its
own among the runs: its results are those that the same command gives alone, bit for bit. The sweep has a folder among
the runs too.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from robo_rlhf.core.files import run_folder
from robo_rlhf.core.runs import Run
from robo_rlhf.executor.cluster import joined
from robo_rlhf.executor.commands import CliProcess, run_commands, run_on_cluster
from robo_rlhf.pipeline.sweep.grid import SweepRun
from robo_rlhf.pipeline.sweep.report import write_sweep_report
from robo_rlhf.pipeline.sweep.results import FinishedRun, choices, finished
from robo_rlhf.processes.heartbeat import held, keep_heartbeat

KIND = "sweep"


def do_sweep(
    cells: Sequence[SweepRun],
    commands: Mapping[str, Sequence[str]],
    run: Run,
    home: Path,
    slots: int | None,
    database: str | None,
    observe: Callable[[SweepRun, str], object],
) -> list[FinishedRun]:
    """Do the runs that are not finished, at most `slots` at a time; return those that are, in the order of `cells`.

    Args:
        cells: all runs.
        commands: by the name of a run, the words of its command.
        run: of the sweep.
        home: the data home.
        slots: runs at the same time; None: as many as there are cores, here or in the cluster that was joined.
        database: address of the feedback database; None: the one in the data home.
        observe: called with a run and what became of it: "finished", or why it failed.

    Raises:
        BusyError: another process works on the sweep.
        CorruptFileError: the result of a run is damaged.
        ClusterError: the cluster cannot be used.
    """
    by_name = {cell.run: cell for cell in cells}
    with held(run.path, even_finished=True), keep_heartbeat(run):
        done = {found.cell.run: found for found in finished(cells, home)}
        for found in done.values():
            observe(found.cell, "finished")
        missing = [cell.run for cell in cells if cell.run not in done]
        logs = run.path / "logs"
        waiting = [CliProcess(name, commands[name], logs / f"{name}.txt", run_folder(home, name)) for name in missing]
        cluster = joined()
        if cluster is not None:
            results = run_on_cluster(cluster, waiting, slots or cluster.places, database, home)
        else:
            results = run_commands(waiting, slots or os.cpu_count() or 1, database)
        for ended in results:
            cell = by_name[ended.name]
            result = None if ended.why else next(finished([cell], home), None)
            outcome = ended.why or ("finished" if result else "it ended without a result")
            run.event("run ended", run=cell.run, outcome=outcome)
            observe(cell, outcome)
            if result:
                done[cell.run] = result
                write_sweep_report(run.path, _in_order(cells, done), len(cells))
        every = _in_order(cells, done)
        if len(every) == len(cells) and (run.result() or {}).get("runs") != len(cells):
            write_sweep_report(run.path, every, len(cells))
            run.finish({"runs": len(cells), "best": choices(every)[0].name})
    return every


def _in_order(cells: Sequence[SweepRun], done: Mapping[str, FinishedRun]) -> list[FinishedRun]:
    return [done[cell.run] for cell in cells if cell.run in done]
