"""robo_rlhf: teach MuJoCo robots by demonstration and by preference.

Importing it gives every task its Gymnasium id, and costs neither MuJoCo nor torch: see
`robo_rlhf.sim.envs.registration`.
"""

from robo_rlhf.sim.envs.registration import register_tasks

__version__ = "0.1.0"

register_tasks()
