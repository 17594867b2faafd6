import os

import pytest
import torch

from robo_rlhf.cli.threads import use_one_thread


def test_learning_uses_one_thread_here_and_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    use_one_thread()
    assert torch.get_num_threads() == 1
    assert os.environ["OMP_NUM_THREADS"] == "1"
