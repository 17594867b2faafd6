"""The database layer of accounts, feedback and webhooks: engine, writers, group commit, migrations."""
