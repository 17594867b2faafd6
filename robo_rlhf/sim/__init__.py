"""The world: batches of MuJoCo simulations, tasks, environments, rendering."""
