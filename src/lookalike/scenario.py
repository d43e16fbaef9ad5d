"""What if: plans that change one margin, plans month by month, and tables many times as large with the rhythm of their times kept.

A plan is a dict of a `Plan`'s fields. Changing a margin keeps the conditionals: all else is drawn given the new shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import Dataset
from lookalike.errors import SettingError, UnknownName

__all__ = ["drift", "margin", "months", "volume", "what_if"]

Shares = Mapping[Any, float]
Path = Literal["linear", "smooth", "sudden"]
PATHS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda t: t,
    "smooth": lambda t: (1 - np.cos(np.pi * t)) / 2,
    "sudden": lambda t: (t >= 0.5).astype(np.float64),
}
WEEK = np.timedelta64(7, "D")
MOST_LEVELS = 1_000


def margin(source: Any, column: str) -> dict[Any, float]:
    """{level: share of the rows whose level is known}, the commonest first; source: a canonical table, a frame or a file.

    Raises:
        UnknownName: no such column.
        SettingError: it has no values, or too many to have shares.
    """
    table = source if isinstance(source, pa.Table) else Dataset.of(source).table()
    if column not in table.column_names:
        raise UnknownName(column, table.column_names, what="column", where="shares")
    counts = sorted(pc.value_counts(table[column].unify_dictionaries()).to_pylist(), key=lambda c: (-c["counts"], str(c["values"])))
    known = {c["values"]: c["counts"] for c in counts if c["values"] is not None}
    if not 0 < len(known) <= MOST_LEVELS:
        raise SettingError(f"{column!r} has {len(known):,} values, which have no shares", where="shares", fix="choose a category")
    return {level: count / sum(known.values()) for level, count in known.items()}


def what_if(column: str, change: Shares, now: Shares) -> dict[str, Any]:
    """A plan under which levels of a column have other shares; all that depends on it follows.

    change: {level: share} for some or all levels; those not named share the rest as they do `now`.

    Raises:
        SettingError: shares are not between 0 and 1, or do not sum to 1.
        UnknownName: no such level.
    """
    return {"shares": {column: _changed(column, now, change)}}


def drift(
    column: str, start: Shares, end: Shares, *, labels: Sequence[str], path: Path | Sequence[float] = "linear"
) -> list[tuple[str, dict[str, Any]]]:
    """A plan for each label, from the shares `start` to the shares `end`.

    path: how far it has come at each label, 0 to 1, as numbers; or "linear", "smooth" (slow, fast, slow), "sudden" (half-way).

    Raises:
        SettingError: fewer than two labels, another number of steps, or shares that do not sum to 1.
    """
    if len(labels) < 2:
        raise SettingError(f"a drift needs two labels at least, not {len(labels)}", where="drift", fix="labels=months('2026-01', 12)")
    if isinstance(path, str):
        if path not in PATHS:
            raise UnknownName(path, PATHS, what="path", where="drift")
        come = PATHS[path](np.linspace(0, 1, len(labels)))
    else:
        come = np.asarray(path, np.float64)
    if come.shape != (len(labels),) or not ((come >= 0) & (come <= 1)).all():
        what = f"the path has {come.size} steps for {len(labels)} labels, or one that is not between 0 and 1"
        raise SettingError(what, where="drift.path", fix="give one number from 0 to 1 for each label")
    for name, shares in (("start", start), ("end", end)):
        _whole(f"drift.{name}", shares)
    levels = list(dict.fromkeys([*start, *end]))
    between = [{v: float((1 - t) * start.get(v, 0.0) + t * end.get(v, 0.0)) for v in levels} for t in come]
    return [(label, {"shares": {column: shares}}) for label, shares in zip(labels, between, strict=True)]


def months(first: str, count: int) -> list[str]:
    """["2026-01", "2026-02", …].

    Raises:
        SettingError: `first` is no month, or `count` below 1.
    """
    try:
        begin = np.datetime64(first, "M")
    except ValueError:
        begin = np.datetime64("NaT")
    if np.isnat(begin) or count < 1:
        raise SettingError(f"{count} months from {first!r}", where="months", fix="months('2026-01', 12)")
    return [str(begin + k) for k in range(count)]


def volume(rows: Any, times: Sequence[str], factor: int, *, rng: np.random.Generator, how: str = "longer") -> Any:
    """Rows drawn for a stress test, `factor` times as many as there were, with their times spread.

    rows: a canonical table, or a frame, which comes back as one. times: columns of dates or moments; those of a row move together, so
    that spans between them stay. how: "longer", each row moves on by 0 to factor − 1 periods (whole weeks, as many as the times span), so
    that the table lasts `factor` times as long at the same rate, each weekday and hour as busy as before (in UTC); "denser", times stay:
    the same period is `factor` times as busy.

    Raises:
        UnknownName: no such column.
        SettingError: a column has no times, the factor is below 1, or dates would leave the calendar.
    """
    if not isinstance(rows, pa.Table):
        data = Dataset.of(rows)
        moved = volume(data.table(), times, factor, rng=rng, how=how)
        return Dataset.from_arrow({data.schema.table.name: moved}, data.schema, like=data).native()
    table = rows
    if isinstance(factor, bool) or not isinstance(factor, int | np.integer) or factor < 1:
        raise SettingError(f"factor must be a whole number from 1, not {factor!r}", where="volume.factor", fix="100")
    if how not in ("longer", "denser"):
        raise UnknownName(how, ("longer", "denser"), what="way", where="volume.how")
    for name in times:
        if name not in table.column_names:
            raise UnknownName(name, table.column_names, what="column", where="volume.times")
        if not (pa.types.is_date(table[name].type) or pa.types.is_timestamp(table[name].type)):
            raise SettingError(f"{name!r} holds {table[name].type}, no dates or moments", where="volume.times", fix="name columns of times")
    if how == "denser" or not times or not table.num_rows:
        return table
    days = {name: table[name].cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]") for name in times}
    weeks = max(_weeks(values) for values in days.values())
    shift = rng.integers(0, factor, table.num_rows) * weeks
    latest = max((v[~np.isnat(v)].max() for v in days.values() if not np.isnat(v).all()), default=np.datetime64(0, "us"))
    if latest.astype("datetime64[Y]").astype(int) + 1970 + (factor - 1) * weeks / 52 > 9_998:
        what = f"{factor} times {weeks} weeks goes beyond the year 9999"
        raise SettingError(what, where="volume.factor", fix="take a smaller factor, or how='denser'")
    for name in times:
        kind, at = table[name].type, table.column_names.index(name)
        moved = pa.array(days[name] + shift * WEEK, pa.timestamp("us"))
        table = table.set_column(at, table.schema.field(at), moved.cast(kind))
    return table


def _weeks(values: np.ndarray) -> int:
    """Whole weeks that the times span, 1 at least."""
    known = values[~np.isnat(values)]
    if not len(known):
        return 1
    span = known.max().astype("datetime64[D]") - known.min().astype("datetime64[D]") + np.timedelta64(1, "D")
    return int(-(-span // WEEK))


def _changed(column: str, now: Shares, change: Shares) -> dict[Any, float]:
    """All shares, those in `change` as given, the others in proportion to what they are."""
    for level in change:
        if level not in now:
            raise UnknownName(str(level), [str(v) for v in now], what="level", where=column)
    numbers = all(isinstance(v, int | float | np.number) and not isinstance(v, bool) and 0 <= v <= 1 for v in change.values())
    rest = [level for level in now if level not in change]
    if not numbers or not change:
        raise SettingError(f"{dict(change)!r} are no shares", where=column, fix="give numbers from 0 to 1")
    given = float(sum(change.values()))
    if given > 1 + 1e-9 or (not rest and abs(given - 1) > 1e-9):
        raise SettingError(f"shares sum to {given:.4g}", where=column, fix="they must sum to 1; leave out levels that may take the rest")
    others = sum(now[level] for level in rest)
    if rest and others <= 0 and given < 1 - 1e-9:
        raise SettingError("levels not named have no shares, by which to share the rest", where=column, fix="name all levels")
    left = 1 - given
    return {level: float(change[level]) if level in change else (left * now[level] / others if others > 0 else 0.0) for level in now}


def _whole(where: str, shares: Shares) -> None:
    """Refuse shares that are none, or do not sum to 1."""
    if any(not 0 <= v <= 1 for v in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise SettingError(
            f"shares sum to {sum(shares.values()):.4g}, and must to 1", where=where, fix="what_if makes whole ones from some"
        )
