"""LeRobotDataset: what a set looks like, reading and writing it."""
