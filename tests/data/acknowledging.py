"""Keeps, deletes and opens journals, and says so after each: run under strace by `test_synced`."""

import os
import sys
from pathlib import Path

from robo_rlhf.core.files import write_json
from robo_rlhf.core.runs import Run
from robo_rlhf.data.dataset import Dataset
from tests.data.making import append, begin, episode


def say(text: str) -> None:
    """Acknowledge, in one system call that the trace shows."""
    os.write(1, f"{text}\n".encode())


def work(home: Path) -> None:
    """Do one of each, in a home that is not there yet."""
    dataset = Dataset(home / "samples" / "new", create=True)
    say("made samples/new/dataset.json")
    like = episode("one")
    writer = begin(dataset, like)
    say("made samples/new/journal/one.arrows")
    append(writer, like)
    writer.close("success")
    say("made samples/new/episodes/one.parquet")
    dataset.add_many([episode("two"), episode("three")])
    say("made samples/new/episodes/two.parquet")
    say("made samples/new/episodes/three.parquet")
    dataset.tag("two", "good")
    say("made samples/new/episodes/two.parquet")
    dataset.delete("one")
    say("made samples/new/trash/one.1.parquet")
    say("gone samples/new/episodes/one.parquet")
    dataset.undelete("one")
    say("made samples/new/episodes/one.parquet")
    say("gone samples/new/trash/one.1.parquet")
    dataset.delete("three")
    dataset.purge(["three"])
    say("gone samples/new/trash/three.1.parquet")
    begin(dataset, episode("four")).discard()
    say("gone samples/new/journal/four.arrows")
    run = Run(home / "runs" / "main" / "stage", {})
    run.log(1, {"loss": 0.5})
    run.save("policy", {}, {})
    say("made runs/main/stage/metrics.jsonl")
    say("made runs/main/stage/checkpoints/policy.safetensors")
    write_json(home / "deep" / "down" / "file.json", {})
    say("made deep/down/file.json")


if __name__ == "__main__":
    work(Path(sys.argv[1]))
