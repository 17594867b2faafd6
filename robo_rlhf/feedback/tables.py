"""The tables of the feedback database. A change here is a new SCHEMA_VERSION."""

import sqlalchemy as sa

SCHEMA_VERSION = 1

metadata = sa.MetaData()
_serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up in INTEGER columns only

schema_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True),  # always 1: there is one row
    sa.Column("version", sa.Integer, nullable=False),
)

questions = sa.Table(
    "questions",
    metadata,
    sa.Column("number", _serial, primary_key=True, autoincrement=True),  # order of adding
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("created", sa.String(32), nullable=False),  # ISO 8601, UTC
    sa.Column("meta", sa.Text, nullable=False),  # JSON
    sa.Index("questions_of_run", "run", "round", "number"),
)

segments = sa.Table(
    "question_segments",
    metadata,
    sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),  # 0 is clip A
    sa.Column("episode_id", sa.Text, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),  # first step
    sa.Column("length", sa.Integer, nullable=False),  # steps
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("number", _serial, primary_key=True, autoincrement=True),  # order of arrival
    sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), nullable=False),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("annotator_kind", sa.String(16), nullable=False),  # human or simulated
    sa.Column("value", sa.Text),  # JSON; NULL takes the earlier answer back
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("answered", sa.String(32), nullable=False),  # ISO 8601, UTC
    sa.Column("response_time", sa.Double),  # [s]
    sa.UniqueConstraint("annotator", "idempotency_key"),
    sa.CheckConstraint("annotator_kind IN ('human', 'simulated')", name="annotator_kind_known"),
    sa.Index("answers_of_question", "question_id", "annotator", "number"),
)
