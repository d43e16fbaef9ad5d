"""The views that a report makes of linked tables and sequences, and what the metrics say of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import numpy as np

from lookalike import metrics
from lookalike.compare import steps, views
from lookalike.compare.boost import one_thread
from lookalike.compare.database import Database
from lookalike.compare.frame import Frame
from lookalike.report import measure
from lookalike.report.attacked import attacked
from lookalike.report.items import Item
from lookalike.report.measure import Effort, Stage
from lookalike.report.merged import merged
from lookalike.report.work import MOST, undisturbed
from lookalike.score import Score

FEWEST = 20
"""Rows that every table of a view must have: fewer say nothing."""
WHAT = {"subject": "subjects", "features": "subjects", "lengths": "subjects"}
"""What a row of a view is, where it is no row of a table."""
MOST_WAYS = 80
"""Pairs of tables two links apart that are looked at."""
Frames = dict[str, Frame]


@dataclass(frozen=True)
class View:
    """A flat table made of each role's tables. `kind` says which items are measured on it, `title` what a reader calls it.

    `frames` by role: without a holdout where the rows of the view are no fresh ones there. `place`: the table or link it belongs to.
    """

    kind: str
    title: str
    frames: Frames
    place: str = ""
    across: Mapping[str, str] | None = None

    def weight(self, metric: str) -> float:
        """What the view counts for in the mean over all views: its columns, its pairs of columns, or one."""
        names = self.frames["real"].names
        if metric == "c2st":
            return 1.0
        if metric != "trend":
            return float(len(names))
        if self.across is None:
            return len(names) * (len(names) - 1) / 2
        sides = [self.across[n] for n in names]
        return float(sides.count(sides[0]) * (len(sides) - sides.count(sides[0]))) if sides else 0.0


@dataclass
class Measured:
    """The scores of all views: of each view by its kind and title, and their means."""

    scores: list[Score] = field(default_factory=list)
    by_view: dict[tuple[str, str], list[Score]] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)


def table_views(bases: Mapping[str, Database], fresh: set[str], public: set[str]) -> Iterator[View]:
    """Every table alone, every link, every pair of tables two links apart, and every parent with its children.

    `fresh`: tables whose held-out rows are not those the model learned from; `public`: those given out as they are.
    """
    schema = bases["real"].schema
    for table in schema.tables:
        if table.name not in public:
            yield View("table", table.name, _roles(bases, table.name, fresh, lambda b, n=table.name: b.frames[n]), table.name)
    for table in schema.tables:
        if views.children(schema, table.name):
            yield View("counts", table.name, _roles(bases, table.name, fresh, lambda b, n=table.name: views.counts(b, n)), table.name)
            yield View("parent", table.name, _roles(bases, table.name, fresh, lambda b, n=table.name: views.gathered(b, n)), table.name)
    for kind, ways in (("link", list(views.ways(schema, 1))), ("hop", list(views.ways(schema, 2))[:MOST_WAYS])):
        for way in ways:
            made = {role: views.pair(base, way) for role, base in bases.items()}
            frames = {role: frame for role, (frame, _) in made.items() if role != "holdout" or way.base in fresh}
            title = way.text(schema)
            yield View(kind, title, frames, title, made["real"][1])


def _roles(bases: Mapping[str, Database], table: str, fresh: set[str], make: Callable[[Database], Frame]) -> Frames:
    return {role: make(base) for role, base in bases.items() if role != "holdout" or table in fresh}


def ordered_views(of: Mapping[str, steps.Sequences], title: str) -> Iterator[View]:
    """What ordered rows are made into: steps, intervals, lengths, features of each owner."""
    known = steps.commonest(of["real"].frame)
    stepped = {role: steps.steps(s) for role, s in of.items()}
    yield View("steps", title, {role: frame for role, (frame, _) in stepped.items()}, title, stepped["real"][1])
    yield View("gaps", title, {role: steps.gaps(s) for role, s in of.items()}, title)
    yield View("lengths", title, {role: steps.lengths(s) for role, s in of.items()}, title)
    yield View("features", title, {role: steps.features(s, known) for role, s in of.items()}, title)


def staged(view: View, seed: int) -> Stage | None:
    """The view's tables with their controls; None where they are too small to say anything."""
    frames = view.frames
    if not frames["real"].names or min(f.rows for role, f in frames.items() if role != "holdout") < FEWEST:
        return None
    why = measure.Stage.why
    if "holdout" in frames and frames["holdout"].rows < FEWEST:
        what = WHAT.get(view.kind, "rows of this kind")
        why = f"the holdout has {frames['holdout'].rows:,} {what}, and {FEWEST} are needed"
        frames = {role: f for role, f in frames.items() if role != "holdout"}
    rng = np.random.default_rng([seed, *view.kind.encode(), *view.title.encode()])
    return replace(measure.stage(frames, target=None, rng=rng), across=view.across, why=why)


def measured(
    found: Sequence[View], items: Sequence[Item], *, seed: int, effort: Effort, subject: Stage | None, on_view: Callable[[str], None]
) -> tuple[Measured, list[dict[str, Any]]]:
    """All items on all views, and the attacks on whole subjects, side by side on the cores there are.

    The subject's stage is a view like the others, by the name of its kind. `on_view` is told of each view before it is waited for.
    """
    out, stopped = Measured(), Event()

    def look(*_: object) -> None:
        if stopped.is_set():
            raise CancelledError

    stages = [(v, staged(v, seed)) for v in found]
    for view, stage in stages:
        if stage is None:
            out.skipped.setdefault(view.kind, []).append(view.title)
    chosen = [i for i in items if i.quick or effort == "standard"]
    with one_thread(), undisturbed():
        pool = ThreadPoolExecutor(min(MOST, os.cpu_count() or 1))
        try:
            raids = pool.submit(attacked, subject, seed=seed, effort=effort, on_step=look) if subject is not None else None
            tasks = [
                (item, view, pool.submit(measure.trial, item.metric, _for(item, stage), seed=seed, before=look))
                for view, stage in stages
                if stage is not None
                for item in chosen
                if item.kind == view.kind
            ]
            results = []
            for item, view, task in tasks:
                on_view(f"{metrics.load(item.metric).ABOUT.title.lower()}: {view.title}")
                results.append((item, view, named(task.result(), item)))
            _merge(results, chosen, out)
            return out, raids.result() if raids is not None else []
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


def _for(item: Item, stage: Stage) -> Stage:
    """The stage of an item: the classifier is dear, and the floor says enough of how bad bad is."""
    return replace(stage, uniform=None) if item.metric == "c2st" else stage


def named(found: Sequence[Score], item: Item) -> list[Score]:
    """The scores that an item keeps, by the names it gives them."""
    return [replace(s, name=item.names[s.name][0], title=item.names[s.name][1], metric=item.called) for s in found if s.name in item.names]


def _merge(results: Sequence[tuple[Item, View, list[Score]]], items: Sequence[Item], out: Measured) -> None:
    """Write each view's scores, and the means of all views."""
    for item in items:
        mine = [(view, [_placed(s, view.title) for s in scores]) for i, view, scores in results if i is item]
        for view, scores in mine:
            out.by_view.setdefault((view.kind, view.place), []).extend(scores)
        for name, _ in item.names.values():
            found = [(view.weight(item.metric), s) for view, scores in mine for s in scores if s.name == name]
            if found:
                mean = merged(found, metrics.load(item.metric).ABOUT)
                out.scores.append(replace(mean, detail=_detail(name, mine)))


def _placed(score: Score, title: str) -> Score:
    """The score, in which what differs is named with its table."""
    return replace(score, flagged=tuple(f | {"name": f"{title}.{f['name']}"} for f in score.flagged))


def _detail(name: str, mine: Sequence[tuple[View, list[Score]]]) -> dict[str, Any]:
    """What stands behind a mean: each view's figures, and of shapes each column's."""
    shown = [(view, s) for view, scores in mine for s in scores if s.name == name and s.value is not None]
    views_ = [{"name": view.title, "value": s.value, "ceiling": s.ceiling, "floor": s.floor} for view, s in shown]
    out: dict[str, Any] = {"synthetic": {"views": views_}}
    if name in ("shape", "wasserstein", "jensen_shannon"):
        for role in ("synthetic", "ceiling"):
            columns = {f"{v.title}.{c}": e for v, s in shown for c, e in s.detail.get(role, {}).get("columns", {}).items()}
            out[role] = out.get(role, {}) | {"columns": columns}
    if name.startswith("c2st"):
        of = "{} with children: {}" if name == "c2st_agg" else "{}: {}"
        reasons = [{"name": of.format(v.title, r["name"]), "loss": r["loss"]} for v, s in shown for r in s.detail["synthetic"]["reasons"]]
        out["synthetic"]["reasons"] = sorted(reasons, key=lambda r: -r["loss"])[:30]
    return out
