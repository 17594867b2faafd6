"""Who may do what: people, roles, web sessions, tokens, passwords and the audit log."""
