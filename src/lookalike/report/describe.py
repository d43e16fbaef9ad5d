"""What each column looks like in the real, the synthetic and the held-out rows, drawn so that no few real people show.

A bar that stands for fewer than `LEAST` real rows is not given (None), a level held by fewer is pooled with the others, and the ends
of a histogram are open, cut at round numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.report import _axis
from lookalike.report.measure import Stage

LEAST = 5
LEVELS = 10
ROLES = ("real", "synthetic", "holdout")


def columns(setting: Stage) -> list[dict[str, Any]]:
    """A JSON-able card for each column: kind, missing rate, figures, and the chart's bars in percent of all rows."""
    frames = dict(zip(ROLES, (setting.train, setting.synthetic, setting.holdout), strict=True))
    return [_card(frames, i) for i in range(len(setting.real.columns))]


def _card(frames: dict[str, Frame], i: int) -> dict[str, Any]:
    column = frames["real"].columns[i]
    label = frames["real"].is_label(column.name)
    chart = _levels(frames, column.name) if label else _histogram(frames, column.name, column.kind)
    return {
        "name": column.name,
        "kind": column.kind,
        "missing": {role: _percent(float(f.missing(column.name).mean())) for role, f in frames.items()},
        "figures": _label_figures(frames, column.name) if label else _ordered_figures(frames, column.name, column.kind),
        "chart": chart,
    }


def _percent(share: float) -> float:
    return float(f"{100 * share:.3g}")


def _shares(counts: np.ndarray, rows: int, *, real: bool) -> list[float | None]:
    """Percent of all rows; a bar of a few real rows is None."""
    return [None if real and 0 < c < LEAST else _percent(c / max(rows, 1)) for c in counts.tolist()]


def _levels(frames: dict[str, Frame], name: str) -> dict[str, Any]:
    known = frames["real"].levels[name]
    counts = {role: np.bincount(f[name][f[name] >= 0], minlength=len(known)) for role, f in frames.items()}
    real = counts["real"]
    order = np.argsort(-real, kind="stable")
    shown = [int(k) for k in order[:LEVELS] if real[k] >= LEAST]
    rest = np.setdiff1d(np.arange(len(known)), shown)
    # Levels that no real row has are no secret of the real rows, and the reader wants to know of them.
    invented, pooled = rest[(real[rest] == 0) & (counts["holdout"][rest] == 0)], rest[(real[rest] > 0) | (counts["holdout"][rest] > 0)]
    chart: dict[str, Any] = {"type": "levels", "labels": [known[k][:60] for k in shown], "other": len(pooled), "invented": len(invented)}
    for role, c in counts.items():
        bars = c[shown]
        if len(pooled):
            bars = np.append(bars, c[pooled].sum())
        if len(invented):
            bars = np.append(bars, c[invented].sum())
        chart[role] = _shares(bars, frames[role].rows, real=role != "synthetic")
    chart["labels"] += [f"other levels ({len(pooled):,})"] * bool(len(pooled)) + [f"not in real rows ({len(invented):,})"] * bool(
        len(invented)
    )
    return chart


def _histogram(frames: dict[str, Frame], name: str, kind: str) -> dict[str, Any]:
    axis = _axis.axis(frames["real"][name], kind, least=LEAST)
    counts = {role: _bars(frame[name], axis.edges) for role, frame in frames.items()}
    used = np.flatnonzero(sum(counts.values()))
    shown = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
    shares = {role: _shares(c[shown], frames[role].rows, real=role != "synthetic") for role, c in counts.items()}
    return {"type": "histogram", "labels": axis.labels()[shown], "ticks": axis.ticks()[shown], **shares}


def _bars(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts below the first edge, between edges, and from the last one on."""
    return np.bincount(np.searchsorted(edges, values[~np.isnan(values)], side="right"), minlength=len(edges) + 1)


def _ordered_figures(frames: dict[str, Frame], name: str, kind: str) -> list[list[str]]:
    """Rows of (what, real, synthetic); never the smallest or greatest real value."""
    rows = []
    kept = [f[name][~np.isnan(f[name])] for f in (frames["real"], frames["synthetic"])]
    enough = len(kept[0]) >= 4 * LEAST
    for what, share in (("lower quartile", 0.25), ("median", 0.5), ("upper quartile", 0.75)):
        rows.append([what, *(_axis.text(float(np.quantile(v, share)), kind) if len(v) and enough else "–" for v in kept)])
    if kind in ("integer", "number", "text", "duration"):
        rows.append(["mean", *(_axis.text(float(v.mean()), kind, fine=True) if len(v) and enough else "–" for v in kept)])
        rows.append(["standard deviation", *(_axis.text(float(v.std()), kind, fine=True) if len(v) and enough else "–" for v in kept)])
    return [*rows, ["distinct values", *(f"{len(np.unique(v)):,}" for v in kept)]]


def _label_figures(frames: dict[str, Frame], name: str) -> list[list[str]]:
    kept = [f[name][f[name] >= 0] for f in (frames["real"], frames["synthetic"])]
    return [["levels", *(f"{len(np.unique(v)):,}" for v in kept)]]


def listed(names: list[str]) -> str:
    """The first eight names, and how many more there are."""
    return ", ".join(map(repr, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
