"""Operators without a person: scripted demonstrations, and takeovers from a policy."""
