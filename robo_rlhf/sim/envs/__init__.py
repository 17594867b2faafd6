"""Environments over tasks: the batch, Gymnasium's interfaces, partial observability."""
