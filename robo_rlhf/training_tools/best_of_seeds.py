"""Training from several seeds, of which the policy that scores best in rollouts is kept."""

from collections.abc import Callable, Mapping
from typing import Any

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import read_json, write_json
from robo_rlhf.core.runs import Run, read_checkpoint
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy

Score = Callable[[TrainedPolicy], float]  # score of a policy, larger is better
Train = Callable[[Run, int], TrainedPolicy]  # trains one seed, in a separate run, to the end


def train_seeds(run: Run, first: int, count: int, train: Train, score: Score) -> TrainedPolicy:
    """Train seeds `first` to `first + count - 1`, each in a folder inside `run`, and keep the best as its "policy".

    Finished seeds are not trained again. Of equal scores the first is kept.

    Args:
        run: the folder of the whole; its result lists every seed's score.
        first: the first seed.
        count: the number of seeds.
        train: trains one of them.
        score: scores each finished policy, on episodes that no result is reported on; larger is better.

    Raises:
        InvalidValueError: fewer than one seed.
    """
    if count < 1:
        raise InvalidValueError("seeds to train", count, "at least 1")
    path = run.checkpoint_path("policy")
    if run.result() is not None:
        return load_policy(path)
    rows = [_one(run.child(f"seed-{seed}", {"seed": seed}), seed, train, score) for seed in range(first, first + count)]
    best = max(rows, key=lambda row: float(row["rollouts"]))
    chosen = run.child(f"seed-{best['seed']}", {"seed": best["seed"]})
    arrays, meta = read_checkpoint(chosen.checkpoint_path("policy"))
    run.save("policy", arrays, meta)
    run.finish({"seed": best["seed"], "rollouts": best["rollouts"], "seeds": rows})
    return load_policy(path)


def _one(run: Run, seed: int, train: Train, score: Score) -> Mapping[str, Any]:
    """Train and score one seed, unless both are done; return its row."""
    stored = run.path / "judged.json"
    if stored.exists():
        return read_json(stored, dict)
    policy = train(run, seed)
    row = {"seed": seed, "rollouts": score(policy), "loss": (run.result() or {}).get("loss")}
    write_json(stored, row)
    return row
