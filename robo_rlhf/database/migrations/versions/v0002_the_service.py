"""Version 2: what a team needs: clips, leases, counters, gold, tasks, signals, notes, rounds; accounts of people."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.String(32)


def upgrade() -> None:
    """Make the tables, and fill them from the answers that there are."""
    _widen()
    _make_tables_of_questions()
    _make_tables_of_work()
    _make_tables_of_teams()
    _make_tables_of_people()
    _fill_clips()
    _fill_leases()
    op.execute("UPDATE schema_version SET version = 2")


def downgrade() -> None:
    """Nothing goes back: a copy of the database was kept."""
    raise NotImplementedError("open the copy that was kept before the migration instead")


def _number(name: str, default: int, kind: Any = sa.Integer) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=str(default))


def _text(name: str, default: str | None = None, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default)


def _index(name: str, table: str, columns: list[str], where: str = "") -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def _widen() -> None:
    for column in (
        _text("role", "work", sa.String(8)),
        _number("overlap", 1),
        _number("given", 0),
        _number("simulated", 0),
        _number("held", 0),
        _number("wanted", 0, sa.SmallInteger),
        _number("again", 0, sa.SmallInteger),
        sa.Column("withdrawn", sa.Text),
    ):
        op.add_column("questions", column)
    op.add_column("question_segments", _text("clip_id", "", sa.String(24)))
    op.add_column("answers", _text("standing", "counted", sa.String(12)))
    op.add_column("answers", sa.Column("shown", sa.String(6)))
    _index("questions_wanted", "questions", ["number"], "wanted = 1")
    _index("questions_wanted_of_run", "questions", ["run", "number"], "wanted = 1")
    _index("questions_wanted_of_task", "questions", ["task", "number"], "wanted = 1")
    _index("questions_wanted_again", "questions", ["again", "number"], "wanted = 1")
    _index("question_segments_of_clip", "question_segments", ["clip_id"])
    _index("answers_of_annotator", "answers", ["annotator", "number"])


def _make_tables_of_questions() -> None:
    op.create_table(
        "clips",
        sa.Column("id", sa.String(24), primary_key=True),
        _text("dataset"),
        _text("episode_id"),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        _text("state", "good", sa.String(12)),
        _text("reason", ""),
        _text("changed", "", _TIME),
    )
    _index("clips_of_episode", "clips", ["dataset", "episode_id"])
    op.create_table(
        "gold",
        sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), primary_key=True),
        _text("expected"),
        _text("explanation", ""),
        sa.Column("least", sa.Double, nullable=False),
        _number("retired", 0, sa.SmallInteger),
        _text("added", None, _TIME),
    )


def _make_tables_of_work() -> None:
    op.create_table(
        "annotators",
        sa.Column("name", sa.Text, primary_key=True),
        _text("kind", None, sa.String(16)),
        _text("team", ""),
        _number("handed", 0),
        _text("since", None, _TIME),
    )
    op.create_table(
        "leases",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), nullable=False),
        _text("annotator"),
        _number("turn", 0),
        _text("purpose", None, sa.String(8)),
        _text("state", None, sa.String(8)),
        _number("counted", 0, sa.SmallInteger),
        sa.Column("issued", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("nth", sa.Integer, nullable=False),
        sa.Column("shown", sa.String(6)),
        sa.UniqueConstraint("annotator", "question_id", "turn"),
    )
    _index("leases_of_annotator", "leases", ["annotator", "nth"])
    _index("leases_live", "leases", ["expires"], "state = 'live'")
    _index("leases_live_of_annotator", "leases", ["annotator", "number"], "state = 'live'")
    _index("leases_live_of_question", "leases", ["question_id"], "state = 'live'")
    _index("leases_left", "leases", ["annotator", "number"], "state = 'expired'")
    op.create_table(
        "progress",
        sa.Column("annotator", sa.Text, primary_key=True),
        sa.Column("chosen", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )


def _make_tables_of_teams() -> None:
    op.create_table(
        "tasks", sa.Column("name", sa.Text, primary_key=True), _text("settings"), _text("changed", None, _TIME)
    )
    op.create_table(
        "guidelines",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        _text("task"),
        _text("text"),
        _text("author"),
        _text("written", None, _TIME),
    )
    _index("guidelines_of_task", "guidelines", ["task", "number"])
    op.create_table(
        "signals",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        *(_text(name) for name in ("annotator", "idempotency_key", "run", "dataset", "episode_id")),
        sa.Column("sign", sa.Integer, nullable=False),
        sa.Column("step", sa.Double, nullable=False),
        sa.Column("rate", sa.Double, nullable=False),
        _text("pressed", None, _TIME),
        sa.UniqueConstraint("annotator", "idempotency_key"),
    )
    _index("signals_of_episode", "signals", ["dataset", "episode_id"])
    op.create_table(
        "notes",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        *(_text(name) for name in ("annotator", "idempotency_key")),
        _text("about", None, sa.String(16)),
        *(_text(name) for name in ("name", "text")),
        _text("written", None, _TIME),
        sa.UniqueConstraint("annotator", "idempotency_key"),
    )
    _index("notes_about", "notes", ["about", "name"])
    op.create_table(
        "rounds",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
        _text("state", None, sa.String(16)),
        _text("changed", None, _TIME),
        _text("meta"),
    )


def _make_tables_of_people() -> None:
    """Accounts came before this version had a number: their tables may be there."""
    if sa.inspect(op.get_bind()).has_table("people"):
        return
    op.create_table(
        "people",
        sa.Column("id", _serial, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.Text),
        _text("created", None, _TIME),
        sa.Column("disabled", _TIME),
        sa.CheckConstraint("role IN ('administrator', 'operator', 'annotator')", name="role_known"),
    )
    op.create_table(
        "web_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("person_id", sa.BigInteger, sa.ForeignKey("people.id"), nullable=False),
        *(_text(name, None, _TIME) for name in ("created", "seen", "expires")),
        sa.Column("ended", _TIME),
        _text("address", None, sa.String(64)),
        _text("agent", None, sa.String(200)),
    )
    _index("web_sessions_of_person", "web_sessions", ["person_id"])
    op.create_table(
        "sign_in_links",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("person_id", sa.BigInteger, sa.ForeignKey("people.id"), nullable=False),
        *(_text(name, None, _TIME) for name in ("created", "expires")),
        sa.Column("used", _TIME),
    )
    op.create_table(
        "sign_in_tries",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        *(_text(name, None, sa.String(64)) for name in ("name", "address")),
        _text("at", None, _TIME),
    )
    _index("sign_in_tries_by_time", "sign_in_tries", ["at"])
    op.create_table(
        "audit",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        _text("at", None, _TIME),
        _text("who", None, sa.String(64)),
        _text("act", None, sa.String(32)),
        _text("about"),
        _text("address", None, sa.String(64)),
    )


def _fill_clips() -> None:
    """Give every clip that was asked about a row of its own."""
    connection = op.get_bind()
    query = (
        "SELECT question_id, position, dataset, episode_id, start, length"
        " FROM question_segments JOIN questions ON questions.id = question_id ORDER BY questions.number, position"
    )
    rows = connection.execute(sa.text(query)).all()
    named = [(row, _clip_id(row.dataset, row.episode_id, row.start, row.length)) for row in rows]
    if not named:
        return
    name_it = "UPDATE question_segments SET clip_id = :clip WHERE question_id = :question AND position = :position"
    names = [{"clip": clip, "question": row.question_id, "position": row.position} for row, clip in named]
    connection.execute(sa.text(name_it), names)
    distinct = {clip: row for row, clip in named}
    add = "INSERT INTO clips (id, dataset, episode_id, start, length) VALUES (:id, :dataset, :episode, :start, :length)"
    clips = [
        {"id": clip, "dataset": row.dataset, "episode": row.episode_id, "start": row.start, "length": row.length}
        for clip, row in distinct.items()
    ]
    connection.execute(sa.text(add), clips)


def _clip_id(dataset: str, episode: str, start: int, length: int) -> str:
    return hashlib.sha256(json.dumps([dataset, episode, start, length]).encode()).hexdigest()[:24]


def _fill_leases() -> None:
    """Who answered has had the question; the newest answer of each counts, unless it was taken back."""
    newest = (
        "SELECT question_id, annotator, MAX(number) AS last, MIN(number) AS first"
        " FROM answers GROUP BY question_id, annotator"
    )
    op.execute(
        "INSERT INTO leases (question_id, annotator, turn, purpose, state, counted, issued, expires, nth)"
        " SELECT newest.question_id, newest.annotator, 0, 'work',"
        " CASE WHEN answers.value IS NULL THEN 'expired' ELSE 'answered' END,"
        " CASE WHEN answers.value IS NULL THEN 0 ELSE 1 END, 0.0, 0.0,"
        " ROW_NUMBER() OVER (PARTITION BY newest.annotator ORDER BY newest.first) - 1"
        f" FROM ({newest}) AS newest JOIN answers ON answers.number = newest.last ORDER BY newest.first"
    )
    op.execute(
        "INSERT INTO annotators (name, kind, handed, since)"
        " SELECT annotator, MAX(annotator_kind), COUNT(DISTINCT question_id), MIN(answered)"
        " FROM answers GROUP BY annotator"
    )
    op.execute(
        "UPDATE questions SET given = tally.people, simulated = tally.simulated FROM ("
        " SELECT newest.question_id AS question, COUNT(*) AS people,"
        " SUM(CASE WHEN annotator_kind = 'simulated' THEN 1 ELSE 0 END) AS simulated"
        f" FROM ({newest}) AS newest JOIN answers ON answers.number = newest.last"
        " WHERE value IS NOT NULL GROUP BY newest.question_id"
        ") AS tally WHERE tally.question = questions.id"
    )
    op.execute("UPDATE questions SET wanted = 1 WHERE given < overlap")
