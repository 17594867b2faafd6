"""Version 3: tokens of programs; and the log of who did what can only grow."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.String(32)

_SQLITE = (
    "CREATE TRIGGER audit_keeps_lines BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the log can only grow'); END",
    "CREATE TRIGGER audit_keeps_all BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the log can only grow'); END",
)
_POSTGRESQL = (
    "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the log can only grow'; END $$",
    "CREATE TRIGGER audit_keeps_lines BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()",
)


def upgrade() -> None:
    """Make the table and the triggers."""
    op.create_table(
        "api_tokens",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("person_id", sa.BigInteger, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("expires", _TIME, nullable=False),
        sa.Column("used", _TIME),
        sa.Column("address", sa.String(64), nullable=False, server_default=""),
        sa.Column("revoked", _TIME),
        sa.CheckConstraint("role IN ('administrator', 'operator', 'annotator')", name="scope_known"),
    )
    op.create_index("api_tokens_of_person", "api_tokens", ["person_id"])
    op.create_index("audit_of_who", "audit", ["who", "number"])
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
    op.execute("UPDATE schema_version SET version = 3")


def downgrade() -> None:
    """Nothing goes back: a copy of the database was kept."""
    raise NotImplementedError("open the copy that was kept before the migration instead")
