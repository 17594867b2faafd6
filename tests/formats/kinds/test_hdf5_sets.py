"""robomimic and Minari: what their own libraries read, and what they wrote."""

import json
from pathlib import Path

import gymnasium
import h5py
import minari
import numpy as np
import pytest
from minari.serialization import serialize_space

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.formats.exporting import export
from robo_rlhf.formats.importing import import_place
from tests.data.making import episode
from tests.formats.making import recorded


def test_minari_itself_loads_an_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    dataset = recorded(tmp_path / "from")
    export(dataset, dataset.list(), tmp_path / "sets/lab/push-v1", "minari")
    found = minari.load_dataset("lab/push-v1")
    assert (found.total_episodes, found.total_steps) == (3, 15)
    assert found.action_space == gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    for one, episode_id in zip(found.iterate_episodes(), dataset.ids(), strict=True):
        wanted = dataset.load(episode_id)
        assert np.array_equal(one.observations, wanted.obs)
        assert np.array_equal(one.actions, wanted.action)
        assert np.array_equal(one.infos["state"], wanted.state)
        assert bool(one.terminations[-1]) == bool(wanted.success[-1])


def minari_set(place: Path, steps: int = 5) -> dict[str, np.ndarray]:
    """Write a set as Minari's collector writes one of an environment with a dictionary of observations."""
    rng = np.random.default_rng(3)
    spaces = {name: gymnasium.spaces.Box(-np.inf, np.inf, (n,), np.float64) for name, n in (("b", 2), ("a", 3))}
    acted = gymnasium.spaces.Box(np.array([-2, 0], np.float32), np.array([2, 8], np.float32))
    about = {
        "total_episodes": 1,
        "data_format": "hdf5",
        "observation_space": serialize_space(gymnasium.spaces.Dict(spaces)),
        "action_space": serialize_space(acted),
        "env_spec": json.dumps({"id": "Lab-v3", "max_episode_steps": 5}),
    }
    (place / "data").mkdir(parents=True)
    (place / "data/metadata.json").write_text(json.dumps(about))
    rows = {
        "observations/a": rng.normal(size=(steps + 1, 3)),
        "observations/b": rng.normal(size=(steps + 1, 2)),
        "actions": rng.uniform([-2, 0], [2, 8], size=(steps, 2)).astype(np.float32),
        "rewards": rng.normal(size=steps),
    }
    with h5py.File(place / "data/main_data.hdf5", "w") as file:
        group = file.create_group("episode_0")
        group.attrs["seed"] = 41
        for name, value in rows.items():
            group.create_dataset(name, data=value)
    return rows


def test_a_minari_set_becomes_demonstrations_of_its_environment(tmp_path: Path) -> None:
    rows = minari_set(tmp_path / "lab-v0")
    notes: list[str] = []
    import_place(tmp_path / "lab-v0", tmp_path / "back", notes=notes.append)
    (found,) = Dataset(tmp_path / "back").load_all()
    assert (found.meta.task, found.meta.seed, found.meta.outcome) == ("Lab-v3", 41, "success")
    wanted = np.concatenate([rows["observations/a"], rows["observations/b"]], axis=1)
    assert np.array_equal(found.obs, wanted.astype(np.float32))
    assert np.allclose(found.action, rows["actions"] / [2, 4] - [0, 1], atol=1e-6)
    assert np.array_equal(found.reward, rows["rewards"].astype(np.float32))
    assert [note.partition(":")[0] for note in notes][-1] == "nothing says whether an episode succeeded"


def test_an_export_for_robomimic_holds_scene_states_and_masks(reach_home: Path, tmp_path: Path) -> None:
    dataset = Dataset(reach_home / "samples/reach")
    export(dataset, dataset.list(), tmp_path / "set.hdf5", "robomimic", valid=0.25)
    with h5py.File(tmp_path / "set.hdf5") as file:
        data = file["data"]
        assert data.attrs["total"] == sum(info.length for info in dataset.list())
        assert json.loads(data.attrs["env_args"])["env_name"] == "reach"
        masks = {name: {text.decode() for text in file[f"mask/{name}"]} for name in ("train", "valid")}
        assert {name: len(members) for name, members in masks.items()} == {"train": 6, "valid": 2}
        assert masks["train"] | masks["valid"] == set(data)
        first, wanted = data["demo_0"], dataset.load(dataset.ids()[0])
        assert first.attrs["num_samples"] == len(wanted)
        assert first.attrs["model_file"].startswith("<mujoco")
        assert np.array_equal(first["states"], wanted.state[:-1])
        assert np.array_equal(first["obs/state"], wanted.obs[:-1])
        assert np.array_equal(first["next_obs/state"], wanted.obs[1:])
        assert first["dones"][()].tolist() == [0] * (len(wanted) - 1) + [1]


def robomimic_set(place: Path, **arrays: np.ndarray) -> None:
    """Write a file as robomimic's own scripts write one of robosuite, with one camera."""
    made = {
        "actions": np.linspace(-1, 1, 8).reshape(4, 2),
        "rewards": np.array([0.0, 0, 0, 1]),
        "states": np.zeros((4, 20)),
        "obs/eef_pos": np.arange(12.0).reshape(4, 3),
        "obs/agentview_image": np.full((4, 32, 32, 3), 80, np.uint8),
        **arrays,
    }
    with h5py.File(place, "w") as file:
        file.create_group("data").attrs["env_args"] = json.dumps(
            {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20}}
        )
        for name, value in made.items():
            file.create_dataset(f"data/demo_0/{name}", data=value)


def test_a_robomimic_file_comes_in_with_its_pictures(tmp_path: Path) -> None:
    robomimic_set(tmp_path / "lift.hdf5")
    notes: list[str] = []
    import_place(tmp_path / "lift.hdf5", tmp_path / "back", notes=notes.append)
    (found,) = Dataset(tmp_path / "back").load_all()
    assert (found.meta.task, found.meta.control_dt, found.meta.outcome) == ("Lift", 0.05, "success")
    assert found.success.tolist() == [False, False, False, False, True]
    assert found.obs[:, 0].tolist() == [0, 3, 6, 9, 9]
    assert found.meta.frames["agentview"].frames == 4
    assert notes == ["simulator states of another program are left out: they cannot be entered here, nor drawn"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"obs/eef_pos": np.zeros((3, 3))}, "episode demo_0: obs/eef_pos has 3 rows, actions 4"),
        ({"actions": np.array([[0.0], [np.nan], [0], [0]])}, "episode demo_0, row 1: actions is not finite"),
        ({"obs/agentview_image": np.zeros((5, 8, 8, 3), np.uint8)}, "demo_0: obs/agentview_image has 5 pictures"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays: dict[str, np.ndarray], said: str, tmp_path: Path) -> None:
    robomimic_set(tmp_path / "lift.hdf5", **arrays)
    with pytest.raises(CorruptFileError, match=said):
        import_place(tmp_path / "lift.hdf5", tmp_path / "back")


def test_links_out_of_a_file_are_refused(tmp_path: Path) -> None:
    robomimic_set(tmp_path / "lift.hdf5")
    with h5py.File(tmp_path / "lift.hdf5", "a") as file:
        file["data/demo_0/secret"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(CorruptFileError, match="secret is a link to another file, /etc/passwd"):
        import_place(tmp_path / "lift.hdf5", tmp_path / "back")


def test_places_that_the_libraries_would_not_open_are_refused(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "from", create=True)
    dataset.add(episode("e1"))
    with pytest.raises(InvalidValueError, match="NAME-vN"):
        export(dataset, dataset.list(), tmp_path / "push", "minari")
    with pytest.raises(InvalidValueError, match=r"\.hdf5"):
        export(dataset, dataset.list(), tmp_path / "push", "robomimic")
