"""Dates, datetimes, times of day and durations: whole numbers of days and of the coarsest unit that fits.

A datetime has two parts, the day and the clock (local time of its zone), so that 09:00 stays 09:00 on every day. In a cell of
many days the week keeps its rhythm: time is stretched within each week as the weekdays are filled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.encode import _arrow, _cells, _noisy, _tally
from lookalike.encode._round import Grid
from lookalike.encode._tally import Tally
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.data.holders import Holders
    from lookalike.privacy.look import Look

KINDS = frozenset({"date", "datetime", "time", "duration"})
DAY = 86_400_000_000
UNITS = (DAY, 3_600_000_000, 60_000_000, 1_000_000, 1_000, 1)
"""Day, hour, minute, second, millisecond, microsecond, in microseconds."""
MOST = 0.999
"""A unit fits if this share of the rows are multiples of it."""
NEUTRAL_DAY = 10_957
"""2000-01-01: told where no day may be told."""
CENTURIES = -25_567, 47_481
"""1900-01-01 and 2099-12-31: limits of days where bought ones show nothing beyond noise. They hang on no row."""
SHADES = 1_024
"""Positions of the day told apart in `inside`; what is left of it places the clock."""
_LADDERS = {
    UNITS[5]: (1_000, 1_000_000, 60_000_000),
    UNITS[4]: (1_000, 60_000, 900_000),
    UNITS[3]: (5, 15, 60, 300, 900, 1_800, 3_600),
    UNITS[2]: (5, 15, 30, 60),
}
"""Rounder steps of a clock, in its unit."""

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "day"?, "clock"?: tallies, "week": rows by weekday from Monday, "units": rows by their coarsest of UNITS}."""
    day, clock, present = _split(values, column)
    held = None if subjects is None else subjects[present]
    stats: Stats = _arrow.count_missing(values)
    if day is not None:
        stats["day"] = _tally.tally(day[present], held).to_json()
        stats["week"] = np.bincount((day[present] + 3) % 7, minlength=7).tolist()
    if clock is not None:
        left, units = clock[present], []
        stats["clock"] = _tally.tally(left, held).to_json()
        for unit in UNITS:
            fits = left % unit == 0
            units.append(int(fits.sum()))
            left = left[~fits]
        stats["units"] = units
    return stats


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    both: Stats = _arrow.add_counts(a, b)
    for name in ("day", "clock"):
        if name in a:
            both[name] = _tally.merge(Tally.from_json(a[name]), Tally.from_json(b[name])).to_json()
    for name in ("week", "units"):
        if name in a:
            both[name] = [x + y for x, y in zip(a[name], b[name], strict=True)]
    return both


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """{"day"?, "clock"?: cells, "week": share of each weekday}; the clock is left out where all are at midnight."""
    book: Book = {"parts": [], "protected": {"tails": 0, "thin": 0}}
    limits = _limits(column)
    if "day" in stats:
        rows = max(sum(stats["week"]), 1)
        book["week"] = [round(n / rows, 4) for n in stats["week"]]
        bounds = tuple(None if x is None else float(x // DAY) for x in limits)
        _add(book, "day", stats, Grid(unit=1), protect=protect, cells=cells, bounds=bounds, neutral=NEUTRAL_DAY)
    unit = _unit(stats)
    if "clock" in stats and not ("day" in stats and unit == DAY):
        bounds = (None, None) if "day" in stats else limits
        grid = Grid(unit=unit, base=_tally.base(Tally.from_json(stats["clock"])) if unit == 1 else 0, steps=_LADDERS.get(unit, ()))
        _add(book, "clock", stats, grid, protect=protect, cells=cells, bounds=bounds, neutral=0)
    if len(book["parts"]) == 1:
        book["parts"][0]["name"] = ""
    return book


def noisy(values: pa.ChunkedArray | pa.Array, column: Column, look: Look) -> Stats:
    """The statistics as a private fit may have them: days between public (or bought) bounds, weekdays, and clocks in the public unit."""
    day, clock, present = _split(values, column)
    gone = int(len(present) - present.sum()) if column.nullable else None
    unit, limits = _public_unit(column), _limits(column)
    both = day is not None and clock is not None and unit != DAY
    stats: Stats = {}
    if day is not None:
        mine = look.part(0.5 if both else 0.9, "day")
        stats |= _line(day[present], "day", mine, tuple(None if x is None else x // DAY for x in limits), missing=gone)
        week = look.part(0.1, "weekday").counts((day[present] + 3) % 7, 7)
        stats["week"] = [round(float(n)) for n in week]
    if clock is not None:
        ends = (0, DAY // unit - 1) if column.kind in ("datetime", "time") else tuple(None if x is None else x // unit for x in limits)
        found = (clock[present] // unit, "clock", look.part(0.4, "clock") if both else look, ends)
        seen = _line(*found, unit=unit, missing=gone) if day is None or unit != DAY else {"clock": _midnight(stats)}
        stats = seen | stats if day is not None else seen
        stats["units"] = [stats["rows"] - stats["missing"] if u == unit else 0 for u in UNITS]
    return stats


def held(stats: Stats, book: Book, column: Column) -> list[np.ndarray]:
    """Rows of each code of each part, float64 [size], as the statistics have them."""
    return [_noisy.held(Tally.from_json(stats[name]), book[name], stats["missing"]) for name in ("day", "clock") if name in book]


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [parts, n]: cells of the day and of the clock; 0 in both where missing."""
    day, clock, present = _split(values, column)
    rows = [_cells.code(x, book[name]) for name, x in (("day", day), ("clock", clock)) if name in book]
    return np.where(present, np.stack(rows), 0).astype(np.int32)


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """Moments at positions `inside`; null where the code of the first part is 0. Local times that a zone skips move on."""
    present = codes[0] > 0
    at = _unpack(np.asarray(inside, np.float64)) if len(codes) == 2 else (inside, inside)
    day = _day(codes[0], at[0], book) if "day" in book else 0
    if column.kind == "date":
        return _arrow.join(day.astype(np.int32), present, like=pa.int32()).cast(pa.date32())
    clock = _cells.value(codes[-1], at[1], book["clock"]) if "clock" in book else 0
    total = _arrow.join(day * DAY + clock, present, like=pa.int64())
    if column.kind != "datetime":
        return total.cast(pa.time64("us") if column.kind == "time" else pa.duration("us"))
    naive = total.cast(pa.timestamp("us"))
    if column.zone is None:
        return naive
    return pc.assume_timezone(naive, column.zone, ambiguous="earliest", nonexistent="latest")


def locate(values: pa.ChunkedArray | pa.Array, book: Book, column: Column, *, codes: np.ndarray | None = None) -> np.ndarray:
    """float64 [n]: position in the cell; of two parts, both packed into one number."""
    codes = encode(values, book, column) if codes is None else codes
    day, clock, _ = _split(values, column)
    at = []
    if "day" in book:
        at.append(_cells.locate(day, codes[0], book["day"]))
    if "clock" in book:
        at.append(_cells.locate(clock, codes[-1], book["clock"]))
    return at[0] if len(at) == 1 else (np.floor(at[0] * SHADES) + at[1]) / SHADES


def _line(numbers: np.ndarray, name: str, look: Look, ends: tuple[int | None, int | None], *, missing: int | None, unit: int = 1) -> Stats:
    """Noisy statistics of whole numbers between `ends`, counted in `unit`."""
    low, high = ends
    if low is None or high is None:
        part, look = look.part(0.15, "limits"), look.part(0.85, "")
        seen = part.span(numbers.astype(np.float64), otherwise=CENTURIES if name == "day" else (0, 1))
        low, high = (int(seen[0]) if low is None else low), (int(seen[1]) if high is None else high)
    size = max(high - low + 1, 1)
    ranges = look.tree(np.clip(numbers - low, 0, size - 1).astype(np.int64), size, missing)
    found, rows = _noisy.tally(ranges, lambda at: (low + at).astype(np.int64) * unit, open_above=False)
    gone = round(ranges.missing)
    return {"rows": rows + gone, "missing": gone, name: found.to_json()}


def _midnight(stats: Stats) -> dict[str, Any]:
    """The tally of clocks that are all at midnight."""
    rows = np.array([max(stats["rows"] - stats["missing"], 0)], np.int64)
    zero = np.zeros(1, np.int64)
    return Tally(0, zero, zero, rows, rows, rows).to_json()


def _public_unit(column: Column) -> int:
    """The unit of a clock that the declared format writes, in microseconds; seconds where nothing says so."""
    pattern = column.format or ""
    if pattern in ("s", "ms", "us", "ns"):
        return {"s": 1_000_000, "ms": 1_000}.get(pattern, 1)
    for mark, unit in (("%f", 1), ("%S", 1_000_000), ("%T", 1_000_000), ("%M", 60_000_000), ("%H", 3_600_000_000)):
        if mark in pattern:
            return unit
    return DAY if "%" in pattern and column.kind in ("date", "datetime") else 1_000_000


def _unpack(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two positions that `locate` packs into one."""
    shade, clock = np.divmod(np.clip(inside, 0, _cells.ALMOST_ONE) * SHADES, 1)
    return (shade + 0.5) / SHADES, clock


def _split(values: pa.ChunkedArray | pa.Array, column: Column) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
    """`(day, clock, present)`: int64 days since 1970 and microseconds, local time; the one that the kind lacks is None."""
    one = _arrow.whole(values)
    if column.kind == "date":
        x, present = _arrow.split(one.cast(pa.int32()), like=pa.int64())
        return x, None, present
    if pa.types.is_timestamp(one.type) and one.type.tz is not None:
        one = pc.local_timestamp(one.cast(pa.timestamp("us", column.zone or one.type.tz)))
    x, present = _arrow.split(one, like=pa.int64())
    if column.kind != "datetime":
        return None, x, present
    day, clock = np.divmod(x, DAY)
    return day, clock, present


def _day(codes: np.ndarray, inside: np.ndarray, book: Book) -> np.ndarray:
    """int64 [n]: days; in cells of two weeks and more, weekdays come as often as they do."""
    line = book["day"]
    day = _cells.value(codes, inside, line)
    share = np.asarray(book["week"])
    low, high = (np.asarray(line[k], np.int64)[np.maximum(codes, 1) - 1] if line[k] else day for k in ("low", "high"))
    monday = day - (day + 3) % 7
    long = high - low >= 13
    if not long.any() or share.sum() <= 0:
        return day
    first, last = low + (-(low + 3)) % 7, high - 6 - (high - 3) % 7  # a week cut by the edge of the cell goes to the next one inside
    # which seventh of the week the day fell in is kept, and cut anew in proportion to the weekdays
    lot = ((day - monday)[long] + (inside[long] * 104_729) % 1.0) / 7
    edges = np.cumsum(share) / share.sum()
    day[long] = np.clip(monday, first, last)[long] + np.minimum(np.searchsorted(edges, lot, side="right"), 6)
    return day


def _unit(stats: Stats) -> int:
    """The coarsest unit of which almost all clocks are multiples."""
    units = stats.get("units", [0])
    total, so_far = sum(units), 0
    for unit, rows in zip(UNITS, units, strict=False):
        so_far += rows
        if so_far >= MOST * total:
            return unit
    return 1


def _add(book: Book, name: str, stats: Stats, grid: Grid, *, protect: int, cells: int, bounds: _cells.Bounds, neutral: int) -> None:
    """Freeze the tally `name` into `book`."""
    line = _cells.freeze(Tally.from_json(stats[name]), grid, protect=protect, cells=cells, bounds=bounds, neutral=neutral)
    for fact in ("tails", "thin"):
        book["protected"][fact] += line.pop(fact)
    book[name] = line
    book["parts"].append(_arrow.part(_cells.size(line), name=name, ordered=True))


def _limits(column: Column) -> tuple[int | None, int | None]:
    """Public limits, ISO text or numbers in the column's own terms, as microseconds."""
    types = {"date": pa.date32(), "datetime": pa.timestamp("us"), "time": pa.time64("us")}

    def number(limit: float | str | None) -> int | None:
        if limit is None:
            return None
        if not isinstance(limit, str):
            return int(limit * DAY) if column.kind == "date" else int(limit)
        moment = pa.scalar(limit).cast(types.get(column.kind, pa.int64()))
        width = pa.int32() if column.kind == "date" else pa.int64()
        return moment.cast(width).as_py() * (DAY if column.kind == "date" else 1)

    return number(column.low), number(column.high)
