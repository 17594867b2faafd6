"""Environments of tasks: the vectorised environment, Gymnasium's interfaces, partial observability."""
