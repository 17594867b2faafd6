"""`robo-rlhf feedback`: statistics, questions, export and import of people's answers."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.database import DatabaseOptions
from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.checks import DatasetName, Meant, RunName, check_dataset
from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.files import data_home

if TYPE_CHECKING:
    from robo_rlhf.feedback.transfer.import_folder import ImportResult

Folder = Annotated[Path, tyro.conf.Positional]
BY = "robo-rlhf feedback"  # the actor in the audit log


@COMMANDS.register("feedback stats")
@dataclass(frozen=True)
class FeedbackStats(DatabaseOptions):
    """Show the quality of the answers: of all people, and of each person.

    Example:
        robo-rlhf feedback stats
        robo-rlhf feedback stats --run monday --json
    """

    run: str | None = None
    """Only answers to questions of this run."""
    task: str | None = None
    """Only answers to questions about this task."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Print a row a person, and what holds for all of them."""
        from robo_rlhf.feedback.quality.report import as_json, report

        with self.answers() as store:
            found = report(store, run=self.run, task=self.task)
        if self.json:
            print_rows([as_json(found)], as_json=True)
            return 0
        rows = [
            {
                "person": person.name,
                "team": person.team or None,
                "answers": person.answers,
                "seconds": person.seconds,
                "agrees": person.agreement,
                "consistent": person.consistency.value,
                "gold": person.gold.value,
                "left": person.left.value,
                "too fast": person.too_fast.value,
                "ties": person.ties.value,
                "skill": person.skill,
                "warnings": ", ".join(person.warnings) or None,
            }
            for person in found.people
        ]
        print_rows(rows, as_json=False, empty="No answers yet.")
        if found.agreement is not None:
            alphas = ", ".join(f"{kind} {value:.2f}" for kind, value in found.alpha.items() if value is not None)
            print(
                f"people asked the same agree in {found.agreement:.0%}; Krippendorff's alpha: {alphas or 'not defined'}"
            )
        for pair in found.differences:
            if pair.difference is not None:
                value, low, high = pair.difference
                print(f"{pair.first} and {pair.second} differ by {value:+.2f} in agreement ({low:+.2f} to {high:+.2f})")
        return 0


@COMMANDS.register("feedback questions")
@dataclass(frozen=True)
class FeedbackQuestions(DatabaseOptions):
    """List questions, all of them or those that fit every filter; without --run, the runs that asked some.

    Example:
        robo-rlhf feedback questions --run monday --unanswered --json
    """

    run: str | None = None
    """Only questions of this run."""
    round: int | None = None
    """Only questions of this round."""
    unanswered: bool = False
    """Only questions without an answer."""
    limit: int = 100
    """At most so many."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Print one row a question, or a run where none is named."""
        with self.answers() as store:
            if self.run is None and not self.unanswered:
                runs = [{"run": run, **store.counts(run)._asdict()} for run in store.runs()]
                print_rows(runs, as_json=self.json, empty="Nothing was asked yet.")
                return 0
            found = store.questions(self.run, self.round, unanswered=self.unanswered, limit=self.limit)
        rows = [
            {
                "id": question.id,
                "run": question.run,
                "round": question.round,
                "kind": question.kind,
                "task": question.task,
                "role": question.role,
                "overlap": question.overlap,
                "clips": [f"{clip.episode_id}[{clip.start}:{clip.start + clip.length}]" for clip in question.segments],
            }
            for question in found
        ]
        print_rows(rows, as_json=self.json, empty="No question fits.")
        return 0


@COMMANDS.register("feedback ask")
@dataclass(frozen=True)
class FeedbackAsk(DatabaseOptions):
    """Ask people to compare recorded episodes: every two from the same start by different policies, or those you name.

    The start is the pair that imported metadata names, else the seed; the policy is the one it names, else the
    operator. Asked again, nothing changes but what is new.

    Example:
        robo-rlhf feedback ask cups --run cups-july --overlap 2
        robo-rlhf feedback ask cups --axes "task success" speed "care with the cup"
    """

    dataset: Annotated[str, tyro.conf.Positional, Meant(check_dataset)]
    """Name of the dataset in the data home."""
    run: RunName = ""
    """The name under which the questions are kept; else that of the dataset."""
    overlap: int = 1
    """How many people answer each question."""
    task: str | None = None
    """Only episodes of this task."""
    episodes: tuple[str, ...] = ()
    """Compare just these episodes with each other, by their ids, whatever their start and policy."""
    axes: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="[STR [STR ...]]")] = None
    """Compare along these axes, each by itself; with no name after it, along those of the task."""
    most: int = 0
    """At most so many questions; 0 asks about every pair."""

    def __call__(self) -> int:
        """Add the questions."""
        from robo_rlhf.data.layout import require_dataset
        from robo_rlhf.data.reader import Reader
        from robo_rlhf.feedback.axes import check_axes
        from robo_rlhf.feedback.judgeable import check_questions
        from robo_rlhf.feedback.recorded_pairs import pairs_among, pairs_of, questions_about

        home = data_home(self.home)
        reader = Reader(require_dataset(home, self.dataset))
        infos = [info for info in reader.list(task=self.task) if info.length]
        pairs = pairs_among(infos, self.episodes) if self.episodes else pairs_of(infos)
        if not pairs:
            expected = "two of one task, from the same start (pair or seed), by different policies or operators"
            raise InvalidValueError(f"episodes of {self.dataset} to compare", "none that go together", expected)
        run = self.run or self.dataset.replace("/", "-")
        named = self.axes and check_axes(self.axes)
        with self.answers() as store:
            axes = None if named is None else lambda task: named or store.tasks.axes(task)
            asked = questions_about(pairs[: self.most or None], self.dataset, run, self.overlap, axes)
            check_questions(home, asked)
            before = {question.id: question.meta for question in store.questions(run)}
            other = next(
                (before[q.id] for q in asked if before.get(q.id, q.meta).get("axes") != q.meta.get("axes")), None
            )
            if other is not None:
                given = (
                    f"{', '.join(asked[0].meta['axes'])} for run {run}, which asked along {', '.join(other['axes'])}"
                )
                raise InvalidValueError("--axes", given, "another --run for other axes")
            new = store.add_questions(asked)
        print(f"asked {new} questions; {len(asked) - new} were there. Answer them at /review?run={run}")
        return 0


@COMMANDS.register("feedback export")
@dataclass(frozen=True)
class FeedbackExport(DatabaseOptions):
    """Write all feedback into a new folder, one file a table; or the answers to pairs as votes, into one file.

    Example:
        robo-rlhf feedback export feedback-monday
        robo-rlhf feedback export for-analysis --format parquet
        robo-rlhf feedback export votes.csv --format votes
    """

    folder: Folder
    """The folder to make; for votes the file: .csv, .jsonl, .parquet, or .json for Label Studio."""
    format: Literal["jsonl", "parquet", "votes"] = "jsonl"
    """jsonl has one JSON object a line; parquet loads fastest elsewhere; votes have two clips and a choice each."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Write the folder and print how many rows each file has."""
        from robo_rlhf.accounts.roles import Principal
        from robo_rlhf.feedback.transfer.export import export
        from robo_rlhf.feedback.transfer.votes import export_votes

        if self.format == "votes":
            with self.answers() as store:
                count = export_votes(store, self.folder, by=Principal(BY))
            print_rows([{"file": str(self.folder), "rows": count}], as_json=self.json)
            return 0
        with self.answers() as store:
            counts = export(store, self.folder, self.format, by=Principal(BY))
        print_rows(
            [{"file": f"{name}.{self.format}", "rows": rows} for name, rows in counts.items()], as_json=self.json
        )
        return 0


@COMMANDS.register("feedback import")
@dataclass(frozen=True)
class FeedbackImport(DatabaseOptions):
    """Add the feedback of a folder that was exported, or votes on pairs of episodes from elsewhere; all, or nothing.

    Votes are a file: .csv, .jsonl or .parquet with columns clip_a, clip_b, vote, annotator, time, note and axis, or
    others that --columns names; or .json as Label Studio exports it. A clip is an episode of --dataset, by its id or a
    path. Rows that are there already are skipped. Where rows are broken, each is reported with its line, and nothing is
    imported: the exit code is then 4.

    Example:
        robo-rlhf feedback import feedback-monday
        robo-rlhf feedback import votes.csv --dataset cups --columns clip_a=left clip_b=right vote=better
    """

    folder: Folder
    """The folder, or the file of votes, to read."""
    dataset: DatasetName = ""
    """For votes: the dataset that holds the episodes."""
    run: RunName = ""
    """For votes: the name under which their questions are kept; else that of the file."""
    columns: tuple[str, ...] = ()
    """For votes: FIELD=COLUMN, where a column has another name than the field."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Import it, and print what was new or what is broken."""
        from robo_rlhf.accounts.roles import Principal
        from robo_rlhf.feedback.transfer.import_folder import import_all

        if self.folder.is_dir() or not self.folder.exists():
            if given := self.dataset or self.run or self.columns:
                raise InvalidValueError("--dataset, --run and --columns", given, "a file of votes to go with them")
            with self.answers() as store:
                found = import_all(store, self.folder, by=Principal(BY))
        else:
            found = self.votes()
        if found.problems:
            rows = [{"file": p.file, "line": p.line, "problem": p.text} for p in found.problems]
            print_rows(rows, as_json=self.json)
            print(f"error: {len(found.problems)} rows are broken; nothing was imported", file=sys.stderr)
            return CorruptFileError.exit_code
        names = sorted({*found.new, *found.known})
        rows = [{"table": name, "new": found.new[name], "known": found.known[name]} for name in names]
        print_rows(rows, as_json=self.json, empty="The files are empty.")
        return 0

    def votes(self) -> "ImportResult":
        """Import a file of votes."""
        from robo_rlhf.accounts.roles import Principal
        from robo_rlhf.data.layout import require_dataset
        from robo_rlhf.data.reader import Reader
        from robo_rlhf.feedback.transfer.votes import import_votes

        if not self.dataset:
            raise InvalidValueError("--dataset", "none", "the dataset whose episodes the votes are about")
        wrong = next((text for text in self.columns if "=" not in text), None)
        if wrong is not None:
            raise InvalidValueError("--columns", wrong, "FIELD=COLUMN")
        columns = dict(text.split("=", 1) for text in self.columns)
        reader = Reader(require_dataset(data_home(self.home), self.dataset))
        with self.answers() as store:
            run = self.run or self.folder.stem
            return import_votes(store, self.folder, reader, self.dataset, run, columns, by=Principal(BY))
