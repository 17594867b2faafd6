"""Choice of MuJoCo's OpenGL backend, to be made before `import mujoco`, which reads it once."""

import ctypes
import os
import sys

VARIABLE = "MUJOCO_GL"
LIBRARIES = {"egl": ("libEGL.so.1",), "osmesa": ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")}  # best first


def choose_backend() -> str | None:
    """Set $MUJOCO_GL if it is not set, and return its value; None leaves the choice to MuJoCo.

    On Linux EGL renders without a display, on the GPU where there is one and by Mesa where there is none;
    OSMesa is the same on the CPU alone. Other systems have one way only, which MuJoCo takes by itself.
    """
    if os.environ.get(VARIABLE):
        return os.environ[VARIABLE]
    if not sys.platform.startswith("linux"):
        return None
    for name, files in LIBRARIES.items():
        if any(map(_loads, files)):
            os.environ[VARIABLE] = name
            return name
    return None


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
