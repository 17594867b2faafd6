"""One thread for the mathematics: small networks are many times slower on two when another process is busy."""

import os


def use_one_thread() -> None:
    """Give torch, OpenMP and BLAS one thread each, here and in workers; the first thing in a command that learns."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    from robo_rlhf import learning

    learning.use_one_thread()
