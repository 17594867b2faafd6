"""Version 5: live signals say what was watched and how late it was shown, and can be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("signals", sa.Column("source", sa.String(8)))
    op.add_column("signals", sa.Column("session", sa.String(64)))
    op.add_column("signals", sa.Column("delay", sa.Double))
    op.add_column("signals", sa.Column("withdrawn", sa.String(32)))
    op.execute("UPDATE schema_version SET version = 5")


def downgrade() -> None:
    """Nothing goes back: a copy of the database was kept."""
    raise NotImplementedError("open the copy that was kept before the migration instead")
