"""Processes that work beside the station."""
