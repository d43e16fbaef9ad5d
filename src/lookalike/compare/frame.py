"""Canonical tables as plain numpy columns that share one coding, so that every metric compares like with like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import DataError
from lookalike.schema import Column

ORDERED = frozenset({"integer", "number", "date", "datetime", "time", "duration", "text"})
"""Kinds compared along a line; free text by its length in characters."""
LABELS = frozenset({"category", "boolean", "constant"})
"""Kinds compared level by level."""


@dataclass(frozen=True)
class Frame:
    """`rows` rows of `columns`: float64 (missing is NaN) for ordered kinds, int32 codes into `levels` (missing is -1) for labels.

    `owner`, int64 per row: whose row it is, where some have several. What is drawn, halved or left out then is whole owners, as rows of
    one owner are not independent of each other. None: every row stands for itself.
    """

    columns: tuple[Column, ...]
    values: Mapping[str, np.ndarray]
    levels: Mapping[str, tuple[str, ...]]
    rows: int
    owner: np.ndarray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]

    def is_label(self, name: str) -> bool:
        """Whether the column is compared level by level."""
        return name in self.levels

    def missing(self, name: str) -> np.ndarray:
        """Bool per row: the cell is missing."""
        values = self.values[name]
        return values < 0 if self.is_label(name) else np.isnan(values)

    def take(self, index: np.ndarray) -> Frame:
        """The rows at `index`."""
        owner = None if self.owner is None else self.owner[index]
        return Frame(self.columns, {k: v[index] for k, v in self.values.items()}, self.levels, len(index), owner)

    def only(self, names: Iterable[str]) -> Frame:
        """These columns, in the order of the table."""
        kept = set(names)
        values, levels = ({k: v for k, v in of.items() if k in kept} for of in (self.values, self.levels))
        return Frame(tuple(c for c in self.columns if c.name in kept), values, levels, self.rows, self.owner)

    def cut(self, rows: int, rng: np.random.Generator) -> Frame:
        """At most `rows` rows, chosen at random without replacement; whole owners, but for the last, of whom the first rows are kept."""
        if self.rows <= rows:
            return self
        if self.owner is None:
            return self.take(np.sort(rng.choice(self.rows, rows, replace=False)))
        _, code, sizes = np.unique(self.owner, return_inverse=True, return_counts=True)
        order = rng.permutation(len(sizes))
        place = np.empty(len(sizes), np.int64)
        place[order] = np.arange(len(sizes))
        return self.take(np.sort(np.argsort(place[code], kind="stable")[:rows]))

    def halves(self, rng: np.random.Generator) -> tuple[Frame, Frame]:
        """Two disjoint random halves; of the owners, where rows have some."""
        code = np.arange(self.rows) if self.owner is None else np.unique(self.owner, return_inverse=True)[1]
        count = int(code.max(initial=-1)) + 1
        first = np.zeros(count, bool)
        first[rng.permutation(count)[: count // 2]] = True
        return self.take(np.flatnonzero(first[code])), self.take(np.flatnonzero(~first[code]))

    def again(self, rows: int, rng: np.random.Generator) -> Frame:
        """About `rows` rows drawn with repetition, by whole owners where there are some: each draw is an owner of its own."""
        if not self.rows:
            return self
        if self.owner is None:
            return self.take(rng.integers(self.rows, size=rows))
        order = np.argsort(self.owner, kind="stable")
        starts = np.flatnonzero(np.diff(self.owner[order], prepend=self.owner[order[0]] - 1))
        sizes = np.diff(np.append(starts, self.rows))
        drawn = rng.integers(len(sizes), size=max(1, round(rows * len(sizes) / self.rows)))
        index = np.concatenate([order[starts[k] : starts[k] + sizes[k]] for k in drawn.tolist()])
        whose = np.repeat(np.arange(len(drawn)), sizes[drawn])
        return replace(self.take(index), owner=whose)

    def independent(self, rng: np.random.Generator) -> Frame:
        """Each column shuffled on its own: the columns stay perfect, all dependence is gone."""
        return Frame(self.columns, {k: rng.permutation(v) for k, v in self.values.items()}, self.levels, self.rows)


def stack(frames: Iterable[Frame]) -> Frame:
    """The rows of frames that were coded together, one frame after the other."""
    frames = list(frames)
    first = frames[0]
    values = {k: np.concatenate([f[k] for f in frames]) for k in first.values}
    owner = None
    if all(f.owner is not None for f in frames):  # owners of two frames are different ones, whatever their numbers
        codes = [np.unique(f.owner, return_inverse=True)[1] for f in frames]
        firsts = np.cumsum([0, *(int(c.max(initial=-1)) + 1 for c in codes)])
        owner = np.concatenate([c + at for c, at in zip(codes, firsts, strict=False)])
    return Frame(first.columns, values, first.levels, sum(f.rows for f in frames), owner)


def code(tables: Mapping[str, pa.Table], columns: Iterable[Column]) -> dict[str, Frame]:
    """Frames of several canonical tables, labels coded alike; keys and empty columns are left out.

    Raises:
        DataError: a column's values are not of its kind.
    """
    kept = tuple(c for c in columns if c.kind in ORDERED | LABELS)
    values: dict[str, dict[str, np.ndarray]] = {role: {} for role in tables}
    levels: dict[str, tuple[str, ...]] = {}
    for column in kept:
        chunks = {role: table.column(column.name) for role, table in tables.items()}
        if column.kind in LABELS:
            coded, levels[column.name] = _label(chunks)
        else:
            coded = {role: _ordered(chunk, column, role) for role, chunk in chunks.items()}
        for role, array in coded.items():
            values[role][column.name] = array
    return {role: Frame(kept, values[role], levels, tables[role].num_rows) for role in tables}


def _label(chunks: Mapping[str, pa.ChunkedArray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    texts = {role: pc.cast(chunk, pa.string()) for role, chunk in chunks.items()}
    seen = [pc.unique(t).drop_null() for t in texts.values()]
    levels = pc.unique(pa.concat_arrays(seen))
    levels = levels.take(pc.sort_indices(levels))
    coded = {
        role: pc.fill_null(pc.index_in(text, value_set=levels), -1).combine_chunks().to_numpy(zero_copy_only=False).astype(np.int32)
        for role, text in texts.items()
    }
    return coded, tuple(levels.to_pylist())


def _ordered(chunk: pa.ChunkedArray, column: Column, role: str) -> np.ndarray:
    try:
        if column.kind == "text":
            chunk = pc.utf8_length(pc.cast(chunk, pa.string()))
        elif column.kind in ("date", "datetime", "time", "duration"):
            # Arrow casts moments to numbers only through the integer that stores them: days for dates, microseconds for the rest.
            chunk = chunk.cast(pa.int32() if column.kind == "date" else pa.int64())
        numbers = pc.cast(chunk, pa.float64(), safe=False)
    except pa.ArrowInvalid as error:
        what = f"the {role} table holds values that are not of kind {column.kind}: {error}"
        raise DataError(what, where=column.name, fix="give both tables the same schema") from None
    return numbers.combine_chunks().to_numpy(zero_copy_only=False).astype(np.float64)


@dataclass(frozen=True)
class Grid:
    """Shared bins, learned from one frame and applied to any: `sizes[j]` bins a column, the last one for missing cells."""

    names: tuple[str, ...]
    rules: tuple[np.ndarray, ...]
    sizes: np.ndarray

    def codes(self, frame: Frame) -> np.ndarray:
        """Bin of each cell, int32 [columns, rows]."""
        out = np.empty((len(self.names), frame.rows), np.int32)
        for j, (name, rule) in enumerate(zip(self.names, self.rules, strict=True)):
            values, missing = frame[name], frame.missing(name)
            found = rule[values] if frame.is_label(name) else np.searchsorted(rule, values, side="right")
            out[j] = np.where(missing, self.sizes[j] - 1, found)
        return out


def grid(real: Frame, names: Iterable[str], *, bins: int = 10, levels: int = 20) -> Grid:
    """Bins of `real`: quantiles for ordered columns (a heavy single value has its own bin), the commonest levels and a rest for labels."""
    names, rules, sizes = tuple(names), [], []
    for name in names:
        if real.is_label(name):
            rule = _level_bins(real[name], len(real.levels[name]), levels)
            sizes.append(int(rule.max(initial=0)) + 2)
        else:
            rule = _cuts(real[name], bins)
            sizes.append(len(rule) + 2)
        rules.append(rule)
    return Grid(names, tuple(rules), np.array(sizes, np.int64))


def _level_bins(codes: np.ndarray, known: int, most: int) -> np.ndarray:
    """Bin of each level: the `most` commonest have their own, all others and those unseen share the last."""
    counts = np.bincount(codes[codes >= 0], minlength=known)
    order = np.argsort(-counts, kind="stable")
    own = order[: min(most, int(np.count_nonzero(counts)))]
    rule = np.full(known + 1, len(own), np.int32)  # the spare last entry answers code -1 (missing), which is overwritten
    rule[own] = np.arange(len(own))
    return rule


def _cuts(values: np.ndarray, bins: int) -> np.ndarray:
    """Inner cut points; a value that fills a whole quantile step is an atom, cut off on both sides."""
    values = values[~np.isnan(values)]
    if not len(values):
        return np.empty(0)
    steps = np.quantile(values, np.linspace(0, 1, bins + 1), method="inverted_cdf")
    seen, times = np.unique(steps, return_counts=True)
    atoms = seen[times > 1]
    rest = values[~np.isin(values, atoms)]
    inner = np.quantile(rest, np.linspace(0, 1, max(bins - len(atoms), 1) + 1)[1:-1], method="inverted_cdf") if len(rest) else np.empty(0)
    return np.unique(np.concatenate([atoms, np.nextafter(atoms, np.inf), inner]))
