"""A teleoperation session: the paced loop, its state machine, the live world and the recording."""
