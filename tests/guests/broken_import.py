"""A module whose import fails."""

THINGS = {}
THING = THINGS["missing"]
