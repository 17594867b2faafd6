"""Reasons over REST and on the guidelines page: listed by operators, given beside answers."""

import pytest

from teleop.station.services import Station
from tests.teleop.station.api.conftest import Program, asked
from tests.teleop.station.conftest import Visit

pytestmark = pytest.mark.usefixtures("episodes")

LISTED = [
    {"name": "too slow", "axis": "speed", "direction": "worse"},
    {"name": "lovely", "axis": "", "direction": "better"},
]


def test_reasons_are_listed_shown_and_given_over_rest(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    assert annotator.put("tasks/reach/reasons", json={"reasons": LISTED}).status_code == 403
    assert operator.put("tasks/reach/reasons", json={"reasons": LISTED}).json()["reasons"] == LISTED
    again = [{"name": "slow"}, {"name": "Slow"}]
    assert "different names" in operator.put("tasks/reach/reasons", json={"reasons": again}).json()["error"]
    asked(operator, count=2)
    shown = annotator.post("leases", json={}).json()["question"]
    assert [(one["key"], one["name"]) for one in shown["reasons"]] == [("Q", "too slow"), ("W", "lovely")]
    body = {"question": shown["question"], "lease": shown["lease"], "key": "one"}
    unknown = {**body, "value": {"choice": "A", "reasons": [{"reason": "blue"}]}}
    refused = annotator.post("answers", json=unknown)
    assert (refused.status_code, "one of the task's list: too slow, lovely" in refused.json()["error"]) == (422, True)
    value = {"choice": "A", "reasons": [{"reason": "too slow", "step": 2}]}
    assert annotator.post("answers", json={**body, "value": value}).status_code == 201
    operator.put("tasks/reach/reasons", json={"reasons": []})
    assert annotator.post("answers", json={**body, "value": value}).status_code == 200  # sent again
    (stored,) = operator.get("answers").json()["items"]
    meant = {"reason": "too slow", "axis": "speed", "direction": "worse", "clip": "B", "step": 2}
    assert stored["value"]["reasons"] == [meant]


def test_the_guidelines_page_shows_the_list_and_lets_operators_change_it(visit: Visit, station: Station) -> None:
    reader, writer, html = visit("annotator"), visit("operator"), {"accept": "text/html"}
    body = {"task": "pick_place", "reasons": LISTED}
    assert reader.post("/api/guidelines/reasons", json=body).status_code == 403
    assert writer.post("/api/guidelines/reasons", json=body).json() == {"reasons": LISTED}
    page = reader.get("/guidelines?task=pick_place", headers=html).text
    assert "too slow" in page
    assert "worse in speed" in page
    assert "reasons-form" not in page
    assert "reasons-form" in writer.get("/guidelines?task=pick_place", headers=html).text
    assert writer.post("/api/guidelines/reasons", json={**body, "reasons": [{"name": "a/b"}]}).status_code == 422
