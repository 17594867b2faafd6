import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from robo_rlhf.core.learning import (
    Average,
    Flat,
    pack_generator,
    pack_module,
    pack_optimizer,
    seeded,
    unpack_generator,
    unpack_module,
    unpack_optimizer,
)
from robo_rlhf.core.runs import read_checkpoint, write_checkpoint


def make() -> tuple[nn.Module, torch.optim.Optimizer]:
    with seeded(1):
        module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return module, torch.optim.AdamW(module.parameters(), 1e-2, fused=True)


def work(module: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        module(torch.randn(8, 3, generator=generator)).square().mean().backward()
        optimizer.step()


def test_training_state_goes_through_a_file(tmp_path: Path) -> None:
    module, optimizer = make()
    generator = torch.Generator().manual_seed(0)
    work(module, optimizer, generator, 3)
    arrays = {**pack_module("m", module), **pack_optimizer("o", optimizer), "g": pack_generator(generator)}
    write_checkpoint(tmp_path / "x.safetensors", arrays, {})
    work(module, optimizer, generator, 3)

    stored, _ = read_checkpoint(tmp_path / "x.safetensors")
    again, optimizer_again = make()
    generator_again = torch.Generator()
    unpack_module("m", again, stored)
    unpack_optimizer("o", optimizer_again, stored)
    unpack_generator(generator_again, stored["g"])
    work(again, optimizer_again, generator_again, 3)
    for a, b in zip(module.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_is_packed_does_not_change_with_training() -> None:
    module, optimizer = make()
    work(module, optimizer, torch.Generator(), 1)
    packed = {**pack_module("m", module), **pack_optimizer("o", optimizer)}
    before = {name: value.copy() for name, value in packed.items()}
    work(module, optimizer, torch.Generator(), 1)
    for name, value in before.items():
        np.testing.assert_array_equal(packed[name], value)


def test_seeded_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, other = make()[0], make()[0]
    assert torch.equal(expected, torch.rand(1))
    assert torch.equal(next(one.parameters()), next(other.parameters()))


def test_average_warms_up_and_swaps() -> None:
    weight = nn.Parameter(torch.zeros(2))
    average = Average([weight], 0.9)
    with torch.no_grad():
        weight.fill_(1.0)
    average.update(0)
    assert torch.allclose(average.value[0], torch.full((2,), 0.9))  # decay 1/10 at first
    average.update(10_000)
    assert torch.allclose(average.value[0], torch.full((2,), 0.91))
    average.swap()
    assert torch.allclose(weight.detach(), torch.full((2,), 0.91))
    average.swap()
    assert torch.equal(weight.detach(), torch.ones(2))


def test_flat_steps_as_adam_over_separate_parameters_does() -> None:
    with seeded(0):
        one = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    other = copy.deepcopy(one)
    other[0].requires_grad_(False)
    one[0].requires_grad_(False)
    frozen = one[0].weight.clone()
    flat, adam = Flat(one, 1e-2), torch.optim.Adam(other[2].parameters(), 1e-2, eps=1e-5)
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    for _ in range(5):
        one(x).square().sum().backward()
        flat.step(max_norm=0.5)
        adam.zero_grad()
        other(x).square().sum().backward()
        nn.utils.clip_grad_norm_(other[2].parameters(), 0.5)
        adam.step()
    torch.testing.assert_close(one.state_dict(), other.state_dict())
    torch.testing.assert_close(one[0].weight, frozen)
    assert flat.finite()
    with torch.no_grad():
        one[2].bias.fill_(torch.nan)  # the module and the vector are the same memory
    assert not flat.finite()


def test_steps_are_those_of_adam_also_after_going_on() -> None:
    with seeded(0):
        ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    flat, generator = Flat(ours, 1e-2), torch.Generator().manual_seed(0)
    plain = Flat(theirs, 1e-2)
    for number in range(6):
        if number == 3:
            stored = pack_optimizer("step", flat.optimizer)
            flat = Flat(ours, 1e-2)
            unpack_optimizer("step", flat.optimizer, stored)
        gradient = torch.randn(flat.grad.shape, generator=generator)
        flat.grad.copy_(gradient)
        plain.grad.copy_(gradient)
        flat.step(1.0)
        plain.grad.mul_((1.0 / (plain.grad.norm() + 1e-6)).clamp(max=1.0))
        plain.optimizer.step()
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine, its)
    assert float(flat.grad.abs().max()) == 0.0
    assert pack_optimizer("step", flat.optimizer).keys() == pack_optimizer("step", plain.optimizer).keys()


PLAIN = """
import sys, torch
from robo_rlhf.core import learning

def train(kind, **settings):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = kind([{"params": [net.weight]}, {"params": [net.bias], "lr": 0.1}], 0.01, **settings)
    for step in range(4):
        if step == 2:
            optimizer.load_state_dict(optimizer.state_dict())
        optimizer.zero_grad()
        net(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()
    return [p.detach().numpy().tobytes() for p in net.parameters()]

ours = [train(learning.Adam), train(learning.Adam, fused=True), train(learning.AdamW, weight_decay=0.1, fused=True)]
assert "torch._dynamo" not in sys.modules
optim = torch.optim
assert ours == [train(optim.Adam), train(optim.Adam, fused=True), train(optim.AdamW, weight_decay=0.1, fused=True)]
"""


def test_optimisers_do_the_same_bits_without_the_compiler() -> None:
    subprocess.run([sys.executable, "-c", PLAIN], check=True)
