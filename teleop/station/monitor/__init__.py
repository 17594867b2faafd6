"""The monitor: training runs as they go."""
