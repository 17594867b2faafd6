"""Votes from elsewhere: tables and Label Studio's JSON, in and out."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.transfer.votes import export_votes, import_votes
from tests.data.making import episode

VOTES = [
    {"left": "videos/e0.mp4", "right": "e1", "better": "left", "who": "ann", "time": "2026-01-02T03:04:05+00:00"},
    {"left": "e1", "right": "e0", "better": "B", "who": "bo", "time": ""},  # the same pair, the other way round
    {"left": "e1", "right": "e2", "better": "tie", "who": "ann", "time": ""},
    {"left": "e2", "right": "e0", "better": "e0", "who": "ann", "time": "", "note": "it held, softly"},
]
COLUMNS = {"clip_a": "left", "clip_b": "right", "vote": "better", "annotator": "who"}


@pytest.fixture
def dataset(home: Path) -> Dataset:
    made = Dataset(home / "cups", create=True)
    made.add_many(episode(f"e{i}", steps=3 + i, seed=i) for i in range(3))
    return made


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, sorted({name for row in rows for name in row}))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist([{"note": "", **row} for row in rows]), path)
    return path


def choices(store: Store) -> list[tuple[list[str], str, str, str]]:
    """Return the clips, the annotator, the choice and the note of every answer."""
    asked = {question.id: question for question in store.questions()}
    found = []
    for answer in store.answers():
        clips = [clip.episode_id for clip in asked[answer.question_id].segments]
        found.append((clips, answer.annotator, answer.value["choice"], answer.value.get("note", "")))
    return sorted(found)


WANTED = [
    (["e0", "e1"], "ann", "A", ""),
    (["e0", "e1"], "bo", "A", ""),
    (["e1", "e2"], "ann", "tie", ""),
    (["e2", "e0"], "ann", "B", "it held, softly"),
]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_becomes_questions_and_answers_once(suffix: str, dataset: Dataset, tmp_path: Path) -> None:
    path = write(tmp_path / f"votes{suffix}", VOTES)
    with Store(tmp_path / "feedback.db") as store:
        found = import_votes(store, path, dataset, "cups", "lab", COLUMNS)
        assert not found.problems
        assert (found.new["questions"], found.new["answers"]) == (3, 4)
        again = import_votes(store, path, dataset, "cups", "lab", COLUMNS)
        assert (again.new.total(), again.known["answers"]) == (0, 4)
        assert choices(store) == WANTED
        first = store.questions()[0]
        assert (first.run, first.dataset, first.task, first.overlap) == ("lab", "cups", "push", 2)
        assert [clip.length for clip in first.segments] == [3, 4]
        assert store.answers()[0].answered == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".json"])
def test_votes_go_out_as_they_came_in(suffix: str, dataset: Dataset, tmp_path: Path) -> None:
    with Store(tmp_path / "one.db") as store:
        import_votes(store, write(tmp_path / "votes.jsonl", VOTES), dataset, "cups", "lab", COLUMNS)
        assert export_votes(store, tmp_path / f"out{suffix}") == 4
        times = [answer.answered for answer in store.answers()]
    with Store(tmp_path / "two.db") as store:
        assert not import_votes(store, tmp_path / f"out{suffix}", dataset, "cups", "lab", {}).problems
        assert choices(store) == WANTED
        assert sorted(answer.answered for answer in store.answers()) == sorted(times)


def test_label_studio_has_its_own_form(dataset: Dataset, tmp_path: Path) -> None:
    result = {"from_name": "pw", "to_name": "v1,v2", "type": "pairwise", "value": {"selected": "right"}}
    tasks = [
        {
            "id": 7,
            "data": {"v1": "https://host/files/e0.mp4?token=1", "v2": "/data/local-files/e2.mp4"},
            "annotations": [
                {"completed_by": {"email": "ann@lab"}, "created_at": "2026-01-02T03:04:05Z", "lead_time": 4.5,
                 "result": [result]},
                {"completed_by": 3, "was_cancelled": True, "result": [result]},
                {"completed_by": 3, "result": [{"type": "choices", "value": {"choices": ["tie"]}}]},
            ],
        }
    ]  # fmt: skip
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    with Store(tmp_path / "feedback.db") as store:
        import_votes(store, path, dataset, "cups", "ls", {"clip_a": "v1", "clip_b": "v2"})
        assert choices(store) == [(["e0", "e2"], "3", "tie", ""), (["e0", "e2"], "ann@lab", "B", "")]
        assert {answer.response_time for answer in store.answers()} == {4.5, None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"right": "e9"}, "clip 'e9' is no episode of dataset cups"),
        ({"right": "e0"}, "both clips are episode e0"),
        ({"better": "maybe"}, "vote 'maybe': expected one of a, left"),
        ({"better": ""}, "column 'better' is empty or missing"),
    ],
)
def test_a_broken_vote_is_named_with_its_row(
    changes: dict[str, str], said: str, dataset: Dataset, tmp_path: Path
) -> None:
    rows = [VOTES[2], {**VOTES[0], **changes}]
    with Store(tmp_path / "feedback.db") as store:
        found = import_votes(store, write(tmp_path / "votes.csv", rows), dataset, "cups", "lab", COLUMNS)
        (problem,) = found.problems
        assert (problem.file, problem.line) == ("votes.csv", 2)
        assert said in problem.text
        assert not store.questions()


def test_other_files_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "votes.txt").write_text("a")
    (tmp_path / "votes.json").write_text("{}")
    with Store(tmp_path / "feedback.db") as store:
        with pytest.raises(InvalidValueError, match=r"a folder that was exported, or a file \.csv"):
            import_votes(store, tmp_path / "votes.txt", dataset, "cups", "lab", {})
        with pytest.raises(CorruptFileError, match="no list of tasks"):
            import_votes(store, tmp_path / "votes.json", dataset, "cups", "lab", {})
        with pytest.raises(InvalidValueError, match="column to map: expected one of clip_a"):
            import_votes(store, tmp_path / "votes.json", dataset, "cups", "lab", {"clip_c": "x"})
        with pytest.raises(InvalidValueError, match="a name that ends in"):
            export_votes(store, tmp_path / "out.xlsx")


ALONG = [
    {"clip_a": "e0", "clip_b": "e1", "vote": "A", "annotator": "ann", "axis": "speed"},
    {"clip_a": "e0", "clip_b": "e1", "vote": "tie", "annotator": "ann", "axis": "care", "note": "both soft"},
    {"clip_a": "e1", "clip_b": "e0", "vote": "A", "annotator": "bo", "axis": "speed"},  # the other way round
    {"clip_a": "e0", "clip_b": "e1", "vote": "B", "annotator": "ann", "axis": ""},
]
SAID = [
    ("ann", {"axes": {"speed": "A", "care": "tie"}, "note": "both soft"}),
    ("bo", {"axes": {"speed": "B", "care": "cant_tell"}}),
    ("ann", {"choice": "B"}),
]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".json"])
def test_votes_along_axes_are_one_answer_each_way(suffix: str, dataset: Dataset, tmp_path: Path) -> None:
    def said(store: Store) -> list[tuple[str, dict[str, Any]]]:
        return sorted([(answer.annotator, dict(answer.value)) for answer in store.answers()], key=str)

    with Store(tmp_path / "feedback.db") as store:
        found = import_votes(store, write(tmp_path / "in.csv", ALONG), dataset, "cups", "lab", {})
        assert not found.problems
        assert said(store) == sorted(SAID, key=str)
        (asked,) = (question for question in store.questions() if question.kind == "axes")
        assert asked.meta == {"axes": ["speed", "care"]}
        assert export_votes(store, tmp_path / f"out{suffix}") == 5
    with Store(tmp_path / "again.db") as store:
        assert not import_votes(store, tmp_path / f"out{suffix}", dataset, "cups", "lab", {}).problems
        assert said(store) == sorted(SAID, key=str)
