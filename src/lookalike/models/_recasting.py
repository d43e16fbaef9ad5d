"""Which rules can be made true by recasting the table, and in what order: what is derived goes first, what it is derived from later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lookalike.models._recast import Derived, Joint, Step, Steps, gap_column
from lookalike.rules import nodes
from lookalike.rules.cells import Cells
from lookalike.rules.language import decimals
from lookalike.rules.mending import column_of
from lookalike.rules.nodes import Condition, Expression
from lookalike.schema import Column, Schema, Table

if TYPE_CHECKING:
    from lookalike.rules import Rules

_LINE = frozenset({"integer", "number", "date", "datetime", "time", "duration"})
_FLIP = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
MANY, COARSE = 30, 2
"""A category of more levels than this has beside it those of its columns that have so many times fewer."""
LOST = 0.02
"""Share of the rows that two combinations with a column in common may lose more to rarity when they become one."""


def plan(rules: Rules, table: pa.Table, schema: Schema, subjects: np.ndarray | None, protect: int) -> list[Step]:
    """The steps, in the order in which they are taken; rules that none of them serves are met by rejection."""
    parts = [p for rule in rules.rules for p in nodes.parts(rule.condition)]
    fixed = {schema.column(schema.subject)[1].name} if schema.subject is not None else set()
    joints = _joints(parts, table, schema.table, subjects, protect, fixed)
    fixed |= {c.name for j in joints for c in j.columns}
    derived = _derived(parts, table, schema.table, fixed, people=subjects, protect=protect)
    targets = {d.column.name for d in derived}
    gaps = [s for d in derived if (s := _gap_steps(d, parts)) is not None]
    plain = [
        s for p in parts if isinstance(p, nodes.Step) and p.column not in fixed | targets and (s := _steps(p, schema.table)) is not None
    ]
    return [*derived, *gaps, *{s.column.name: s for s in plain}.values(), *joints]


def fresh(name: str, taken: Sequence[str] | set[str]) -> str:
    """A column's name that is not yet taken."""
    while name in taken:
        name += "′"
    return name


# ── what others give ────────────────────────────────────────────────────────────────────────────────────────────────


def _derived(
    parts: Sequence[Condition], table: pa.Table, told: Table, fixed: set[str], *, people: np.ndarray | None, protect: int
) -> list[Derived]:
    """Columns that are computed, those first from which no other is."""
    able = {c.name for c in told if c.kind in _LINE and c.name not in fixed}
    chosen: dict[str, tuple[str, list[Expression]]] = {}
    cells, taken, made = Cells(table), set(told.names), list[Derived]()
    compared = [p for p in parts if isinstance(p, nodes.Compare) and p.sign in _FLIP and p.columns]
    for part in sorted(compared, key=lambda p: p.sign != "="):  # what is equal first
        for name, sign, other in _options(part, cells, told):
            if name not in able or not other.columns:
                continue
            old = chosen.get(name)
            if old is not None and (old[0] != sign or sign == "equal"):
                continue
            trial = {**chosen, name: (sign, [*(old[1] if old else []), other])}
            if _order(trial) is not None:
                chosen = trial
                break
    order = _order(chosen) or []
    for name in order:
        sign, of = chosen[name]
        step = _measured(told[name], sign, tuple(of), cells, told, taken=taken, people=people, protect=protect)
        taken |= {c.name for c in step.made}
        made.append(step)
    return made


def _options(part: nodes.Compare, cells: Cells, told: Table) -> Iterator[tuple[str, str, Expression]]:
    """`(column, equal, above or below, expression)`: ways to compute a column, the best first.

    A total is computed from its parts, and the later of two moments from the earlier, whichever way the rule is written: what is learned is
    then what is small, and cannot come out beyond its range.
    """
    solved = _solved(part, cells, told) if part.sign == "=" else []
    yield from (option for plus, *option in solved if plus)  # type: ignore[misc]
    for side, other, sign in ((part.left, part.right, part.sign), (part.right, part.left, _FLIP[part.sign])):
        if sign in (">", ">=", "=") and isinstance(side, nodes.Name) and side.column not in other.columns:
            yield side.column, "equal" if sign == "=" else "above", other
    for side, other, sign in ((part.left, part.right, part.sign), (part.right, part.left, _FLIP[part.sign])):
        if sign in ("<", "<=") and isinstance(side, nodes.Name) and side.column not in other.columns:
            yield side.column, "below", other
    yield from (option for plus, *option in solved if not plus)  # type: ignore[misc]


def _solved(part: nodes.Compare, cells: Cells, told: Table) -> list[tuple[bool, str, str, Expression]]:
    """A linear equation, solved for each column of which it gives the very values; True where all others are added."""
    a, b = nodes.linear(part.left), nodes.linear(part.right)
    if a is None or b is None:
        return []
    factors, found = dict(a[0]), []
    for column, factor in b[0].items():
        factors[column] = factors.get(column, 0.0) - factor
    for name, factor in factors.items():
        if not factor:
            continue
        made: Expression | None = nodes.Literal((b[1] - a[1]) / factor) if a[1] != b[1] else None
        others = {c: -f / factor for c, f in factors.items() if c != name and f}
        for other, f in others.items():
            term: Expression = nodes.Name(other, "number")
            f = float(np.rint(f)) if abs(f - np.rint(f)) < 1e-9 * abs(f) else f
            term = term if f == 1 else nodes.Binary("*", nodes.Literal(f), term, "number")
            made = term if made is None else nodes.Binary("+", made, term, "number")
        if made is not None and others:
            given = Cells(pa.table({name: column_of(made.of(cells), told[name])})).numbers(name)
            own = cells.numbers(name)
            if bool((np.isnan(own) | np.isnan(given) | (np.abs(given - own) <= 1e-9 * np.abs(own))).all()):
                found.append((all(f > 0 for f in others.values()), name, "equal", made))
    return found


def _order(chosen: dict[str, tuple[str, list[Expression]]]) -> list[str] | None:
    """Columns, each before those that it is computed from; None if that is a circle."""
    graph = {name: {c for e in of for c in e.columns if c in chosen} for name, (_, of) in chosen.items()}
    try:
        return list(reversed(list(TopologicalSorter(graph).static_order())))
    except CycleError:
        return None


def _measured(
    column: Column,
    sign: str,
    of: tuple[Expression, ...],
    cells: Cells,
    told: Table,
    *,
    taken: set[str],
    people: np.ndarray | None,
    protect: int,
) -> Derived:
    """The step for a column, with what it needs besides by what is missing where."""
    y, base = cells.numbers(column.name), Derived(column, sign, of).base(cells)
    name, gap, alone, there = column.name, None, None, None
    low, high = (float(b) if isinstance(b, int | float) else None for b in (column.low, column.high))
    if sign != "equal":
        gap = gap_column(column, of, {c.name: c for c in told}, y - base, fresh(f"{name}: gap", taken))
    elif (np.isnan(y) & ~np.isnan(base)).any():
        there = Column(name=fresh(f"{name}: there", taken), kind="boolean")
    seen = _ends(y, people, protect)  # what is computed must not lead out of what was seen
    low, high = seen[0] if low is None else low, seen[1] if high is None else high
    if (~np.isnan(y) & np.isnan(base)).any():
        alone = column.model_copy(update={"name": fresh(f"{name}: alone", taken), "nullable": True, "unique": False})
    return Derived(column, sign, of, gap, alone, there, low, high)


def _ends(y: np.ndarray, people: np.ndarray | None, protect: int) -> tuple[float | None, float | None]:
    """Where a column's values begin and end: the mean of the extremes of `protect` subjects, which is nobody's; None if unknown."""
    rows = np.flatnonzero(~np.isnan(y))
    if people is None:
        least = most = y[rows]
    else:
        who = np.unique(people[rows], return_inverse=True)[1]
        least, most = np.full(who.max(initial=-1) + 1, np.inf), np.full(who.max(initial=-1) + 1, -np.inf)
        np.minimum.at(least, who, y[rows])
        np.maximum.at(most, who, y[rows])
    if len(least) < 2 * protect:
        return None, None
    return float(np.sort(least)[:protect].mean()), float(np.sort(most)[-protect:].mean())


# ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _steps(part: nodes.Step, told: Table) -> Steps | None:
    """A number as a number of steps, if these are longer than its last digit."""
    column = told[part.column]
    digits = decimals(column)
    if digits is not None and part.size <= 10.0**-digits * (1 + 1e-9):
        return None
    return Steps(column, part.size, part.offset, Column(name=column.name, kind="integer", nullable=column.nullable))


def _gap_steps(derived: Derived, parts: Sequence[Condition]) -> Steps | None:
    """A gap between two columns that go in the same steps goes in these steps, too."""
    sizes = {p.column: p for p in parts if isinstance(p, nodes.Step)}
    base = derived.of[0]
    own, other = sizes.get(derived.column.name), sizes.get(base.column) if isinstance(base, nodes.Name) else None
    if derived.gap is None or len(derived.of) != 1 or own is None or other is None or own.size != other.size:
        return None
    offset = (own.offset - other.offset) * (1 if derived.sign == "above" else -1) % own.size
    return Steps(derived.gap, own.size, offset, Column(name=derived.gap.name, kind="integer"))


# ── columns that go together ────────────────────────────────────────────────────────────────────────────────────────


def _joints(
    parts: Sequence[Condition], table: pa.Table, told: Table, subjects: np.ndarray | None, protect: int, fixed: set[str]
) -> list[Joint]:
    """A category for each group of columns that combinations, or one-hot rules, hold together."""
    cells, groups = Cells(table), list[tuple[set[str], list[tuple[str | None, ...]], float]]()

    def seen(names: set[str]) -> tuple[set[str], list[tuple[str | None, ...]], float]:
        ordered = [n for n in told.names if n in names]
        kept = nodes.seen(ordered, cells, subjects, protect)
        met = nodes.Combination(tuple(ordered), tuple(kept)).exactly(cells) if kept else np.zeros(cells.rows, bool)
        return names, kept, float(1 - met.mean())

    for part in parts:
        if not isinstance(part, nodes.Combination | nodes.OneHot) or part.columns & fixed:
            continue
        new = seen(set(part.columns))
        touched = [g for g in groups if g[0] & new[0]]
        if touched:
            new = seen(new[0].union(*(g[0] for g in touched)))
            if new[2] > max(g[2] for g in touched) + LOST:  # too much would become rare: this rule is met by rejection
                continue
        if new[1]:
            groups = [*(g for g in groups if g not in touched), new]
    made, taken = [], set(told.names)
    for names, kept, _ in groups:
        columns = tuple(c for c in told if c.name in names)
        name = fresh(" & ".join(c.name for c in columns), taken)
        taken.add(name)
        made.append(_joint(columns, kept, Column(name=name, kind="category", nullable=False)))
    return made


def _joint(columns: tuple[Column, ...], kept: list[tuple[str | None, ...]], column: Column) -> Joint:
    """The category, in the order of its finest column if that has numbers, and the columns that stay beside it."""
    sizes = [len({row[k] for row in kept}) for k in range(len(columns))]
    finest = sizes.index(max(sizes))
    ordered = all(row[finest] is None or _is_number(row[finest]) for row in kept)
    if ordered:
        kept = sorted(kept, key=lambda row: float(row[finest] or "-inf"))
    coarse = [few <= len(kept) / COARSE and len(kept) > MANY for few in sizes]
    guides = tuple(c for c, few in zip(columns, coarse, strict=True) if few or c.kind in _LINE)
    return Joint(columns, tuple(kept), column, guides, ordered)


def _is_number(text: str | None) -> bool:
    try:
        return bool(np.isfinite(float(text or "")))
    except ValueError:
        return False
