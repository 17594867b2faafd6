"""What is stored about the user, erasing the user, and the team's consent text, through the pages."""

from pathlib import Path

from robo_rlhf.cli.main import main
from teleop.station.services import Station
from tests.feedback.making import QUESTIONS
from tests.teleop.station.conftest import Visit


def test_a_person_is_erased_while_signed_in(visit: Visit, station: Station) -> None:
    visit("administrator")
    ada, same = visit("annotator"), visit("annotator")
    name = ada.get("/session").json()["name"]
    station.store.add_questions(QUESTIONS[:1])
    station.store.answer(QUESTIONS[0].id, name, {"choice": "A", "note": "late"}, key="1")
    assert f'<h1 class="wrap">{name}</h1>' in ada.get("/account").text
    stored = ada.get("/api/account/data")
    assert (stored.json()["account"]["name"], len(stored.json()["answers"])) == (name, 1)
    refused = ada.post("/api/account/erase", json={"name": "another", "answers": "anonymous"})
    wanted = f"name: expected {name!r}, to be sure, got 'another'."
    assert (refused.status_code, refused.json()["error"]) == (422, wanted)
    done = ada.post("/api/account/erase", json={"name": name, "answers": "anonymous"}).json()
    assert (done["answers"], done["alias"][:7]) == (1, "erased-")
    after = ada.post("/api/review/next", json={})
    assert (after.status_code, after.json()["code"]) == (401, "signed_out")
    assert ada.get("/account", headers={"accept": "text/html"}).status_code == 303
    assert "bears your name any more" in ada.get("/sign-in?erased=1").text
    assert same.get("/account").status_code == 200  # others stay


def test_questions_come_after_the_person_agreed(visit: Visit, station: Station) -> None:
    lead, ada = visit("administrator"), visit("annotator")
    station.store.add_questions(QUESTIONS[:2])
    assert "no consent text" in ada.get("/consent").text
    number = lead.post("/api/consent/text", json={"text": "# Yours\n\nWe keep *answers*."}).json()["number"]
    refused = ada.post("/api/review/next", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "consentneeded")
    page = ada.get("/consent?next=//elsewhere").text
    assert "We keep <em>answers</em>." in page
    assert '"next": "/"' in page or '"next":"/"' in page
    assert ada.post("/api/consent", json={"number": number}).json() == {"agreed": number}
    assert ada.post("/api/review/next", json={}).status_code == 200
    assert "You agreed on" in ada.get("/consent").text
    assert "to the team's text" in ada.get("/account").text.replace("&#39;", "'")


def test_a_lead_does_it_from_the_command_line(tmp_path: Path, home: Path, station: Station) -> None:
    at = ["--home", str(home)]
    for name in ("eve", "ada"):
        station.people.add(name, "administrator")
    text = tmp_path / "consent.md"
    text.write_text("We keep answers.")
    for words in (["consent", str(text)], ["consent"], ["data", "ada"], ["erase", "ada", "--answers", "removed"]):
        assert main(["team", *words, *at]) == 0
    assert main(["team", "data", "ada", *at]) == 5
    assert main(["team", "erase", "eve", *at]) == 2  # the last administrator
    assert main(["team", "consent", "nowhere.md", *at]) == 5
