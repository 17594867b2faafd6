"""MJCF models of the robots, made of primitive geoms with published dimensions; origin and licence: README.md here."""

from pathlib import Path

ASSETS = Path(__file__).resolve().parent
