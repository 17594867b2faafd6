"""Statistics of columns that are seen in parts, as LeRobot sets hold them."""

import numpy as np

from robo_rlhf.core.types import Array

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
SAMPLE = 20_000  # rows kept for the quantiles


class RunningStatistics:
    """Least, most, mean, deviation and count of (T, k) parts, exact; quantiles of an even sample of the rows."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self._count = 0
        self._mean = self._squares = self._least = self._most = np.zeros(0)
        self._sample: list[Array] = []
        self._every = 1  # row kept

    def add(self, rows: Array) -> None:
        """Count rows (T, k) or (T,)."""
        part = rows.reshape(len(rows), -1).astype(np.float64)
        if not len(part):
            return
        mean, squares = part.mean(axis=0), ((part - part.mean(axis=0)) ** 2).sum(axis=0)
        least, most = part.min(axis=0), part.max(axis=0)
        if self._count:  # Chan, Golub and LeVeque 1979: the sums of two parts
            total, apart = self._count + len(part), mean - self._mean
            squares = self._squares + squares + apart**2 * self._count * len(part) / total
            mean = self._mean + apart * len(part) / total
            least, most = np.minimum(least, self._least), np.maximum(most, self._most)
        first = -self._count % self._every
        self._count += len(part)
        self._mean, self._squares, self._least, self._most = mean, squares, least, most
        self._sample.append(part[first :: self._every].copy())  # a view would keep all rows in memory
        if sum(map(len, self._sample)) > SAMPLE:
            self._sample = [np.concatenate(self._sample)[::2]]
            self._every *= 2

    def found(self, shape: tuple[int, ...] = ()) -> dict[str, object]:
        """Return the statistics by name, each of the shape given (else (k,)) as nested lists; `count` is (1,)."""
        sample = np.concatenate(self._sample)
        values = {
            "min": self._least,
            "max": self._most,
            "mean": self._mean,
            "std": np.sqrt(self._squares / self._count),
            **dict(zip(QUANTILES, np.quantile(sample, list(QUANTILES.values()), axis=0), strict=True)),
        }
        return {
            **{name: value.reshape(shape or (-1,)).tolist() for name, value in values.items()},
            "count": [self._count],
        }
