"""The contracts of all kinds of things that are found by name: what `robo-rlhf check` tries, and our own tests too.

A contract is a list of clauses, functions that get something on trial and raise `BrokenContractError` with a sentence
that says what is wrong, and where it is written.
"""
