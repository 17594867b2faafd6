"""Export and import of all feedback."""
