"""Cells of a table as what a series is learned by: numbers on a line, levels as 0/1, and marks of what is missing.

Ordered parts of a codebook with many codes become numbers. Where values are spread out, the line is the values themselves, their
logarithms or what lies between, whichever makes steps about the same wherever they begin (Box and Cox 1964, on steps). Where many share
a value, and for moments, it is the normal score of the middle of a value's mass: spikes are wide there, and easily hit. Either way cells
are read off again, so protected values, rounding and bounds are those of the codebook. Other parts are levels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.encode import Codebook, Coded, encoder
from lookalike.encode._round import Grid
from lookalike.schema import Column

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Cells", "Channel", "Line", "begins"]

FEW, MOST = 16, 24
"""Ordered parts with so many codes at most are levels; levels told apart at most, the rest are one."""
SHORT, DIGITS, MOSTLY = ("float", "float32", "halffloat", "float16"), 6, 0.5
"""Storage of seven digits; decimals looked for where there is no grid; share of the values that are rounder than others, if any are."""
REPEATED = 0.02
"""Share of steps that say again exactly what the one before said, from which on this is learned as such."""
EDGE = 1e-6
"""Mass kept free at both ends of the line."""
LIMIT = 4.75
"""Normal scores lie within ± this, which is one in a million."""
SPIKE = 0.05
"""Share of a value from which on the line is that of normal scores."""
BENT = (0.0, 0.03, 0.3)
"""Candidates for lines of values that are above 0, by what is added before the logarithm is taken, in units of the median."""
BOTH = (0.3, 1.0)
"""Candidates for lines of values of both signs: the inverse hyperbolic sine, by its scale in standard deviations."""


@dataclass(frozen=True)
class Line:
    """y = (f(v) − centre) / spread, f by kind: `score`, `same`, `log` of v + bend, or `sine` of v / bend; low, high bound v.

    digits: decimals that most values get by with where others have more, −1 where there are none such; rounded: share of those values.
    """

    kind: str = "score"
    bend: float = 0.0
    centre: float = 0.0
    spread: float = 1.0
    low: float = 0.0
    high: float = 0.0
    digits: int = -1
    rounded: float = 0.0

    def bent(self, v: np.ndarray) -> np.ndarray:
        """f(v)."""
        if self.kind == "log":
            return np.log(np.maximum(v + self.bend, 1e-300))
        return np.arcsinh(v / self.bend) if self.kind == "sine" else v

    def forward(self, v: np.ndarray) -> np.ndarray:
        """y of v."""
        return (self.bent(np.clip(v, self.low, self.high)) - self.centre) / self.spread

    def back(self, y: np.ndarray) -> np.ndarray:
        """v of y, within the bounds."""
        f = y * self.spread + self.centre
        v = (
            np.exp(np.minimum(f, 700)) - self.bend
            if self.kind == "log"
            else np.sinh(np.clip(f, -700, 700)) * self.bend
            if self.kind == "sine"
            else f
        )
        return np.clip(v, self.low, self.high)

    def written(self, y: np.ndarray, grid: Grid) -> np.ndarray:
        """v of y float32 on the grid, with as few decimals as often as in the data; the same for the same y."""
        v = self.back(y.astype(np.float64))
        out = grid.snap(v).astype(np.float64)
        if self.digits < 0:
            return out
        lot = (y.astype(np.float32).view(np.uint32) * np.uint32(2_654_435_761)) * 2.0**-32
        return np.where(lot < self.rounded, np.round(v, self.digits), out)

    def slope(self, v: np.ndarray) -> np.ndarray:
        """f'(v)."""
        if self.kind == "log":
            return 1 / np.maximum(v + self.bend, 1e-300)
        return 1 / np.sqrt(v**2 + self.bend**2) if self.kind == "sine" else np.ones(len(v))


@dataclass(frozen=True)
class Channel:
    """One part. kind: number, level or fixed. codes int64 [levels]: those told apart, the rest drawn by `counts`; marks: may be missing."""

    part: int
    kind: str
    codes: np.ndarray
    missing: bool
    repeats: bool

    @property
    def size(self) -> int:
        """Numbers that it takes in a row of the state: a value, or one for each level and one for the rest."""
        return 1 if self.kind == "number" else 0 if self.kind == "fixed" else len(self.codes) + 1


class Cells:
    """How the parts of a codebook become channels. counts: rows of each code, one array for each part."""

    def __init__(self, codebook: Codebook, counts: list[np.ndarray], repeats: np.ndarray, lines: dict[int, Line] | None = None) -> None:
        self.codebook, self.counts, self.repeats, self.lines = codebook, counts, repeats, lines or {}
        owners = codebook.owners
        self.first = np.searchsorted(owners, owners)
        self.single = np.bincount(owners, minlength=len(codebook.books))[owners] == 1
        self.channels = [self._channel(p) for p in range(len(counts))]
        self.mass = [np.cumsum(np.concatenate([[0.0], c[1:]])) / max(c[1:].sum(), 1) for c in counts]

    @classmethod
    def of(cls, codebook: Codebook, coded: Coded, inside: np.ndarray) -> Cells:
        """Counted from rows in order; `inside` bool [n - 1]: the next row is of the same series."""
        counts = [np.bincount(codes, minlength=part.size) for codes, part in zip(coded.codes, codebook.parts, strict=True)]
        repeats = []
        for codes, owner in zip(coded.codes, codebook.owners, strict=True):
            same = (codes[1:] == codes[:-1]) & (coded.inside[owner][1:] == coded.inside[owner][:-1]) & (codes[1:] > 0)
            both = inside & (codes[1:] > 0) & (codes[:-1] > 0)
            repeats.append(float((same & both).sum() / max(both.sum(), 1)))
        self = cls(codebook, counts, np.array(repeats))
        self.lines = {c.part: self._line(c, coded, inside) for c in self.channels if c.kind == "number"}
        return self

    def _line(self, channel: Channel, coded: Coded, inside: np.ndarray) -> Line:
        """The line on which steps are most alike: by how likely they are if their sizes follow one exponential law everywhere."""
        p, count = channel.part, self.counts[channel.part]
        column, book = self._spec(p)
        if column.kind not in ("integer", "number"):
            return Line()
        points = np.equal(book["line"]["low"], book["line"]["high"])
        if count[1:][points].max(initial=0) > SPIKE * count[1:].sum():
            return Line()
        v, low, high = self._values(p, coded), float(book["line"]["low"][0]), float(book["line"]["high"][-1])
        there = coded.codes[p] > 0
        both = inside & there[1:] & there[:-1]
        known = v[there]
        deviation = max(float(known.std()), 1e-300)
        tried = [Line("same", 0.0), *(Line("sine", b * deviation) for b in BOTH if low < 0)]
        tried += [Line("log", b * float(np.median(known))) for b in BENT if low + b * float(np.median(known)) > 0]

        def gain(line: Line) -> float:
            steps = np.abs(np.diff(line.bent(v)))[both] if both.any() else np.abs(line.bent(known) - np.median(line.bent(known)))
            at = v[1:][both] if both.any() else known
            return float(np.log(line.slope(at)).mean() - np.log(max(float(steps.mean()), 1e-300)))

        best = max(tried, key=gain)
        f = best.bent(known)
        return replace(best, centre=float(f.mean()), spread=max(float(f.std()), 1e-12), low=low, high=high)

    def _spec(self, p: int) -> tuple[Column, dict[str, Any]]:
        owner = self.codebook.owners[p]
        return self.codebook.table.columns[owner], self.codebook.books[owner]

    def _values(self, p: int, coded: Coded) -> np.ndarray:
        """float64 [n]: the values of a part of numbers, 0 where missing."""
        column, book = self._spec(p)
        codes = coded.codes[p].astype(np.int32)
        made = encoder(column).decode(codes[None], coded.inside[self.codebook.owners[p]], book, column)
        return made.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)

    def _channel(self, p: int) -> Channel:
        part, count = self.codebook.parts[p], self.counts[p]
        there = np.flatnonzero(count)
        missing = count[0] > 0 and self.first[p] == p
        if len(there) < 2:
            return Channel(p, "fixed", there, False, False)
        if part.ordered and (count[1:] > 0).sum() > FEW:
            return Channel(p, "number", there, bool(missing), bool(self.single[p] and self.repeats[p] >= REPEATED))
        top = np.sort(np.argsort(-count, kind="stable")[: min(MOST, len(there))])
        return Channel(p, "level", top, False, False)

    def learn_digits(self, table: pa.Table) -> None:
        """How many decimals numbers on a line have, from the rows that are learned."""
        for channel in self._written():
            column, book = self._spec(channel.part)
            x = table[column.name].drop_null().to_numpy().astype(np.float64)
            finest = Grid.from_json(book["line"]).decimals
            short = x.astype(np.float32) if column.storage in SHORT else x
            for d in range(DIGITS if finest is None else finest):
                share = float((np.round(x, d).astype(short.dtype) == short).mean())
                if share >= MOSTLY:
                    self.lines[channel.part] = replace(self.lines[channel.part], digits=d, rounded=share)
                    break

    def exact(self, table: pa.Table, state: np.ndarray, there: np.ndarray, coded: Coded) -> pa.Table:
        """The decoded table with numbers as exact as they were drawn: many values share a cell, and steps are smaller than cells.

        Values that have a cell of their own stay as they are.
        """
        import pyarrow as pa

        at = begins(self.channels)
        for channel in self._written():
            column, book = self._spec(channel.part)
            k = self.channels.index(channel)
            low, high = (np.asarray(book["line"][side], np.float64) for side in ("low", "high"))
            cell = np.maximum(coded.codes[channel.part].astype(np.int64), 1) - 1
            wide = there[:, k] & (low[cell] < high[cell])
            v = self.lines[channel.part].written(state[:, at[k]], Grid.from_json(book["line"]))
            old = table[column.name].combine_chunks()
            values = np.where(wide, v, old.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64))
            values = values.astype(np.float32) if column.storage in SHORT else values
            mask = ~old.is_valid().to_numpy(zero_copy_only=False)
            table = table.set_column(table.schema.get_field_index(column.name), column.name, pa.array(values, mask=mask).cast(old.type))
        return table

    def _written(self) -> list[Channel]:
        """Channels of numbers on a line that have decimals."""
        found = [c for c in self.channels if c.kind == "number" and self.single[c.part] and self._spec(c.part)[0].kind == "number"]
        return [c for c in found if c.part in self.lines and self.lines[c.part].kind != "score" and "limits" not in self._spec(c.part)[1]]

    def encode(self, coded: Coded, table: pa.Table | None = None) -> tuple[np.ndarray, np.ndarray]:
        """float32 [n, state], the channels side by side, 0 for a missing number; bool [n, channels], whether each is there.

        table: the rows themselves, if at hand: numbers on a line are then as exact as they are there, and not as their cells have them.
        """
        n = coded.codes.shape[1]
        out, there = np.zeros((n, sum(c.size for c in self.channels)), np.float32), np.ones((n, len(self.channels)), bool)
        at = 0
        for k, channel in enumerate(self.channels):
            codes = coded.codes[channel.part]
            if channel.kind == "number":
                there[:, k] = codes > 0
                out[:, at] = np.where(codes > 0, self._score(channel.part, coded, table), 0)
            elif channel.kind == "level":
                place = np.full(len(self.counts[channel.part]), len(channel.codes))
                place[channel.codes] = np.arange(len(channel.codes))
                out[np.arange(n), at + place[codes]] = 1
            at += channel.size
        return out, there

    def _score(self, p: int, coded: Coded, table: pa.Table | None) -> np.ndarray:
        from scipy.special import ndtri

        if self.lines[p].kind != "score":
            exact = None if table is None else table[self.codebook.parts[p].column].to_numpy().astype(np.float64)
            return self.lines[p].forward(self._values(p, coded) if exact is None else exact).astype(np.float32)
        codes, inside = coded.codes[p], coded.inside
        mass, owner = self.mass[p], self.codebook.owners[p]
        place = inside[owner] if self.single[p] else np.float32(0.5)
        low = mass[np.maximum(codes, 1) - 1]
        return ndtri(np.clip(low + (mass[codes] - low) * place, EDGE, 1 - EDGE)).astype(np.float32)

    def decode(self, state: np.ndarray, there: np.ndarray, *, rng: np.random.Generator) -> Coded:
        """The inverse of `encode`; what was not told apart is drawn by its share."""
        n, owners = len(state), self.codebook.owners
        coded = Coded(np.zeros((len(self.counts), n), np.uint16), rng.random((len(self.codebook.books), n), dtype=np.float32))
        at = 0
        for k, channel in enumerate(self.channels):
            p, count = channel.part, self.counts[channel.part]
            if channel.kind == "number":
                codes, place = self._read_off(p, state[:, at])
                if self.single[p]:
                    coded.inside[owners[p]] = place
                coded.codes[p] = np.where(there[:, k], codes, 0)
            elif channel.kind == "level":
                place = state[:, at : at + channel.size].argmax(axis=1)
                coded.codes[p] = np.append(channel.codes, self._rest(channel))[place]
                rest = np.flatnonzero(place == len(channel.codes))
                coded.codes[p, rest] = self._others(channel, len(rest), rng)
            else:
                coded.codes[p] = channel.codes[0] if len(channel.codes) else 0
                if len(channel.codes) > 1:
                    coded.codes[p] = rng.choice(len(count), n, p=count / count.sum())
            if self.first[p] != p:  # later parts are missing where the first is, and only there
                gone = coded.codes[self.first[p]] == 0
                coded.codes[p] = np.where(gone, 0, np.maximum(coded.codes[p], 1))
            at += channel.size
        return coded

    def _read_off(self, p: int, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(codes int [n], positions float32 [n]) of points on the line of a part."""
        import pyarrow as pa
        from scipy.special import ndtr

        from lookalike.data import formats

        line = self.lines[p]
        if line.kind != "score":
            column, book = self._spec(p)
            v = line.back(y.astype(np.float64))
            values = pa.array(np.rint(v).astype(np.int64) if column.kind == "integer" else v).cast(formats.canonical(column))
            codes = encoder(column).encode(values, book, column)
            return codes[0], np.minimum(encoder(column).locate(values, book, column, codes=codes), np.float32(1 - 2**-24))
        u, mass = np.clip(ndtr(y.astype(np.float64)), EDGE, 1 - EDGE), self.mass[p]
        codes = np.clip(np.searchsorted(mass, u, side="right"), 1, len(mass) - 1)
        place = (u - mass[codes - 1]) / np.maximum(mass[codes] - mass[codes - 1], 1e-12)
        return codes, np.clip(place, 0, 1 - 2**-24)

    def bounds(self) -> np.ndarray:
        """float32 [2, numbers]: least and largest point of each number's line."""
        found = []
        for channel in self.channels:
            if channel.kind == "number":
                line = self.lines[channel.part]
                found.append(
                    (-LIMIT, LIMIT) if line.kind == "score" else (line.forward(np.array(line.low)), line.forward(np.array(line.high)))
                )
        return np.array(found, np.float32).reshape(-1, 2).T

    def _rest(self, channel: Channel) -> int:
        """A code that is not told apart; where there is none, the most frequent one."""
        count = self.counts[channel.part].copy()
        best = int(np.argmax(count))
        count[channel.codes] = 0
        return int(np.argmax(count)) if count.any() else best

    def _others(self, channel: Channel, n: int, rng: np.random.Generator) -> np.ndarray:
        """Codes that are not told apart, by their shares."""
        count = self.counts[channel.part].astype(np.float64)
        count[channel.codes] = 0
        return rng.choice(len(count), n, p=count / count.sum()) if count.any() else np.full(n, self._rest(channel))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs, beside the arrays `counts` and `repeats`."""
        return {"codebook": self.codebook.to_json(), "lines": {str(p): asdict(line) for p, line in self.lines.items()}}

    def arrays(self) -> dict[str, np.ndarray]:
        """Counts of all codes, one part after the other, and shares of repeats."""
        return {"counts": np.concatenate([np.zeros(0, np.int64), *self.counts]).astype(np.int64), "repeats": self.repeats}

    @classmethod
    def from_json(cls, raw: dict[str, Any], arrays: dict[str, np.ndarray], table: Any) -> Cells:
        """The inverse of `to_json` and `arrays`."""
        codebook = Codebook.from_json(raw["codebook"], table)
        ends = np.cumsum([p.size for p in codebook.parts])[:-1]
        lines = {int(p): Line(**line) for p, line in raw["lines"].items()}
        return cls(codebook, np.split(arrays["counts"], ends), arrays["repeats"], lines)


def begins(channels: list[Channel]) -> list[int]:
    """Where each channel begins in a row of the state."""
    return [int(v) for v in np.cumsum([0, *(c.size for c in channels)])[:-1]]
