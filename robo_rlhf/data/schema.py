"""The file format of an episode: one Parquet file with checksums.

Row t holds frame t (obs, state, success) and the step that was taken from it (action, reward, source, wall_time,
input_age, signals/NAME); the last row has no step, its step columns are null. Any Parquet reader can use the file.
The footer holds metadata as JSON under the key `robo_rlhf`: the format version, `EpisodeMeta`, for every column its
type and shape, and how many steps each source chose. `robo_rlhf.crc32` is the CRC-32 of that JSON, which
lists of episodes rely on, and `robo_rlhf.seal` seals the whole file, which is checked before anything else is read.
"""

import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, VersionError
from robo_rlhf.core.files import open_whole, read_whole
from robo_rlhf.core.seal import BLANK, MARK, parse_json, seal, sealed_length
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, RecordedVideo

FORMAT = 1
LEVEL = 3  # zstd: 19 saves 2 % of a file and takes a hundred times as long
HEADER_KEY, CHECK_KEY, SEAL_KEY = b"robo_rlhf", b"robo_rlhf.crc32", b"robo_rlhf.seal"
SIGNAL = "signals/"
_LISTS = ("tags", "obs_names", "action_names")  # fields of the metadata that are tuples
_IMPORTED = ("origin", "instruction", "action_bounds", "frames", "marked")  # those that are left out where empty
FRAME_COLUMNS = ("obs", "state", "success")  # T+1 rows; every other column has T
# What decoding damaged bytes can raise. The bytes are in memory by then, so an OSError is Arrow's, not the disk's.
DECODE_ERRORS = (
    pa.ArrowException,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    RecursionError,
    InvalidValueError,
)
_VERIFY = "`robo-rlhf episodes verify` moves damaged files aside; everything else can be used."

Columns = dict[str, Array]


class Timing(NamedTuple):
    """When the steps of an episode were taken, in wall-clock time. NaN where it is not known."""

    wall_time: Array  # (T,) float64 [s since 1970], when the action was applied
    input_age: Array  # (T,) float32 [s], how old the operator's input then was

    @staticmethod
    def unknown(steps: int) -> "Timing":
        """Return the timing of `steps` steps whose times are unknown."""
        return Timing(np.full(steps, np.nan), np.full(steps, np.nan, dtype=np.float32))


class Header(NamedTuple):
    """The footer of an episode file."""

    meta: EpisodeMeta
    columns: dict[str, tuple[str, tuple[int, ...]]]  # name → dtype, shape
    sources: dict[int, int] | None = None  # `Source` → steps that it chose; None in files that do not say

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return self.columns["action"][1][0]


def to_columns(episode: Episode, timing: Timing) -> Columns:
    """Return the arrays of an episode by column name."""
    return {
        **{name: getattr(episode, name) for name in ("obs", "state", "success", "action", "reward", "source")},
        **timing._asdict(),
        **{SIGNAL + name: value for name, value in sorted(episode.signals.items())},
    }


def to_episode(columns: Columns, meta: EpisodeMeta) -> Episode:
    """Return the episode made of all columns."""
    arrays = {name: columns[name] for name in ("obs", "state", "success", "action", "reward", "source")}
    signals = {name.removeprefix(SIGNAL): value for name, value in columns.items() if name.startswith(SIGNAL)}
    return Episode(**arrays, signals=signals, meta=meta)


def meta_to_json(meta: EpisodeMeta) -> dict[str, Any]:
    """Return the fields of `meta` as a JSON object, without those that only imported episodes have and it has not."""
    plain = {name: value for name, value in asdict(meta).items() if value or name not in _IMPORTED}
    return {**plain, "versions": dict(meta.versions), **{name: list(getattr(meta, name)) for name in _LISTS}}


def meta_from_json(value: Mapping[str, Any]) -> EpisodeMeta:
    """Return what `meta_to_json` was given; fields that this version does not know are skipped."""
    known = {field.name for field in fields(EpisodeMeta)}
    plain = {name: item for name, item in value.items() if name in known}
    tuples: dict[str, Any] = {name: tuple(plain.get(name, ())) for name in _LISTS}
    if "action_bounds" in plain:
        tuples["action_bounds"] = tuple((float(low), float(high)) for low, high in plain["action_bounds"])
    if "frames" in plain:
        plain["frames"] = {str(camera): RecordedVideo(**video) for camera, video in plain["frames"].items()}
    return EpisodeMeta(**{**plain, **tuples})


def encode(columns: Columns, meta: EpisodeMeta, *, level: int = LEVEL) -> bytes:
    """Return the bytes of an episode file.

    Args:
        columns: every column, whole.
        meta: what else is known.
        level: of compression by zstd, 1 to 22.
    """
    rows = len(columns["obs"])
    table = pa.table({name: to_arrow(value, rows) for name, value in columns.items() if _is_stored(value.shape)})
    described = {name: (str(value.dtype), value.shape) for name, value in columns.items()}
    chosen, counts = np.unique(columns["source"], return_counts=True)
    sources = {str(source): int(count) for source, count in zip(chosen, counts, strict=True)}
    about = {"format": FORMAT, "meta": meta_to_json(meta), "columns": described, "sources": sources}
    header = json.dumps(about).encode()
    sink = pa.BufferOutputStream()
    # Splitting the bytes of floats apart saves 4 %; what is left are mantissas, which nothing makes smaller.
    floats = [f"{name}.list.element" for name in ("obs", "state") if name in table.column_names]
    options = {"compression": "zstd", "compression_level": level, "use_dictionary": False, "write_statistics": False}
    with pq.ParquetWriter(sink, table.schema, use_byte_stream_split=floats, **options) as writer:
        writer.write_table(table, row_group_size=max(rows, 1))
        writer.add_key_value_metadata({HEADER_KEY: header, CHECK_KEY: b"%08x" % zlib.crc32(header)})
        writer.add_key_value_metadata({SEAL_KEY: BLANK})
    content: bytes = sink.getvalue().to_pybytes()
    return seal(content, content.rindex(MARK))


def read_header(path: Path) -> Header:
    """Return the footer of an episode file, without reading its columns.

    Raises:
        CorruptFileError: it is not a whole episode file.
        VersionError: another version of the format.
        OSError: the system cannot read it.
    """
    with open_whole(path, _VERIFY) as file:
        try:
            return _parse_header(pq.read_metadata(file).metadata, path)
        except DECODE_ERRORS as error:
            raise corrupt(path, error) from error


def read_columns(path: Path, names: Collection[str] | None = None) -> tuple[Columns, Header]:
    """Return columns of an episode file (all of them where `names` is None) and its header, after checking all of it.

    Raises:
        CorruptFileError: the file is truncated, damaged or no episode file.
        VersionError: another version of the format.
        OSError: the system cannot read it.
    """
    content = read_whole(path, _VERIFY)
    try:
        if sealed_length(content, 0, content.rfind(MARK)) != len(content):
            raise ValueError("it has data after its end")
        file = pq.ParquetFile(pa.BufferReader(content))
        header = _parse_header(file.metadata.metadata, path)
        wanted = {name: described for name, described in header.columns.items() if names is None or name in names}
        table = file.read([name for name, (_, shape) in wanted.items() if _is_stored(shape)], use_threads=False)
        columns = {
            name: from_arrow(table[name], dtype, shape) if _is_stored(shape) else np.zeros(shape, dtype)
            for name, (dtype, shape) in wanted.items()
        }
    except DECODE_ERRORS as error:
        raise corrupt(path, error) from error
    return columns, header


def load_file(path: Path) -> Episode:
    """Return the episode in a file, every byte of it checked; raises as `read_columns`."""
    columns, header = read_columns(path)
    try:
        return to_episode(columns, header.meta)
    except (InvalidValueError, KeyError) as error:
        raise corrupt(path, str(error)) from error


def to_arrow(value: Array, rows: int) -> pa.Array:
    """Return (n,) or (n, k) values as an Arrow array of `rows` rows, those from n on null."""
    missing = rows - len(value)
    mask = None
    if missing:
        value = np.concatenate([value, np.zeros((missing, *value.shape[1:]), value.dtype)])
        mask = np.arange(rows) >= rows - missing
    if value.ndim == 1:
        return pa.array(value, mask=mask)
    flat = pa.array(np.ascontiguousarray(value).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, value.shape[1], mask=None if mask is None else pa.array(mask))


def from_arrow(column: Any, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return the first shape[0] rows of an Arrow column as an array with its own memory."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    rows = whole.slice(0, shape[0])
    flat = rows.flatten() if len(shape) > 1 else rows
    return np.array(flat.to_numpy(zero_copy_only=False), dtype=dtype).reshape(shape)


def _is_stored(shape: tuple[int, ...]) -> bool:
    """Whether a column has anything to store: rows of width 0 are left to the header."""
    return 0 not in shape[1:]


def _parse_header(stored: Mapping[bytes, bytes] | None, path: Path) -> Header:
    if stored is None or HEADER_KEY not in stored or CHECK_KEY not in stored:
        raise ValueError("it holds no episode")
    if stored[CHECK_KEY] != b"%08x" % zlib.crc32(stored[HEADER_KEY]):
        raise ValueError("the checksum of its header does not fit")
    header = parse_json(stored[HEADER_KEY])
    if header["format"] != FORMAT:
        raise VersionError(path, header["format"], FORMAT, "Read it with the version of robo-rlhf that wrote it.")
    columns = {name: (dtype, tuple(shape)) for name, (dtype, shape) in header["columns"].items()}
    sources = header.get("sources")
    chosen = None if sources is None else {int(source): int(count) for source, count in sources.items()}
    return Header(meta_from_json(header["meta"]), columns, chosen)


def corrupt(path: Path, why: BaseException | str) -> CorruptFileError:
    """Return the error to raise for a damaged file, with Arrow's long explanations cut to their first line."""
    reason = (str(why).strip() or type(why).__name__).splitlines()[0].rstrip(".")
    return CorruptFileError(path, reason[:200], _VERIFY)
