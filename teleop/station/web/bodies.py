"""The body and the query of a request, read and checked without FastAPI."""

from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

Model = TypeVar("Model", bound=BaseModel)


async def body_of(request: Request, kind: type[Model]) -> Model:
    """Return the JSON body of a request.

    Raises:
        RequestValidationError: it is not JSON, or not of the form `kind`.
    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise _refusal("body", error) from error


def query_of(request: Request, kind: type[Model]) -> Model:
    """Return the query of a request; raises RequestValidationError where it is not of the form `kind`."""
    try:
        return kind.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise _refusal("query", error) from error


def _refusal(part: str, error: ValidationError) -> RequestValidationError:
    found = error.errors(include_url=False, include_context=False)
    return RequestValidationError([{**one, "loc": (part, *one["loc"])} for one in found])
