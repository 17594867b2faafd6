"""The process that tries a contract, with NAME KIND SECONDS in its command line.

Each message is a dictionary: "kind" once; then "clause", before each is tried, and "ok" or "broken" after it; or
"refused", where there is nothing to try. What hangs is ended after SECONDS a clause, and what crashes leaves its place,
on standard error, as Python's `faulthandler` writes it.
"""

import faulthandler
import functools
import sys
import warnings
from typing import Any

from robo_rlhf.contracts.all import contract_of
from robo_rlhf.contracts.clauses import BrokenContractError, promise, try_clause
from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.processes.frames import Frames


def main(frames: Frames) -> int:
    """Try every clause on the thing that the command line names."""
    name, kind, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    faulthandler.enable()
    warnings.simplefilter("ignore")

    def tell(**fields: Any) -> None:
        frames.send(fields)

    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        contract = contract_of(name, kind)
        thing = contract.registry[name]
    except RoboRlhfError as error:
        tell(refused=str(error), code=error.exit_code)
        return 0
    tell(kind=contract.registry.kind)
    trial = functools.cache(contract.trial)
    for clause in contract.clauses:
        tell(clause=promise(clause))
        faulthandler.dump_traceback_later(seconds, exit=True)
        try:
            try_clause(clause, trial, thing)
            tell(ok=True)
        except BrokenContractError as error:
            tell(broken=error.sentence, where=error.where)
    faulthandler.cancel_dump_traceback_later()
    return 0
