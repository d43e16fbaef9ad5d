"""What the cells of one column are to be: a value, one of several, within bounds, missing, or known."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, model_validator

from lookalike.errors import SettingError, UnknownName, near_matches
from lookalike.schema import Column

__all__ = ["LABELLED", "MADE", "ORDERED", "Condition", "along", "scalar", "unknown_level"]

ORDERED = frozenset({"integer", "number", "date", "datetime", "time", "duration"})
"""Kinds whose values lie on a line, so that bounds mean something."""
LABELLED = frozenset({"category", "boolean", "constant"})
MADE = frozenset({"key", "personal", "text", "empty"})
"""Kinds whose values are made anew: all that can be asked of a cell is whether it is missing."""
Plain = str | int | float | bool | datetime | date | time | timedelta | None


class Condition(BaseModel):
    """What the cells of a column are to be. `Condition.of` reads the short forms:

    `"Female"` or `37` that value · `["Oslo", "Bergen"]` one of them · `{"low": 20, "high": 30}` within, bounds included, one may be left
    out · `None` missing · `{"missing": false}` known · `{"none_of": ["Oslo"]}` known, and none of these. A list may hold None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    values: tuple[Plain, ...] | None = None
    none_of: tuple[Plain, ...] | None = None
    low: Plain = None
    high: Plain = None
    missing: bool | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Condition:
        bounded = self.low is not None or self.high is not None
        said = (self.values is not None) + (self.none_of is not None) + bounded + (self.missing is not None)
        if said != 1:
            raise ValueError("give one of: values, none_of, low and high, missing")
        return self

    @classmethod
    def of(cls, raw: Any, *, where: str = "given") -> Condition:
        """The condition that a short form means.

        Raises:
            SettingError: it is not one; says where.
        """
        if isinstance(raw, Condition):
            return raw
        if raw is None:
            return cls(missing=True)
        if isinstance(raw, Mapping):
            known = list(cls.model_fields)
            for name in raw:
                if name not in known:
                    near = near_matches(str(name), known)
                    fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
                    raise SettingError(f"unknown entry {name!r}", where=where, fix=fix)
            try:
                return cls(**{k: tuple(map(_plain, v)) if k in ("values", "none_of") else _plain(v) for k, v in raw.items()})
            except (ValueError, TypeError):
                raise SettingError("not a condition", where=where, fix=_FORMS) from None
        if isinstance(raw, Sequence | np.ndarray | set | frozenset) and not isinstance(raw, str | bytes):
            found = tuple(_plain(v) for v in raw)
            if not found:
                raise SettingError("an empty list: no value would do", where=where, fix=_FORMS)
            return cls(values=found)
        return cls(values=(_plain(raw),))

    def check(self, column: Column, *, where: str) -> None:
        """Refuse what cannot be asked of `column`.

        Raises:
            SettingError: its kind has no such values, its bounds are crossed, or it is never missing.
        """
        if self.wants_missing and not column.nullable:
            raise SettingError("is never missing, the schema says", where=where, fix="ask for a value, or for another column")
        if self.missing is not None:
            return
        if column.kind in MADE:
            what = f"a {column.kind} cannot be asked for: its values are made anew"
            raise SettingError(what, where=where, fix="ask for another column, or only that it is missing or known")
        if (self.low is not None or self.high is not None) and column.kind not in ORDERED:
            raise SettingError(f"a {column.kind} has no order, so no low and high", where=where, fix="list the values that will do")
        low, high = self.bounds(column, where=where)
        if low > high:
            raise SettingError(f"low {self.low!r} is above high {self.high!r}", where=where, fix="exchange them")
        for name, beyond in (("low", high), ("high", low)):
            bound = getattr(column, name)
            if bound is not None and (low, high) != (-math.inf, math.inf):
                limit = float(along(scalar(bound, column, where=where))[0])
                if (beyond < limit) if name == "low" else (beyond > limit):
                    raise SettingError(f"all of it is beyond the {name} {bound!r} that the schema declares", where=where, fix="change one")
        for value in (*(self.values or ()), *(self.none_of or ())):
            if value is not None:
                scalar(value, column, where=where)

    @property
    def wants_missing(self) -> bool:
        """Whether nothing but missing would do."""
        return self.missing is True or self.values == (None,)

    def bounds(self, column: Column, *, where: str = "given") -> tuple[float, float]:
        """Both bounds along the line of the column's kind; infinite where there is none."""
        ends = ((self.low, -math.inf), (self.high, math.inf))
        low, high = (end if v is None else float(along(scalar(v, column, where=where))[0]) for v, end in ends)
        return low, high

    def listed(self, column: Column) -> pa.Array:
        """The values asked for, or ruled out, that are not missing, as a canonical array; empty if there are only bounds."""
        found = [scalar(v, column) for v in (self.values or self.none_of or ()) if v is not None]
        return pa.concat_arrays(found) if found else pa.array([], pa.string())

    def met(self, values: pa.ChunkedArray | pa.Array, column: Column) -> np.ndarray:
        """bool [n]: cells that are as asked; values: canonical."""
        one = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        known = one.is_valid().to_numpy(zero_copy_only=False)
        if self.missing is not None:
            return known != self.missing
        if self.values is None and self.none_of is None:
            low, high = self.bounds(column)
            line = along(one)
            return known & (line >= low) & (line <= high)
        wanted = self.listed(column)
        if column.kind in ORDERED:
            among = np.isin(along(one), along(wanted) if len(wanted) else np.zeros(0))
        else:
            among = pc.is_in(pc.cast(one, pa.string()), value_set=pc.cast(wanted, pa.string())).to_numpy(zero_copy_only=False)
        if self.none_of is not None:
            return known & ~among
        return (known & among) | (~known & (None in (self.values or ())))

    def text(self) -> str:
        """The condition in words."""
        if self.missing is not None:
            return "missing" if self.missing else "known"
        if self.none_of is not None:
            return f"none of {', '.join(map(_said, self.none_of))}"
        if self.values is not None:
            return " or ".join(map(_said, self.values))
        if self.low is None or self.high is None:
            return f"at most {_said(self.high)}" if self.low is None else f"at least {_said(self.low)}"
        return f"{_said(self.low)} to {_said(self.high)}"


_FORMS = 'write a value, a list of values, {"low": …, "high": …}, null for missing, or {"missing": false} for known'


def scalar(value: Any, column: Column, *, where: str = "") -> pa.Array:
    """`value`, as a person writes it, as a canonical array of one.

    Raises:
        SettingError: the column's kind has no such value.
    """
    from lookalike.data import formats

    kind = column.kind
    try:
        if kind in ("integer", "number"):
            if isinstance(value, bool):
                raise ValueError
            if isinstance(value, str) and (value.strip()[:1] in tuple("<>≤≥=") or value.endswith("+")):
                return formats.parse_column(pa.array([value]), column)  # a bound, if the column has them
            made = float(value)
            if not math.isfinite(made):
                raise ValueError
            return pa.array([int(made)], pa.int64()) if kind == "integer" and made == int(made) else pa.array([made], pa.float64())
        if kind == "boolean":
            return pa.array([_truth(value, column)], pa.bool_())
        if kind in ("date", "datetime", "time", "duration"):
            return _moment(value, column, formats.canonical(column))
    except (ValueError, TypeError, NotImplementedError, OverflowError, pa.ArrowInvalid):
        raise SettingError(f"{value!r} is not of the kind {kind}", where=where or column.name, fix=_example(column)) from None
    return pa.array([str(value)], pa.string())


def along(values: pa.Array) -> np.ndarray:
    """float64 [n]: where canonical values of an ordered kind lie on a line (days, microseconds, numbers); NaN is missing."""
    if pa.types.is_temporal(values.type) or pa.types.is_duration(values.type):
        values = values.cast(pa.int32() if pa.types.is_date32(values.type) else pa.int64())
    return pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)


def _plain(value: Any) -> Plain:
    """A value without numpy's and pandas' wrapping."""
    made = value.item() if isinstance(value, np.generic) else value
    if not isinstance(made, str | int | float | bool | datetime | date | time | timedelta | None):
        raise SettingError(f"{value!r} is not a value of a cell", where="given", fix=_FORMS)
    return None if isinstance(made, float) and math.isnan(made) else made


def _said(value: Plain) -> str:
    return "missing" if value is None else str(value)


def _truth(value: Any, column: Column) -> bool:
    """True or false, or how the column writes them."""
    labels = column.labels or ("false", "true")
    text = str(value).lower()
    if isinstance(value, bool):
        return value
    pairs = (("false", "true"), ("no", "yes"), ("0", "1"), labels)
    known = {label.lower(): bool(i) for pair in pairs for i, label in enumerate(pair)}
    if text not in known:
        raise ValueError
    return known[text]


def _moment(value: Any, column: Column, kind: pa.DataType) -> pa.Array:
    """A moment or span: ISO text, as the source writes it, or Python's own."""
    import pandas as pd

    from lookalike.data import formats

    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, str) and column.format and column.storage == "string":
        try:
            return formats.parse_column(pa.array([value]), column)
        except ValueError:
            pass  # then it is ISO
    if column.kind == "duration":
        seconds = float(value) if isinstance(value, str) and re.fullmatch(r"[-+.\de]+", value) else value
        span = pd.Timedelta(seconds, unit="s") if isinstance(seconds, int | float) else pd.Timedelta(seconds)
        return pa.array([span.value // 1_000], pa.int64()).cast(kind)
    if column.kind == "time":
        parts = value if isinstance(value, time) else time.fromisoformat(str(value))
        micros = ((parts.hour * 60 + parts.minute) * 60 + parts.second) * 1_000_000 + parts.microsecond
        return pa.array([micros], pa.int64()).cast(kind)
    stamp = pd.Timestamp(value if isinstance(value, date | datetime) else str(value))
    if column.kind == "date":
        return pa.array([stamp.date()], pa.date32())
    if column.zone is not None:
        stamp = stamp.tz_localize(column.zone) if stamp.tzinfo is None else stamp.tz_convert(column.zone)
    return pa.array([stamp.value // 1_000], pa.int64()).cast(kind)


def unknown_level(level: object, known: Sequence[str], column: Column) -> UnknownName:
    """The error for a level that is not among those `known` to the model."""
    hint = "a level that too few rows have to be told (the setting protect) is never drawn"
    return UnknownName(str(level), known, what="level that the model draws", where=column.name, hint=hint)


def _example(column: Column) -> str:
    """How values of the kind are written."""
    return {
        "integer": "write a whole number such as 37",
        "number": "write a number such as 3.5",
        "boolean": f"write {' or '.join(column.labels or ('true', 'false'))}",
        "date": "write it as 2026-01-31",
        "datetime": "write it as 2026-01-31T09:30:00",
        "time": "write it as 09:30",
        "duration": "write seconds, or it as 1 days 02:30:00",
    }[column.kind]
