"""Cloning from pictures by the command line: train, evaluate, correct, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.cli.main import main
from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.types import RecordedVideo, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recorded_videos import video_path
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.sim.rendering.video import decode_mp4, encode_mp4
from tests.data.making import episode
from tests.guesting import at_home, forget

LOOKS = ("unseen looks", "cameras moved by 2 cm and 2 degrees", "cameras moved by 5 cm and 5 degrees")
SEES = ["--cameras", "front,wrist", "--size", "16", "--proprioception-only"]
TRAIN = ["train", "bc", "--task", "reach", "--failures", "--batch", "4", *SEES]


@pytest.fixture
def samples(home: Path, reach_home: Path) -> Path:
    """Two demonstrations of reach, six steps long."""
    shown = [e.slice(0, 6) for e in list(Dataset(reach_home / "samples" / "reach").load_all())[:2]]
    Dataset(home / "samples" / "reach", create=True).add_many(shown)
    return home


def test_pictures_are_cloned_evaluated_and_corrected(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--policy", "gaussian", "--settings", "width", "16", "--updates", "3", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    policy = load_policy(Path(row["policy"]))
    assert isinstance(policy, VisualPolicy)
    assert policy.settings["policy"] == "gaussian"
    assert (policy.settings["cameras"], policy.settings["size"]) == (["front", "wrist"], 16)
    assert policy.settings["columns"] == list(range(10))  # of 13; the goal is not among them
    assert len(list((samples / "cache" / "frames").glob("*.npy"))) == 4
    assert main(["evaluate", "bc", "--episodes", "1", "--looks", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["episodes"] == 1
    assert [found["looks"][name]["episodes"] for name in LOOKS] == [1, 1, 1]
    late = ["--drop-frames", "0.3", "--delay-frames", "1", "--delay-actions", "2", "--sensor-noise", "0.01"]
    assert main(["evaluate", "bc", "--episodes", "1", *late, "--speed-limit", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["return"] != found["return"]
    assert main(["evaluate", "bc", "--episodes", "1", "--drop-frames", "1"]) == 2
    assert "drop_frames of the conditions" in capsys.readouterr().err
    assert main(["rollout", "--env", "reach", "--policy", "bc", "-n", "1", *late, "--dataset", "late"]) == 0
    (shown,) = Dataset(samples / "late").load_all()
    assert json.loads(shown.meta.versions["conditions"])["delay_actions"] == 2
    assert shown.signals["sent"].shape == shown.action.shape
    capsys.readouterr()

    words = ["train", "sac", "--policy", "bc", "--objective", "task", "--demos", "1", "--num-envs", "1", "--json"]
    assert main([*words, "--iterations", "1", "--updates", "0.02", "--batch", "8", "--critic-width", "8"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    tuned = load_policy(Path(row["policy"]))
    assert isinstance(tuned, TanhGaussianPolicy)
    assert isinstance(tuned.base, VisualPolicy)
    frozen = zip(policy.state_dict().values(), tuned.base.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in frozen)

    shown = Dataset(samples / "samples" / "reach").load_all()
    (first, *_) = shown
    source = np.full(len(first), int(Source.CORRECTION), np.uint8)
    better = replace(first, source=source, meta=replace(first.meta, id="better"))
    Dataset(samples / "takeovers", create=True).add(better)
    again = ["train", "dagger", "--task", "reach", "--failures", "--corrections", "takeovers", *SEES, "--json"]
    assert main([*again, "--clone.updates", "2", "--clone.batch", "4", "--clone.settings", "width", "16"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert load_policy(Path(row["policy"])).settings["policy"] == "flow"


def test_what_cannot_be_seen_is_refused_before_any_work(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, sentence in (
        (["--cameras", "frnt"], "Did you mean 'front'"),
        (["--cameras", "front", "--size", "0"], "from 8 to 512"),
        (["--cameras", "front", "--size", "8192"], "from 8 to 512"),
        (["--hide", "gaol"], "goal"),
        (["--cameras", "front", "--shift", "-1"], "--shift: expected 0 or more pixels, got -1"),
        (["--cameras", "front", "--encoder", "smal"], "small"),
        (["--cameras", "front", "--looks", "-1"], "looks: expected 0, or how many different ones"),
        (["--looks", "4"], "--cameras, whose pictures differ between looks"),
    ):
        assert main(["train", "bc", "--task", "reach", "--failures", *more]) != 0
        assert sentence in capsys.readouterr().err, more
    assert not (samples / "runs" / "bc" / "config.json").exists()
    assert not (samples / "cache").exists()


def test_looks_are_previewed_and_refused_without_cameras(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = samples / "looks.mp4"
    where = ["--dataset", "samples/reach", "--width", "32", "--height", "32", "--out", str(clip)]
    assert main(["episodes", "render", "reach-0", "--looks", "3", *where]) == 0
    frames, _ = decode_mp4(clip)
    assert len(frames) == 7
    assert main(["episodes", "render", "reach-0", "--looks", "99", *where]) == 2
    assert "--looks: expected 0 to 64" in capsys.readouterr().err
    plain = ["train", "bc", "--task", "reach", "--failures", "--policy", "gaussian", "--settings", "width", "16"]
    assert main([*plain, "--updates", "1", "--json"]) == 0
    assert main(["evaluate", "bc", "--episodes", "1", "--looks", "2"]) == 2
    assert "one that was trained with --cameras" in capsys.readouterr().err
    assert main(["train", "ppo", "--policy", "bc", "--objective", "task", "--learn-encoder"]) == 2
    assert "expected one that was cloned with --cameras" in capsys.readouterr().err
    assert not (samples / "runs" / "ppo").exists()


def test_an_encoder_of_a_users_own_is_trained_and_runs_where_it_is_allowed(
    samples: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with at_home(tmp_path / "guests") as folder:
        own = ["--encoder", "my_encoders:Flat", "--policy", "gaussian", "--settings", "width", "16"]
        assert main([*TRAIN, *own, "--updates", "2", "--json"]) == 0
        capsys.readouterr()
        forget(folder)
        assert main(["evaluate", "bc", "--episodes", "1"]) != 0
        assert "--allow my_encoders" in capsys.readouterr().err
        assert main(["evaluate", "bc", "--episodes", "1", "--json", "--allow", "my_encoders"]) == 0
        assert json.loads(capsys.readouterr().out)["episodes"] == 1


def test_recorded_videos_without_states_are_cloned(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Dataset(home / "lab", create=True)
    for number in range(2):
        steps = 6
        bright = np.arange(0, 40 * (steps + 1), 40).astype(np.uint8) // (number + 1)
        frames = np.broadcast_to(bright[:, None, None, None], (steps + 1, 32, 48, 3)).copy()
        file = f"{number:032x}.mp4"
        write_atomic(video_path(made.path, file), encode_mp4(frames, 20.0))
        video = RecordedVideo(file, file, 20.0, steps + 1, 48, 32)
        elsewhere = {"task": "fold", "origin": {"format": "video", "episode": str(number)}, "frames": {"desk": video}}
        one = episode(f"e{number}", steps=steps, seed=number, **elsewhere)
        made.add(replace(one, state=one.state[:, :0]))
    words = ["train", "bc", "--task", "fold", "--dataset", "lab", "--updates", "2", "--batch", "4", "--size", "16"]
    assert main([*words, "--cameras", "desk", "--json"]) == 0
    policy = load_policy(Path(json.loads(capsys.readouterr().out)[0]["policy"]))
    assert policy.cameras == ("desk",)
    kept = [np.load(file) for file in (home / "cache" / "frames").glob("*.npy")]
    assert [one.shape for one in kept] == [(7, 16, 16, 3)] * 2
    middle = sorted([one[:, 8, 8, 0].tolist() for one in kept], key=max)[-1]
    assert np.abs(np.array(middle) - np.arange(0, 280, 40)).max() < 8  # each step has its own frame, but for the codec
    for more, sentence in (
        (["--cameras", "dek"], "desk"),
        (["--cameras", "desk", "--looks", "4"], "episodes with states"),
    ):
        assert main([*words, "--run", "other", *more]) != 0
        assert sentence in capsys.readouterr().err
