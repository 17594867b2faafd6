"""Finding the newest policy of a run, its checkpoint "policy" or the last accepted round's, and its reward model."""

import os
from pathlib import Path
from typing import Any

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.files import read_json

POLICY, REWARD = (Path("checkpoints") / f"{name}.safetensors" for name in ("policy", "reward"))


def policy_at(given: Path, home: Path) -> Path:
    """Return the checkpoint that a file, a run's folder, a run's name or one of its stages (RUN/clone) refers to.

    Raises:
        NotFoundError: there is none.
    """
    for place in (given, home / given, home / "runs" / given):
        if place.is_file():
            return place
        if place.is_dir():
            found = final_policy(place)
            if found is not None:
                return found
    advice = "Give a checkpoint, a run's folder or the name of a run in the data home that has trained a policy."
    raise NotFoundError("policy", given, advice)


def reward_at(given: Path, home: Path) -> Path:
    """Return the checkpoint that a file, a run's folder or a run's name refers to.

    Raises:
        NotFoundError: there is no reward model.
    """
    for place in (given, home / "runs" / given):
        found = place / REWARD if place.is_dir() else place
        if found.is_file():
            return found
    raise NotFoundError("reward", given, f"Give a checkpoint, or a run in {home} that has learned a reward.")


def source_of(given: str, home: Path) -> tuple[str, Path]:
    """Return the name and the checkpoint of a policy: CHECKPOINT as in `policy_at`, or LABEL=CHECKPOINT.

    Raises:
        NotFoundError: there is none.
    """
    label, named, place = given.partition("=")
    if named and not (home / given).exists() and not Path(given).exists():
        return label, policy_at(Path(place), home)
    path = policy_at(Path(given), home)
    plain = (home / "runs" / given).is_dir()
    return (given if plain else label_of(path, home)), path


def final_policy(run: Path) -> Path | None:
    """Return the newest policy of a run folder; None where it has none."""
    if (run / POLICY).is_file():
        return run / POLICY
    chosen = _json(run / "result.json").get("policy")  # of a finished run
    if isinstance(chosen, str) and (run / chosen / POLICY).is_file():
        return run / chosen / POLICY
    rounds = sorted(run.glob("round-*"), key=lambda path: int(path.name.partition("-")[2] or 0))
    decided = _json(run / "recipe" / "result.json").get("settings", {})  # by the run itself
    gated = bool({**_json(run / "config.json"), **decided}.get("gate"))
    given_up = 0  # policies that a later round went back from
    for folder in reversed(rounds):
        stage = folder / "finetune"
        kept = not gated or _json(folder / "gate" / "result.json").get("accepted")
        if kept and (stage / "result.json").exists() and (stage / POLICY).is_file():
            if not given_up:
                return stage / POLICY
            given_up -= 1
        given_up += _json(folder / "look" / "result.json").get("accepted") is False
    return run / "clone" / POLICY if (run / "clone" / POLICY).is_file() else None


def label_of(path: Path, home: Path) -> str:
    """Return the default name of a checkpoint: its place among the runs."""
    folder = path.parent.parent if path.parent.name == "checkpoints" else path.with_suffix("")
    for root in (home / "runs", home):
        if folder.absolute().is_relative_to(root.absolute()):
            name = folder.absolute().relative_to(root.absolute()).as_posix().removesuffix("/finetune")
            return name if path.stem == "policy" or folder == path.with_suffix("") else f"{name}/{path.stem}"
    return folder.name


def _json(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one where there is none.

    Raises:
        CorruptFileError: it is damaged.
    """
    return read_json(path, dict) if os.path.lexists(path) else {}
