"""Levels that only a few real people hold lose their names before anything is measured: no metric can then give them away."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lookalike.compare.frame import Frame

LEAST = 5
"""Real rows that must hold a level, in one table, for its name to be shown."""


def masked(frames: Mapping[str, Frame]) -> dict[str, Frame]:
    """The same frames, in which levels of real rows that fewer than `LEAST` of them hold are called `(rare 1)`, `(rare 2)` …

    Levels that only synthetic rows have are no secret, and keep their names; so do true and false.
    """
    first = frames["real"]
    kinds = {c.name: c.kind for c in first.columns}
    levels = {name: known if kinds[name] == "boolean" else _names(frames, name) for name, known in first.levels.items()}
    return {role: Frame(f.columns, f.values, levels, f.rows, f.owner) for role, f in frames.items()}


def _names(frames: Mapping[str, Frame], name: str) -> tuple[str, ...]:
    known = frames["real"].levels[name]
    counts = [_holders(f, name, len(known)) for role, f in frames.items() if role in ("real", "holdout")]
    most = np.max(counts, axis=0)
    names = list(known)
    for rank, at in enumerate(np.flatnonzero((most > 0) & (most < LEAST)).tolist(), start=1):
        names[at] = f"(rare {rank})"
    return tuple(names)


def _holders(frame: Frame, name: str, known: int) -> np.ndarray:
    """How many rows hold each level; how many owners, where rows have some."""
    seen = np.flatnonzero(frame[name] >= 0)
    codes = frame[name][seen]
    if frame.owner is not None:
        codes = np.unique(frame.owner[seen] * known + codes) % known if known else codes
    return np.bincount(codes, minlength=known)
