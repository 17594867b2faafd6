"""What people of each group say of the newest policy, in the report."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.core.files import feedback_database, read_json, write_json
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.held_out import WATCHES
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.pipeline.report.groups import groups_section, ratings

CLIP = Segment("r2-1", 0, 5)


def question(name: str, kind: str, **meta: str) -> Question:
    clips = (CLIP, CLIP) if kind == "pairwise" else (CLIP,)
    return Question(name, "run", 2, kind, "reach", clips, "data", meta=meta)


def answer(name: str, person: str, **value: object) -> Answer:
    return Answer(name, person, "human", value, "2026-01-01T00:00:00+00:00", 1.0)


ASKED = [
    question("w1", "pairwise", **{WATCHES: "A"}),
    question("w2", "pairwise", **{WATCHES: "B"}),
    question("p", "pairwise"),
    question("s", "success"),
    question("r", "rating"),
    question("r2", "rating"),
]


def test_each_group_is_read_by_itself() -> None:
    said = [
        *(answer(name, "zed", choice=choice) for name, choice in (("w1", "B"), ("w2", "A"), ("p", "A"), ("s", "no"))),
        *(answer(name, "ann", choice=choice) for name, choice in (("w1", "A"), ("w2", "B"), ("p", "A"), ("s", "yes"))),
        answer("r", "ann", ratings={"overall": 4}),
        answer("r", "bo", ratings={"overall": 5}),
        answer("r2", "bo", ratings={"overall": 2}),
        answer("gone", "ann", choice="A"),
    ]
    mine, rest = ratings(ASKED, said, {"zed"}), ratings(ASKED, said, {"ann", "bo"})
    assert mine.newer is not None
    assert rest.newer is not None
    assert (mine.newer.value, rest.newer.value) == (0.0, 1.0)
    assert mine.newer.high > 0.5, "two answers say little"
    assert (mine.succeeds, rest.succeeds) != (None, None)
    assert mine.rating is None
    assert rest.rating is not None
    assert rest.rating.value == pytest.approx(3.25), "of each clip once, whoever rated it"


def test_the_report_warns_where_one_reward_serves_a_group_badly(finished: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(finished.parents[1], home)
    run = home / "runs" / finished.name
    assert groups_section(Findings.of(run, home)) == "", "nobody names a group"
    with Store(feedback_database(home)) as store:
        teacher = store.answers(run=run.name)[0].annotator
        named = sa.update(annotators).where(annotators.c.name == teacher).values(team="left-handed")
        store.database.write(lambda connection: connection.execute(named))
    low, high = ({"value": value, "low": value - 0.05, "high": value + 0.05} for value in (0.2, 0.9))
    row = {"people": 1, "answers": 40, "accuracy": low, "rest": high, "difference": low, "served_badly": True}
    path = sorted(run.glob("round-*/reward/result.json"))[-1]
    write_json(path, {**read_json(path, dict), "groups": {"left-handed": row}})
    section = groups_section(Findings.of(run, home))
    assert "One reward serves the group left-handed badly: it predicts 20 % (15 to 25)" in section
    assert "<td>left-handed</td><td>1</td><td>20" in section
