"""Asking a policy: what it would do at a frame, what would come of it, and what a reward model says of both."""
