"""Questions for the tests of feedback."""

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.core.types import Segment
from robo_rlhf.database.engine import insert_or_update
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.store import Question, Store, question_id


def make_question(number: int, run: str = "run", round: int = 0, kind: str = "pairwise") -> Question:
    clips = (Segment(f"episode-{number}", 5, 50), Segment(f"episode-{number + 1}", 0, 50))
    name = question_id(run, round, kind, clips)
    return Question(name, run, round, kind, "reach", clips, f"runs/{run}/clips", meta={"number": number})


QUESTIONS = [make_question(i) for i in range(10)]


def join_team(store: Store, annotator: str, team: str) -> None:
    """Write down the group of an annotator without an account."""
    row = {"name": annotator, "kind": "human", "team": team, "handed": 0, "since": timestamp()}
    store.database.write(lambda c: c.execute(insert_or_update(c, annotators, row, {"team": team})))
