"""Processes of sessions, and the messages between them and their clients."""
