"""Policies act in environments: the one loop that makes episodes of it, and how well they did."""
