"""Environments of others: their ids, copies side by side, and replay from their seeds."""
