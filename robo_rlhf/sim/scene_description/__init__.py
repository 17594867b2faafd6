"""A model as browsers draw it: its geometry once, then poses only."""
