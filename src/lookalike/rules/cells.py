"""The columns of a canonical table as plain numpy arrays, made when a rule first asks for them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from lookalike.data.formats import whole

DAY = 86_400_000_000
"""Microseconds of a day."""


class Cells:
    """The cells of one canonical table. Each array is made once and kept."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._numbers: dict[str, np.ndarray] = {}
        self._missing: dict[str, np.ndarray] = {}
        self._labels: dict[str, tuple[np.ndarray, list[str]]] = {}

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.table.num_rows

    def numbers(self, name: str) -> np.ndarray:
        """float64 [n], NaN where missing; moments, times and durations in microseconds, false and true as 0 and 1."""
        if name not in self._numbers:
            values = whole(self.table.column(name))
            if pa.types.is_date(values.type):
                values = values.cast(pa.timestamp("us"))
            if pa.types.is_temporal(values.type):
                values = values.cast(pa.int64())
            if pa.types.is_boolean(values.type):
                values = values.cast(pa.int8())
            if pa.types.is_null(values.type):
                self._numbers[name] = np.full(len(values), np.nan)
            else:
                self._numbers[name] = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return self._numbers[name]

    def missing(self, name: str) -> np.ndarray:
        """Bool [n]: the cell is missing."""
        if name not in self._missing:
            self._missing[name] = whole(self.table.column(name)).is_null().to_numpy(zero_copy_only=False)
        return self._missing[name]

    def labels(self, name: str) -> tuple[np.ndarray, list[str]]:
        """`(codes int64 [n], texts)`: the text of a cell is `texts[code]`, -1 where missing; values of other kinds are written plainly."""
        if name not in self._labels:
            values = whole(self.table.column(name))
            if not pa.types.is_dictionary(values.type):
                values = values.dictionary_encode()
            codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
            texts = plain_texts(values.dictionary)
            self._labels[name] = codes, texts
        return self._labels[name]

    @cached_property
    def _hashes(self) -> dict[str, np.ndarray]:
        return {}

    def hashes(self, name: str) -> np.ndarray:
        """uint64 [n]: a number for each value, the same in every table; whatever where missing."""
        if name not in self._hashes:
            codes, texts = self.labels(name)
            table = pd.util.hash_array(np.array([*texts, ""], object), categorize=False)
            self._hashes[name] = table[codes]
        return self._hashes[name]


def plain_texts(values: pa.Array) -> list[str]:
    """Distinct values as texts that can be read back by a cast."""
    return [str(v) for v in values.cast(pa.string()).to_pylist()]
