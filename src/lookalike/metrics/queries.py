"""Do random questions (how many, what mean) get the answers that real rows give?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "lower"
ABOUT = About(
    title="Random queries",
    definition=(
        "200 random questions of one to three conditions each (a range of an ordered column, a level of a label). Counts: the mean "
        "relative error of the share of rows that meet them, shares below 1 % counted as 1 %. Means: the mean error of a number's mean "
        "among those rows, in its standard deviations. No error counts more than 100 %."
    ),
    source="query workloads as in McKenna et al. 2022 (AIM) and SynMeter, with conditions of mixed kinds",
    unit="%",
    rank=108,
    area="utility",
    real_rows=20_000,
    rows=20_000,
    control_rows=20_000,
)
QUESTIONS, MOST_CONDITIONS, LEAST_SHARE, LEAST_ROWS, SHOWN = 200, 3, 0.01, 20, 10
TITLES = {"query_counts": "Random queries: counts", "query_means": "Random queries: means by group"}


@dataclass(frozen=True)
class Condition:
    """A level of a label (`high` is None), or a range of an ordered column, both ends in it."""

    name: str
    low: float
    high: float | None

    def holds(self, frame: Frame) -> np.ndarray:
        """Bool per row; missing meets no range."""
        values = frame[self.name]
        return values == int(self.low) if self.high is None else (values >= self.low) & (values <= self.high)

    def text(self, frame: Frame) -> str:
        """In words."""
        if self.high is None:
            return f"{self.name} = {frame.levels[self.name][int(self.low)] if self.low >= 0 else 'missing'}"
        return f"{self.low:.4g} ≤ {self.name} ≤ {self.high:.4g}"


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Two findings in percent (0 to 100): `query_counts` and `query_means`; detail has the worst answers."""
    if not real.names or min(real.rows, other.rows) < 2 * BLOCKS:
        note = f"needs {2 * BLOCKS} rows and a column that can be compared"
        return [Finding(name=n, title=t, value=None, note=note) for n, t in TITLES.items()]
    rng = context.rng
    asked = _asked(real, rng)
    numbers = [c.name for c in real.columns if c.kind in ("integer", "number") and np.nanstd(_some(real[c.name])) > 0]
    about = [numbers[i] if numbers else "" for i in rng.integers(max(len(numbers), 1), size=len(asked))]
    p, q = (_answers(f, asked, about, blocks(f.rows, rng)) for f in (real, other))
    spread = np.array([np.nanstd(real[n]) if n else 1.0 for n in about])
    # The same questions with each group of rows left out: [1 + groups, questions, (rows, known numbers, their sum)].
    errors = [_errors(a, b, spread) for a, b in ((p[:1], q[:1]), (p[1:], q[:1]), (p[:1], q[1:]))]
    texts = [" and ".join(c.text(real) for c in conditions) for conditions in asked]
    return [
        _found("query_counts", [e[0] for e in errors], _worst(errors[0][0][0], texts, _shares(p, q))),
        _found("query_means", [e[1] for e in errors], _worst(errors[0][1][0], _of(about, texts), _means(p, q))),
    ]


def _some(values: np.ndarray) -> np.ndarray:
    return values if not np.isnan(values).all() else np.zeros(1)


def _asked(real: Frame, rng: np.random.Generator) -> list[list[Condition]]:
    """Each question is made around a real row, so that it is about rows that exist."""
    # Values in order, so that a row drawn by its rank does not depend on how the table is sorted.
    known = {n: np.sort(real[n][~real.missing(n)]) for n in real.names}
    usable = [n for n in real.names if len(known[n])]
    out = []
    for _ in range(QUESTIONS if usable else 0):
        some = rng.permutation(len(usable))[: rng.integers(1, MOST_CONDITIONS + 1)]
        conditions = []
        for name in (usable[i] for i in np.sort(some)):
            values, middle, width = known[name], rng.random(), rng.uniform(0.1, 0.6)
            if real.is_label(name):
                conditions.append(Condition(name, float(values[int(middle * len(values))]), None))
                continue
            low, high = max(0.0, middle - width / 2), min(1.0, middle + width / 2)
            conditions.append(Condition(name, *(float(values[int(at * (len(values) - 1))]) for at in (low, high))))
        out.append(conditions)
    return out


def _answers(frame: Frame, asked: list[list[Condition]], about: list[str], group: np.ndarray) -> np.ndarray:
    """With all rows, then with each group left out, [1 + groups, questions, 4]: rows, rows with a known number, their sum; all rows."""
    parts = np.zeros((BLOCKS, len(asked), 4))
    parts[:, :, 3] = np.bincount(group, minlength=BLOCKS)[:, None]
    for i, (conditions, name) in enumerate(zip(asked, about, strict=True)):
        hits = np.flatnonzero(np.logical_and.reduce([c.holds(frame) for c in conditions]))
        parts[:, i, 0] = np.bincount(group[hits], minlength=BLOCKS)
        if name:
            values = frame[name][hits]
            there = ~np.isnan(values)
            parts[:, i, 1] = np.bincount(group[hits][there], minlength=BLOCKS)
            parts[:, i, 2] = np.bincount(group[hits][there], weights=values[there], minlength=BLOCKS)
    whole = parts.sum(0, keepdims=True)
    return np.concatenate([whole, whole - parts])


def _errors(p: np.ndarray, q: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors in percent of counts and of means, [replicates, questions]; NaN where too few rows have a number."""
    ours, theirs = p[:, :, 0] / np.maximum(p[:, :, 3], 1), q[:, :, 0] / np.maximum(q[:, :, 3], 1)
    counts = np.abs(ours - theirs) / np.maximum(ours, LEAST_SHARE)
    n, m = p[:, :, 1], q[:, :, 1]
    gap = np.abs(p[:, :, 2] / np.maximum(n, 1) - q[:, :, 2] / np.maximum(m, 1)) / spread
    gap = np.where(m > 0, gap, 1.0)  # nobody there to have a mean
    means = np.where(n >= LEAST_ROWS, gap, np.nan)
    return 100 * np.minimum(counts, 1), 100 * np.minimum(means, 1)


def _found(name: str, errors: list[np.ndarray], worst: list[dict[str, Any]]) -> Finding:
    kept = ~np.isnan(errors[0][0])
    if not kept.any():
        return Finding(name=name, title=TITLES[name], value=None, note="no question about a number has enough rows to answer it")
    whole, ours, theirs = (np.nan_to_num(e[:, kept], nan=0.0).mean(1) for e in errors)
    low, high = around(whole[0], float(np.hypot(jackknife(ours), jackknife(theirs))), least=0, most=100)
    detail = {"worst": worst, "questions": int(kept.sum())}
    return Finding(name=name, title=TITLES[name], value=float(whole[0]), low=low, high=high, detail=detail)


def _worst(errors: np.ndarray, texts: list[str], answers: tuple[np.ndarray, np.ndarray]) -> list[dict[str, Any]]:
    first = np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")[:SHOWN]
    digits = lambda x: float(f"{x:.4g}")  # noqa: E731
    return [
        {"question": texts[i], "error": round(float(errors[i]), 2), "real": digits(answers[0][i]), "other": digits(answers[1][i])}
        for i in first
        if not np.isnan(errors[i])
    ]


def _shares(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return tuple(100 * t[0, :, 0] / np.maximum(t[0, :, 3], 1) for t in (p, q))  # type: ignore[return-value]


def _means(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return tuple(t[0, :, 2] / np.maximum(t[0, :, 1], 1) for t in (p, q))  # type: ignore[return-value]


def _of(about: list[str], texts: list[str]) -> list[str]:
    return [f"mean {name} where {text}" for name, text in zip(about, texts, strict=True)]
