"""Groups of people by protected columns: the levels of a label, the quarters of a number, and where two or three columns cross."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lookalike.compare.frame import Frame

FEWEST, LEVELS, CROSSED, CELLS = 50, 8, 3, 24
"""Real rows that a group needs; levels of a label with a group of their own; columns crossed; groups where they cross, at most."""
TELLING = ("sex", "gender", "race", "ethnicity", "ethnic", "age", "age_group", "agegroup", "religion", "nationality", "disability")
"""Words of a column's name that tell that it is protected; those whose groups are crossed come first."""
GUESSED = "protected columns were guessed by their names: {}"
NONE = "no protected column was named, and no column's name tells that it is one"


@dataclass(frozen=True)
class Facet:
    """A way to part rows into groups: `columns` with the cut points of ordered ones, and the cells that are groups, by code."""

    columns: tuple[str, ...]
    rules: tuple[np.ndarray, ...]
    cells: np.ndarray
    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The columns, crossed."""
        return " × ".join(self.columns)

    def codes(self, frame: Frame) -> np.ndarray:
        """Group of each row, -1 where it is in none."""
        cell = _cells(frame, self.columns, self.rules)
        at = np.searchsorted(self.cells, cell)
        at[at == len(self.cells)] = 0
        return np.where(self.cells[at] == cell, at, -1) if len(self.cells) else np.full(frame.rows, -1)


def protected(frame: Frame, given: tuple[str, ...], *, target: str | None = None) -> tuple[tuple[str, ...], str]:
    """The protected columns of the table and a note: those given, else those whose names tell."""
    if given:
        known = tuple(n for n in given if n in frame.names and n != target)
        return known, "" if known else "none of the protected columns can be compared: " + ", ".join(given)
    rank = {n: _rank(n) for n in frame.names if n != target}
    found = tuple(sorted((n for n, r in rank.items() if r < len(TELLING)), key=rank.__getitem__))
    return found, GUESSED.format(", ".join(found)) if found else NONE


def facets(real: Frame, names: tuple[str, ...], *, fewest: int = FEWEST) -> tuple[Facet, ...]:
    """One facet a column that has two groups of so many real rows, and one where the first columns cross."""
    alone = [f for f in (_facet(real, (n,), fewest) for n in names) if len(f.cells) > 1]
    crossed = tuple(f.columns[0] for f in alone)[:CROSSED]
    both = [_facet(real, crossed, fewest)] if len(crossed) > 1 else []
    return (*alone, *(f for f in both if len(f.cells) > 1))


def _rank(name: str) -> int:
    """Place of the first telling word in the name; a capital as in "ageGroup" starts a word."""
    words = re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).lower().strip("_")
    return next((i for i, word in enumerate(TELLING) if f"_{word}_" in f"_{words}_"), len(TELLING))


def _facet(real: Frame, names: tuple[str, ...], fewest: int) -> Facet:
    rules = tuple(_rule(real, n) for n in names)
    cell, counts = np.unique(_cells(real, names, rules), return_counts=True)
    kept = counts >= fewest
    most = CELLS if len(names) > 1 else LEVELS
    kept &= counts >= np.sort(counts)[::-1][:most][-1]
    cells = cell[kept]
    return Facet(names, rules, cells, tuple(_text(real, names, rules, int(c)) for c in cells))


def _rule(real: Frame, name: str) -> np.ndarray:
    """For a label nothing; for an ordered column, the lower ends of its quarters but the first."""
    if real.is_label(name):
        return np.empty(0)
    values = real[name][~np.isnan(real[name])]
    return np.unique(np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")) if len(values) else np.empty(0)


def _size(frame: Frame, name: str, rule: np.ndarray) -> int:
    return (len(frame.levels[name]) if frame.is_label(name) else len(rule) + 1) + 1


def _cells(frame: Frame, names: tuple[str, ...], rules: tuple[np.ndarray, ...]) -> np.ndarray:
    """A number for each row: the codes of its columns as digits; the greatest digit is missing."""
    out = np.zeros(frame.rows, np.int64)
    for name, rule in zip(names, rules, strict=True):
        size = _size(frame, name, rule)
        code = frame[name] if frame.is_label(name) else np.searchsorted(rule, frame[name], side="right")
        out = out * size + np.where(frame.missing(name), size - 1, code)
    return out


def _text(frame: Frame, names: tuple[str, ...], rules: tuple[np.ndarray, ...], cell: int) -> str:
    words: list[str] = []
    for name, rule in reversed(list(zip(names, rules, strict=True))):
        cell, digit = divmod(cell, _size(frame, name, rule))
        if digit == _size(frame, name, rule) - 1:
            words.append(f"{name} missing")
        elif frame.is_label(name):
            words.append(f"{name} = {frame.levels[name][digit]}")
        else:
            low, high = (f"{rule[i]:.4g}" if 0 <= i < len(rule) else "" for i in (digit - 1, digit))
            words.append(f"{name} < {high}" if not low else f"{name} ≥ {low}" if not high else f"{low} ≤ {name} < {high}")
    return ", ".join(reversed(words))


def positive(real: Frame, target: str) -> tuple[float, str]:
    """The outcome that counts as selected: "true" or the rarer of two levels, the commonest of several, a number above its median."""
    if not real.is_label(target):
        middle = float(np.nanmedian(real[target])) if not np.isnan(real[target]).all() else 0.0
        return middle, f"{target} > {middle:.4g}"
    counts = np.bincount(real[target][real[target] >= 0], minlength=len(real.levels[target]))
    levels = real.levels[target]
    there = np.flatnonzero(counts)
    yes = [i for i in there if levels[i].lower() in ("true", "yes")]
    best = yes[0] if yes else int(there[counts[there].argmin() if len(there) == 2 else counts[there].argmax()]) if len(there) else 0
    return float(best), f"{target} = {levels[best]}" if len(levels) else target


def selected(frame: Frame, target: str, outcome: float) -> np.ndarray:
    """Bool per row: it has the outcome."""
    return frame[target] == int(outcome) if frame.is_label(target) else frame[target] > outcome
