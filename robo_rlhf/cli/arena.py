"""`robo-rlhf arena`: policies on the same seeds, compared by judges who do not know which is which."""

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from robo_rlhf.cli import (
    COMMANDS,
    CONTINUES,
)
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.stage_bars import StageBars
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import (
    ArenaName,
    DatasetName,
)
from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError
from robo_rlhf.core.files import data_home, feedback_database
from robo_rlhf.policies.latest_policy import source_of
from robo_rlhf.sim.names import check_world
from robo_rlhf.vision.torch_device import OnTorchDevice

if TYPE_CHECKING:
    from robo_rlhf.feedback.arena.standings import Standings
    from robo_rlhf.feedback.store import Store

LISTED = ("arena", "task", "judge", "policies", "answered", "verdict")  # columns of the list of arenas


@COMMANDS.register("arena")
@dataclass(frozen=True, kw_only=True)
class ArenaCommand(OnTorchDevice):
    """Compare policies blindly, on the same seeds: run them, ask about every pair, rate them.

    Stop it at any time: the same command continues where it stopped. Called again with other policies or more seeds,
    it adds them.

    Example:
        robo-rlhf arena --policies main-run main-run/clone --judge simulated --name tuned
        robo-rlhf arena --policies before=old.safetensors after=main-run --seeds 40 --name by-people
        robo-rlhf arena --policies third-run --name by-people
        robo-rlhf arena --policies main-run --with-demonstrations samples/pick_place --name beside-teachers
        robo-rlhf arena --recorded cups --name cups-july
    """

    stopped: ClassVar = CONTINUES

    policies: tuple[str, ...] = ()
    """Two or more: a checkpoint, a run (its final policy) or a stage of one (RUN/clone); NAME=CHECKPOINT names it."""
    recorded: DatasetName = ""
    """Instead of policies: a dataset of rollouts that are recorded already, of several policies or operators."""
    with_demonstrations: DatasetName = ""
    """A dataset of operators' demonstrations of the task: they take part as one more policy, as blind as the others."""
    task: str | None = None
    """Task to run; else the one that the policies were trained for. With --recorded, only rollouts of this task."""
    seeds: int | None = None
    """Episodes of each policy: 20 for a new arena; each pair gets a question about each."""
    judge: Literal["human", "simulated"] | None = None
    """The judges: people on the review page (the default), or simulated teachers; in outside
    environments these alone."""
    judges: int | None = None
    """How many of them answer each question; 1 for a new arena."""
    name: ArenaName = ""
    """Name of the arena, a folder among the runs; judges see it."""
    wait: bool = False
    """Stay until people have answered every question."""
    database: str = ""
    """A database URL or file for feedback; else $ROBO_RLHF_DATABASE, else feedback.db in the data home."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print the standings as JSON."""

    def __call__(self) -> int:
        """Do the remaining work and print the standings."""
        if not self.name:
            raise InvalidValueError("--name", "none", "a name for a new arena, or that of one to continue")
        if self.recorded:
            return self.compare_recorded()
        if self.task is not None:
            check_world("--task", self.task)
        home = data_home(self.home).absolute()
        for given in self.policies:
            source_of(given, home)  # refused before anything heavy is loaded
        use_one_thread()
        from robo_rlhf.core.runs import Run
        from robo_rlhf.feedback.arena.arena import folder_of
        from robo_rlhf.feedback.store import Store
        from robo_rlhf.pipeline.arena import ArenaJob, ArenaRequest
        from robo_rlhf.processes import heartbeat

        home = data_home(self.home).absolute()
        with (
            heartbeat.held(folder_of(home, self.name), even_finished=True),
            Store(feedback_database(home, self.database)) as store,
            StageBars() as watch,
        ):
            asked = ArenaRequest(
                home,
                self.name,
                self.policies,
                task=self.task,
                seeds=self.seeds,
                judge=self.judge,
                overlap=self.judges,
                demonstrations=self.with_demonstrations,
            )
            arena = asked.open()
            asked.enter(arena)
            with heartbeat.keep_heartbeat(Run(arena.path, arena.config)), closing(ArenaJob(arena, store, watch)) as job:
                found = job.work()
                if self.wait and not found.progress.done:
                    found = job.wait()
        show(found, as_json=self.json)
        return 0

    def not_with_recorded(self) -> tuple[tuple[str, object], ...]:
        """Return the options that do not go with recorded rollouts, and what they are."""
        some = (("--policies", self.policies), ("--seeds", self.seeds), ("--wait", self.wait))
        return (*some, ("--with-demonstrations", self.with_demonstrations))

    def compare_recorded(self) -> int:
        """Ask about rollouts that are recorded already, and print the standings."""
        from robo_rlhf.data.layout import require_dataset
        from robo_rlhf.data.reader import Reader
        from robo_rlhf.feedback.arena.arena import folder_of
        from robo_rlhf.feedback.store import Store
        from robo_rlhf.pipeline.recorded_arena import recorded_arena
        from robo_rlhf.processes import heartbeat

        for option, given in self.not_with_recorded():
            if given:
                raise InvalidValueError(option, given, "nothing: with --recorded no policy is run")
        if self.judge == "simulated":
            raise InvalidValueError("--judge", self.judge, "human: simulated teachers do not judge what was recorded")
        home = data_home(self.home).absolute()
        reader = Reader(require_dataset(home, self.recorded))
        infos = [info for info in reader.list(task=self.task) if info.length]
        with (
            heartbeat.held(folder_of(home, self.name), even_finished=True),
            Store(feedback_database(home, self.database)) as store,
            progress_bar("episodes copied") as tell,
        ):
            found = recorded_arena(
                home,
                self.name,
                self.recorded,
                reader,
                infos,
                store,
                overlap=self.judges or 1,
                tell=lambda done, total: tell(done, total, {}),
            )
        show(found, as_json=self.json)
        return 0


@COMMANDS.register("arena show")
@dataclass(frozen=True, kw_only=True)
class ArenaShow:
    """Show the standings of an arena: ratings, every pair, and a summary; without a name, list the arenas.

    Example:
        robo-rlhf arena show --name by-people --weighted
        robo-rlhf arena show --name by-people --by-group
    """

    name: ArenaName = ""
    """Name of the arena; all are listed where empty."""
    weighted: bool = False
    """Weight judges by their reliability, as estimated from the others."""
    by_group: bool = False
    """Rate the policies by each group that judges name on their account page, and by everybody else."""
    database: str = ""
    """A database URL or file for feedback; else $ROBO_RLHF_DATABASE, else feedback.db in the data home."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Read the answers and print the standings."""
        from robo_rlhf.feedback.arena.arena import Arena, arenas
        from robo_rlhf.feedback.arena.standings import standings, update_standings
        from robo_rlhf.feedback.store import Store

        home = data_home(self.home).absolute()

        def compute(name: str) -> "Standings":
            arena = Arena(home, name)
            newest = update_standings(arena, store)
            return standings(arena, store, weighted=True) if self.weighted else newest

        with Store(feedback_database(home, self.database)) as store:
            if self.by_group:
                self.show_groups(store)
                return 0
            if self.name:
                show(compute(self.name), as_json=self.json)
                return 0
            rows = []
            for name in arenas(home):
                try:
                    rows.append(_row(compute(name).to_json()))
                except RoboRlhfError as error:  # the others are shown
                    rows.append(dict.fromkeys(LISTED) | {"arena": name, "verdict": str(error)})
        print_rows(rows, as_json=self.json, empty="No arenas yet: `robo-rlhf arena --help`.")
        return 0

    def show_groups(self, store: "Store") -> None:
        """Print the ratings by the judges of each group, and a warning where one ranking does not serve a group."""
        from robo_rlhf.feedback.arena.arena import Arena
        from robo_rlhf.feedback.arena.groups import by_group

        if not self.name or self.weighted:
            given = "no --name" if not self.name else "--weighted"
            raise InvalidValueError("--by-group", given, "--name of an arena, and no weights")
        found = by_group(Arena(data_home(self.home).absolute(), self.name), store)
        if self.json:
            print(json.dumps([one.to_json() for one in found], indent=2, ensure_ascii=False))
            return
        rows = [
            {"group": name, "judges": judges, **_rating_row(policy)}
            for one in found
            for name, judges, ratings in (
                (one.group, one.judges, one.found),
                (f"not {one.group}", None, one.rest),
            )
            for policy in ratings.to_json()["policies"]
        ]
        print_rows(rows, as_json=False, empty="No judge names a group: people do on their account page.")
        for one in found:
            if one.warning:
                print(one.warning)


def show(found: "Standings", *, as_json: bool) -> None:
    """Print the standings of an arena."""
    value = found.to_json()
    if as_json:
        print(json.dumps(value, indent=2, ensure_ascii=False))
        return
    who = "people" if value["judge"] == "human" else "simulated teachers"
    title = f"{value['arena']}: {value['task']}, judged by {who}, {value['answered']} of {value['asked']} questions"
    print_rows([_policy_row(policy) for policy in value["policies"]], as_json=False, title=title)
    if value["answers"]:
        print_rows([_pair_row(pair) for pair in value["pairs"]], as_json=False, title="pairs, ties counted half")
    print(value["verdict"])
    if value["not_blind"]:
        print(f"{value['not_blind']} answers do not count: who gave them had looked at the names.")
    waiting = value["asked"] - value["answered"]
    if waiting and value["judge"] == "human":
        text = f"{waiting} questions wait: `robo-rlhf serve`, then the address /review?run={value['arena']}."
        print(text, file=sys.stderr)


def _policy_row(policy: Mapping[str, Any]) -> dict[str, object]:
    rating, success = policy["rating"], policy.get("success")
    return {
        "policy": policy["name"],
        "rating": round(rating["value"]),
        "95 %": f"{rating['low']:.0f} to {rating['high']:.0f}",
        "best [%]": round(100 * policy["best"]),
        "judged": round(policy["judged"]),
        "success [%]": f"{100 * success['value']:.0f} ({100 * success['low']:.0f} to {100 * success['high']:.0f})"
        if success
        else None,
        "checkpoint": policy.get("checkpoint"),
        "digest": policy.get("digest", "")[:12],
    }


def _rating_row(policy: Mapping[str, Any]) -> dict[str, object]:
    row = _policy_row(policy)
    return {name: row[name] for name in ("policy", "rating", "95 %", "judged")}


def _pair_row(pair: Mapping[str, Any]) -> dict[str, object]:
    counts = {name: round(pair[name]) for name in ("wins", "losses", "ties")}
    share = pair["share"]
    text = f"{100 * share['value']:.0f} ({100 * share['low']:.0f} to {100 * share['high']:.0f})" if share else None
    shown = "yes" if pair["decided"] else "no" if pair["more"] is None else f"no, about {pair['more']:,} more"
    return {"policy": pair["first"], "against": pair["second"], **counts, "share [%]": text, "told apart": shown}


def _row(value: Mapping[str, Any]) -> dict[str, object]:
    answered = f"{value['answered']} of {value['asked']}"
    return {name: value[name] for name in LISTED} | {"policies": len(value["policies"]), "answered": answered}
