"""Is the holdout what it must be: other rows of the same law as the training rows? Everything else in a report leans on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike.compare.rows import hashes
from lookalike.compare.stats import wilson
from lookalike.report.measure import Stage
from lookalike.score import Score

TOLD = 0.52
"""The AUC that a classifier must surely exceed before the holdout is said to be of another law."""


def split(setting: Stage, told: Score | None) -> dict[str, Any]:
    """`tone`, `text`, `c2st` of holdout against training rows (the ceiling of the score `told`), and rows they have in common.

    `doubts` names the areas whose figures a bad holdout flatters.
    """
    if not setting.given:
        text = "No holdout was given: ceilings come from two halves of the real table, and memory cannot be judged."
        return {"tone": "open", "text": text, "c2st": None, "overlap": None, "doubts": []}
    c2st = None
    if told is not None and told.ceiling is not None and told.ceiling_interval is not None:
        c2st = {"value": told.ceiling, "low": told.ceiling_interval[0], "high": told.ceiling_interval[1]}
    overlap = _overlap(setting)
    bad, doubts = [], []
    if c2st is not None and c2st["low"] > TOLD:
        doubts += ["fidelity", "diversity", "utility", "fairness"]
        bad.append(
            f"A classifier tells the holdout from the training rows (AUC {c2st['value']:.3f}): it is no fresh sample of the same law. "
            "Ceilings, copies, nearness and attacks mislead; split the rows at random."
        )
    if overlap is not None and overlap["beyond"]:
        bad.append(
            f"{overlap['rows']:,} rows of the holdout ({overlap['percent']:.1f} %) also stand in the training table, where by chance "
            f"{overlap['natural']:.1f} % would: the model may have seen them. Copies and attacks look better than they are; take them out."
        )
    if overlap is not None:
        overlap = {k: v for k, v in overlap.items() if k != "beyond"}
    figures = {"c2st": c2st, "overlap": overlap, "doubts": [*doubts, "privacy"] if bad else []}
    if bad:
        return {"tone": "poor", "text": " ".join(bad), **figures}
    if c2st is None:
        return {"tone": "open", "text": "Too few rows to say whether holdout and training rows are alike.", **figures}
    text = f"A classifier cannot tell the holdout from the training rows (AUC {c2st['value']:.3f})"
    shared = f"; {overlap['percent']:.1f} % of its rows equal a training row, no more than by chance." if overlap else "."
    return {"tone": "good", "text": text + shared, **figures}


def _overlap(setting: Stage) -> dict[str, Any] | None:
    """Held-out rows that equal a training row, and how many training rows equal another one: of one law, both are equally common."""
    train, held = setting.train, setting.holdout
    if not train.names:
        return None
    known, asked = (hashes(f, scale=train).sum(0, dtype=np.uint64) for f in (train, held))
    distinct, times = np.unique(known, return_counts=True)
    shared = int(np.isin(asked, distinct).sum())
    repeated = int(times[times > 1].sum())
    # The least that would be chance is compared with the most: only an overlap beyond both intervals is called one.
    beyond = wilson(shared, len(asked))[0] > max(1.5 * wilson(repeated, len(known))[1], 0.005)
    return {
        "rows": shared,
        "percent": 100 * shared / max(1, len(asked)),
        "natural": 100 * repeated / max(1, len(known)),
        "beyond": beyond,
    }
