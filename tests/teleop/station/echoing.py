"""What answers in the process of `background`: its own number and the request; at "end" it ends."""

import os
from collections.abc import Callable


def start() -> Callable[[str], list[object]]:
    def answer(said: str) -> list[object]:
        if said == "end":
            os._exit(3)
        return [os.getpid(), said]

    return answer
