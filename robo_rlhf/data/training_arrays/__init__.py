"""Episodes as arrays for training."""
