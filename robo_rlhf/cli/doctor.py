"""`robo-rlhf doctor`: checks of this machine, and the consequence of each missing dependency."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import DatasetName
from robo_rlhf.core.errors import (
    InvalidValueError,
    MissingDependencyError,
    RoboRlhfError,
    UnknownNameError,
    WorkerDiedError,
)
from robo_rlhf.core.files import data_home, find_dataset
from robo_rlhf.processes.worker import WorkerProcess
from robo_rlhf.sim.rendering.gl import LIBRARIES, VARIABLE, choose_backend

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "firefox")
DOCTOR_COPIES = 64  # of the environment, which policies cloned from a dataset are tried in
PROBE_LIMIT = 60  # [s] after which a rendering backend counts as broken
DISK_NEEDED = 2 * 10**9  # [bytes] that a run with clips may take
ALWAYS = ("python", "mujoco", "mujoco batch", "torch", "opencv", "rendering", "h264", "cores", "gpu", "browser", "disk")
NAMES = (*ALWAYS, *(f"rendering {backend}" for backend in LIBRARIES))  # but for the one that is chosen
OPENCV_REMEDY = "On Debian or Ubuntu: apt-get install libgl1 libglib2.0-0; else install this project again."
RENDERING_REMEDY = "On Debian or Ubuntu: apt-get install libegl1 libgl1 libgl1-mesa-dri, or libosmesa6."
REINSTALL = "Install this project again: pip install robo-rlhf, or make setup in a checkout."


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    check: str
    ok: bool
    found: str
    cost: str = ""
    """What the user cannot do, or does more slowly, without it."""
    remedy: str = ""
    essential: bool = False
    """Nothing much works without it."""


@COMMANDS.register("doctor")
@dataclass(frozen=True)
class Doctor:
    """Show what this machine has, and the consequence of each missing dependency.

    The exit code is 0, or 9 where something essential is missing or something that --require names. With --env it tells
    of one outside environment instead: whether it runs with what is installed, and by what its frames are shown and
    entered, as measured on this machine. With --dataset it tells whether demonstrations are enough to learn from,
    and what to do: where they start, how consistent they are, pauses, forces, and how well small policies cloned from
    parts of them do.

    Example:
        robo-rlhf doctor
        robo-rlhf doctor --json --require rendering browser
        robo-rlhf doctor --env Pusher-v5
        robo-rlhf doctor --dataset pick_place
    """

    json: bool = False
    """Print JSON."""
    env: str | None = None
    """An outside environment to tell of, such as Pusher-v5; --env-arg KEY=VALUE gives it an argument."""
    dataset: DatasetName = ""
    """A dataset of demonstrations to tell of, such as samples/pick_place; it takes a minute."""
    require: tuple[str, ...] = ()
    """Checks that have to be fine on top of the essential ones."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""

    def __call__(self) -> int:
        """Run all checks and print them."""
        if self.env is not None and self.dataset:
            raise InvalidValueError("doctor", "--env and --dataset", "one of the two")
        if self.env is not None:
            return self._tell_of(self.env)
        if self.dataset:
            return self._tell_of_dataset()
        for name in self.require:
            if name not in NAMES:
                raise UnknownNameError("check", name, NAMES)
        checks = list(run_checks(data_home(self.home)))
        for name in self.require:
            if name not in {check.check for check in checks}:
                raise UnknownNameError("check", name, (check.check for check in checks))
        if self.json:
            print_rows([asdict(check) for check in checks], as_json=True)
        else:
            _print_for_people(checks)
        bad = [c.check for c in checks if not c.ok and (c.essential or c.check in self.require)]
        return MissingDependencyError.exit_code if bad else 0

    def _tell_of(self, name: str) -> int:
        found = env_rows(name)
        if self.json:
            print(json.dumps(found, indent=2))
        else:
            print_rows([{"of": key, "found": value} for key, value in found.items()], as_json=False)
        return 0

    def _tell_of_dataset(self) -> int:
        use_one_thread()
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.pipeline.dataset_check import dataset_findings
        from robo_rlhf.sim.envs.current_observation import with_current_observations
        from robo_rlhf.sim.envs.task_env import make_env

        dataset = Dataset(find_dataset(data_home(self.home), self.dataset))
        episodes = list(with_current_observations(dataset.load_all()))
        tasks = sorted({episode.meta.task for episode in episodes})
        if len(tasks) != 1:
            raise InvalidValueError(
                f"dataset {self.dataset}", f"episodes of {', '.join(tasks) or 'no task'}", "one task"
            )
        with closing(make_env(tasks[0], DOCTOR_COPIES)) as env:
            found = list(dataset_findings(episodes, env))
        if self.json:
            print_rows([one._asdict() for one in found], as_json=True)
            return 0
        print_rows([{"check": f.check, "fine": f.fine, "found": f.found} for f in found], as_json=False)
        for one in found:
            if not one.fine:
                print(f"{one.check}: {one.advice}")
        return 0


def env_rows(name: str) -> dict[str, object]:
    """Return what is known of an outside environment, by name; it is proven where that was never done.

    Raises:
        RoboRlhfError: there is no such environment, or it does not run with what is installed.
    """
    from robo_rlhf.episodes.drawing import why_not_rendered
    from robo_rlhf.sim.external.collections import pip_line
    from robo_rlhf.sim.external.ids import find
    from robo_rlhf.sim.external.proof import proof_of
    from robo_rlhf.sim.external.vec_env import ExternalVecEnv
    from robo_rlhf.sim.external.versions import listed, versions_of

    recipe = find(name)
    env = ExternalVecEnv(name, 1)
    env.close()
    proof, blind = proof_of(recipe, again=True), why_not_rendered(name)
    pictures = f"; cameras: {', '.join(env.observed_cameras)}" if env.observed_cameras else ""
    return {
        "environment": name,
        "runs with": listed(versions_of(recipe.spec)),
        "installed by": pip_line(recipe.spec) or "what its package says",
        "observation": f"{env.obs_dim} columns{pictures}",
        "action": f"{env.act_dim} columns",
        "episode": f"{env.horizon} steps of {env.control_dt:g} s",
        "state": f"{proof.state_size} numbers" if proof.state_size else "none: it is not MuJoCo",
        "shown by": "its states, from every camera" if proof.drawn else blind or "a replay, from its own camera",
        "entered by": proof.sentence(name),
    }


def _print_for_people(checks: list[Check]) -> None:
    rows = [{"check": c.check, "fine": c.ok, "found": c.found} for c in checks]
    print_rows(rows, as_json=False)
    for check in checks:
        if not check.ok:
            print(f"{check.check}{' (essential)' if check.essential else ''}: {check.cost} {check.remedy}")
    if all(check.ok for check in checks):
        print("All is fine.")


def run_checks(home: Path) -> Iterator[Check]:
    """Yield all checks in the order in which they are shown; `home` is where data will be written."""
    yield _python()
    yield _mujoco()
    yield _mujoco_batch()
    yield _torch()
    yield _opencv()
    yield from _rendering()
    yield _video()
    yield _cores()
    yield _gpu()
    yield _browser()
    yield _disk(home)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), f"{version} ({sys.executable})", essential=True)


def _version(module: str) -> str | None:
    """Return the version of an importable module, None for one that is missing or broken."""
    try:
        return str(importlib.import_module(module).__version__)
    except (ImportError, OSError, AttributeError):  # OSError: a shared library it needs
        return None


def _mujoco() -> Check:
    version = _version("mujoco")
    return Check("mujoco", version is not None, version or "missing", "Nothing can be simulated.", REINSTALL, True)


def _mujoco_batch() -> Check:
    try:
        found = hasattr(importlib.import_module("mujoco.batch"), "Batch")
    except ImportError:
        found = False
    cost = "From 3.8 on the tasks of this project run on threads, slower; below, only outside environments (--env) do."
    remedy = "pip install 'mujoco>=3.17', unless an outside environment pins an older one."
    return Check("mujoco batch", found, "available" if found else "missing", cost, remedy)


def _torch() -> Check:
    version = _version("torch")
    cost = "Nothing can be learned; recording and rendering still work."
    return Check("torch", version is not None, version or "missing", cost, REINSTALL, True)


def _opencv() -> Check:
    version = _version("cv2")  # fails too where a system library is missing
    return Check(
        "opencv",
        version is not None,
        version or "missing",
        "Nothing can be drawn: no clips and no pictures.",
        OPENCV_REMEDY,
        True,
    )


def _rendering() -> Iterator[Check]:
    chosen = choose_backend()
    backends = dict.fromkeys([chosen, *LIBRARIES] if sys.platform.startswith("linux") else [chosen])
    probes = {backend: probe_rendering(backend) for backend in backends}
    found, works = probes[chosen]
    spare = next((backend for backend in backends if probes[backend][1]), None)
    cost = "No clips: episodes can be recorded and learned from, but not watched, compared or shown in a report."
    remedy = RENDERING_REMEDY if spare is None else f"Set {VARIABLE}={spare}, which works here."
    yield Check("rendering", works, found, cost, remedy, essential=True)
    for backend in (backend for backend in backends if backend not in (None, chosen)):
        found, works = probes[backend]
        package = "libosmesa6" if backend == "osmesa" else "libegl1"
        remedy = f"On Debian or Ubuntu: apt-get install {package}."
        yield Check(f"rendering {backend}", works, found, "It is a spare: nothing while rendering is fine.", remedy)


def probe_rendering(backend: str | None, limit: float = PROBE_LIMIT) -> tuple[str, bool]:
    """Render with one backend (None: the system's own) in a separate process, which may crash or hang.

    Returns:
        A description of the result, and whether it works. `limit` [s] is how long it may take.
    """
    worker = WorkerProcess(
        "rendering",
        "robo_rlhf.sim.rendering.gl_probe:start",
        environment={"MUJOCO_GL": backend} if backend else {},
        output=subprocess.DEVNULL,
    )
    try:
        with worker:
            found = worker.ask(None, limit)
    except WorkerDiedError as error:
        return f"no picture within {limit:g} s" if error.late else f"does not work: {error.how}", False
    except (RoboRlhfError, RuntimeError) as error:
        return f"does not work: {str(error).splitlines()[-1][:120]}", False
    name = f"{found['backend'] or 'system'} on {found['driver']}"
    return f"{found['frames_per_s']} frames/s at 320×240, {name}", True


def _video() -> Check:
    cost, remedy = "No clips can be written: nothing to watch, compare or report with pictures.", REINSTALL
    try:
        speed = _encoding_speed()
    except Exception as error:  # whatever fails here, a doctor reports it
        return Check("h264", False, f"{type(error).__name__}: {error}", cost, remedy, True)
    return Check("h264", True, f"{speed:.0f} frames/s at 320×240", essential=True)


def _encoding_speed(frames: int = 60) -> float:
    """Return how many frames a second PyAV encodes as H.264."""
    import io

    import av
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        start = time.perf_counter()
        for shift in range(frames):
            picture = av.VideoFrame.from_ndarray(np.roll(noise // 4 + 64, shift, axis=1), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        return frames / (time.perf_counter() - start)


def _cores() -> Check:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cost = "Simulation, rendering and learning take turns: a run takes about twice as long as on two cores."
    return Check("cores", count >= 2, str(count), cost, "Use a machine with two cores or more.")


def _gpu() -> Check:
    torch = importlib.import_module("torch") if _version("torch") else None
    found = torch is not None and torch.cuda.is_available()
    name = str(torch.cuda.get_device_name()) if torch is not None and found else "none"
    cost = "Little: simulation and the small networks used here run on the CPU; rendering would be faster."
    return Check("gpu", found, name, cost, "An NVIDIA driver and a torch build with CUDA, where there is such a card.")


def _browser() -> Check:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None and sys.platform in ("darwin", "win32"):
        return Check("browser", True, "the system's own")
    cost = "Reports cannot be opened on this machine (copy report.html to another), and browser tests do not run."
    return Check("browser", found is not None, found or "none", cost, "On Debian: apt-get install chromium.")


def _disk(home: Path) -> Check:
    existing = home.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    writable = os.access(existing, os.W_OK)
    found = f"{free / 1e9:.1f} GB free for {home}" if writable else f"{existing} is not writable"
    cost = f"A run with clips may take {DISK_NEEDED / 1e9:.0f} GB; it stops before the disk is full and can resume."
    remedy = "Make room, or name another place with --home or $ROBO_RLHF_HOME."
    return Check("disk", writable and free >= DISK_NEEDED, found, cost, remedy, essential=not writable)
