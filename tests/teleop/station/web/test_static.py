"""Scripts and styles of the pages: compressed for who takes it, and kept by browsers."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from teleop.station.web.pages import STATION
from teleop.station.web.templates import FOREVER, VersionedFiles, static_url

SCRIPT = "shared/charts.js"
PLAIN = {"accept-encoding": "identity"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    app.mount("/static", VersionedFiles())
    with TestClient(app) as client:
        yield client


def test_a_script_is_sent_compressed_and_kept_for_good(client: TestClient) -> None:
    content = (Path(STATION) / SCRIPT).read_bytes()
    packed = client.get(static_url(SCRIPT), headers={"accept-encoding": "gzip, br"})
    plain = client.get(static_url(SCRIPT), headers=PLAIN)
    assert packed.content == plain.content == content
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert int(packed.headers["content-length"]) == len(gzip.compress(content, 6, mtime=0)) < 0.5 * len(content)
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert packed.headers["etag"] != plain.headers["etag"]
    for answer in (packed, plain):
        assert answer.headers["cache-control"] == FOREVER
        assert answer.headers["vary"] == "accept-encoding"


def test_parts_and_small_files_are_sent_as_they_are(client: TestClient) -> None:
    whole = client.get(static_url(SCRIPT), headers=PLAIN).content
    part = client.get(static_url(SCRIPT), headers={"range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, whole[3:10])
    assert "content-encoding" not in client.get(static_url("shared/icon.svg")).headers
    assert "content-encoding" not in client.head(static_url(SCRIPT)).headers
    assert client.get("/static/x/shared/charts.py").status_code == 404
    assert client.get(f"/static/other/{SCRIPT}").headers["cache-control"] == "no-cache"
