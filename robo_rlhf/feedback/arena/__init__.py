"""The arena: blind comparisons of policies, and the standings they lead to."""
