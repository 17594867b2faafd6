"""One person at a browser: a session, its cookie and its CSRF token."""

from types import TracebackType
from typing import Any

import httpx2 as httpx


class Browser:
    """A browser that is signed in by a link."""

    def __init__(self, port: int, token: str) -> None:
        """Sign in."""
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, headers={"origin": self.url}, timeout=60)
        assert self.client.post("/enter", json={"token": token}).status_code == 200
        self.client.headers["x-csrf-token"] = self.client.get("/session").json()["csrf"]

    def send(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Send a change."""
        return self.client.post(path, json=body)

    def again(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Send it over a connection of its own, with the same cookie."""
        mine = {"headers": self.client.headers, "cookies": self.client.cookies}
        with httpx.Client(base_url=self.url, timeout=60, **mine) as other:
            return other.post(path, json=body)

    def __enter__(self) -> "Browser":
        """Return the browser."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.client.close()
