"""How often keys and people come back: rows of each, told as a cycle, and which of them a row is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from lookalike.encode import _fresh

SAMPLE = 4_096
"""Values, by smallest hash, whose numbers of rows are counted."""
CYCLE = 64
"""Fresh values after which the numbers of rows a value repeat."""


def measure(present: pa.Array) -> dict[str, int]:
    """{hash: rows} of the SAMPLE values with the smallest hashes."""
    coded = present.dictionary_encode()
    rows = np.bincount(coded.indices.to_numpy(zero_copy_only=False), minlength=len(coded.dictionary))
    hashes = pd.util.hash_array(np.asarray(coded.dictionary.to_pylist(), object), categorize=False)
    first = np.argsort(hashes, kind="stable")[:SAMPLE]
    return {str(h): int(n) for h, n in zip(hashes[first], rows[first], strict=True)}


def merge(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    """The counts of both."""
    counts = {h: a.get(h, 0) + b.get(h, 0) for h in {**a, **b}}
    return {h: counts[h] for h in sorted(counts, key=int)[:SAMPLE]}


def freeze(repeats: dict[str, int], protect: int) -> list[int]:
    """Rows of CYCLE values, spread as they are; the `protect` largest counts are told as their mean."""
    counts = np.sort(np.array(list(repeats.values()), np.float64))
    if len(counts) < 2 * protect or counts[-1] == 1:
        return [1]
    counts[-protect:] = counts[-protect:].mean()
    at = (np.arange(CYCLE) + 0.5) / CYCLE * len(counts)
    edge = np.concatenate([[0], np.cumsum(counts)])
    ends = np.interp(np.linspace(0, len(counts), CYCLE + 1), np.arange(len(edge)), edge)
    typical = counts[at.astype(np.int64)]
    typical[-1] = np.diff(ends)[-1] / len(counts) * CYCLE  # the last stands for the whole tail
    return np.maximum(np.rint(typical), 1).astype(int).tolist()


def numbers(i: np.ndarray, repeats: list[int]) -> np.ndarray:
    """int64 [n]: which fresh value row i has."""
    if repeats == [1]:
        return i
    owner = np.repeat(np.arange(len(repeats)), repeats)
    turn, at = np.divmod(i, len(owner))
    return turn * len(repeats) + owner[_fresh.scatter(at, len(owner))]
