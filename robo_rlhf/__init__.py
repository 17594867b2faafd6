"""robo_rlhf: teach MuJoCo robots by demonstration and by preference."""
