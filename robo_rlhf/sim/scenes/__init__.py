"""Scenes: robot, table, objects and cameras, put together from sim_assets."""
