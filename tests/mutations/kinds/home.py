"""Other files of a data home: caches, uploads, the address of its station, controls, arenas, evaluations."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from robo_rlhf.cli.station_address import note_address, noted_address
from robo_rlhf.core.files import make_folder, write_json
from robo_rlhf.core.json_lines import append_line
from robo_rlhf.data.schema import meta_to_json
from robo_rlhf.feedback.arena.arena import Arena, Entrant
from robo_rlhf.pipeline.steps.evaluation import stored_evaluation
from robo_rlhf.rollouts.evaluation import EpisodeResult, summarize_results
from robo_rlhf.rollouts.kept_evaluation import KeptResults
from robo_rlhf.sim.external.controls import ColumnControl
from teleop.station.library.facts_cache import FactsCache
from teleop.station.library.index import SNAPSHOT, VERSION, Index
from teleop.station.web.uploads import Uploads
from teleop.worlds.remembered_controls import controls_path, read_controls, write_controls
from tests.data.making import meta
from tests.mutations.harness import Kind, forge_file, is_part, made_again

SIGNATURE = (11, 22, 33)
EPISODES = ("e1", "e2")
FACTS = {"steps": 12, "path": 1.5}
USUAL = (ColumnControl("a", "x"), ColumnControl("b", "gripper"))
CHANGED = (replace(USUAL[0], sign=-1, scale=0.25), USUAL[1])


def _make_index(folder: Path) -> None:
    make_folder(folder / "cache")
    row = {"signature": SIGNATURE, "steps": 12, "sources": ["human"]}
    rows = {f"set/{name}": {**row, "meta": meta_to_json(meta(name))} for name in EPISODES}
    write_json(folder / SNAPSHOT, {"version": VERSION, "episodes": rows}, indent=None)


def _read_index(folder: Path) -> Any:
    index = Index(folder)
    found = {name: known for name in EPISODES if (known := index._recall(f"set/{name}", SIGNATURE)) is not None}
    return made_again(found, len(found) == len(EPISODES))


def _facts(folder: Path) -> Path:
    return folder / "facts.jsonl"


def _make_facts(folder: Path) -> None:
    for name in EPISODES:
        append_line(_facts(folder), {"dataset": "set", "episode": name, "signature": SIGNATURE, "facts": FACTS})


def _read_facts(folder: Path) -> Any:
    cache = FactsCache(_facts(folder), lambda key: folder / key.episode)
    try:
        found = dict(cache._read())
        return made_again(found, len(found) == len(EPISODES))
    finally:
        cache.close()


def _make_uploads(folder: Path) -> None:
    Uploads(folder).begin("anna", 1000)


def _read_uploads(folder: Path) -> Any:
    found = [asdict(one) for one in Uploads(folder).of("anna")]
    return made_again(found, found != [])


def _make_arena(folder: Path) -> None:
    arena = Arena.create(folder, "duel", "push", "human", 3, 1)
    arena.add([Entrant(name, f"{name}.safetensors", name * 64, "2026-12-01") for name in "ab"])
    arena.show_names_to("anna")


def _read_arena(folder: Path) -> Any:
    arena = Arena(folder, "duel")
    return arena.config, arena.policies(), arena.places(), arena.spectators()


def _kept(folder: Path) -> KeptResults:
    return KeptResults(folder / "policy.safetensors", {"task": "push"})


def _make_kept(folder: Path) -> None:
    (folder / "policy.safetensors").write_bytes(b"weights")
    kept = _kept(folder)
    kept.done = {seed: EpisodeResult(seed, "success", "", True, True, 1.5, {"path": 0.5}) for seed in (1, 2)}
    kept.random = {"actor": "00"}
    kept.write()


def _make_evaluation(folder: Path) -> None:
    results = [EpisodeResult(seed, "success", "", True, True, 1.5, {"path": 0.5}) for seed in (1, 2, 3)]
    write_json(folder / "after" / "result.json", summarize_results("push", results).to_json())


KINDS = [
    Kind(
        "evaluation of a run",
        _make_evaluation,
        "after/result.json",
        lambda folder: stored_evaluation(folder, "after"),
        forge=forge_file,
    ),
    Kind("library index", _make_index, SNAPSHOT, _read_index, part=is_part, forge=forge_file),
    Kind("facts of episodes", _make_facts, "facts.jsonl", _read_facts, part=is_part, forge=forge_file),
    Kind(
        "upload",
        _make_uploads,
        "cache/uploads/*.json",
        _read_uploads,
        part=lambda found, _: found == [],
        forge=forge_file,
    ),
    Kind(
        "station address",
        lambda folder: note_address(folder, "http://10.0.0.5:8700"),
        "station.json",
        noted_address,
        forge=forge_file,
    ),
    Kind(
        "controls",
        lambda folder: write_controls(folder, "Lab-v0", CHANGED, USUAL),
        f"controls/{controls_path(Path(), 'Lab-v0').name}",
        lambda folder: read_controls(folder, "Lab-v0", USUAL),
        forge=forge_file,
    ),
    Kind("arena", _make_arena, "runs/duel/*.json", _read_arena, forge=forge_file),
    Kind(
        "kept evaluation",
        _make_kept,
        "policy.evaluation-*.json",
        lambda folder: (_kept(folder).done, _kept(folder).random),
        forge=forge_file,
    ),
]
