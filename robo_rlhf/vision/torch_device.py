"""Where encoders compute: on the processor, or on a graphics card.

Only encoders go there. The networks behind them are so small that a processor is faster, and all weights, optimisers,
checkpoints and sources of randomness stay where they are. Torch is imported when a device is asked for.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from robo_rlhf.core.checks import Meant
from robo_rlhf.core.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    import torch

VARIABLE = "ROBO_RLHF_TORCH_DEVICE"  # so that processes that this one starts compute there, too
CPU, AUTO = "cpu", "auto"
KINDS = (AUTO, CPU, "cuda", "mps")


def available() -> tuple[str, ...]:
    """Return the devices of this machine that torch can compute on, the fastest first."""
    import torch

    found = [name for name, there in (("cuda", torch.cuda.is_available()), ("mps", _has_mps())) if there]
    return (*found, CPU)


def _has_mps() -> bool:
    import torch

    return torch.backends.mps.is_available()


def check_torch_device(what: str, given: object) -> None:
    """Refuse a device that torch does not have here.

    Raises:
        UnknownNameError: it is none of auto, cpu, cuda and mps.
        InvalidValueError: this machine, or this torch, has none.
    """
    if given not in KINDS:
        raise UnknownNameError("torch device", str(given), KINDS)
    if given not in (AUTO, CPU) and given not in available():
        here = ", ".join(available())
        raise InvalidValueError(what, str(given), f"a device that torch finds here, {here}; or auto")


@dataclass(frozen=True, kw_only=True)
class OnTorchDevice:
    """The option `--torch-device`."""

    torch_device: Annotated[str, Meant(check_torch_device)] = ""
    """Where pictures are encoded: auto, cpu, cuda or mps; where empty $ROBO_RLHF_TORCH_DEVICE, else cpu."""


def use_torch_device(asked: str) -> None:
    """Compute on this device from now on, here and in processes that are started; raises as `check_torch_device`."""
    asked = asked or os.environ.get(VARIABLE, "")
    if not asked:
        return
    check_torch_device(f"${VARIABLE}", asked)
    os.environ[VARIABLE] = available()[0] if asked == AUTO else asked


def torch_device() -> "torch.device | None":
    """Return where encoders compute; None for the processor."""
    name = os.environ.get(VARIABLE) or CPU
    if name == CPU:
        return None
    import torch

    return torch.device(available()[0] if name == AUTO else name)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch raised it because a device has no memory left."""
    return isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
