"""Signing in, and entering by a link."""
