"""Files in pieces: kept between them, of one person, within a quota, and swept when they were left."""

import os
import time
from pathlib import Path

import pytest

from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from teleop.station.services import Station
from teleop.station.web import uploads
from teleop.station.web.uploads import KEPT, MOST, MOST_OPEN, QUOTA, Uploads
from tests.teleop.station.api.conftest import Program


def test_a_piece_that_was_lost_is_sent_again(program: Program) -> None:
    client = program("administrator")
    upload = client.post("uploads", json={"bytes": 10}).json()
    assert (upload["bytes"], upload["received"]) == (10, 0)
    at = f"uploads/{upload['id']}"
    assert client.patch(at, params={"offset": 0}, content=b"0123").json()["received"] == 4
    again = client.patch(at, params={"offset": 0}, content=b"0123")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert "4 bytes are here" in again.json()["error"]
    assert client.get(at).json()["received"] == 4
    assert client.post("import", json={"upload": upload["id"]}).status_code == 409
    assert client.patch(at, params={"offset": 4}, content=b"456789").json()["received"] == 10
    assert client.patch(at, params={"offset": 10}, content=b"x").status_code == 422
    assert [one["id"] for one in client.get("uploads").json()["items"]] == [upload["id"]]
    assert client.delete(at).status_code == 204
    assert client.get(at).status_code == 404


def test_an_upload_is_of_one_person(program: Program, station: Station) -> None:
    mine, other = program("administrator"), program("administrator")
    upload = mine.post("uploads", json={"bytes": 3}).json()["id"]
    assert other.get(f"uploads/{upload}").status_code == 404
    assert other.patch(f"uploads/{upload}", content=b"abc").status_code == 404
    assert other.post("import", json={"upload": upload}).status_code == 404
    assert other.get("uploads").json()["items"] == []
    assert program("operator").post("uploads", json={"bytes": 3}).status_code == 403
    assert len(station.uploads.of("administrator0")) == 1


@pytest.mark.parametrize("name", ["nothing", "../../../etc", "0" * 16])
def test_an_upload_that_is_none(name: str, station: Station) -> None:
    with pytest.raises(NotFoundError):
        station.uploads.get(name, "anna")


def test_the_quota_of_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "require_disk_space", lambda *_: None)
    found = Uploads(tmp_path)
    with pytest.raises(InvalidValueError, match="bytes of an upload"):
        found.begin("anna", MOST + 1)
    large = [found.begin("anna", MOST) for _ in range(QUOTA // MOST)]
    with pytest.raises(InvalidValueError, match="uploads that are not used yet"):
        found.begin("anna", 1)
    assert found.begin("ben", MOST)
    found.remove(large[0])
    for _ in range(MOST_OPEN - len(large) + 1):
        found.begin("anna", 1)
    with pytest.raises(InvalidValueError, match=f"at most {MOST_OPEN}"):
        found.begin("anna", 1)


def test_what_was_left_is_swept(tmp_path: Path) -> None:
    found = Uploads(tmp_path)
    old = found.begin("anna", 5)
    for path in (tmp_path / "cache" / "uploads").iterdir():
        os.utime(path, (time.time() - KEPT - 1,) * 2)
    new = found.begin("anna", 5)
    assert [one.id for one in found.of("anna")] == [new.id]
    assert not list((tmp_path / "cache" / "uploads").glob(f"{old.id}*"))
