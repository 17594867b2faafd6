"""The record: episodes in journals and datasets."""
