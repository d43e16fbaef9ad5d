"""A map of the rows: the plane along which real rows differ most, cut into hexagons, and how many rows of each table lie in each.

No row is a point of its own: a hexagon with fewer than `LEAST` rows of a table is empty, and rows far out lie in the rim.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.compare.space import Cloud
from lookalike.report.measure import Stage

LEAST = 5
ACROSS = (6, 30)
"""Hexagons from one side of the map to the other, at least and at most: fewer in small tables, or hardly one would hold `LEAST` rows."""
HELD = 9
"""Rows of the smallest table to a hexagon, if all were alike full."""
MOST, FEWEST, LEARNED = 20_000, 100, 5_000
"""Rows of a table that are looked at, at most, rows that a map needs, and rows from which the plane is learned, at most."""
NAMED = 3
"""Columns that are named of an axis."""
ROLES = ("real", "synthetic", "holdout")


def plane(setting: Stage) -> dict[str, Any] | None:
    """The map as JSON values, or None if there are too few rows or columns for one.

    `axes` tell what each axis shows: `share` of the rows' variance, and the `columns` that make it, with their weights, which add up to 1
    over all columns. `cells`: [x, y, percent of real, of synthetic, of held-out rows], x and y of a hexagon's centre in its widths, and
    null for fewer than 5 rows of a table.
    """
    given = dict(zip(ROLES, (setting.train, setting.synthetic, setting.holdout), strict=True))
    # As many synthetic as held-out rows, so that chance alone makes both differ alike from the real ones.
    most = {"real": MOST} | dict.fromkeys(ROLES[1:], min(MOST, setting.synthetic.rows, setting.holdout.rows))
    frames = {role: _some(f, most[role]) for role, f in given.items()}
    if min(f.rows for f in frames.values()) < FEWEST or not setting.real.names:
        return None
    cloud = Cloud(_some(frames["real"], LEARNED))
    if len(cloud.scale) < 2:
        return None
    points = {role: cloud.points(f)[:, :2] for role, f in frames.items()}
    low, high = np.quantile(points["real"], [0.005, 0.995], axis=0)
    if not (high > low).all():
        return None
    size = (high - low).max() / np.clip(np.sqrt(min(f.rows for f in frames.values()) / HELD), *ACROSS)
    cells = {role: _hexagons(np.clip(p, low, high) / size - low / size) for role, p in points.items()}
    where, at = np.unique(np.concatenate(list(cells.values())), axis=0, return_inverse=True)
    ends = np.cumsum([0, *(len(c) for c in cells.values())])
    counts = [np.bincount(at.ravel()[a:b], minlength=len(where)) for a, b in pairwise(ends.tolist())]
    shares = [[float(f"{100 * c / f.rows:.3g}") if c >= LEAST else None for c in n] for n, f in zip(counts, frames.values(), strict=True)]
    drawn = zip(_centres(where).round(3).tolist(), *shares, strict=True)
    return {
        "axes": _axes(cloud),
        "cells": [[*centre, *share] for centre, *share in drawn if any(s is not None for s in share)],
    }


def _some(table: Frame, most: int) -> Frame:
    """Rows from all over the table."""
    return table if table.rows <= most else table.take(np.linspace(0, table.rows - 1, most).astype(np.int64))


def _hexagons(points: np.ndarray) -> np.ndarray:
    """Column and line, int64 [rows, 2], of the hexagon of each point: one wide, its top pointed; odd lines begin half a width later."""
    tall = 3**0.5 / 2  # between two lines
    even = np.rint(points / [1, 2 * tall])
    odd = np.rint((points - [0.5, tall]) / [1, 2 * tall])
    nearer = (((points - even * [1, 2 * tall]) ** 2).sum(1) <= ((points - odd * [1, 2 * tall] - [0.5, tall]) ** 2).sum(1))[:, None]
    return np.where(nearer, even * [1, 2], odd * [1, 2] + [0, 1]).astype(np.int64)


def _centres(cells: np.ndarray) -> np.ndarray:
    return np.column_stack([cells[:, 0] + 0.5 * (cells[:, 1] % 2), cells[:, 1] * 3**0.5 / 2])


def _axes(cloud: Cloud) -> list[dict[str, Any]]:
    """Share of the variance along each axis, and the columns that weigh most in it."""
    names = [n for n in cloud.ranks for _ in range(2)] + [n for n, rank in cloud.commonest.items() for _ in range(int(rank.max()) + 1)]
    total = float((cloud.scale**2).sum())
    found = []
    for axis in range(2):
        weight: dict[str, float] = {}
        for name, w in zip(names, cloud.turn[:, axis] ** 2, strict=True):
            weight[name] = weight.get(name, 0.0) + float(w)
        heavy = sorted(weight.items(), key=lambda item: -item[1])[:NAMED]
        share = round(float(cloud.scale[axis] ** 2) / total, 4)
        found.append({"share": share, "columns": [{"name": n, "weight": round(w, 4)} for n, w in heavy if w >= 0.05]})
    return found
