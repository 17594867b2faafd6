"""The stages of the RLHF pipeline, each in a separate run folder.

A finished stage is never repeated: its result is in its folder. A killed stage resumes from its newest checkpoint, or
starts over where it is short; either way the result is bit for bit that of an uninterrupted run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.errors import ConflictError, CorruptFileError, InvalidValueError, NonFiniteError
from robo_rlhf.core.files import feedback_database, find_dataset, read_json
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Episode, Segment, VecEnv
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.training_arrays.observation_spread import starts_of
from robo_rlhf.feedback.quality.report import gold_of
from robo_rlhf.feedback.selection import BY_MODELS, SegmentCandidate, select
from robo_rlhf.feedback.store import Question, Store, question_id
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.demonstrations import find_demonstrations
from robo_rlhf.pipeline.steps.gate import OveroptimizationAlarm
from robo_rlhf.pipeline.steps.observers import Observer, TrueRewardLog
from robo_rlhf.pipeline.steps.simulated_labels import SimulatedLabeler
from robo_rlhf.policies.base import Actor, GaussianActor, TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.policies.residual import residual_on_top_of
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rollouts.evaluation import FIRST_SEED, Evaluation, evaluate
from robo_rlhf.rollouts.rollout import check_environment, rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env, versions
from robo_rlhf.training import bc, ppo, reward
from robo_rlhf.training_tools.experience import Reward

COLLECT_SEED = 4_000_000  # first of the seeds of the episodes that clips are cut from
Answerer = Callable[[Store, Sequence[Question]], None]  # returns when the questions are answered


class PipelineJob:
    """One pipeline run: its folder, its resources and its stages."""

    def __init__(
        self, config: PipelineConfig, run: Run, home: Path, observer: Observer, annotators: Answerer | None = None
    ) -> None:
        """Prepare to work on `run`; `annotators` collects the answers where the annotator is human."""
        self.config, self.run, self.home, self.observer, self.annotators = config, run, home, observer, annotators
        self.base = "clone"  # stage of the policy that fine-tuning starts from

    @cached_property
    def env(self) -> VecEnv:
        """The copies of the environment that all stages share."""
        return make_env(self.config.task, self.config.num_envs)

    @cached_property
    def store(self) -> Store:
        """The feedback database of the data home."""
        return Store(feedback_database(self.home))

    @property
    def clips(self) -> Dataset:
        """The episodes that clips are cut from."""
        path = self.run.path / "episodes"
        return Dataset(path, create=True, task=self.config.task)

    @cached_property
    def style_cost(self) -> str | None:
        """The measure in the simulated teacher's style cost."""
        return self.env.task.style_cost if isinstance(self.env, TaskEnv) else None

    def stage(self, name: str, work: Callable[[Run], Mapping[str, Any]]) -> dict[str, Any]:
        """Run a stage unless it is finished, and return its result, a JSON object."""
        child = self.run.child(name, {})
        result = child.result()
        if result is None:
            self.run.event("begin", stage=name)
            self.observer.begin(name)
            child.finish(work(child))
            self.run.event("end", stage=name)
            result = child.result()
            assert result is not None
        self.observer.end(name, result)
        return result

    def demonstrations(self) -> list[Episode]:
        """Return the demonstrations to imitate: drawn by the seed, cut off soon after they succeed.

        Raises:
            NotFoundError: there is no such dataset, or no success in it.
            InvalidValueError: there are too few.
        """
        if not self.config.demos:
            return []
        stored = self.run.path / "clone" / "config.json"
        if stored.exists():  # those that the run started with, whatever was recorded since
            chosen = read_json(stored, dict)
            dataset = Dataset(find_dataset(self.home, self.config.demonstrations))
            return [trimmed(episode, self.config.trim) for episode in dataset.load_all(chosen["demonstrations"])]
        dataset, found = find_demonstrations(self.config, self.home)
        order = np.random.default_rng((self.config.seed, 1)).permutation(len(found))
        ids = [found[i] for i in sorted(order[: self.config.demos])]
        return [trimmed(episode, self.config.trim) for episode in dataset.load_all(ids)]

    def clone(self) -> TrainedPolicy:
        """Imitate the demonstrations."""
        demonstrations = self.demonstrations()
        self.observer.begin("clone")
        run = self.run.child("clone", {"demonstrations": [e.meta.id for e in demonstrations]})
        config = replace(self.config.clone, seed=self.config.seed)
        starts = None if run.result() else starts_of(self.env)
        policy = bc.train(config, run, demonstrations, starts=starts, progress=self.observer.progress)
        self.observer.end("clone", run.result() or {})
        return policy

    def base_policy(self) -> TrainedPolicy:
        """Return the policy that fine-tuning starts from, as saved by its stage."""
        return load_policy(self.run.path / self.base / "checkpoints" / "policy.safetensors")

    def evaluate(self, name: str, policy: TrainedPolicy) -> Evaluation:
        """Evaluate a policy on the seeds that nothing is learned from.

        Raises:
            NonFiniteError: the policy never gives a finite action.
            EnvironmentFaultError: a fault of the environment ended every episode.
        """

        def work(run: Run) -> Mapping[str, Any]:
            seeds = np.arange(FIRST_SEED, FIRST_SEED + self.config.episodes)
            found = evaluate(self.env, policy, seeds, on_step=self._steps(len(seeds)))
            if found.aborted == found.episodes:  # by the policy, at least in part
                where = f"all {found.episodes} evaluation episodes of {name} in {self.run.path}"
                raise NonFiniteError("The action of the policy", where, "Its checkpoint is spoiled; start another run.")
            if found.warning:
                self.run.event("episodes of an evaluation were aborted", evaluation=name, what=found.warning)
            return found.to_json()

        return Evaluation.from_json(self.stage(name, work))

    def collect(self, number: int, actor: Actor) -> list[str]:
        """Run the current policy with exploration, and store the episodes; return their ids."""

        def work(run: Run) -> Mapping[str, Any]:
            first = COLLECT_SEED + 100_000 * self.config.seed + 1000 * number
            seeds = np.arange(first, first + self.config.collect)
            explorer = ExploringPolicy(actor, self.config.seed * 1000 + number)
            episodes = rollout(
                self.env, explorer, seeds, meta=lambda seed: self._meta(number, seed), on_step=self._steps(len(seeds))
            )
            check_environment([e.meta for e in episodes], self.env.name)
            shown = self.demonstrations() if number == 1 else []
            shown = [e.slice(0, len(e), id=f"r0-{i:03d}") for i, e in enumerate(shown)]
            dataset = self.clips
            dataset.add_many([e for e in [*shown, *episodes] if e.meta.id not in dataset])
            return {"episodes": [e.meta.id for e in episodes]}

        return list(self.stage(f"round-{number}/collect", work)["episodes"])

    def ask(self, number: int, model: RewardModel | None) -> list[Question]:
        """Choose clips and write questions about them into the store."""

        def work(run: Run) -> Mapping[str, Any]:
            chosen = self._choose(number, model)
            return {"questions": [[list(clip) for clip in clips] for clips in chosen]}

        stored = self.stage(f"round-{number}/ask", work)["questions"]
        questions = [self._question(number, tuple(Segment(*clip) for clip in clips)) for clips in stored]
        self.store.add_questions(questions)
        return questions

    def answer(self, number: int, questions: Sequence[Question]) -> None:
        """Collect answers to the questions, from the simulated teacher or from human annotators."""

        def work(run: Run) -> Mapping[str, Any]:
            if self.annotators is not None:
                self.annotators(self.store, questions)
            else:
                self._teach(questions)
            counts = self.store.counts(run=self.run.path.name, round=number)
            return counts._asdict()

        self.stage(f"round-{number}/answer", work)

    def learn_reward(self, number: int) -> RewardModel:
        """Learn the reward from all answers so far."""
        self.observer.begin(f"round-{number}/reward")
        run = self.run.child(f"round-{number}/reward", {})
        load = reward.episodes_of(self.home)
        name = self.run.path.name
        questions = [q for q in self.store.questions(run=name) if q.round <= number]
        asked = {q.id: i for i, q in enumerate(questions)}
        answers = [a for a in self.store.answers(run=name) if a.question_id in asked]
        answers.sort(key=lambda a: (asked[a.question_id], a.annotator))
        config = replace(self.config.reward, seed=self.config.seed * 1000 + number)
        demonstrations = self.demonstrations() if config.demonstration_weight else ()
        checked, tell = gold_of(self.store, task=self.config.task), self.observer.progress
        besides = reward.ExtraData(demonstrations, checked=checked)
        model = reward.train(config, run, questions, answers, load, **besides._asdict(), progress=tell)
        self.observer.end(f"round-{number}/reward", run.result() or {})
        return model

    def finetune(self, number: int, model: RewardModel, after: int = 0) -> GaussianActor:
        """Fine-tune the policy of round `after`, 0 for the cloned policy; its true return is logged, never used."""
        self.observer.begin(f"round-{number}/finetune")
        run = self.run.child(f"round-{number}/finetune", {})
        seed, iterations = self.config.seed * 1000 + number, self.config.iterations_of(number)
        config = replace(self.config.finetune, iterations=iterations, seed=seed, num_envs=self.config.num_envs)
        carry = None
        if after:
            before = self.run.child(f"round-{after}/finetune", {}).load("training")
            assert before is not None
            carry = before[0]
        truth = (OveroptimizationAlarm if self.config.gate else TrueRewardLog)(run, self.env.num_envs)
        actor = ppo.train(
            config,
            run,
            self.env,
            as_actor(self.base_policy(), self.config),
            learned_reward(model, self.config.uncertainty_penalty),
            carry=carry,
            progress=self.observer.progress,
            on_iteration=truth.log,
            diagnostics=truth.observe,
        )
        self.observer.end(f"round-{number}/finetune", run.result() or {})
        return actor

    def _choose(self, number: int, model: RewardModel | None) -> list[tuple[Segment, ...]]:
        dataset, candidates = self.clips, list[SegmentCandidate]()
        returns = list[Array]()
        for episode in dataset.load_all(sorted(dataset.ids())):
            made_in = int(episode.meta.id[1:].split("-")[0])
            if made_in > number or not len(episode):  # one without a step was aborted at once
                continue
            length = min(self.config.clip_steps, len(episode))
            for start in _starts(len(episode), length):
                stage = start / max(len(episode) - length, 1)
                clip = Segment(episode.meta.id, start, length)
                candidates.append(SegmentCandidate(clip, made_in, stage, demonstration=made_in == 0))
                if model is not None:
                    returns.append(_member_returns(model, episode.slice(start, length)))
        rng = np.random.default_rng((self.config.seed, number, 2))
        predicted = np.stack(returns, axis=1) if returns else None
        method = self.config.selection
        if model is None and method in BY_MODELS:
            method = "uniform"  # no reward model yet
        return select(
            candidates, self.config.labels_of(number), method, rng, predicted, clips=self.config.clips_a_question
        )

    def _question(self, number: int, clips: tuple[Segment, ...]) -> Question:
        name, kind = self.run.path.name, self.config.question
        dataset = str((self.run.path / "episodes").relative_to(self.home))
        return Question(question_id(name, number, kind, clips), name, number, kind, self.config.task, clips, dataset)

    def _teach(self, questions: Sequence[Question]) -> None:
        teaching = SimulatedLabeler(self.clips, questions, self.config.teacher, self.style_cost)
        try:
            teaching.answer(self.store, questions, self.config.seed)
        except ConflictError as error:  # its folder was deleted, and its questions are still in the database
            wanted = "a name that no earlier run had: another run of this name asked the same and got other answers"
            raise InvalidValueError("--run", self.run.path.name, wanted) from error

    def _meta(self, number: int, seed: int) -> Mapping[str, Any]:
        return {"id": f"r{number}-{seed}", "device": "policy", "operator": self.run.path.name, "versions": versions()}

    def _steps(self, episodes: int) -> Callable[[int, Any], None]:
        total = -(-episodes // self.env.num_envs) * self.env.horizon
        done = iter(range(1, total + 1))
        return lambda t, step: self.observer.progress(next(done), total, {})


def stored_evaluation(path: Path, name: str) -> Evaluation:
    """Return the evaluation `name` ("before" or "after") of the finished run in the folder `path`.

    Raises:
        CorruptFileError: its file is damaged, or holds something else.
    """
    stored = path / name / "result.json"
    try:
        return Evaluation.from_json(read_json(stored, dict))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CorruptFileError(
            stored, "it holds no evaluation", "Remove it, and run the same command again."
        ) from error


def as_actor(policy: TrainedPolicy, config: PipelineConfig) -> GaussianActor:
    """Return the policy as one that reinforcement learning can fine-tune.

    A policy without a likelihood, such as a flow, is kept as it is; a bounded correction on top of it is what learns.
    """
    if isinstance(policy, GaussianActor):
        return policy
    with seeded(config.seed):  # its hidden weights are drawn, and must be the same in every session of a run
        return residual_on_top_of(
            policy, scale=config.residual_scale, std=config.finetune.std or config.residual_scale / 2
        )


def learned_reward(model: RewardModel, uncertainty_penalty: float) -> Reward:
    """Return the reward to maximise: the ensemble's mean minus `uncertainty_penalty` times its deviation."""
    return PenalizedReward(model, uncertainty_penalty)


def _member_returns(model: RewardModel, clip: Episode) -> Array:
    """Return the logit (E,) of a clip by each member."""
    import torch

    with torch.inference_mode():
        inputs = (torch.from_numpy(a)[None] for a in (clip.obs[:-1], clip.action, clip.obs[1:]))
        found: Array = (model(*inputs).sum(-1)[:, 0] / model.temperature).numpy()
    return found


def _starts(steps: int, length: int) -> list[int]:
    """Return the starts of clips of `length`: half a clip apart or less, the last one reaching the very end."""
    room = steps - length
    return (
        [round(room * k / count) for count in [max(-(-2 * room // length), 1)] for k in range(count + 1)]
        if room
        else [0]
    )


def trimmed(episode: Episode, after: int) -> Episode:
    """Return a successful demonstration up to `after` steps after its final success."""
    lasting = len(episode) - int(np.argmin(episode.success[::-1])) if not episode.success.all() else 0
    end = min(lasting + after, len(episode))
    return episode.slice(0, end) if episode.success[-1] else episode
