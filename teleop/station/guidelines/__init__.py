"""The page of a task's guidelines."""
