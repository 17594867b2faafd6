"""Erasing a person: every byte of the data home is searched afterwards."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from robo_rlhf.accounts.people import People
from robo_rlhf.accounts.roles import Principal
from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.core.files import read_json, write_json
from robo_rlhf.core.json_lines import sealed_lines
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.implicit.keeping import update
from robo_rlhf.feedback.live_signal.signals import Signal
from robo_rlhf.feedback.notes import Note
from robo_rlhf.feedback.quality.predictions import keep_predictions
from robo_rlhf.feedback.quality.report import report
from robo_rlhf.feedback.rights.home import MARK
from robo_rlhf.feedback.rights.rows import What
from robo_rlhf.feedback.rights.stored import erase, stored_about
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.transfer.export import export
from tests.data.making import append, begin, episode
from tests.feedback.making import QUESTIONS

NAME = "Zora Quill"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    home.mkdir()
    with Store(home / "feedback.db") as opened:
        yield opened


@pytest.fixture
def people(home: Path, store: Store) -> Iterator[People]:
    """Two administrators, one of whom has left traces wherever this program leaves any."""
    found = People(home / "feedback.db")
    found.add("eve", "administrator")
    found.add(NAME, "administrator", by="eve")
    leave_traces(home, store, found)
    yield found
    found.close()


def leave_traces(home: Path, store: Store, people: People) -> None:
    person = people.get(NAME)
    people.set_password(NAME, "a long and winding road", by=NAME, address="192.0.2.77")
    people.sign_in(NAME, "a long and winding road", address="192.0.2.77")
    people.sessions.begin(person, address="192.0.2.77", agent="A browser of hers")
    people.tokens.create(person, "nightly", "annotator", by=NAME)
    people.set_groups(NAME, ["left-handed"])
    store.webhooks.add("https://example.org/x", ["answer.created"], by=Principal(NAME))
    store.add_questions(QUESTIONS)
    for index, question in enumerate(QUESTIONS[:4]):
        value = {"choice": "A", "note": "I was tired that day"}
        store.answer(question.id, NAME, value, key=str(index), response_time=2.25)
    store.answer(QUESTIONS[0].id, "ben", {"choice": "B"}, key="0")
    assert store.leases.next(NAME) is not None
    store.signals.add(Signal(NAME, "run", "mine", "e", 1, 3.0, 20.0, session="sess"), key="p")
    store.notes.add(Note(NAME, "clip", "c", "mine alone"), key="n")
    store.notes.add(Note("ben", "clip", "c", f"as {NAME} says"), key="n")
    store.tasks.write_guidelines("reach", "Look well.", NAME)
    text = store.consents.write("We keep your answers.", Principal(NAME))
    store.consents.agree(NAME, text.number)
    mine = Dataset(home / "a" / "mine", create=True)
    mine.add(episode("left", 12, outcome="failure", tags=("branch",), operator=NAME, note="my note", device="browser"))
    mine.add(episode("kept", 12, parent="left", parent_step=4, operator=NAME, device="browser", started="2026-11-30"))
    mine.add(episode("gone", 5, operator=NAME))
    mine.delete("gone")
    update(home, store, "a/mine")
    run = home / "runs" / "learned"
    run.mkdir(parents=True)
    keep_predictions(run, {NAME: {"q": 0.1}, "ben": {"q": 0.9}}, until=1)
    write_json(run / "result.json", {"people": {NAME: {"flip": 0.1}, "ben": {}}, "oddities": [f"{NAME} prefers left"]})
    (run / "events.jsonl").write_bytes(sealed_lines([{"time": 1, "event": "updated", "flips": {NAME: 0.1}}]))
    (run / "report.html").write_text(f"<p title='x'>Answers of {NAME}</p>")
    (home / "sessions.jsonl").write_text(json.dumps({"text": f"{NAME} began to record reach."}) + "\n")
    (home / "cache").mkdir()
    (home / "cache" / "facts.jsonl").write_text(json.dumps({"operator": NAME}))
    with (
        closing(sqlite3.connect(home / "feedback.db")) as now,
        closing(sqlite3.connect(home / "feedback.db.v5")) as old,
    ):
        now.backup(old)
        old.execute("DROP TABLE consents")
        old.commit()


def left_in(home: Path, *words: bytes) -> list[str]:
    """Return the files in which any of the words is, in whatever case, and in the names of files."""
    found = []
    for path in sorted(home.rglob("*")):
        content = path.read_bytes().lower() if path.is_file() else b""
        found += [str(path) for word in words if word.lower() in content or word.lower() in str(path).encode().lower()]
    return found


OF_HERS = (NAME.encode(), b"Zora", b"192.0.2.77", b"A browser of hers", b"tired that day", b"mine alone", b"my note")


@pytest.mark.parametrize("what", ["anonymous", "removed"])
def test_nothing_of_the_person_is_left_in_any_byte(what: What, home: Path, store: Store, people: People) -> None:
    assert left_in(home, *OF_HERS)
    done = erase(store, people, home, NAME, what)
    export(store, home / "export", "jsonl")
    export(store, home / "export-parquet", "parquet")
    people.close()
    store.close()
    assert left_in(home, *OF_HERS) == []
    assert (done.episodes, done.copies, done.models) == (3, 1, ("runs/learned",))
    assert read_json(home / "runs" / "learned" / MARK, dict)["people"] == [done.alias]
    assert Dataset(home / "a" / "mine").info("kept").meta.operator == done.alias
    with Store(home / "feedback.db") as again:
        people_there = {answer.annotator for answer in again.answers()}
        assert people_there == ({"ben", done.alias} if what == "anonymous" else {"ben"})
        mine = [answer for answer in again.answers() if answer.annotator == done.alias]
        assert all("note" not in answer.value and answer.response_time is None for answer in mine)
        assert all(answer.answered[10:] == "T00:00:00.000+00:00" for answer in mine)
        asked = {one.id for one in again.questions(unanswered=True)}  # what was removed is asked again
        assert (QUESTIONS[1].id in asked) == (what == "removed")
        assert update(home, again, "a/mine").new == 0  # nothing comes back


def test_what_is_stored_is_shown_before(home: Path, store: Store, people: People) -> None:
    found = stored_about(store, people, home, NAME)
    assert (found["account"]["groups"], len(found["answers"]), len(found["presses"])) == ("left-handed", 5, 1)
    assert found["notes"][0]["text"] == "mine alone"
    assert found["browsers"][0]["agent"] == "A browser of hers"
    assert sorted(path.split("/")[-1] for path in found["recordings"]) == [
        "gone.1.parquet",
        "kept.parquet",
        "left.parquet",
    ]
    assert json.dumps(found)
    with pytest.raises(NotFoundError, match="person 'nobody'"):
        stored_about(store, people, home, "nobody")


def test_what_cannot_be_erased_yet_is_refused(home: Path, store: Store, people: People) -> None:
    dataset = Dataset(home / "a" / "mine")
    like = episode("open", 5, operator=NAME)
    with begin(dataset, like) as writer:
        append(writer, like)
        with pytest.raises(ConflictError, match="episode open in mine is being recorded; end its session first"):
            erase(store, people, home, NAME, "anonymous")
    people.set_role(NAME, "annotator", by="eve")
    with pytest.raises(InvalidValueError, match="another administrator first: this is the last one"):
        erase(store, people, home, "eve", "anonymous")
    assert len(store.answers()) == 6


def test_two_of_one_group_erase_themselves_at_once(home: Path, store: Store, people: People) -> None:
    people.add("ben", "annotator")
    people.set_groups("ben", ["left-handed"])
    failed: list[Exception] = []

    def go(name: str) -> None:
        try:
            erase(store, people, home, name, "anonymous")
        except Exception as error:  # the test says which
            failed.append(error)

    threads = [threading.Thread(target=go, args=(name,)) for name in (NAME, "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert report(store).teams == {}
    assert [person.name for person in people.list()] == ["eve"]
    assert left_in(home, b"Zora", b"left-handed") == []
