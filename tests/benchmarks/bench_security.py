"""A station under attack: its memory use, and the latency for another user meanwhile.

    python -m pytest -m bench -s tests/benchmarks/bench_security.py

The station is a process of its own. Memory is its resident set, the largest during the attack over that of an idle one
that has shown its pages. The other person is signed in, comes from another address of this machine, and asks for the
home page and writes something over and over. Attackers are signed in as nobody, or as an operator or administrator.
"""

import http.client
import io
import json
import multiprocessing
import random
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from robo_rlhf.accounts.people import People
from tests.browser.conftest import serving

pytestmark = pytest.mark.bench
MEMORY, PAGE = 1.3, 1.0  # bars: times idle, [s]
OTHER = ("127.0.0.2", 0)  # where the other person comes from
SINCE = "2026-01-01T00:00:00.000+00:00"


@dataclass
class Victim:
    """A station, and who uses it while it is attacked."""

    port: int
    process: int
    tokens: dict[str, str]
    cookie: str = ""
    csrf: str = ""
    idle: float = 0.0  # [MB]

    def memory(self, name: str = "VmRSS") -> float:
        """Return the resident set [MB]; "VmHWM" for the largest since `reset`."""
        lines = Path(f"/proc/{self.process}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{name}:"))

    def reset(self) -> None:
        """Forget how large the resident set has been."""
        Path(f"/proc/{self.process}/clear_refs").write_text("5")

    def ask(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """Ask as the other person."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=OTHER)
        headers = {"cookie": self.cookie, "x-csrf-token": self.csrf, "origin": f"http://127.0.0.1:{self.port}"}
        headers["content-type"] = "application/json"
        link.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = link.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        link.close()
        return answer

    def sign_in(self, token: str) -> None:
        """Sign the other person in by a link, and show what people look at."""
        answer = self.ask("POST", "/enter", {"token": token})
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        self.csrf = json.loads(self.ask("GET", "/session").body)["csrf"]  # type: ignore[attr-defined]
        for _ in range(3):
            for path in ("/", "/library", "/review", "/monitor", "/account", "/api/v1/docs", "/operate"):
                assert self.ask("GET", path).status == 200


def _work(victim: Victim, ready: Event, over: Event, told: "Queue[tuple[list[float], list[float]]]") -> None:
    """Ask for a page and write something, over and over: in a process that attackers do not hold up by themselves."""
    pages, writes = [], []
    while not over.wait(0.05):
        began = time.perf_counter()
        assert victim.ask("GET", "/").status == 200
        pages.append(time.perf_counter() - began)
        began = time.perf_counter()
        assert victim.ask("POST", "/api/account/groups", {"groups": [f"g{len(pages)}"]}).status == 200
        writes.append(time.perf_counter() - began)
        ready.set()
    told.put((pages, writes))


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    home = tmp_path_factory.mktemp("attacked") / "home"
    home.mkdir()
    with serving(home) as served:
        people, tokens = People(home / "feedback.db"), {}
        for role in ("operator", "administrator"):
            person = people.add(f"bad {role}", role)
            tokens[role], _ = people.tokens.create(person, "an attack", role)
        people.close()
        found = Victim(urlsplit(served.url).port or 0, served.process.pid, tokens)
        found.sign_in(served.new_link("other", "annotator").rpartition("#")[2])
        time.sleep(2)
        found.idle = found.memory()
        yield found


def attack(victim: Victim, name: str, *attackers: Callable[[], None]) -> None:
    """Let attackers loose, all at once, and print and check what becomes of the station."""
    victim.reset()
    context = multiprocessing.get_context("spawn")
    ready, over, told = context.Event(), context.Event(), context.Queue()
    other = context.Process(target=_work, args=(victim, ready, over, told))
    other.start()
    assert ready.wait(60)
    threads = [threading.Thread(target=one) for one in attackers]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    time.sleep(0.5)
    over.set()
    pages, writes = told.get(timeout=120)
    other.join()
    largest = victim.memory("VmHWM")
    times = largest / victim.idle
    print(
        f"\n{name}: {took:.1f} s; memory {victim.idle:.0f} to {largest:.0f} MB, {times:.2f} times (bar {MEMORY}); "
        f"page at most {max(pages):.2f} s (bar {PAGE:.0f}), write at most {max(writes):.2f} s, {len(pages)} of each"
    )
    assert times <= MEMORY
    assert max(pages) <= PAGE


def send(victim: Victim, *pieces: bytes, hold: float = 0.0, repeat: int = 1) -> str:
    """Send pieces over one connection, the last one `repeat` times; return the first line of the answer, if any."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", victim.port), timeout=max(hold, 10)) as link:
        with suppress(OSError):
            for piece in pieces[:-1]:
                link.sendall(piece)
            for _ in range(repeat):
                link.sendall(pieces[-1])
        time.sleep(hold)
        return link.recv(200).decode("latin-1").partition("\r\n")[0]
    return ""


def head(victim: Victim, path: str, *lines: str, method: str = "POST") -> bytes:
    host = f"127.0.0.1:{victim.port}"
    first = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Origin: http://{host}", "Content-Type: application/json"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def test_bodies_without_end(victim: Victim) -> None:
    block = b" " * 2**20
    chunk = b"%x\r\n" % len(block) + block + b"\r\n"
    length = head(victim, "/sign-in", "Content-Length: 524288000")
    chunked = head(victim, "/sign-in", "Transfer-Encoding: chunked")
    jobs = [lambda: send(victim, length, block, repeat=500) for _ in range(4)]
    jobs += [lambda: send(victim, chunked, chunk, repeat=500) for _ in range(4)]
    attack(victim, "500 MB to the sign-in page, eight times", *jobs)


def test_bodies_that_stop_half_way(victim: Victim) -> None:
    start = head(victim, "/api/v1/questions", "Content-Length: 4000000"), b"[" + b" " * 2**20
    jobs = [lambda: send(victim, *start, hold=6) for _ in range(200)]
    attack(victim, "200 bodies that stop half way", *jobs)


def test_heads(victim: Victim) -> None:
    one = b"GET / HTTP/1.1\r\nHost: x\r\n"
    jobs: list[Callable[[], object]] = []
    for _ in range(20):
        jobs.append(lambda: send(victim, one + b"X: ", b"a" * 2**20, repeat=50))
        jobs.append(lambda: send(victim, one, b"a:\r\n" * 2**18, repeat=20))
        jobs.append(lambda: send(victim, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000, repeat=5))
        jobs.append(lambda: send(victim, one + b"X: ", hold=5))
    attack(victim, "heads without end, and ten thousand requests in one", *jobs)  # type: ignore[arg-type]


def test_floods_of_sockets(victim: Victim) -> None:
    def flood() -> None:
        links = []
        for number in range(1500):
            with suppress(OSError):
                links.append(socket.create_connection(("127.0.0.1", victim.port), timeout=5))
                links[-1].sendall(b"GET / HTTP/1.1\r\nX: " if number % 2 else b"")
        time.sleep(2)
        for link in links:
            link.close()

    attack(victim, "3,000 sockets", flood, flood)


def test_json_bombs(victim: Victim) -> None:
    bombs = [b"[" * 250_000, b"[" + b"{}," * 80_000 + b"{}]", b'{"a":' * 50_000, b"[" + b"1e9," * 60_000 + b"1]"]
    jobs = []
    for bomb in bombs * 15:
        start = head(victim, "/sign-in", f"Content-Length: {len(bomb)}")
        jobs.append(lambda start=start, bomb=bomb: send(victim, start, bomb))
    bearer = f"Authorization: Bearer {victim.tokens['operator']}"
    long = [b'{"questions": [' + b"{}," * 49_000 + b"{}]}", b'{"questions": ["' + b"x" * 4_000_000 + b'"]}']
    for bomb in long * 10:
        start = head(victim, "/api/v1/questions", bearer, f"Content-Length: {len(bomb)}")
        jobs.append(lambda start=start, bomb=bomb: send(victim, start, bomb))
    attack(victim, "80 JSON bombs", *jobs)


def zipped(**files: bytes | Iterator[bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            with out.open(name.replace("__", "."), "w") as file:
                for part in [content] if isinstance(content, bytes) else content:
                    file.write(part)
    return held.getvalue()


def people_rows(count: int) -> Iterator[bytes]:
    for start in range(0, count, 1000):
        rows = ({"name": f"p{n}", "kind": "human", "team": "", "since": SINCE} for n in range(start, start + 1000))
        yield b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def answer_rows(count: int) -> Iterator[bytes]:
    for start in range(0, count, 1000):
        yield b"".join(
            json.dumps({"annotator": "x", "idempotency_key": str(n), "value": {"note": "x" * 900}}).encode() + b"\n"
            for n in range(start, start + 1000)
        )


def parquet_bomb() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = io.BytesIO()
    table = pa.table({"name": pa.array(["x" * 2**20] * 300)})
    with pq.ParquetWriter(held, table.schema, compression="zstd") as out:
        for _ in range(5):
            out.write_table(table)
    return held.getvalue()


def import_it(victim: Victim, content: bytes, expected: int, token: str = "administrator") -> None:
    headers = {"Authorization": f"Bearer {victim.tokens[token]}", "Content-Type": "application/json"}

    def ask(method: str, path: str, body: bytes) -> tuple[int, dict[str, object]]:
        link = http.client.HTTPConnection("127.0.0.1", victim.port, timeout=300)
        link.request(method, f"/api/v1{path}", body, headers)
        answer = link.getresponse()
        told = answer.status, json.loads(answer.read() or b"{}")
        link.close()
        return told

    upload = ask("POST", "/uploads", json.dumps({"bytes": len(content)}).encode())[1]["id"]
    assert ask("PATCH", f"/uploads/{upload}", content)[0] == 200
    status, told = ask("POST", "/import", json.dumps({"upload": upload}).encode())
    assert status == expected, told
    ask("DELETE", f"/uploads/{upload}", b"")


IMPORTS: dict[str, tuple[Callable[[], bytes], int]] = {
    "100,000 rows that are right": (lambda: zipped(annotators__jsonl=people_rows(100_000)), 200),
    "300 MB of rows that are not": (lambda: zipped(answers__jsonl=answer_rows(300_000)), 422),
    "900 MB of empty lines": (lambda: zipped(answers__jsonl=(b"\n" * 2**20 for _ in range(900))), 422),
    "one row of 900 MB": (lambda: zipped(answers__jsonl=(b"x" * 2**20 for _ in range(900))), 422),
    "2 GB inside": (lambda: zipped(answers__jsonl=(b" " * 2**20 for _ in range(2000))), 422),
    "1.5 GB of Parquet": (lambda: zipped(annotators__parquet=parquet_bomb()), 422),
    "60,000 files": (lambda: zipped(**{f"f{n}": b"" for n in range(60_000)}), 422),
    "30 MB that are no ZIP": (lambda: random.Random(0).randbytes(30 * 2**20), 422),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_import_bombs(name: str, victim: Victim) -> None:
    make, expected = IMPORTS[name]
    content = make()
    attack(victim, f"import: {name} ({len(content) / 1e6:.2f} MB sent)", lambda: import_it(victim, content, expected))
