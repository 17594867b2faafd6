"""The stages of the RLHF pipeline."""
