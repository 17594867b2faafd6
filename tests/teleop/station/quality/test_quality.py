import time
from pathlib import Path
from typing import Any

from teleop.station.quality.cache import QualityCache, ReportKey
from teleop.station.services import Station
from tests.feedback.making import make_question
from tests.teleop.station.conftest import Visit


def known(book: QualityCache, chosen: ReportKey, answers: int) -> dict[str, Any]:
    """Wait until so many answers are in the report."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = book.of(chosen, anew=True)
        if found["report"] and found["report"].get("answers") == answers:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def test_reports_are_worked_out_elsewhere_and_nobody_waits(station: Station) -> None:
    store = station.store
    questions = [make_question(i) for i in range(50)]
    store.add_questions(questions)
    for question in questions[:45]:
        store.answer(question.id, "anna", {"choice": "A"}, key=question.id, response_time=2.0)
    began = time.process_time()
    assert station.quality.of(ReportKey(None, None))["report"] is None
    found = known(station.quality, ReportKey(None, None), 45)
    assert time.process_time() - began < 5
    assert [person["name"] for person in found["report"]["people"]] == ["anna"]
    assert len(found["report"]["trend"]) == 2
    assert found["report"]["ambiguous"] == []
    assert found["report"]["runs"] == ["run"]
    store.answer(questions[45].id, "anna", {"choice": "A"}, key="new")
    assert station.quality.of(ReportKey(None, None))["newer"] == 1
    known(station.quality, ReportKey(None, None), 46)
    assert known(station.quality, ReportKey("none", None), 0)["report"]["people"] == []


def test_a_process_that_cannot_work_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database" * 500)
    book = QualityCache(tmp_path / "broken.db", lambda: 0)
    until = time.monotonic() + 60
    while (found := book.of(ReportKey(None, None)))["report"] is None and time.monotonic() < until:
        time.sleep(0.1)
    book.close()
    assert "not a database" in found["report"]["error"]


def test_settings_are_changed_by_who_may_and_logged(station: Station, visit: Visit) -> None:
    body = {"task": "reach", "settings": {"gold_share": 0.2, "least_skill": 0.7}}
    assert visit("annotator").post("/api/quality/settings", json=body).status_code == 403
    operator = visit("operator")
    answer = operator.post("/api/quality/settings", json=body)
    assert answer.status_code == 200
    assert answer.json()["settings"]["least_skill"] == 0.7
    assert station.store.tasks.sharing("reach").gold_share == 0.2
    assert station.store.tasks.sharing().gold_share == 0.05
    for wrong in ({"gold_share": 0.9}, {"overlap": 0}, {"nothing": 1}, {"lease": "long"}):
        assert operator.post("/api/quality/settings", json={"task": "", "settings": wrong}).status_code == 422
    found = operator.get("/api/quality", params={"task": "reach"}).json()
    assert (found["settings"]["gold_share"], found["own"]) == (0.2, ["gold_share", "least_skill"])
    back = {"task": "reach", "settings": {"gold_share": None}}
    assert operator.post("/api/quality/settings", json=back).json()["settings"]["gold_share"] == 0.05
    found = operator.get("/api/quality", params={"task": "reach"}).json()
    assert (found["else"]["gold_share"], found["own"]) == (0.05, ["least_skill"])
