"""Sweeps: the main job with every combination of some settings, each from several seeds, and which does best."""
