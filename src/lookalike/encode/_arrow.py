"""Between Arrow and numpy: values with nulls become a plain array and a mask, and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data.formats import whole

__all__ = ["add_counts", "count_missing", "join", "part", "presence", "split", "whole"]


def split(values: pa.Array | pa.ChunkedArray, *, like: pa.DataType | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`(numbers, present)`, both [n]; numbers are 0 where missing. `like` casts first (dates to their day numbers)."""
    one = whole(values)
    if like is not None and one.type != like:
        one = one.cast(like)
    if one.null_count == 0:
        return one.to_numpy(), np.ones(len(one), bool)
    present = one.is_valid().to_numpy(zero_copy_only=False)
    return pc.fill_null(one, 0).to_numpy(), present


def join(numbers: np.ndarray, present: np.ndarray, *, like: pa.DataType | None = None) -> pa.Array:
    """The inverse of `split`."""
    made = pa.array(numbers) if present.all() else pa.array(numbers, mask=~present)
    return made if like is None else made.cast(like)


def count_missing(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """The statistics that every kind keeps: rows, and how many of them are missing."""
    return {"rows": len(values), "missing": int(values.null_count)}


def add_counts(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    """Sum of two `count_missing`."""
    return {"rows": a["rows"] + b["rows"], "missing": a["missing"] + b["missing"]}


def part(size: int, *, name: str = "", ordered: bool = False) -> dict[str, object]:
    """How a book declares one of its parts; `size` counts code 0, missing."""
    return {"name": name, "size": int(size), "ordered": ordered}


def presence(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """int32 [1, n]: 0 missing, 1 there; for kinds whose values are not learnt."""
    return whole(values).is_valid().to_numpy(zero_copy_only=False).astype(np.int32)[None]
