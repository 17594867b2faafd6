"""An environment of choices, from scripted demonstrations to a cloned policy: the largest of its columns is done."""

import json
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.data.dataset import Dataset

BALANCE = """
import numpy as np


def balance(obs):
    push = obs[2] + 0.5 * obs[3] + 0.05 * obs[0] + 0.1 * obs[1]
    return np.array([-push, push]).clip(-1, 1)
"""


@pytest.mark.slow
def test_cartpole_is_cloned(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (home.parent / "balance.py").write_text(BALANCE)
    monkeypatch.chdir(home.parent)
    monkeypatch.syspath_prepend(str(home.parent))
    shown = ["rollout", "--env", "CartPole-v1", "--policy", "balance:balance", "-n", "10"]
    assert main([*shown, "--success-return", "450", "--only-successes"]) == 0
    dataset = Dataset(home / "samples" / "CartPole-v1")
    first = dataset.load(dataset.ids()[0])
    assert first.meta.action_names == ("action=0", "action=1")
    assert (np.sort(first.action, axis=1) == [-1, 1]).all(), "what was chosen is recorded"
    assert main(["train", "bc", "--task", "CartPole-v1", "--policy", "gaussian", "--updates", "600"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "bc", "--episodes", "20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["return"]["value"] >= 300  # a policy that pushes at random: about 20
