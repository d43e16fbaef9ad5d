"""Words that nobody wrote, spelled as those of a column are: they stand where a text has a word of few.

Letters follow letters as in the words of `protect` subjects or more, looking two letters back; once in each word they follow as they do
there in no such word, so that a word which is made up of common steps alone, as a real name may be, does not come out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lookalike.encode import _fresh, _steps

MARK = "\ue000"
"""Stands for a word of few, followed by how it is written: a (small), A (capital first) or U (capitals)."""
TEXTS = 2_000
"""Texts that spelling is learnt from at most."""
SHORTEST, LONGEST = 3, 12
"""Letters of a word that is made."""
TRIES = 16
_START, _END = 0, 1


def token(shade: str) -> str | None:
    """What stands for a word, with the white space before it; None if it is no word of letters."""
    word = shade.lstrip()
    if len(word) < 2 or not word.isalpha():
        return None
    manner = "U" if word.isupper() else "A" if word[0].isupper() else "a"
    return shade[: len(shade) - len(word)] + MARK + manner


def learn(split: Mapping[str, Sequence[str]], counts: Mapping[str, Sequence[int]], least: int) -> dict[str, Any]:
    """Steps from letter to letter that `least` or more of the weight of all texts takes: {"letters", "one", "two"}.

    split: words of each text. counts: rows and weight of each.
    """
    found: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for text in list(split)[:TEXTS]:
        rows, weight = counts[text]
        mine: set[tuple[str, ...]] = set()
        for word in split[text]:
            bare = word.strip().lower()
            if len(bare) > 1 and bare.isalpha():
                path = ["", *bare, " "]
                mine.update(pairwise(path))
                mine.update(zip(path, path[1:], path[2:], strict=False))
        for step in mine:
            found[step][0] += rows
            found[step][1] += weight
    held = {step: n for step, n in found.items() if n[1] >= least}
    letters = ["", " ", *sorted({c for step in held for c in step} - {"", " "})]
    number = {c: i for i, c in enumerate(letters)}
    coded = {tuple(number[c] for c in step): n for step, n in held.items()}
    tables = {name: _steps.table({s: n for s, n in coded.items() if len(s) == size}) for name, size in (("one", 2), ("two", 3))}
    return {"letters": letters} | tables


def spell(lot: np.ndarray, book: Mapping[str, Any]) -> list[str]:
    """A word of small letters for each lot uint64 [n]."""
    letters, size = book["letters"], len(book["letters"])
    if size <= _END + 1:
        return [""] * len(lot)
    one, two = (_steps.keyed(book[name], size) for name in ("one", "two"))
    out = np.full((len(lot), LONGEST), _END)
    last, before = np.full((2, len(lot)), _START)
    turn = 1 + (_fresh.mix(lot) % np.uint64(SHORTEST)).astype(np.int64)
    live = np.arange(len(lot))
    for k in range(LONGEST):
        u = _steps.uniform(lot[live], k)
        pair = before[live] * size + last[live]
        found = _steps.step(two, pair, u)
        found = np.where(found >= 0, found, _steps.step(one, last[live], u))
        breaks = np.flatnonzero(turn[live] == k)
        found[breaks] = _other(lot[live[breaks]], pair[breaks], last[live[breaks]], one=one, two=two)
        short = (found == _END) & (k < SHORTEST)
        found = np.where((found < 0) | short, _any(lot[live], k, size), found)
        live, found = live[found != _END], found[found != _END]
        before[live], last[live], out[live, k] = last[live], found, found
    table = np.array(letters)
    return ["".join(table[row[row > _END]]) for row in out]


def written(word: str, manner: str) -> str:
    """A word of small letters in the manner of a token."""
    return word.upper() if manner == "U" else word.capitalize() if manner == "A" else word


def _other(lot: np.ndarray, pair: np.ndarray, last: np.ndarray, *, one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> np.ndarray:
    """int64 [n]: letters that follow the last one, but not the last two; else any that do not."""
    size = int(one["width"])
    found = np.full(len(lot), -1)
    left = np.arange(len(lot))
    for turn in range(TRIES):
        near = _steps.step(one, last[left], _steps.uniform(lot[left], 1_000 + turn)) if turn < TRIES // 2 else np.full(len(left), -1)
        drawn = np.where(near > _END, near, _any(lot[left], 2_000 + turn, size))
        good = ~_steps.holds(two, pair[left], drawn)
        found[left[good]] = drawn[good]
        left = left[~good]
        if not len(left):
            break
    return found


def _any(lot: np.ndarray, salt: int, size: int) -> np.ndarray:
    """int64 [n]: any letters."""
    return _END + 1 + (_steps.uniform(lot, salt) * (size - _END - 1)).astype(np.int64)
