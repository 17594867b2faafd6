"""The gain of weighting answers by annotator reliability: held-out accuracy, with and without.

`pytest -m bench -s tests/benchmarks/bench_crowd.py`; ROBO_RLHF_BENCH_SEEDS sets the number of seeds (6).
"""

import os

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.training import reward
from tests.training.crowds import crowd, foreseen

pytestmark = pytest.mark.bench
SEEDS = int(os.environ.get("ROBO_RLHF_BENCH_SEEDS", "6"))
QUESTIONS, OVERLAP = 80, 3
CROWDS = {
    "all careful": (0.05, 0.05, 0.05, 0.05, 0.05),
    "one of five says the opposite": (0.05, 0.05, 0.05, 0.05, 0.9),
    "two of five guess": (0.05, 0.05, 0.05, 0.5, 0.5),
    "three of five guess": (0.05, 0.05, 0.5, 0.5, 0.5),
}
FIT = FitSettings(learning_rate=1e-3, updates=300)


def test_weighing_people_helps_where_some_guess_and_costs_nothing_else() -> None:
    """80 questions of the toy world, each answered by three of five; judged by 300 true answers to other questions."""
    use_one_thread()
    rows, gains = [], {}
    for name, wrong in CROWDS.items():
        said = [
            crowd(dict(zip("abcde", wrong, strict=True)), questions=QUESTIONS, overlap=OVERLAP, seed=s)
            for s in range(SEEDS)
        ]
        found = {}
        for weigh in (False, True):
            config = reward.Config(settings={"members": 3, "width": 64}, fit=FIT, weigh_people=weigh)
            found[weigh] = 100 * np.array([foreseen(config, one) for one in said])
        gain = found[True] - found[False]
        gains[name] = float(gain.mean())
        half = 1.96 * float(gain.std(ddof=1)) / SEEDS**0.5
        columns = {"alike [%]": found[False].mean(), "weighed [%]": found[True].mean()}
        rows.append({"crowd": name, **columns, "gain [points]": gain.mean(), "±": half})
    print_rows(rows, as_json=False)
    assert gains["two of five guess"] > 1
    assert gains["three of five guess"] > 2
    assert gains["all careful"] > -1
