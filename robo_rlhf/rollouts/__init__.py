"""Rollouts of policies in environments, and their evaluation."""
