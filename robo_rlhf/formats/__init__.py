"""Formats of the field: episodes out and in. One file a format in `kinds`; what they share is here."""
