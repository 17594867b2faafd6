"""The exports page: episodes in formats of the field, written in the background."""
