"""Every contract there is, one a registry that takes guests."""

from typing import Any

from robo_rlhf.contracts import algorithm, device, encoder, policy, question, reward, robot, task, term
from robo_rlhf.contracts.clauses import Contract
from robo_rlhf.core import guests
from robo_rlhf.core.errors import GuestError, UnknownNameError

CONTRACTS: tuple[Contract[Any, Any], ...] = (
    task.CONTRACT,
    robot.CONTRACT,
    policy.CONTRACT,
    encoder.CONTRACT,
    reward.CONTRACT,
    term.CONTRACT,
    question.CONTRACT,
    device.CONTRACT,
    algorithm.CONTRACT,
)


def contract_of(name: str, kind: str = "") -> Contract[Any, Any]:
    """Return the contract of the thing called `name`, which may be a guest; `kind`, where given, says of what kind.

    Raises:
        UnknownNameError: there is no such thing, or no such kind.
        NotAllowedError, MissingDependencyError, GuestError: a guest that cannot be imported, or is of no kind.
    """
    if kind:
        kinds = {contract.registry.kind: contract for contract in CONTRACTS}
        if kind not in kinds:
            raise UnknownNameError("kind of thing", kind, kinds)
        return kinds[kind]
    if guests.split(name):
        thing = guests.load(name, "thing")
        found = [contract for contract in CONTRACTS if contract.registry.derives(thing)]
    else:
        found = [contract for contract in CONTRACTS if name in contract.registry]
        thing = None
    if found:
        return found[0]
    if thing is None:
        raise UnknownNameError("thing", name, {one for contract in CONTRACTS for one in contract.registry})
    bases = ", ".join(f"{c.registry.base.replace(':', '.')} for a {c.registry.kind}" for c in CONTRACTS)
    why = f"it derives from nothing that is found by name ({guests.place(thing)})"
    raise GuestError(f"thing {name}", why, f"Derive it from {bases}.")
