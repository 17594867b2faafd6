"""Simulation: batches of MuJoCo simulations, tasks, environments, rendering."""
