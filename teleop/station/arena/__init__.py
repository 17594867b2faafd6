"""The arena pages."""
