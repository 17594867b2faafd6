"""robo_rlhf: teach MuJoCo robots by demonstration and by preference."""

__version__ = "0.1.0"
