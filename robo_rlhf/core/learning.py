"""Helpers that all learners share: state as named arrays for checkpoints, averaged weights, one thread."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import NonFiniteError
from robo_rlhf.core.types import Array

ADAM = {"step", "exp_avg", "exp_avg_sq"}  # the state that Adam and AdamW, the only optimisers here, keep of a parameter


def use_one_thread() -> None:
    """Let torch compute on one thread: on small networks more are slower. Entry points and workers call it first."""
    torch.set_num_threads(1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Build networks inside with weights drawn from `seed`; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def pack_module(prefix: str, module: nn.Module) -> dict[str, Array]:
    """Return parameters and buffers as arrays named `prefix/...`; the arrays are copies."""
    return {f"{prefix}/{name}": value.detach().cpu().numpy().copy() for name, value in module.state_dict().items()}


def unpack_module(prefix: str, module: nn.Module, arrays: Mapping[str, Array]) -> None:
    """Write what `pack_module` gave into a module of the same build.

    Raises:
        NonFiniteError: a weight is NaN or infinite.
        TypeError: a weight is of another type of number.
        RuntimeError: the weights or shapes differ.
    """
    found = {name: torch.from_numpy(value.copy()) for name, value in take(prefix, arrays).items()}
    for name, own in module.state_dict().items():
        if name in found and found[name].dtype != own.dtype:
            raise TypeError(f"{prefix}/{name} as {found[name].dtype} in place of {own.dtype}")
    _check_finite(prefix, found)
    module.load_state_dict(found)


Kind = TypeVar("Kind", bound=torch.optim.Optimizer)


def _without_compiler(kind: type[Kind]) -> type[Kind]:
    """Return an optimiser that does the same to the last bit, and does not load torch's compiler.

    torch wraps these methods for its compiler, and imports that when the first optimiser is made: 1.5 s of the
    processor in each process that trains. Its profiler records each step, which costs small networks a tenth of it.
    """
    names = ("add_param_group", "state_dict", "load_state_dict")
    plain: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    step: Any = torch.no_grad()(inspect.unwrap(kind.step))
    step.hooked = True  # as torch marks a step that its profiler records already
    return type(kind.__name__, (kind,), {**plain, "step": step, "zero_grad": _forget_gradients})


def _forget_gradients(self: torch.optim.Optimizer) -> None:
    for group in self.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


Adam = _without_compiler(torch.optim.Adam)
AdamW = _without_compiler(torch.optim.AdamW)


def pack_optimizer(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Array]:
    """Return the state of every parameter as arrays named `prefix/<parameter>/<entry>`; the arrays are copies."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {
        f"{prefix}/{index}/{name}": torch.as_tensor(value).cpu().numpy().copy()
        for index, entries in state.items()
        for name, value in entries.items()
    }


def unpack_optimizer(prefix: str, optimizer: torch.optim.Optimizer, arrays: Mapping[str, Array]) -> None:
    """Write what `pack_optimizer` gave into an optimiser over the same parameters; its settings stay its own.

    Raises:
        NonFiniteError: an entry is NaN or infinite.
        ValueError: the entries are of other parameters, or not those that Adam has.
    """
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for key, value in take(prefix, arrays).items():
        index, name = key.split("/")
        entry = torch.from_numpy(value.copy())
        check_like(f"{prefix}/{key}", entry, torch.zeros(()) if name == "step" else parameters[int(index)])
        _check_finite(prefix, {key: entry})
        state.setdefault(int(index), {})[name] = entry
    if any(entries.keys() != ADAM for entries in state.values()):
        raise ValueError(f"{prefix} without {', '.join(sorted(ADAM))} of each of its parameters")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def check_like(name: str, value: Tensor, own: Tensor) -> None:
    """Check that `value`, which was read, has the shape and dtype of `own`, which it replaces.

    Raises:
        ValueError: they differ; copying would broadcast or round it silently.
    """
    if value.shape != own.shape or value.dtype != own.dtype:
        raise ValueError(f"{name} as {value.dtype} {tuple(value.shape)} in place of {own.dtype} {tuple(own.shape)}")


def _check_finite(prefix: str, values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise NonFiniteError(
                f"{prefix}/{name}", "weights that are read", "Use an older checkpoint, or train again."
            )


def pack_generator(generator: torch.Generator) -> Array:
    """Return the state of a generator as an array."""
    return generator.get_state().numpy().copy()


def unpack_generator(generator: torch.Generator, state: Array) -> None:
    """Set a generator to what `pack_generator` gave."""
    generator.set_state(torch.from_numpy(state.copy()))


def take(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays named `prefix/...`, under the rest of their names."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in arrays.items() if name.startswith(f"{prefix}/")}


def take_count(meta: Mapping[str, Any], name: str, most: int = 2**53) -> int:
    """Return a count of a training's state, as it was read.

    Raises:
        KeyError: it is not there.
        ValueError: it is no whole number from 0 to `most`.
    """
    value = meta[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{name} {value!r} in place of a whole number from 0 to {most}")
    return value


class Average:
    """An exponential moving average of parameters, with warm-up: decay (1 + n) / (10 + n) until `decay` is reached."""

    def __init__(self, parameters: Iterable[Tensor], decay: float) -> None:
        """Start from the present values."""
        self.source = [p.detach() for p in parameters]
        self.value = [p.clone() for p in self.source]
        self.decay = decay

    def update(self, n: int) -> None:
        """Update the average with the values after update `n`, counted from 0."""
        decay = min(self.decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(self.value, self.source, 1 - decay)

    def swap(self) -> None:
        """Swap average and parameters; call it again to swap back."""
        for average, parameter in zip(self.value, self.source, strict=True):
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)

    def pack(self, prefix: str) -> dict[str, Array]:
        """Return the averages as arrays named `prefix/<index>`."""
        return {f"{prefix}/{i}": value.numpy().copy() for i, value in enumerate(self.value)}

    def unpack(self, prefix: str, arrays: Mapping[str, Array]) -> None:
        """Set the averages to what `pack` gave."""
        for i, value in enumerate(self.value):
            found = torch.from_numpy(arrays[f"{prefix}/{i}"].copy())
            check_like(f"{prefix}/{i}", found, value)
            _check_finite(prefix, {str(i): found})
            value.copy_(found)


class Flat:
    """The trainable parameters of a module as views into one vector, so that clipping and Adam are one call each.

    On small networks this costs a fifth of an optimiser over the separate parameters. The module is otherwise
    unchanged; backward adds to gradients that `step` sets to zero again.
    """

    ALIGN = 16  # every parameter starts at a multiple of 64 bytes, as if it had been allocated alone

    def __init__(self, module: nn.Module, lr: float, eps: float = 1e-5) -> None:
        """Move the parameters of `module` that require gradients into one vector, and make Adam for it."""
        parameters = [p for p in module.parameters() if p.requires_grad]
        sizes = [-(-p.numel() // self.ALIGN) * self.ALIGN for p in parameters]
        self.value, self.grad = torch.zeros(sum(sizes)), torch.zeros(sum(sizes))
        start = 0
        for p, size in zip(parameters, sizes, strict=True):
            whole = slice(start, start + p.numel())
            self.value[whole] = p.detach().flatten()
            p.data, p.grad = self.value[whole].view_as(p), self.grad[whole].view_as(p)
            start += size
        self.parameter, self.lr, self.eps = nn.Parameter(self.value), lr, eps
        self.parameter.grad = self.grad
        self.optimizer = Adam([self.parameter], lr, eps=eps, fused=True)

    def step(self, max_norm: float) -> None:
        """Clip the gradient to `max_norm`, take a step, and set the gradient to zero."""
        self.grad.mul_((max_norm / (self.grad.norm() + 1e-6)).clamp(max=1.0))
        state = self.optimizer.state[self.parameter]
        if state:
            self._adam(state["exp_avg"], state["exp_avg_sq"], state["step"])
        else:
            self.optimizer.step()  # which makes the state
        self.grad.zero_()

    def _adam(self, mean: Tensor, square: Tensor, step: Tensor) -> None:
        """Do what `optimizer.step` does, to the last bit, without its checks, which took longer than the step."""
        step += 1
        torch._fused_adam_(
            [self.value],
            [self.grad],
            [mean],
            [square],
            [],
            [step],
            lr=self.lr,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )

    def finite(self) -> bool:
        """Whether no parameter is NaN or infinite."""
        return bool(torch.isfinite(self.value).all())
