"""All that people say and do, as rewards and policies: what it is worth, and what the product says of it.

`make bench ARGS=tests/benchmarks/people.py` takes the next missing cell and adds a row to `results/people.jsonl`; stop
it at any instant. ROBO_RLHF_PEOPLE_CELLS takes cells that match a pattern alone, such as "attribution/*" (ARM/SEED).
The people here are programs: a scripted operator who takes over, and a viewer who presses 0.6 s late.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robo_rlhf.core.files import SHIPPED
from robo_rlhf.core.learning import seeded, use_one_thread
from robo_rlhf.core.runs import Run
from robo_rlhf.core.stats import wilson
from robo_rlhf.core.types import Array, Episode, Policy, Step
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.implicit.keeping import read_implicit, update
from robo_rlhf.feedback.live_signal.signals import Signal
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.teachers import TaskUtility
from robo_rlhf.policies.base import GaussianActor
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.attribution import attribute, quantities
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import new_reward
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rollouts.evaluation import evaluate
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from robo_rlhf.training import bc, ppo, reward, sac
from robo_rlhf.training_tools.settings import BCSettings, PPOSettings, SACSettings
from robo_rlhf.training_tools.viewers import Audience
from tests.benchmarks.actions import WAYS, actions
from tests.benchmarks.gaming import alarm
from tests.benchmarks.groups import groups
from tests.benchmarks.matrix import add_row, stored_rows
from tests.benchmarks.meanwhile import meanwhile
from tests.benchmarks.reasons import reasons
from tests.sim.operators.takeover import TakeoverOperator

pytestmark = pytest.mark.bench
ROWS = Path(__file__).parent / "results" / "people.jsonl"
SEEDS = range(5)
TAKEOVERS, WEAK_DEMOS, WEAK_UPDATES = 20, 6, 800
CLIP, HELD_OUT, EPISODES = 40, 800, 200
LATE, EVERY = 0.6, 0.5  # [s] after what it means that the viewer presses, and between two presses
LEAST_CHANGE = 0.01  # [m] of distance that the viewer sees
ENOUGH, PAYS = 0.8, 0.1  # success that is enough; that of practice, with its noise, from which on it is evaluated
STUDENT = 2.776  # quantile of 97.5 % of Student's t with as many degrees of freedom as seeds less one


@dataclass(frozen=True)
class Cell:
    """One measurement."""

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """ARM/SEED."""
        return f"{self.arm}/{self.seed}"


def takeovers(seed: int, home: Path) -> dict[str, Any]:
    """Twenty takeovers of a weak policy of pick_place and no other label: its reward, and the fine-tuned policy."""
    env = make_env("pick_place", 32)
    assert isinstance(env, TaskEnv)
    shown = list(Dataset(SHIPPED / "samples" / "pick_place").load_all())[:WEAK_DEMOS]
    clone = BCSettings(policy="gaussian", updates=WEAK_UPDATES, seed=seed)
    weak = bc.train(clone, Run(home / "runs" / "weak", clone), shown)
    operator = TakeoverOperator(env, weak, ScriptedOperator(env, seed=seed))
    name = {"operator": "simulated operator", "device": "policy", "tags": ("correction",)}
    found: list[Episode] = []
    count, first = 0, 20_000_000 + 1000 * seed
    while count < TAKEOVERS:
        seeds = np.arange(first + len(found), first + len(found) + env.num_envs)
        for episode in rollout(env, operator, seeds, source=operator.source, meta=name):
            if count < TAKEOVERS and (episode.source == 3).any():
                found.append(episode)
                count += int((np.diff((episode.source == 3).astype(np.int8), prepend=0) == 1).sum())
    Dataset(home / "takeovers", create=True).add_many(found)
    with Store(home / "feedback.db") as store:
        update(home, store, "takeovers")
        questions, answers = read_implicit(store, "pick_place", but_of=None)
    config = reward.Config(settings={"members": 5}, fit=FitSettings(learning_rate=1e-3), seed=seed)
    model = reward.train(config, Run(home / "runs" / "reward", config), questions, answers, reward.episodes_of(home))
    held = rollout(env, weak, np.arange(30_000_000, 30_000_000 + 128))
    right = [one for one in _agrees(model, held, seed) if one is not None]
    before = evaluate(env, weak, np.arange(EPISODES))
    tuned = PPOSettings(iterations=60, actor_lr=2e-4, target_kl=0.06, anchor=0.02, std=0.1, num_envs=32, seed=seed)
    assert isinstance(weak, GaussianActor)
    actor = ppo.train(tuned, Run(home / "runs" / "tuned", tuned), env, weak, PenalizedReward(model, 0.5))
    after = evaluate(env, actor, np.arange(EPISODES))
    accuracy = wilson(sum(right), len(right))
    cloned, final = (wilson(sum(one.success_end), EPISODES) for one in (before, after))
    return {"preferences": len(answers), "accuracy": accuracy, "cloned": cloned, "final": final}


def _agrees(model: RewardModel, episodes: list[Episode], seed: int) -> list[bool | None]:
    """Return whether a model prefers the clip that is better by the task, for pairs of clips; None for a tie."""
    rng, utility = np.random.default_rng((seed, 9)), TaskUtility()
    found: list[bool | None] = []
    for _ in range(HELD_OUT):
        values = []
        for episode in (episodes[i] for i in rng.choice(len(episodes), 2, replace=False)):
            start = int(rng.integers(len(episode) - CLIP + 1))
            clip = episode.slice(start, CLIP)
            mean, _ = model.predict(clip.obs[:-1], clip.action, clip.obs[1:])
            values.append((float(utility(clip).mean()), float(mean.mean())))
        (true, learned), (other, guess) = values
        found.append(None if abs(true - other) < 0.02 else (true > other) == (learned > guess))
    return found


class Viewer:
    """A simulated viewer: presses + where the hand came nearer to the goal in the last half second, - where it left."""

    def __init__(self, watched: list[Audience]) -> None:
        """Watch what the audience, given later, sees."""
        self.watched, self.presses, self._seen = watched, list[Signal](), 0

    def __call__(self) -> list[Signal]:
        """Press about episodes that are new, and return all presses."""
        (audience,) = self.watched
        ids = audience.dataset.ids()
        for name in ids[self._seen :]:
            self.presses += self._about(audience, audience.dataset.load(name))
        self._seen = len(ids)
        return self.presses

    def _about(self, audience: Audience, episode: Episode) -> list[Signal]:
        names = list(audience._env.task.obs_names)  # type: ignore[attr-defined]
        columns = [names.index(name) for name in names if name.startswith("goal_d")]
        away = np.linalg.norm(episode.obs[:, columns], axis=1)
        rate = 1.0 / episode.meta.control_dt
        found, every = [], round(EVERY * rate)
        for end in range(every, len(episode) + 1, every):
            change = float(away[end - every] - away[end])
            near = away[end] < 0.05
            if abs(change) < LEAST_CHANGE and not near:
                continue
            sign = 1 if change > 0 or near else -1
            meant = end - every / 2  # the middle of what was judged
            number = len(self.presses) + len(found)
            found.append(
                Signal(
                    "simulated viewer",
                    "r",
                    audience.name,
                    episode.meta.id,
                    sign,
                    meant + LATE * rate,
                    rate,
                    number=number,
                )
            )
        return found


def live(seed: int, home: Path) -> dict[str, Any]:
    """Steps until SAC reaches 80 % on reach by its success alone, and with a viewer who presses."""
    return {name: _steps(seed, home / name, objective) for name, objective in OBJECTIVES.items()}


OBJECTIVES = {"without": "success", "with": "success + 0.5 * live(soonest=0.3, latest=0.9)"}


def _steps(seed: int, home: Path, objective: str) -> dict[str, Any]:
    env, judge = make_env("reach", 8), make_env("reach", 50)
    config = SACSettings(
        objective=objective, num_envs=8, iterations=80, updates=0.2, batch=128, critic_width=128, seed=seed,
        actor_lr=1e-3, critic_lr=1e-3, temperature_lr=1e-3, save_every=1000,
    )  # fmt: skip
    with seeded(seed):
        actor = TanhGaussianPolicy(env.obs_dim, env.act_dim, width=128)
    path = home / "runs" / "r"
    watched: list[Audience] = []
    run = Run(path, config)
    viewers = Audience(path, home, env, Viewer(watched)) if "live" in objective else None
    watched += [viewers] if viewers else []
    curve: list[float] = []
    practised: list[float] = []  # success of each iteration's episodes

    def watch(iteration: int, t: int, step: Step) -> None:
        if t == env.horizon - 1:
            practised.append(float(step.success.mean()))

    def look(iteration: int, policy: Policy, metrics: Any) -> bool:
        if iteration % 2 == 0:  # looking takes three times as many steps as practising: not before it pays
            share = float(np.mean(practised[-2:]))
            curve.append(float(np.mean(evaluate(judge, policy, np.arange(50)).success_end)) if share >= PAYS else share)
        return bool(curve and curve[-1] >= ENOUGH)

    sac.train(config, run, env, actor, _nothing, on_iteration=look, diagnostics=watch, live=viewers)
    steps = 2 * len(curve) * env.horizon * env.num_envs
    presses = len(viewers._presses()) if viewers else 0
    return {"steps": steps, "reached": curve[-1] >= ENOUGH, "best": max(curve), "presses": presses}


def _nothing(obs: Array, action: Array, next_obs: Array) -> Array:
    return np.zeros(obs.shape[:-1], np.float32)


KNOWN: dict[str, tuple[str, Callable[[Array, list[str]], Array]]] = {
    "distance": ("where bin is", lambda obs, names: -np.linalg.norm(_columns(obs, names, "bin_dx", "bin_dy"), axis=-1)),
    "force": ("grip", lambda obs, names: -_columns(obs, names, "grip")[..., 0]),
    "height": ("the height of cube", lambda obs, names: _columns(obs, names, "cube_z")[..., 0]),
}


def _columns(obs: Array, names: list[str], *wanted: str) -> Array:
    found: Array = obs[..., [names.index(name) for name in wanted]]
    return found


def attribution(seed: int, home: Path) -> dict[str, Any]:
    """Whether the right quantity is first: in rewards that are known, and in such learned from comparisons of them."""
    env = make_env("pick_place", 32)
    assert isinstance(env, TaskEnv)
    names, actions = list(env.task.obs_names), list(env.task.action_names)
    noisy = ScriptedOperator(env, seed=seed)
    episodes = rollout(env, noisy, np.arange(40_000_000 + 100 * seed, 40_000_000 + 100 * seed + 64))
    rng = np.random.default_rng(seed)
    clips = []
    for episode in episodes:
        for start in rng.integers(0, len(episode) - 10, 12):
            clips.append((episode.obs[start : start + 11], episode.action[start : start + 10]))
    obs, action = (np.stack(part) for part in zip(*clips, strict=True))
    found = {}
    for name, (right, known) in KNOWN.items():
        learned = _learned(obs, action, known(obs[:, 1:], names).mean(1), seed)
        exact = KnownReward(obs.shape[-1], action.shape[-1], lambda after, known=known: known(after, names))
        found[name] = {}
        for kind, model in (("known", exact), ("learned", learned)):
            shares = attribute(model, obs[:200], action[:200], quantities(names, actions), rng).shares
            first = next(iter(shares))
            found[name][kind] = {"right": first == right, "first": first, "share": round(shares[right], 3)}
    return found


class KnownReward(RewardModel):
    """A reward that is known: a function of the observation after a step."""

    def __init__(self, obs_dim: int, act_dim: int, value: Callable[[Array], Array]) -> None:
        """Give each step the value of the observation after it."""
        super().__init__(obs_dim, act_dim, members=1)
        self.value = value

    def forward(self, obs: torch.Tensor, action: torch.Tensor, next_obs: torch.Tensor) -> torch.Tensor:
        """Return (1, B, L)."""
        return torch.from_numpy(self.value(next_obs.numpy()))[None]


def _learned(obs: Array, action: Array, value: Array, seed: int) -> RewardModel:
    """Fit an ensemble to 500 noise-free comparisons of clips by their values."""
    with seeded(seed):
        model = new_reward("ensemble", obs.shape[-1], action.shape[-1], {"members": 3})
    model.fit_normalizer(torch.from_numpy(obs.reshape(-1, obs.shape[-1])))
    inputs = [torch.from_numpy(part) for part in (obs[:, :-1], action, obs[:, 1:])]
    rng = np.random.default_rng((seed, 3))
    pairs = rng.integers(0, len(obs), (500, 2))
    better = torch.from_numpy((value[pairs[:, 0]] > value[pairs[:, 1]]).astype(np.float32))
    step = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-2)
    for _ in range(300):
        some = rng.integers(0, len(pairs), 64)
        both = [model(*(part[pairs[some, side]] for part in inputs)).sum(-1) for side in (0, 1)]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(both[0] - both[1], better[some].expand(3, -1))
        step.zero_grad()
        loss.backward()
        step.step()
    with torch.inference_mode():
        model.fit_output(model(*inputs).reshape(3, -1))
    return model


ARMS: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "actions": actions,
    "alarm": alarm,
    "attribution": attribution,
    "groups": groups,
    "live": live,
    "meanwhile": meanwhile,
    "reasons": reasons,
    "takeovers": takeovers,
}


def cells() -> list[Cell]:
    """Return all cells in the order in which they are run."""
    return [Cell(arm, seed) for arm in ARMS for seed in SEEDS]


def test_fill_the_rows() -> None:
    """Measure the missing cells."""
    use_one_thread()
    pattern = os.environ.get("ROBO_RLHF_PEOPLE_CELLS", "*")
    done = {(row["arm"], row["seed"]) for row in stored_rows(ROWS)}
    for cell in cells():
        if fnmatch(cell.name, pattern) and (cell.arm, cell.seed) not in done:
            began = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "samples").symlink_to(SHIPPED / "samples")
                found = ARMS[cell.arm](cell.seed, Path(folder))
            about = {"processor_s": round(time.process_time() - began, 1), "date": datetime.now(UTC).date().isoformat()}
            add_row({"arm": cell.arm, "seed": cell.seed, **found, **about}, ROWS)
            print(cell.name, found, flush=True)


def _rows(arm: str) -> list[dict[str, Any]]:
    found = [row for row in stored_rows(ROWS) if row["arm"] == arm]
    wanted = len(SEEDS)
    if len(found) < wanted:
        pytest.skip(f"{wanted - len(found)} of {wanted} cells of {arm} are missing")
    return found


def test_the_right_quantity_is_first() -> None:
    """On three rewards that are known: first in ≥ 95 %. What is learned from comparisons of them is reported alone.

    Columns of real episodes go together (the bin's offset from the hand with the hand's place), and a model that
    was fitted to comparisons may look at either.
    """
    rows = _rows("attribution")
    print(
        {kind: np.mean([row[name][kind]["right"] for row in rows for name in KNOWN]) for kind in ("known", "learned")}
    )
    right = [row[name]["known"]["right"] for row in rows for name in KNOWN]
    assert np.mean(right) >= 0.95, right


def test_takeovers_alone_make_a_reward() -> None:
    """Held-out accuracy ≥ 75 % in the mean; the fine-tuned policy better than the cloned one beyond its interval."""
    rows = _rows("takeovers")
    assert np.mean([row["accuracy"][0] for row in rows]) >= 0.75, rows
    cloned, final = (sum(row[name][0] for row in rows) / len(rows) for name in ("cloned", "final"))
    assert wilson(round(final * EPISODES * len(rows)), EPISODES * len(rows)).low > cloned, (cloned, final)


def test_what_is_said_of_a_group_is_true() -> None:
    """Reward accuracy of each group: within 3 points of the truth over the seeds, which 80 % of intervals hold."""
    rows = _rows("groups")
    inside = []
    for name in [name for name in rows[0] if isinstance(rows[0][name], dict)]:
        said, true = (np.array([row[name][part] for row in rows]) for part in ("value", "true"))
        inside += [row[name]["low"] <= row[name]["true"] <= row[name]["high"] for row in rows]
        print(f"{name}: said {said.mean():.3f}, true {true.mean():.3f}, apart at most {abs(said - true).max():.3f}")
        assert abs(said.mean() - true.mean()) <= 0.03, (name, said, true)
    assert np.mean(inside) >= 0.8, inside


def test_presses_save_steps() -> None:
    """At least twice fewer steps to 80 %; a run that never got there counts with all its steps."""
    rows = _rows("live")
    without, helped = (np.mean([row[name]["steps"] for row in rows]) for name in OBJECTIVES)
    assert without >= 2 * helped, (without, helped)


def test_reasons_are_worth_at_least_as_much_as_bare_pairs() -> None:
    """Along tilt and clearance: better beyond the interval of the paired difference, or told as not told apart."""
    rows = _rows("reasons")
    for axis in ("tilt", "clearance", "overall"):
        gain = np.array([row["with"][axis] - row["without"][axis] for row in rows])
        half = STUDENT * float(gain.std(ddof=1)) / len(gain) ** 0.5
        print(f"{axis}: {gain.mean():+.3f} ± {half:.3f}", "better" if gain.mean() > half else "not told apart")
        assert gain.mean() > -half, gain


def test_actions_are_reported() -> None:
    """Whichever way: the mean success of each way of asking over the seeds."""
    rows = _rows("actions")
    for way in ("cloned", *WAYS):
        values = [row[way]["value"] for row in rows]
        print(f"{way}: {100 * np.mean(values):.1f} %, each {values}")


def test_nobody_waits() -> None:
    """Time to the same success at most 0.7 times that of rounds, over the seeds in which both got there."""
    rows = [row for row in _rows("meanwhile") if all(row["seconds"].values())]
    ratios = [row["seconds"]["meanwhile"] / row["seconds"]["rounds"] for row in rows]
    print(f"{len(ratios)} seeds: mean {np.mean(ratios):.2f}, each {[round(r, 2) for r in ratios]}")
    assert np.mean(ratios) <= 0.7, ratios


def test_the_alarm_fires_on_gamed_rewards_alone() -> None:
    """Within two rounds in 5 of 5 runs that game their reward, and in 0 of 5 honest ones."""
    rows = _rows("alarm")
    fired = {name: [any(one["fired"] for one in row[name]["alarms"]) for row in rows] for name in ("gamed", "honest")}
    assert all(fired["gamed"]), fired
    assert not any(fired["honest"]), fired
