"""Does a model of the table treat groups of real people as a model of real rows would?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.groups import FEWEST, Facet, facets, positive, protected, selected
from lookalike.compare.learn import Guess, Task, predict, ready, task
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife, wilson

BETTER = "target"
ABOUT = About(
    title="Fairness of models",
    definition=(
        "Gradient-boosted trees learn the target from the table and judge real rows that nobody trained on; as large a share of them is "
        "selected as the table has with the outcome. Demographic parity: the greatest difference between groups in the share selected. "
        "Equalised odds: in the share selected of those who have the outcome, or of those who have not, whichever is greater (groups "
        "with 50 such rows). Of the protected column where it is greatest. The interval holds the chance of the rows judged and, by "
        "models of four parts of the table, that of learning. The aim is what a model of real rows does: a model of a fair table is not "
        "by itself a fair model."
    ),
    source="Hardt, Price & Srebro 2016; as fairlearn's MetricFrame and its differences; tested on real rows",
    rank=111,
    area="fairness",
    quick=False,
    against="holdout",
    real_rows=20_000,
    rows=10_000,
    control_rows=10_000,
)
PARTS = 4
"""Parts of the table: their models vary twice as much as that of the whole, which tells the chance that lies in learning."""
TITLES = {"demographic_parity": "Demographic parity of a model", "equalised_odds": "Equalised odds of a model"}


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Two findings, `demographic_parity` and `equalised_odds` (0 to 1: differences); detail has every group with intervals."""
    what, rng = task(context.target, other, real), context.rng
    names, note = protected(real, context.protected, target=context.target)
    if isinstance(what, str) or not names:
        return _none(what if isinstance(what, str) else note)
    test, learn = (ready(f, what, rows=n, scale=real, rng=rng) for f, n in ((real, ABOUT.real_rows), (other, ABOUT.rows)))
    parts = facets(test, names)
    if not parts:
        return _none("no protected column has two groups of 50 rows")
    outcome, said = positive(test, what.target)
    truth, block, share = selected(test, what.target, outcome), blocks(test.rows, rng), float(selected(learn, what.target, outcome).mean())

    def judged_by(rows: Frame) -> Judged:
        chance = _chance(predict(what, rows, [test], seed=int(rng.integers(2**31)))[0], outcome)
        return Judged(truth, _picked(chance, share), chance if what.label else None, block)

    judged = judged_by(learn)
    split = [learn.take(rows) for rows in np.array_split(rng.permutation(learn.rows), PARTS)]
    if any(len(np.unique(part[what.target])) < 2 for part in split):
        return _none(f"a quarter of the rows has a single value of {what.target}")
    parted = [judged_by(part) for part in split]
    codes = [part.codes(test) for part in parts]
    groups = [g for part, code in zip(parts, codes, strict=True) for g in _groups(part, code, judged)]
    detail = {"outcome": said, "rows": test.rows, "learner": _learner(what), "groups": groups}
    alone = [(part.name, code) for part, code in zip(parts, codes, strict=True) if len(part.columns) == 1]
    return [
        _worst("demographic_parity", alone, [judged, *parted], note, detail),
        _worst("equalised_odds", alone, [judged, *parted], note, {"outcome": said}),
    ]


def _none(note: str) -> list[Finding]:
    return [Finding(name=n, title=t, value=None, note=note) for n, t in TITLES.items()]


def _learner(what: Task) -> str:
    return f"trees, {len(what.features)} columns, protected ones too"


@dataclass(frozen=True)
class Judged:
    """Of each real row: has it the outcome, was it selected, the chance that was given to it (labels only), its jackknife group."""

    truth: np.ndarray
    picked: np.ndarray
    chance: np.ndarray | None
    block: np.ndarray

    def rates(self, code: np.ndarray, of: np.ndarray | None, *, fewest: int) -> np.ndarray:
        """Share selected of the rows `of`, by group of people: with all rows, then with each jackknife group left out; NaN for too few."""
        size = int(code.max()) + 1
        keep = code >= 0 if of is None else (code >= 0) & of
        cell = (self.block[keep] * size + code[keep]) * 2 + self.picked[keep]
        parts = np.bincount(cell, minlength=BLOCKS * size * 2).reshape(BLOCKS, size, 2)
        whole = parts.sum(0, keepdims=True)
        kept = np.concatenate([whole, whole - parts])
        enough = whole[0].sum(1) >= fewest
        return np.where(enough, kept[:, :, 1] / np.maximum(kept.sum(2), 1), np.nan)


def _chance(guess: Guess, outcome: float) -> np.ndarray:
    return guess.of(int(outcome)) if guess.value is None else guess.value


def _picked(chance: np.ndarray, share: float) -> np.ndarray:
    """The rows with the greatest chance, so many as the share says; all of those that tie at the border, or none."""
    cut = np.quantile(chance, 1 - share)
    above, from_there = chance > cut, chance >= cut
    return above if abs(above.mean() - share) <= abs(from_there.mean() - share) else from_there


def _spread(rates: np.ndarray) -> np.ndarray:
    """Greatest less least rate, by row of `rates`; NaN where fewer than two groups are left."""
    known = ~np.isnan(rates[0])
    return rates[:, known].max(1) - rates[:, known].min(1) if known.sum() > 1 else np.full(len(rates), np.nan)


def _worst(name: str, parts: list[tuple[str, np.ndarray]], judged: list[Judged], note: str, detail: dict[str, Any]) -> Finding:
    """The finding of one difference; `judged`: by a model of the whole table, then by models of its parts."""
    gaps = _gaps(name, parts, judged[0])
    if not gaps:
        return Finding(name=name, title=TITLES[name], value=None, note=f"no two groups have {FEWEST} rows with the outcome, or without it")
    column = max(gaps, key=lambda c: gaps[c][0])
    value = float(gaps[column][0])
    of_parts = [_gaps(name, [(c, code) for c, code in parts if c == column], one)[column][0] for one in judged[1:]]
    error = float(np.hypot(jackknife(gaps[column][1:]), np.std(of_parts, ddof=1) / len(of_parts) ** 0.5))
    low, high = around(value, error, least=0, most=1)
    detail = {"column": column, "columns": {c: round(float(g[0]), 4) for c, g in gaps.items()}} | detail
    return Finding(name=name, title=TITLES[name], value=value, low=low, high=high, note=note, detail=detail)


def _gaps(name: str, parts: list[tuple[str, np.ndarray]], judged: Judged) -> dict[str, np.ndarray]:
    """For each protected column that has one: the difference between its groups, with all rows and with each jackknife group left out."""
    gaps = {}
    for column, code in parts:
        rows = (None,) if name == "demographic_parity" else (judged.truth, ~judged.truth)
        found = [_spread(judged.rates(code, of, fewest=1 if of is None else FEWEST)) for of in rows]
        gaps[column] = max(found, key=lambda gap: np.nan_to_num(gap[0], nan=-1.0))
    return {column: gap for column, gap in gaps.items() if not np.isnan(gap[0])}


def _groups(part: Facet, code: np.ndarray, judged: Judged) -> list[dict[str, Any]]:
    """Of each group: rows, selection rate, true and false positive rate, precision (predictive parity), calibration."""
    out = []
    for i, text in enumerate(part.texts):
        here = code == i
        truth, picked = judged.truth[here], judged.picked[here]
        one = {
            "facet": part.name,
            "group": text,
            "rows": int(here.sum()),
            "outcome": _share(truth),
            "selected": _share(picked),
            "true_positive": _share(picked[truth]),
            "false_positive": _share(picked[~truth]),
            "precision": _share(truth[picked]),
        }
        if judged.chance is not None:
            one["calibration"] = round(float(judged.chance[here].mean() - truth.mean()), 4)
        out.append(one)
    return out


def _share(hits: np.ndarray) -> list[float] | None:
    """Rate and its interval."""
    if not len(hits):
        return None
    low, high = wilson(int(hits.sum()), len(hits))
    return [round(float(v), 4) for v in (hits.mean(), low, high)]
