"""The base package that all others import: errors, types, files, statistics and the run folder."""
