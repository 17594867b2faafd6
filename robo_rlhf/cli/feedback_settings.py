"""`robo-rlhf feedback settings`: how the questions of a task are assigned to annotators."""

from dataclasses import asdict, dataclass

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.database import DatabaseOptions
from robo_rlhf.cli.feedback import BY
from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.errors import InvalidValueError


@COMMANDS.register("feedback settings")
@dataclass(frozen=True)
class FeedbackSettings(DatabaseOptions):
    """Show how the questions of a task are assigned, and whose answers count as good work; or change it.

    Settings that a task does not have are those of all tasks; the rest have defaults. Changes are logged.

    Example:
        robo-rlhf feedback settings
        robo-rlhf feedback settings --task pick_place --set overlap=3 gold_share=0.1
        robo-rlhf feedback settings --task pick_place --unset overlap
    """

    task: str = ""
    """The task; all without settings where empty."""
    set: tuple[str, ...] = ()
    """Settings to change, each NAME=NUMBER."""
    unset: tuple[str, ...] = ()
    """Settings to remove from the task."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Change what is to change, and print a row a setting."""
        from robo_rlhf.accounts.roles import Principal

        changes: dict[str, float | None] = dict.fromkeys(self.unset)
        changes |= dict(_named(text) for text in self.set)
        if len(changes) < len(self.set) + len(self.unset):
            raise InvalidValueError("settings to change", " ".join((*self.set, *self.unset)), "each of them once")
        with self.answers() as store:
            if changes:
                store.tasks.set_sharing(self.task, by=Principal(BY), **changes)
            own, found = store.tasks.own(self.task), asdict(store.tasks.sharing(self.task))
            general = store.tasks.own()
        rows = [
            {
                "setting": name,
                "value": value,
                "said by": (self.task or "all tasks") if name in own else "all tasks" if name in general else "usual",
            }
            for name, value in found.items()
        ]
        print_rows(rows, as_json=self.json, title=f"settings of {self.task or 'all tasks'}")
        return 0


def _named(text: str) -> tuple[str, float]:
    """Return the name and the value of a setting.

    Raises:
        InvalidValueError: it is no such pair.
    """
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise InvalidValueError("--set", repr(text), "NAME=NUMBER, such as overlap=3") from None
