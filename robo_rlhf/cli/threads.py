"""Sharing the machine: one thread for numerical libraries, and a lower priority than interactive processes.

Small networks are many times slower on two threads when another process is busy.
"""

import os

NICE = 10  # of programs that run beside interactive ones


def use_one_thread() -> None:
    """Give torch, OpenMP and BLAS one thread each, here and in workers; the first thing in a command that learns."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    from robo_rlhf.core import learning

    learning.use_one_thread()


def lower_priority() -> None:
    """Lower this process's priority, so that operators and annotators on this machine are served first."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
