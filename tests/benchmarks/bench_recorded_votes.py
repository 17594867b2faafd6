"""A reward from votes on recorded clips: `make bench ARGS=tests/benchmarks/bench_recorded_votes.py`.

Clips of pick_place as a real robot would give them: what it feels itself, the force and the peak of it so far included,
and its actions, no state of the cube. People prefer success, then the lower peak force; of 200 votes a fifth is wrong.
The reward predicts votes without mistakes on other episodes.
"""

from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.types import Episode, Segment
from robo_rlhf.feedback.records import Answer, Question, question_id
from robo_rlhf.reward_fitting.answers import AnswerData, gather
from robo_rlhf.reward_fitting.scores import evaluate
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import PERSON, ScriptedOperator
from robo_rlhf.training import reward
from tests.benchmarks.bench_mixed_demonstrations import CARELESS, TASK

pytestmark = pytest.mark.bench
EACH, VOTES, JUDGED, WRONG, FIRST, DRAWS = 256, 200, 800, 0.2, 9_900_000, 3


def recorded() -> list[Episode]:
    """Return episodes of a careful and of a careless operator, without what the robot does not feel."""
    env = make_env(TASK, EACH)
    assert isinstance(env, TaskEnv)
    felt = [i for i, name in enumerate(env.task.obs_names) if not name.startswith(("cube", "bin", "object", "goal"))]
    found = []
    for faults, first in ((PERSON, FIRST), (CARELESS, FIRST + EACH)):
        episodes = rollout(env, ScriptedOperator(env, faults), np.arange(first, first + EACH), record_state=False)
        for number, e in enumerate(episodes):
            meta = replace(e.meta, id=f"e{first + number}")
            force = np.log1p(np.concatenate([np.zeros((1, 1)), e.signals["contact_force"][:, :1]]))
            peak = np.maximum.accumulate(force)  # a reward of single steps knows no peak of the whole clip
            obs = np.concatenate([e.obs[:, felt], force, peak], axis=1).astype(np.float32)
            found.append(replace(e, obs=obs, meta=meta))
    env.close()
    return found


def votes(episodes: list[Episode], count: int, wrong: float, rng: np.random.Generator) -> AnswerData:
    """Return votes on whole episodes, each two of them drawn by chance, a share of them wrong."""
    known = {episode.meta.id: episode for episode in episodes}
    worth = {name: (bool(e.success[-1]), -float(e.signals["contact_force"].max())) for name, e in known.items()}
    questions, answers = [], []
    for _ in range(count):
        one, other = (str(name) for name in rng.choice(sorted(known), 2, replace=False))
        clips = (Segment(one, 0, len(known[one])), Segment(other, 0, len(known[other])))
        asked = Question(question_id("votes", 1, "pairwise", clips), "votes", 1, "pairwise", TASK, clips, "votes")
        better = (worth[one] > worth[other]) != bool(rng.random() < wrong)
        questions.append(asked)
        value = {"choice": "A" if better else "B"}
        answers.append(Answer(asked.id, "simulated", "simulated", value, "2026-01-01T00:00:00+00:00", None))
    return gather(questions, answers, lambda dataset, name: known[name])


def test_votes_on_recorded_clips_are_predicted() -> None:
    """Held-out accuracy ≥ 80 %, the mean of three draws."""
    use_one_thread()
    episodes = recorded()
    found = []
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        order = rng.permutation(len(episodes))
        shown, rest = ([episodes[i] for i in part] for part in np.split(order, [len(order) // 2]))
        fit = FitSettings(learning_rate=3e-3, weight_decay=0.03, updates=400)  # small: 200 votes, a fifth wrong
        config = reward.Config(settings={"members": 5, "width": 8}, fit=fit, seed=draw)
        model, _ = reward.fit_in_memory(config, votes(shown, VOTES, WRONG, rng))
        other = votes(rest, JUDGED, 0.0, rng)
        found.append(evaluate(model, other.clips, other.examples).accuracy or 0.0)
    succeed = np.mean([bool(episode.success[-1]) for episode in episodes])
    accuracies = ", ".join(f"{one:.1%}" for one in found)
    print(f"\n{succeed:.0%} succeed; held-out accuracy {accuracies}, mean {np.mean(found):.1%}")
    assert np.mean(found) >= 0.8
