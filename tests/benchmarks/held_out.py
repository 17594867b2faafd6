"""How well reward models predict a noise-free teacher about the last policy of a finished main job."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from robo_rlhf.core.types import Array, Episode, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.selection import SegmentCandidate, select
from robo_rlhf.feedback.teachers import TaskUtility
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors, cut_clips
from robo_rlhf.reward_fitting.scores import evaluate
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.rewards.visual import VisualReward
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.task_tools import style_measures
from robo_rlhf.vision.seen_episodes import SeenEpisodes

EPISODES, QUESTIONS, STEPS = 128, 800, 40
FIRST = 9_000_000  # seed; neither evaluations nor clips that were asked about count from there
CLEAR = 0.25  # deviations of a clip's worth, from which on a difference is not a near-tie
METHODS = {"any": "recent", "same stage": "stage"}


@dataclass(frozen=True)
class Asked:
    """Questions that nothing was learned from."""

    pieces: list[tuple[Episode, Segment]]  # two clips a question, one after the other
    clips: ClipTensors  # the same
    apart: Array  # (Q,) how much better the second is, in deviations of a clip's worth

    def seen_by(self, model: RewardModel, home: Path) -> "Asked":
        """Return the same questions as a reward with cameras gets them; pictures are kept in the data home `home`."""
        if not isinstance(model, VisualReward) or model.sight is None:
            return self
        shows = SeenEpisodes(model.sight, model.rate, home)
        model.look_at(shows)
        clips = cut_clips([(shows.show(episode), clip) for episode, clip in self.pieces])
        return replace(self, clips=clips)

    def foreseen(self, model: RewardModel) -> dict[str, float]:
        """Return how well `model` predicts them: all of them, and those that are clear."""
        clear = np.abs(self.apart) > CLEAR
        scores = evaluate(model, self.clips, [_answers(self.apart, clear | True)])
        plain = evaluate(model, self.clips, [_answers(self.apart, clear)])
        assert scores.accuracy is not None
        assert scores.ece is not None
        assert plain.accuracy is not None
        return {
            "accuracy": scores.accuracy,
            "accuracy, clear ones": plain.accuracy,
            "clear": float(clear.mean()),
            "ECE": scores.ece,
        }


def last_round(path: Path) -> Path:
    """Return the folder of the last round of a run."""
    return path / f"round-{len(list(path.glob('round-*')))}"


def last_reward(path: Path) -> RewardModel:
    """Return the last reward model of the run in the folder `path`."""
    return load_reward(last_round(path) / "reward" / "checkpoints" / "reward.safetensors")


def judged(path: Path) -> dict[str, dict[str, float]]:
    """Return for each way of drawing pairs how well the run in the folder `path` predicts them."""
    model = last_reward(path)
    return {name: asked.foreseen(model) for name, asked in asked_of(path).items()}


def compared(main: Path, *learned: Path) -> dict[str, dict[str, float]]:
    """Return for each way of drawing pairs how many each of these rewards predicts, about the last policy of `main`."""
    models = {path.name: load_reward(path / "checkpoints" / "reward.safetensors") for path in learned}
    return {
        name: {run: asked.seen_by(model, main.parents[1]).foreseen(model)["accuracy"] for run, model in models.items()}
        for name, asked in asked_of(main, record_state=True).items()
    }


def asked_of(path: Path, *, record_state: bool = False) -> dict[str, Asked]:
    """Return questions about the last policy of the run in the folder `path`, for each way of drawing pairs."""
    env = make_env(json.loads((path / "config.json").read_text())["task"], 64)
    assert isinstance(env, TaskEnv)
    policy = load_policy(last_round(path) / "finetune" / "checkpoints" / "policy.safetensors")
    seeds = np.arange(FIRST, FIRST + EPISODES)
    episodes = {e.meta.id: e for e in rollout(env, ExploringPolicy(policy, 0), seeds, record_state=record_state)}
    worth = TaskUtility(1.0, {env.task.style_cost: 1.0} if env.task.style_cost else {}, style_measures.cost)
    utility = {name: worth(episode) for name, episode in episodes.items()}
    room = env.horizon - STEPS
    candidates = [
        SegmentCandidate(Segment(name, start, STEPS), 1, start / room)
        for name in episodes
        for start in range(0, room + 1, STEPS // 2)
    ]
    spread = np.std([np.mean(utility[c.segment.episode_id][c.segment.start :][:STEPS]) for c in candidates])
    found = {}
    for name, method in METHODS.items():
        questions = select(candidates, QUESTIONS, method, np.random.default_rng(1))
        pieces = [(episodes[clip.episode_id], clip) for pair in questions for clip in pair]
        means = [[np.mean(utility[c.episode_id][c.start :][:STEPS]) for c in pair] for pair in questions]
        found[name] = Asked(pieces, cut_clips(pieces), np.diff(means)[:, 0] / spread)
    return found


def _answers(apart: Array, rows: Array) -> AnswerExamples:
    """Return the right answers to some questions; those about equal clips are ties."""
    values = np.stack([apart < 0, apart > 0], 1).astype(np.float32)[rows]
    values[values.sum(1) == 0] = 0.5
    places = torch.arange(2 * len(apart)).view(-1, 2)[torch.from_numpy(rows)]
    count = len(values)
    return AnswerExamples(
        KINDS["pairwise"], places, torch.from_numpy(values), torch.ones(count), torch.full((count,), -1)
    )
