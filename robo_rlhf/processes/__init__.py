"""Processes: how our functions run in helpers and talk with us, and locks that say which process works on what."""
