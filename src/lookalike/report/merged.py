"""One figure of several views: their weighted mean, with that of each control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lookalike.compare.about import About, Finding
from lookalike.report.measure import zero
from lookalike.score import Interval, Score


def merged(found: Sequence[tuple[float, Score]], about: About) -> Score:
    """The mean of scores of one name, each with its weight; those without a value do not count.

    A control is known where it is for every view that has a value. The interval is as wide as if all views erred together, which is the
    most they can: they are made of the same rows.
    """
    kept = [(w, s) for w, s in found if s.value is not None and w > 0]
    first = found[0][1]
    if not kept:
        notes = dict.fromkeys(s.note for _, s in found if s.note)
        return replace(first, value=None, note="; ".join(notes) or "nothing to measure", detail={}, flagged=(), tested=0)
    share = np.array([w for w, _ in kept], float)
    share /= share.sum()
    scores = [s for _, s in kept]

    def mean(values: Sequence[float | None]) -> float | None:
        known = [v for v in values if v is not None]
        return float(np.dot(share, known)) if len(known) == len(values) else None

    def interval(ends: Sequence[Interval | None]) -> Interval | None:
        low, high = mean([e and e[0] for e in ends]), mean([e and e[1] for e in ends])
        return None if low is None or high is None else (low, high)

    ceiling, floor = interval([s.ceiling_interval for s in scores]), interval([s.floor_interval for s in scores])
    value = interval([None if s.low is None or s.high is None else (s.low, s.high) for s in scores]) or (None, None)
    controls = {"ceiling": mean([s.ceiling for s in scores]), "floor": mean([s.floor for s in scores])}
    controls |= {"uniform": mean([s.uniform for s in scores]), "copy": mean([s.copy for s in scores])}
    ends: dict[str, Any] = {"ceiling": ceiling, "floor": floor}
    known = {
        role: Finding(name=role, value=v, low=(ends.get(role) or (None, None))[0], high=(ends.get(role) or (None, None))[1])
        for role, v in controls.items()
        if v is not None
    }
    worst = zero(about, first.better, known)
    return replace(
        first,
        value=mean([s.value for s in scores]),
        low=value[0],
        high=value[1],
        **controls,
        ceiling_interval=ceiling,
        floor_interval=floor,
        zero=worst,
        zero_interval=ends.get(worst) if worst else None,
        draws=(),
        tested=sum(s.tested for s in scores),
        flagged=tuple(sorted((f for s in scores for f in s.flagged), key=lambda f: (f["q"], f["p"])))[:100],
        note="; ".join(dict.fromkeys(s.note for s in scores if s.note)),
        detail={},
    )
