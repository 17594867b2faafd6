from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.errors import CorruptFileError, VersionError
from robo_rlhf.core.types import Episode
from robo_rlhf.data import schema
from robo_rlhf.data.schema import (
    Timing,
    encode,
    read_columns,
    read_header,
    to_columns,
    to_episode,
)
from tests.data.making import check_equal, episode, meta

STRIDE = 3  # of 8, so that over the bytes every bit of one has its turn


def write(folder: Path, recorded: Episode, timing: Timing | None = None) -> Path:
    path = folder / f"{recorded.meta.id}.parquet"
    path.write_bytes(encode(to_columns(recorded, timing or Timing.unknown(len(recorded))), recorded.meta))
    return path


@settings(max_examples=30)
@given(
    steps=st.integers(0, 9),
    dims=st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 6)),
    signals=st.dictionaries(st.text("ab_", min_size=1), st.integers(1, 3), max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_written_is_read_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory,
    steps: int,
    dims: tuple[int, int, int],
    signals: dict[str, int],
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 256, size=8 * (steps + 1) * dims[2], dtype=np.uint8)  # NaNs and infinities too
    recorded = Episode(
        obs=rng.normal(size=(steps + 1, dims[0])).astype(np.float32),
        action=rng.uniform(-1, 1, size=(steps, dims[1])).astype(np.float32),
        state=bits.view(np.float64).reshape(steps + 1, dims[2]),
        reward=rng.normal(size=steps).astype(np.float32),
        success=rng.uniform(size=steps + 1) > 0.5,
        source=rng.integers(0, 4, size=steps).astype(np.uint8),
        signals={name: rng.normal(size=(steps, k)).astype(np.float32) for name, k in signals.items()},
        meta=meta("e", tags=("a", "ü"), versions={"mujoco": "4"}, parent="p", parent_step=3, note="a\nb"),
    )
    timing = Timing(rng.uniform(size=steps), rng.uniform(size=steps).astype(np.float32))
    path = write(tmp_path_factory.mktemp("round"), recorded, timing)
    columns, header = read_columns(path)
    check_equal(to_episode(columns, header.meta), recorded)
    assert header == read_header(path)
    assert (header.meta, header.steps) == (recorded.meta, steps)
    assert header.sources == {int(chosen): int((recorded.source == chosen).sum()) for chosen in set(recorded.source)}
    assert columns["wall_time"].tobytes() == timing.wall_time.tobytes()
    assert columns["input_age"].tobytes() == timing.input_age.tobytes()


def test_arrays_can_be_written_to_and_do_not_share_memory(tmp_path: Path) -> None:
    columns, _ = read_columns(write(tmp_path, episode()))
    assert all(value.flags.writeable and value.flags.c_contiguous for value in columns.values())


def test_any_parquet_reader_sees_frames_with_the_steps_taken_from_them(tmp_path: Path) -> None:
    recorded = episode(steps=4)
    table = pq.read_table(write(tmp_path, recorded))
    assert table.num_rows == 5
    assert table["obs"].to_pylist()[2] == pytest.approx(recorded.obs[2].tolist())
    assert table["signals/ee_pos"].to_pylist()[3] == pytest.approx(recorded.signals["ee_pos"][3].tolist())
    assert table["action"].to_pylist()[4] is None
    assert table["reward"].to_pylist()[4] is None


def test_columns_can_be_read_alone(tmp_path: Path) -> None:
    columns, _ = read_columns(write(tmp_path, episode()), ("action", "obs"))
    assert columns.keys() == {"obs", "action"}


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    recorded = episode(steps=3)
    path = write(tmp_path, recorded)
    whole = path.read_bytes()
    for length in range(0, len(whole), 41):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptFileError, match=r"e1\.parquet cannot be read"):
            read_columns(path)
        with pytest.raises(CorruptFileError, match=r"e1\.parquet cannot be read"):
            read_header(path)


def check_flip(folder: Path, content: bytes, bit: int) -> None:
    flipped = bytearray(content)
    bit %= 8 * len(content)
    flipped[bit // 8] ^= 1 << bit % 8
    path = folder / "flipped.parquet"
    path.write_bytes(flipped)
    with pytest.raises(CorruptFileError, match=r"flipped\.parquet cannot be read \("):
        read_columns(path)
    try:
        header = read_header(path)  # for lists; it looks at no more than the footer
    except CorruptFileError:
        return
    assert header.meta == episode(steps=5).meta


@settings(max_examples=200)
@given(bit=st.integers(0, 2**20))
def test_a_flipped_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    recorded = episode(steps=5)
    content = encode(to_columns(recorded, Timing.unknown(5)), recorded.meta)
    check_flip(tmp_path_factory.getbasetemp(), content, bit)


@pytest.mark.slow
def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    content = write(tmp_path, episode(steps=5)).read_bytes()
    for bit in range(0, 8 * len(content), STRIDE):
        check_flip(tmp_path, content, bit)


def test_a_file_of_another_version_is_told_from_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "FORMAT", 2)
    path = write(tmp_path, episode("new"))
    monkeypatch.undo()
    expected = rf"^{path} has format version 2, this program reads version 1\. Read it with the version of robo-rlhf"
    for read in (read_columns, read_header):
        with pytest.raises(VersionError, match=expected):
            read(path)


def test_a_strange_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    with pytest.raises(CorruptFileError, match=r"other\.parquet cannot be read \(it holds no episode\)"):
        read_header(path)
    with pytest.raises(CorruptFileError, match=r"other\.parquet cannot be read \(its seal is missing\)"):
        read_columns(path)


def test_a_missing_file_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_columns(tmp_path / "none.parquet")
    with pytest.raises(FileNotFoundError):
        read_header(tmp_path / "none.parquet")
