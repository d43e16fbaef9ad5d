"""Keys and identifiers: never copied, made anew in the format of the originals, each number only once.

What is kept of the originals is their pattern, how often each occurs, and the aligned *blocks* (leading digits or characters) that
hold none of them: fresh keys come from such blocks, or go on above the last one where the originals are a dense sequence.
"""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.encode import _arrow, _fresh, _shape, _turns
from lookalike.errors import DataError
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.data.holders import Holders
    from lookalike.privacy.look import Look

KINDS = frozenset({"key"})
CAP = 65_536
"""Blocks counted at most; beyond, blocks get coarser."""
_WHOLE = r"^(0|-?[1-9][0-9]{0,17})$"

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "longest", "whole": blocks of integers or None, "prefix": leading characters, "shape": patterns,
    "repeats"?: {hash: rows}}."""
    one = _arrow.whole(values).cast(pa.string())
    present = one.drop_null()
    held = None if subjects is None else subjects[one.is_valid().to_numpy(zero_copy_only=False)]
    stats: Stats = _arrow.count_missing(values) | {"whole": _whole(present), "longest": int(pc.max(pc.utf8_length(present)).as_py() or 0)}
    matrix = _shape.matrix(present)
    stats |= {"prefix": _prefix(matrix), "shape": _shape.measure(matrix, held)}
    if not column.unique:
        stats["repeats"] = _turns.measure(present)
    return stats


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    both: Stats = _arrow.add_counts(a, b) | {"longest": max(a["longest"], b["longest"])}
    both["whole"] = None
    if a["whole"] is not None and b["whole"] is not None:
        level = max(a["whole"]["level"], b["whole"]["level"])
        both["whole"] = _coarsen(np.concatenate([_at_level(x["whole"], level) for x in (a, b)]), level)
    length = min(a["prefix"]["length"], b["prefix"]["length"])
    both["prefix"] = _shorten(np.array([*a["prefix"]["used"], *b["prefix"]["used"]], "<U64"), length)
    both["shape"] = _shape.merge(a["shape"], b["shape"])
    if "repeats" in a:
        both["repeats"] = _turns.merge(a["repeats"], b["repeats"])
    return both


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """{"repeats": rows a fresh key, in turn, "whole": free blocks of integers, or "patterns", "longest"}; `cells` is not used."""
    rows = stats["rows"] - stats["missing"]
    book: Book = {
        "parts": [_arrow.part(2 if rows else 1)],
        "protected": {"keys": rows},
        "repeats": _turns.freeze(stats.get("repeats", {}), protect),
    }
    if "lot" in stats:
        return book | {"whole": _apart(stats["lot"], *_storage(column))}
    if stats["whole"] is not None:
        return book | {"whole": _free_whole(stats["whole"], rows, *_storage(column))}
    used = _fresh.codes(np.array(stats["prefix"]["used"], "<U64"), _shape.LONGEST)
    most = str(np.iinfo(column.storage).max) if column.storage in ("int64", "uint64") else ""
    found = _shape.freeze(stats["shape"], used, stats["prefix"]["length"], rows, protect, most=most)
    return book | {"patterns": found, "longest": min(stats["longest"], _shape.LONGEST)}


def noisy(values: pa.ChunkedArray | pa.Array, column: Column, look: Look) -> Stats:
    """The statistics as a private fit may have them: those of no keys at all, and how many are missing.

    Fresh keys are whole numbers, which begin elsewhere for each name of a column ("lot"): two columns are not the same keys.
    """
    rows = look.counts(_arrow.presence(values)[0].astype(np.int64), 2) if column.nullable else np.array([0.0, look.rows.estimate])
    none = measure(pa.array([], pa.string()), column)
    return none | {"rows": float(rows.sum()), "missing": float(rows[0]), "lot": zlib.crc32(column.name.encode())}


def held(stats: Stats, book: Book, column: Column) -> list[np.ndarray]:
    """Rows of each code, float64 [size], as the statistics have them."""
    return [np.array([stats["missing"], stats["rows"] - stats["missing"]][: book["parts"][0]["size"]], np.float64)]


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [1, n]: 0 missing, 1 there."""
    return np.minimum(_arrow.presence(values), book["parts"][0]["size"] - 1)


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """Fresh keys, string [n], for the rows `start` and after; null where the code is 0.

    Raises:
        DataError: the storage type has no room for so many fresh keys.
    """
    which = _turns.numbers(start + np.arange(codes.shape[1], dtype=np.int64), book["repeats"])
    if "whole" in book:
        made = pa.array(_integers(which, book["whole"], column)).cast(pa.string())
    else:
        made = _shape.decode(which, book["patterns"], book["longest"])
    return pc.if_else(pa.array(codes[0] > 0), made, pa.scalar(None, pa.string()))


def locate(values: pa.ChunkedArray | pa.Array, book: Book, column: Column, *, codes: np.ndarray | None = None) -> np.ndarray:
    """float64 [n]: 0.5, keys have no inside."""
    return np.full(len(values), 0.5)


def _whole(present: pa.Array) -> dict[str, Any] | None:
    """Aligned blocks of keys that are all integers as a person writes them; None if one is not."""
    if not pc.all(pc.match_substring_regex(present, _WHOLE)).as_py() and len(present):
        return None
    return _coarsen(present.cast(pa.int64()).to_numpy(zero_copy_only=False), 0)


def _at_level(whole: dict[str, Any], level: int) -> np.ndarray:
    """Block numbers in blocks of 10**level keys."""
    return np.asarray(whole["blocks"], np.int64) // 10 ** (level - whole["level"])


def _coarsen(blocks: np.ndarray, level: int) -> dict[str, Any]:
    """{"level", "blocks"}: sorted distinct blocks, at most CAP, of 10**level keys."""
    blocks = np.unique(blocks)
    while len(blocks) > CAP:
        blocks, level = np.unique(blocks // 10), level + 1
    return {"level": level, "blocks": blocks.tolist()}


def _prefix(matrix: np.ndarray) -> dict[str, Any]:
    """{"length", "used"}: the distinct leading characters of all keys, as many characters as give at most CAP."""
    return _shorten(_fresh.text(matrix), _shape.LONGEST)


def _shorten(strings: np.ndarray, length: int) -> dict[str, Any]:
    def distinct(size: int) -> pa.Array:
        return pa.array(strings.astype(f"<U{size}"), pa.string()).unique()

    if len(strings) > CAP and len(distinct(length)) > CAP:
        length = bisect_right(range(1, length), CAP, key=lambda size: len(distinct(size)))
    used = distinct(max(length, 1)).to_pylist() if length else []
    return {"length": length, "used": sorted(used)}


def _storage(column: Column) -> tuple[int, int]:
    """Least and greatest integer that the source can hold; text keeps to 18 digits."""
    if column.storage.startswith(("int", "uint")):
        limits = np.iinfo(column.storage)
        return int(limits.min), min(int(limits.max), 2**63 - 1)
    return -(10**18) + 1, 10**18 - 1


def _free_whole(whole: dict[str, Any], rows: int, least: int, most: int) -> dict[str, Any]:
    """{"blocks", "width", "ordered", "above", "below"}: where fresh integers come from, first blocks, then above, then below."""
    finest = max(whole["level"], int(math.log10(_fresh.LEAST_BLOCK)))
    for level in range(18, finest - 1, -1):
        used = np.unique(_at_level(whole, level)) if len(whole["blocks"]) else np.zeros(0, np.int64)
        found = _fresh.choose(used, span=None, need=_fresh.ROOM * rows, width=10**level, finest=level == finest)
        if found and (found[0][-1] + 1) * 10**level - 1 <= most and len(found[0]) > 1 - found[1]:
            break
    else:
        found = ([], True)
    width = 10**level
    above = max(int(used[-1]) + 1 if len(used) else 0, found[0][-1] + 1 if found[0] else 0) * width
    below = (int(used[0]) if len(used) else 0) * width - 1
    return {"blocks": found[0], "width": width, "ordered": found[1], "above": above, "below": below, "limits": [least, most]}


def _apart(lot: int, least: int, most: int) -> dict[str, Any]:
    """As `_free_whole`, where nothing is known of the originals: one of many blocks, by `lot`."""
    count = 10**6 if most >= 10**15 else 10**3 if most >= 10**6 else 10**2 if most >= 10**4 else 10
    width, block = most // (2 * count), count // 5 + lot % count
    above, below = (block + 1) * width, block * width - 1
    return {"blocks": [block], "width": width, "ordered": True, "above": above, "below": below, "limits": [least, most]}


def _integers(i: np.ndarray, whole: dict[str, Any], column: Column) -> np.ndarray:
    """int64 [n]: the i-th fresh integers."""
    least, most = whole["limits"]
    inner = len(whole["blocks"]) * whole["width"]
    up, down = max(most - whole["above"] + 1, 0), max(whole["below"] - least + 1, 0)
    if len(i) and i[-1] >= inner and int(i.max()) >= inner + up + down:
        raise DataError(
            f"no room for {int(i.max()) + 1:,} fresh keys in {column.storage}",
            where=column.name,
            fix="draw fewer rows, or give the column a wider storage type",
        )
    first = np.minimum(i, max(inner - 1, 0))
    out = np.zeros(len(i), np.int64)
    if inner:
        block, offset = _fresh.slots(first, whole["blocks"], whole["width"], ordered=whole["ordered"])
        out = block * whole["width"] + offset
    beyond = i - inner
    out = np.where(beyond >= 0, whole["above"] + np.minimum(beyond, max(up - 1, 0)), out)
    return np.where(beyond >= up, whole["below"] - (beyond - up), out)
