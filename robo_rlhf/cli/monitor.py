"""`robo-rlhf monitor`: whether a policy in use still meets what it was trained on."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.database import DatabaseOptions
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import DatasetName, Meant, NewDataset, check_dataset
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home
from robo_rlhf.policies.latest_policy import source_of

EVERY = 10.0  # [s] between two looks


@COMMANDS.register("monitor")
@dataclass(frozen=True, kw_only=True)
class MonitorCommand(DatabaseOptions):
    """Compare a policy's newest episodes in use with what it was trained on, and show what looks new.

    Watched are each column and its changes, the policy's features, the disagreement of an ensemble (the seeds of its
    run) or of the policy's own samples, each with a level learned on held-out episodes of the reference, success as
    reported, and latency. The monitor page shows what was found last. The exit status is 1 where there is an alarm.

    Example:
        robo-rlhf monitor in-use --policy main-run
        robo-rlhf monitor in-use --policy main-run --reference first-week --follow
        robo-rlhf monitor in-use --send review
    """

    dataset: Annotated[str, tyro.conf.Positional, Meant(check_dataset)]
    """Name of the dataset in the data home, such as the one that `policy serve --log` writes."""
    policy: str = ""
    """A checkpoint, a run's folder or name, or a stage of one (RUN/clone)."""
    reference: DatasetName = ""
    """Episodes that are as they should be; where empty, those that the policy was trained on. A policy's own episodes
    differ from demonstrations: name some of its own that went well."""
    follow: bool = False
    """Look again whenever there are new episodes, until Ctrl-C."""
    send: Literal["", "review", "corrections", "training"] = ""
    """Send the moments that looked new last: to review (is this good?), to corrections (show how), or their episodes
    into another dataset, to train on."""
    to: NewDataset = ""
    """That dataset; DATASET-new where empty."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Look, or send what was found."""
        home = data_home(self.home)
        if self.send:
            return self._send(home)
        if not self.policy:
            raise InvalidValueError("--policy", "none", "the policy that acts in these episodes")
        from robo_rlhf.data.layout import require_dataset
        from robo_rlhf.data.reader import Reader

        reader = Reader(require_dataset(home, self.dataset))
        label, checkpoint = source_of(self.policy, home)
        use_one_thread()
        looked: tuple[str, ...] = ()
        while True:
            if reader.ids() != looked:
                looked = reader.ids()
                alarm = self._look(home, checkpoint, label)
            if not self.follow:
                return int(alarm)
            time.sleep(EVERY)

    def _look(self, home: Path, checkpoint: Path, label: str) -> bool:
        from robo_rlhf.deploy.monitor import watch

        found = watch(home, self.dataset, checkpoint, label, self.reference)
        rows = [
            {"watched": s.name, "value": s.value, "level": s.level, "": "ALARM" if s.alarm else "", "about": s.about}
            for s in found.signals
        ]
        if self.json:
            print_rows([found.as_json()], as_json=True)
            return found.alarm
        print(f"{found.episodes} newest episodes of {self.dataset} against {found.reference}")
        print_rows(rows, as_json=False)
        print_rows([vars(m) for m in found.moments], as_json=False, empty="No moment looks new.")
        if found.moments:
            print(f"`robo-rlhf monitor {self.dataset} --send review` asks about these moments.")
        return found.alarm

    def _send(self, home: Path) -> int:
        from robo_rlhf.deploy.monitor import send

        assert self.send
        if self.send == "training":
            where, new = send(home, self.dataset, self.send, None, self.to)
            print(f"{new} episodes are new in {where}; `train bc --dataset {where}` learns from them")
            return 0
        with self.answers() as store:
            where, new = send(home, self.dataset, self.send, store)
        print(f"{new} new questions: answer them at /review?run={where}")
        return 0
