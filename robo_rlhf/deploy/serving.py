"""A policy for several robots at once: an episode's state for each, and networks that run on what all of them ask."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.deploy.export import Deployable
from robo_rlhf.deploy.exported import Safety, Stepper, checked_pictures, numpy_noise, observation
from robo_rlhf.deploy.served_log import Served, ServedLog, check_pictures

KNOWN = ("observation", "reset", "age", "success", "pictures")  # keys of a request beside the names of columns


@dataclass(frozen=True)
class ServingOptions:
    """How a policy is served."""

    ahead: int = 0  # steps by which the next chunk is predicted before it is due
    max_change: float = 0.0  # as in `Safety`
    max_age: float = 0.0  # [s], as in `Safety`
    hold: Literal["zero", "last"] = "zero"
    dry_run: bool = False
    seed: int = 0  # of the policy's own randomness


class Batcher:
    """Runs networks in a thread of its own: what was asked while one ran is run together."""

    def __init__(self, policy: Deployable) -> None:
        """Run the networks of `policy`."""
        self.modules = [module.eval() for module in policy.modules()]
        self.waiting: defaultdict[int, list[tuple[Mapping[str, Array], asyncio.Future[Array]]]] = defaultdict(list)
        self.thread = ThreadPoolExecutor(1, "policy")
        self.task: asyncio.Task[None] | None = None

    async def run(self, part: int, inputs: Mapping[str, Array]) -> Array:
        """Return what network `part` gives for rows of inputs (N, columns) each."""
        future: asyncio.Future[Array] = asyncio.get_running_loop().create_future()
        self.waiting[part].append((inputs, future))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self.waiting:
            part = next(iter(self.waiting))
            asked = self.waiting.pop(part)
            rows = [len(next(iter(inputs.values()))) for inputs, _ in asked]
            joined = [torch.from_numpy(np.concatenate([i[name] for i, _ in asked])) for name in asked[0][0]]
            try:
                found = await asyncio.get_running_loop().run_in_executor(self.thread, self._run, part, joined)
            except Exception as error:  # each caller gets it
                for _, future in asked:
                    if not future.cancelled():
                        future.set_exception(error)
                continue
            for (_, future), given in zip(asked, np.split(found, np.cumsum(rows)[:-1]), strict=True):
                if not future.cancelled():
                    future.set_result(given)

    def _run(self, part: int, inputs: list[Tensor]) -> Array:
        with torch.inference_mode():
            found: Array = self.modules[part](*inputs).numpy()
        return found


class Serving:
    """What is served: a policy, its options, and the networks."""

    def __init__(self, policy: Deployable, options: ServingOptions, log: ServedLog | None = None) -> None:
        """Prepare it.

        With a log, an answer holds one action, so that the observation before each action is known.

        Raises:
            InvalidValueError: a chunk is too short for predictions so far ahead.
        """
        self.policy, self.options, self.batcher = policy, options, Batcher(policy)
        self.manifest, self.sessions, self.log = policy.manifest, 0, log
        parts = self.manifest["parts"]
        for part in parts:
            spare = part["chunk"] - part["execution_horizon"]
            if part["chunk"] and not 0 <= options.ahead <= min(spare, part["execution_horizon"] - 1):
                expected = (
                    f"at most {min(spare, part['execution_horizon'] - 1)} steps: chunks of {part['chunk']} actions"
                )
                raise InvalidValueError(
                    "--ahead", options.ahead, f"{expected}, {part['execution_horizon']} carried out"
                )
        self.cameras: Mapping[str, Any] = self.manifest.get("pictures", {})
        if self.cameras and options.ahead:
            raise InvalidValueError(
                "--ahead", options.ahead, "0 for a policy with cameras, which looks when it predicts"
            )
        acts = [part for part in parts if not part["pictures"]]
        plain = len(acts) == 1 and acts[0]["chunk"] and acts[0]["history"] == 1 and "mask" not in self.manifest
        whole = plain and acts[0]["ensemble_decay"] is None and not options.ahead and log is None
        self.per_request: int = acts[0]["execution_horizon"] if whole else 1  # actions that an answer holds

    @property
    def metadata(self) -> dict[str, Any]:
        """What a client receives first."""
        names = ("task", "kind", "obs_names", "action_names", "control_hz")
        about = {name: self.manifest[name] for name in names} | {"actions_per_request": self.per_request}
        return about | ({"pictures": self.cameras} if self.cameras else {})

    def session(self, client: str = "") -> "RobotSession":
        """Return a new session of a client; each has random numbers of its own."""
        self.sessions += 1
        return RobotSession(self, self.options.seed + self.sessions - 1, client)


class RobotSession:
    """One robot's episodes. Its requests are answered one after the other."""

    def __init__(self, serving: Serving, seed: int, client: str = "") -> None:
        """Begin an episode."""
        self.serving, self.noise = serving, numpy_noise(seed)
        self.write = serving.log.robot(client) if serving.log is not None else None
        self.lock = asyncio.Lock()
        self.reset()

    def reset(self) -> None:
        """Begin another episode."""
        options, manifest = self.serving.options, self.serving.manifest
        self.stepper = Stepper(manifest, self.noise)
        self.safety = Safety(
            len(manifest["action_names"]),
            max_change=options.max_change,
            max_age=options.max_age,
            hold=options.hold,
            dry_run=options.dry_run,
        )
        self.predicted: dict[int, asyncio.Task[Array]] = {}

    def leave(self) -> None:
        """End the episode of a robot that went away, in the log."""
        if self.write is not None:
            self.write(None)

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request: "actions" (H, act_dim), and "held" where the robot holds instead.

        Args:
            request: "observation" (obs_dim,), or one number for each name of a column; "reset" true at the start of an
                episode; "age", the age of the observation [s]; "pictures", (H, W, 3) uint8 by camera, those that
                the policy sees, and any for the log; "success", whether the task is done, for the log.

        Raises:
            InvalidValueError: something is missing, unknown or not finite.
        """
        asked = asyncio.get_running_loop().time()
        obs, age = self._read(request)
        pictures, seen = self._see(request)
        async with self.lock:
            if request.get("reset"):
                self.reset()
            if not seen and self.stepper.looks():
                expected = f"those of {', '.join(self.serving.cameras)}: the policy looks at this step"
                raise InvalidValueError("pictures", "none", expected)
            found = await self._actions(obs, seen)
            waited = asyncio.get_running_loop().time() - asked
            try:
                actions, why = self.safety.apply(found, age + waited)
            except ValueError as error:
                raise InvalidValueError("policy", str(error), "finite actions") from None
            if self.write is not None:
                latency = asyncio.get_running_loop().time() - asked
                reset, success = bool(request.get("reset")), request.get("success")
                success = None if success is None else bool(success)
                held = bool(why)
                self.write(Served(obs, actions[0], age, latency, held, reset, success, pictures, time.time()))
        answer: dict[str, Any] = {"actions": actions, "server_timing": {"infer_ms": 1000 * waited}}
        return answer | ({"held": why, "would_be": found} if why else {})

    def _read(self, request: Mapping[str, Any]) -> tuple[Array, float]:
        names = self.serving.manifest["obs_names"]
        columns = {name: value for name, value in request.items() if name not in KNOWN}
        if "observation" in request and columns:
            raise InvalidValueError(
                "request", ", ".join(columns)[:200], f"observation, {', '.join(KNOWN[1:])}, no more"
            )
        age = request.get("age", 0.0)
        if not isinstance(age, int | float | np.number) or not 0 <= age < 1e6:
            raise InvalidValueError("age of an observation", str(age)[:40], "seconds since it was taken")
        for name in ("reset", "success"):
            if not isinstance(request.get(name) or False, bool | np.bool_):
                raise InvalidValueError(name, str(request[name])[:40], "true or false")
        try:
            return observation(request.get("observation", columns), names), float(age)
        except (ValueError, TypeError) as error:
            raise InvalidValueError("request", str(error)[:500], "the observation that the metadata names") from None

    def _see(self, request: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the pictures of a request: all of them, for the log, and those that the policy sees."""
        given, cameras = request.get("pictures", {}), self.serving.cameras
        if not given:
            return {}, {}
        seen: dict[str, Array] = {}
        if cameras:
            mine = {name: given[name] for name in cameras if name in given} if isinstance(given, dict) else given
            try:
                seen = checked_pictures(given if self.write is None else mine, cameras)
            except ValueError as error:
                raise InvalidValueError("request", str(error)[:500], "the pictures that the metadata names") from None
        if cameras and self.write is None:
            return seen, seen
        return check_pictures({**given, **seen} if isinstance(given, dict) else given), seen

    async def _actions(self, obs: Array, pictures: Mapping[str, Array]) -> Array:
        """Return the next actions (H, act_dim)."""
        batcher, ahead = self.serving.batcher, self.serving.options.ahead
        steps, given = self.stepper.act(obs, pictures), None
        try:
            while True:
                part, inputs = next(steps) if given is None else steps.send(given)
                early = self.predicted.pop(part, None)
                given = await batcher.run(part, inputs) if early is None else (await early)[:, ahead:]
                if self.serving.per_request > 1 and self.serving.manifest["parts"][part]["chunk"]:  # nothing is queued
                    return given[0, : self.serving.per_request]
        except StopIteration as over:
            action: Array = over.value
        for part, inputs in self.stepper.early(ahead):
            self.predicted[part] = asyncio.create_task(batcher.run(part, inputs))
        return action[None]
