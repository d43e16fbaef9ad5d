"""Numbers written by a mask: # a digit, @ a capital letter, & a small one, % a hexadecimal digit; all else as it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lookalike.encode import _fresh

ALPHABETS = {"#": "0123456789", "@": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "&": "abcdefghijklmnopqrstuvwxyz", "%": "0123456789abcdef"}
MOST = 1 << 31
"""Numbers told apart for sure: `_fresh.scatter` goes so far."""


@dataclass(frozen=True)
class Rule:
    """What holds for a number beside its mask.

    bare: characters of the mask that only part the number. complete: sets its check characters (see `data._checks`), which stand at
    `checks`. ranges: {place: (digits, least, greatest)}. leading: least value of the digits at these places. shift: added to the number,
    so that two columns of a row do not have the same digits.
    """

    bare: str = ""
    complete: Callable[[np.ndarray], np.ndarray] | None = None
    checks: tuple[int, ...] = ()
    ranges: dict[int, tuple[int, int, int]] | None = None
    leading: dict[int, int] | None = None
    shift: int = 0


def fill(mask: str, lot: np.ndarray, number: np.ndarray | None, rule: Rule) -> pa.Array:
    """Strings [n] of a mask, made of the hash `lot`; two numbers (below 2^31, and as many as the mask has) never give the same string.

    number: int64 [n]; None: strings may repeat by chance.
    """
    inner = [p for p, c in enumerate(mask) if c not in rule.bare]
    letters = [ALPHABETS.get(mask[p], mask[p]) for p in inner]
    for place, least in (rule.leading or {}).items():
        letters[place] = letters[place][least:]
    made = _spread(letters, lot, number, rule)
    if rule.complete is not None:
        made = rule.complete(made.astype(np.uint8))
    out = np.tile(np.frombuffer(mask.encode("utf-32-le"), np.uint32), (len(lot), 1))
    out[:, inner] = made
    return _fresh.strings(out)


def _spread(letters: list[str], lot: np.ndarray, number: np.ndarray | None, rule: Rule) -> np.ndarray:
    """uint32 [n, places]: characters out of `letters` for each place; digits of a range are drawn as one."""
    ranges = rule.ranges or {}
    taken = {*rule.checks, *(p + k for p, (width, *_) in ranges.items() for k in range(width))}
    units = sorted([*ranges, *(p for p in range(len(letters)) if p not in taken and len(letters[p]) > 1)])
    radices = [ranges[p][2] - ranges[p][1] + 1 if p in ranges else len(letters[p]) for p in units]
    values = _fresh.draw(lot, radices, 0)
    if number is not None:
        first, size = len(units), 1
        while first > 0 and size * radices[first - 1] <= MOST:
            first -= 1
            size *= radices[first]
        values[:, first:] = _fresh.digits(_fresh.scatter((number + rule.shift) % size, size), radices[first:])
    made = np.tile(np.array([ord(alphabet[0]) for alphabet in letters], np.uint32), (len(lot), 1))
    for column, p in enumerate(units):
        if p in ranges:
            width, low, _ = ranges[p]
            made[:, p : p + width] = _fresh.digits(values[:, column] + low, [10] * width) + ord("0")
        else:
            made[:, p] = np.frombuffer(letters[p].encode(), np.uint8)[values[:, column]]
    return made
