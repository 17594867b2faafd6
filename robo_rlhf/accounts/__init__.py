"""Accounts and permissions: people, roles, web sessions, tokens, passwords and the audit log."""
