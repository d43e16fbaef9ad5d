"""The report on linked tables: single tables, links, parents with their children and whole subjects, in one report like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.compare import steps, views
from lookalike.compare.boost import one_thread
from lookalike.compare.database import Database, databases, owners
from lookalike.errors import DataError
from lookalike.report import describe, integrity, items, limits, split, windowed
from lookalike.report.attacked import FEWEST
from lookalike.report.describe import listed
from lookalike.report.fresh import WHY
from lookalike.report.linked_words import limited, verdict
from lookalike.report.map import plane
from lookalike.report.masked import masked
from lookalike.report.plan import Plan
from lookalike.report.verdict import tone
from lookalike.report.views import Measured, View, measured, ordered_views, staged, table_views
from lookalike.report.work import Steps
from lookalike.schema import Schema, Table
from lookalike.score import Score

Tables = dict[str, dict[str, pa.Table]]
MOST_ROWS = 1_000_000
"""Rows of a table beyond which only some of the subjects are looked at."""
SHOWN = 8
"""Pairs and columns named of each view."""
NOW_TESTED = ("Subjects with several rows", "Order in time")


def compare(sources: Mapping[str, Any], plan: Plan, facts: dict[str, Any], steps_: Steps) -> tuple[list[Score], dict[str, Any]]:
    """The scores of the synthetic database and the report's data; `sources` by role: real, synthetic, perhaps holdout, `other: name` …

    Raises:
        DataError: a table, or a column of a key or link, is missing in one of the databases; or a table has no rows.
    """
    schema, notes = _common(sources, plan.notes)
    tables: Tables = {role: {t.name: source.table(t.name) for t in schema.tables} for role, source in sources.items()}
    some, said = _looked_at(sources, tables, plan.seed)
    notes += said
    bases, path = _coded(some, schema)
    fresh, same = _fresh(tables, schema)
    facts = facts | {"notes": [*facts["notes"], *notes, *_fewness(bases, fresh, schema)]}
    facts |= {"compared": _compared(bases["real"], schema)}
    mains = {role: base for role, base in bases.items() if role in ("real", "synthetic", "holdout")}
    found, data = _judged(mains, tables, plan, facts, {"schema": schema, "fresh": fresh, "same": same, "path": path}, steps_)
    data["others"] = []
    for name in plan.others:
        own = {**mains, "synthetic": bases[f"other: {name}"]}
        part = {role: tables[role] for role in mains} | {"synthetic": tables[f"other: {name}"]}
        _, other = _judged(own, part, plan, facts, {"schema": schema, "fresh": fresh, "same": same, "path": path}, steps_)
        data["others"].append({"name": name} | {k: other[k] for k in ("rows", "verdict", "scores", "attacks")})
    return found, data


def _judged(
    bases: Mapping[str, Database], tables: Tables, plan: Plan, facts: dict[str, Any], about: Mapping[str, Any], tell: Steps
) -> tuple[list[Score], dict[str, Any]]:
    """One synthetic database beside the real one: scores, and everything as values that become JSON."""
    schema: Schema = about["schema"]
    given = "holdout" in bases
    found = list(table_views(bases, about["fresh"], about["same"]))
    ranked = {t.name: sequences(bases, t, about["fresh"], about["path"].get(t.name, ())) for t in schema.tables if t.order is not None}
    ordered = [v for name, of in ranked.items() for v in ordered_views(of, name)]
    top = schema.subject_table.name
    whole = View("subject", top, {role: _whole(base, top) for role, base in bases.items()}, top)
    stage = staged(whole, plan.seed)
    every = [*found, *ordered, *([whole] if stage is not None and stage.given else [])]
    asked = (*items.LINKED, *items.ORDERED, *items.SUBJECT)
    tell.total += len([1 for v in every for i in asked if i.kind == v.kind])
    raided = stage if stage is not None and stage.given else None
    out, raids = measured(every, asked, seed=plan.seed, effort=plan.effort, subject=raided, on_view=tell)
    with one_thread():
        windowed.measured(ranked, out, plan.seed, plan.effort)
    checked = integrity.checked(tables, schema)
    scores = [integrity.score(checked), *out.scores]
    told = next((s for s in out.by_view.get(("parent", top), []) if s.name == "c2st_agg"), None)
    parting = split.split(stage, told) if stage is not None and (stage.given or not given) else _unsplit(top)
    rows = {role: sum(f.rows for f in bases[role].frames.values()) if role in bases else None for role in ("real", "synthetic", "holdout")}
    facts = facts | {"split": parting, "rows": rows}
    words = verdict(out, raids, checked, parting, given=given, subject=top, subjects=bases["real"].frames[top].rows)
    data = facts | {
        "verdict": words,
        "limits": limited(out, facts, given=given, subject=top),
        "scores": scores,
        "attacks": raids,
        "columns": _cards(found, plan.seed),
        "map": plane(stage) if stage is not None else None,
        "untested": limits.untested(scores, raids, *(NOW_TESTED if ordered else NOW_TESTED[:1])),
        "definitions": [integrity.DEFINITION, *_defined(asked, out)],
        "linked": _linked(bases, tables, checked, out, about),
        "gates": [],
    }
    return scores, data


def _common(sources: Mapping[str, Any], told: Sequence[str]) -> tuple[Schema, list[str]]:
    """The schema of what all databases have, and what to say of the rest that is not `told` already.

    Raises:
        DataError: a table or a column of a key or link is missing.
    """
    whole: Schema = sources["real"].schema
    notes, gone = [], {t.name: set[str]() for t in whole.tables}
    for role, source in sources.items():
        there = {t.name for t in source.schema.tables}
        lost = [t.name for t in whole.tables if t.name not in there]
        if lost:
            known = ", ".join(repr(t.name) for t in source.schema.tables)
            what = f"the {role} database lacks {listed(lost)} (it has {known})"
            raise DataError(what, where="report", fix="compare a database with its own synthetic version: all tables, under the same names")
        notes += [f"The {role} table {n!r} stands in no real database: not compared." for n in sorted(there - set(gone))]
        for table in whole.tables:
            notes += _narrower(role, table, source.table(table.name), gone[table.name], told)
    kept = tuple(t.model_copy(update={"columns": tuple(c for c in t.columns if c.name not in gone[t.name])}) for t in whole.tables)
    return whole.model_copy(update={"tables": kept}), notes


def _looked_at(sources: Mapping[str, Any], tables: Tables, seed: int) -> tuple[Tables, list[str]]:
    """The tables, or those of some subjects drawn at random where there are more rows than can be looked at: of all databases the same
    share, so that what does not hang on the subject has as many children in each."""
    most = max(t.num_rows for of in tables.values() for t in of.values())
    if most <= MOST_ROWS:
        return tables, []
    share, out = MOST_ROWS / most, {}
    for role, source in sources.items():
        rng = np.random.default_rng([seed, 1, *role.encode()])
        count = max(1, round(share * source.rows))
        part = source.take(np.sort(rng.choice(source.rows, count, replace=False)))
        out[role] = {name: part.table(name) for name in tables[role]}
    return out, [
        f"With up to {most:,} rows of a table, {100 * share:.2g} % of the subjects, drawn at random, were looked at; keys and links all."
    ]


def _narrower(role: str, table: Table, there: pa.Table, gone: set[str], told: Sequence[str]) -> list[str]:
    """Add the columns that are missing to `gone`, and say so where `told` does not; what keys, links and orders need must be there."""
    if not there.num_rows and role in ("real", "synthetic"):
        raise DataError(f"the {role} table {table.name!r} has no rows", where="report", fix="give tables with rows")
    needed = {*table.key, *(c for link in table.links for c in link.columns), *((table.order,) if table.order else ())}
    lost = [n for n in table.names if n not in there.column_names]
    bound = [n for n in lost if n in needed]
    if bound:
        what = f"the {role} table lacks {listed(bound)}, which its key, links or order are made of"
        raise DataError(what, where=table.name, fix="compare a database with its own synthetic version, keys and links included")
    more = [n for n in there.column_names if n not in table.names]
    gone |= set(lost)
    lost = [n for n in lost if not any(f" {table.name!r} {n!r} is not of the kind" in note for note in told)]
    notes = [f"The {role} table {table.name!r} lacks {listed(lost)}: not compared."] if lost else []
    return notes + ([f"The {role} table {table.name!r} has {listed(more)}, which the real one has not: not compared."] if more else [])


def _coded(tables: Tables, schema: Schema) -> tuple[dict[str, Database], dict[str, tuple[int, ...]]]:
    """All databases coded alike, rows with their owners and rare levels without their names; and whose the rows of each table are."""
    bases = databases(tables, schema)
    path = owners(bases["real"])
    bases = {role: base.owned(path) for role, base in bases.items()}
    for table in schema.tables:
        hidden = masked({role: base.frames[table.name] for role, base in bases.items()})
        for role, frame in hidden.items():
            bases[role].frames[table.name] = frame  # type: ignore[index]
    return bases, path


def _fresh(tables: Tables, schema: Schema) -> tuple[set[str], set[str]]:
    """Tables whose held-out rows are others than the training rows; and those that are given out as they are."""
    same = {t.name for t in schema.tables if t.public}
    if "holdout" not in tables:
        return set(), same
    return {t.name for t in schema.tables if not tables["holdout"][t.name].equals(tables["real"][t.name])}, same


def _fewness(bases: Mapping[str, Database], fresh: set[str], schema: Schema) -> list[str]:
    """What to say where a holdout is missing, small or shares tables with the training rows."""
    top = schema.subject_table.name
    rows = bases["real"].frames[top].rows
    if "holdout" not in bases:
        return [
            f"No holdout was given. Ceilings come from two halves of the real rows (whole rows of {top!r} and what hangs on them), and "
            "memorisation cannot be judged."
        ]
    out, held = [], bases["holdout"].frames[top].rows
    if held < 3 * FEWEST:
        out.append(f"There are {rows:,} + {held:,} rows of {top!r}, the subjects: too few to say anything of memory of whole subjects.")
    whole = [t.name for t in schema.tables if t.name not in fresh and t.name != top and not t.public]
    if whole:
        out.append(f"{listed(whole)} do not hang on {top!r} and stand in both parts: ceilings there are of two halves of the real rows.")
    return out


def _compared(base: Database, schema: Schema) -> dict[str, Any]:
    kept = [f"{n}.{c}" for n, f in base.frames.items() for c in f.names if c in schema[n].names]
    left = [
        {"name": f"{t.name}.{c.name}", "why": WHY.get(c.kind, "not compared")}
        for t in schema.tables
        for c in t.columns
        if c.name not in base.frames[t.name].names
    ]
    return {"columns": kept, "left_out": left}


def _whole(base: Database, top: str) -> Any:
    """Each subject with what its rows are together, a row each."""
    return views.unowned(views.gathered(base, top))


def sequences(bases: Mapping[str, Database], table: Table, fresh: set[str], path: tuple[int, ...]) -> dict[str, steps.Sequences]:
    """The rows of an ordered table by whose they are: the parent of the link that `path`, the way to its owners, begins with, else of
    its first; without links, of nobody."""
    link = path[0] if path else 0
    out = {}
    for role, base in bases.items():
        if role == "holdout" and table.name not in fresh:
            continue
        frame = base.frames[table.name]
        owner = base.up[table.name, link] if table.links else np.zeros(frame.rows, np.int64)
        out[role] = steps.sequences(views.unowned(frame), owner, base.orders[table.name], group=frame.owner)
    return out


def _unsplit(top: str) -> dict[str, Any]:
    text = f"Too few rows of {top!r} to say whether holdout and training rows are alike."
    return {"tone": "open", "text": text, "c2st": None, "overlap": None, "doubts": []}


def _cards(found: list[View], seed: int) -> list[dict[str, Any]]:
    """A card for each column of each table that was judged alone."""
    out = []
    for view in found:
        if view.kind != "table" or (stage := staged(view, seed)) is None:
            continue
        out += [card | {"name": f"{view.title}.{card['name']}"} for card in describe.columns(stage)]
    return out


def _defined(asked: tuple[items.Item, ...], out: Measured) -> list[dict[str, Any]]:
    shown = {s.metric for s in out.scores}
    return [*{i.called: i.entry() for i in asked if i.called in shown}.values(), *windowed.definitions(shown)]


def _linked(
    bases: Mapping[str, Database], tables: Tables, checked: Mapping[str, Any], out: Measured, about: Mapping[str, Any]
) -> dict[str, Any]:
    """What there is to say of each table, link and pair of tables."""
    schema: Schema = about["schema"]
    sizes = {t.name: {role: of[t.name].num_rows for role, of in tables.items() if role in bases} for t in schema.tables}
    by_table = [
        {
            "name": t.name,
            "rows": sizes[t.name],
            "columns": len(t.columns),
            "same": t.name in about["same"],
            "fresh": t.name in about["fresh"],
            "ordered": t.order,
            "scores": _brief(out, ("table", "counts", "parent", "steps", "gaps", "lengths", "features", windowed.KIND), t.name),
        }
        for t in schema.tables
    ]
    links = []
    for way, entry in zip(views.ways(schema, 1), checked["links"], strict=True):
        counted = _children(bases, way.base, entry)
        links.append({**entry, "title": way.text(schema), "scores": _brief(out, ("link",), way.text(schema)), "children": counted})
    hops = [{"title": title, "scores": _brief(out, ("hop",), title)} for kind, title in out.by_view if kind == "hop"]
    return {
        "subject": schema.subject_table.name,
        "tables": by_table,
        "keys": checked["keys"],
        "links": links,
        "hops": hops,
        "skipped": out.skipped,
        "picture": picture(schema, sizes),
    }


def picture(schema: Schema, sizes: Mapping[str, Mapping[str, int]]) -> str | None:
    """The tables and their links, drawn: an SVG."""
    from lookalike.data import draw

    return draw.svg(schema, rows={name: of["real"] for name, of in sizes.items()})


def _brief(out: Measured, kinds: tuple[str, ...], place: str) -> list[dict[str, Any]]:
    """A view's scores without what would make the report large, and what differs most."""
    return [
        {
            "name": s.name, "title": s.title, "unit": s.unit, "better": s.better, "value": s.value, "low": s.low, "high": s.high,
            "ceiling": s.ceiling, "tone": tone(s), "floor": s.floor, "skill": s.skill, "note": s.note, "worst": _worst(s),
        }
        for kind in kinds
        for s in out.by_view.get((kind, place), [])
    ]  # fmt: skip


def _worst(score: Score) -> list[dict[str, Any]]:
    """The pairs or columns that differ most: `name`, and a figure of `real` and `synthetic` rows or the `loss`."""
    mine = score.detail.get("synthetic", {})
    if "pairs" in mine and score.name.endswith("dependence"):
        pairs = mine["pairs"][:SHOWN]
        return [{"name": f"{p['a']} × {p['b']}", "real": p["information"][0], "synthetic": p["information"][1]} for p in pairs]
    if "reasons" in mine:
        return [{"name": r["name"], "loss": r["loss"]} for r in mine["reasons"][:SHOWN] if r["loss"] > 0.003]
    return []


def _children(bases: Mapping[str, Database], child: str, link: Mapping[str, Any]) -> dict[str, Any]:
    """How many parents have how many children by a link: labels and percent of the parents, bars of fewer than 5 real ones None."""
    rows = {role: base.frames[link["to"]].rows for role, base in bases.items() if role != "holdout"}
    counts = {}
    for role, base in bases.items():
        if role != "holdout":
            up = base.up[child, link["number"]]
            counts[role] = np.bincount(up[up >= 0], minlength=rows[role])
    edges = _edges(counts["real"])
    bars = {role: np.histogram(c, bins=[*edges, np.inf])[0] for role, c in counts.items()}
    labels = [str(a) if b == a + 1 else f"{a}–{b - 1}" for a, b in pairwise(edges)] + [f"{edges[-1]} and more"]
    out: dict[str, Any] = {"labels": labels, "mean": {role: float(c.mean()) if len(c) else 0.0 for role, c in counts.items()}}
    for role, bar in bars.items():
        shares = [float(f"{100 * n / max(1, rows[role]):.3g}") for n in bar.tolist()]
        out[role] = [None if role == "real" and 0 < n < describe.LEAST else s for n, s in zip(bar.tolist(), shares, strict=True)]
    return out


def _edges(counts: np.ndarray) -> list[int]:
    """Where the bars begin: 0, then each number by itself, or, where there are many, steps that grow."""
    least, most = (int(q) for q in np.quantile(counts, [0.02, 0.98])) if len(counts) else (0, 1)
    if most <= 10:
        return list(range(max(most, 1) + 1))
    return [0, *np.unique(np.rint(np.geomspace(max(least, 1), most, 9)).astype(int)).tolist()]
