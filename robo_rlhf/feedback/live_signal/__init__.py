"""Evaluative feedback that is pressed while a policy acts, as in TAMER."""
