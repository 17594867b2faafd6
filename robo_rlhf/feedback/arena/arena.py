"""An arena: policies on the same seeds, and judges who do not know which policy they watch.

    <run>/config.json     task, judge, seeds, overlap
    <run>/salt.json       random digits
    <run>/policies.json   the policies that take part: name, checkpoint, its digest, success
    <run>/policies/       copies of the checkpoints, so that later training changes nothing here
    <run>/episodes/       a dataset: every policy on every seed
    <run>/names.json      who has seen the names, and when; their later answers do not count
    <run>/ratings.json    its standings (`standings`), under cover names until people have answered every question
    <run>/result.json     the same, once every question is answered

Nothing that a judge can access identifies a policy: the id of an episode is a digest with the salt in it, all files of
episodes have the same time, and sides and questions are in an order that the salt decides. Policies and seeds can be
added at any time; each pair of policies then gets its questions about each seed.
"""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from robo_rlhf.core.checks import CheckedSettings, check_arena, within
from robo_rlhf.core.errors import (
    ConflictError,
    CorruptFileError,
    InvalidValueError,
    NotFoundError,
)
from robo_rlhf.core.files import (
    read_json,
    run_folder,
    write_json,
)
from robo_rlhf.core.types import Segment
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.records import Question, question_id
from robo_rlhf.processes.heartbeat import (
    FILE,
    worker_on,
)

FORMAT = 1
KIND = "arena"  # in config.json: distinguishes an arena from other runs
SALT, POLICIES = "salt.json", "policies.json"
FIRST_SEED = 5_000_000  # of the episodes that are judged; people's answers about them may be used for training
LONGEST_NAME, MOST_POLICIES, MOST_SEEDS, MOST_JUDGES = 80, 12, 2000, 20

Judge = Literal["human", "simulated"]


@dataclass(frozen=True)
class ArenaConfig(CheckedSettings):
    """The configuration of an arena."""

    LABEL: ClassVar[str] = "{} of an arena"

    task: str
    judge: Judge
    seeds: Annotated[int, within(1, MOST_SEEDS, f"1 to {MOST_SEEDS}")]  # episodes of each policy; may grow
    overlap: Annotated[int, within(1, MOST_JUDGES, f"1 to {MOST_JUDGES}")]  # judges who answer each question
    created: str  # ISO 8601, UTC
    kind: str = KIND
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            InvalidValueError: one is outside its range.
        """
        super().__post_init__()
        if self.judge not in ("human", "simulated"):
            raise InvalidValueError("judge of an arena", repr(self.judge), "human or simulated")


@dataclass(frozen=True)
class Entrant:
    """A policy that takes part."""

    name: str
    checkpoint: str  # where it came from
    digest: str  # SHA-256 of the checkpoint
    added: str  # ISO 8601, UTC
    successes: int | None = None  # episodes that were solved at their end, of as many as there were seeds
    episodes: int | None = None


class Arena:
    """One arena of a data home."""

    def __init__(self, home: Path, name: str) -> None:
        """Open it.

        Raises:
            NotFoundError: there is none of that name.
            CorruptFileError: a file of it is damaged.
        """
        self.home, self.name, self.path = home, name, folder_of(home, name)
        found = _config(self.path)
        if found is None:
            if (self.path / SALT).exists():
                read_json(self.path / "config.json", dict)
            there = ", ".join(arenas(home)) or "(none)"
            raise NotFoundError("arena", name, f"There are: {there}. `robo-rlhf arena --name {name} ...` starts one.")
        self.config = found
        self._salt = read_json(self.path / SALT, str, entry="salt")

    @classmethod
    def create(cls, home: Path, name: str, task: str, judge: Judge, seeds: int, overlap: int) -> "Arena":
        """Make a new one, without policies.

        Raises:
            ConflictError: a run of that name is there.
            InvalidValueError: a number or a name is invalid.
        """
        path = folder_of(home, name)
        ours = (SALT, FILE)  # a beginning that was stopped, and the lock
        if path.exists() and any(entry.name not in ours and not entry.name.startswith(".") for entry in path.iterdir()):
            raise ConflictError(f"arena {name!r}", "a run of that name is there already")
        config = ArenaConfig(task, judge, seeds, overlap, timestamp())
        write_json(path / SALT, {"salt": secrets.token_hex(16)})
        write_json(path / "config.json", asdict(config))
        return cls(home, name)

    @property
    def dataset(self) -> str:
        """The name of its dataset of episodes in the data home."""
        return (self.path / "episodes").relative_to(self.home).as_posix()

    def policies(self) -> list[Entrant]:
        """Return the policies that take part, in the order of entering.

        Raises:
            CorruptFileError: their file is damaged.
        """
        path = self.path / POLICIES
        if not os.path.lexists(path):
            return []
        try:
            return [_entrant(row) for row in read_json(path, list, entry="policies")]
        except TypeError as error:
            raise CorruptFileError(path, "it does not list policies", "Put a copy of it in its place.") from error

    def checkpoint(self, entrant: Entrant) -> Path:
        """Return the arena's own copy of a checkpoint."""
        return self.path / "policies" / f"{entrant.digest[:16]}.safetensors"

    def add(self, new: Sequence[Entrant]) -> None:
        """Add policies; one that is there already stays as it is.

        Raises:
            ConflictError: another one has the name, or the same weights have another name.
            InvalidValueError: too many.
        """
        found = self.policies()
        for entrant in new:
            for other in found:
                check_apart(entrant, other)
            if entrant.name not in {other.name for other in found}:
                found.append(entrant)
        if len(found) > MOST_POLICIES:
            raise InvalidValueError("policies of an arena", len(found), f"at most {MOST_POLICIES}")
        self._write(found)

    def note_success(self, entrant: Entrant, successes: int, episodes: int) -> None:
        """Record in how many episodes a policy solved the task."""
        known = replace(entrant, successes=successes, episodes=episodes)
        self._write([known if other.name == entrant.name else other for other in self.policies()])

    def grow(self, seeds: int) -> None:
        """Let every policy run from more seeds; fewer than there are change nothing."""
        if seeds > self.config.seeds:
            self.config = replace(self.config, seeds=seeds)
            write_json(self.path / "config.json", asdict(self.config))

    def seeds(self) -> list[int]:
        """Return the seeds of the episodes."""
        return list(range(FIRST_SEED, FIRST_SEED + self.config.seeds))

    def episode(self, entrant: Entrant, seed: int) -> str:
        """Return the id of an episode, which reveals nothing without the salt."""
        return self._digest("episode", entrant.digest, seed)[:20]

    def places(self) -> dict[str, tuple[int, int]]:
        """Return the place of the policy and the seed of every episode, by id."""
        seeds = self.seeds()
        return {
            self.episode(entrant, seed): (place, seed)
            for place, entrant in enumerate(self.policies())
            for seed in seeds
        }

    def questions(self, steps: Mapping[str, int]) -> list[Question]:
        """Return all questions: each pair of policies, on each seed, in an order in which all pairs advance equally.

        `steps` is the length of each episode by id.
        """
        policies = self.policies()
        asked = []
        for seed in sorted(self.seeds(), key=lambda seed: self._digest("order", seed)):
            pairs = sorted(combinations(policies, 2), key=lambda p: self._digest("pair", seed, *(e.digest for e in p)))
            for pair in pairs:
                if self._shown(pair, seed, steps):
                    asked.append(self._question(self._sides(*pair, seed), seed, steps))
        return asked

    def cover_names(self) -> list[str]:
        """Return what the policies are called where their names are hidden, in the order of entering."""
        policies = self.policies()
        order = sorted(range(len(policies)), key=lambda place: self._digest("cover", policies[place].digest))
        return [f"Policy {order.index(place) + 1}" for place in range(len(policies))]

    def spectators(self) -> dict[str, str]:
        """Return the users who have seen the names while people judge, and when they first did."""
        path = self.path / "names.json"
        return read_json(path, dict) if os.path.lexists(path) else {}

    def show_names_to(self, person: str) -> None:
        """Record that a user sees the names: their answers do not count from now on."""
        with self.locked("lookers.lock"):
            seen = self.spectators()
            if person not in seen:
                write_json(self.path / "names.json", {**seen, person: timestamp()})

    def working(self) -> bool:
        """Whether a process works on it."""
        return worker_on(self.path) is not None

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock `name` against other programs; it is released when the program dies."""
        with (self.path / name).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _shown(self, pair: tuple[Entrant, Entrant], seed: int, steps: Mapping[str, int]) -> bool:
        """Whether both episodes have a step to show; one that its environment ended at once has none."""
        return all(steps[self.episode(entrant, seed)] for entrant in pair)

    def _sides(self, first: Entrant, second: Entrant, seed: int) -> tuple[Entrant, Entrant]:
        """Return a pair in the order of a question's clips: of two seeds that follow each other, once each way."""
        one, other = sorted((first, second), key=lambda entrant: entrant.digest)
        turn = int(self._digest("side", one.digest, other.digest, seed // 2)[:2], 16)
        return (one, other) if (turn + seed) % 2 else (other, one)

    def _question(self, pair: tuple[Entrant, Entrant], seed: int, steps: Mapping[str, int]) -> Question:
        ids = [self.episode(entrant, seed) for entrant in pair]
        clips = tuple(Segment(name, 0, steps[name]) for name in ids)
        name = question_id(self.name, 1, "pairwise", clips)
        overlap = self.config.overlap
        return Question(name, self.name, 1, "pairwise", self.config.task, clips, self.dataset, overlap=overlap)

    def _write(self, policies: Sequence[Entrant]) -> None:
        write_json(self.path / POLICIES, {"policies": [asdict(entrant) for entrant in policies]})

    def _digest(self, *what: object) -> str:
        text = json.dumps([self._salt, *map(str, what)])
        return hashlib.sha256(text.encode()).hexdigest()


def folder_of(home: Path, name: str) -> Path:
    """Return the folder of an arena.

    Raises:
        InvalidValueError: the name cannot be one of a folder.
    """
    check_arena("name of an arena", name)
    return run_folder(home, name)


def is_arena(home: Path, name: str) -> bool:
    """Return whether there is an arena of that name.

    Raises:
        InvalidValueError: the name cannot be one of a folder.
    """
    return _config(folder_of(home, name)) is not None


def arenas(home: Path) -> list[str]:
    """Return the names of the arenas in a data home, newest first."""
    found = [(path.parent.name, _config(path.parent)) for path in home.glob("runs/*/config.json")]
    dated = [(config.created, name) for name, config in found if config is not None]
    return [name for _, name in sorted(dated, reverse=True)]


def check_apart(new: Entrant, other: Entrant) -> None:
    """Check that two policies are the same one, or differ in name and weights.

    Raises:
        ConflictError: neither.
    """
    if (new.name == other.name) == (new.digest == other.digest):
        return
    if new.name == other.name:
        why = "another checkpoint takes part under that name; give this one another name, as NAME=CHECKPOINT"
    else:
        why = f"the same weights take part as {other.name!r}, and cannot be better than themselves"
    raise ConflictError(f"policy {new.name!r}", why)


def _entrant(row: Any) -> Entrant:
    """Return an entrant as a file lists it; TypeError where it is none."""
    entrant = Entrant(**row)
    texts = (entrant.name, entrant.checkpoint, entrant.digest, entrant.added)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("an entry of another type")
    if not all(isinstance(number, int | None) for number in (entrant.successes, entrant.episodes)):
        raise TypeError("an entry of another type")
    return entrant


def _config(path: Path) -> ArenaConfig | None:
    """Return the configuration in a run folder; None where it is not an arena."""
    try:
        found = read_json(path / "config.json", dict)
        return ArenaConfig(**found) if found.get("kind") == KIND and found.get("format") == FORMAT else None
    except (OSError, CorruptFileError, InvalidValueError, TypeError, AttributeError):
        return None
