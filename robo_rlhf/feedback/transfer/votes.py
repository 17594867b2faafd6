"""Votes on pairs from elsewhere: tables and Label Studio's JSON become pairwise questions and answers, and back.

A vote is two clips, a choice, who chose and when. A table is CSV, JSON Lines or Parquet, one vote a row, its columns
named; several votes on a pair are answers to one question. Label Studio's file is a list of tasks, each with two videos
in its data and annotations whose result is pairwise (left or right) or a choice. A clip is a whole episode of a
dataset, named by its id or by a path or address that ends in it. A vote that names an axis is about that alone: the
votes of a person on a pair, one an axis, are one answer to an axes question.
"""

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from robo_rlhf.accounts.roles import NO_PRINCIPAL, Principal, log
from robo_rlhf.core.errors import ConflictError, CorruptFileError, InvalidValueError
from robo_rlhf.core.files import read_whole, write_atomic
from robo_rlhf.core.seal import parse_json
from robo_rlhf.core.types import Segment
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.axes import axes_of
from robo_rlhf.feedback.question_kind import CANT_TELL, REASONS
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.records import question_id
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.transfer import parquet
from robo_rlhf.feedback.transfer.import_folder import ImportProblem, ImportResult, import_all
from robo_rlhf.feedback.transfer.vote_reasons import cell_of, read_cell

TABLES = (".csv", ".jsonl", ".parquet")
LABEL_STUDIO = ".json"
FIELDS = ("clip_a", "clip_b", "vote", "annotator", "time", "note", "axis", "reasons")
KIND, BY_AXES, LONGEST = "pairwise", "axes", 1000  # [characters] of a cell
LONGEST_REASONS = 4000
CHOICES: Mapping[str, str] = {
    **dict.fromkeys(("a", "left", "first", "1", "clip_a"), "A"),
    **dict.fromkeys(("b", "right", "second", "2", "clip_b"), "B"),
    **dict.fromkeys(("tie", "equal", "same", "draw", "both", "0.5"), "tie"),
    **dict.fromkeys(("both_bad", "neither"), "both_bad"),
    **dict.fromkeys(("cant_tell", "unsure", "skip", "unknown"), "cant_tell"),
}
_ADVICE = "Nothing was imported."
_Key = tuple[str, str, str]  # kind of question, and the two episodes


class Vote(NamedTuple):
    """One vote as it was read."""

    row: int  # in its file, from 1
    clip_a: str
    clip_b: str
    vote: str
    annotator: str
    time: str  # ISO 8601, or any text; empty where it is not known
    note: str
    axis: str = ""  # empty: the whole
    seconds: float | None = None  # that it took
    reasons: str = ""  # see `vote_reasons`


@dataclass
class _Pair:
    """The answers to one question."""

    clips: tuple[Segment, Segment]
    task: str
    answers: list[dict[str, Any]] = field(default_factory=list)

    def add(self, vote: Vote, choice: str, reasons: list[dict[str, Any]]) -> None:
        """Add a vote: an answer, or one axis of the newest answer of its annotator."""
        person = vote.annotator or "unknown"
        note: dict[str, Any] = {"note": vote.note} if vote.note else {}
        note |= {REASONS: reasons} if reasons else {}
        answer = {"annotator": person, "value": {"choice": choice, **note}, "time": vote.time, "seconds": vote.seconds}
        if not vote.axis:
            self.answers.append(answer)
            return
        favoured = {"both_bad": "tie"}.get(choice, choice)
        mine = [one for one in self.answers if one["annotator"] == person]
        if mine and vote.axis not in mine[-1]["value"]["axes"]:
            mine[-1]["value"] |= note
            mine[-1]["value"]["axes"][vote.axis] = favoured
        else:
            self.answers.append({**answer, "value": {"axes": {vote.axis: favoured}, **note}})

    def axes(self) -> list[str]:
        """Return the axes that votes name, those on which an answer says nothing filled with "can't tell"."""
        found = list(dict.fromkeys(axis for answer in self.answers for axis in answer["value"].get("axes", ())))
        for answer in self.answers if found else ():
            answer["value"]["axes"] = {axis: answer["value"]["axes"].get(axis, CANT_TELL) for axis in found}
        return found


def import_votes(
    store: Store,
    path: Path,
    reader: Reader,
    dataset: str,
    run: str,
    columns: Mapping[str, str],
    *,
    by: Principal = NO_PRINCIPAL,
) -> ImportResult:
    """Import votes about episodes of a dataset, all of them or nothing; again changes nothing.

    Args:
        store: where they go.
        path: a table, or Label Studio's JSON.
        reader: of the dataset.
        dataset: its name.
        run: the name under which the questions are asked.
        columns: names of the file's columns for those of FIELDS; Label Studio's are keys of a task's data.
        by: who imports.

    Raises:
        InvalidValueError: a field that there is not, or another kind of file.
        CorruptFileError: the file cannot be read at all.
    """
    if unknown := sorted(set(columns) - set(FIELDS)):
        raise InvalidValueError("column to map", unknown[0], f"one of {', '.join(FIELDS)}")
    named = {name: columns.get(name, name) for name in FIELDS}
    pairs: dict[_Key, _Pair] = {}
    problems: list[ImportProblem] = []
    known: dict[str, EpisodeInfo | None] = {}
    ids = set(reader.ids())
    for vote in read_votes(path, named):
        problem = (
            vote if isinstance(vote, ImportProblem) else _take(vote, reader, ids, known, pairs, store.tasks.reasons)
        )
        if isinstance(problem, ImportProblem):
            problems.append(problem._replace(file=path.name))
    if problems:
        return ImportResult(problems=problems)
    if not pairs:
        raise CorruptFileError(path, "it holds no votes", _ADVICE)
    with tempfile.TemporaryDirectory(prefix="votes-") as place:
        _write(Path(place), pairs, dataset, run)
        return import_all(store, Path(place), by=by)


def read_votes(path: Path, named: Mapping[str, str]) -> Iterator[Vote | ImportProblem]:
    """Iterate over the votes of a file, each as text; a row that is none is a problem."""
    if path.suffix == LABEL_STUDIO:
        yield from _label_studio(path, named)
        return
    for number, row in _rows(path):
        cells = {name: _text(row.get(column)) for name, column in named.items()}
        cells["reasons"] = _reasons(row.get(named["reasons"]))
        missing = next((named[name] for name in FIELDS[:3] if not cells[name]), "")
        if missing:
            there = ", ".join(map(str, row)) or "none"
            yield ImportProblem(path.name, number, f"column {missing!r} is empty or missing; there are: {there[:200]}")
            continue
        one, other, vote, person, when, note, axis, why = (cells[name] for name in FIELDS)
        yield Vote(number, one, other, vote, person, when, note, axis, reasons=why)


def export_votes(store: Store, path: Path, *, by: Principal = NO_PRINCIPAL) -> int:
    """Write all answers to pairwise and axes questions as votes, in the form that the file's name says.

    Returns how many.

    Raises:
        InvalidValueError: the name ends in none of TABLES and LABEL_STUDIO.
        ConflictError: there is such a file.
    """
    if path.suffix not in (*TABLES, LABEL_STUDIO):
        raise InvalidValueError("file of votes", path.name, f"a name that ends in {', '.join((*TABLES, LABEL_STUDIO))}")
    if path.exists():
        raise ConflictError(f"export to {path}", "it is there already")
    asked = {question.id: question for question in store.questions() if question.kind in (KIND, BY_AXES)}
    rows = []
    for answer in store.answers():
        question = asked.get(answer.question_id)
        if question is not None:
            clips = [clip.episode_id for clip in question.segments]
            value = answer.value
            row: dict[str, Any] = {"clip_a": clips[0], "clip_b": clips[1], "annotator": answer.annotator}
            row |= {"time": answer.answered, "note": value.get("note", ""), "dataset": question.dataset}
            row |= {"run": question.run, "task": question.task, "seconds": answer.response_time}
            row["reasons"] = cell_of(value)
            favoured = value.get("axes") or dict.fromkeys(axes_of(question.meta, ("",)), value.get("choice"))
            rows += [{**row, "axis": axis, "vote": choice} for axis, choice in favoured.items()]
    write_atomic(path, _encoded(rows, path.suffix), reserve=0)
    about = f"{len(rows):,} votes"
    store.database.write(lambda connection: log(connection, by.name, "feedback exported", about, by.address))
    return len(rows)


def _take(
    vote: Vote,
    reader: Reader,
    ids: set[str],
    known: dict[str, EpisodeInfo | None],
    pairs: dict[_Key, _Pair],
    reasons_of: Callable[[str], Sequence[Reason]],
) -> ImportProblem | None:
    """File a vote under its pair, or return what is wrong with it."""
    clips: list[EpisodeInfo] = []
    for given in (vote.clip_a, vote.clip_b):
        if given not in known:
            name = _episode(given, ids)
            known[given] = reader.info(name) if name else None
        info = known[given]
        if info is None:
            return ImportProblem("", vote.row, f"clip {given[:100]!r} is no episode of dataset {reader.path.name}")
        clips.append(info)
    one, two = clips
    if one.meta.id == two.meta.id:
        return ImportProblem("", vote.row, f"both clips are episode {one.meta.id}")
    if one.meta.task != two.meta.task:
        return ImportProblem("", vote.row, f"the clips are of different tasks: {one.meta.task} and {two.meta.task}")
    favoured = vote.vote.strip().lower().replace(" ", "_").replace("'", "")
    choice = CHOICES.get(favoured) or {vote.clip_a: "A", vote.clip_b: "B"}.get(vote.vote)
    if choice is None:
        expected = f"one of {', '.join(CHOICES)}, or the name of one of its clips"
        return ImportProblem("", vote.row, f"vote {vote.vote[:60]!r}: expected {expected}")
    kind = BY_AXES if vote.axis else KIND
    names = one.meta.id, two.meta.id
    swapped = (kind, *names[::-1]) in pairs
    if swapped:
        names, choice = names[::-1], {"A": "B", "B": "A"}.get(choice, choice)
    clips_of = tuple(Segment(info.meta.id, 0, info.length) for info in clips)
    pair = pairs.setdefault((kind, *names), _Pair((clips_of[0], clips_of[1]), one.meta.task))
    lengths = [clip.length for clip in pair.clips]
    try:
        reasons = read_cell(vote.reasons, choice, reasons_of(pair.task), lengths, swapped=swapped)
    except InvalidValueError as error:
        return ImportProblem("", vote.row, str(error))
    pair.add(vote, choice, reasons)
    return None


def _episode(given: str, ids: set[str]) -> str:
    """Return the id that a clip's name means: itself, or the end of a path or address; empty where there is none."""
    path = PurePosixPath(urlsplit(given).path if "://" in given else given)
    parts = "-".join(part for part in path.with_suffix("").parts if part != "/")
    for name in (given, parts, path.stem, path.name, path.parent.name):
        if name in ids:
            return name
    return ""


def _write(place: Path, pairs: Mapping[_Key, _Pair], dataset: str, run: str) -> None:
    """Write the files of an import: see `columns`."""
    now = timestamp()
    people = sorted({answer["annotator"] for pair in pairs.values() for answer in pair.answers})
    questions, answers = [], []
    for (kind, *_), pair in pairs.items():
        name = question_id(run, 1, kind, pair.clips)
        axes = pair.axes()
        meta = {"axes": axes} if axes else {}
        asked = {"id": name, "run": run, "round": 1, "kind": kind, "task": pair.task, "dataset": dataset}
        clips = [clip._asdict() for clip in pair.clips]
        overlap = len({answer["annotator"] for answer in pair.answers})
        questions.append({**asked, "clips": clips, "created": now, "meta": meta, "role": "work", "overlap": overlap})
        for number, answer in enumerate(pair.answers):
            content = json.dumps([name, number, answer], sort_keys=True)
            row = {"question_id": name, "annotator": answer["annotator"], "annotator_kind": "human"}
            row |= {"value": answer["value"], "idempotency_key": hashlib.sha256(content.encode()).hexdigest()[:32]}
            row |= {"answered": answer["time"] or now, "response_time": answer["seconds"], "standing": "counted"}
            answers.append({**row, "shown": "AB"})
    rows = {
        "annotators": [{"name": name, "kind": "human", "team": "", "since": now} for name in people],
        "questions": questions,
        "answers": answers,
    }
    for name, lines in rows.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_atomic(place / f"{name}.jsonl", text.encode(), reserve=0)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Iterate over the rows of a table with their numbers."""
    if path.suffix not in TABLES:
        expected = f"a folder that was exported, or a file {', '.join((*TABLES, LABEL_STUDIO))}"
        raise InvalidValueError("feedback to import", path, expected)
    if path.suffix == ".csv":
        try:
            text = read_whole(path, _ADVICE).decode("utf-8-sig")
            yield from enumerate(csv.DictReader(io.StringIO(text)), start=1)
        except (UnicodeDecodeError, csv.Error) as error:
            raise CorruptFileError(path, str(error), _ADVICE) from error
        return
    with tempfile.TemporaryDirectory(prefix="votes-") as place:
        lines = path
        if path.suffix == ".parquet":
            refused = parquet.unpack([path], Path(place))
            if refused:
                raise CorruptFileError(path, next(iter(refused.values())), _ADVICE)
            lines = Path(place) / f"{path.stem}.jsonl"
        for number, line in enumerate(read_whole(lines, _ADVICE).splitlines(), start=1):
            if line.strip():
                row = _json(path, line, f"row {number}: ")
                if not isinstance(row, dict):
                    raise CorruptFileError(path, f"row {number}: it is no JSON object", _ADVICE)
                yield number, row


def _json(path: Path, content: bytes, where: str = "") -> Any:
    try:
        return parse_json(content)
    except ValueError as error:
        raise CorruptFileError(path, f"{where}{error}", _ADVICE) from error


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return text[:LONGEST].replace("\0", "").encode(errors="replace").decode()


def _reasons(value: object) -> str:
    """Return a cell of reasons: text, or the list of objects that a row of JSON Lines or Parquet holds."""
    text = json.dumps(value, default=str) if isinstance(value, list) else "" if value is None else str(value)
    return text[:LONGEST_REASONS].replace("\0", "")


def _label_studio(path: Path, named: Mapping[str, str]) -> Iterator[Vote | ImportProblem]:
    """Iterate over the votes in Label Studio's list of tasks; the number of a vote is that of its task."""
    tasks = _json(path, read_whole(path, _ADVICE))
    if not isinstance(tasks, list):
        raise CorruptFileError(path, "it is no list of tasks, as Label Studio exports them", _ADVICE)
    for number, task in enumerate(tasks, start=1):
        data = task.get("data") if isinstance(task, dict) else None
        clips = [_text(data.get(named[name])) for name in FIELDS[:2]] if isinstance(data, dict) else ["", ""]
        if not all(clips):
            there = ", ".join(map(str, data)) if isinstance(data, dict) else "none"
            keys = f"{named['clip_a']!r} and {named['clip_b']!r}"
            yield ImportProblem(path.name, number, f"its data has no {keys}; there are: {there[:200] or 'none'}")
            continue
        axis = _text(data.get(named["axis"])) if isinstance(data, dict) else ""
        for annotation in _lists(task.get("annotations")):
            results = [] if annotation.get("was_cancelled") else _lists(annotation.get("result"))
            vote = next(filter(None, map(_selected, results)), "")
            if vote:
                person, seconds = _person(annotation.get("completed_by")), annotation.get("lead_time")
                took = float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 10**9 else None
                about = [one for one in results if one.get("from_name") != "reasons"]
                note = " ".join(filter(None, map(_written, about)))
                why = next((_why(one) for one in results if one.get("from_name") == "reasons"), "")
                when = _text(annotation.get("created_at"))
                yield Vote(number, clips[0], clips[1], vote, person, when, note, axis, took, why)


def _lists(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _selected(result: Mapping[str, Any]) -> str:
    """Return what a result of an annotation chose; empty where it is of another kind."""
    value = result.get("value")
    if not isinstance(value, dict):
        return ""
    if result.get("type") == "pairwise":
        return _text(value.get("selected"))
    choices = value.get("choices")
    return _text(choices[0]) if result.get("type") == "choices" and isinstance(choices, list) and choices else ""


def _written(result: Mapping[str, Any]) -> str:
    """Return the free text of a result of an annotation; empty where it is of another kind."""
    value = result.get("value")
    text = value.get("text") if result.get("type") == "textarea" and isinstance(value, dict) else ""
    return " ".join(map(_text, text)) if isinstance(text, list) else _text(text)


def _why(result: Mapping[str, Any]) -> str:
    """Return the reasons in a result of an annotation."""
    value = result.get("value")
    text = value.get("text") if isinstance(value, dict) else ""
    return _reasons("; ".join(map(str, text)) if isinstance(text, list) else text)


def _person(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("email") or value.get("username") or value.get("id")
    return _text(value)


def _encoded(rows: list[dict[str, Any]], suffix: str) -> bytes:
    names = (*FIELDS, "dataset", "run", "task", "seconds")
    match suffix:
        case ".csv":
            out = io.StringIO(newline="")
            writer = csv.DictWriter(out, names)
            writer.writeheader()
            writer.writerows(rows)
            return out.getvalue().encode()
        case ".jsonl":
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        case ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            schema = pa.schema([pa.field(n, pa.float64() if n == "seconds" else pa.string()) for n in names])
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(rows, schema), sink)
            content: bytes = sink.getvalue().to_pybytes()
            return content
    tasks: dict[_Key, dict[str, Any]] = {}
    for row in rows:
        data = {name: row[name] for name in ("clip_a", "clip_b", "dataset", "run", "task", "axis")}
        key = (row["clip_a"], row["clip_b"], row["axis"])
        task = tasks.setdefault(key, {"id": len(tasks) + 1, "data": data, "annotations": []})
        side = {"A": "left", "B": "right"}.get(row["vote"])
        about = {"from_name": "better", "to_name": "clip_a,clip_b"}
        chosen: dict[str, Any] = {"type": "choices", "value": {"choices": [row["vote"]]}}
        if side:
            chosen = {"type": "pairwise", "value": {"selected": side}}
        results = [about | chosen]
        for name in ("note", "reasons"):
            if row[name]:
                written = {"type": "textarea", "value": {"text": [row[name]]}}
                results.append({"from_name": name, "to_name": "clip_a", **written})
        times = {"created_at": row["time"], "lead_time": row["seconds"]}
        task["annotations"].append({"completed_by": {"email": row["annotator"]}, **times, "result": results})
    return json.dumps(list(tasks.values()), indent=1, ensure_ascii=False).encode()
