"""The ground: what every room uses, from errors and types to files, statistics and the run folder."""
