"""Driving and recording in a terminal."""
