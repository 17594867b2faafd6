"""The body of a request, read and checked without FastAPI."""

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
        found = error.errors(include_url=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from error
