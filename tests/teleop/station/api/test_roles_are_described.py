from teleop.station.api_docs.openapi import description
from teleop.station.web.rest import Problem
from tests.teleop.station.web.test_roles import ROUTES


def test_the_description_says_what_each_route_takes() -> None:
    said = {
        f"{method.upper()} {path}": operation["x-role"]
        for path, methods in description()["paths"].items()
        for method, operation in methods.items()
    }
    others = ("GET /api/v1/openapi.json", "GET /api/v1/docs")
    written = {name: row.who for name, row in ROUTES.items() if " /api/v1/" in name and name not in others}
    assert said == written


def test_every_error_is_declared_and_has_one_form() -> None:
    found = description()
    assert found["openapi"].startswith("3.1")
    form = set(Problem.model_fields)
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            assert {"401", "403", "422", "429", "503"} <= set(operation["responses"]), (method, path)
            for status, answer in operation["responses"].items():
                if status[0] in "45":
                    name = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                    assert form <= set(found["components"]["schemas"][name]["properties"]), (method, path, status)


def test_everything_is_explained() -> None:
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            assert len(operation["summary"]) > 1, (method, path)
