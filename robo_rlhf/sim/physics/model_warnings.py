"""MuJoCo's warnings about the models of others: to the log."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def mujoco_warns_the_log() -> Iterator[None]:
    """Log MuJoCo's warnings about a model, which by default are printed and written to a file in the current folder."""
    import mujoco

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(logging.getLogger(__name__).info)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Attach conflict", UserWarning)  # which the binding repeats
            yield
    finally:
        mujoco.set_mju_user_warning(before)
