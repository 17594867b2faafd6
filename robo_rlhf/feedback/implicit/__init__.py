"""Preferences that nobody was asked for: they follow from what operators did, such as rewinding or taking over."""
