"""The files of a LeRobot set as they are written: Parquet and videos that follow each other, each up to a size."""

from pathlib import Path

import av
import pyarrow as pa
import pyarrow.parquet as pq

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import make_folder
from robo_rlhf.core.types import Array
from robo_rlhf.formats.lerobot.layout import CHUNK, MOST_PIECES, VIDEO, VIDEO_MB


class RollingParquet:
    """Parquet files that follow each other, each up to a size and a number of pieces; a table is one row group."""

    def __init__(self, folder: Path, pattern: str, most: int) -> None:
        """Write files of up to `most` [MB], named by `pattern`, in `folder`."""
        self.folder, self.pattern, self.most = folder, pattern, most * 2**20
        self.chunk = self.file = self._pieces = 0
        self._writer: pq.ParquetWriter | None = None
        self._path = folder

    def write(self, table: pa.Table) -> tuple[int, int]:
        """Write a table; return the numbers of the folder and the file that it is in."""
        self.make_room(table.num_columns)
        if self._writer is None:
            self._path = self.folder / self.pattern.format(chunk_index=self.chunk, file_index=self.file)
            make_folder(self._path.parent)
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="snappy")
            self._pieces = 0
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._pieces += table.num_columns
        return self.chunk, self.file

    def make_room(self, columns: int) -> None:
        """Begin the next file where a table of so many columns does not fit into the one that is open."""
        full = self._pieces + columns > MOST_PIECES
        if self._writer is not None and (full or self._path.stat().st_size > self.most):
            self.close()
            self.chunk, self.file = _next(self.chunk, self.file)

    def close(self) -> None:
        """Complete the file that is open."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class RollingVideo:
    """The video files of one camera: episodes joined packet by packet, without encoding them again."""

    def __init__(self, folder: Path, key: str, fps: int) -> None:
        """Write the videos of the feature `key` into `folder`."""
        self.folder, self.key, self.fps = folder, key, fps
        self.chunk = self.file = self.frames = 0
        self.looked_at: list[Array] = []  # pixels (n, 3) in [0, 1] of a few frames of the newest episode
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._path = folder

    def add(self, path: Path, steps: int, episode: str) -> dict[str, object]:
        """Append the video of an episode; return where it is, as `meta/episodes` says it.

        Raises:
            InvalidValueError: it has another number of frames than the episode has steps.
        """
        if self._container is not None and self._path.stat().st_size > VIDEO_MB * 2**20:
            self.close()
            self.chunk, self.file = _next(self.chunk, self.file)
        with av.open(str(path)) as source:
            template = source.streams.video[0]
            if self._container is None:
                self._path = self.folder / VIDEO.format(
                    video_key=self.key, chunk_index=self.chunk, file_index=self.file
                )
                make_folder(self._path.parent)
                self._container = av.open(str(self._path), "w")
                self._stream = self._container.add_stream_from_template(template)
                self._stream.time_base = template.time_base
                self.frames = 0
            assert self._stream is not None
            tick = int(1 / (self.fps * template.time_base)) if template.time_base else 1
            count = 0
            for packet in source.demux(template):
                if packet.pts is not None:
                    packet.pts = packet.dts = (self.frames + count) * tick
                    packet.stream = self._stream
                    self._container.mux(packet)
                    count += 1
        if count != steps:
            raise InvalidValueError(f"video of episode {episode}", f"{count} frames", f"{steps}, one a step")
        self.looked_at = _keyframes(path)
        start, self.frames = self.frames, self.frames + count
        where = {"chunk_index": self.chunk, "file_index": self.file}
        return {**where, "from_timestamp": start / self.fps, "to_timestamp": self.frames / self.fps}

    def close(self) -> None:
        """Complete the file that is open."""
        if self._container is not None:
            self._container.close()
            self._container = None


def _keyframes(path: Path) -> list[Array]:
    """Return every fourth pixel of a few frames, (n, 3) in [0, 1], for statistics."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        frames = [frame.to_ndarray(format="rgb24")[::4, ::4] for frame in container.decode(stream)]
    kept = frames[:: max(len(frames) // 8, 1)]
    return [frame.reshape(-1, 3) / 255.0 for frame in kept]


def _next(chunk: int, file: int) -> tuple[int, int]:
    return (chunk, file + 1) if file + 1 < CHUNK else (chunk + 1, 0)
