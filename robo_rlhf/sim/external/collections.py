"""Known collections of environments, and the MuJoCo that each runs with: their releases pin different ones."""

from typing import NamedTuple

from gymnasium.envs.registration import EnvSpec

from robo_rlhf.core.errors import EnvironmentFaultError
from robo_rlhf.sim.external.versions import listed, module_of, versions_of

ANY = "pip install 'gymnasium[mujoco]'"


class Collection(NamedTuple):
    """A collection of environments."""

    modules: tuple[str, ...]  # in which its environments lie
    mujoco: str  # version that it runs with; empty: it has no MuJoCo
    install: str  # what pip is given


COLLECTIONS = (
    Collection(("metaworld",), "3.3.0", "mujoco==3.3.0 metaworld==3.1.1"),
    Collection(("gymnasium_robotics",), "3.8.1", "mujoco==3.8.1 gymnasium-robotics==1.4.2"),
    Collection(("gym_hil",), "3.8.1", "mujoco==3.8.1 gym-hil==0.1.14"),
    Collection(("robosuite",), "3.8.1", "mujoco==3.8.1 robosuite==1.5.2 h5py"),
    Collection(("shimmy", "dm_control"), "3.17.0", "mujoco==3.17.0 dm-control==1.0.50 shimmy"),
    Collection(("gym_aloha",), "3.17.0", "mujoco==3.17.0 dm-control==1.0.50 gym-aloha"),
    Collection(("gym_pusht",), "", "gym-pusht"),
)


def collection_of(spec: EnvSpec) -> Collection | None:
    """Return the collection that an environment comes from; None where none is known."""
    top = module_of(spec).partition(".")[0]
    return next((one for one in COLLECTIONS if top in one.modules), None)


def pip_line(spec: EnvSpec) -> str:
    """Return the command that installs what an environment runs with; empty where that is not known."""
    known = collection_of(spec)
    if known is None:
        return ANY if module_of(spec).startswith("gymnasium.envs.mujoco") else ""
    return f"pip install {known.install}"


def fits(spec: EnvSpec) -> bool:
    """Whether the installed MuJoCo is one that an environment is known to run with; True where that is not known."""
    known = collection_of(spec)
    return known is None or known.mujoco in ("", versions_of(spec).get("mujoco"))


def fault_of(spec: EnvSpec, message: str) -> EnvironmentFaultError:
    """Return the error of an environment that fails as a whole, with the versions, and what would fit."""
    what = f"{message.rstrip('.')} ({listed(versions_of(spec))})"
    if fits(spec):
        return EnvironmentFaultError(what)
    return EnvironmentFaultError(what, f"It runs with another MuJoCo, in an environment of its own: {pip_line(spec)}")
