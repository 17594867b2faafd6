"""The description of the REST API: OpenAPI 3.1, made from the routes, and the same as a page shows it."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, cast

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from robo_rlhf import __version__
from robo_rlhf.accounts.roles import Role
from teleop.station import api
from teleop.station.web.rest import PREFIX

ABOUT = """\
The feedback service for programs: asking and answering questions, reading, import and export.

Send a token with every request: `Authorization: Bearer rlhf_...`. Everything is JSON, times are ISO 8601 in UTC,
lengths are in steps or seconds as stated. Every error has one form: `{"error": words, "code": word}`. Lists come in
pages: ask again with what `next` says. What is submitted has a `key`: sent again, it changes nothing.
"""
TAGS = {
    "questions": "Questions to annotators.",
    "leases": "The assignment of questions, for a limited time.",
    "answers": "Answers of annotators.",
    "clips": "The clips of questions.",
    "gold": "Questions whose right answer is known.",
    "practice": "Questions to practise with.",
    "signals": "Presses of + and − while a policy runs.",
    "notes": "Notes of annotators.",
    "tasks": "The settings by which questions are assigned.",
    "guidelines": "Instructions that annotators read before they answer.",
    "annotators": "The annotators.",
    "quality": "The quality of the answers.",
    "runs": "The runs that ask, and the progress of their rounds.",
    "corrections": "Episodes recorded in place of worse ones.",
    "uploads": "Files that are sent in pieces.",
    "exchange": "All feedback as files.",
    "webhooks": "Events sent to other programs.",
}
FOLLOWS = {  # where what one route returns is used: route → (status, name, route, parameter, its place)
    ("post", "/questions"): [("201", "/questions/{question}", "question", "$response.body#/ids/0")],
    ("post", "/webhooks"): [
        ("201", f"/webhooks/{{webhook}}{rest}", "webhook", "$response.body#/webhook/id") for rest in ("", "/messages")
    ],
    ("post", "/uploads"): [("201", "/uploads/{upload}", "upload", "$response.body#/id")],
    ("post", "/leases"): [("200", "/leases/{lease}/renew", "lease", "$response.body#/question/lease")],
}


class Endpoint(NamedTuple):
    """A route as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    role: Role
    parameters: list[tuple[str, str, str]]  # name, in the path or the query, what it is
    body: str  # an example, JSON; empty where nothing is sent
    answer: str  # an example, JSON
    statuses: list[tuple[str, str]]
    curl: str


class Group(NamedTuple):
    """Routes of one resource."""

    name: str
    about: str
    endpoints: list[Endpoint]


@cache
def description() -> dict[str, Any]:
    """Return the description of the API: OpenAPI 3.1."""
    found = get_openapi(
        title="robo-rlhf feedback",
        version=__version__,
        description=ABOUT,
        routes=_routes(),
        tags=[{"name": name, "description": about} for name, about in TAGS.items()],
    )
    scheme = {"type": "http", "scheme": "bearer", "description": "A token of a person, made by `robo-rlhf team token`."}
    found.setdefault("components", {})["securitySchemes"] = {"token": scheme}
    for route in _routes():
        for method in route.methods or ():
            operation = found["paths"][route.path][method.lower()]
            operation["security"] = [{"token": []}]
            operation["x-role"] = role_of(route)
            operation["description"] = f"{operation.get('description', '')}\n\nTakes the role {role_of(route)}.".strip()
    _link(found)
    return found


def groups() -> list[Group]:
    """Return all routes by resource."""
    found = description()
    by_tag: dict[str, list[Endpoint]] = {name: [] for name in TAGS}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][-1]].append(_endpoint(found, path, method, operation))
    return [Group(name, about, by_tag[name]) for name, about in TAGS.items() if by_tag[name]]


def role_of(route: APIRoute) -> Role:
    """Return what a route takes."""
    roles = [getattr(each.call, "role", None) for each in route.dependant.dependencies]
    return cast(Role, next(role for role in roles if role is not None))


def example_of(schema: dict[str, Any], whole: dict[str, Any], depth: int = 0) -> Any:
    """Return a value that a schema describes: its examples where it has any, else something plain."""
    if "$ref" in schema:
        return example_of(whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]], whole, depth + 1)
    for name in ("examples", "default", "const", "enum"):
        if schema.get(name) not in (None, []):
            return schema[name][0] if name in ("examples", "enum") else schema[name]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], whole, depth)
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {name: example_of(field, whole, depth + 1) for name, field in fields.items()}
        case "array":
            items = schema.get("prefixItems") or [schema[name] for name in ("items",) if name in schema]
            return [example_of(item, whole, depth + 1) for item in items] if depth < 9 else []
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
        case _:
            return "..."


def methods_at(path: str) -> list[str]:
    """Return what can be asked for at an address; routes with the same address stand apart, one a method."""
    return sorted({method for route in _routes() if route.path_regex.fullmatch(path) for method in route.methods or ()})


@cache
def _routes() -> list[APIRoute]:
    return [route for module in api.modules() for route in module.router.routes if isinstance(route, APIRoute)]


def _link(found: dict[str, Any]) -> None:
    """Say which route takes what another one returns."""
    ids = {(method, path): one["operationId"] for path, method, one in _operations(found)}
    for (method, path), links in FOLLOWS.items():
        for status, target, parameter, where in links:
            for verb in ("get", "patch", "post", "delete"):
                if (verb, PREFIX + target) in ids:
                    answer = found["paths"][PREFIX + path][method]["responses"][status]
                    link = {"operationId": ids[verb, PREFIX + target], "parameters": {parameter: where}}
                    answer.setdefault("links", {})[
                        f"{verb} {target}".replace("/", " ").replace("{", "").strip("} ")
                    ] = link


def _operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _endpoint(whole: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Endpoint:
    sent = operation.get("requestBody", {}).get("content", {})
    body = (
        json.dumps(example_of(sent["application/json"]["schema"], whole), indent=2)
        if "application/json" in sent
        else ""
    )
    status = next(name for name in operation["responses"] if name.startswith("2"))
    content = operation["responses"][status].get("content", {}).get("application/json")
    answer = json.dumps(example_of(content["schema"], whole), indent=2) if content else ""
    return Endpoint(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["description"].partition("\n\n")[0],
        role=operation["x-role"],
        parameters=[(one["name"], one["in"], _about(one)) for one in operation.get("parameters", [])],
        body=body,
        answer=answer,
        statuses=[
            (name, "Done" if name[0] == "2" else one["description"])
            for name, one in sorted(operation["responses"].items())
        ],
        curl=_curl(method, path, body, sent),
    )


def _about(parameter: dict[str, Any]) -> str:
    """Return what a parameter is, in words, with what it may be where these are few."""
    schema = parameter.get("schema", {})
    kinds = [schema, *schema.get("anyOf", [])]
    choices: list[Any] = next((kind["enum"] for kind in kinds if "enum" in kind), [])
    text = parameter.get("description") or schema.get("description") or ""
    return f"{text} One of {', '.join(map(str, choices))}.".strip() if choices else text


def _curl(method: str, path: str, body: str, sent: dict[str, Any]) -> str:
    verb = "" if method == "get" else f"-X {method.upper()} "
    lines = [f'curl {verb}"$STATION{path}"', '-H "Authorization: Bearer $TOKEN"']
    if body:
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(json.loads(body))}'"]
    elif sent:
        lines += [f"-H 'Content-Type: {next(iter(sent))}'", "--data-binary @feedback.zip"]
    return " \\\n  ".join(lines)
