"""Recorded data: episodes in journals and datasets."""
