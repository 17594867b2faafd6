import asyncio
import socket
import subprocess
import sys

import pytest
from starlette.types import Message, Receive, Scope, Send

from robo_rlhf.core.errors import BusyError, InvalidValueError
from teleop.station.server import (
    Ending,
    is_loopback,
    listen,
    names_of,
    own_address,
    proxies_of,
)


def test_a_free_port_is_taken_as_it_is() -> None:
    with listen("127.0.0.1", 0, exactly=True) as listener:
        assert listener.getsockname()[1] > 0


def test_a_taken_port_gives_the_next_or_is_told_with_one_that_is_free() -> None:
    with listen("127.0.0.1", 0, exactly=True) as first:
        port = first.getsockname()[1]
        with listen("127.0.0.1", port, exactly=False) as second:
            assert port < second.getsockname()[1] <= port + 20
        with pytest.raises(BusyError, match=rf"Port {port} of 127.0.0.1 is busy: .*--port \d+ is free"):
            listen("127.0.0.1", port, exactly=True)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be(port: int) -> None:
    with pytest.raises(InvalidValueError, match="--port: expected 0"):
        listen("127.0.0.1", port, exactly=True)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(InvalidValueError, match=r"--host: expected an address of this machine, got '192.0.2.1'"):
        listen("192.0.2.1", 0, exactly=True)


def test_which_addresses_are_this_machines_alone() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost")] == [True] * 5
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.5", "station")] == [False] * 4
    assert names_of("0.0.0.0") is None
    assert names_of("127.0.0.1", ["Station.Example"]) == ("127.0.0.1", "localhost", "[::1]", "station.example")
    socket.inet_aton(own_address())


def test_proxies_are_addresses_or_networks() -> None:
    assert proxies_of(["127.0.0.1", "10.0.0.0/8", "::1"]) == ["127.0.0.1", "10.0.0.0/8", "::1"]
    with pytest.raises(InvalidValueError, match=r"--proxy: expected an address or a network, .* got 'proxy.example'"):
        proxies_of(["proxy.example"])


def test_the_station_imports_neither_torch_nor_mujoco() -> None:
    code = "import sys, teleop.station.server, robo_rlhf.feedback.store, robo_rlhf.accounts.people\n"
    code += "from teleop.station.web import pages; pages.modules()\n"
    code += (
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'mujoco', 'cv2', 'av', 'OpenGL'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("begun", [False, True])
def test_a_request_that_is_cut_off_at_the_end_is_answered_and_no_fault(begun: bool) -> None:
    sent: list[Message] = []

    async def endless(_: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    async def nothing() -> Message:
        await asyncio.sleep(60)
        return {}

    async def note(message: Message) -> None:
        sent.append(message)

    async def cut_off() -> None:
        task = asyncio.create_task(Ending(endless)({"type": "http"}, nothing, note))
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(cut_off())
    assert [message["status"] for message in sent if "status" in message] == [200 if begun else 503]
