"""Policy arena: enter policies, run each on every seed, ask about every pair, and collect the judgements.

Finished work is not repeated: episodes have deterministic ids and are written one by one, and the questions and the
answers of simulated judges are reproducible. So an arena can be killed at any instant, and policies and seeds can be
added at any time.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError, NotNowError
from robo_rlhf.core.files import copy_atomic, read_whole, remove
from robo_rlhf.core.types import VecEnv
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.arena.arena import Arena, Entrant, Judge, check_apart, is_arena
from robo_rlhf.feedback.arena.standings import Standings, update_standings
from robo_rlhf.feedback.judgeable import check_task
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.pipeline.arena_demonstrations import PREFIX as DEMONSTRATIONS
from robo_rlhf.pipeline.arena_demonstrations import check_demonstrations, copy_demonstrations, hide_times, shown_steps
from robo_rlhf.pipeline.config import TeacherConfig
from robo_rlhf.pipeline.steps.observers import Observer
from robo_rlhf.pipeline.steps.simulated_labels import NAME, SimulatedLabeler
from robo_rlhf.policies.checkpoint import load_meta, load_policy
from robo_rlhf.policies.latest_policy import source_of
from robo_rlhf.policies.masked import load_for
from robo_rlhf.rollouts.rollout import POLICY_FAULT, check_environment, rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env, versions
from robo_rlhf.sim.external.ids import is_outside

RECORDED = "recorded:"  # how the checkpoint of a policy begins whose rollouts were recorded before; a dataset follows
AT_ONCE = 16  # episodes run together
SEEDS = 20  # of an arena, where no number is given
POLL = 1.0  # [s] between polls of the answers


class ArenaRequest:
    """A request for an arena: a new one, or an extension of an existing one."""

    def __init__(
        self,
        home: Path,
        name: str,
        policies: Sequence[str],
        *,
        task: str | None = None,
        seeds: int | None = None,
        judge: Judge | None = None,
        overlap: int | None = None,
        demonstrations: str = "",
    ) -> None:
        """Check the whole request before anything is written.

        Args:
            home: the data home.
            name: of the arena.
            policies: CHECKPOINT or LABEL=CHECKPOINT each, where a checkpoint is a file, a run or a stage of one.
            task: the policies' task where None.
            seeds: `SEEDS` where None; a larger number than before extends the arena.
            judge: "human" where None.
            overlap: judges per question; 1 where None.
            demonstrations: a dataset of operators' demonstrations that take part as one more policy; none where empty.

        Raises:
            NotFoundError: no such policy.
            CheckpointMismatchError: a policy of another task, or no policy.
            ConflictError: two policies under one name, or with the same weights.
            InvalidValueError: fewer than two policies, or settings other than those of the arena that is there.
            NotNowError: human judges are requested, but clips cannot be rendered for them.
        """
        self.home, self.name, self.seeds, self.judge, self.overlap = home, name, seeds, judge, overlap
        self.arena = Arena(home, name) if is_arena(home, name) else None
        self.sources = [source_of(given, home) for given in policies]
        known = self.arena.policies() if self.arena is not None else []
        for entrant in known:
            if entrant.checkpoint.startswith(RECORDED):
                text = f"The arena {name} compares recorded rollouts, which are not run again."
                raise NotNowError(text, f"Name them: --recorded {entrant.checkpoint.removeprefix(RECORDED)}.")
        task = task or (self.arena.config.task if self.arena is not None else None)
        self.entrants: list[Entrant] = []
        for label, path in self.sources:
            task = task or str(load_meta(path)["task"])
            load_policy(path, task=task)
            digest = hashlib.sha256(read_whole(path, "Name a checkpoint.")).hexdigest()
            entrant = Entrant(label, _relative_path(path, home), digest, timestamp())
            for other in [*known, *self.entrants]:
                check_apart(entrant, other)
            self.entrants.append(entrant)
        self.task = task
        if demonstrations and task is not None:
            self.entrants.append(check_demonstrations(home, demonstrations, task, self.arena))
        number = len({entrant.digest for entrant in [*known, *self.entrants]})
        if number < 2 or task is None:
            raise InvalidValueError("policies of an arena", number, "at least 2 to compare")
        if self.arena is not None:
            self._check_same(self.arena)
        if (self.arena.config.judge if self.arena is not None else judge or "human") == "human":
            check_task(task, "Let simulated teachers judge: --judge simulated.")
        if self.arena is None and is_outside(task):
            make_env(task).close()

    def open(self) -> Arena:
        """Return the arena; create it if it does not exist."""
        if self.arena is None:
            assert self.task is not None
            seeds = SEEDS if self.seeds is None else self.seeds
            overlap = 1 if self.overlap is None else self.overlap
            self.arena = Arena.create(self.home, self.name, self.task, self.judge or "human", seeds, overlap)
        return self.arena

    def enter(self, arena: Arena) -> None:
        """Add new policies and seeds to `arena`, whose lock is held."""
        for (_, path), entrant in zip(self.sources, self.entrants, strict=False):  # then demonstrations, without a file
            copy = arena.checkpoint(entrant)
            if not copy.exists():
                copy_atomic(path, copy)
        before = (arena.policies(), arena.config.seeds)
        arena.add(self.entrants)
        arena.grow(self.seeds or 0)
        if (arena.policies(), arena.config.seeds) != before:
            remove(arena.path / "result.json", missing_ok=True)  # work remains

    def _check_same(self, arena: Arena) -> None:
        """Check that a setting of an existing arena is not changed."""
        config = arena.config
        asked = {"task": self.task, "judge": self.judge, "overlap": self.overlap}
        for name, value in asked.items():
            there = getattr(config, name)
            if value is not None and value != there:
                raise InvalidValueError(f"--{name} of the arena {arena.name}", value, f"{there}, as it was started")


class ArenaJob:
    """Runs the remaining work of an arena."""

    def __init__(self, arena: Arena, store: Store, watch: Observer) -> None:
        """Work on `arena`, whose lock is held."""
        self.arena, self.store, self.watch = arena, store, watch
        self.env: VecEnv = make_env(arena.config.task, min(AT_ONCE, arena.config.seeds))
        self.dataset = Dataset(arena.path / "episodes", create=True, task=arena.config.task)

    def close(self) -> None:
        """Release the environment."""
        self.env.close()

    def work(self) -> Standings:
        """Run rollouts, ask, and answer where judges are simulated; return the arena's standings."""
        for entrant in self.arena.policies():
            if entrant.checkpoint.startswith(DEMONSTRATIONS):
                copy_demonstrations(self.arena, entrant, self.dataset)
            else:
                self.run(entrant)
        questions = self.ask()
        if self.arena.config.judge == "simulated":
            self.judge(questions)
        return update_standings(self.arena, self.store)

    def run(self, entrant: Entrant) -> None:
        """Run a policy on every seed that it has not been run on.

        Raises:
            NonFiniteError: its first action is not finite.
            EnvironmentFaultError: a fault of the environment ended every episode.
        """
        stage, seeds = f"run {entrant.name}", np.array(self.arena.seeds())
        self.watch.begin(stage)
        there = set(self.dataset.ids())
        groups = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
        missing = [group for group in groups if any(self.arena.episode(entrant, int(s)) not in there for s in group)]
        policy = load_for(self.arena.checkpoint(entrant), self.env)
        done = iter(range(1, 10**9))
        total = self.env.horizon * sum(-(-len(group) // self.env.num_envs) for group in missing)
        for group in missing:
            policy.seed(int(group[0]))
            found = rollout(
                self.env,
                policy,
                group,
                meta=lambda seed: self._meta(entrant, seed),
                on_step=lambda t: self.watch.progress(next(done), total, {}),
            )
            check_environment([e.meta for e in found], self.env.name)
            if any(len(episode) == 0 and episode.meta.note.endswith(POLICY_FAULT) for episode in found):
                advice = "Its checkpoint is spoiled; start an arena without it."
                raise NonFiniteError("The action of the policy", f"{entrant.name}, at the first step", advice)
            self.dataset.add_many([episode for episode in found if episode.meta.id not in there])
        if missing or entrant.episodes != len(seeds):
            ids = {self.arena.episode(entrant, int(seed)) for seed in seeds}
            good = sum(info.meta.outcome == "success" for info in self.dataset.list() if info.meta.id in ids)
            self.arena.note_success(entrant, good, len(seeds))
        self.watch.end(stage, {})

    def ask(self) -> list[Question]:
        """Write the questions into the store, and return them."""
        self.watch.begin("ask")
        hide_times(self.arena, self.dataset)
        questions = self.arena.questions(shown_steps(self.arena, self.dataset))
        new = self.store.add_questions(questions)
        if new:
            update_standings(self.arena, self.store)
        self.watch.end("ask", {"questions": len(questions), "new": new})
        return questions

    def judge(self, questions: Sequence[Question]) -> None:
        """Let the simulated teachers answer the questions that they have not answered."""
        self.watch.begin("judge")
        style_cost = self.env.task.style_cost if isinstance(self.env, TaskEnv) else None
        teaching = SimulatedLabeler(self.dataset, questions, TeacherConfig(), style_cost)
        judges = self.arena.config.overlap
        for number in range(judges):
            name = NAME if judges == 1 else f"{NAME} {number + 1}"
            open_ = self.store.questions(run=self.arena.name, unanswered_by=name)
            before, total = number * len(questions) + len(questions) - len(open_), judges * len(questions)

            def tell(done: int, before: int = before, total: int = total) -> None:
                self.watch.progress(before + done, total, {})

            teaching.answer(self.store, open_, number, name=name, tell=tell)
        self.watch.end("judge", {})

    def wait(self) -> Standings:
        """Wait until annotators have answered every question; return the arena's standings then.

        Raises:
            NotNowError: every question was withdrawn, so none can be answered.
        """
        self.watch.begin("judging")
        mark = -1
        while True:
            newest = self.store.mark()
            if newest != mark:
                mark = newest
                found = update_standings(self.arena, self.store)
                self.watch.progress(found.progress.answered, found.progress.asked, {})
                if found.progress.done:
                    self.watch.end("judging", {})
                    return found
            withdrawn = self.store.withdrawn(self.arena.name)
            if withdrawn and len(withdrawn) >= found.progress.total:
                why = next(iter(withdrawn.values()))
                advice = "Answers cannot come; see the clips' states in the API, or start another arena."
                raise NotNowError(f"All {len(withdrawn)} questions of the arena were withdrawn ({why})", advice)
            time.sleep(POLL)

    def _meta(self, entrant: Entrant, seed: int) -> Mapping[str, object]:
        name = self.arena.episode(entrant, seed)
        return {"id": name, "device": "policy", "operator": self.arena.name, "versions": versions()}


def _relative_path(path: Path, home: Path) -> str:
    """Return a path within the data home, relative to it."""
    whole, root = path.absolute(), home.absolute()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(whole)
