"""Version 6: the consent text of a team, and who agreed to it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "consent_texts",
        sa.Column("number", serial, primary_key=True, autoincrement=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("written", sa.String(32), nullable=False),
    )
    op.create_table(
        "consents",
        sa.Column("annotator", sa.Text, primary_key=True),
        sa.Column("text", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("given", sa.String(32), nullable=False),
    )
    op.execute("UPDATE schema_version SET version = 6")


def downgrade() -> None:
    """Nothing goes back: a copy of the database was kept."""
    raise NotImplementedError("open the copy that was kept before the migration instead")
