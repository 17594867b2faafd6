"""Operators' skill on the quality page."""

from dataclasses import replace

from robo_rlhf.data.dataset import Dataset
from teleop.station.services import Station
from tests.teleop.station.conftest import Visit
from tests.toy import demonstrations


def test_who_may_see_how_well_people_show_a_task(station: Station, visit: Visit) -> None:
    shown = [replace(e, meta=replace(e.meta, operator="anna", device="browser")) for e in demonstrations(4)]
    Dataset(station.home / "mine", create=True, task="toy").add_many(shown)
    assert visit("annotator").get("/api/quality/operators?task=toy").status_code == 403
    found = visit("operator").get("/api/quality/operators?task=toy").json()["operators"]
    assert [(one["operator"], one["demonstrations"]) for one in found] == [("anna", 4)]
    assert 0 <= found[0]["success"]["low"] <= found[0]["success"]["value"] <= found[0]["success"]["high"] <= 1
    assert visit("operator").get("/api/quality/operators").status_code == 422
