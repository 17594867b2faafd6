"""Physics of a batch: simulation, inverse kinematics, rotations."""
