"""The library: recorded episodes, found, watched, curated and downloaded."""
