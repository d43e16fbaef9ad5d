"""Axes with round numbers, for numbers and for moments in time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

SECOND = 1_000_000
_TIMES = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10800, 21600, 43200]
_DAYS = [1, 7, 30, 91, 365, 1826, 3652]
BARS = 32


@dataclass(frozen=True)
class Axis:
    """Inner cut points of a histogram of one kind; the first and the last bar are open."""

    edges: np.ndarray
    kind: str
    step: float
    single: bool = False

    def labels(self) -> list[str]:
        """What each bar stands for."""
        texts = [text(float(e), self.kind, step=self.step) for e in self.edges]
        if not texts:
            return ["all"]
        inner = texts[:-1] if self.single else [f"{a} – {b}" for a, b in pairwise(texts)]
        return [f"below {texts[0]}", *inner, f"{texts[-1]} and above"]

    def ticks(self) -> list[str]:
        """A short mark for each bar: where it begins."""
        texts = [text(float(e), self.kind, step=self.step) for e in self.edges]
        return [f"< {texts[0]}", *texts[:-1], f"≥ {texts[-1]}"] if texts else ["all"]


def axis(values: np.ndarray, kind: str, *, least: int) -> Axis:
    """Round cut points that cover all but the extreme half percent (and at least `least` rows) at each end."""
    values = values[~np.isnan(values)]
    if len(values) < 4 * least:
        return Axis(np.empty(0), kind, 1.0)
    tail = max(0.005, least / len(values))
    low, high = (float(q) for q in np.quantile(values, [tail, 1 - tail]))
    whole = kind in ("integer", "text", "date")
    if low == high:
        if not whole:
            return Axis(np.array([low, np.nextafter(low, np.inf)]), kind, 0.0, single=True)
        return Axis(np.array([low, low + 1]), kind, 1.0, single=True)
    step = _step((high - low) / BARS, kind, whole=whole)
    first, last = np.floor(low / step), np.floor(high / step) + 1
    return Axis(np.arange(first, last + 1) * step, kind, step, single=whole and step == 1)


def _step(least: float, kind: str, *, whole: bool) -> float:
    """The smallest round step that is not below `least`."""
    if kind in ("datetime", "time", "duration", "date"):
        day = 1 if kind == "date" else 86_400 * SECOND
        known = [d * day for d in _DAYS] if kind == "date" else [s * SECOND for s in _TIMES] + [d * day for d in _DAYS]
        found = [s for s in known if s >= least]
        return float(found[0] if found else np.ceil(least / (3652 * day)) * 3652 * day)
    power = 10.0 ** np.floor(np.log10(least))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
    return max(step, 1.0) if whole else step


def text(value: float, kind: str, *, step: float = 0.0, fine: bool = False) -> str:
    """A value of a kind, written short. `step` (0: none) is the distance to the next one; `fine`: a mean, not a value."""
    if kind == "date":
        return _moment(value * 86_400 * SECOND, "%Y-%m-%d")
    if kind == "datetime":
        return _moment(
            value, "%Y-%m-%d" if step >= 86_400 * SECOND else "%Y-%m-%d %H:%M:%S" if 0 < step < 60 * SECOND else "%Y-%m-%d %H:%M"
        )
    if kind == "time":
        return _moment(value % (86_400 * SECOND), "%H:%M:%S" if 0 < step < 60 * SECOND else "%H:%M")
    if kind == "duration":
        return _span(value / SECOND)
    if step:
        digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))
        return f"{value + 0.0:,.{digits}f}" if abs(value) < 1e12 else f"{value:.6g}"
    if kind in ("integer", "text") and not fine:
        return f"{value:,.0f}"
    return f"{value:,.5g}" if abs(value) < 1e5 else f"{value:,.0f}" if abs(value) < 1e12 else f"{value:.6g}"


def _moment(micros: float, pattern: str) -> str:
    try:
        return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=round(micros))).strftime(pattern)
    except OverflowError:
        return f"{micros:.6g} µs"


def _span(seconds: float) -> str:
    sign, seconds = ("−" if seconds < 0 else ""), abs(seconds)
    days, rest = divmod(seconds, 86_400)
    if days:
        return f"{sign}{days:,.0f} d {rest / 3600:.0f} h" if rest >= 1800 else f"{sign}{days:,.0f} d"
    return f"{sign}{rest // 3600:.0f}:{rest % 3600 // 60:02.0f}:{rest % 60:02.0f}"
