"""Kinds of question, one file each, found by name in `KINDS`."""

from robo_rlhf.core.registry import Registry
from robo_rlhf.feedback.question_kind import QueryKind

KINDS: Registry[QueryKind] = Registry(
    "kind of question",
    "robo_rlhf.feedback.kinds",
    base="robo_rlhf.feedback.question_kind:QueryKind",
    called="kind",
    instances=True,
)
