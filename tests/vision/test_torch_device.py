"""Encoders on another torch device: chosen or refused at the door, the same results, one line where memory ends."""

from pathlib import Path

import pytest
import torch

from robo_rlhf.cli.main import main
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.learning import seeded
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.vision import encoder as encoders
from robo_rlhf.vision import torch_device as devices
from robo_rlhf.vision.encoder import CameraEncoder
from robo_rlhf.vision.torch_device import VARIABLE, torch_device, use_torch_device

TRAIN = ["train", "bc", "--task", "reach", "--failures", "--cameras", "front", "--size", "16", "--updates", "1"]


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the environment as it was."""
    monkeypatch.setenv(VARIABLE, "")


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let torch find these devices alone."""
    monkeypatch.setattr(devices, "available", lambda: names)


def test_the_fastest_there_is_or_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "cuda", "cpu")
    assert torch_device() is None
    use_torch_device("auto")
    assert torch_device() == torch.device("cuda")
    use_torch_device("cpu")
    assert torch_device() is None
    with pytest.raises(InvalidValueError, match="expected a device that torch finds here, cuda, cpu; or auto, got mps"):
        use_torch_device("mps")
    monkeypatch.setenv(VARIABLE, "mps")  # of whoever starts this process
    with pytest.raises(InvalidValueError, match=VARIABLE):
        use_torch_device("")


def test_a_device_that_is_not_there_is_refused_before_any_work(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, "cpu")
    for command in (TRAIN, ["evaluate", "x"], ["run", "--task", "reach"]):
        assert main([*command, "--torch-device", "cuda"]) == 2
        assert "--torch-device: expected a device that torch finds here, cpu; or auto" in capsys.readouterr().err
    assert main([*TRAIN, "--torch-device", "cudda"]) == 2
    assert "Did you mean 'cuda'" in capsys.readouterr().err
    assert not (home / "runs").exists()


def test_what_is_encoded_elsewhere_comes_back_the_same_with_its_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    with seeded(0):
        encoder = CameraEncoder(("a", "b"), 16, "small", {"width": 4}, shared=False)
    seen = {name: torch.randint(256, (3, 2, 16, 16, 3), dtype=torch.uint8) for name in "ab"}
    found, gradients = [], []
    for device in (None, torch.device("cpu")):  # the second by the way that another device goes
        monkeypatch.setattr(encoders, "torch_device", lambda chosen=device: chosen)
        encoder.zero_grad()
        found.append(encoder(seen))
        found[-1].square().sum().backward()
        gradients.append([p.grad.clone() for p in encoder.parameters() if p.grad is not None])
    assert torch.equal(*found)
    assert len(gradients[0]) == len(list(encoder.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_memory_that_ends_is_one_line(
    home: Path, reach_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [e.slice(0, 6) for e in list(Dataset(reach_home / "samples" / "reach").load_all())[:1]]
    Dataset(home / "samples" / "reach", create=True).add_many(shown)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(CameraEncoder, "one", full)
    assert main(TRAIN) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: The torch device has no memory left for so many pictures at once")
    assert "--batch" in lines[-1]
    monkeypatch.setattr(CameraEncoder, "one", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(TRAIN)
