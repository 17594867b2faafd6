"""`robo-rlhf record`: drive a robot and record the episodes."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import tyro

from robo_rlhf.cli import (
    COMMANDS,
    STAYS,
)
from robo_rlhf.cli.checking import MaybeSeed
from robo_rlhf.cli.device_options import device_options, key_lines
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.checks import (
    NewDataset,
)
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, feedback_database, find_dataset, new_dataset
from robo_rlhf.core.registry import Choices, known
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.names import OnRobot, World
from robo_rlhf.vision.torch_device import OnTorchDevice
from teleop.devices import DEVICES

if TYPE_CHECKING:
    from robo_rlhf.data.dataset import Dataset
    from teleop.devices import Device, Handheld
    from teleop.session.unattended import RecordedSummary
    from teleop.worlds.opening import World as DrivenWorld


@COMMANDS.register("record")
@dataclass(frozen=True, kw_only=True)
class Record(OnRobot, OnTorchDevice):
    """Record episodes of a task or an outside environment from a device, in real time.

    browser (the default) starts the operator station and opens the operate page. keyboard, gamepad and spacemouse
    are those of this machine: the session is the same, shown in the terminal, also over ssh. scripted and replay need
    no person: an episode of theirs ends when success has lasted for half a second, or after 1.6 times the task's
    horizon. Each episode is kept as soon as it is over, whatever stops the command; one that Ctrl-C cuts short is kept
    as aborted.

    Keys and buttons:
        KEYS

    Example:
        robo-rlhf record --task pick_place
        robo-rlhf record --task pick_place --device keyboard --set speed=3
        robo-rlhf record --task pick_place --device scripted --episodes 25
        robo-rlhf record --env Pusher-v5 --controls joint1=0,joint2=1,joint3=2
        robo-rlhf record --task reach --device replay --set episode=samples/reach/reach-3000001 --dataset again
        robo-rlhf record --task pick_place --delay-frames 2 --delay-actions 1 --speed-limit 0.5
    """

    stopped: ClassVar = STAYS

    task: Annotated[World, tyro.conf.arg(aliases=["--env"])]
    """Task or outside environment to record; --env-arg KEY=VALUE gives such a one an argument."""
    device: Annotated[str, Choices(DEVICES)] = "browser"
    """Input device."""
    episodes: Annotated[int | None, tyro.conf.arg(aliases=["-n"])] = None
    """Episodes to record, with --only-successes successful ones; else 10 where no person drives, and until Ctrl-C."""
    dataset: NewDataset = ""
    """Name of the dataset in the data home, made where it is missing; the task's name where empty."""
    operator: str = ""
    """Name of the operator, stored with each episode; where empty the login name, or the device's without a person."""
    policy: str = ""
    """Checkpoint in the data home that drives; moving the device takes over."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """An option of the device, as NAME=VALUE: path, heading [deg], speed, deadzone, curve, hold [s], episode."""
    controls: str = ""
    """What drives the columns of an action, such as x=0,y=1,z=2,gripper=3; kept for the task, changed on the page."""
    seed: MaybeSeed = None
    """Seed of the first episode, those of the next count up; else what follows the highest in the dataset."""
    conditions: tyro.conf.OmitArgPrefixes[Conditions] = field(default_factory=Conditions)
    """Conditions of the real world that are recorded under: for who drives, and for policies."""
    only_successes: bool = False
    """Move episodes that fail to the dataset's trash."""
    no_pace: bool = False
    """Do not wait for the clock: for devices that need no person."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Record, with a bar, and print what was kept."""
        if self.episodes is not None and self.episodes < 1:
            raise InvalidValueError("--episodes", self.episodes, "at least 1")
        from robo_rlhf.sim.tasks import TASKS

        if not is_outside(self.task):
            known(TASKS, self.task)  # unknown names are refused before anything is loaded or made
        known(DEVICES, self.device)
        device = DEVICES[self.device]
        options = device_options(device, self.set)
        if self.device != "browser" and not device.handheld:
            return self._alone(device, options)
        from teleop.input.action_mapping import check_joints
        from teleop.worlds.opening import open_driven

        if self.controls or is_outside(self.task) or device.handheld or self.conditions:  # refused here, if at all
            with closing(open_driven(self.task, self.conditions)) as world:
                self._remember(world)
                if device.gives_joints:
                    check_joints(self.device, self.task, world.usual_controls)
                if device.handheld:
                    return self._by_hand(world, device, options)
        return self._in_browser()

    def _remember(self, world: "DrivenWorld") -> None:
        """Keep the controls of the command line for the task; raises as `parse_controls`."""
        from robo_rlhf.sim.external.controls import parse_controls
        from teleop.worlds.remembered_controls import read_controls, write_controls

        home, usual = data_home(self.home).absolute(), world.usual_controls
        if self.controls:
            write_controls(home, self.task, parse_controls(self.controls, usual), usual)
        read_controls(home, self.task, usual)

    def _in_browser(self) -> int:
        """Serve the station, and open the operate page."""
        from urllib.parse import urlencode

        from robo_rlhf.cli.serve import Serve, run_station

        self._refuse("the browser", episodes=self.episodes is not None, operator=bool(self.operator), json=self.json)
        asked = {"task": self.task, "dataset": self.dataset, "seed": self.seed, "policy": self.policy, "start": 1}
        usual = asdict(Conditions())
        asked |= {name: value for name, value in asdict(self.conditions).items() if value != usual[name]}
        query = urlencode({name: value for name, value in asked.items() if value not in ("", None)})
        outside = (self.task,) if is_outside(self.task) else ()
        return run_station(Serve(home=self.home, env=outside), data_home(self.home).absolute(), f"/operate?{query}")

    def _by_hand(self, env: "DrivenWorld", device: "type[Device]", options: dict[str, Any]) -> int:
        """Let a person drive with a device of this machine."""
        from robo_rlhf.cli.record_live import drive
        from teleop.ipc.messages import Begin

        self._refuse(f"the {self.device}")
        dataset = self._open_dataset()
        begin = Begin(
            home=data_home(self.home).absolute(),
            dataset=self.dataset or self.task,
            task=self.task,
            operator=self.operator or _login_name(),
            seed=self.seed,
            policy=self.policy,
            label=self.device,
            conditions=self.conditions,
        )
        try:
            status = drive(env, cast("type[Handheld]", device), options, begin, self.episodes)
        finally:
            self._keep_preferences(self.dataset or self.task)
        row = {
            "dataset": dataset.path.name,
            "kept": status.kept if status else 0,
            "successes": status.successes if status else 0,
            "discarded": status.discarded if status else 0,
            "in the dataset": len(dataset),
        }
        print_rows([row], as_json=self.json)
        return 0

    def _keep_preferences(self, dataset: str) -> None:
        """Store what rewinds and takeovers say, where there were any."""
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.feedback.implicit.keeping import update
        from robo_rlhf.feedback.store import Store

        home = data_home(self.home)
        details = (
            info.meta.parent or "correction" in info.meta.tags for info in Dataset(find_dataset(home, dataset)).list()
        )
        if any(details):
            with Store(feedback_database(home)) as store:
                update(home, store, dataset)

    def _alone(self, device: "type[Device]", options: dict[str, Any]) -> int:
        """Record a device that needs no person."""
        if is_outside(self.task):
            expected = "a device that a person holds; policies are recorded by: robo-rlhf rollout --env ID"
            raise InvalidValueError("--device", f"{self.device} in {self.task}", expected)
        if self.controls:
            raise InvalidValueError("--controls", f"device {self.device}", "a device that a person holds")
        from teleop.worlds.opening import open_driven

        env = open_driven(self.task, self.conditions)
        if self.policy:
            raise InvalidValueError("--policy", f"device {self.device}", "a device that a person holds")
        if self.device == "replay":
            options["home"] = self.home
        made = device(env, **options)  # which may refuse: no dataset is made then
        dataset = self._open_dataset()
        done: list[RecordedSummary] = []
        try:
            with made as opened:
                self._record(env, opened, dataset, done)
        finally:  # also after Ctrl-C
            print_rows(self._rows(dataset, done), as_json=self.json)
        return 0

    def _refuse(self, what: str, **more: bool) -> None:
        """Refuse options that mean nothing where a person drives.

        Raises:
            InvalidValueError: one of them was given.
        """
        for name, given in {"only_successes": self.only_successes, "no_pace": self.no_pace, **more}.items():
            if given:
                option = f"--{name.replace('_', '-')}"
                raise InvalidValueError(option, f"device {self.device}", f"a device other than {what}")

    def _open_dataset(self) -> "Dataset":
        from robo_rlhf.data.dataset import MIXED, Dataset

        folder = new_dataset(data_home(self.home), self.dataset or self.task)
        dataset = Dataset(folder, create=True, task=MIXED if self.dataset else self.task)
        for episode_id in dataset.recovery.recovered:
            print(f"recovered {episode_id}, which a crash had cut short", file=sys.stderr)
        return dataset

    def _record(self, env: "DrivenWorld", device: "Device", dataset: "Dataset", done: "list[RecordedSummary]") -> None:
        """Record until there are enough, and note in `done` what was."""
        from teleop.session.unattended import UnattendedSession

        by, pace = self.operator or self.device, not self.no_pace
        replayed = getattr(device, "episode", None)
        wanted = self.episodes or (10 if replayed is None else 1)
        enough = 0
        with (
            UnattendedSession(env, device, dataset, operator=by, pace=pace, on_trouble=_print_trouble) as session,
            progress_bar(f"{self.task} by {self.device}", ("successes",)) as tell,
            self._seeds(dataset, wanted) if replayed is None else nullcontext(repeat(replayed.meta.seed)) as seeds,
        ):
            while enough < wanted:
                recorded = session.record(next(seeds))
                done.append(recorded)
                if self.only_successes and recorded.outcome == "failure":
                    dataset.delete(recorded.id)
                enough = sum(r.outcome == "success" or not self.only_successes for r in done)
                tell(enough, wanted, {"successes": sum(r.outcome == "success" for r in done)})
        if replayed is not None:
            _print_deviation(device)

    @contextmanager
    def _seeds(self, dataset: "Dataset", wanted: int) -> Iterator[Iterator[int]]:
        """Reserve seeds against other processes that record at the same time, and yield them one by one.

        Raises:
            ConflictError: another process is at work on one.
        """
        from robo_rlhf.data.recording.reserved_seeds import Reservation, Wanted

        with Reservation(dataset, Wanted(self.task, wanted, self.seed)) as reserved:
            yield chain(tuple(reserved.seeds), iter(reserved.more, None))

    def _rows(self, dataset: "Dataset", done: "list[RecordedSummary]") -> "list[dict[str, object]]":
        kept = [recorded for recorded in done if recorded.id in dataset]
        steps = sum(recorded.steps for recorded in kept)
        return [
            {
                "dataset": dataset.path.name,
                "recorded": len(done),
                "kept": len(kept),
                "successes": sum(recorded.outcome == "success" for recorded in kept),
                "mean steps": round(steps / max(len(kept), 1), 1),
                "in the dataset": len(dataset),
            }
        ]


def _login_name() -> str:
    """Return who is logged in; "operator" where the system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a list of users
        return "operator"


def _print_deviation(device: "Device") -> None:
    """Print how far a replay was from its original."""
    deviation: float = device.measure()  # type: ignore[attr-defined]
    off = f"positions that differ by at most {deviation:.3g} m or rad"
    same = "the same states bit for bit" if deviation == 0 else off
    print(f"the replay has {same}", file=sys.stderr)


def _print_trouble(trouble: str) -> None:
    print(f"waiting: {trouble}", file=sys.stderr)


assert Record.__doc__ is not None
Record.__doc__ = Record.__doc__.replace("        KEYS", key_lines())  # from the tables that the devices use
