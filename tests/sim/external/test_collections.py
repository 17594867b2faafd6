import pytest
from gymnasium.envs.registration import EnvSpec

from robo_rlhf.sim.external import collections
from robo_rlhf.sim.external.collections import collection_of, fault_of, fits, pip_line
from robo_rlhf.sim.external.ids import find


def spec(entry_point: object) -> EnvSpec:
    return EnvSpec("Some-v0", entry_point=entry_point)  # type: ignore[arg-type]


def test_the_line_for_pip_is_that_of_the_collection() -> None:
    fetch = spec("gymnasium_robotics.envs.fetch.pick_and_place:MujocoFetchPickAndPlaceEnv")
    assert pip_line(fetch) == "pip install mujoco==3.8.1 gymnasium-robotics==1.4.2"
    assert pip_line(find("Pusher-v5").spec) == "pip install 'gymnasium[mujoco]'"
    assert pip_line(spec("my_envs:Mine")) == ""
    assert collection_of(spec(lambda: None)) is None


def test_a_fault_is_told_with_the_versions_and_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    fetch, mine = spec("gymnasium_robotics.envs:Fetch"), spec("my_envs:Mine")
    monkeypatch.setattr(collections, "versions_of", lambda _: {"gymnasium": "1.4.0", "mujoco": "4.0.0"})
    assert not fits(fetch)
    assert str(fault_of(fetch, "FetchReach-v4 raised AssertionError in making.")) == (
        "FetchReach-v4 raised AssertionError in making (gymnasium 1.4.0, mujoco 4.0.0). It runs with another MuJoCo, "
        "in an environment of its own: pip install mujoco==3.8.1 gymnasium-robotics==1.4.2"
    )
    assert fits(mine)
    assert "(gymnasium 1.4.0, mujoco 4.0.0). Mend the environment" in str(fault_of(mine, "Mine-v0 raised OSError"))
    monkeypatch.setattr(collections, "versions_of", lambda _: {"mujoco": "3.8.1"})
    assert fits(fetch)
