"""Small data for the examples of algorithms, on the task reach: an untrained policy, demonstrations, answers."""

from dataclasses import replace
from pathlib import Path

TASK = "reach"


def untrained_policy(home: Path) -> Path:
    """Write an untrained Gaussian policy into the data home, and return its file."""
    from robo_rlhf.core.learning import seeded
    from robo_rlhf.policies.checkpoint import new_policy, save_policy
    from robo_rlhf.sim.envs.task_env import make_env

    path = home / "untrained.safetensors"
    env = make_env(TASK, 1)
    with seeded(0):
        save_policy(new_policy("gaussian", env.obs_dim, env.act_dim, {"width": 16}), path, {"task": TASK})
    env.close()
    return path


def recorded(home: Path, episodes: int = 3) -> None:
    """Let the scripted operator record demonstrations into the dataset samples/reach of the data home."""
    import numpy as np

    from robo_rlhf.core.types import Source
    from robo_rlhf.data.dataset import Dataset
    from robo_rlhf.rollouts.rollout import rollout
    from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
    from robo_rlhf.sim.operators.scripted import ScriptedOperator

    env = make_env(TASK, episodes)
    assert isinstance(env, TaskEnv)
    shown = rollout(env, ScriptedOperator(env), np.arange(episodes), source=Source.SCRIPTED)
    Dataset(home / "samples" / TASK, create=True, task=TASK).add_many(shown)
    env.close()


def corrected(home: Path) -> str:
    """Record demonstrations, and a dataset with a correction of the first of them; return its name."""
    import numpy as np

    from robo_rlhf.core.types import Source
    from robo_rlhf.data.dataset import Dataset

    recorded(home)
    first = Dataset(home / "samples" / TASK).load(f"{TASK}-0")
    source = np.full(len(first), int(Source.POLICY), np.uint8)
    source[8:20] = Source.CORRECTION
    meta = replace(first.meta, id="corrected", parent=first.meta.id, parent_step=8)
    Dataset(home / "takeovers", create=True, task=TASK).add(replace(first, source=source, meta=meta))
    return "takeovers"


def answered(home: Path, questions: int = 60) -> None:
    """Record demonstrations, and answers in the feedback database that later clips of them are better."""
    from robo_rlhf.core.files import feedback_database
    from robo_rlhf.core.types import Segment
    from robo_rlhf.feedback.store import Question, Store, question_id

    recorded(home)
    asked = []
    for number in range(questions):
        episode, start = f"{TASK}-{number % 3}", number // 3
        clips = (Segment(episode, start, 8), Segment(episode, start + 4, 8))
        key = question_id("example", 1, "pairwise", clips)
        asked.append(Question(key, "example", 1, "pairwise", TASK, clips, f"samples/{TASK}"))
    with Store(feedback_database(home)) as store:
        store.add_questions(asked)
        for question in asked:
            store.answer(question.id, "example", {"choice": "B"}, key=f"example {question.id}")
