"""Simulated operators: scripted demonstrations, and takeovers from a policy."""
