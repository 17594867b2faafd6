"""Every kind of policy, exported and run with numpy and onnxruntime alone, acts as it does in training."""

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import CheckpointMismatchError, ConflictError, InvalidValueError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array, Observation
from robo_rlhf.deploy import export
from robo_rlhf.deploy.export import deployable, export_policy
from robo_rlhf.deploy.exported import ExportedPolicy, Safety, checked_pictures
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_policy, save_policy
from robo_rlhf.policies.on_base import PolicyOnBase, on_top_of
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.sim.tasks import TASKS

TASK = "reach"
STEPS = 200
SETTINGS: dict[str, dict[str, Any]] = {
    "flow": {"width": 16, "history": 2, "symlog": 0.1},
    "mixture": {"width": 16, "sample": True},
    "act": {"width": 16, "layers": 1, "chunk": 6, "execution_horizon": 2},
}
ALONE = sorted(kind for kind in POLICIES if kind != "visual" and not issubclass(POLICIES[kind], PolicyOnBase))
BASED = sorted(kind for kind in POLICIES if issubclass(POLICIES[kind], PolicyOnBase))


def trained(kind: str) -> TrainedPolicy:
    """Return a policy of the task's sizes with random weights, on top of a flow where it needs a base."""
    task = TASKS[TASK]
    rng = np.random.default_rng(0)
    obs = torch.from_numpy(rng.standard_normal((64, len(task.obs_names)), np.float32))
    action = torch.from_numpy(rng.uniform(-1, 1, (64, len(task.action_names))).astype(np.float32))
    with seeded(0):
        if kind in BASED:
            policy: TrainedPolicy = on_top_of(POLICIES[kind], trained("flow"), width=16)  # type: ignore[type-var]
            for value in policy.net.parameters():  # type: ignore[union-attr, operator]
                torch.nn.init.normal_(value, std=0.3)  # not the zero that it begins with
        else:
            settings = SETTINGS.get(kind, dict(POLICIES[kind].example))
            policy = POLICIES[kind](obs.shape[1], action.shape[1], **settings)
            policy.fit_normalizer(obs, action)
    return policy.eval()


def saved(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "policy.safetensors"
    save_policy(trained(kind), path, {"task": TASK, "algorithm": "bc"})
    return path


def torch_noise(seed: int) -> Any:
    """Return the numbers that a policy with this seed draws."""
    generator = torch.Generator().manual_seed(seed)

    def draw(kind: str, columns: int) -> Array:
        into = torch.empty(1, columns)
        filled = into.normal_(generator=generator) if kind == "normal" else into.exponential_(generator=generator)
        return filled[0].numpy()

    return draw


def acted(policy: TrainedPolicy, seen: Array) -> Array:
    policy.seed(5)
    policy.reset(1)
    return np.concatenate([policy.act(obs[None]) for obs in seen])


@pytest.mark.parametrize("kind", ALONE + BASED)
def test_the_networks_give_what_the_policy_does(kind: str, tmp_path: Path) -> None:
    """The runner with the torch functions themselves: queue, history, ensemble, mask and noise are the same."""
    found = deployable(saved(tmp_path, kind))
    (tmp_path / "policy.json").write_text(json.dumps(found.manifest))
    modules = found.modules()
    runs = [lambda inputs, m=module: m(*map(torch.from_numpy, inputs.values())).detach().numpy() for module in modules]
    runner = ExportedPolicy(tmp_path, runs=runs, noise=torch_noise(5))
    seen = np.random.default_rng(1).standard_normal((STEPS, len(runner.obs_names))).astype(np.float32)
    found_actions = np.stack([runner.act(obs) for obs in seen])
    assert np.abs(found_actions).max() <= 1.0
    assert np.ptp(found_actions, axis=0).min() > 0.01  # it does act
    np.testing.assert_allclose(found_actions, acted(trained(kind), seen), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["flow", pytest.param("all", marks=pytest.mark.slow)])
def test_onnx_is_exact_to_1e_5_over_200_steps(kind: str, tmp_path: Path) -> None:
    for each in [kind] if kind != "all" else ALONE + BASED:
        place = tmp_path / each
        place.mkdir()
        export_policy(saved(place, each), place / "out")
        runner = ExportedPolicy(place / "out", noise=torch_noise(5))
        seen = np.random.default_rng(1).standard_normal((STEPS, len(runner.obs_names))).astype(np.float32)
        given = np.stack([runner.act(dict(zip(runner.obs_names, obs, strict=True))) for obs in seen])
        np.testing.assert_allclose(given, acted(trained(each), seen), rtol=0, atol=1e-5)


def test_the_folder_runs_without_this_package(tmp_path: Path) -> None:
    export_policy(saved(tmp_path, "gaussian"), tmp_path / "out", "torch")
    manifest = json.loads((tmp_path / "out" / "policy.json").read_text())
    program = torch.export.load(tmp_path / "out" / "part-0.pt2").module()
    obs = np.zeros(len(manifest["obs_names"]), np.float32)
    expected = program(torch.from_numpy(obs[None])).detach().numpy()[0]
    code = (
        "import sys, numpy\n"
        "from exported_policy import ExportedPolicy\n"
        f"p = ExportedPolicy('.', runs=[lambda i: numpy.array([{expected.tolist()}], numpy.float32)])\n"
        "print(p.act({n: 0.0 for n in p.obs_names}).tolist())\n"
        "assert not any(m.split('.')[0] in ('torch', 'robo_rlhf') for m in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == pytest.approx(trained("gaussian").act(obs[None])[0].tolist(), abs=1e-6)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "20 actions a second" in card
    assert "Success | not measured" in card
    with pytest.raises(ConflictError, match="exists"):
        export_policy(tmp_path / "policy.safetensors", tmp_path / "out", "torch")


def test_what_cannot_be_exported_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(POLICIES["gaussian"], "parts", TrainedPolicy.parts)
    with pytest.raises(InvalidValueError, match="a policy of kind gaussian"):
        deployable(saved(tmp_path, "gaussian"))
    monkeypatch.undo()
    path = saved(tmp_path, "gaussian")
    monkeypatch.setattr(export, "_program", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        export_policy(path, tmp_path / "out", "torch")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["policy.safetensors"]  # nothing half made


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"hand_x": 1.0}, "missing: "),
        ({"hand_q": 1.0}, "unknown: hand_q"),
        ([0.0], "expected ("),
        (None, "not finite"),
    ],
)
def test_wrong_observations_are_named(given: Any, told: str, tmp_path: Path) -> None:
    found = deployable(saved(tmp_path, "gaussian"))
    (tmp_path / "policy.json").write_text(json.dumps(found.manifest))
    runner = ExportedPolicy(tmp_path, runs=[lambda _: np.zeros((1, len(found.manifest["action_names"])))])
    given = {name: np.nan for name in runner.obs_names} if given is None else given
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        runner.act(given)


def test_safety_limits_changes_holds_when_stale_and_refuses_nan() -> None:
    safety = Safety(2, max_change=0.25, max_age=0.1)
    actions, why = safety.apply(np.array([[1.0, -1.0], [1.0, 0.0]], np.float32))
    assert why == ""
    np.testing.assert_allclose(actions, [[0.25, -0.25], [0.5, 0.0]])
    actions, why = safety.apply(np.ones((1, 2), np.float32), age=0.2)
    assert why == "stale"
    np.testing.assert_allclose(actions, [[0.25, 0.0]])  # it stops within its limit, too
    with pytest.raises(ValueError, match="not finite"):
        safety.apply(np.full((1, 2), np.nan))
    last = Safety(2, hold="last", dry_run=True)
    last.last = np.array([0.3, 0.4], np.float32)
    np.testing.assert_allclose(last.apply(np.ones((2, 2)))[0], [[0.3, 0.4], [0.3, 0.4]])


CAMERAS = ("front", "wrist")
SEEING = {
    "flow": {"width": 16, "chunk": 6, "execution_horizon": 3},
    "flow with a history": {"width": 16, "history": 2, "chunk": 6, "execution_horizon": 3},
    "gaussian": {"width": 16},
    "act": {"width": 16, "layers": 1, "chunk": 6, "execution_horizon": 2},
}


def seeing(name: str, *, corrected: bool = False, own: bool = False) -> TrainedPolicy:
    """Return a policy with random weights that sees two cameras and some columns, a correction by its own encoders."""
    task = TASKS[TASK]
    sizes = len(task.obs_names), len(task.action_names)
    with seeded(0):
        shown = {"cameras": CAMERAS, "size": 16, "columns": [0, 2, 3]}
        base = VisualPolicy(*sizes, policy=name.partition(" ")[0], settings=SEEING[name], **shown)
        base.fit_normalizer(torch.randn(64, sizes[0]), torch.rand(64, sizes[1]) * 2 - 1)
        if not corrected:
            return base.eval()
        policy = on_top_of(POLICIES["residual"], base, width=16, own_encoder=own)  # type: ignore[type-var]
        for value in (*policy.net.parameters(), *(policy.eyes.parameters() if own else ())):  # type: ignore[union-attr]
            torch.nn.init.normal_(value, std=0.3)
    return policy.eval()  # type: ignore[no-any-return]


def sights(steps: int) -> list[Observation]:
    rng = np.random.default_rng(1)
    columns = rng.standard_normal((steps, 1, len(TASKS[TASK].obs_names))).astype(np.float32)
    pictures = rng.integers(0, 256, (steps, len(CAMERAS), 1, 16, 16, 3), np.uint8)
    return [Observation(c, dict(zip(CAMERAS, p, strict=True))) for c, p in zip(columns, pictures, strict=True)]


def exported_actions(runner: ExportedPolicy, shown: list[Observation]) -> Array:
    """Act on what is shown; pictures come only where the policy looks."""
    found = []
    for columns, pictures in shown:
        given = {name: picture[0] for name, picture in pictures.items()} if runner.looks() else None
        found.append(runner.act(columns[0], given))
    return np.stack(found)


def with_cameras(place: Path, name: str, **how: bool) -> tuple[Path, Array, list[Observation]]:
    """Return the checkpoint of a policy that sees, what it does in an episode, and what it is shown there."""
    policy, shown = seeing(name, **how), sights(STEPS)
    save_policy(policy, place / "policy.safetensors", {"task": TASK, "algorithm": "bc"})
    policy.seed(5)
    policy.reset(1)
    return place / "policy.safetensors", np.concatenate([policy.act(one) for one in shown]), shown  # type: ignore[arg-type]


@pytest.mark.parametrize(("corrected", "own"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("name", SEEING)
def test_what_sees_acts_alike_and_looks_as_seldom(name: str, corrected: bool, own: bool, tmp_path: Path) -> None:
    path, expected, shown = with_cameras(tmp_path, name, corrected=corrected, own=own)
    found = deployable(path)
    (tmp_path / "policy.json").write_text(json.dumps(found.manifest))
    looks: list[int] = []

    def run(module: torch.nn.Module, inputs: Any) -> Array:
        looks.extend([1] * ("front" in inputs))
        return module(*map(torch.from_numpy, inputs.values())).detach().numpy()  # type: ignore[no-any-return]

    runs = [partial(run, module) for module in found.modules()]
    runner = ExportedPolicy(tmp_path, runs=runs, noise=torch_noise(5))
    np.testing.assert_allclose(exported_actions(runner, shown), expected, rtol=0, atol=1e-6)
    assert np.ptp(expected, axis=0).min() > 0.01
    assert len(looks) == {"flow": -(-STEPS // 3), "act": STEPS // 2}.get(name, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_an_export_with_cameras_is_exact_to_1e_5_over_200_steps(kind: Any, tmp_path: Path) -> None:
    for name in SEEING:
        place = tmp_path / name
        place.mkdir()
        path, expected, shown = with_cameras(place, name, corrected=name == "flow", own=name == "flow")
        manifest = export_policy(path, place / "out", kind).manifest
        programs = (
            [torch.export.load(place / "out" / p["file"]).module() for p in manifest["parts"]]
            if kind == "torch"
            else []
        )
        runs = [lambda i, m=module: m(*map(torch.from_numpy, i.values())).detach().numpy() for module in programs]
        runner = ExportedPolicy(place / "out", noise=torch_noise(5), runs=runs or None)
        np.testing.assert_allclose(exported_actions(runner, shown), expected, rtol=0, atol=1e-5)
    card = (place / "out" / "README.md").read_text()
    assert "Picture `front`: 16 x 16 x 3 of uint8 from 0 to 255" in card


PICTURE = np.zeros((16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"front": PICTURE}, "pictures: missing: wrist"),
        ({"front": PICTURE, "wrist": PICTURE, "side": PICTURE}, "pictures: unknown: side"),
        (None, "pictures: missing: front, wrist"),
        ({"front": PICTURE, "wrist": np.zeros((3, 16, 16), np.uint8)}, "picture of wrist: channels first"),
        ({"front": np.zeros((16, 16, 4), np.uint8), "wrist": PICTURE}, "picture of front: 4 channels"),
        ({"front": np.zeros((16, 16), np.uint16), "wrist": PICTURE}, "picture of front: one channel, such as depth"),
        ({"front": PICTURE, "wrist": np.full((16, 16, 3), 200.0)}, "picture of wrist: numbers of float64"),
        ({"front": PICTURE, "wrist": np.zeros((32, 32, 3), np.uint8)}, "picture of wrist: shape (32, 32, 3)"),
        (
            {"front": (PICTURE.astype(int) + 300).tolist(), "wrist": PICTURE},
            "picture of front: numbers from 300 to 300",
        ),
        ({"front": [[1, 2], [3]], "wrist": PICTURE}, "picture of front: rows of different length"),
    ],
)
def test_bad_pictures_are_refused_by_name(given: Any, told: str) -> None:
    about = {name: {"shape": [16, 16, 3]} for name in CAMERAS}
    with pytest.raises(ValueError, match=re.escape(told)):
        checked_pictures(given, about)
    assert checked_pictures({"front": PICTURE.tolist(), "wrist": PICTURE}, about)["front"].dtype == np.uint8


def test_a_policy_for_another_task_names_what_is_missing(tmp_path: Path) -> None:
    export_policy(saved(tmp_path, "gaussian"), tmp_path / "out", "torch")
    policy = ExportedPolicy(tmp_path / "out", runs=[lambda inputs: np.zeros((1, 4))])
    with pytest.raises(ValueError, match=r"missing: .*; unknown: .*expected \d+ names"):
        policy.act(dict.fromkeys(TASKS["push"].obs_names, 0.0))
    with pytest.raises(ValueError, match=r"missing: hand_x; unknown: hand_X"):
        policy.act({name.replace("hand_x", "hand_X"): 0.0 for name in policy.obs_names})
    with pytest.raises(CheckpointMismatchError, match="reach"):
        load_policy(tmp_path / "policy.safetensors", task="push")
