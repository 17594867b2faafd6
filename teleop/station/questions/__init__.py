"""The questions page."""
