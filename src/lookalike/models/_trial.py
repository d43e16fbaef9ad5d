"""A candidate on trial: its rows beside rows kept aside, which it must not be told from, and beside those it learned from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.compare import boost
from lookalike.compare.frame import LABELS, ORDERED, Frame, code
from lookalike.compare.near import EQUAL, gaps
from lookalike.compare.space import Space
from lookalike.compare.stats import around, auc, wilson

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.protocol import Model
    from lookalike.schema import Column

__all__ = ["Judge", "Trial", "nearer", "told_apart"]

JUDGED = (ORDERED | LABELS) - {"text"}
"""Kinds that candidates are judged by. How texts are spelt is the same with all of them, and would hide what is not."""
FOLDS = 5
LEAST = 50
"""Rows that must be there to learn from, and to judge by."""
HELD_SHARE, HELD_MOST, HELD_CELLS = 0.2, 5_000, 500_000
"""Rows kept aside: this share, at most so many, and in a wide table so few that they have no more cells than this (but 1,000 rows)."""
REFERENCES, WORK = 100_000, 2e10
"""Rows learned from that are looked at for the nearest one, and products of a table of distances, at most."""
MEMORY = 0.55
"""A candidate is refused if it is sure that more of its rows than this lie nearer to the rows it learned from; 0.5 is chance."""


@dataclass
class Trial:
    """A model that was to be tried: how it did, and what became of it.

    `seconds` of its fit; `cut`, whether the clock ended its training; `c2st`, area under the ROC curve of trees that tell its rows from
    those kept aside, with its 95 % interval; `nearer` as in the function; `verdict` in a word or two, and `why`; `notes` of its training.
    """

    model: str
    seconds: float | None = None
    cut: bool = False
    c2st: float | None = None
    low: float | None = None
    high: float | None = None
    nearer: float | None = None
    verdict: str = ""
    why: str = ""
    notes: list[str] = field(default_factory=list)
    fitted: Model | None = field(default=None, repr=False)

    def ends(self, verdict: str, why: str) -> None:
        """Say what became of it."""
        self.verdict, self.why = verdict, why

    def to_json(self) -> dict[str, Any]:
        """All but the model itself, as JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "fitted"}


@dataclass(frozen=True)
class Judge:
    """Rows kept aside (`held`) and rows learned from, canonical, by which candidates are judged."""

    columns: tuple[Column, ...]
    learned: pa.Table
    held: pa.Table
    seed: int

    @classmethod
    def aside(cls, data: Dataset, *, seed: int) -> tuple[Dataset, Judge | None]:
        """The rows to learn from, and a judge who has the others: a subject's rows stay together.

        All rows and no judge if there are too few, or no column that can be compared.
        """
        columns = tuple(c for c in data.schema.table.columns if c.kind in JUDGED)
        if HELD_SHARE * data.rows < LEAST or not columns:
            return data, None
        rng, most = np.random.default_rng([seed, 0]), min(HELD_MOST, max(1_000, HELD_CELLS // len(columns)))
        learn, held = data.split(HELD_SHARE, rng=rng, most=most)
        if min(learn.rows, held.rows) < LEAST:
            return data, None
        seen = learn
        if learn.rows > REFERENCES:
            seen = learn.take(np.sort(rng.choice(learn.rows, REFERENCES, replace=False)))
        return learn, cls(columns, seen.table(), held.table(), seed)

    @property
    def rows(self) -> int:
        """So many rows a candidate must draw."""
        return self.held.num_rows

    def judge(self, trial: Trial, made: pa.Table) -> None:
        """Write into `trial` how its rows do, and refuse it if they lie too near to those it learned from. One thread."""
        frames = code({"learned": self.learned, "held": self.held, "made": made}, self.columns)
        rng = np.random.default_rng([self.seed, 1])
        with boost.one_thread():
            figures = told_apart(frames["held"], frames["made"], rng)
            share, sure = nearer(frames["learned"], frames["held"], frames["made"], rng)
        trial.c2st, trial.low, trial.high = (round(v, 4) for v in figures)
        trial.nearer = round(share, 4)
        if sure > MEMORY:
            trial.fitted = None
            trial.ends("refused", f"it repeats what it learned from: {share:.0%} of its rows lie nearer to that than to rows kept aside")


def told_apart(held: Frame, made: Frame, rng: np.random.Generator) -> tuple[float, float, float]:
    """Area under the ROC curve of boosted trees that tell `made` from `held`, cross-validated, and its 95 % interval."""
    (a, b), labels = boost.matrices([held, made], held.names)
    x, truth = np.concatenate([a, b]), np.repeat([False, True], [len(a), len(b)])
    fold, seed = np.concatenate([rng.permutation(len(side)) % FOLDS for side in (a, b)]), int(rng.integers(2**31))
    score = np.empty(len(x))
    for k in range(FOLDS):
        trees = boost.classifier(x[fold != k], truth[fold != k], labels, seed=seed)
        score[fold == k] = trees.predict_proba(x[fold == k])[:, 1]
    value, error = auc(truth, score)
    # Folds share the rows they learn from, so that their errors go together (Nadeau & Bengio 2003).
    return value, *around(value, error * np.sqrt(1 + FOLDS / (FOLDS - 1)), least=0, most=1)


def nearer(learned: Frame, held: Frame, made: Frame, rng: np.random.Generator) -> tuple[float, float]:
    """Share of the rows of `made` that lie nearer to a row learned from than to one kept aside, and the lower end of its 95 % interval.

    0.5 is chance: there are more rows learned from than kept aside, and the share is told as it would be with as many of each. All are
    looked at, as a copy shows only beside the row it was taken from.
    """
    space = Space(learned)
    known = np.concatenate([space.embed(learned), space.embed(held)])
    here = space.embed(made.cut(max(300, int(WORK / (len(known) * space.width))), rng))
    hits, nearest = np.empty(len(here)), np.empty(len(here), np.int64)
    for rows, gap in gaps(here, known, step=max(16, 2**23 // len(known))):
        nearest[rows] = gap.argmin(1)
        # Of rows equally near each counts alike: with ties to the one side, tables of few levels would seem to remember.
        least = gap <= gap.min(1, keepdims=True) + EQUAL
        hits[rows] = least[:, : learned.rows].sum(1) / least.sum(1)
    # Rows that share their nearest row fall on one side together: so many independent rows tell as much.
    times = np.unique(nearest, return_counts=True)[1]
    told = round(len(here) ** 2 / float((times.astype(np.float64) ** 2).sum()))
    ends = float(hits.mean()), wilson(round(float(hits.mean()) * told), told)[0]
    odds = learned.rows / held.rows
    share, sure = (p / (p + (1 - p) * odds) for p in ends)
    return share, sure
