"""A database as a team has it after a year: rows written straight into the tables, in a minute rather than an hour."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.core.files import write_json
from robo_rlhf.core.types import EpisodeMeta, Segment
from robo_rlhf.data.layout import MANIFEST, episode_path
from robo_rlhf.data.schema import Timing, encode, to_columns
from robo_rlhf.feedback.records import clip_id
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, clips, leases, questions, segments
from tests.data.making import episode

BLOCK = 20_000  # rows a statement
NOW = "2026-01-01T00:00:00.000+00:00"
STEPS = 50  # of a clip
DATASET, TASK = "runs/one/episodes", "reach"


class Amount(NamedTuple):
    """How much there is."""

    clips: int
    answers: int
    waiting: int  # questions that nobody has answered
    people: int
    overlap: int = 3
    run: str = "live"  # whose questions wait; those that are answered are of "old"
    a_film: int = 100  # clips of an episode


def fill(store: Store, much: Amount) -> None:
    """Write clips, questions, answers and leases."""
    shown = [Segment(f"e{i // much.a_film:05}", i % much.a_film, STEPS) for i in range(much.clips)]
    names = [clip_id(DATASET, clip) for clip in shown]
    rows = ({"id": n, "dataset": DATASET, **clip._asdict()} for n, clip in zip(names, shown, strict=True))
    write(store, clips, list(rows))
    asked = -(-much.answers // much.overlap)
    for start in range(0, asked + much.waiting, BLOCK):
        some = range(start, min(start + BLOCK, asked + much.waiting))
        write(store, questions, [_question(i, i < asked, much) for i in some])
        write(store, segments, [_place(i, p, shown, names) for i in some for p in range(2)])
        done = [(i, who) for i in some if i < asked for who in range(much.overlap)]
        write(store, answers, [_answer(i, who, much) for i, who in done])
        write(store, leases, [_lease(i, who, much) for i, who in done])
    handed = much.answers // much.people
    people = [{"name": f"p{i}", "kind": "human", "handed": handed, "since": NOW} for i in range(much.people)]
    write(store, annotators, people)
    with store.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")


def write(store: Store, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows."""
    if rows:
        store.database.write(lambda connection: connection.execute(sa.insert(table), rows))


def films(home: Path, much: Amount, *, drawable: bool = False) -> None:
    """Write the episodes that the clips are of, without waiting for the disk; with states that can be drawn, if so."""
    folder = home / DATASET
    write_json(folder / MANIFEST, {"format": 1, "task": TASK, "created": ""})
    (folder / "episodes").mkdir(exist_ok=True)
    long = much.a_film + STEPS
    kinds = [replace(one, state=_states(long, seed)) if drawable else one for seed, one in enumerate(_kinds(long))]
    columns = [to_columns(one, Timing.unknown(len(one))) for one in kinds]
    for number in range(-(-much.clips // much.a_film)):
        meta = EpisodeMeta(id=f"e{number:05}", task=TASK, seed=number, control_dt=0.05, outcome="success")
        episode_path(folder, meta.id).write_bytes(encode(columns[number % len(columns)], meta))


def _kinds(steps: int) -> Sequence[Any]:
    return [episode(steps=steps, seed=seed, task=TASK) for seed in range(8)]


def _states(steps: int, seed: int) -> Any:
    """Return states (steps + 1, nstate) of an episode of the task in which nothing is done."""
    from robo_rlhf.sim.envs.task_env import TaskEnv
    from robo_rlhf.sim.tasks import TASKS

    env = TaskEnv(TASKS[TASK](), 1, nthread=1)
    env.reset(np.array([seed]))
    return np.tile(env.get_state(), (steps + 1, 1))


def _question(number: int, full: bool, much: Amount) -> dict[str, Any]:
    run = "old" if full else much.run
    same = {"run": run, "round": 0, "kind": "pairwise", "task": TASK, "dataset": DATASET, "created": NOW}
    counters = {"overlap": much.overlap, "given": much.overlap if full else 0, "wanted": int(not full), "role": "work"}
    return {"id": f"question-{number}", "meta": "{}", **same, **counters}


def _place(number: int, position: int, shown: list[Segment], names: list[str]) -> dict[str, Any]:
    which = (7919 * number + position) % len(shown)
    clip = {**shown[which]._asdict(), "clip_id": names[which]}
    return {"question_id": f"question-{number}", "position": position, **clip}


def _answer(number: int, who: int, much: Amount) -> dict[str, Any]:
    person = f"p{(number * much.overlap + who) % much.people}"
    said = {"annotator": person, "annotator_kind": "human", "value": '{"choice": "A"}', "shown": "BA"}
    key = f"{number}-{who}"
    return {"question_id": f"question-{number}", "idempotency_key": key, "answered": NOW, "response_time": 2.0, **said}


def _lease(number: int, who: int, much: Amount) -> dict[str, Any]:
    person = f"p{(number * much.overlap + who) % much.people}"
    state = {"purpose": "work", "state": "answered", "counted": 1, "issued": 0.0, "expires": 0.0, "shown": "BA"}
    nth = number // much.people
    return {"question_id": f"question-{number}", "annotator": person, "turn": 0, "nth": nth, **state}
