"""Gold: questions whose right answer is known, mixed in unseen, or shown for practice."""

from typing import Annotated, Any

from pydantic import Field

from teleop.station.web.rest import (
    BODY,
    Answers,
    Body,
    InPath,
    Items,
    Object,
    Operator,
    Shape,
    Task,
    Text,
    Who,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("gold")


class GoldBody(Body):
    """The right answer to a question that was asked with the role gold or practice."""

    expected: Object = Field(examples=[{"choice": "A"}])
    explanation: Text = Field(default="", description="The reason, shown to annotators who practise.")
    least: Annotated[float, Field(gt=0, le=1, description="Agreement from which an answer is right.")] = 0.75


class Retire(Body):
    """Whether a gold question is retired."""

    retired: bool = Field(default=True, description="It is not assigned any more.")


class GoldShape(Shape):
    """A gold or practice question with its right answer."""

    question: str = Field(description="Its id.")
    kind: str
    expected: dict[str, Any] = Field(description="The right answer.")
    explanation: str
    least: float = Field(description="Agreement from which an answer is right.")
    retired: bool = Field(description="It is not assigned any more.")


class GoldRows(Items[GoldShape]):
    """All gold and practice questions, in the order in which they were added."""


@router.get("/gold", responses=answers())
def list_gold(store: Answers, _: Operator, task: Task = None) -> GoldRows:
    """List gold and practice questions."""
    return GoldRows.model_validate({"items": store.gold.list(task)})


@router.get("/gold/{question}", responses=answers(404))
def one_gold(store: Answers, _: Operator, question: InPath) -> GoldShape:
    """Show a question's right answer."""
    return GoldShape.model_validate(store.gold.get(question))


@router.put("/gold/{question}", responses=answers(*BODY, 404, 409))
def set_gold(store: Answers, _: Operator, who: Who, question: InPath, body: GoldBody) -> GoldShape:
    """Set the right answer."""
    known = store.gold.set(question, body.expected, explanation=body.explanation, least=body.least, by=who)
    return GoldShape.model_validate(known)


@router.post("/gold/{question}/retire", responses=answers(*BODY, 404))
def retire(store: Answers, _: Operator, who: Who, question: InPath, body: Retire) -> GoldShape:
    """Retire a gold question, or reinstate it."""
    store.gold.retire(question, body.retired, by=who)
    return GoldShape.model_validate(store.gold.get(question))
