"""Fresh keys: numbers in a fixed pseudo-random order, digits and letters made of them, blocks in which no original lies.

Everything is a function of the running row number, so that keys stay unique over any number of batches without memory.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

MOST_FREE = 4_096
"""Free blocks that a book names; about half of those there are, at most."""
LEAST_BLOCK = 100
"""A block spans at least so many keys, so that knowing it to be used does not give a key away."""
ROOM = 4
"""Free blocks must have room for so many times the original keys."""
DENSE = 0.75
"""From this share of used blocks on, originals are a sequence."""
FREE = 4
"""Of blocks taken amid used ones, at least 1/FREE is free."""
SPAN = 1 << 20
"""Blocks told apart at most when looking for free ones."""


def mix(x: np.ndarray) -> np.ndarray:
    """uint64 [n]: splitmix64, a bijection that looks random."""
    z = x.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def scatter(i: np.ndarray, size: int) -> np.ndarray:
    """int64 [n]: a bijection of 0 … size-1 (size < 2^31) in no visible order; of no size, 0."""
    size = max(size, 1)
    step = int(size * 0.6180339887) | 1
    while math.gcd(step, size) > 1:
        step += 2
    return (i * step + size // 3) % size


def free_blocks(used: np.ndarray, low: int, high: int) -> list[int]:
    """Up to MOST_FREE of the blocks low … high that are not in `used`, at most every second of them, evenly spread."""
    here = np.ones(high - low + 1, bool)
    inside = used[(used >= low) & (used <= high)]
    here[inside - low] = False
    found = np.flatnonzero(here)[::2] + low
    return found[np.linspace(0, len(found) - 1, min(len(found), MOST_FREE)).astype(np.int64)].tolist() if len(found) else []


def slots(i: np.ndarray, blocks: list[int], width: int, *, ordered: bool) -> tuple[np.ndarray, np.ndarray]:
    """`(block, offset)` of the i-th fresh key, both int64 [n], i < len(blocks) x width: one after the other, or scattered."""
    count, where = len(blocks), np.asarray(blocks, np.int64)
    if ordered:
        return where[i // width], i % width
    turn, at = np.divmod(i, count)
    block = where[scatter(at, count)]
    shift = (mix(block) % np.uint64(width)).astype(np.int64)
    return block, scatter((turn + shift) % width, width)


def choose(used: np.ndarray, *, span: int | None, need: float, width: int, finest: bool) -> tuple[list[int], bool] | None:
    """`(blocks, ordered)` to take fresh keys from, or None if blocks of this `width` will not do.

    used: sorted block numbers of the originals. span: number of blocks there are; None: no end. A dense sequence goes on
    above its last block; otherwise free blocks amid the used ones are taken, where at least 1/FREE of them is free.
    """
    if width < LEAST_BLOCK:
        return None
    low, high = (int(used[0]), int(used[-1])) if len(used) else (0, 0)
    room = max(int(need // width) + 1, 1)
    if (finest and DENSE * (high - low + 1) <= len(used)) or not len(used):
        end = high + 1 + min(room, MOST_FREE)
        return list(range(high + 1, end if span is None else min(end, span))), True
    if span is not None:
        low, high = 0, span - 1
    if high - low >= SPAN or FREE * (high - low + 1 - len(used)) < high - low + 1:
        return None
    blocks = free_blocks(used, low, high)
    return (blocks, False) if len(blocks) * width >= need else None


def draw(i: np.ndarray, radices: list[int], salt: int) -> np.ndarray:
    """int64 [n, len(radices)]: pseudo-random digits for row i, others for each salt."""
    out = np.empty((len(i), len(radices)), np.int64)
    for p, radix in enumerate(radices):
        if p % 4 == 0:
            word = mix(i.astype(np.uint64) ^ mix(np.full(1, salt + p)))
        out[:, p] = ((word >> np.uint64(16 * (p % 4))) & np.uint64(0xFFFF)).astype(np.int64) % radix
    return out


def cycle(shares: list[float], length: int) -> np.ndarray:
    """int64 [length]: which of several kinds a row is, so that each has its share in every `length` rows."""
    counts = np.floor(np.asarray(shares) / sum(shares) * length).astype(np.int64)
    counts[int(np.argmax(counts))] += length - counts.sum()
    return np.repeat(np.arange(len(shares)), counts)[scatter(np.arange(length), length)]


def turns(i: np.ndarray, plan: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(kind, rank)` of row i under the repeating `plan`: rank counts the rows of the same kind before it."""
    round_, at = np.divmod(i, len(plan))
    one_hot = plan[:, None] == np.arange(plan.max() + 1)
    before = np.cumsum(one_hot, axis=0) - one_hot
    kind = plan[at]
    return kind, round_ * one_hot.sum(axis=0)[kind] + before[at, kind]


def text(matrix: np.ndarray) -> np.ndarray:
    """Strings [n] of the characters (uint32) in `matrix` [n, length]."""
    return np.ascontiguousarray(matrix, np.uint32).view(f"<U{matrix.shape[1]}")[:, 0]


def strings(matrix: np.ndarray) -> pa.Array:
    """The same as an Arrow array of strings, none of which ends early."""
    if matrix.size == 0 or matrix.max() > 127:
        return pa.array(text(matrix), pa.string())
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.StringArray.from_buffers(len(matrix), pa.py_buffer(offsets), pa.py_buffer(matrix.astype(np.uint8)))


def codes(strings: np.ndarray, length: int) -> np.ndarray:
    """uint32 [n, length]: the first characters of strings, 0 where they end."""
    return np.ascontiguousarray(strings.astype(f"<U{length}")).view(np.uint32).reshape(len(strings), length)


def digits(x: np.ndarray, radices: list[int]) -> np.ndarray:
    """int64 [n, len(radices)]: x in mixed radix, least significant last; what does not fit is dropped."""
    out, left = np.empty((len(x), len(radices)), np.int64), x.copy()
    for p in range(len(radices) - 1, -1, -1):
        left, out[:, p] = np.divmod(left, radices[p])
    return out


def number(matrix: np.ndarray, radices: list[int]) -> np.ndarray:
    """The inverse of `digits`, int64 [n]."""
    total = np.zeros(len(matrix), np.int64)
    for p, radix in enumerate(radices):
        total = total * radix + matrix[:, p]
    return total


def spread(matrix: np.ndarray, alphabets: list[str]) -> np.ndarray:
    """uint32 [n, positions]: characters for digit values."""
    tables = [np.array([ord(c) for c in alphabet], np.uint32) for alphabet in alphabets]
    return np.stack([table[matrix[:, p]] for p, table in enumerate(tables)], axis=1)


def gather(matrix: np.ndarray, alphabets: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """`(digit values, fits)`: the inverse of `spread`, and whether all characters of a row are in their alphabets."""
    out, fits = np.zeros(matrix.shape, np.int64), np.ones(len(matrix), bool)
    for p, alphabet in enumerate(alphabets):
        table = np.array([ord(c) for c in alphabet], np.uint32)
        order = np.argsort(table)
        near = order[np.minimum(np.searchsorted(table[order], matrix[:, p]), len(table) - 1)]
        out[:, p], fits = near, fits & (table[near] == matrix[:, p])
    return out, fits
