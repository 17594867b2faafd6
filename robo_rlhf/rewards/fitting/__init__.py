"""Fitting reward models to answers: clips, sampling, calibration, held-out scores."""
