"""A Ray cluster that this process has joined: functions of ours run there, where and when Ray decides.

A call names its function, as "module:function" of this package, and hands it bytes; it returns bytes. A node therefore
needs the same package, and whatever modules of a user's own the command line names: it is asked before it works, and
again with each call, because nodes may join at any time. What a node is lost over is done again on another.

Ray unpickles what it is sent, so a cluster belongs to a trusted network: docs/guides/security.md.
"""

import importlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib import metadata
from typing import Any

from robo_rlhf.core import guests
from robo_rlhf.core.errors import ClusterError, InvalidValueError, MissingDependencyError
from robo_rlhf.core.files import read_whole
from robo_rlhf.processes.answers import content_of, tried

REACHED = 5.0  # [s] for an address to be reached
KNOWN = 15.0  # [s] for what is there to say that it is a cluster
LOOKED_AT = 180.0  # [s] for all nodes to import the package
LOSSES = 5  # of a piece of work, each with the process or the node that did it, before it is given up
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ADDRESS = re.compile(r"[\w.-]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}")
_HANDED_ON = (guests.ALLOW_VARIABLE, guests.ONLY_VARIABLE, "MUJOCO_GL", "PYOPENGL_PLATFORM")
_joined: list["Cluster | None"] = [None]  # the last is the present one

Facts = Mapping[str, str]


class Cluster:
    """The cluster, for as long as this process has joined it; `member` makes one."""

    def __init__(self, ray: Any, address: str) -> None:
        """Have the nodes say what they are.

        Raises:
            ClusterError: one has another version than this process, or lacks something.
        """
        self.address, self._ray = address, ray
        environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        self._there = _on_a_node(facts(), environment)
        self._call = ray.remote(num_cpus=1, max_retries=LOSSES)(self._there)
        self._calls: set[Any] = set()
        self.on_each("robo_rlhf.executor.cluster:echo")

    @property
    def places(self) -> int:
        """How many calls it does at the same time now."""
        return max(int(self._ray.cluster_resources().get("CPU", 0)), 1)

    def begin(self, function: str, given: bytes) -> Any:
        """Have "module:function" called with `given` on some node; return what `result` takes."""
        call = self._call.remote(function, given)
        self._calls.add(call)
        return call

    def result(self, call: Any) -> bytes:
        """Wait for a call; return what its function did.

        Raises:
            ClusterError: it was lost too often, or the node has another version.
            RoboRlhfError: an error of the function.
            RuntimeError: a bug of the program; the message holds the traceback.
        """
        self._calls.discard(call)
        return self._answer(call)

    def each(self, function: str, items: Sequence[bytes], at_once: int) -> Iterator[bytes]:
        """Call a function with each of the items, at most `at_once` at a time; yield results as they come.

        Raises as `result` does.
        """
        waiting, working = list(items), set[Any]()
        while waiting or working:
            while waiting and len(working) < at_once:
                working.add(self.begin(function, waiting.pop(0)))
            (call, *_), _ = self._ray.wait(list(working), num_returns=1)
            working.remove(call)
            yield self.result(call)

    def on_each(self, function: str, given: bytes = b"") -> list[bytes]:
        """Call a function once on every node; return the results. Raises as `result`."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
        look = self._ray.remote(num_cpus=0, max_retries=0)(self._there)
        calls = [
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(function, given)
            for node in nodes
        ]
        ended, late = self._ray.wait(calls, num_returns=len(calls), timeout=LOOKED_AT)
        if late:
            why = f"{len(late)} of {len(nodes)} nodes gave no answer within {LOOKED_AT:.0f} s"
            raise ClusterError(self.address, why, "See `ray status`.")
        return [self._answer(call) for call in ended]

    def leave(self) -> None:
        """End what is still at work there, and leave."""
        for call in self._calls:
            with suppress(Exception):
                self._ray.cancel(call)
        self._ray.shutdown()

    def _answer(self, call: Any) -> bytes:
        try:
            node, how, content = self._ray.get(call)
        except (self._ray.exceptions.RayError, OSError) as error:
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            advice = "What is done is kept; see `ray status` and Ray's logs, and run the same command again."
            raise ClusterError(self.address, f"work was lost there ({type(error).__name__}: {why})", advice) from error
        if how == "other":
            advice = "Install the same on every node, or take the node out of the cluster."
            raise ClusterError(self.address, f"its node {node} has {content}", advice)
        found: bytes = content_of(how, content, f"the node {node} of the cluster failed")
        return found


def joined() -> Cluster | None:
    """Return the cluster that this process has joined; None where it does all work itself."""
    return _joined[-1]


@contextmanager
def member(address: str | None) -> Iterator[Cluster | None]:
    """Join the cluster at an address, such as 10.0.0.7:6379, for as long as the context lasts; none where None.

    Raises:
        InvalidValueError: that is no address.
        MissingDependencyError: Ray is not installed.
        ClusterError: there is no cluster, or one that cannot be used.
    """
    if address is None:
        yield None
        return
    ray = _connected(address)
    try:
        cluster = Cluster(ray, address)
    except BaseException:
        ray.shutdown()
        raise
    _joined.append(cluster)
    try:
        yield cluster
    finally:
        _joined.pop()
        cluster.leave()


@contextmanager
def alone() -> Iterator[None]:
    """Do all work in this process for as long as the context lasts, such as what measures its speed."""
    _joined.append(None)
    try:
        yield
    finally:
        _joined.pop()


def facts() -> Facts:
    """Return what has to be the same on all nodes for the same bits: versions, the processor, a user's modules."""
    modules = os.environ.get(guests.ALLOW_VARIABLE, "").split(",")
    return {**_installed(), **{f"module {name}": _content(name) for name in modules if name}}


def echo(given: bytes) -> bytes:
    """Return what is given."""
    return given


def answer(ours: Facts, function: str, given: bytes) -> tuple[str, Any]:
    """Call a function on a node, where it has what the caller has; return how it went and the content.

    That is as `tried` gives it, or "other" and what differs.
    """
    theirs = facts()
    for name, value in ours.items():
        if theirs.get(name) != value:
            return "other", f"{name} {theirs.get(name)}, and this process has {value}"
    module, _, name = function.partition(":")
    return tried(lambda: getattr(importlib.import_module(module), name)(given))


@cache
def _installed() -> Facts:
    from robo_rlhf.sim.envs.task_env import versions  # which loads MuJoCo

    return {**versions(), **{name: metadata.version(name).partition("+")[0] for name in ("numpy", "torch")}}


@cache
def _content(module: str) -> str:
    source = guests.source_of(module)
    return sha256(read_whole(source, "")).hexdigest()[:8] if source else "that is not found"


def _on_a_node(ours: Facts, environment: Mapping[str, str]) -> Callable[[str, bytes], tuple[str, str, Any]]:
    """Return what Ray calls on a node. Ray sends a nested function whole, so a node without this package can say so."""

    def call(function: str, given: bytes) -> tuple[str, str, Any]:
        import os
        import socket

        os.environ.update(environment)
        node = socket.gethostname()
        try:
            import robo_rlhf

            version = robo_rlhf.__version__
            if version != ours["robo_rlhf"]:
                return node, "other", f"robo_rlhf {version}, and this process has {ours['robo_rlhf']}"
            from robo_rlhf.executor.cluster import answer
        except ImportError as error:
            return node, "other", f"no robo_rlhf that can be imported ({error})"
        return node, *answer(ours, function, given)

    return call


def _connected(address: str) -> Any:
    """Return Ray, connected to the cluster at an address."""
    if not _ADDRESS.fullmatch(address):
        expected = "the address of a Ray cluster's head, such as 10.0.0.7:6379"
        raise InvalidValueError("--cluster", repr(address), expected)
    host, _, port = address.rpartition(":")
    advice = "Start one there with `ray start --head --port=6379 --include-dashboard=false`, or correct the address."
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(address, f"nothing answers there ({error})", advice) from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as it will be, without a warning
    try:
        import ray
        from ray._raylet import GcsClient
    except ImportError as error:
        raise MissingDependencyError("Ray", "--cluster", "Install it: pip install 'robo-rlhf[cluster]'.") from error
    known = threading.Event()  # Ray itself would wait for minutes

    def ask() -> None:
        with suppress(Exception):
            GcsClient(address=address)
            known.set()

    threading.Thread(target=ask, name="cluster", daemon=True).start()
    if not known.wait(KNOWN):
        raise ClusterError(address, f"what answers there is no head of a Ray cluster (within {KNOWN:.0f} s)", advice)
    try:
        context = ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        advice = "This machine has to be a node of it (`ray start --address=...`), with the same Python and Ray."
        raise ClusterError(address, why, advice) from error
    dashboard = (context.dashboard_url or "").rpartition(":")[0]
    if dashboard and dashboard not in LOOPBACK:
        ray.shutdown()
        advice = "Start it with --include-dashboard=false, or --dashboard-host=127.0.0.1."
        raise ClusterError(address, f"its dashboard listens on {dashboard}, where anybody may use it", advice)
    return ray
