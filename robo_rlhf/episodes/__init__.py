"""Recorded episodes as they are used: by what their frames can be shown and entered."""
