"""Numbers of a row that never pass others of it, such as a day's highest price and the price at its end: found, and told as a gap.

A law that is drawn about a forecast passes a bound sooner or later. The logarithm of the gap to a bound, or the logit of the place between
two, cannot; and gaps of the rows before tell more of a row than the numbers that they lie between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.encode._round import Grid
from lookalike.models._windows_cells import Cells, Line, begins

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.schema import Column

__all__ = ["Gap", "Gaps"]

FEWEST, BREAK = 200, 0.001
"""Rows that a bound is found in at least, and the share of them that may pass it."""
PASSED = 0.05
"""Share of rows that would pass a bound if rows were mixed up, from which on it says something."""
ALIKE = 1e-5
"""Numbers on a line that differ by less are the same: it keeps seven digits."""
FAR, FAR_ROWS = 1e-4, 5
"""Share of the rows, and how many at least, whose gaps are too small, and too large, to be drawn: what few rows have is not repeated."""
SMALLEST = 0.01
"""Share of the gaps above 0 that are taken for 0."""


@dataclass(frozen=True)
class Gap:
    """The number of `channel` lies at or above the greatest of `above`, at or below the least of `below`: channels told before it.

    least: gaps smaller than half of it are none, on the number's line; centre, spread: of the logarithm or logit that is told; low, high:
    of that, after centre and spread.
    """

    channel: int
    above: tuple[int, ...]
    below: tuple[int, ...]
    least: float
    centre: float = 0.0
    spread: float = 1.0
    low: float = 0.0
    high: float = 0.0


class Gaps:
    """What is told instead of numbers that never pass others. lines: of each channel, None where it has none that can be compared.

    at: where each channel begins in a row of the state. A state is float32 [n, state], as `Cells.encode` has it.
    """

    def __init__(self, gaps: tuple[Gap, ...], cells: Cells) -> None:
        self.gaps, self.cells = gaps, cells
        self.lines, self.at = [_line(cells, k) for k in range(len(cells.channels))], begins(cells.channels)
        self.of = {gap.channel: i for i, gap in enumerate(gaps)}

    def __len__(self) -> int:
        return len(self.gaps)

    @classmethod
    def find(cls, cells: Cells, table: pa.Table, state: np.ndarray, there: np.ndarray) -> Gaps:
        """Bounds that hold in nearly all rows of the table, and would not if columns had nothing to do with each other."""
        self, found, rng = cls((), cells), [], np.random.default_rng(0)
        if len(state) < FEWEST:
            return self
        able = [k for k, line in enumerate(self.lines) if line is not None and there[:, k].all()]
        mixed = rng.permutation(len(state))
        values = {k: table[self._name(k)].to_numpy() for k in able}
        for k in able:
            before = [j for j in able if j < k and _same(cells, j, k)]
            above = tuple(j for j in before if _bound(values[j], values[k], mixed))
            below = tuple(j for j in before if _bound(values[k], values[j], mixed))
            gap = self._measured(Gap(k, above, below, 0.0), state) if above or below else None
            if gap is not None:
                found.append(gap)
        return cls(tuple(found), cells)

    def told(self, state: np.ndarray) -> np.ndarray:
        """float32 [n, gaps]: what is told instead of the numbers, of rows whose numbers are all there."""
        return np.stack([self.gap(i, state) for i in range(len(self))], 1) if self.gaps else np.zeros((len(state), 0), np.float32)

    def gap(self, i: int, state: np.ndarray) -> np.ndarray:
        """float32 [n]: what is told instead of the number of gap `i`."""
        gap, (low, high) = self.gaps[i], self.ends(i, state)
        u = _raw(gap, state[:, self.at[gap.channel]].astype(np.float64), low, high)
        return np.clip((u - gap.centre) / gap.spread, gap.low, gap.high).astype(np.float32)

    def number(self, i: int, told: np.ndarray, state: np.ndarray) -> np.ndarray:
        """float32 [n]: the number, on its line, that `told` float [n] of gap `i` stands for in rows where those before it are drawn."""
        gap, (low, high) = self.gaps[i], self.ends(i, state)
        u = np.clip(told.astype(np.float64), gap.low, gap.high) * gap.spread + gap.centre
        if gap.above and gap.below:
            y = low - gap.least + (high - low + 2 * gap.least) / (1 + np.exp(-u))
        else:
            y = low + np.exp(u) - gap.least if gap.above else high - np.exp(u) + gap.least
        y = np.where(y - low < gap.least / 2, low, y)
        return np.where(high - y < gap.least / 2, high, y).astype(np.float32)

    def ends(self, i: int, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 [n] each: the least and the greatest that the number may be, on its line; infinite where there is no bound."""
        gap = self.gaps[i]
        none = np.full(len(state), np.inf)
        low = np.maximum.reduce([-none, *(self._on_line(gap.channel, self._values(j, state)) for j in gap.above)])
        high = np.minimum.reduce([none, *(self._on_line(gap.channel, self._values(j, state)) for j in gap.below)])
        return low, np.maximum(low, high)

    def placed(self, table: pa.Table, state: np.ndarray, drawn: Mapping[str, np.ndarray]) -> pa.Table:
        """The canonical table of `state` with numbers as far from their bounds as was drawn, where they were, bool [n] by column.

        Cells have fewer values than a gap has sizes; read off from there, a number could pass its bound.
        """
        told, exact = self.told(state), state.copy()
        known = {k: table[self._name(k)].to_numpy().astype(np.float64) for gap in self.gaps for k in (gap.channel, *gap.above, *gap.below)}
        for k, values in known.items():
            exact[:, self.at[k]] = self._on_line(k, values)
        for i, gap in enumerate(self.gaps):
            k, name = gap.channel, self._name(gap.channel)
            line, grid = self.lines[k], Grid.from_json(self._book(k)["line"])
            assert line is not None
            v = line.written(self.number(i, told[:, i], exact), grid)
            low = np.fmax.reduce([np.full(len(v), -np.inf), *(known[j] for j in gap.above)])
            high = np.fmin.reduce([np.full(len(v), np.inf), *(known[j] for j in gap.below)])
            moved = drawn[name] & np.isfinite(v)
            known[k] = np.where(moved, np.clip(v, low, np.maximum(low, high)), known[k])
            exact[:, self.at[k]] = self._on_line(k, known[k])
        for gap in self.gaps:  # what is given stays; then it is the other that moves
            for upper, lower in (*((gap.channel, j) for j in gap.above), *((j, gap.channel) for j in gap.below)):
                wrong = known[upper] < known[lower]
                known[upper] = np.where(wrong & drawn[self._name(upper)], known[lower], known[upper])
                known[lower] = np.where(wrong & drawn[self._name(lower)], np.fmin(known[upper], known[lower]), known[lower])
        for k, values in known.items():
            table = _put(table, self._name(k), values, drawn[self._name(k)])
        return table

    def columns(self) -> Iterator[str]:
        """Names of the columns that bounds are about."""
        for gap in self.gaps:
            yield from (self._name(k) for k in (gap.channel, *gap.above, *gap.below))

    def to_json(self) -> list[dict[str, Any]]:
        """What `from_json` needs."""
        return [asdict(gap) for gap in self.gaps]

    @classmethod
    def from_json(cls, raw: list[dict[str, Any]], cells: Cells) -> Gaps:
        """The inverse of `to_json`."""
        return cls(tuple(Gap(**(one | {"above": tuple(one["above"]), "below": tuple(one["below"])})) for one in raw), cells)

    def _name(self, channel: int) -> str:
        return self.cells.codebook.parts[self.cells.channels[channel].part].column

    def _book(self, channel: int) -> dict[str, Any]:
        return self.cells.codebook.books[self.cells.codebook.owners[self.cells.channels[channel].part]]

    def _on_line(self, channel: int, values: np.ndarray) -> np.ndarray:
        line = self.lines[channel]
        assert line is not None
        return line.forward(values)

    def _values(self, channel: int, state: np.ndarray) -> np.ndarray:
        line = self.lines[channel]
        assert line is not None
        return line.back(state[:, self.at[channel]].astype(np.float64))

    def _measured(self, gap: Gap, state: np.ndarray) -> Gap | None:
        """The gap with its smallest size, centre, spread and ends; None where there is none above 0."""
        one = Gaps((gap,), self.cells)
        low, high = one.ends(0, state)
        y = state[:, self.at[gap.channel]].astype(np.float64)
        sizes = np.concatenate([s[np.isfinite(s)] for s in (y - low, high - y)])
        sizes = sizes[sizes > ALIKE]
        if not len(sizes):
            return None
        gap = replace(gap, least=float(np.quantile(sizes, SMALLEST)))
        u = _raw(gap, y, low, high)
        centre, spread = float(u.mean()), max(float(u.std()), 1e-3)
        far = max(FAR, FAR_ROWS / len(u))
        low, high = ((v - centre) / spread for v in np.quantile(u, [far, 1 - far]).tolist())
        return replace(gap, centre=centre, spread=spread, low=low, high=high)


def _raw(gap: Gap, y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """float64 [n]: the logarithm of the gap to the one bound, or the logit of the place between the two."""
    if gap.above and gap.below:
        return np.log(np.maximum(y - low, 0) + gap.least) - np.log(np.maximum(high - y, 0) + gap.least)
    return np.log(np.maximum(y - low if gap.above else high - y, 0) + gap.least)


def _bound(x: np.ndarray, y: np.ndarray, mixed: np.ndarray) -> bool:
    """Whether x is at most y, but would not be if rows were `mixed` up."""
    return bool((x > y).mean() <= BREAK and (x[mixed] > y).mean() >= PASSED)


def _line(cells: Cells, k: int) -> Line | None:
    """The line of a channel, if numbers can be compared on it."""
    channel = cells.channels[k]
    line = cells.lines.get(channel.part) if channel.kind == "number" else None
    return None if line is None or line.kind == "score" else line


def _same(cells: Cells, j: int, k: int) -> bool:
    """Whether the columns of two channels are written alike, so that what one holds the other can."""
    first, second = (_column(cells, i) for i in (j, k))
    digits = [c.number.decimals if c.number is not None else None for c in (first, second)]
    return first.kind == second.kind and digits[0] == digits[1]


def _column(cells: Cells, k: int) -> Column:
    return cells.codebook.table.columns[cells.codebook.owners[cells.channels[k].part]]


def _put(table: pa.Table, name: str, values: np.ndarray, drawn: np.ndarray) -> pa.Table:
    """The table with float64 `values` [n] in a column, where they were drawn; NaN is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    at, old = table.schema.get_field_index(name), table[name].combine_chunks()
    made = pa.array(values, pa.float64(), from_pandas=True)
    made = pc.round(made).cast(old.type) if pa.types.is_integer(old.type) else made.cast(old.type)
    return table.set_column(at, table.schema.field(at), pc.if_else(pa.array(drawn), made, old))
