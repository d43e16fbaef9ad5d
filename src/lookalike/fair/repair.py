"""The repair: learned from drawn rows, applied to any number of others, with an account of what it did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.compare import boost
from lookalike.compare.frame import LABELS, ORDERED, code
from lookalike.errors import CannotError, DataError
from lookalike.fair.account import Counts, difference
from lookalike.fair.parity import Parity, check, legitimate
from lookalike.fair.scores import FEWEST, Groups, Matrix, Predict, Strata, crossed
from lookalike.fair.transport import KNOTS, NEAR, Transport
from lookalike.schema import Column, Schema

MOST_OUTCOMES = 30
"""Labels of the outcome at most: trees are grown for each."""
LEAST_ROWS = 500
"""Rows with a known outcome that a pilot needs."""
TRIED, FACTORS = (1.0, 1.5), (0.75, 4.0)
"""How far scores are moved about a threshold, since models blur what happens there: so far in trials, from here to there in the end."""
CERTAIN, MOSTLY = 0.99, 0.9
"""Chance from which an outcome is told without doubt; share of rows of which it is, from which on it is said."""
TOLD = 0.01
"""Share of rows that are not moved, from which on it is told."""


@dataclass(frozen=True)
class Outcome:
    """The outcome: its labels by code (none for a number), the range of a number, and the share of rows with each label."""

    column: Column
    levels: tuple[str, ...]
    low: float = 0.0
    high: float = 1.0
    shares: np.ndarray | None = None

    @classmethod
    def of(cls, table: pa.Table, column: Column) -> Outcome:
        """The outcome as drawn rows have it; labels of fewer than two rows are left alone."""
        frame = code({"": table}, (column,))[""]
        values = frame[column.name][~frame.missing(column.name)]
        if len(values) < LEAST_ROWS:
            what = f"only {len(values)} of the rows drawn to learn parity from have an outcome"
            raise DataError(what, where=column.name, fix=f"draw {LEAST_ROWS} or more of them")
        if (values == values[0]).all():
            raise DataError("has a single value in the rows drawn, so there is nothing to be unequal in", where=column.name)
        if not frame.is_label(column.name):
            return cls(column, (), float(values.min()), float(values.max()))
        counts = np.bincount(values, minlength=len(frame.levels[column.name]))
        kept = np.flatnonzero(counts > 1)
        if len(kept) > MOST_OUTCOMES:
            what = f"has {len(kept)} labels, and an outcome may have {MOST_OUTCOMES}"
            raise CannotError(what, where=column.name, fix="make a column of fewer labels, or take another outcome")
        return cls(column, tuple(frame.levels[column.name][i] for i in kept), shares=counts[kept] / counts[kept].sum())

    @property
    def classes(self) -> int:
        """Number of labels, 0 for a number."""
        return len(self.levels)

    def read(self, table: pa.Table) -> np.ndarray:
        """float64 [n]: code or number, NaN where it is missing or of a label that is left alone."""
        frame = code({"": table}, (self.column,))[""]
        values = frame[self.column.name]
        if not self.classes:
            return values
        place = {text: i for i, text in enumerate(self.levels)}
        return np.array([*(place.get(t, np.nan) for t in frame.levels[self.column.name]), np.nan], np.float64)[values]

    def write(self, table: pa.Table, values: np.ndarray, rows: np.ndarray) -> pa.Table:
        """The table with new outcomes (codes or numbers, float64 [n]) in some rows [bool]."""
        at = table.schema.get_field_index(self.column.name)
        field, old, new = table.schema.field(at), table[self.column.name], np.where(rows, values, 0)
        if self.classes:
            old, fresh = old.cast(pa.string()), pa.array(self.levels, pa.string()).take(pa.array(new.astype(np.int64)))
            if self.column.kind == "boolean":
                old, fresh = table[self.column.name], fresh.cast(pa.bool_())
        else:
            fresh = pa.array(np.rint(new).astype(np.int64) if self.column.kind == "integer" else new).cast(field.type)
        return table.set_column(at, field, pc.if_else(pa.array(rows), fresh, old).cast(field.type))

    def bound(self, scores: np.ndarray) -> np.ndarray:
        """Scores as chances that sum to 1, or means within the range."""
        if not self.classes:
            return scores.clip(self.low, self.high)
        scores = scores.clip(1e-6, 1.0)
        return scores / scores.sum(1, keepdims=True)


@dataclass(frozen=True)
class Rest:
    """What a number has besides its mean: residuals move as scores do, and values end where as many values drawn are below."""

    by_group: np.ndarray
    middle: np.ndarray
    strength: float
    made: np.ndarray
    drawn: np.ndarray

    @classmethod
    def of(cls, drawn: np.ndarray, before: np.ndarray, after: np.ndarray, group: np.ndarray, strength: float) -> Rest:
        """From the numbers drawn [n], their means as drawn and repaired, and groups."""
        weight = np.bincount(group)
        by_group = np.stack([np.quantile(drawn[group == g] - before[group == g], KNOTS) for g in range(len(weight))])
        first = cls(by_group, weight @ by_group / weight.sum(), strength, np.empty(0), np.empty(0))
        return cls(by_group, first.middle, strength, np.sort(first._moved(drawn, before, after, group)), np.sort(drawn))

    def _moved(self, drawn: np.ndarray, before: np.ndarray, after: np.ndarray, group: np.ndarray) -> np.ndarray:
        residual = drawn - before
        for g, knots in enumerate(self.by_group):
            here = group == g
            residual[here] += self.strength * np.interp(residual[here], knots, self.middle - knots)
        return after + residual

    def __call__(self, drawn: np.ndarray, before: np.ndarray, after: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Repaired numbers, each a value that was drawn."""
        place = np.searchsorted(self.made, self._moved(drawn, before, after, group))
        return self.drawn[place.clip(0, len(self.drawn) - 1)]


@dataclass(frozen=True)
class Repair:
    """A learned repair.

    inputs: all columns but the outcome, and those of them that models see. models: scores from either, and chances of being in each
    group (none needed where it is seen). notes: plain sentences that must go with the table.
    """

    parity: Parity
    outcome: Outcome
    groups: Groups
    strata: Strata | None
    inputs: tuple[Matrix, Matrix]
    models: tuple[Predict, Predict, Predict | None]
    transport: Transport
    factor: float
    rest: Rest | None
    notes: tuple[str, ...]

    @classmethod
    def learn(cls, pilot: pa.Table, parity: Parity, schema: Schema, *, rng: np.random.Generator) -> Repair:
        """Learn from drawn rows, canonical; 30,000 or more serve well.

        Raises:
            UnknownName, SettingError, CannotError: as `check`; an outcome of too many labels.
            DataError: too few rows, a single outcome, or fewer than two groups of 50 rows.
        """
        check(parity, schema)
        with boost.one_thread():
            return _learned(pilot, parity, schema, rng)

    def apply(self, table: pa.Table, *, rng: np.random.Generator) -> pa.Table:
        """The rows with their outcome drawn anew; all else stays, and so do missing outcomes and rows of groups too small."""
        old, group = self.outcome.read(table), self.groups(table)
        rows = ~np.isnan(old) & (group >= 0)
        if not rows.any() or self.parity.strength == 0:
            return table
        with boost.one_thread():
            before, after = self.scores(table.filter(pa.array(rows)), group[rows])
        new = old.copy()
        if self.rest is None:
            new[rows] = coupled(old[rows].astype(np.int64), before, after, rng)
        else:
            new[rows] = self.rest(old[rows], before[:, 0], after[:, 0], group[rows])
        return self.outcome.write(table, new, rows)

    def scores(self, table: pa.Table, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chances of each label [n, labels] (of a number, means [n, 1]) as drawn and as repaired, of rows in these groups."""
        (every, seen), (full, blind, who) = self.inputs, self.models
        before = full(every(table))
        base = before if self.parity.seen else blind(seen(table))
        chances = np.eye(len(self.groups.texts))[group] if who is None else who(seen(table))
        moved = self.transport(base, chances, self._stratum(table))
        return before, _mixed(self, before, base, moved)

    def _stratum(self, table: pa.Table) -> np.ndarray:
        return np.zeros(table.num_rows, np.int64) if self.strata is None else self.strata(table)

    def account(self, before: pa.Table, after: pa.Table) -> list[dict[str, Any]]:
        """`told` of the rows before and after."""
        return self.told(self.counts(before, after))

    def counts(self, before: pa.Table, after: pa.Table) -> Counts:
        """What was done to these rows; counts of blocks add up."""
        old, new, group = self.outcome.read(before), self.outcome.read(after), self.groups(before)
        known = ~np.isnan(old) & (group >= 0)
        labels = range(self.outcome.classes)
        hits = tuple(np.stack([v == i for i in labels]) if labels else v[None] for v in (old[known], new[known]))
        size = (1 if self.strata is None else self.strata.size, len(self.groups.texts))
        return Counts.of(hits, group[known], self._stratum(before)[known], size=size, cells=before.num_rows)

    def told(self, counts: Counts) -> list[dict[str, Any]]:
        """What was asked beside what was achieved in drawn rows: the outcome's rate (a number's mean) by group, and the cells changed.

        The first entry is the greatest difference between two groups, of the label where it was greatest; with legitimate columns, of
        what a group has above those who agree with it in them.
        """
        name = self.outcome.column.name
        said = tuple(f"the rate of {name} = {level}" for level in self.outcome.levels) or (f"the mean of {name}",)
        label = counts.worst(said)
        was, now = difference(counts.before[label], counts.rows), difference(counts.after[label], counts.rows)
        asked = (1 - self.parity.strength) * was if self.parity.notion == "demographic" else None
        each, (far, near) = counts.groups(label, self.groups.texts), self.transport.gaps
        return [
            {"what": f"difference between groups in {said[label]}", "before": was, "asked": asked, "achieved": now, "groups": each},
            {"what": "distance of groups in the score that models learn", "before": far, "achieved": near, "notes": list(self.notes)},
            {"what": f"cells of {name} changed", "achieved": counts.changed, "of": counts.cells},
        ]


def coupled(old: np.ndarray, before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Codes [n] that follow `after` [n, labels] where `old` followed `before`, changed as seldom as can be (maximal coupling)."""
    rows = np.arange(len(old))
    keep = rng.random(len(old)) * before[rows, old] < after[rows, old]
    more = np.maximum(after - before, 0).cumsum(1)
    drawn = (rng.random(len(old))[:, None] * more[:, -1:] >= more).sum(1).clip(0, before.shape[1] - 1)
    return np.where(keep, old, drawn)


def _mixed(repair: Repair, before: np.ndarray, base: np.ndarray, moved: np.ndarray) -> np.ndarray:
    after = repair.outcome.bound(base + repair.factor * (moved - base))
    return before + repair.parity.strength * (after - before)


# ---------------------------------------------------------------------------------------------------------- learning


def _learned(pilot: pa.Table, parity: Parity, schema: Schema, rng: np.random.Generator) -> Repair:
    columns = {c.name: c for c in schema.table if c.kind in LABELS | ORDERED}
    outcome = Outcome.of(pilot, columns[parity.target])
    groups = Groups.of(pilot, tuple(columns[name] for name in parity.groups))
    if len(groups.texts) < 2:
        what = f"fewer than two groups of {FEWEST} rows among the {pilot.num_rows:,} drawn to learn parity from"
        raise DataError(what, where=", ".join(parity.groups), fix="draw more rows, name fewer groups, or check that groups differ at all")
    old, group = outcome.read(pilot), groups(pilot)
    rows = ~np.isnan(old) & (group >= 0)
    pilot, old, group = pilot.filter(pa.array(rows)), old[rows], group[rows]
    every = Matrix.of(pilot, tuple(c for c in columns.values() if c.name != parity.target))
    seen = every.only(tuple(c.name for c in every.columns if c.name not in parity.groups))
    x, z = every(pilot), seen(pilot)
    before, full = crossed(x, old, every.labels, classes=outcome.classes, rng=rng)
    base, blind, who = before, full, None
    chances = np.eye(len(groups.texts))[group]
    if not parity.seen:
        base, blind = crossed(z, old, seen.labels, classes=outcome.classes, rng=rng)
        chances, who = crossed(z, group, seen.labels, classes=len(groups.texts), rng=rng)
    names = legitimate(parity, schema)
    strata = Strata.of(pilot, every.only(names), before, group) if names else None
    stratum = strata(pilot) if strata is not None else np.zeros(len(old), np.int64)
    share = outcome.shares if parity.notion == "selection" else None
    transport = Transport.learn(base, chances, group=group, stratum=stratum, finish=outcome.bound, share=share)
    moved, factor = transport(base, chances, stratum), 1.0
    if parity.notion == "selection":
        tries = [coupled(old.astype(np.int64), before, outcome.bound(base + f * (moved - base)), rng) for f in TRIED]
        factor = _factor(x if parity.seen else z, every.labels if parity.seen else seen.labels, tries, group=group, shares=outcome.shares)
    said = _notes(parity, names, groups, transport)
    if outcome.classes and (before.max(1) > CERTAIN).mean() > MOSTLY:
        said = (f"Other columns tell {parity.target} almost without doubt, and no longer agree with it: leave out what repeats it.", *said)
    made = Repair(parity, outcome, groups, strata, (every, seen), (full, blind, who), transport, factor, None, said)
    if outcome.classes:
        return made
    after = _mixed(made, before, base, moved)
    return replace(made, rest=Rest.of(old, before[:, 0], after[:, 0], group, parity.strength))


def _factor(x: np.ndarray, labels: np.ndarray, tries: list[np.ndarray], *, group: np.ndarray, shares: np.ndarray) -> float:
    """The factor at which a model that learned from most rows selects alike of the others, on the line through what it does in two trials.

    The difference is that of the two groups, in the label, where the first trial has the greatest.
    """
    found = [sum(_selected(x, labels, truth, group=group, shares=shares, left=left) for left in range(2)) for truth in tries]
    label = int(np.ptp(found[0], axis=1).argmax())
    high, low = int(found[0][label].argmax()), int(found[0][label].argmin())
    first, second = (float(rates[label, high] - rates[label, low]) for rates in found)
    if second >= first:
        return TRIED[0]
    return float(np.clip(TRIED[0] + (TRIED[1] - TRIED[0]) * first / (first - second), *FACTORS))


def _selected(x: np.ndarray, labels: np.ndarray, truth: np.ndarray, *, group: np.ndarray, shares: np.ndarray, left: int) -> np.ndarray:
    """Share selected by label and group, float64 [labels, groups], of a quarter of the rows by a model of the rest."""
    test = np.arange(len(x)) % 4 == left
    model = boost.classifier(x[~test], truth[~test], labels, seed=0)
    chance, rows = model.predict_proba(x[test]), np.bincount(group[test], minlength=int(group.max()) + 1)
    rates = np.zeros((len(shares), len(rows)))
    for at, label in enumerate(model.classes_):
        picked = chance[:, at] > np.quantile(chance[:, at], 1 - shares[label])
        rates[label] = np.bincount(group[test], picked, minlength=len(rows)) / np.maximum(rows, 1)
    return rates


def _notes(parity: Parity, names: tuple[str, ...], groups: Groups, transport: Transport) -> tuple[str, ...]:
    """What must be said of the table."""
    who, y = ", ".join(parity.groups), parity.target
    sense = {
        "demographic": f"groups by {who} were to be alike in {y} and in what models predict of it, at every threshold",
        "selection": f"models that select as many rows as have {y} were to select alike in groups by {who}; rates in the table may differ",
    }[parity.notion]
    out = [f"This table is deliberately not faithful: {y} was drawn anew, since {sense}. All other columns are as the model drew them."]
    if names:
        out.append("Differences by way of these columns count as legitimate and stay: " + ", ".join(names) + ".")
    if parity.strength < 1:
        out.append(f"The repair goes {parity.strength:.0%} of the way.")
    if parity.seen:
        out.append(f"It is meant for models that see {who}; others find part of it in the other columns, and keep part of the difference.")
    if groups.small:
        out.append(
            f"Too small to be repaired (fewer than {FEWEST} rows drawn to learn from), left as they were: " + "; ".join(groups.small) + "."
        )
    if transport.idle > TOLD:
        out.append(f"{transport.idle:.0%} of the rows are of a group with too few like them in the legitimate columns, and were not moved.")
    if transport.gaps[1] > 2 * NEAR:
        out.append(f"Groups still differ in the score: by {transport.gaps[1]:.3f}, before by {transport.gaps[0]:.3f}.")
    out.append("A model of a fair table is not by itself a fair model: test it on real rows.")
    return tuple(out)
