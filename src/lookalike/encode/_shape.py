"""Patterns of keys: which characters stand where, as in A-#####, and fresh keys of the same pattern."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.encode import _fresh, _people

if TYPE_CHECKING:
    from lookalike.data.holders import Holders

LONGEST = 64
"""Characters of a key that are looked at."""
CAP = 64
"""Patterns told apart at most; beyond, digits and letters are taken together, then all keys."""
PLAN = 1_024
"""Rows in which every pattern has its share."""
VAST = 10**12
"""Keys drawn from a space so many times larger than the square of their number do not meet an original (UUIDs)."""
_DIGITS, _UPPER, _LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_HEX = set(_DIGITS + "abcdef"), set(_DIGITS + "ABCDEF")
_COUNTED = 1 << 31

Stats = dict[str, Any]
Pattern = dict[str, Any]


def matrix(present: pa.Array) -> np.ndarray:
    """uint32 [n, LONGEST or fewer]: the characters of strings, 0 where they end; at least one column."""
    strings = present.to_numpy(zero_copy_only=False).astype("U")
    return _fresh.codes(strings, min(max(strings.dtype.itemsize // 4, 1), LONGEST))


def measure(chars: np.ndarray, subjects: np.ndarray | Holders | None) -> Stats:
    """{"level", "found": {shape: {"rows", "holders", "chars": by position}}}.

    Level 0 tells digits (9), upper (A) and lower (a) letters apart; level 1 takes them together (x); level 2 is one shape, "".
    """
    kinds = _classes(chars)
    for level in (0, 1, 2):
        shapes = pa.array(_fresh.text(_blur(kinds, level)), pa.string()).dictionary_encode()
        if len(shapes.dictionary) <= CAP:
            break
    index = shapes.indices.to_numpy(zero_copy_only=False)
    rows, holders, _ = _people.count(index, len(shapes.dictionary), subjects)
    found = {}
    for s, shape in enumerate(shapes.dictionary.to_pylist()):
        mine = chars[index == s]
        seen = [_letters(mine[:, p]) for p in range(len(shape))] if level < 2 else [_letters(mine)]
        found[shape] = {"rows": int(rows[s]), "holders": int(holders[s]), "chars": seen}
    return {"level": level, "found": found}


def merge(a: Stats, b: Stats) -> Stats:
    """The patterns of both, at the finest level with at most CAP."""
    for level in range(max(a["level"], b["level"]), 3):
        found: dict[str, Pattern] = {}
        for part in (a, b):
            for shape, p in part["found"].items():
                _add(found, _lift(shape, level), p)
        if len(found) <= CAP:
            break
    return {"level": level, "found": found}


def freeze(stats: Stats, used: np.ndarray, length: int, rows: int, protect: int, *, most: str = "") -> list[Pattern]:
    """Patterns of at least `protect` subjects, the most frequent first, with blocks that hold no original.

    used: uint32 [blocks, LONGEST], distinct leading characters of the originals, of which `length` are known. most: of keys that are
    integers of a type that holds no greater one, that one.
    Patterns without room are left out where others have it; otherwise the first is kept, and its keys get longer.
    """
    held = {s: p for s, p in stats["found"].items() if p["holders"] >= protect}
    ranked = sorted(held.items(), key=lambda shape: (-shape[1]["rows"], shape[0])) if stats["level"] < 2 else []
    patterns = [{"share": p["rows"], "alphabets": p["chars"]} for shape, p in ranked if shape]
    patterns = patterns or [{"share": max(rows, 1), "alphabets": [_any(stats)] * 10}]
    total = sum(p["share"] for p in patterns)
    for p in patterns:
        p.update(_room(p["alphabets"], used, length, need=_fresh.ROOM * rows * p["share"] / total, most=most))
    return [p for p in patterns if p["blocks"]] or patterns[:1]


def decode(i: np.ndarray, patterns: list[Pattern], longest: int) -> pa.Array:
    """The i-th fresh keys, string [n]."""
    plan = _fresh.cycle([p["share"] for p in patterns], PLAN)
    kind, rank = _fresh.turns(i, plan)
    rows, made = [], []
    for k, pattern in enumerate(patterns):
        width = math.prod(_radices(pattern)[_counted_from(pattern) :])
        fits = rank < len(pattern["blocks"]) * width
        near, far = np.flatnonzero((kind == k) & fits), np.flatnonzero((kind == k) & ~fits)
        if len(near):
            rows.append(near)
            made.append(_inside(i[near], rank[near], pattern, width))
        if len(far):
            rows.append(far)
            made.append(_longer(i[far], patterns[0], longest))
    if len(made) == 1:
        return made[0]
    return pa.concat_arrays([pa.array([], pa.string()), *made]).take(pa.array(np.argsort(np.concatenate([[], *rows]))))


def _inside(i: np.ndarray, rank: np.ndarray, pattern: Pattern, width: int) -> pa.Array:
    """Keys from the pattern's free blocks; positions that need not be counted are drawn."""
    radices, head, tail = _radices(pattern), pattern["head"], _counted_from(pattern)
    block, offset = _fresh.slots(rank, pattern["blocks"], width, ordered=pattern["ordered"])
    values = [_fresh.digits(block, radices[:head]), _fresh.draw(i, radices[head:tail], head), _fresh.digits(offset, radices[tail:])]
    return _fresh.strings(_fresh.spread(np.concatenate(values, axis=1), pattern["alphabets"]))


def _longer(i: np.ndarray, pattern: Pattern, longest: int) -> pa.Array:
    """Keys longer than any original: the last run of digits is a counter with more digits."""
    alphabets = pattern["alphabets"]
    is_digit = "".join("9" if set(a) <= set(_DIGITS) and len(a) > 1 else "." for a in alphabets)
    runs = list(re.finditer("9+", is_digit))
    begin, end = runs[-1].span() if runs else (len(alphabets), len(alphabets))
    first = 10 ** (end - begin + longest - len(alphabets))
    around = [*alphabets[:begin], *alphabets[end:]]
    fixed = _fresh.text(_fresh.spread(_fresh.draw(i, [len(a) for a in around], 0), around)) if around else np.full(len(i), "")
    return pa.array([f[:begin] + str(first + n) + f[begin:] for f, n in zip(fixed.tolist(), i.tolist(), strict=True)], pa.string())


def _room(seen: list[str], used: np.ndarray, length: int, *, need: float, most: str = "") -> Pattern:
    """{"alphabets", "head", "blocks", "ordered"}: blocks of keys with the same first `head` characters and no original among them."""
    size = (used > 0).sum(axis=1)
    near = [_full(a) for a in seen]
    seen, near, full = (_within(a, most) for a in (seen, near, _leading(near)))
    used = used[(size >= length) | (size == len(seen))]  # known to the end, and of another length: not in the way
    led = [near] if near != full else []  # keys that are led by zeros keep them, if there is room
    for alphabets in [*led, full, seen] if _sequence(full) else [seen, *led, full]:
        heads = [h for h in range(1, min(length, len(alphabets)) + 1) if _fits(alphabets, h)]
        for head in reversed(heads) if _sequence(full) else heads:
            values, fit = _fresh.gather(used[:, :head], alphabets[:head])
            radices = [len(a) for a in alphabets]
            blocks = np.unique(_fresh.number(values[fit], radices[:head]))
            span, tail = math.prod(radices[:head]), math.prod(radices[head:])
            found = _fresh.choose(blocks, span=span, need=need, width=tail, finest=_sequence(full) and head == heads[-1])
            if found and found[0] and (alphabets not in led or len(found[0]) * tail >= need):
                return {"alphabets": alphabets, "head": head, "blocks": found[0], "ordered": found[1]}
    return _vast(seen, need)


def _within(alphabets: list[str], most: str) -> list[str]:
    """Digits of integers that are written without leading zeros, none of them above `most`; as they are, if there is no such limit."""
    sign = int(alphabets[0] == "-")
    if not most or len(alphabets) <= sign:
        return alphabets
    out = list(alphabets)
    out[sign] = out[sign].replace("0", "") or out[sign]
    for p, digit in enumerate(most if len(out) - sign == len(most) else "", start=sign):
        below = "".join(c for c in out[p] if c < digit)
        out[p] = below or digit
        if below:
            break
    return out


def _vast(alphabets: list[str], need: float) -> Pattern:
    """Any blocks at all, if there are so many keys that none of the originals is met but once in VAST times; else no blocks."""
    radices = [len(a) for a in alphabets]
    heads = [h for h in range(1, len(alphabets) + 1) if _fits(alphabets, h)]
    if not heads or math.prod(radices) < VAST * need * need:
        return {"alphabets": alphabets, "head": 0, "blocks": [], "ordered": True}
    blocks = _fresh.free_blocks(np.zeros(0, np.int64), 0, math.prod(radices[: heads[-1]]) - 1)
    return {"alphabets": alphabets, "head": heads[-1], "blocks": blocks, "ordered": False}


def _fits(alphabets: list[str], head: int) -> bool:
    """Blocks by the first `head` characters can be listed, and each has keys enough."""
    radices = [len(a) for a in alphabets]
    return radices[head - 1] > 1 and math.prod(radices[:head]) <= _fresh.SPAN and math.prod(radices[head:]) >= _fresh.LEAST_BLOCK


def _sequence(alphabets: list[str]) -> bool:
    """What varies is one run of digits, at the end of which one counts."""
    varies = "".join("9" if a == _DIGITS else "." if len(a) == 1 else "x" for a in alphabets)
    return "x" not in varies and len(re.findall("9+", varies)) == 1


def _radices(pattern: Pattern) -> list[int]:
    return [len(a) for a in pattern["alphabets"]]


def _counted_from(pattern: Pattern) -> int:
    """The first position of the tail that is counted through; those between head and it are drawn."""
    radices, at = _radices(pattern), len(pattern["alphabets"])
    while at > pattern["head"] and math.prod(radices[at - 1 :]) < _COUNTED:
        at -= 1
    return at


def _classes(chars: np.ndarray) -> np.ndarray:
    """uint32 [n, length]: 9 for digits, A and a for letters, other characters as they are."""
    kinds = chars.copy()
    for letters, mark in ((_DIGITS, "9"), (_UPPER, "A"), (_LOWER, "a")):
        kinds[(chars >= ord(letters[0])) & (chars <= ord(letters[-1]))] = ord(mark)
    return kinds


def _blur(kinds: np.ndarray, level: int) -> np.ndarray:
    """Classes at a coarser level."""
    if level == 2:
        return np.zeros((len(kinds), 1), np.uint32)
    return kinds if level == 0 else np.where(np.isin(kinds, [ord(c) for c in "9Aa"]), np.uint32(ord("x")), kinds)


def _lift(shape: str, level: int) -> str:
    """A shape at a coarser level (or its own)."""
    return "" if level == 2 else re.sub("[9Aa]", "x", shape) if level == 1 else shape


def _add(found: dict[str, Pattern], shape: str, p: Pattern) -> None:
    """Add the counts and characters of `p` to those of `shape`."""
    old = found.get(shape, {"rows": 0, "holders": 0, "chars": []})
    chars = p["chars"] if shape or not p["chars"] else [_join(p["chars"])]
    width = max(len(old["chars"]), len(chars))
    both = [_join(c[k] for c in (old["chars"], chars) if k < len(c)) for k in range(width)]
    found[shape] = {"rows": old["rows"] + p["rows"], "holders": old["holders"] + p["holders"], "chars": both}


def _join(sets: Any) -> str:
    return "".join(sorted(set("".join(sets))))


def _letters(chars: np.ndarray) -> str:
    """The distinct characters, sorted, without the end mark."""
    return "".join(chr(c) for c in np.unique(chars) if c)


def _full(seen: str) -> str:
    """All characters of the classes seen; one that never varies stays."""
    if len(seen) < 2:
        return seen
    for letters in _HEX:
        if set(seen) <= letters and set(seen) & set(_DIGITS) and set(seen) - set(_DIGITS):
            return "".join(sorted(letters))
    more = "".join(c for c in (_DIGITS, _UPPER, _LOWER) if set(seen) & set(c))
    return _join([seen, more])


def _leading(alphabets: list[str]) -> list[str]:
    """Zeros that lead a run of digits may become other digits."""
    out = list(alphabets)
    for p in range(len(out) - 2, -1, -1):
        if out[p] == "0" and out[p + 1] == _DIGITS:
            out[p] = _DIGITS
    return out


def _any(stats: Stats) -> str:
    """An alphabet for keys without a common pattern."""
    seen = set("".join(c for p in stats["found"].values() for c in p["chars"]))
    return "".join(c for c in (_DIGITS, _UPPER, _LOWER) if seen & set(c)) or _DIGITS + _LOWER
