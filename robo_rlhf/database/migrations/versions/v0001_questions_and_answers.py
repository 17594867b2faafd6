"""Version 1: questions, their clips, and answers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    version = op.create_table(
        "schema_version",
        sa.Column("one", sa.Integer, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "questions",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("meta", sa.Text, nullable=False),
    )
    op.create_index("questions_of_run", "questions", ["run", "round", "number"])
    op.create_table(
        "question_segments",
        sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("episode_id", sa.Text, nullable=False),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), nullable=False),
        sa.Column("annotator", sa.Text, nullable=False),
        sa.Column("annotator_kind", sa.String(16), nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("answered", sa.String(32), nullable=False),
        sa.Column("response_time", sa.Double),
        sa.UniqueConstraint("annotator", "idempotency_key"),
        sa.CheckConstraint("annotator_kind IN ('human', 'simulated')", name="annotator_kind_known"),
    )
    op.create_index("answers_of_question", "answers", ["question_id", "annotator", "number"])
    op.execute(sa.insert(version).values(one=1, version=1))


def downgrade() -> None:
    """There is nothing before."""
    raise NotImplementedError("the first version has none before it")
