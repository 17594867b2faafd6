"""Names that earlier versions used for settings, presets, options and kinds of policy, so that their files still load.

The only table of old names. Readers of run folders and checkpoints apply it (`runs.with_defaults`,
`runs.read_checkpoint`); what a user types by an old name is refused with the new one. No old name is written any more.
"""

import re
from collections.abc import Mapping
from typing import Any

SETTINGS = {
    "caution": "uncertainty_penalty",
    "choose_exploration": "choose_exploration_noise",
    "choose_pace": "choose_execution_horizon",
    "execute": "execution_horizon",
    "minds": "style_costs",
    "near": "symlog",
    "partial": "mask_delay",
    "restraint": "correction_penalty",
    "scratch": "sac",
    "shown": "demonstration_share",
    "tries": "self_imitation_rounds",
    "tries_episodes": "self_imitation_episodes",
    "unjudged": "unlabeled",
    "untrained": "sac_policy",
}  # of any depth: no two settings had one of these names
KINDS = {"squashed": "tanh_gaussian"}
PRESETS = {
    "precise": "self_imitation",
    "sparing": "sample_efficient",
    "unaided": "no_demonstrations",
    "ask_success": "default",
}
OPTIONS = {
    "--asked-by": "questions_of",
    "--unjudged-from": "unlabeled_from",
    **{f"--{old}": SETTINGS[old] for old in ("caution", "partial", "restraint", "shown", "unjudged")},
}  # of any command: none has one of these by another meaning

_KIND_KEYS = ("kind", "policy", "base_kind")  # settings whose value is the name of a kind of policy
_WEIGHTS = re.compile(r"(?<=[/.])near(?=\.)")  # a submodule, in the name of an array


def settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored settings by today's names, at any depth."""
    found = {}
    for name, value in stored.items():
        if isinstance(value, Mapping):
            value = settings(value)
        elif name in _KIND_KEYS and isinstance(value, str):
            value = KINDS.get(value, value)
        found[SETTINGS.get(name, name)] = value
    return found


def checkpoint_meta(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint's header says, with the description of its network by today's names."""
    found = {SETTINGS[name] if name == "partial" else name: value for name, value in stored.items()}
    described = {name: settings(found[name]) for name in ("policy", "reward") if isinstance(found.get(name), Mapping)}
    return found | described


def array_name(stored: str) -> str:
    """Return today's name of an array of a checkpoint."""
    return _WEIGHTS.sub("symlog", stored)


def setting_now(dotted: str) -> str | None:
    """Return today's name of a setting such as "scratch.restraint"; None where that is its name."""
    now = ".".join(SETTINGS.get(part, part) for part in dotted.split("."))
    return now if now != dotted else None


def option_now(argument: str) -> str | None:
    """Return today's option for an old one, such as "--caution"; None for anything else."""
    now = OPTIONS.get(argument.partition("=")[0])
    return now and f"--{now.replace('_', '-')}"
