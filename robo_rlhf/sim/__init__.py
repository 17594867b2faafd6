"""Simulation: batches of MuJoCo simulations, tasks, environments, rendering."""

from robo_rlhf.sim.rendering.gl import choose_backend

choose_backend()  # before anything imports mujoco, which reads it once: environments may draw when they are made
