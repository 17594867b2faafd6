"""LeRobot: what the real library wants to find, and what it wrote."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from robo_rlhf.core.errors import CorruptFileError, VersionError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recorded_videos import video_path
from robo_rlhf.episodes.access import open_access
from robo_rlhf.formats.exporting import export
from robo_rlhf.formats.importing import import_place
from robo_rlhf.formats.videos import original_of
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.rendering.video import decode_mp4
from robo_rlhf.training import bc
from robo_rlhf.vision.episode_pictures import see_episodes
from robo_rlhf.vision.frame_cache import FrameCache
from robo_rlhf.vision.sight import Sight
from tests.formats.making import brightness, lerobot_set, recorded

LEROBOT = os.environ.get("ROBO_RLHF_LEROBOT", "")  # the interpreter of an environment with lerobot[dataset] 0.6
WIDE = {name: {"dtype": "float32", "shape": [3]} for name in ("observation.state", "action")}


def test_an_export_holds_what_lerobot_reads(tmp_path: Path) -> None:
    dataset = recorded(tmp_path / "from")
    export(dataset, dataset.list(), tmp_path / "set", "lerobot", valid=0.34)
    info = json.loads((tmp_path / "set/meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["fps"], info["total_episodes"], info["total_frames"]) == (20, 3, 15)
    assert info["splits"] == {"train": "0:2", "validation": "2:3"}
    assert info["features"]["observation.state"] == {
        "dtype": "float32",
        "shape": [6],
        "names": [f"obs_{i}" for i in range(6)],
    }
    rows = pq.read_table(tmp_path / "set/data/chunk-000/file-000.parquet")
    first, second = dataset.load("e0"), dataset.load("e1")
    assert rows["episode_index"].to_pylist() == [0] * 5 + [1] * 6 + [2] * 4
    assert np.array_equal(np.stack(rows["action"].to_numpy()[5:11]), second.action)
    assert rows["next.success"].to_pylist()[:5] == first.success[1:].tolist()
    assert rows["next.done"].to_pylist()[:6] == [False] * 4 + [True, False]
    assert np.allclose(rows["timestamp"].to_numpy()[:6], [0, 0.05, 0.1, 0.15, 0.2, 0])
    assert rows["intervention"].to_pylist()[:5] == (first.source == 3).tolist()
    tasks = pq.read_table(tmp_path / "set/meta/tasks.parquet")
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    assert tasks["task"].to_pylist() == ["Push the orange puck onto the green disc."]
    stats = json.loads((tmp_path / "set/meta/stats.json").read_text())["observation.state"]
    seen = np.concatenate([dataset.load(e).obs[:-1] for e in dataset.ids()]).astype(np.float64)
    assert np.allclose(stats["mean"], seen.mean(axis=0))
    assert np.allclose(stats["std"], seen.std(axis=0))
    assert np.allclose(stats["q50"], np.quantile(seen, 0.5, axis=0))
    assert stats["count"] == [15]


@pytest.mark.parametrize("old", [False, True])
def test_a_set_of_another_program_comes_in_with_its_video(old: bool, tmp_path: Path) -> None:
    rows = lerobot_set(tmp_path / "set", old=old)
    notes: list[str] = []
    assert import_place(tmp_path / "set", tmp_path / "back", notes=notes.append) == 2
    back = Dataset(tmp_path / "back")
    one, two = back.load("set-000000"), back.load("set-000001")
    assert (one.meta.task, one.meta.instruction, one.meta.control_dt) == ("pick_it_up", "Pick it up.", 0.1)
    assert (one.meta.outcome, two.meta.outcome) == ("success", "failure")
    assert np.array_equal(two.obs, rows["observation.state"][[6, 7, 8, 9, 9]])
    low, high = np.array(one.meta.action_bounds).T
    assert np.allclose(low + (one.action + 1) / 2 * (high - low), rows["action"][:6], atol=1e-4)
    assert np.array_equal(one.signals["gripper_force"][:, 0], rows["gripper_force"][:6])
    assert any("scaled to [-1, 1]" in note for note in notes)
    video = two.meta.frames["top"]
    pictures, fps = decode_mp4(video_path(back.path, video.file))
    assert fps == 10
    assert brightness(pictures) == ([1, 2, 3, 4] if old else [6, 7, 8, 9])
    shown = open_access(back.path / "episodes/set-000001.parquet").frames([0, 1, 3, 4], "top", 64, 48)
    assert brightness(shown) == ([1, 2, 4, 4] if old else [6, 7, 9, 9])  # the last frame was not recorded


def test_what_came_from_elsewhere_goes_out_in_its_own_units_with_its_pictures(tmp_path: Path) -> None:
    rows = lerobot_set(tmp_path / "set")
    import_place(tmp_path / "set", tmp_path / "back")
    back = Dataset(tmp_path / "back")
    export(back, back.list(), tmp_path / "again", "lerobot", cameras=("top",))
    again = pq.read_table(tmp_path / "again/data/chunk-000/file-000.parquet")
    assert np.allclose(np.stack(again["action"].to_numpy()), rows["action"], atol=1e-4)
    pictures, _ = decode_mp4(tmp_path / "again/videos/observation.images.top/chunk-000/file-000.mp4")
    assert brightness(pictures) == list(range(10))
    import_place(tmp_path / "again", tmp_path / "third")
    third = Dataset(tmp_path / "third").load("set-000001")
    assert np.array_equal(third.action, back.load("set-000001").action)
    assert brightness(decode_mp4(original_of(tmp_path / "third", third.meta.frames["top"]))[0]) == [6, 7, 8, 9]


def test_a_set_of_pictures_and_actions_alone_is_cloned_from_its_pictures(tmp_path: Path) -> None:
    lerobot_set(tmp_path / "set")
    place = tmp_path / "set/meta/info.json"
    info = json.loads(place.read_text())
    del info["features"]["observation.state"]
    place.write_text(json.dumps(info))
    import_place(tmp_path / "set", tmp_path / "back")
    back = Dataset(tmp_path / "back")
    episodes = [back.load(one.meta.id) for one in back.list()]
    assert [e.obs.shape for e in episodes] == [(7, 0), (5, 0)]
    pictures = see_episodes(episodes, Sight(("top",), 16), FrameCache(tmp_path / "frames"), folder=back.path)
    settings = {"policy": "gaussian", "settings": {"width": 8}, "cameras": ["top"], "size": 16}
    learner = bc.BCLearner(bc.Config(policy="visual", settings=settings, batch=4), episodes, pictures=pictures)
    assert np.isfinite(learner.update())
    del info["features"]["observation.images.top"]
    place.write_text(json.dumps(info))
    with pytest.raises(CorruptFileError, match=r"it has no feature called .*, and no video"):
        import_place(tmp_path / "set", tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fps": 0}, "fps is 0: expected more than 0"),
        ({"video_path": "../{video_key}.mp4"}, "leads out of the set"),
        ({"features": {}}, "it has no feature called action"),
        ({"features": WIDE}, "episode 0: column action has 2 values a row, meta/info.json says 3"),
    ],
)
def test_what_does_not_fit_is_one_sentence(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    lerobot_set(tmp_path / "set", **changes)
    with pytest.raises(CorruptFileError, match=said):
        import_place(tmp_path / "set", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_video_that_is_shorter_than_its_rows_is_named_with_its_episode(tmp_path: Path) -> None:
    lerobot_set(tmp_path / "short", (4, 4))
    lerobot_set(tmp_path / "set", (6, 4))
    short = tmp_path / "short/videos/observation.images.top/chunk-000/file-000.mp4"
    short.replace(tmp_path / "set/videos/observation.images.top/chunk-000/file-000.mp4")
    with pytest.raises(CorruptFileError, match=r"file-000.mp4 .*episode set-000001: 8 frames in the video"):
        import_place(tmp_path / "set", tmp_path / "back")


def test_another_version_is_refused(tmp_path: Path) -> None:
    lerobot_set(tmp_path / "set", codebase_version="v1.6")
    with pytest.raises(VersionError, match=r"version v1\.6, this program reads version v2\.1 or v3\.0"):
        import_place(tmp_path / "set", tmp_path / "back")


@pytest.mark.slow
@pytest.mark.skipif(not LEROBOT, reason="$ROBO_RLHF_LEROBOT names no interpreter with lerobot")
def test_lerobot_itself_reads_an_export(reach_home: Path, tmp_path: Path) -> None:
    dataset = Dataset(reach_home / "samples/reach")
    export(dataset, dataset.list(), tmp_path / "set", "lerobot", cameras=("front", "wrist"), size=128)
    program = f"""
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset
found = LeRobotDataset("a/b", root="{tmp_path}/set", video_backend="pyav")
rows = [found[i] for i in range(len(found))]
print(found.num_episodes, found.fps, rows[0]["task"])
np.savez("{tmp_path}/found.npz", **{{n.replace(".", "_"): np.stack([r[n].numpy() for r in rows]) for n in
    ("observation.state", "action", "episode_index")}},
    front=np.stack([rows[i]["observation.images.front"].numpy() for i in range(0, len(rows), 25)]))
"""
    done = subprocess.run(
        [LEROBOT, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    assert done.stdout.split("\n")[0].startswith(f"{len(dataset)} 20 ")
    with np.load(tmp_path / "found.npz") as found:
        episodes = [dataset.load(episode_id) for episode_id in dataset.ids()]
        assert np.array_equal(found["observation_state"], np.concatenate([e.obs[:-1] for e in episodes]))
        assert np.array_equal(found["action"], np.concatenate([e.action for e in episodes]))
        with FrameRenderer(load_model("reach"), 128, 128, "fast") as renderer:
            drawn = renderer.frames(np.concatenate([e.state[:-1] for e in episodes])[::25], "front")
        seen = found["front"].transpose(0, 2, 3, 1) * 255
        assert np.abs(seen - drawn).mean(axis=(1, 2, 3)).max() < 8  # grey levels
