"""A crowd of annotators, each with a browser's session and a connection of their own: the other process of the load.

`python -m tests.service.crowd` reads one JSON object from its input (see `Plan`) and writes one line of JSON when all
have signed in, and one at the end. It begins with the second line of its input and ends early with the third. Each
person keeps three questions in hand as the page does: they answer the oldest and ask for another. What is not
acknowledged is sent again, with the same key, until it is.
"""

import asyncio
import json
import os
import random
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

AHEAD = 3  # questions in hand
PACE_EVERY = 10  # answers, after which the page asks how the work goes
RETRY = 0.2  # [s] until what failed is tried again


@dataclass
class Plan:
    """What the crowd does."""

    port: int
    links: dict[str, str]  # person → token that signs them in
    run: str
    every: float = 2.0  # [s] between two answers of a person
    arrive: float = 0.0  # [s] in which they come, one after the other; at least `every`
    warm: float = 15.0  # [s] that do not count: with them
    seconds: float = 30.0  # [s] that do
    watch: bool = False  # whether each question's clips are fetched too, as poses
    lazy: float = 0.0  # share of questions that are left lying, as by a page that was closed
    grace: float = 120.0  # [s] for what was asked for before the end
    enough: float = float("inf")  # [s] without any question after which a person goes home
    other_port: int = (
        0  # of a second station: half begin there; without one's own one goes to the other, as a proxy does
    )


@dataclass
class Seen:
    """What the crowd saw."""

    taken: dict[str, list[float]] = field(
        default_factory=lambda: {"next": [], "answer": [], "pace": [], "clips": []}
    )  # [s]
    received: int = 0  # bytes of poses
    statuses: dict[str, int] = field(default_factory=dict)
    broken: int = 0  # connections that broke, or could not be made
    odd: list[str] = field(default_factory=list)  # bodies of what was not as it should be
    sent: list[str] = field(default_factory=list)  # keys of all answers
    acknowledged: list[str] = field(default_factory=list)  # keys of answers with a 200
    doubled: int = 0  # questions assigned to a person who had answered or held them
    idle: int = 0  # times that there was no question


class Person:
    """One person at one browser."""

    def __init__(self, name: str, token: str, plan: Plan, seen: Seen, over: threading.Event) -> None:
        """Have a link to sign in with."""
        self.name, self.token, self.plan, self.seen, self.over = name, token, plan, seen, over
        self.port = plan.port
        self.address = f"10.0.{list(plan.links).index(name) // 250}.{list(plan.links).index(name) % 250 + 1}"
        self.cookie = self.csrf = ""
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.hand: list[dict[str, Any]] = []
        self.done: set[str] = set()
        self.lying: list[tuple[int, float]] = []  # leases, and until when they last
        self.rng = random.Random(name)
        self.count = self.rng.randrange(PACE_EVERY)  # they began at different times
        self.counts_from = float("inf")

    async def sign_in(self) -> None:
        """Use the link, open the page, and take the token that changes need."""
        status, headers, _ = await self.ask("POST", "/enter", {"token": self.token})
        assert status == 200, (self.name, status)
        self.cookie = headers["set-cookie"].partition(";")[0]
        _, _, body = await self.ask("GET", "/session")
        self.csrf = json.loads(body)["csrf"]
        status, _, _ = await self.ask("GET", f"/review?run={self.plan.run}", accept="text/html")
        assert status == 200, (self.name, status)

    async def work(self, offset: float, until: float) -> None:
        """Answer every so often."""
        due = time.perf_counter() + offset
        await asyncio.sleep(offset)
        await self.fill(until)
        last = time.perf_counter()
        while (now := time.perf_counter()) < until and now < last + self.plan.enough and not self.over.is_set():
            await asyncio.sleep(max(due - now, 0.0))
            late = max(time.perf_counter() - due, 0.0)
            due += self.plan.every * (1 + late // self.plan.every)  # each keeps a rhythm of their own
            if self.hand:
                last = time.perf_counter()
                question = self.hand.pop(0)
                if self.rng.random() < self.plan.lazy:
                    self.lying.append((question["lease"], last + question["seconds"]))
                else:
                    await self.answer(question)
            await self.fill(until)

    async def fill(self, until: float) -> None:
        """Ask for questions until there are enough in hand."""
        while len(self.hand) < AHEAD and time.perf_counter() < until:
            self.lying = [one for one in self.lying if time.perf_counter() < one[1]]
            have = [*(lease for lease, _ in self.lying), *(question["lease"] for question in self.hand)]
            body = {"run": self.plan.run, "have": have}
            found = await self.surely("next", "/api/review/next", body)
            question = found.get("question")
            if question is None:
                self.seen.idle += 1
                return
            there = self.done | {other["question"] for other in self.hand}
            self.seen.doubled += question["question"] in there
            self.hand.append(question)
            if self.plan.watch:
                await self.watch(question)

    async def watch(self, question: dict[str, Any]) -> None:
        """Fetch the poses of all clips of a question, one after the other over the person's connection."""
        began = time.perf_counter()
        for clip in question["clips"]:
            try:
                status, _, content = await self.ask("GET", clip["poses"])
            except (OSError, EOFError):
                self.seen.broken += 1
                self.hang_up()
                return
            self.seen.statuses[str(status)] = self.seen.statuses.get(str(status), 0) + 1
            self.seen.received += len(content)
            if status != 200:
                self.seen.odd.append(f"poses {status} {content[:200]!r}")
        if began > self.counts_from:
            self.seen.taken["clips"].append(time.perf_counter() - began)

    async def answer(self, question: dict[str, Any]) -> None:
        """Answer, as a person who likes one side a little."""
        self.count += 1
        key = f"{self.name}-{self.count}-{question['lease']}"
        value = question["controls"][int(self.rng.random() < 0.4)]["value"]
        body = {"question": question["question"], "lease": question["lease"], "value": value, "key": key}
        self.seen.sent.append(key)
        told = await self.surely("answer", "/api/review/answer", {**body, "seconds": 1.9, "person": self.name})
        if "new" in told:
            self.seen.acknowledged.append(key)
            self.done.add(question["question"])
        if self.count % PACE_EVERY == 1:
            await self.surely("pace", f"/api/review/pace?run={self.plan.run}&since=2026-11-21T00:00:00Z", None)

    async def surely(self, name: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """Send something until the station has taken or refused it, and return its reply."""
        while True:
            began = time.perf_counter()
            try:
                status, _, text = await self.ask("GET" if body is None else "POST", path, body)
            except (OSError, EOFError):
                self.seen.broken += 1
                self.hang_up()
                if self.plan.other_port:
                    self.port = self.plan.port + self.plan.other_port - self.port
                await asyncio.sleep(RETRY)
                continue
            if began > self.counts_from:
                self.seen.taken[name].append(time.perf_counter() - began)
            self.seen.statuses[str(status)] = self.seen.statuses.get(str(status), 0) + 1
            if status != 200:
                self.seen.odd.append(f"{name} {status} {text[:200]!r}")
            if status < 500:
                found: dict[str, Any] = json.loads(text) if status == 200 else {}
                return found
            await asyncio.sleep(RETRY)

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, accept: str = "application/json"
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request over the person's connection and return what comes back."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        content = json.dumps(body).encode() if body is not None else b""
        host = f"127.0.0.1:{self.port}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Accept: {accept}", "User-Agent: crowd"]
        lines.append(f"X-Forwarded-For: {self.address}")  # what a proxy says of where the person is; else it is ignored
        if self.cookie:
            lines.append(f"Cookie: {self.cookie}")
        if method != "GET":
            lines += [f"Origin: http://{host}", "Content-Type: application/json", f"Content-Length: {len(content)}"]
            lines += [f"X-CSRF-Token: {self.csrf}"] if self.csrf else []
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))

    def hang_up(self) -> None:
        """Close the connection."""
        if self.streams is not None:
            self.streams[1].close()
        self.streams = None


async def crowd(plan: Plan) -> Seen:
    """Let all sign in, wait for a line of input, and let them work."""
    seen, over = Seen(), threading.Event()
    people = [Person(name, token, plan, seen, over) for name, token in plan.links.items()]
    for person in people[1::2]:
        person.port = plan.other_port or plan.port
    for person in people:
        await person.sign_in()
    print(json.dumps({"signed_in": len(people)}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    threading.Thread(target=lambda: sys.stdin.readline() and over.set(), daemon=True).start()
    begin = time.perf_counter()
    for person in people:
        person.hang_up()  # they came a while ago
        person.counts_from = begin + plan.warm
    until = begin + plan.warm + plan.seconds
    offset = max(plan.arrive, plan.every) / len(people)
    works = asyncio.gather(*(person.work(offset * i, until) for i, person in enumerate(people)))
    try:
        await asyncio.wait_for(works, plan.warm + plan.seconds + plan.grace)
    except TimeoutError:
        seen.statuses["none"] = 1
        seen.odd.append(f"something had no answer {plan.grace:.0f} s after the end")
    return seen


if __name__ == "__main__":
    seen = asyncio.run(crowd(Plan(**json.loads(sys.stdin.readline()))))
    print(json.dumps(asdict(seen)), flush=True)
    os._exit(0)  # a thread may still wait for input
