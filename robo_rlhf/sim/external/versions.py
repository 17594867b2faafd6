"""Versions of the packages that an outside environment depends on; independent of MuJoCo itself."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version

from gymnasium.envs.registration import EnvSpec


def versions_of(spec: EnvSpec) -> Mapping[str, str]:
    """Return the versions of MuJoCo, Gymnasium and the package that an environment comes from, by name."""
    top = module_of(spec).partition(".")[0]
    names = {"mujoco", "gymnasium", *packages_distributions().get(top, ())}
    return {name: found for name in sorted(names) if (found := _version(name))}


def module_of(spec: EnvSpec) -> str:
    """Return the module of an environment's code; empty where it has none."""
    entry = spec.entry_point
    if isinstance(entry, str):
        return entry.partition(":")[0]
    return str(getattr(getattr(entry, "func", entry), "__module__", ""))  # of a `functools.partial`, its function's


def listed(versions: Mapping[str, str]) -> str:
    """Return versions as an episode records them: "gymnasium 1.4.0, mujoco 4.0.0"."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def is_installed(recorded: str) -> bool:
    """Whether all packages of what `listed` gave are installed in these versions; False for an empty text."""
    pairs = [part.rpartition(" ") for part in recorded.split(", ")]
    return all(number and _version(name) == number for name, _, number in pairs)


def _version(name: str) -> str:
    try:
        return version(name) if name else ""
    except PackageNotFoundError:
        return ""
