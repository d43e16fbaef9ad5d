"""What a rule is made of, once it is read: expressions that give a number a row, and conditions that are true, false or unknown.

A condition is int8 [n]: 1 true, -1 false, 0 unknown, because a cell that it needs is missing (Kleene 1938). A rule is broken where it is
false, as a CHECK in SQL: what is unknown holds. `and` is the least, `or` the greatest, `not` the negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import SettingError
from lookalike.rules.cells import DAY, Cells

CLOSE = 1e-9
"""Share of the sizes of both sides within which two results of arithmetic are the same."""

# ── expressions: float64 [n], NaN where unknown ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Literal:
    """A number, or a moment in microseconds."""

    value: float
    type: str = "number"
    text: str = ""

    columns = frozenset[str]()

    def of(self, cells: Cells) -> np.ndarray:
        """The same number in each row."""
        return np.full(cells.rows, self.value)


@dataclass(frozen=True)
class Name:
    """A column. `type`: number, date, datetime, time, span or label."""

    column: str
    type: str

    @property
    def columns(self) -> frozenset[str]:
        """The column."""
        return frozenset({self.column})

    def of(self, cells: Cells) -> np.ndarray:
        """Its numbers."""
        return cells.numbers(self.column)


_OPERATIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


@dataclass(frozen=True)
class Binary:
    """Two expressions and what is done with them."""

    operation: str
    left: Expression
    right: Expression
    type: str

    @property
    def columns(self) -> frozenset[str]:
        """Those of both."""
        return self.left.columns | self.right.columns

    def of(self, cells: Cells) -> np.ndarray:
        """The result; unknown where it is not a finite number."""
        with np.errstate(all="ignore"):
            made = _OPERATIONS[self.operation](self.left.of(cells), self.right.of(cells))
        return np.where(np.isfinite(made), made, np.nan)


UNITS = {"days": DAY, "hours": DAY // 24, "minutes": 60_000_000, "seconds": 1_000_000}
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{unit: (lambda x, size=size: x / size) for unit, size in UNITS.items()},
    "span": lambda x: x * DAY,
    "day": lambda x: np.floor(x / DAY) * DAY,
    "floor": lambda x: np.floor(x + 1e-9),
    "abs": np.abs,
}


@dataclass(frozen=True)
class Applied:
    """A function of one expression: microseconds as days, hours, minutes, seconds; days as microseconds (`span`); the start of the day."""

    function: str
    inner: Expression
    type: str

    @property
    def columns(self) -> frozenset[str]:
        """Those within."""
        return self.inner.columns

    def of(self, cells: Cells) -> np.ndarray:
        """The result."""
        return FUNCTIONS[self.function](self.inner.of(cells))


Expression = Literal | Name | Binary | Applied


def fits(texts: Sequence[str], pattern: str) -> np.ndarray:
    """bool [texts]: whether the whole text fits a regular expression, in a time that is a multiple of its length (RE2, Cox 2007).

    Raises:
        ValueError: it is none, or looks ahead, back or at a group again, which cannot be done in such a time.
    """
    pc.match_substring_regex(pa.scalar(""), pattern)  # alone, as brackets around it could hide that it is none
    found = pc.match_substring_regex(pa.array(["", *texts], pa.string()), rf"\A(?:{pattern})\z")
    return found.to_numpy(zero_copy_only=False)[1:].astype(bool)


# ── conditions: int8 [n] ────────────────────────────────────────────────────────────────────────────────────────────


def _truth(true: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.where(known, np.where(true, 1, -1), 0).astype(np.int8)


@dataclass(frozen=True)
class Compare:
    """Two numbers side by side. Equal are numbers no more than `unit` apart (half of the last digit that the column has)."""

    sign: str
    left: Expression
    right: Expression
    unit: float = 0.0
    loose: bool = False
    """Both sides are subject to rounding in the last digits of a float."""

    @property
    def columns(self) -> frozenset[str]:
        """Those of both sides."""
        return self.left.columns | self.right.columns

    def truth(self, cells: Cells) -> np.ndarray:
        """True, false or unknown in each row."""
        a, b = self.left.of(cells), self.right.of(cells)
        known = ~(np.isnan(a) | np.isnan(b))
        with np.errstate(invalid="ignore"):
            slack = CLOSE * (np.abs(a) + np.abs(b)) if self.loose else 0.0
            if self.sign in ("=", "!="):
                equal = np.abs(a - b) <= np.maximum(self.unit, slack)
                return _truth(equal if self.sign == "=" else ~equal, known)
            if self.sign in (">", ">="):
                a, b = b, a
            return _truth(a <= b + slack if self.sign in ("<=", ">=") else a < b - slack, known)


@dataclass(frozen=True)
class OneOf:
    """The cell is one of some levels."""

    column: str
    levels: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The column."""
        return frozenset({self.column})

    def truth(self, cells: Cells) -> np.ndarray:
        """Unknown where missing."""
        codes, texts = cells.labels(self.column)
        wanted = np.array([*(t in self.levels for t in texts), False])
        return _truth(wanted[codes], codes >= 0)


@dataclass(frozen=True)
class Same:
    """Two columns have the same label."""

    left: str
    right: str

    @property
    def columns(self) -> frozenset[str]:
        """Both."""
        return frozenset({self.left, self.right})

    def truth(self, cells: Cells) -> np.ndarray:
        """Unknown where either is missing."""
        (a, first), (b, second) = cells.labels(self.left), cells.labels(self.right)
        numbers = {text: k for k, text in enumerate(first)}
        moved = np.array([*(numbers.get(text, -2) for text in second), -1])
        return _truth(a == moved[b], (a >= 0) & (b >= 0))


@dataclass(frozen=True)
class Missing:
    """The cell is missing, or known; never unknown."""

    column: str
    known: bool = False

    @property
    def columns(self) -> frozenset[str]:
        """The column."""
        return frozenset({self.column})

    def truth(self, cells: Cells) -> np.ndarray:
        """True or false."""
        return np.where(cells.missing(self.column) != self.known, 1, -1).astype(np.int8)


@dataclass(frozen=True)
class Matches:
    """The whole text fits a pattern."""

    column: str
    pattern: str

    @property
    def columns(self) -> frozenset[str]:
        """The column."""
        return frozenset({self.column})

    def truth(self, cells: Cells) -> np.ndarray:
        """Unknown where missing."""
        codes, texts = cells.labels(self.column)
        return _truth(np.append(fits(texts, self.pattern), False)[codes], codes >= 0)


@dataclass(frozen=True)
class Both:
    """Some conditions, and whether all of them must be true (`every`) or any."""

    parts: tuple[Condition, ...]
    every: bool

    @property
    def columns(self) -> frozenset[str]:
        """Those of all parts."""
        return frozenset().union(*(p.columns for p in self.parts))

    def truth(self, cells: Cells) -> np.ndarray:
        """The least, or the greatest."""
        found = [p.truth(cells) for p in self.parts]
        return np.minimum.reduce(found) if self.every else np.maximum.reduce(found)


@dataclass(frozen=True)
class Not:
    """The contrary."""

    part: Condition

    @property
    def columns(self) -> frozenset[str]:
        """Those within."""
        return self.part.columns

    def truth(self, cells: Cells) -> np.ndarray:
        """The negative."""
        return -self.part.truth(cells)


@dataclass(frozen=True)
class Together:
    """All of the columns are missing, or none."""

    names: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns."""
        return frozenset(self.names)

    def truth(self, cells: Cells) -> np.ndarray:
        """True or false."""
        count = np.sum([cells.missing(c) for c in self.names], axis=0)
        return np.where((count == 0) | (count == len(self.names)), 1, -1).astype(np.int8)


@dataclass(frozen=True)
class OneHot:
    """Exactly one of the columns is 1 (or true), and the others are 0."""

    names: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns."""
        return frozenset(self.names)

    def truth(self, cells: Cells) -> np.ndarray:
        """Unknown where one is missing and the known ones may still be right."""
        x = np.stack([cells.numbers(c) for c in self.names])
        gone, ones, odd = np.isnan(x).any(axis=0), (x == 1).sum(axis=0), ((x != 0) & (x != 1) & ~np.isnan(x)).any(axis=0)
        false = odd | (ones > 1) | ((ones == 0) & ~gone)
        return np.where(false, -1, np.where(gone, 0, 1)).astype(np.int8)


@dataclass(frozen=True)
class Step:
    """The number is `offset` plus a whole multiple of `size`, or no more than `unit` (the rounding of the column) from that."""

    column: str
    size: float
    offset: float = 0.0
    unit: float = 0.0

    @property
    def columns(self) -> frozenset[str]:
        """The column."""
        return frozenset({self.column})

    def truth(self, cells: Cells) -> np.ndarray:
        """Unknown where missing."""
        x = cells.numbers(self.column)
        away = np.abs(x - self.offset - np.rint((x - self.offset) / self.size) * self.size)
        return _truth(away <= np.maximum(self.unit, CLOSE * np.abs(x)), ~np.isnan(x))


@dataclass(frozen=True)
class Combination:
    """The columns' values stand together in one of the `allowed` rows (texts, None is missing); None: those of rows yet to be seen.

    A missing cell goes with every value: the rule is broken if no allowed row agrees with the cells that are known.
    """

    names: tuple[str, ...]
    allowed: tuple[tuple[str | None, ...], ...] | None = None

    @property
    def columns(self) -> frozenset[str]:
        """The columns."""
        return frozenset(self.names)

    def truth(self, cells: Cells) -> np.ndarray:
        """True or false.

        Raises:
            SettingError: no rows have been seen yet.
        """
        if self.allowed is None:
            what = f"combination({', '.join(self.names)}) allows what the training data have, and has not seen them"
            raise SettingError(what, fix="list what is allowed: combination(a, b) in ((1, 2), (3, 4)); or fit the model `ruled`")
        pattern = sum(cells.missing(c).astype(np.int64) << k for k, c in enumerate(self.names))
        made = np.ones(cells.rows, np.int8)
        for bits in np.unique(pattern).tolist():
            rows = np.flatnonzero(pattern == bits)
            known = [k for k in range(len(self.names)) if not bits >> k & 1]
            if known:
                made[rows[~_found(self, cells, known, rows)]] = -1
        return made

    def exactly(self, cells: Cells) -> np.ndarray:
        """Bool [n]: the row is one of those allowed, its missing cells included."""
        assert self.allowed is not None
        allowed = set(self.allowed)
        coded = [cells.labels(n) for n in self.names]
        pattern = np.zeros(cells.rows, np.int64)
        for codes, texts in coded:
            _, pattern = np.unique(pattern * (len(texts) + 1) + codes + 1, return_inverse=True)
        _, first = np.unique(pattern, return_index=True)
        rows = [tuple(texts[codes[r]] if codes[r] >= 0 else None for codes, texts in coded) for r in first]
        return np.array([row in allowed for row in rows], bool)[pattern]


def _found(rule: Combination, cells: Cells, known: Sequence[int], rows: np.ndarray) -> np.ndarray:
    """Bool [rows]: an allowed row agrees with the `known` columns; one column after the other, each prefix with a number."""
    assert rule.allowed is not None
    table, state = np.zeros(len(rule.allowed), np.int64), np.zeros(len(rows), np.int64)
    for k in known:
        codes, texts = cells.labels(rule.names[k])
        numbers: dict[str | None, int] = {text: i for i, text in enumerate(texts)}
        size = len(texts) + 1  # the last number: a value that is not in the table looked at, or is missing in an allowed row
        mine = np.array([numbers.get(row[k], size - 1) for row in rule.allowed], np.int64)
        prefixes, table = np.unique(table * size + mine, return_inverse=True)
        if not len(prefixes):
            return np.zeros(len(rows), bool)
        wanted = np.where(state >= 0, state * size + codes[rows], -1)
        at = np.minimum(np.searchsorted(prefixes, wanted), len(prefixes) - 1)
        state = np.where(prefixes[at] == wanted, at, -1)
    return state >= 0


def seen(names: Sequence[str], cells: Cells, subjects: np.ndarray | None, protect: int) -> list[tuple[str | None, ...]]:
    """Rows of values of the columns `names` that at least `protect` subjects have, the commonest first."""
    sizes, coded = [], []
    for name in names:
        codes, texts = cells.labels(name)
        coded.append(codes + 1)
        sizes.append([None, *texts])
    state = np.zeros(cells.rows, np.int64)
    for codes, texts in zip(coded, sizes, strict=True):
        _, state = np.unique(state * len(texts) + codes, return_inverse=True)
    _, first, state = np.unique(state, return_index=True, return_inverse=True)
    rows = np.bincount(state, minlength=len(first))
    if subjects is None:
        holders = rows
    else:
        pairs = np.unique(state * (int(subjects.max(initial=0)) + 1) + subjects)
        holders = np.bincount(pairs // (int(subjects.max(initial=0)) + 1), minlength=len(first))
    order = np.argsort(-rows, kind="stable")
    kept = first[order[holders[order] >= protect]]
    return [tuple(texts[codes[r]] for codes, texts in zip(coded, sizes, strict=True)) for r in kept]


@dataclass(frozen=True)
class Unique:
    """No two rows have the same values in the columns; rows with a missing cell are left alone."""

    names: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns."""
        return frozenset(self.names)

    def keys(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """`(uint64 [n], bool [n])`: a number for the values of each row, and whether all are known."""
        made, known = np.zeros(cells.rows, np.uint64), np.ones(cells.rows, bool)
        for name in self.names:
            made = made * np.uint64(0x9E3779B97F4A7C15) + cells.hashes(name)
            made ^= made >> np.uint64(29)
            known &= ~cells.missing(name)
        return made, known

    def truth(self, cells: Cells) -> np.ndarray:
        """False in every row but the first of those with the same values."""
        keys, known = self.keys(cells)
        first = np.zeros(cells.rows, bool)
        first[np.unique(keys, return_index=True)[1]] = True
        rows = np.flatnonzero(known)  # a row with a missing cell must not take the place of another
        first[rows] = False
        first[rows[np.unique(keys[rows], return_index=True)[1]]] = True
        return _truth(first, known)


@dataclass(frozen=True)
class Custom:
    """A function of a pandas frame of the columns (canonical values) that gives a truth value for each row."""

    function: Callable[[Any], Any]
    names: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns."""
        return frozenset(self.names)

    def truth(self, cells: Cells) -> np.ndarray:
        """True where the function says so; unknown where it says null.

        Raises:
            SettingError: the function gives something else than a truth value for each row.
        """
        frame = cells.table.select(list(self.names)).to_pandas()
        given = pa.array(self.function(frame), from_pandas=True)
        if len(given) != cells.rows or not (pa.types.is_boolean(given.type) or pa.types.is_null(given.type)):
            what = f"the function gives {len(given):,} values of type {given.type} for {cells.rows:,} rows"
            raise SettingError(what, where=self.called, fix="give one true or false for each row, as frame.a <= frame.b does")
        known = given.is_valid().to_numpy(zero_copy_only=False)
        return _truth(given.fill_null(True).to_numpy(zero_copy_only=False).astype(bool), known)

    @property
    def called(self) -> str:
        """What the function is called."""
        return getattr(self.function, "__name__", "function")


Condition = Compare | OneOf | Same | Missing | Matches | Both | Not | Together | OneHot | Step | Combination | Unique | Custom


def linear(expression: Expression) -> tuple[Mapping[str, float], float] | None:
    """`({column: factor}, constant)` of a sum of multiples of columns; None if it is something else."""
    if isinstance(expression, Literal):
        return {}, expression.value
    if isinstance(expression, Name):
        return {expression.column: 1.0}, 0.0
    if isinstance(expression, Applied):
        factor = {"days": 1 / DAY, "hours": 24 / DAY, "minutes": 1 / 6e7, "seconds": 1e-6, "span": float(DAY)}.get(expression.function)
        inner = linear(expression.inner) if factor is not None else None
        return None if inner is None or factor is None else _times(inner, factor)
    a, b = linear(expression.left), linear(expression.right)
    if a is None or b is None or expression.operation in ("min", "max"):
        return None
    if expression.operation in "+-":
        b = _times(b, 1.0 if expression.operation == "+" else -1.0)
        pairs = sorted([*a[0].items(), *b[0].items()])
        summed = {c: sum(f for _, f in of) for c, of in groupby(pairs, lambda p: p[0])}
        return {c: f for c, f in summed.items() if f}, a[1] + b[1]
    if expression.operation == "*" and not (a[0] and b[0]):
        return _times(b, a[1]) if not a[0] else _times(a, b[1])
    if expression.operation == "/" and not b[0] and b[1]:
        return _times(a, 1 / b[1])
    return None


def _times(form: tuple[Mapping[str, float], float], factor: float) -> tuple[Mapping[str, float], float]:
    return {c: f * factor for c, f in form[0].items()}, form[1] * factor


def parts(condition: Condition) -> Iterator[Condition]:
    """The conditions that must all be true."""
    if isinstance(condition, Both) and condition.every:
        for part in condition.parts:
            yield from parts(part)
    else:
        yield condition
