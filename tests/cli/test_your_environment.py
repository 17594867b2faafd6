"""docs/guides/your-environment.md: an environment of one's own, from nothing to a policy; all Python blocks."""

import json
import re
import sys
from pathlib import Path

import gymnasium
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import episode_path
from robo_rlhf.episodes.access import open_access

DOCS = Path(__file__).parents[2] / "docs" / "guides" / "your-environment.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
HERE = [block for block in BLOCKS if "robosuite" not in block]  # the other is run by tests/test_collection_matrix.py
CART = "my_env:Cart-v0"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands are given in, with the file that the page shows."""
    (shown,) = (block for block in BLOCKS if "class Cart" in block)
    (tmp_path / "my_env.py").write_text(shown)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_env", raising=False)
    monkeypatch.delitem(gymnasium.registry, "Cart-v0", raising=False)
    return tmp_path


@pytest.mark.parametrize("block", HERE, ids=lambda block: block.splitlines()[-1][:40])
def test_every_block_runs(block: str, folder: Path) -> None:
    exec(compile(block, str(DOCS), "exec"), {"__name__": "shown"})


def test_an_environment_of_ones_own_is_told_of_recorded_and_drawn(
    folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--env", CART, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["shown by"] == "its states, from every camera"
    assert "entered by its state: 10 of 10 frames exact" in told["entered by"]
    assert main(["rollout", "--env", CART, "--policy", "my_env:hold", "-n", "4", "--only-successes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["kept"] == 4
    dataset = Dataset(home / "samples" / CART)
    meta = dataset.info(dataset.ids()[0]).meta
    assert (meta.obs_names, meta.action_names) == (("obs[0]", "obs[1]"), ("push",))
    access = open_access(episode_path(dataset.path, dataset.ids()[0]))
    assert access.show is None, "the command that named the module is over"
    assert "add --allow my_env" in access.reason
    shown = ["episodes", "render", dataset.ids()[0], "--dataset", f"samples/{CART}", "--camera", "side"]
    assert main([*shown, "--allow", "my_env"]) == 0
    assert Path("clip.mp4").stat().st_size > 1000
    assert main(shown) != 0
    assert "code of the module my_env" in capsys.readouterr().err


@pytest.mark.slow
def test_the_page_s_commands_clone_it(folder: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollout", "--env", CART, "--policy", "my_env:hold", "-n", "30", "--only-successes"]) == 0
    assert main(["train", "bc", "--task", CART, "--demos", "25"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "bc", "--episodes", "20", "--allow", "my_env", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["success"]["value"] >= 0.9
