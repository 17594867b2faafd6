"""The recipe: what `robo-rlhf run` does where nothing is set, and its version."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from robo_rlhf.pipeline.config import PipelineConfig

REVISION = 4  # raised when the code of learning changes what a run comes to, with the settings as they are
_PER_RUN = ("seed", "annotator", "dataset", "episodes")  # differ from run to run of one recipe


def recipe_version(config: PipelineConfig) -> str:
    """Return the version of the recipe of `config`, such as "1-6f0c2a91": of the code and of the settings.

    Results of runs are compared and averaged only within one version. What is off changes nothing, so a new setting
    that is off by default makes no new version.
    """
    settings = {name: value for name, value in asdict(config).items() if name not in _PER_RUN}
    settings = _on({name: value for name, value in settings.items() if getattr(config, name)})
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{REVISION}-{digest[:8]}"


def _on(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings within settings without those that are off: 0, False, None or empty."""
    return {name: _on(value) if isinstance(value, dict) else value for name, value in settings.items() if value}
