"""Reward fitting: answers to training data, the fit of a reward model to them, its calibration and its scores."""
