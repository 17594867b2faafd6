"""A policy that was exported: its networks, run step by step. `robo-rlhf policy export` puts a copy into each folder.

It imports nothing of robo_rlhf, only numpy, and onnxruntime for ONNX. On a robot's computer:

    from exported_policy import ExportedPolicy
    policy = ExportedPolicy("folder/of/the/export")
    policy.reset()
    action = policy.act({"hand_x": 0.1, ...})  # one number for each name in policy.obs_names; returns (act_dim,)

A policy with cameras also takes pictures, (H, W, 3) uint8 by camera, as policy.manifest["pictures"] says; where
policy.looks() is false, the next action needs none:

    action = policy.act({"hand_x": 0.1, ...}, {"front": front, "wrist": wrist})
"""

import json
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# Inputs of a network by name, (N, columns) float32 or (N, H, W, 3) uint8 each → its actions, or its features
Run = Callable[[Mapping[str, Array]], Array]
NOTHING: Mapping[str, Array] = {}
Request = tuple[int, dict[str, Array]]  # which part is to be run, and on what


def observation(given: "Mapping[str, float] | Sequence[float] | Array", names: Sequence[str]) -> Array:
    """Return one observation (obs_dim,) float32: from an array, or from one number for each of `names`.

    Raises:
        ValueError: a name is missing or unknown, the size is another, or a value is not finite.
    """
    if isinstance(given, Mapping):
        missing, unknown = [n for n in names if n not in given], [str(n) for n in given if n not in names]
        if missing or unknown:
            problems = [
                f"{what}: {', '.join(which[:8])}"
                for what, which in (("missing", missing), ("unknown", unknown))
                if which
            ]
            raise ValueError(
                f"observation: {'; '.join(problems)}; expected {len(names)} names, from {names[0]} to {names[-1]}"
            )
        given = [given[name] for name in names]
    found = np.asarray(given, np.float32)
    if found.shape != (len(names),):
        raise ValueError(f"observation: shape {found.shape}, expected ({len(names)},): {', '.join(names)}")
    wrong = [name for name, good in zip(names, np.isfinite(found), strict=True) if not good]
    if wrong:
        raise ValueError(f"observation: {', '.join(wrong[:8])} not finite")
    return found


def checked_pictures(given: object, cameras: Mapping[str, Mapping[str, Any]]) -> dict[str, Array]:
    """Return the picture (H, W, 3) uint8 of each of `cameras`, which are as the manifest describes them.

    Raises:
        ValueError: one is missing, unknown, or not as the policy was trained with; it is named.
    """
    found: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
    missing, unknown = [n for n in cameras if n not in found], [str(n)[:40] for n in found if n not in cameras]
    for what, which in (("missing", missing), ("unknown", unknown)):
        if which:
            raise ValueError(f"pictures: {what}: {', '.join(which[:8])}; expected {', '.join(cameras) or 'none'}")
    return {name: _picture(name, found[name], tuple(about["shape"])) for name, about in cameras.items()}


def _picture(name: str, given: object, shape: tuple[int, ...]) -> Array:
    expected = f"expected {shape} of uint8 from 0 to 255: rows, columns, RGB"
    try:
        found = np.asarray(given)
    except ValueError:  # rows of different length
        raise ValueError(f"picture of {name}: rows of different length; {expected}") from None
    high, wide, channels = shape
    problem = ""
    if found.dtype.kind not in "iu":
        problem = f"numbers of {found.dtype}"
    elif found.shape == (channels, high, wide):
        problem = "channels first"
    elif found.shape[:2] == (high, wide) and found.ndim in (2, 3) and found.shape != shape:
        problem = (
            "one channel, such as depth" if found.ndim == 2 or found.shape[2] == 1 else f"{found.shape[2]} channels"
        )
    elif found.shape != shape:
        problem = f"shape {found.shape}"
    elif found.dtype != np.uint8 and (found.min() < 0 or found.max() > 255):
        problem = f"numbers from {found.min()} to {found.max()}"
    if problem:
        raise ValueError(f"picture of {name}: {problem}; {expected}")
    return np.ascontiguousarray(found, np.uint8)


class Queue:
    """What the first network of a policy predicted and is still to be carried out, in one episode."""

    def __init__(self, part: Mapping[str, Any]) -> None:
        """Carry out the predictions of `part`, one of the manifest's parts with a chunk."""
        self.part, self.time = part, 0
        self.plans: list[tuple[int, Array]] = []  # start and prediction (chunk, act_dim), oldest first

    def due(self) -> bool:
        """Whether a new prediction is to be made at this step."""
        return bool(self.time % self.part["execution_horizon"] == 0)

    def add(self, chunk: Array) -> None:
        """Take a new prediction (chunk, act_dim) for this step and those that follow."""
        self.plans.append((self.time, chunk))

    def next(self) -> Array:
        """Return this step's action (act_dim,), and go on to the next step."""
        decay = self.part["ensemble_decay"]
        self.plans = [(start, plan) for start, plan in self.plans if self.time - start < len(plan)]
        if decay is None:
            self.plans = self.plans[-1:]
        actions = np.stack([plan[self.time - start] for start, plan in self.plans])  # (P, act_dim)
        weight = np.exp(-(decay or 0.0) * np.arange(len(actions), dtype=np.float32))
        self.time += 1
        mean: Array = (actions * weight[:, None]).sum(0) / weight.sum()
        return mean.clip(-1.0, 1.0)


class Stepper:
    """The state of one episode: what was seen, what is queued. It asks for networks to be run, and runs none."""

    def __init__(self, manifest: Mapping[str, Any], noise: Callable[[str, int], Array]) -> None:
        """Begin an episode of a policy.

        Args:
            manifest: what policy.json holds.
            noise: returns so many random numbers (columns,) of a distribution, normal or exponential.
        """
        self.manifest, self.noise = manifest, noise
        self.parts: list[dict[str, Any]] = manifest["parts"]
        self.queues = [Queue(part) for part in self.parts]
        self.features: Array | None = None  # of the last look, where the first part has pictures
        self.seen = deque[Array](maxlen=max(part["history"] for part in self.parts))
        mask = manifest.get("mask")
        self.earlier = deque[Array](maxlen=mask["delay"] + 1) if mask else None

    def look(self, obs: Array) -> Array:
        """Return the observation (k,) as the networks get it, and remember it: masked, with what the cameras showed."""
        if self.earlier is not None:
            mask, full = self.manifest["mask"], self.earlier.maxlen or 1
            self.earlier.extend([obs] * (full - len(self.earlier) if len(self.earlier) < full - 1 else 1))
            before = self.earlier[0]
            obs = np.where(mask["hidden"], np.float32(0), np.where(mask["late"], before, obs))
        if "columns" in self.manifest:
            obs = obs[self.manifest["columns"]]
        if self.features is not None:
            obs = np.concatenate([obs, self.features])
        self.seen.extend([obs] * (1 if self.seen else self.seen.maxlen or 1))
        return obs

    def looks(self) -> bool:
        """Whether the next action depends on new pictures: not while predicted actions wait."""
        if not self.parts[0].get("pictures"):
            return False
        part = self.parts[1]
        return bool(part["chunk"] == 0 or part["history"] > 1 or self.queues[1].due())

    def act(self, obs: Array, pictures: Mapping[str, Array] = NOTHING) -> Generator[Request, Array, Array]:
        """Yield each network to run as (part, inputs), be sent what it gives, and return the action (act_dim,).

        `pictures` are as `checked_pictures` returns them; they may be left out where the policy does not look.
        """
        if self.looks():
            self.features = (yield 0, {name: pictures[name][None] for name in self.parts[0]["pictures"]})[0]
        obs, action = self.look(obs), None
        for k, (part, queue) in enumerate(zip(self.parts, self.queues, strict=True)):
            if part.get("pictures"):
                continue
            if part["chunk"] == 0:
                action = np.asarray((yield k, self.inputs(part, obs, action))[0])
                continue
            if queue.due():
                queue.add((yield k, self.inputs(part, obs, action))[0])
            action = queue.next()
        assert action is not None
        return action

    def early(self, ahead: int) -> list[Request]:
        """Return the networks to run now, of which the prediction is due in `ahead` steps."""
        return [
            (k, self.inputs(part, self.seen[-1], None))
            for k, (part, queue) in enumerate(zip(self.parts, self.queues, strict=True))
            if part["chunk"] and ahead and (queue.time - 1 + ahead) % part["execution_horizon"] == 0
        ]

    def inputs(self, part: Mapping[str, Any], obs: Array, action: Array | None) -> dict[str, Array]:
        """Return what a network is run on: rows of one observation, of the action before it, and of noise."""
        found = {"obs": np.concatenate(list(self.seen)[-part["history"] :]) if part["history"] > 1 else obs}
        if "action" in part["inputs"]:
            assert action is not None
            found["action"] = action
        if "noise" in part["inputs"]:
            found["noise"] = self.noise(part["noise"], part["inputs"]["noise"])
        return {name: np.asarray(value, np.float32)[None] for name, value in found.items()}


class Safety:
    """Limits on the actions of a policy, between the policy and the robot."""

    def __init__(
        self, act_dim: int, *, max_change: float = 0.0, max_age: float = 0.0, hold: str = "zero", dry_run: bool = False
    ) -> None:
        """Begin with the robot at rest.

        Args:
            act_dim: size of an action.
            max_change: largest change of an action's column from one step to the next; 0 for no limit.
            max_age: age of an observation [s] from which on the robot holds; 0 for no limit.
            hold: the action that holds: "zero", where actions are velocities or differences, or "last".
            dry_run: always hold, and only tell what the policy would do.
        """
        self.max_change, self.max_age, self.hold, self.dry_run = max_change, max_age, hold, dry_run
        self.last = np.zeros(act_dim, np.float32)

    def apply(self, actions: Array, age: float = 0.0) -> tuple[Array, str]:
        """Return the actions (H, act_dim) to carry out, and why the robot holds instead: "stale", "dry run" or "".

        Raises:
            ValueError: an action is not finite.
        """
        if not np.isfinite(actions).all():
            raise ValueError("the policy gave an action that is not finite; hold the robot")
        why = "stale" if self.max_age and age > self.max_age else "dry run" if self.dry_run else ""
        if why:
            actions = np.zeros_like(actions) if self.hold == "zero" else np.broadcast_to(self.last, actions.shape)
        allowed = []
        for action in np.clip(actions, -1.0, 1.0):
            step = (
                np.clip(action - self.last, -self.max_change, self.max_change)
                if self.max_change
                else action - self.last
            )
            self.last = (self.last + step).astype(np.float32)
            allowed.append(self.last)
        return np.stack(allowed), why


def numpy_noise(seed: int) -> Callable[[str, int], Array]:
    """Return a source of random numbers for `Stepper`."""
    rng = np.random.default_rng(seed)
    draw: dict[str, Callable[..., Array]] = {"normal": rng.standard_normal, "exponential": rng.standard_exponential}
    return lambda kind, columns: draw[kind](columns, np.float32)


class ExportedPolicy:
    """An exported policy, for one robot."""

    def __init__(
        self,
        folder: str | Path,
        *,
        seed: int = 0,
        noise: Callable[[str, int], Array] | None = None,
        runs: Sequence[Run] | None = None,
    ) -> None:
        """Load the networks of a folder.

        Args:
            folder: where policy.json and the networks are.
            seed: of the policy's own randomness.
            noise: another source of it: gives so many numbers (columns,) of a distribution, normal or exponential.
            runs: what runs each network, in order, in place of onnxruntime.

        Raises:
            OSError: there is no policy.json, or a network is missing.
            ValueError: a network is no ONNX file, and `runs` is not given.
        """
        path = Path(folder)
        self.manifest: dict[str, Any] = json.loads((path / "policy.json").read_text())
        self.obs_names: list[str] = self.manifest["obs_names"]
        self.action_names: list[str] = self.manifest["action_names"]
        self.control_hz: float = self.manifest["control_hz"]
        self.noise = noise or numpy_noise(seed)
        self.runs = runs or [_network(path / part["file"]) for part in self.manifest["parts"]]
        self.reset()

    def reset(self) -> None:
        """Begin an episode: forget what was seen and queued."""
        self.stepper = Stepper(self.manifest, self.noise)

    def looks(self) -> bool:
        """Whether the next action depends on new pictures."""
        return self.stepper.looks()

    def act(
        self,
        obs: "Mapping[str, float] | Sequence[float] | Array",
        pictures: "Mapping[str, Array] | None" = None,
    ) -> Array:
        """Return the action (act_dim,) in [-1, 1] for one observation: (obs_dim,), or a number for each name.

        `pictures`: (H, W, 3) uint8 by camera, for a policy with cameras; needed where `looks` says so.

        Raises:
            ValueError: the observation lacks a name, has another size, or is not finite; or a picture is missing or
                not as the policy was trained with.
        """
        seen: dict[str, Array] = {}
        if pictures is not None or self.looks():
            seen = checked_pictures(pictures, self.manifest.get("pictures", {}))
        steps = self.stepper.act(observation(obs, self.obs_names), seen)
        given: Array | None = None
        while True:
            try:
                part, inputs = steps.send(given) if given is not None else next(steps)
            except StopIteration as over:
                action: Array = over.value
                return action
            given = self.runs[part](inputs)


def _network(path: Path) -> Run:
    if path.suffix != ".onnx":
        raise ValueError(f"{path.name}: only ONNX is loaded here; load other files yourself and give them as runs=")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(None, dict(inputs))[0])
