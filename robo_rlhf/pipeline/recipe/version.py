"""The recipe: what `robo-rlhf run` does where nothing is set, and its version."""

import hashlib
import json
from dataclasses import asdict

from robo_rlhf.pipeline.config import PipelineConfig

REVISION = 2  # raised when the code of learning changes what a run comes to, with the settings as they are
_PER_RUN = ("seed", "annotator", "dataset", "episodes")  # differ from run to run of one recipe


def recipe_version(config: PipelineConfig) -> str:
    """Return the version of the recipe of `config`, such as "1-6f0c2a91": of the code and of the settings.

    Results of runs are compared and averaged only within one version.
    """
    settings = {name: value for name, value in asdict(config).items() if name not in _PER_RUN}
    for later in ("conditions", "axes"):  # settings that the recipe has gained; unset, it is the same as before
        if not getattr(config, later):
            del settings[later]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{REVISION}-{digest[:8]}"
