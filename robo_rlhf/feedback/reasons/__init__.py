"""Reasons that people give beside an answer: the list of a task, what an answer holds, and what it trains."""
