"""Version 4: webhooks, and the messages on their way to them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "webhooks",
        sa.Column("id", _serial, primary_key=True, autoincrement=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("active", sa.SmallInteger, nullable=False, server_default="1"),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("author", sa.Text, nullable=False),
    )
    op.create_table(
        "deliveries",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("webhook", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("due", sa.Double, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("tried", sa.Double),
        sa.Column("status", sa.Integer),
        sa.Column("problem", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("deliveries_of_webhook", "deliveries", ["webhook", "number"])
    waiting = sa.text("state = 'waiting'")
    op.create_index("deliveries_waiting", "deliveries", ["due"], sqlite_where=waiting, postgresql_where=waiting)
    op.execute("UPDATE schema_version SET version = 4")


def downgrade() -> None:
    """Nothing goes back: a copy of the database was kept."""
    raise NotImplementedError("open the copy that was kept before the migration instead")
