"""Sending messages to webhooks: in the background, signed, again and again until they arrive or a day has passed.

A message goes to the address that was looked at, never to one that the name was moved to meanwhile; redirects are not
followed; what the receiver says beside its status is not read.
"""

import asyncio
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from urllib.parse import urlsplit

from robo_rlhf import __version__
from robo_rlhf.core.errors import BusyError, DiskFullError
from robo_rlhf.webhooks.queue import Message, Webhooks

POLL_INTERVAL = 0.5  # [s] between two looks for messages
PATIENCE = 10.0  # [s] from the look-up of the name to the answer
AT_ONCE, EACH = 8, 50  # webhooks that are sent to at once, and messages of each that are taken at once
TAKEN = 200  # messages that are taken at once
TIDY = 3600.0  # [s] between two looks for messages that are kept long enough
SIGNATURE = "X-Robo-Rlhf-Signature"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_log = logging.getLogger("robo_rlhf.station")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotSentError(Exception):
    """A message did not arrive; says why in words."""


def sign(secret: str, timestamp: int, body: str) -> str:
    """Return the header that proves who sent a message, and when: HMAC-SHA256 over `timestamp.body`."""
    proof = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256)
    return f"t={timestamp},v1={proof.hexdigest()}"


def may_reach(address: str, allow_private: bool) -> bool:
    """Whether a message may go to an address: a public one, or one of this network where that is allowed.

    Never to one that means this link only: there the machines of a cloud tell their secrets.
    """
    found: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            found = inside
    if found.is_multicast or found.is_unspecified or found.is_link_local:
        return False
    return allow_private or (found.is_global and not found.is_reserved)


class Direct(http.client.HTTPConnection):
    """A connection to an address that was looked at, for one message."""

    def __init__(self, message: Message, allow_private: bool, patience: float = PATIENCE) -> None:
        """Nothing is looked up yet; all of it takes at most `patience` [s]."""
        parts = urlsplit(message.url)
        self.secure = parts.scheme == "https"
        self.default_port = 443 if self.secure else 80
        super().__init__(parts.hostname or "", parts.port or self.default_port)
        self.message, self.allow_private = message, allow_private
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.until = time.monotonic() + patience

    def post(self) -> int:
        """Send the message and return the status of the answer.

        Raises:
            NotSentError: it could not be sent, or nothing was answered in time.
        """
        ender = threading.Timer(max(self.until - time.monotonic(), 0.0), self.cut)
        ender.daemon = True
        ender.start()
        try:
            self.request("POST", self.path, self.message.body.encode(), self.headers())
            return self.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = time.monotonic() >= self.until
            raise NotSentError("no answer in time" if late else _words(error)) from error
        finally:
            ender.cancel()
            self.close()

    def headers(self) -> dict[str, str]:
        """Return the headers that describe the message and prove its sender."""
        return {
            "Content-Type": "application/json",
            "User-Agent": f"robo-rlhf/{__version__}",
            "X-Robo-Rlhf-Event": self.message.event,
            "X-Robo-Rlhf-Delivery": str(self.message.number),
            SIGNATURE: sign(self.message.secret, int(time.time()), self.message.body),
        }

    def connect(self) -> None:
        """Connect to the first address of the host that answers.

        Raises:
            NotSentError: the name is not known, or leads to where no message may go.
        """
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NotSentError(f"the name {self.host} is not known") from error
        if not all(may_reach(str(one[4][0]), self.allow_private) for one in found):
            advice = "robo-rlhf serve --allow-private-webhooks allows addresses of your own network"
            raise NotSentError(f"{self.host} is not a public address; {advice}")
        failure = OSError("no address")
        for family, kind, proto, _, address in found:
            raw = socket.socket(family, kind, proto)
            raw.settimeout(max(self.until - time.monotonic(), 0.01))
            try:
                raw.connect(address)
            except OSError as error:
                raw.close()
                failure = error
                continue
            self.sock = raw  # from here on it can be cut
            if self.secure:
                self.sock = _tls().wrap_socket(raw, server_hostname=self.host, do_handshake_on_connect=False)
                self.sock.do_handshake()
            return
        raise failure

    def cut(self) -> None:
        """Close it at any time: each byte of a slow receiver would restart the time-out."""
        held = self.sock
        if held is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)


class WebhookSender:
    """The sender of one station's messages."""

    def __init__(self, webhooks: Callable[[], Webhooks], *, allow_private: bool = False) -> None:
        """Send what `webhooks()` has, to addresses of this network only where that is allowed."""
        self._webhooks, self.allow_private = webhooks, allow_private
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures: Counter[int] = Counter()  # of each webhook, in a row
        self._lock = threading.Lock()
        self._busy: dict[int, Direct | None] = {}  # webhooks that are being sent to

    async def start(self) -> None:
        """Begin to send."""
        self._over.clear()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Send no more; what is under way is cut, and sent after the next start."""
        self._over.set()
        with self._lock:
            held = list(self._busy.values())
        for connection in held:
            if connection is not None:
                connection.cut()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, PATIENCE)

    def _run(self) -> None:
        tidied = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as threads:
            while not self._over.wait(POLL_INTERVAL):
                try:
                    self.poll(threads)
                    if time.monotonic() > tidied + TIDY:
                        tidied = time.monotonic()
                        self._webhooks().tidy()
                except (BusyError, DiskFullError) as error:
                    _log.warning("webhooks wait: %s", error)
                except Exception:
                    _log.exception("webhooks")

    def poll(self, threads: ThreadPoolExecutor) -> None:
        """Have what is due sent; messages of one webhook one after the other, and no webhook waits for another."""
        with self._lock:
            busy = set(self._busy)
        by_webhook: dict[int, list[Message]] = {}
        for message in self._webhooks().due(TAKEN, EACH, busy):
            by_webhook.setdefault(message.webhook, []).append(message)
        for webhook, messages in by_webhook.items():
            with self._lock:
                self._busy[webhook] = None
            threads.submit(self._send, webhook, messages)

    def _send(self, webhook: int, messages: list[Message]) -> None:
        left = list(messages)
        try:
            begun = time.monotonic()
            while left and not self._over.is_set() and time.monotonic() < begun + PATIENCE:
                sent, left = left[0], left[1:]
                if not self._deliver(sent, left):
                    left = []  # they wait for longer now
            if left:
                self._webhooks().give_back(left)
        except Exception:
            _log.exception("webhook %d", webhook)  # what was taken is due again after a while
        finally:
            with self._lock:
                self._busy.pop(webhook, None)

    def _deliver(self, message: Message, held: list[Message]) -> bool:
        status, problem = None, ""
        connection = Direct(message, self.allow_private)
        with self._lock:
            self._busy[message.webhook] = connection
        try:
            status = connection.post()
            if 200 <= status < 300:
                self._failures.pop(message.webhook, None)
                self._webhooks().arrived(message, status)
                return True
            problem = f"the receiver answered {status}"
        except NotSentError as error:
            problem = str(error)
        if self._over.is_set():
            self._webhooks().give_back([message, *held])
            return False
        self._failures[message.webhook] += 1
        self._webhooks().failed(message, status, problem, self._failures[message.webhook], held)
        return False


def _words(error: Exception) -> str:
    """Return the error as text for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
