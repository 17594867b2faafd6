"""Algorithms, one file each: `train(config, run) -> None`, resumable from its newest checkpoint."""
