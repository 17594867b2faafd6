"""Rendering of images and clips from simulator states, in worker processes."""
