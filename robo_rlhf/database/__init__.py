"""The database below accounts, feedback and webhooks: engine, writers, group commit, migrations."""
