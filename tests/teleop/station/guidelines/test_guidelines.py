"""Guidelines: Markdown that cannot do harm, written by those who may."""

from dataclasses import replace

import pytest

from teleop.station.services import Station
from teleop.station.web.markdown import as_html
from tests.feedback.making import QUESTIONS
from tests.teleop.station.conftest import Visit

HARMFUL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "![x](http://elsewhere/x.png)",
    "<a href='data:text/html,x'>x</a>",
    "[x](data:text/html;base64,eA==)",
    '[x](http://a "onmouseover=alert(1)\\" x=")',
    "<svg/onload=alert(1)>",
    "[a]: vbscript:x\n[a]",
    "```\n</code><script>alert(1)</script>\n```",
]


@pytest.mark.parametrize("text", HARMFUL)
def test_harmful_text_becomes_text(text: str) -> None:
    html = as_html(text).lower()
    for tag in ("<script", "<img", "<svg", "<a href='data", 'href="javascript', 'href="data', 'href="vbscript'):
        assert tag not in html
    assert '" onmouseover' not in html


def test_markdown_is_drawn() -> None:
    html = as_html("# Gently\n\n- *do not* drop\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[more](https://example.org)")
    for part in ("<h1>Gently</h1>", "<em>do not</em>", "<td>1</td>", '<a href="https://example.org">'):
        assert part in html


def test_operators_write_and_everybody_reads(visit: Visit, station: Station) -> None:
    reader, writer = visit("annotator"), visit("operator")
    body = {"task": "pick_place", "text": "# Gently\n<b>x</b>"}
    assert reader.post("/api/guidelines", json=body).status_code == 403
    assert writer.post("/api/guidelines", json=body).json() == {"version": 1}
    assert writer.post("/api/guidelines", json={**body, "text": "# Softly"}).json() == {"version": 2}
    page = reader.get("/guidelines?task=pick_place", headers={"accept": "text/html"}).text
    assert "<h1>Softly</h1>" in page
    assert "Version 2, by operator2" in page
    assert "guidelines-form" not in page
    assert "guidelines-form" in writer.get("/guidelines?task=pick_place", headers={"accept": "text/html"}).text
    empty = reader.get("/guidelines?task=%3Cscript%3E", headers={"accept": "text/html"}).text
    assert "Nothing is written yet" in empty
    assert "<script>:" not in empty


def test_without_a_task_all_are_listed_with_what_can_be_read_and_practised(visit: Visit, station: Station) -> None:
    html = {"accept": "text/html"}
    reader, writer = visit("annotator"), visit("operator")
    assert "no task has questions yet" in reader.get("/guidelines", headers=html).text
    task = QUESTIONS[0].task
    practice = [replace(one, id=f"p{i}", role="practice") for i, one in enumerate(QUESTIONS[:2])]
    station.store.add_questions([QUESTIONS[0], *practice])
    station.store.gold.set("p0", {"choice": "A"})
    assert "nothing written yet" in reader.get("/guidelines", headers=html).text
    assert "Write them" in writer.get("/guidelines", headers=html).text
    station.store.tasks.write_guidelines("<b>other</b>", "# Gently", "olga")
    page = reader.get("/guidelines", headers=html).text
    assert f'href="/review?practice=1&amp;task={task}">Practise <span class="soft number">1</span>' in page
    assert 'href="/guidelines?task=%3Cb%3Eother' in page
    assert "<b>other" not in page
    assert "Practise" in reader.get(f"/guidelines?task={task}", headers=html).text
    station.store.gold.retire("p0")
    assert "Practise" not in reader.get("/guidelines", headers=html).text
    assert "Practise" not in reader.get(f"/guidelines?task={task}", headers=html).text


def test_operators_say_by_which_axes_clips_of_a_task_are_compared(visit: Visit, station: Station) -> None:
    html = {"accept": "text/html"}
    reader, writer = visit("annotator"), visit("operator")
    assert "task success, speed, smoothness" in reader.get("/guidelines?task=stack", headers=html).text  # the usual
    body = {"task": "stack", "axes": ["speed", "height <b>"]}
    assert reader.post("/api/guidelines/axes", json=body).status_code == 403
    assert writer.post("/api/guidelines/axes", json=body).json() == {"axes": ["speed", "height <b>"]}
    assert station.store.tasks.axes("stack") == ("speed", "height <b>")
    page = reader.get("/guidelines?task=stack", headers=html).text
    assert "speed, height &lt;b&gt;" in page
    assert "axes-form" not in page
    assert "axes-form" in writer.get("/guidelines?task=stack", headers=html).text
    twice = writer.post("/api/guidelines/axes", json={"task": "stack", "axes": ["speed", "speed"]})
    assert twice.status_code == 422
    assert "different names" in twice.text
    assert writer.post("/api/guidelines/axes", json={"task": "stack", "axes": []}).json()["axes"][0] == "task success"
