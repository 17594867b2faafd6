"""The tables of feedback: questions, answers, leases and related data. See `robo_rlhf.database.metadata`.

Texts that name a time are ISO 8601, UTC; texts that hold a value are JSON. What is counted again and again is kept in
rows: how many answers a question has (`given`), how many people hold it just now (`held`), and whether more are wanted.
"""

import sqlalchemy as sa

from robo_rlhf.database.metadata import metadata, rows_where, serial

questions = sa.Table(
    "questions",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),  # order of adding
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("created", sa.String(32), nullable=False),
    sa.Column("meta", sa.Text, nullable=False),
    sa.Column("role", sa.String(8), nullable=False, server_default="work"),  # see `records.Role`
    sa.Column("overlap", sa.Integer, nullable=False, server_default="1"),  # people who are to answer it
    sa.Column("given", sa.Integer, nullable=False, server_default="0"),  # people whose answer counts
    sa.Column("simulated", sa.Integer, nullable=False, server_default="0"),  # of these, simulated ones
    sa.Column("held", sa.Integer, nullable=False, server_default="0"),  # people who have it open
    sa.Column("wanted", sa.SmallInteger, nullable=False, server_default="0"),  # 1: may be assigned
    sa.Column("again", sa.SmallInteger, nullable=False, server_default="0"),  # 1: was full, and is wanted once more
    sa.Column("withdrawn", sa.Text),  # why it is not asked any more
    sa.Index("questions_of_run", "run", "round", "number"),
    sa.Index("questions_wanted", "number", **rows_where("wanted = 1")),
    sa.Index("questions_wanted_of_run", "run", "number", **rows_where("wanted = 1")),
    sa.Index("questions_wanted_of_task", "task", "number", **rows_where("wanted = 1")),
    sa.Index("questions_wanted_again", "again", "number", **rows_where("wanted = 1")),
)

clips = sa.Table(
    "clips",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),  # see `clips.clip_id`
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("episode_id", sa.Text, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),  # first step
    sa.Column("length", sa.Integer, nullable=False),  # steps
    sa.Column("state", sa.String(12), nullable=False, server_default="good"),  # good, quarantined or withdrawn
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("changed", sa.String(32), nullable=False, server_default=""),  # when the state last did
    sa.Index("clips_of_episode", "dataset", "episode_id"),
)

segments = sa.Table(
    "question_segments",
    metadata,
    sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),  # 0 is clip A
    sa.Column("episode_id", sa.Text, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),  # first step
    sa.Column("length", sa.Integer, nullable=False),  # steps
    sa.Column("clip_id", sa.String(24), nullable=False, server_default=""),
    sa.Index("question_segments_of_clip", "clip_id"),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),  # order of arrival
    sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), nullable=False),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("annotator_kind", sa.String(16), nullable=False),  # human or simulated
    sa.Column("value", sa.Text),  # NULL takes the earlier answer back
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("answered", sa.String(32), nullable=False),
    sa.Column("response_time", sa.Double),  # [s]
    sa.Column("standing", sa.String(12), nullable=False, server_default="counted"),  # see `records.Standing`
    sa.Column("shown", sa.String(6)),  # the clips in the order in which this person saw them, such as "BA"
    sa.UniqueConstraint("annotator", "idempotency_key"),
    sa.CheckConstraint("annotator_kind IN ('human', 'simulated')", name="annotator_kind_known"),
    sa.Index("answers_of_question", "question_id", "annotator", "number"),
    sa.Index("answers_of_annotator", "annotator", "number"),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),
    sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), nullable=False),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False, server_default="0"),  # 1: asked once more, to measure consistency
    sa.Column("purpose", sa.String(8), nullable=False),  # work, gold, practice or repeat
    sa.Column("state", sa.String(8), nullable=False),  # live, answered or expired
    sa.Column("counted", sa.SmallInteger, nullable=False, server_default="0"),  # 1: the answer is one of `given`
    sa.Column("issued", sa.Double, nullable=False),  # [s] on the clock of the leases
    sa.Column("expires", sa.Double, nullable=False),  # [s] on the same clock
    sa.Column("nth", sa.Integer, nullable=False),  # how many the person had been handed before
    sa.Column("shown", sa.String(6)),
    sa.UniqueConstraint("annotator", "question_id", "turn"),
    sa.Index("leases_of_annotator", "annotator", "nth"),
    sa.Index("leases_live", "expires", **rows_where("state = 'live'")),
    sa.Index("leases_live_of_annotator", "annotator", "number", **rows_where("state = 'live'")),
    sa.Index("leases_live_of_question", "question_id", **rows_where("state = 'live'")),
    sa.Index("leases_left", "annotator", "number", **rows_where("state = 'expired'")),
)

progress = sa.Table(
    "progress",
    metadata,
    sa.Column("annotator", sa.Text, primary_key=True),
    sa.Column("chosen", sa.Text, primary_key=True),  # the run and task that the person works on
    sa.Column("number", sa.BigInteger, nullable=False),  # all questions up to here were assigned, or were not wanted
)

gold = sa.Table(
    "gold",
    metadata,
    sa.Column("question_id", sa.String(64), sa.ForeignKey("questions.id"), primary_key=True),
    sa.Column("expected", sa.Text, nullable=False),  # the right answer
    sa.Column("explanation", sa.Text, nullable=False, server_default=""),  # shown in practice
    sa.Column("least", sa.Double, nullable=False),  # agreement with `expected` from which an answer is right
    sa.Column("retired", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("added", sa.String(32), nullable=False),
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # empty: what holds where a task says nothing else
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("changed", sa.String(32), nullable=False),
)

guidelines = sa.Table(
    "guidelines",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),  # Markdown; the newest holds
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("written", sa.String(32), nullable=False),
    sa.Index("guidelines_of_task", "task", "number"),
)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("episode_id", sa.Text, nullable=False),
    sa.Column("sign", sa.Integer, nullable=False),  # 1 or -1
    sa.Column("step", sa.Double, nullable=False),  # of the episode, that was shown at the press
    sa.Column("rate", sa.Double, nullable=False),  # [steps/s] that were shown
    sa.Column("pressed", sa.String(32), nullable=False),
    sa.Column("source", sa.String(8)),  # live or replay: what was watched; NULL where it is not known
    sa.Column("session", sa.String(64)),  # that was watched live
    sa.Column("delay", sa.Double),  # [s] from when the step happened, or should have been shown, to the press
    sa.Column("withdrawn", sa.String(32)),  # when it was taken back
    sa.UniqueConstraint("annotator", "idempotency_key"),
    sa.Index("signals_of_episode", "dataset", "episode_id"),
)

notes = sa.Table(
    "notes",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("about", sa.String(16), nullable=False),  # question, clip, episode, run, ...
    sa.Column("name", sa.Text, nullable=False),  # which
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("written", sa.String(32), nullable=False),
    sa.UniqueConstraint("annotator", "idempotency_key"),
    sa.Index("notes_about", "about", "name"),
)

rounds = sa.Table(
    "rounds",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("changed", sa.String(32), nullable=False),
    sa.Column("meta", sa.Text, nullable=False),
)

consent_texts = sa.Table(
    "consent_texts",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),
    sa.Column("text", sa.Text, nullable=False),  # Markdown; the newest holds, an empty one asks nobody
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("written", sa.String(32), nullable=False),
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("annotator", sa.Text, primary_key=True),
    sa.Column("text", sa.BigInteger, primary_key=True, autoincrement=False),  # number of the text
    sa.Column("given", sa.String(32), nullable=False),
)
