"""A data home whose files name a module that writes a file when it is imported, for the tests that nothing does."""

import sqlite3
from dataclasses import asdict
from pathlib import Path

import numpy as np

from robo_rlhf.core.runs import Run, read_checkpoint, write_checkpoint
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.config import preset
from robo_rlhf.policies.checkpoint import new_policy, save_policy
from robo_rlhf.rewards.checkpoint import new_reward, save_reward
from tests.data.making import episode
from tests.feedback.making import QUESTIONS

THING, WORLD = "writes_a_file:Thing", "writes_a_file:Thing-v0"


def fill(home: Path) -> None:
    """Fill a data home: a dataset, checkpoints, a run and a database, each of which names the module."""
    dataset = Dataset(home / "named", create=True, task="mixed")
    dataset.add(episode("native", task=THING))
    dataset.add(episode("outside", task=WORLD))
    asked = asdict(preset("tiny", task=THING))
    asked |= {"question": THING}
    asked["clone"] |= {"policy": THING}
    asked["reward"] |= {"reward": THING}
    asked["finetune"] |= {"objective": f"learned + 0.5 * {THING}(of=[0])"}
    run = Run(home / "runs" / "named", asked)
    run.log(1, {"loss": 1.0})
    policies, rewards = run.path / "checkpoints" / "policy.safetensors", run.path / "checkpoints" / "reward.safetensors"
    save_policy(new_policy("gaussian", 6, 3, {"width": 8}), policies, {"task": THING})
    save_reward(new_reward("ensemble", 6, 3, {"members": 2, "width": 8}), rewards, {"task": THING})
    inside = home / "inside.safetensors"
    save_policy(new_policy("residual", 13, 5, {"width": 8, "base_settings": {"width": 8}}), inside, {"task": "reach"})
    for path, key in ((policies, "policy"), (rewards, "reward"), (inside, "policy")):
        arrays, meta = read_checkpoint(path)
        if path == inside:
            meta[key]["settings"]["base_kind"] = THING
        else:
            meta[key]["kind"] = THING
        write_checkpoint(path, {name: np.array(value) for name, value in arrays.items()}, meta)
    with Store(home / "feedback.db") as store:
        store.add_questions(QUESTIONS)
        store.answer(QUESTIONS[0].id, "ann", {"choice": "A"}, key="one")
        store.answer(QUESTIONS[0].id, "bob", {"choice": "B"}, key="two")
    with sqlite3.connect(home / "feedback.db") as database:
        database.execute("UPDATE questions SET kind = ?, task = ?", (THING, THING))
    database.close()
