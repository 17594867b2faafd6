"""A Ray cluster of several nodes on this machine. Ray is no part of the test environment: see `starting.py`."""

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import ClusterError, InvalidValueError, MissingDependencyError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.executor.cluster import alone, answer, facts, joined, member
from tests.executor.starting import LIMIT, RAY, Nodes, begin, finished

needs_ray = pytest.mark.skipif(not RAY, reason="$ROBO_RLHF_RAY names no interpreter with ray")
TINY = ["--task", "reach", "--preset", "tiny", "--demos", "4", "--labels", "4", "--rounds", "1"]
TINY += ["--dataset", "samples/reach", "--minutes", "0"]


@pytest.mark.parametrize("address", ["auto", "ray://10.0.0.7:10001", "10.0.0.7", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with (
        pytest.raises(InvalidValueError, match=r"--cluster: expected the address of a Ray cluster's head"),
        member(address),
    ):
        pass


def test_an_address_where_nothing_is_says_so_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    begun = time.monotonic()
    with pytest.raises(ClusterError, match=r"nothing answers there .*`ray start --head"), member(f"127.0.0.1:{port}"):
        pass
    assert time.monotonic() - begun < 5


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_is_said_how_to_install_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(MissingDependencyError, match=r"robo-rlhf\[cluster\]"),
        member(f"127.0.0.1:{server.getsockname()[1]}"),
    ):
        pass


def test_without_an_address_the_work_is_done_here() -> None:
    with member(None) as cluster:
        assert cluster is None
        assert joined() is None
    with alone():
        assert joined() is None


def test_a_node_that_differs_says_what_it_has_and_does_nothing() -> None:
    assert answer(facts(), "robo_rlhf.executor.cluster:echo", b"x") == ("done", b"x")
    how, what = answer({**facts(), "torch": "1.0.0"}, "robo_rlhf.executor.cluster:echo", b"x")
    assert how == "other"
    assert what == f"torch {facts()['torch']}, and this process has 1.0.0"
    how, what = answer({**facts(), "module my_tasks": "12345678"}, "robo_rlhf.executor.cluster:echo", b"x")
    assert (how, what) == ("other", "module my_tasks None, and this process has 12345678")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with Nodes() as started:
        started.add()
        yield started


@needs_ray
@pytest.mark.slow
def test_what_is_no_cluster_says_so_within_seconds(reach_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        said = finished(begin("sweep", *TINY, "--cluster", address, "--home", str(reach_home)))
    assert said.code == 21
    assert "is no head of a Ray cluster" in said.err


@needs_ray
@pytest.mark.slow
def test_a_node_with_another_version_is_refused_with_both(reach_home: Path, tmp_path: Path) -> None:
    fake = "import sys, types\nsys.modules['robo_rlhf'] = types.ModuleType('robo_rlhf')\n"
    (tmp_path / "sitecustomize.py").write_text(f"{fake}sys.modules['robo_rlhf'].__version__ = '9.9.9'\n")
    with Nodes() as nodes:
        nodes.add(tmp_path)
        said = finished(begin("sweep", *TINY, "--cluster", nodes.address, "--home", str(reach_home)))
    assert said.code == 21
    assert "has robo_rlhf 9.9.9, and this process has 0.1.0" in said.err


@needs_ray
@pytest.mark.slow
def test_a_sweep_ends_with_the_same_bits_when_a_node_leaves_and_one_joins(
    nodes: Nodes, reach_home: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(reach_home, tmp_path / "reach")
    shared = [*TINY, "--home", str(home)]
    going = begin("sweep", *shared, "--seeds", "2", "--run", "there", "--cluster", nodes.address)
    wait_for(home / "runs/there-1/before/result.json", going)
    nodes.add()
    nodes.remove()
    there = finished(going)
    assert there.code == 0, there.err
    assert json.loads((home / "runs/there/result.json").read_text())["runs"] == 2
    for seed in (0, 1):
        assert finished(begin("run", *shared, "--seed", str(seed), "--run", f"here-{seed}")).code == 0
        assert weights(home / f"runs/here-{seed}") == weights(home / f"runs/there-{seed + 1}")


@needs_ray
@pytest.mark.slow
def test_stopped_the_same_command_goes_on(nodes: Nodes, reach_home: Path, tmp_path: Path) -> None:
    home = shutil.copytree(reach_home, tmp_path / "reach")
    sweep = ["sweep", *TINY, "--seeds", "1", "--home", str(home), "--run", "s", "--cluster", nodes.address]
    going = begin(*sweep)
    wait_for(home / "runs/s-1/alive.json", going)
    going.send_signal(signal.SIGINT)
    assert finished(going).code == 130
    assert finished(begin(*sweep)).code == 0
    assert (home / "runs/s-1/result.json").exists()


@needs_ray
@pytest.mark.slow
def test_a_run_ends_with_the_same_bits_when_a_node_is_killed_in_each_stage(
    nodes: Nodes, reach_home: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(reach_home, tmp_path / "reach")
    run = ["run", *TINY, "--home", str(home)]
    assert finished(begin(*run, "--run", "here")).code == 0
    nodes.add()
    path = home / "runs/there"
    going = begin(*run, "--run", "there", "--cluster", nodes.address)
    for stage in ("before", "round-1/collect", "round-1/finetune", "after"):
        wait_for(path / stage, going)
        nodes.remove()
        nodes.add()
    there = finished(going)
    assert there.code == 0, there.err
    assert weights(home / "runs/here") == weights(path)


@needs_ray
@pytest.mark.slow
def test_episodes_on_a_cluster_are_those_of_this_machine(nodes: Nodes, reach_home: Path, tmp_path: Path) -> None:
    home = shutil.copytree(reach_home, tmp_path / "reach")
    assert finished(begin("run", *TINY, "--home", str(home), "--run", "r")).code == 0
    shared = ["r", "--episodes", "10", "--num-envs", "4", "--home", str(home), "--json"]
    played = ["--env", "reach", "--episodes", "10", "--num-envs", "4", "--home", str(home)]
    there = ["--cluster", nodes.address]
    assert len({finished(begin("evaluate", *shared, *more)).out for more in ([], there)}) == 1
    for policy in ("r", "random", "tests.executor.acting:act"):
        for name, more in (("here", []), ("there", there)):
            said = finished(begin("rollout", *played, "--policy", policy, "--noise", "0.1", "--dataset", name, *more))
            assert said.code == 0, said.err
        here, elsewhere = (Dataset(home / name) for name in ("here", "there"))
        assert sorted(here.ids()) == sorted(elsewhere.ids())
        for one in here.ids():
            mine, theirs = here.load(one), elsewhere.load(one)
            assert mine.meta == theirs.meta
            for array in ("obs", "action", "state", "reward", "success", "source"):
                np.testing.assert_array_equal(getattr(mine, array), getattr(theirs, array))
        shutil.rmtree(home / "here")
        shutil.rmtree(home / "there")


def wait_for(file: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until there is a file, or the process that makes it has ended."""
    until = time.monotonic() + LIMIT
    while not file.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)


def weights(run: Path) -> dict[str, bytes]:
    """Return what a run has learned and measured: every checkpoint's weights and the evaluations, by name."""
    files = [*run.rglob("*.safetensors"), run / "before/result.json", run / "after/result.json"]
    return {str(file.relative_to(run)): file.read_bytes() for file in files}
