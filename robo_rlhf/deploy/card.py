"""The model card of an exported policy: what it was trained for and on, how well it does, and how it is run."""

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from robo_rlhf.core.files import read_json
from robo_rlhf.core.stats import wilson
from robo_rlhf.sim.envs.task_env import versions


def model_card(checkpoint: Path, manifest: Mapping[str, Any], meta: Mapping[str, Any]) -> str:
    """Return the card as Markdown; what nobody measured is called so."""
    names = manifest["obs_names"]
    sections = [
        f"# A policy for {manifest['task']}",
        _table(_facts(checkpoint, manifest, meta)),
        "## Running it",
        "`policy.json` names everything below for programs; `exported_policy.py` runs it (numpy and onnxruntime):",
        _example(names),
        f"- Rate: {manifest['control_hz']:g} actions a second.\n"
        f"- Actions, each from -1 to 1: {', '.join(manifest['action_names'])}.\n"
        f"- Observations, in the units of the simulation (m, rad, m/s, N): {', '.join(names)}.\n"
        f"{_pictures(manifest)}"
        "- Normalisation is inside the networks. Noise is an input of those that sample: `policy.json` says how much.\n"
        "- What is not finite, or lacks a name, is refused. Limit what the robot may do on the robot, too.",
        "## Licences",
        "The code of `exported_policy.py` is under the MIT licence of robo_rlhf; the weights belong to "
        "those who trained them, from the demonstrations and answers named above.",
    ]
    return "\n\n".join(sections) + "\n"


def _facts(checkpoint: Path, manifest: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, object]:
    stages = [p for p in checkpoint.parents if (p / "result.json").is_file() and (p / "config.json").is_file()]
    run = stages[-1] if stages else None  # the whole job, not a stage of it
    config = read_json(run / "config.json", dict) if run else {}
    made = {"robo_rlhf": versions()["robo_rlhf"], "mujoco": versions()["mujoco"], "torch": metadata.version("torch")}
    return {
        "Kind": " corrected by ".join(_kinds(meta["policy"])),
        "Training": meta.get("algorithm", "not recorded"),
        "Demonstrations": meta.get("demonstrations") or config.get("demos", "not recorded"),
        "Answers that its reward learned from": config.get("labels", "none, or not recorded"),
        "Annotators": config.get("annotator", "none, or not recorded"),
        "Success": _success(checkpoint, run),
        "Partly observed": f"objects {manifest['mask']['delay']} steps late" if "mask" in manifest else "no",
        "Made with": ", ".join(f"{name} {version}" for name, version in made.items()),
    }


def _kinds(found: Mapping[str, Any]) -> list[str]:
    settings = found["settings"]
    base = {"kind": settings["base_kind"], "settings": settings["base_settings"]} if settings.get("base_kind") else None
    return [*(_kinds(base) if base else []), found["kind"]]


def _success(checkpoint: Path, run: Path | None) -> str:
    """Return the success that a finished job measured of this policy, with its 95 % interval."""
    result = read_json(run / "result.json", dict) if run else {}
    found = result.get("before" if "clone" in checkpoint.parts else "after", result)
    share, episodes = (found.get("success") or {}).get("value"), found.get("episodes")
    if share is None or not episodes:
        return "not measured; `robo-rlhf evaluate` does"
    within = wilson(round(share * episodes), episodes)
    return f"{share:.1%} of {episodes} simulated episodes (95 % interval {within.low:.1%} to {within.high:.1%})"


def _table(facts: Mapping[str, object]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())])


def _pictures(manifest: Mapping[str, Any]) -> str:
    """Return what the pictures of a policy with cameras have to be."""
    lines = [
        f"- Picture `{name}`: {' x '.join(map(str, about['shape']))} of {about['dtype']} from {about['range'][0]} to "
        f"{about['range'][1]} ({about['layout']}).\n"
        for name, about in manifest.get("pictures", {}).items()
    ]
    return "".join(lines) + ("- Its encoders are the first network; it looks when it predicts.\n" if lines else "")


def _example(names: list[str]) -> str:
    given = json.dumps({name: 0.0 for name in names[:2]})[:-1] + (", ...}" if len(names) > 2 else "}")
    return (
        "```python\nfrom exported_policy import ExportedPolicy\n\npolicy = ExportedPolicy('.')\npolicy.reset()\n"
        f"action = policy.act({given})\n```"
    )
