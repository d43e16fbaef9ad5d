"""A table as codes, row by row, in few bytes: in memory, or in a file of its own where it is large."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.protocol import OnStep, Step, quiet

if TYPE_CHECKING:
    from lookalike.data import Dataset

__all__ = ["codes_of", "counts_of"]

IN_MEMORY = 2**30
"""Bytes of codes that are kept in memory; more lie in a temporary file that the system pages in."""


def codes_of(data: Dataset, codebook: Any, *, inside: bool = False, on_step: OnStep = quiet) -> tuple[np.ndarray, ...]:
    """Codes uint8 or uint16 [n, parts] of `data`, read in batches; with `inside`, also positions float32 [n, columns]."""
    import pyarrow as pa

    n, sizes = data.rows, [p.size for p in codebook.parts]
    found = [_array((n, len(sizes)), np.uint8 if max(sizes, default=0) <= 256 else np.uint16)]
    if inside:
        found.append(_array((n, len(codebook.books)), np.float32))
    at = 0
    for batch in data.batches():
        coded = codebook.encode(pa.Table.from_batches([batch]))
        here = slice(at, at + batch.num_rows)
        for array, values in zip(found, (coded.codes, coded.inside), strict=False):
            array[here] = values.T
        at += batch.num_rows
        on_step(Step(at, n, "coding"))
    return tuple(found)


def counts_of(codes: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """int64 [codes of all parts]: how often each code occurs, one part after the other."""
    return np.concatenate([np.bincount(codes[:, p], minlength=k) for p, k in enumerate(sizes)] or [np.zeros(0, np.int64)])


def _array(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """Room for an array; the file of a large one is gone as soon as nobody uses it."""
    if np.prod(shape) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="lookalike-") as file:
        return np.memmap(file, dtype, "w+", shape=shape)
