"""`--env-arg KEY=VALUE`, with any command that takes `--env` or `--task`: an argument of an outside environment.

It becomes part of the environment's name ("Pusher-v5+frame_skip=2"), so that demonstrations, policies and clips of it
differ from those of the plain one.
"""

from collections.abc import Sequence

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.sim.external.ids import is_outside, with_arguments

NAMED_BY = "--env", "--task"


def folded(args: Sequence[str], name: str) -> list[str]:
    """Return a command line with what the option called `name` gives in the name of its environment.

    Raises:
        InvalidValueError: one is not KEY=VALUE with a plain value, or no outside environment is named.
    """
    rest, given, words = list[str](), list[str](), iter(args)
    for word in words:
        option, sign, value = word.partition("=")
        if option == name:
            given.append(value if sign else next(words, ""))
        else:
            rest.append(word)
    if not given:
        return rest
    for place, word in enumerate(rest):
        option, sign, value = word.partition("=")
        if option not in NAMED_BY:
            continue
        if sign and is_outside(value):
            rest[place] = f"{option}={with_arguments(value, given)}"
            return rest
        if not sign and is_outside(" ".join(rest[place + 1 : place + 2])):
            rest[place + 1] = with_arguments(rest[place + 1], given)
            return rest
    raise InvalidValueError(name, given[0], "the name of an outside environment beside it, such as --env Pusher-v5")
