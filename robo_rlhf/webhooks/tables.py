"""The tables of webhooks: subscriptions, and the queue of messages.

A secret is stored in plain text, because every message is signed with it; it is never shown or exported.
"""

import sqlalchemy as sa

from robo_rlhf.database.metadata import metadata, rows_where, serial

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", serial, primary_key=True, autoincrement=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("events", sa.Text, nullable=False),  # names with a space before and after each
    sa.Column("active", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("created", sa.String(32), nullable=False),  # ISO 8601, UTC
    sa.Column("author", sa.Text, nullable=False),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),  # order of what happened
    sa.Column("webhook", sa.BigInteger, nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON, as it is sent
    sa.Column("created", sa.Double, nullable=False),  # [s since 1970], as all times here
    sa.Column("state", sa.String(10), nullable=False),  # waiting, delivered or given_up
    sa.Column("due", sa.Double, nullable=False),  # not before
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("tried", sa.Double),  # when it was last sent
    sa.Column("status", sa.Integer),  # what the receiver last answered; NULL: nothing
    sa.Column("problem", sa.Text, nullable=False, server_default=""),  # why it did not arrive, in words
    sa.Index("deliveries_of_webhook", "webhook", "number"),
    sa.Index(
        "deliveries_waiting",
        "due",
        **rows_where("state = 'waiting'"),
    ),
)
