"""Do the 95 % intervals hold the truth 95 times in a hundred? Simulated tables, of which the truth is known.

A figure that contains what chance makes two samples differ by (such as the error of a table with many cells) has no truth that does not
depend on the number of rows; for such a figure the mean over all repeats is what the interval has to hold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from lookalike import metrics
from lookalike.compare import roc, stats
from lookalike.compare.about import Context
from lookalike.compare.frame import Frame
from lookalike.report import measure
from lookalike.schema import Column

LARGE = 400_000
"""Rows that give the truth where no formula does."""


class Draw(NamedTuple):
    """One repeat: the figure and its interval; `truth` where it differs from repeat to repeat."""

    value: float
    low: float
    high: float
    truth: float | None = None


@dataclass(frozen=True)
class Case:
    """A figure, the truth (None: the mean over the repeats) and how it is known, and one simulated repeat of it."""

    name: str
    known: str
    truth: float | None
    draw: Callable[[np.random.Generator], Draw]


COLUMNS = (
    Column(name="height", kind="number"),
    Column(name="weight", kind="number"),
    Column(name="income", kind="number"),
    Column(name="visits", kind="integer"),
    Column(name="region", kind="category"),
    Column(name="member", kind="category"),
)
REGIONS, MEMBERS = ("east", "north", "south", "west"), ("no", "yes")


def table(rows: int, rng: np.random.Generator, *, other: bool = False, holes: bool = False) -> Frame:
    """Rows of a known law of four numbers and two labels, all dependent; `other`: of a clearly different law."""
    shift, tie, share = (0.5, 0.2, 0.25) if other else (0.0, 0.7, 0.4)
    a, b = rng.normal(shift, 1, rows), rng.normal(0, 1, rows)
    weight = tie * a + (1 - tie**2) ** 0.5 * b
    region = rng.choice(4, rows, p=(share, 0.3, 0.2, 0.5 - share)).astype(np.int32)
    income = np.exp(0.5 * weight + 0.4 * region + rng.normal(0, 0.6, rows))
    visits = rng.poisson(2 + 2 * (region == 1) + (1.5 if other else 0.0)).astype(float)
    member = (rng.random(rows) < ndtr(1.2 * a - 0.3 + 0.5 * (region == 2))).astype(np.int32)
    if holes:
        income = np.where(rng.random(rows) < np.where(member == 1, 0.3, 0.1) * (0.5 if other else 1.0), np.nan, income)
    cells = {"height": a, "weight": weight, "income": income, "visits": visits, "region": region, "member": member}
    return Frame(COLUMNS, cells, {"region": REGIONS, "member": MEMBERS}, rows)


def single(metric: str, name: str, real: Frame, other: Frame, rng: np.random.Generator, *, fresh: Frame | None = None) -> Draw:
    """One figure of one metric."""
    context = Context(rng, fresh=fresh, target="member")
    found = {f.name: f for f in metrics.load(metric).measure(real, other, context=context)}[name]
    return Draw(float(found.value or 0.0), float(found.low or 0.0), float(found.high or 0.0))


def areas(distance: float, rows: int) -> Case:
    """Area under the ROC curve of normal scores that lie `distance` apart."""

    def draw(rng: np.random.Generator) -> Draw:
        truth = np.repeat([True, False], rows)
        value, error = stats.auc(truth, rng.normal(0, 1, 2 * rows) + distance * truth)
        return Draw(value, *stats.around(value, error, least=0, most=1))

    return Case(f"AUC {ndtr(distance / 2**0.5):.2f} of {rows} + {rows} scores", "formula", float(ndtr(distance / 2**0.5)), draw)


def rates(share: float, rows: int) -> Case:
    """A rate, by Wilson's interval."""

    def draw(rng: np.random.Generator) -> Draw:
        hits = int(rng.binomial(rows, share))
        return Draw(hits / rows, *stats.wilson(hits, rows))

    return Case(f"rate of {100 * share:g} % of {rows} rows", "formula", share, draw)


def found(distance: float, rate: float, rows: int) -> Case:
    """Members found at a rate of false alarms, of normal scores that lie `distance` apart."""

    def draw(rng: np.random.Generator) -> Draw:
        got = roc.found_at(rng.normal(distance, 1, rows), rng.normal(0, 1, rows), rate)
        if got is None:
            raise ValueError(f"{rows} rows are too few for a rate of {rate}")
        return Draw(*got)

    truth = float(1 - ndtr(ndtri(1 - rate) - distance))
    return Case(f"TPR at {100 * rate:g} % FPR, true {truth:.3f}, {rows} + {rows} rows", "formula", truth, draw)


def shapes(rows: int, shift: float) -> Case:
    """Mean error of columns whose distributions are known: a normal number moved by `shift`, a label of four levels by a tenth of it."""
    columns = (COLUMNS[0], COLUMNS[4])
    step = shift / 10
    truth = 100 * float(np.mean([2 * ndtr(shift / 2) - 1, 2 * step]))

    def sample(rng: np.random.Generator, by: float) -> Frame:
        labels = rng.choice(4, rows, p=(0.4 - by / 10, 0.3 - by / 10, 0.2 + by / 10, 0.1 + by / 10)).astype(np.int32)
        return Frame(columns, {"height": rng.normal(by, 1, rows), "region": labels}, {"region": REGIONS}, rows)

    def draw(rng: np.random.Generator) -> Draw:
        return single("shape", "shape", sample(rng, 0.0), sample(rng, shift), rng)

    return Case(f"shape, distributions {shift:g} apart, {rows} rows", "formula", truth, draw)


def laws(metric: str, name: str, rows: int, *, exact: bool) -> Case:
    """A figure of two different laws; `exact`: at this size it is hardly moved by chance, so that many rows tell the truth."""
    truth = None
    if exact:
        rng = np.random.default_rng([9, 9])
        truth = single(metric, name, table(LARGE, rng, holes=True), table(LARGE, rng, other=True, holes=True), rng).value

    def draw(rng: np.random.Generator) -> Draw:
        return single(metric, name, table(rows, rng, holes=True), table(rows, rng, other=True, holes=True), rng)

    return Case(f"{name}, two laws, {rows} rows", f"{LARGE:,} rows" if exact else "mean of the repeats", truth, draw)


def useful(rows: int) -> Case:
    """AUC of the very model that was trained, whose truth many rows tell in each repeat."""

    def draw(rng: np.random.Generator) -> Draw:
        test, other, seed = table(rows, rng), table(rows, rng, other=True), int(rng.integers(2**31))
        many = single("utility", "utility", table(40_000, rng), other, np.random.default_rng(seed)).value
        return single("utility", "utility", test, other, np.random.default_rng(seed))._replace(truth=many)

    return Case(f"utility, {rows} rows", "the same model on 40,000 rows", None, draw)


def alike(metric: str, name: str, rows: int, truth: float) -> Case:
    """A figure on three samples of one law."""

    def draw(rng: np.random.Generator) -> Draw:
        return single(metric, name, table(rows, rng), table(rows, rng), rng, fresh=table(rows, rng))

    return Case(f"{name}, one law, {rows} rows", "by symmetry", truth, draw)


def copies(rows: int, share: float) -> Case:
    """Copied rows, each with a known chance."""

    def draw(rng: np.random.Generator) -> Draw:
        real, other = table(rows, rng), table(rows, rng)
        leak = rng.random(rows) < share
        cells = {n: np.where(leak, real[n], other[n]).astype(other[n].dtype) for n in other.names}
        return single("copies", "exact_copies", real, replace(other, values=cells), rng, fresh=table(rows, rng))

    return Case(f"exact copies of {100 * share:g} %, {rows} rows", "formula", 100 * share, draw)


def cases() -> list[Case]:
    """All cases, the cheap ones first."""
    known = set(metrics.names())
    several = [
        ("missing", "missing", False),
        ("trend", "trend", False),
        ("correlation", "correlation", True),
        ("correlation", "correlation_ratio", True),
        ("tails", "tails", True),
        ("tails", "tail_dependence", False),
        ("marginals", "three_way", False),
        ("shape", "wasserstein", True),
        ("shape", "jensen_shannon", False),
    ]
    return [
        *(areas(d, n) for d, n in ((0.0, 300), (0.5, 300), (2.0, 300))),
        *(rates(p, n) for p, n in ((0.5, 200), (0.05, 500), (0.01, 2_000))),
        *(found(d, r, 2_000) for d, r in ((0.0, 0.01), (1.0, 0.01), (2.0, 0.01), (1.0, 0.1))),
        copies(1_000, 0.05),
        *(shapes(n, d) for n, d in ((1_000, 1.0), (4_000, 0.5), (1_000, 0.1))),
        *(laws(m, n, 1_000, exact=exact) for m, n, exact in several if m in known),
        alike("nearness", "dcr_share", 1_000, 0.5),
        alike("c2st", "c2st", 600, 0.5),
        useful(600),
    ]


def fresh(rows: int, rng: np.random.Generator, seed: int) -> Iterator[tuple[str, bool]]:
    """Each score of a quick report on a perfect table (fresh rows of the same law): does the interval of its skill hold 1?"""
    frames = {role: table(rows, rng, holes=True) for role in ("real", "holdout", "synthetic")}
    setting = measure.stage(frames, target="member", rng=rng)
    for _, scores in measure.scores(setting, seed):
        for score in scores:
            if score.skill_interval is not None:
                yield score.name, score.skill_interval[0] <= 1 <= score.skill_interval[1]


def measured(case: Case, repeats: int) -> dict[str, object]:
    """How often the interval of a case holds the truth."""
    draws = [case.draw(np.random.default_rng([repeat, *case.name.encode()])) for repeat in range(repeats)]
    truth = case.truth if case.truth is not None else float(np.mean([d.value for d in draws]))
    held = [d.low <= (truth if d.truth is None else d.truth) <= d.high for d in draws]
    mean = float(np.mean([d.value for d in draws]))
    return {
        "name": case.name,
        "known": case.known,
        "truth": truth,
        "mean": mean,
        "repeats": repeats,
        "held": int(sum(held)),
        "held_mean": int(sum(d.low <= mean <= d.high for d in draws)),
        "width": float(np.mean([d.high - d.low for d in draws])),
    }


def main() -> None:
    """`intervals.py OUT.json --repeats N --skills K [--fresh ROWS]`; a case that is in the file already is not measured again."""
    asked = argparse.ArgumentParser()
    asked.add_argument("out", type=Path)
    asked.add_argument("--repeats", type=int, default=400)
    asked.add_argument("--skills", type=int, default=100, help="repeats of a whole quick report")
    asked.add_argument("--fresh", type=int, default=500, help="rows of the tables that those look at")
    given = asked.parse_args()
    done = json.loads(given.out.read_text()) if given.out.exists() else {}

    def keep() -> None:
        part = given.out.with_suffix(".part")
        part.write_text(json.dumps(done, indent=1))
        part.replace(given.out)

    for case in cases():
        if done.get(case.name, {}).get("repeats", 0) < given.repeats:
            done[case.name] = measured(case, given.repeats)
            keep()
            print(case.name, done[case.name]["held"], "of", given.repeats, flush=True)
    skills = done.setdefault("skills", {"repeats": 0, "held": {}, "asked": {}, "rows": given.fresh})
    for repeat in range(skills["repeats"], given.skills):
        for name, held in fresh(given.fresh, np.random.default_rng([repeat, 77]), repeat):
            skills["asked"][name] = skills["asked"].get(name, 0) + 1
            skills["held"][name] = skills["held"].get(name, 0) + int(held)
        skills["repeats"] = repeat + 1
        if repeat % 10 == 9 or repeat + 1 == given.skills:
            keep()
    keep()


if __name__ == "__main__":
    main()
