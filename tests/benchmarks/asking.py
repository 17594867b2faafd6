"""Alternative questions about the episodes of a finished main job, and reward models fitted to their answers."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from robo_rlhf.core.files import write_json
from robo_rlhf.core.runs import Run
from robo_rlhf.pipeline.config import PipelineConfig, preset
from robo_rlhf.pipeline.context import PipelinePolicy, open_context
from robo_rlhf.pipeline.steps.questions import answer, ask
from robo_rlhf.pipeline.steps.reward import learn_reward
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.rewards.base import RewardModel
from tests.benchmarks.held_out import asked_of

OWN = ("task", "demos", "rounds", "seed")  # settings of the finished job that stay as they are


def known(path: Path, ways: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return for each way of asking what its last reward model knows about the last policy of the run at `path` [%].

    Args:
        path: the folder of a finished main job, in the folder "runs" of its data home.
        ways: settings of the job, by the name of the way.
    """
    exams = asked_of(path)
    stored = json.loads((path / "config.json").read_text())
    found = {}
    for way, settings in ways.items():
        own = {name: stored[name] for name in OWN}
        config = replace(preset("default", **own), **{"approvals": 0.0, **settings})
        name = f"{path.name}-{way.replace(',', '').replace(' ', '-')}-{config.labels}"
        model = relearned(config, path, path.with_name(name))
        scores = {name: asked.predictions(model) for name, asked in exams.items()}
        found[way] = {f"{name} [%]": 100 * score["accuracy"] for name, score in scores.items()}
        found[way] |= {f"{name}, ECE": score["ECE"] for name, score in scores.items()}
    return found


def relearned(config: PipelineConfig, base: Path, path: Path) -> RewardModel:
    """Ask as `config` says about the episodes of the run `base`, round by round, in a run folder of its own."""
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(base / "episodes", path / "episodes")
    policy = PipelinePolicy(load_policy(base / "clone" / "checkpoints" / "policy.safetensors"), config.finetune.std)
    with open_context(config, Run(path, config), base.parents[1]) as context:
        for number in range(1, config.rounds + 1):
            write_json(path / f"round-{number}" / "collect" / "result.json", {"episodes": []})
            answer(context, ask(context, policy, number), number)
            policy = learn_reward(context, policy, number)
    assert policy.reward is not None
    return policy.reward
