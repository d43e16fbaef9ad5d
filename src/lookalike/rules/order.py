"""Rules that no row can obey, told before a row is looked at: bounds that form an impossible circle, lists that have nothing in common.

Comparisons of at most two columns are differences x - y <= c. They can all be true if and only if the graph with an edge of weight c for
each has no circle of negative weight (Bellman 1958; Ford). What a schema declares are edges as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lookalike.rules import nodes
from lookalike.rules.nodes import Condition
from lookalike.schema import Table

_ZERO = ""
"""The node that constants are measured from."""
_TINY = 1e-9


@dataclass(frozen=True)
class _Edge:
    """`after - before <= most`, or less than that (`strict`); `said` by which rule, or fact."""

    before: str
    after: str
    most: float
    strict: bool
    said: str


def contradictions(rules: Sequence[tuple[str, Condition]], table: Table) -> list[str]:
    """What contradicts what, in words."""
    parts = [(text, part) for text, condition in rules for part in nodes.parts(condition)]
    return [*_circles(parts, table), *_lists(parts, table), *_empty(parts, table)]


def _edges(text: str, part: nodes.Compare) -> list[_Edge]:
    """The differences that a comparison bounds."""
    a, b = nodes.linear(part.left), nodes.linear(part.right)
    if a is None or b is None or part.sign == "!=":
        return []
    factors = dict(a[0])
    for column, factor in b[0].items():
        factors[column] = factors.get(column, 0.0) - factor
    factors = {c: f for c, f in factors.items() if f}
    if not factors:
        gap, strict = a[1] - b[1], part.sign in ("<", ">")  # x < x, x = x + 1
        below = [gap] if part.sign in ("<", "<=") else [-gap] if part.sign in (">", ">=") else [gap, -gap]
        return [_Edge(_ZERO, _ZERO, -g, strict, text) for g in below]
    if len(factors) > 2 or len({abs(f) for f in factors.values()}) > 1 or (len(factors) == 2 and sum(factors.values()) != 0):
        return []
    size = abs(next(iter(factors.values())))
    most = (b[1] - a[1]) / size
    plus = next((c for c, f in factors.items() if f > 0), _ZERO)
    minus = next((c for c, f in factors.items() if f < 0), _ZERO)
    strict = part.sign in ("<", ">")
    up, down = _Edge(minus, plus, most, strict, text), _Edge(plus, minus, -most, strict, text)
    return [up] if part.sign in ("<", "<=") else [down] if part.sign in (">", ">=") else [up, down]


def _declared(table: Table) -> Iterator[_Edge]:
    """Public bounds of numbers."""
    for c in table:
        if c.kind in ("integer", "number"):
            if isinstance(c.low, int | float):
                yield _Edge(c.name, _ZERO, -float(c.low), False, f"the declared bound {c.name} >= {c.low:g}")
            if isinstance(c.high, int | float):
                yield _Edge(_ZERO, c.name, float(c.high), False, f"the declared bound {c.name} <= {c.high:g}")


def _circles(parts: Sequence[tuple[str, Condition]], table: Table) -> list[str]:
    """A circle that cannot be, if there is one."""
    edges = [e for text, part in parts if isinstance(part, nodes.Compare) for e in _edges(text, part)]
    if not edges:
        return []
    edges += _declared(table)
    names = {n for e in edges for n in (e.before, e.after)}
    reach = dict.fromkeys(names, (0.0, 0))
    came: dict[str, _Edge] = {}
    moved = None
    for _ in range(len(names)):
        moved = None
        for e in edges:
            there = (reach[e.before][0] + e.most, reach[e.before][1] - e.strict)
            gain = reach[e.after][0] - there[0]
            tiny = _TINY * (1 + abs(there[0]))
            if gain > tiny or (abs(gain) <= tiny and there[1] < reach[e.after][1]):
                reach[e.after], came[e.after], moved = there, e, e.after
        if moved is None:
            return []
    for _ in range(len(names)):  # back into the circle
        moved = came[str(moved)].before if moved in came else moved
    found, at = [], moved
    while True:
        edge = came[str(at)]
        found.append(edge.said)
        at = edge.before
        if at == moved:
            break
    return [_told(list(dict.fromkeys(reversed(found))))]


def _lists(parts: Sequence[tuple[str, Condition]], table: Table) -> list[str]:
    """Columns whose lists of levels, or patterns, leave nothing."""
    left: dict[str, set[str]] = {c.name: set(c.levels) for c in table if c.levels is not None}
    said: dict[str, list[str]] = {name: [f"the declared levels of {name}"] for name in left}
    for text, part in parts:
        inner = part.part if isinstance(part, nodes.Not) else part
        if isinstance(inner, nodes.OneOf) and (part is inner or inner.column in left):
            levels = set(inner.levels)
            old = left.get(inner.column)
            left[inner.column] = levels if old is None else old & levels if part is inner else old - levels
        elif isinstance(inner, nodes.Matches) and part is inner and inner.column in left:
            there = list(left[inner.column])
            left[inner.column] = {v for v, fits in zip(there, nodes.fits(there, inner.pattern), strict=True) if fits}
        else:
            continue
        said.setdefault(inner.column, []).append(text)
        if not left[inner.column]:
            return [_told(list(dict.fromkeys(said[inner.column])))]
    return []


def _empty(parts: Sequence[tuple[str, Condition]], table: Table) -> list[str]:
    """Cells that must be missing, and must not."""
    known = {c.name: f"{c.name} is never missing, as the schema says" for c in table if not c.nullable}
    gone: dict[str, str] = {}
    for text, part in parts:
        if isinstance(part, nodes.Missing):
            (known if part.known else gone).setdefault(part.column, text)
    return [_told([gone[name], known[name]]) for name in gone if name in known]


def _told(said: list[str]) -> str:
    """The rules that contradict each other, by their texts."""
    if len(said) == 1:
        return f"no row can obey {said[0]!r}"
    return "no row can obey " + ", ".join(repr(s) for s in said[:-1]) + f" and {said[-1]!r} together"
