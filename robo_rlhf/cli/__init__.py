"""The `robo-rlhf` command: the composition root."""
