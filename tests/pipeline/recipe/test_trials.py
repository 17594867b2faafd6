"""A whole run that decides for itself, small."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.types import Step, VecEnv
from robo_rlhf.feedback.store import Question, Store
from robo_rlhf.pipeline import context as pipeline_context
from robo_rlhf.pipeline.config import PipelineConfig, preset
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.pipeline.recipe import deciding, trials
from robo_rlhf.pipeline.recipe.speed import Speed
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.pipeline.report.page import page
from robo_rlhf.pipeline.steps import exploration_noise, self_imitation
from tests.pipeline.making import fresh_home, read, short_fit, traces

SIZES = {"clone.updates": 40, "clone_ways": 2, "self_imitation_rounds": 1, "self_imitation_episodes": 8}


class Flattered:
    """An environment that marks success by chance; everything else is as it was."""

    def __init__(self, env: VecEnv) -> None:
        self.env = env

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def step(self, action: np.ndarray) -> Step:
        step = self.env.step(action)
        by_chance = np.random.default_rng(int(1e6 * abs(step.obs).sum())).random(len(step.success)) < 0.5
        return step._replace(success=by_chance)


def config() -> PipelineConfig:
    found = preset("tiny", task="reach", demos=6, labels=20, rounds=2, episodes=8, minutes=1.0)
    clone = replace(found.clone, policy="flow", settings={"width": 16, "noise": 0.0})
    return replace(short_fit(found), clone=clone, keep="clone.updates,finetune,collect,num_envs", gate_episodes=8)


@pytest.fixture(scope="module")
def small(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of a finished run."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        home = fresh_home(reach_home, tmp_path_factory.mktemp("recipe") / "home")
        use_one_thread()
        run_loop(config(), home / "runs" / "small", home)
        yield home / "runs" / "small"


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Let the trials be short, on a machine whose speed is always the same."""
    for module in (trials, self_imitation, exploration_noise):
        patch.setattr(module, "EPISODES", 8)
    patch.setattr(deciding, "measure", lambda config, env, shown: Speed(0.0001, 0.01, 0.5, 60))
    patch.setattr(trials, "FINE", {"symlog": 0.02, "width": 16})
    patch.setattr(deciding, "plan", lambda *given: replace(made := PLAN(*given), settings={**made.settings, **SIZES}))


PLAN = deciding.plan


def test_it_tries_two_ways_at_two_horizons_and_keeps_the_best(small: Path) -> None:
    found = read(small, "trials/choice/result.json")
    tried = [(row["way"], row["horizon"]) for row in found["tried"]]
    assert tried == [("plain", 6), ("plain", 12), ("fine", 6), ("fine", 12)]
    best = max(found["tried"], key=lambda row: row["success"])
    assert (found["way"], found["horizon"]) == (best["way"], best["horizon"])
    clone = read(small, "clone/result.json")
    assert (clone["way"], clone["horizon"]) == (best["way"], best["horizon"])
    assert "round-1/gate" in {str(path.parent.relative_to(small)) for path in small.rglob("result.json")}


def test_the_report_says_what_was_decided_and_why(small: Path) -> None:
    text = page(Findings.of(small, small.parents[1]), "")
    chosen = "plain, 6 steps of each prediction"
    for words in ("What the run chose", "a gradient step takes 10 ms", chosen, "success expected after round 1"):
        assert words in text
    expected = [read(small, f"round-{k}/forecast/result.json") for k in (1, 2)]
    assert [found["answers"] for found in expected] == [10, 0]


def test_the_environments_mark_of_success_reaches_no_weight(
    small: Path, reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch)
    real, home = pipeline_context.make_env, fresh_home(reach_home, tmp_path / "home")
    monkeypatch.setattr(pipeline_context, "make_env", lambda *given: Flattered(real(*given)))
    with Store(small.parents[1] / "feedback.db") as before:
        said = {answer.question_id: answer for answer in before.answers(run="small")}

    def repeat(store: Store, questions: Sequence[Question]) -> None:
        for question in questions:
            known = said[question.id]
            store.answer(question.id, known.annotator, known.value, key=question.id, annotator_kind="simulated")

    run_loop(config(), home / "runs" / "small", home, annotators=repeat)
    again, first = traces(home / "runs" / "small"), traces(small)
    marked = {name for name in first if name.endswith("truth.jsonl")} | {"before/result.json", "after/result.json"}
    assert any(again[name] != first[name] for name in marked)  # the marks were others
    for name in first.keys() - marked - {"result.json"}:
        assert again[name] == first[name], name


def test_a_killed_run_goes_on_with_the_speed_that_it_measured(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(small.parents[1], home, symlinks=True)
    run = home / "runs" / "small"
    first = traces(run)
    for stage in ("round-2", "after", "trials/choice", "before", "clone"):
        shutil.rmtree(run / stage)
    (run / "result.json").unlink()
    shrink(monkeypatch)
    monkeypatch.setattr(deciding, "measure", lambda config, env, shown: Speed(9.0, 9.0, 9.0, 60))
    run_loop(config(), run, home)
    assert traces(run) == first
