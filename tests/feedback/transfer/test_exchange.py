import json
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robo_rlhf.core.errors import ConflictError, DiskFullError, InvalidValueError, NotFoundError
from robo_rlhf.feedback.notes import Note
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.transfer import import_folder, parquet
from robo_rlhf.feedback.transfer.columns import FILES, File
from robo_rlhf.feedback.transfer.export import export
from robo_rlhf.feedback.transfer.import_checks import ImportChecker, Key, Row
from robo_rlhf.feedback.transfer.import_folder import import_all
from tests.database.test_migrate import make_old
from tests.feedback.busy import fill
from tests.feedback.postgres import Server

Empty = Callable[[], str]


@pytest.fixture
def busy(where: str) -> Store:  # type: ignore[misc]
    with Store(where) as opened:
        fill(opened)
        yield opened


@pytest.fixture
def empty(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> Empty:
    """Return the places of new empty databases, of the same kind as `where`."""
    numbers = iter(range(99))

    def make() -> str:
        if "://" not in where:
            return str(tmp_path / f"new-{next(numbers)}.db")
        postgres: Server = request.getfixturevalue("postgres")
        return postgres.new_schema()

    return make


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_what_is_exported_comes_back_as_it_was(busy: Store, empty: Empty, tmp_path: Path, format: str) -> None:
    counts = export(busy, tmp_path / "out", format)  # type: ignore[arg-type]
    assert counts["questions"] == 13
    assert counts["answers"] == 17
    assert all(counts.values())
    with Store(empty()) as other:
        found = import_all(other, tmp_path / "out")
        assert found.problems == []
        assert found.new == counts
        assert other.answers() == busy.answers()
        assert other.questions() == busy.questions()
        assert other.counts() == busy.counts()
        assert other.teams() == busy.teams()
        assert other.tasks.settings() == busy.tasks.settings()
        again = export(other, tmp_path / "again", format)  # type: ignore[arg-type]
        assert again == counts
        for held in busy.leases.held_by("ben"):  # what people have in front of them is not exported
            busy.leases.release(held.lease, "ben")
        mine, theirs = (store.leases.next("carl") for store in (busy, other))
        assert mine is not None
        assert theirs is not None
        assert mine.question == theirs.question
    if format == "jsonl":
        assert contents(tmp_path / "out") == contents(tmp_path / "again")
    for file in FILES if format == "parquet" else ():
        tables = [pq.read_table(tmp_path / folder / f"{file.name}.parquet") for folder in ("out", "again")]
        assert tables[0].equals(tables[1])


def test_importing_twice_is_importing_once(busy: Store, tmp_path: Path) -> None:
    export(busy, tmp_path / "out")
    before = busy.counts(), busy.answers()
    found = import_all(busy, tmp_path / "out")
    assert found.problems == []
    assert not found.new
    assert sum(found.known.values()) > 30
    assert (busy.counts(), busy.answers()) == before


def test_an_old_database_exports_the_same_bytes_after_its_migration(where: str, empty: Empty, tmp_path: Path) -> None:
    make_old(where)
    with Store(where) as migrated, Store(empty()) as other:
        export(migrated, tmp_path / "migrated")
        assert import_all(other, tmp_path / "migrated").problems == []
        export(other, tmp_path / "again")
    assert contents(tmp_path / "migrated") == contents(tmp_path / "again")
    golden = Path(__file__).parents[2] / "golden" / "feedback_v1"
    assert contents(tmp_path / "migrated") == contents(golden)


def change(folder: Path, file: str, line: int, **values: object) -> None:
    path = folder / f"{file}.jsonl"
    lines = path.read_text().splitlines()
    lines[line - 1] = json.dumps({**json.loads(lines[line - 1]), **values})
    path.write_text("\n".join(lines) + "\n")


def append(folder: Path, file: str, *lines: str) -> None:
    with (folder / f"{file}.jsonl").open("a") as out:
        out.write("".join(f"{line}\n" for line in lines))


def test_every_broken_row_is_told_and_nothing_is_imported(busy: Store, empty: Empty, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(busy, out)
    first = json.loads((out / "answers.jsonl").read_text().splitlines()[0])
    change(out, "answers", 2, annotator="nobody")
    change(out, "answers", 3, value={"choice": "left"})
    change(out, "answers", 4, question_id="nothing")
    change(out, "answers", 5, response_time="quick")
    change(out, "answers", 6, colour="red")
    append(out, "answers", "{not json", "[1, 2]", json.dumps(first), '{"value": NaN}', "")
    change(out, "questions", 1, clips=[])
    change(out, "rounds", 1, round=2.5)
    with Store(empty()) as other:
        found = import_all(other, out)
        told = {(problem.file, problem.line): problem.text for problem in found.problems}
        assert not found.new
        assert other.questions() == other.answers() == []
        assert other.teams() == {}
    expected = {
        ("questions.jsonl", 1): "clips is [], which is not a list of clips: episode_id, start and length",
        ("answers.jsonl", 2): "No annotator 'nobody'. Add a line for it to annotators.jsonl.",
        ("answers.jsonl", 3): "answer to a pairwise question: expected a choice of",
        ("answers.jsonl", 4): "No question 'nothing'.",
        ("answers.jsonl", 5): 'response_time is "quick", which is not a number',
        ("answers.jsonl", 6): "colour is not a column of answers",
        ("answers.jsonl", 18): "it is no JSON",
        ("answers.jsonl", 19): "it is no JSON object",
        ("answers.jsonl", 20): "it has the same annotator and idempotency_key as line 1",
        ("answers.jsonl", 21): "it is no JSON: NaN is no number in JSON",
        ("rounds.jsonl", 1): "round is 2.5, which is not a whole number",
    }
    for place, text in expected.items():
        assert told[place].startswith(text), told[place]


def test_rows_that_differ_from_what_is_there_are_told(busy: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(busy, out)
    change(out, "answers", 1, value={"choice": "tie"})
    change(out, "questions", 2, task="other")
    change(out, "questions", 3, clips=[{"episode_id": "x", "start": 0, "length": 1}] * 2)
    found = import_all(busy, out)
    told = {(problem.file, problem.line): problem.text for problem in found.problems}
    assert "value differs from what is there already" in told["answers.jsonl", 1]
    assert "task differs" in told["questions.jsonl", 2]
    assert "clips differs" in told["questions.jsonl", 3]
    assert len(told) == 3


def test_answers_alone_are_added_and_counted(busy: Store, empty: Empty, tmp_path: Path) -> None:
    """As another program would send them, that was given the questions."""
    out = tmp_path / "out"
    export(busy, out)
    with Store(empty()) as other:
        other.add_questions(busy.questions())
        other.answer(busy.questions()[0].id, "carl", {"choice": "B"}, key="own")
        for file in FILES:
            if file.name not in ("answers", "annotators"):
                (out / f"{file.name}.jsonl").unlink()
        assert import_all(other, out).problems == []
        assert other.counts().answers == busy.counts().answers + 1


def test_a_torn_parquet_file_is_told(busy: Store, empty: Empty, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(busy, out, "parquet")
    path = out / "answers.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    with Store(empty()) as other:
        found = import_all(other, out)
        assert [(problem.file, problem.line) for problem in found.problems] == [("answers.parquet", 1)]
        assert "it is no Parquet file, or a broken one" in found.problems[0].text
        assert other.questions() == []


def test_a_full_disk_leaves_no_folder(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def full(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(28, "No space left on device")
        real(descriptor)

    with Store(path) as store:
        fill(store)
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(DiskFullError):
            export(store, tmp_path / "out")
    assert not [entry for entry in tmp_path.iterdir() if "out" in entry.name]


def test_folders_that_cannot_be_used(path: Path, tmp_path: Path) -> None:
    with Store(path) as store:
        (tmp_path / "out").mkdir()
        export(store, tmp_path / "out")
        with pytest.raises(ConflictError, match="it is there already"):
            export(store, tmp_path / "out")
        shutil.rmtree(tmp_path / "out")
        with pytest.raises(NotFoundError, match="It should hold annotators"):
            import_all(store, tmp_path)


def test_others_write_while_an_import_is_checked(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        fill(store)
        export(store, tmp_path / "out")
    with Store(tmp_path / "other.db") as other:
        looked = ImportChecker.known

        def known(self: ImportChecker, file: File, rows: Sequence[Row]) -> dict[Key, Row]:
            other.notes.add(Note("ada", "run", "r", file.name), key=file.name)
            return looked(self, file, rows)

        monkeypatch.setattr(ImportChecker, "known", known)
        assert import_all(other, tmp_path / "out").problems == []
        assert len([note for note in other.notes.list() if note.name == "r"]) >= len(FILES) - 1


def test_a_row_that_somebody_else_writes_meanwhile_is_looked_at_anew(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(path) as store:
        fill(store)
        counts = export(store, tmp_path / "out")
    with Store(tmp_path / "other.db") as other:
        write, tries = import_folder._write, []

        def late(store: Store, *rest: Any) -> None:
            tries.append(1)
            if len(tries) == 1:
                assert import_all(other, tmp_path / "out").new == counts
            write(store, *rest)

        monkeypatch.setattr(import_folder, "_write", late)
        found = import_all(other, tmp_path / "out")
        assert len(tries) == 3
        assert not found.new
        assert found.known.total() == sum(counts.values())


def test_what_is_too_much(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person = {"name": "ada", "kind": "human", "team": "", "since": "2026-01-01T00:00:00.000+00:00"}
    rows = tmp_path / "annotators.jsonl"
    with Store(path) as store:
        rows.write_text("".join(json.dumps({**person, "name": f"p{number}"}) + "\n" for number in range(20)))
        with pytest.raises(InvalidValueError, match="10 rows left"):
            import_all(store, tmp_path, most_rows=10)
        assert store.teams() == {}
        assert import_all(store, tmp_path, most_rows=20).new["annotators"] == 20
        rows.write_text("\n" * 21)
        with pytest.raises(InvalidValueError, match="20 rows left"):
            import_all(store, tmp_path, most_rows=20)
        rows.write_text("{" + " " * import_folder.MOST_ROW + "}\n{}\n")
        (problem,) = import_all(store, tmp_path).problems
        assert (problem.line, problem.text) == (1, "it is longer than 1,048,576 bytes; what follows was not looked at")
        rows.write_text("[1]\n" * 50)
        monkeypatch.setattr(import_folder, "MOST_PROBLEMS", 7)
        assert len(import_all(store, tmp_path).problems) == 7


@pytest.mark.parametrize("limit", ["MEMORY", "WRITTEN"])
def test_parquet_that_unpacks_to_more_than_it_may_is_refused(
    limit: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, limit, 24 * 2**20)
    names = pa.array(["x" * 2**20] * 64)
    pq.write_table(pa.table({"name": names}), tmp_path / "annotators.parquet", compression="zstd")
    assert (tmp_path / "annotators.parquet").stat().st_size < 2**20
    with Store(path) as store, pytest.raises(InvalidValueError, match="Parquet files that unpack to more"):
        import_all(store, tmp_path)
