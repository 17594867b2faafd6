"""`robo-rlhf policy`: a trained policy leaves: exported for a robot's computer, or served to robots."""

import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import MaybePort, NewDataset, Seed
from robo_rlhf.core.errors import BusyError, InvalidValueError, MissingDependencyError
from robo_rlhf.core.files import data_home, new_dataset
from robo_rlhf.policies.latest_policy import label_of, policy_at
from robo_rlhf.vision.torch_device import OnTorchDevice

if TYPE_CHECKING:
    from robo_rlhf.deploy.served_log import ServedLog

HOST, PORT = "127.0.0.1", 8000
TOKEN = "ROBO_RLHF_POLICY_TOKEN"  # environment variable
SHORTEST = 16  # characters of a token


@COMMANDS.register("policy export")
@dataclass(frozen=True, kw_only=True)
class PolicyExport:
    """Write a policy as ONNX or torch programs, with a model card and a runner that needs no torch.

    Normalisation is inside; the noise of policies that sample is an input. The runner keeps the queue of actions.

    Example:
        robo-rlhf policy export main-run --to pick_place_policy
        robo-rlhf policy export main-run/clone --to clone_policy --format torch
    """

    policy: Annotated[Path, tyro.conf.Positional]
    """A checkpoint, a run's folder or name (its final policy), or a stage of one (RUN/clone)."""
    to: Path
    """Folder to make."""
    format: Literal["onnx", "torch"] = "onnx"
    """ONNX for onnxruntime, or torch.export programs (.pt2)."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Export and say what was written."""
        checkpoint = policy_at(self.policy, data_home(self.home))
        use_one_thread()
        from robo_rlhf.deploy.export import export_policy

        found = export_policy(checkpoint, self.to, self.format)
        names = found.manifest
        print(f"{self.to}: {names['kind']} policy for {names['task']}, {len(names['parts'])} network(s)")
        print(
            f"It maps {len(names['obs_names'])} columns to {len(names['action_names'])} at {names['control_hz']:g} Hz."
        )
        print("README.md there is its model card; exported_policy.py runs it.")
        return 0


@COMMANDS.register("policy serve")
@dataclass(frozen=True, kw_only=True)
class PolicyServe(OnTorchDevice):
    """Serve a policy to robots: the WebSocket protocol of openpi, and HTTP with JSON, at one address.

    A connection (or a "session" of HTTP) is one robot; what several ask at once is computed together. Another host than
    127.0.0.1 needs a token, in $ROBO_RLHF_POLICY_TOKEN or a file, sent as "Authorization: Api-Key TOKEN".

    Example:
        robo-rlhf policy serve main-run
        robo-rlhf policy serve main-run --max-change 0.2 --max-age 0.2 --dry-run
        robo-rlhf policy serve main-run --host 0.0.0.0 --token-file policy.token
        robo-rlhf policy serve main-run --log in-use --log-limit 5
    """

    policy: Annotated[Path, tyro.conf.Positional]
    """A checkpoint, a run's folder or name (its final policy), or a stage of one (RUN/clone)."""
    port: MaybePort = PORT
    """Port to listen on; 0 for any that is free."""
    host: str = HOST
    """Address to listen on."""
    token_file: Path | None = None
    """File whose first line is the token that clients send."""
    clients: int = 16
    """Robots served at once."""
    ahead: int = 0
    """Predict the next chunk so many steps before it is due, while this one is carried out."""
    max_change: float = 0.0
    """Largest change of an action's column from one step to the next, of 2; 0 for no limit."""
    max_age: float = 0.0
    """Age of an observation from which on the answer is to hold [s]; 0 for no limit."""
    hold: Literal["zero", "last"] = "zero"
    """The action that holds: zero, where actions are velocities or differences, or the last one."""
    dry_run: bool = False
    """Always answer to hold, with what the policy would do beside it."""
    log: NewDataset = ""
    """Write what it sees and does as episodes into this dataset, made where it is missing; nothing where empty. Each
    answer then holds one action."""
    log_limit: float = 10.0
    """Size of that dataset [GiB] from which on its oldest served episodes are deleted, those that people marked not."""
    log_gap: float = 10.0
    """Time without a request after which an episode is over [s]; a reset, and a robot that leaves, end it too."""
    policy_seed: Seed = 0
    """Seed of the policy's own randomness; each robot's is one higher."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Serve until it is stopped."""
        self._check()
        token = self._token()
        checkpoint = policy_at(self.policy, data_home(self.home))
        with _listen(self.host, self.port or 0) as listener:
            self._serve(checkpoint, token, listener)
        return 0

    def _serve(self, checkpoint: Path, token: str, listener: socket.socket) -> None:
        use_one_thread()
        import uvicorn

        from robo_rlhf.deploy.export import deployable
        from robo_rlhf.deploy.server import PolicyServer
        from robo_rlhf.deploy.serving import Serving, ServingOptions
        from robo_rlhf.deploy.wire import LARGEST

        options = ServingOptions(
            ahead=self.ahead,
            max_change=self.max_change,
            max_age=self.max_age,
            hold=self.hold,
            dry_run=self.dry_run,
            seed=self.policy_seed,
        )
        found = deployable(checkpoint)
        log = self._log(found.manifest, label_of(checkpoint, data_home(self.home)))
        server = PolicyServer(Serving(found, options, log), self.clients, token)
        port = listener.getsockname()[1]
        about = server.serving.metadata
        print(f"{checkpoint}: {about['kind']}, {about['task']}, {about['actions_per_request']} action(s) an answer")
        if self.log:
            print(f"What it sees and does is written into {self.log}, up to {self.log_limit:g} GiB")
        print(f"ws://{self.host}:{port} (openpi) and http://{self.host}:{port}/act; Ctrl-C ends it", flush=True)
        config = uvicorn.Config(
            server.app(),
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=2,
            limit_concurrency=4 * self.clients,
            ws_max_size=LARGEST,
            ws_max_queue=4,
            ws_per_message_deflate=False,
        )
        for number in (signal.SIGTERM, signal.SIGHUP):  # which uvicorn raises again: the log is closed before
            signal.signal(number, signal.default_int_handler)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])
        finally:
            if log is not None:
                log.close()

    def _log(self, manifest: Mapping[str, Any], policy: str) -> "ServedLog | None":
        """Return the log that was asked for."""
        if not self.log:
            return None
        from robo_rlhf.deploy.served_log import ServedLog

        folder = new_dataset(data_home(self.home), self.log)
        return ServedLog(folder, manifest, policy, limit=int(self.log_limit * 2**30), gap=self.log_gap)

    def _check(self) -> None:
        for name, value, low in (("--clients", self.clients, 1), ("--ahead", self.ahead, 0)):
            if not low <= value <= 1024:
                raise InvalidValueError(name, value, f"{low} to 1024")
        for name, more in (("--log-limit", self.log_limit), ("--log-gap", self.log_gap)):
            if not 0 < more < float("inf"):
                raise InvalidValueError(name, more, "more than 0")
        for name, limit in (("--max-change", self.max_change), ("--max-age", self.max_age)):
            if not 0 <= limit < float("inf"):
                raise InvalidValueError(name, limit, "0 for no limit, or more")
        try:
            import msgpack  # noqa: F401
        except ImportError:
            raise MissingDependencyError("msgpack", "policy serve", "Install robo-rlhf[serve].") from None

    def _token(self) -> str:
        """Return the token that clients must show; none where empty."""
        token = os.environ.get(TOKEN, "")
        if self.token_file is not None:
            try:
                token = self.token_file.read_text().partition("\n")[0].strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidValueError("--token-file", self.token_file, f"a readable text file ({error})") from None
        if (token or self.token_file) and len(token) < SHORTEST:
            raise InvalidValueError("token", f"{len(token)} characters", f"at least {SHORTEST}, hard to guess")
        if not token and self.host not in (HOST, "localhost", "::1"):
            raise InvalidValueError("--host", self.host, f"{HOST}, or a token in ${TOKEN} or --token-file beside it")
        return token


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, so that a taken port is reported before the policy is loaded."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        raise BusyError(f"{host}:{port}", f"{error.strerror or error}; give another --port or --host") from None
    return listener
