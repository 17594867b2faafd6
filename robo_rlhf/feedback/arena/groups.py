"""The standings of an arena by the judges of each group that people name, and by everybody else."""

from itertools import permutations
from typing import Any, NamedTuple

from robo_rlhf.accounts.groups import groups_of
from robo_rlhf.feedback.arena.arena import Arena
from robo_rlhf.feedback.arena.standings import Standings, standings
from robo_rlhf.feedback.store import Store


class GroupStandings(NamedTuple):
    """How the judges of one group rate the policies, and how the others do."""

    group: str
    judges: int
    found: Standings
    rest: Standings

    @property
    def warning(self) -> str:
        """A sentence where the group is shown to prefer another policy than the others do; else empty."""
        names = [entrant.name for entrant in self.found.arena.policies()]
        for one, other in permutations(self.found.order, 2):
            mine, theirs = self.found.pair(one, other), self.rest.pair(one, other)
            if not (mine.decided and theirs.decided and mine.share and theirs.share):
                continue
            if mine.share.value > 0.5 > theirs.share.value:
                return (
                    f"The group {self.group} prefers {names[one]} to {names[other]} in {_share(mine.share)} of "
                    f"comparisons, the others in {_share(theirs.share)}: one ranking does not serve both."
                )
        return ""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        both = {"standings": self.found.to_json(), "others": self.rest.to_json()}
        return {"group": self.group, "judges": self.judges, **both, "warning": self.warning}


def by_group(arena: Arena, store: Store) -> list[GroupStandings]:
    """Return the standings by each group of the judges, also of one person."""
    teams = store.teams()
    people = {answer.annotator for answer in store.answers(run=arena.name)}
    names = sorted({group for person in people for group in groups_of(teams.get(person, ""))})
    found = []
    for group in names:
        mine = {person for person in people if group in groups_of(teams.get(person, ""))}
        both = standings(arena, store, judges=mine), standings(arena, store, judges=people - mine)
        found.append(GroupStandings(group, len(mine), *both))
    return found


def _share(share: tuple[float, float, float]) -> str:
    value, low, high = (100 * part for part in share)
    return f"{value:.0f} % ({low:.0f} to {high:.0f})"
