"""A database whose rows were damaged, where SQLite notices nothing."""

import sqlite3
from pathlib import Path

import pytest

from robo_rlhf.core.errors import CorruptFileError, DatabaseError, RoboRlhfError
from robo_rlhf.feedback.store import Store
from tests.feedback.making import QUESTIONS


@pytest.mark.parametrize(
    ("damage", "kind", "what"),
    [
        ("UPDATE questions SET meta = '[['", DatabaseError, "is no JSON object"),
        ("UPDATE questions SET meta = '3'", DatabaseError, "is no JSON object"),
        ("DELETE FROM question_segments", DatabaseError, "the clips of question .* are missing"),
        ("UPDATE questions SET task = CAST(x'ff41' AS TEXT)", CorruptFileError, "Could not decode"),
    ],
)
def test_a_damaged_row_is_a_sentence(tmp_path: Path, damage: str, kind: type[RoboRlhfError], what: str) -> None:
    file = tmp_path / "feedback.db"
    with Store(file) as store:
        store.add_questions(QUESTIONS)
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(damage)
    connection.close()
    with Store(file) as store, pytest.raises(kind, match=what):
        store.questions()
