"""Kinds of question, one file each, found by name in `KINDS`."""

from collections.abc import Mapping

from robo_rlhf.core.errors import GuestError, MissingDependencyError, NotAllowedError, UnknownNameError
from robo_rlhf.core.registry import Registry
from robo_rlhf.feedback.question_kind import AnswerValue, Label, QueryKind

KINDS: Registry[QueryKind] = Registry(
    "kind of question",
    "robo_rlhf.feedback.kinds",
    base="robo_rlhf.feedback.question_kind:QueryKind",
    called="kind",
    instances=True,
)


class _Unusable(QueryKind):
    """Stands for a kind that cannot be used here: its answers say nothing."""

    kind = "unusable"
    prompt = "This kind of question cannot be used here."
    controls = ()

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return nothing."""
        return {}


def usable_kind(name: str) -> QueryKind:
    """Return a kind of question; for one that nothing allows here, or that is broken, one whose answers say nothing.

    For reports over all questions of a database, which one unknown kind must not end.
    """
    try:
        return KINDS[name]
    except (UnknownNameError, NotAllowedError, MissingDependencyError, GuestError):
        return _Unusable()
