"""What is to be fair, and what cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lookalike.compare.frame import LABELS, ORDERED
from lookalike.errors import CannotError, SettingError, UnknownName
from lookalike.schema import Column, Schema

Edges = tuple[tuple[str, str], ...]
Notion = Literal["demographic", "selection"]
NUMBERS = frozenset({"integer", "number"})
OUTCOMES = NUMBERS | {"category", "boolean"}
GROUPS = LABELS | ORDERED - {"text"}


class Parity(BaseModel):
    """What is to be fair: the outcome, the groups, and in which sense.

    Without `given`, `proxies` and `graph` nothing excuses a difference: the outcome shall not depend on the group by any path. `given`
    columns are legitimate: among rows that agree in them no group is favoured, what differs between groups by way of them stays.
    `proxies` are the only columns by which the group's influence is unfair, beside its direct one: all others are legitimate. A
    `graph` of (cause, effect) says which are proxies: whatever the group brings about, but for `given`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(description="the outcome: a label of at most 30 levels, or a number")
    group: str | tuple[str, ...] = Field(description="protected column; several: their intersections; a number is cut into quarters")
    given: tuple[str, ...] = Field((), description="legitimate columns")
    proxies: tuple[str, ...] = Field((), description="columns that stand for the group; all others are then legitimate")
    graph: Edges | None = Field(None, description="causes and effects, from which the proxies follow")
    notion: Notion = Field(
        "demographic",
        description="demographic: equal shares in the table and above every threshold of a model's score; selection: above the one that "
        "keeps the rate of the outcome, which costs less",
    )
    seen: bool = Field(False, description="models of the table will see the group; that costs less, but others find it by its proxies")
    strength: float = Field(1.0, ge=0, le=1, description="0: as drawn, 1: full parity, between: part of the way")

    @classmethod
    def of(cls, raw: Mapping[str, Any], *, where: str = "parity") -> Parity:
        """From the entry of a plan.

        Raises:
            SettingError: an entry is missing, or has a value that cannot be used.
            UnknownName: an entry is misspelt; names the near match.
        """
        for name in raw:
            if name not in cls.model_fields:
                raise UnknownName(str(name), cls.model_fields, what="entry", where=where)
        try:
            return cls.model_validate(dict(raw))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join([where, *(str(part) for part in first["loc"][:1])])
            said = cls.model_fields[str(first["loc"][0])].description or ""
            raise SettingError(first["msg"], where=place, fix=f"it is: {said}") from None

    @property
    def groups(self) -> tuple[str, ...]:
        """The protected columns."""
        return (self.group,) if isinstance(self.group, str) else self.group


def check(parity: Parity, schema: Schema) -> None:
    """Refuse what cannot be done, before any work.

    Raises:
        UnknownName: there is no such column; names the near match.
        SettingError: names contradict each other, or the graph has a cycle.
        CannotError: a column of this kind can be no outcome or group.
    """
    if not parity.groups:
        raise SettingError("names no column", where="parity.group", fix="name the protected column")
    named = {"target": (parity.target,), "group": parity.groups, "given": parity.given, "proxies": parity.proxies}
    kinds = {role: [schema.column(name)[1] for name in names] for role, names in named.items()}
    for cause, effect in parity.graph or ():
        schema.column(cause), schema.column(effect)
    for role, names in named.items():
        for name in names:
            other = next((r for r, those in named.items() if r != role and name in those), None)
            if other:
                fix = "the outcome cannot be a protected column" if {role, other} == {"target", "group"} else "leave it in one of them"
                raise SettingError(f"{name!r} is {role} and {other} at once", where="parity", fix=fix)
    _able(kinds["target"][0], OUTCOMES, "the outcome", "take a category, a boolean or a number")
    for column in kinds["group"]:
        _able(column, GROUPS - {"constant"}, "a protected column", "take a category, a number or a date")
        if column.levels is not None and len(column.levels) + column.nullable < 2:
            raise SettingError("has a single level, so there is nobody to be equal with", where=column.name, fix="name another group")
    for column in (*kinds["given"], *kinds["proxies"]):
        _able(column, LABELS | ORDERED, "a legitimate column or a proxy", "leave it out: it tells nothing")
    if kinds["target"][0].kind in NUMBERS and parity.notion == "selection":
        what = f"selection needs an outcome of labels, and {parity.target} is a number"
        raise SettingError(what, where="parity.notion", fix="take 'demographic', or declare the column a category")
    if parity.graph is not None:
        _check_graph(parity)


def _able(column: Column, kinds: frozenset[str], role: str, fix: str) -> None:
    if column.kind not in kinds:
        raise CannotError(f"a column of kind {column.kind} cannot be {role}", where=column.name, fix=fix)


def _check_graph(parity: Parity) -> None:
    if parity.proxies:
        raise SettingError("proxies are listed, and follow from the graph too", where="parity", fix="give one of proxies and graph")
    known = {name for edge in ordered(parity.graph or ()) for name in edge}
    for name in (*parity.groups, parity.target):
        if name not in known:
            raise SettingError(f"{name!r} is in no edge", where="parity.graph", fix="say what it causes, or what causes it")


def ordered(edges: Edges) -> Edges:
    """The edges, once it is sure that they have no cycle.

    Raises:
        SettingError: they have.
    """
    after = TopologicalSorter[str]()
    for cause, effect in edges:
        after.add(effect, cause)
    try:
        after.prepare()
    except CycleError as error:
        what = "the graph has a cycle: " + " → ".join(error.args[1])
        raise SettingError(what, where="graph", fix="remove one of its edges") from None
    return edges


def effects(edges: Edges, causes: tuple[str, ...]) -> frozenset[str]:
    """All that `causes` bring about, at any remove, themselves not counted."""
    found, ahead = set[str](), list(causes)
    while ahead:
        now = ahead.pop()
        fresh = {effect for cause, effect in edges if cause == now} - found
        found |= fresh
        ahead += fresh
    return frozenset(found - set(causes))


def legitimate(parity: Parity, schema: Schema) -> tuple[str, ...]:
    """Columns among whose equals parity is asked, in the order of the table; none: among all rows."""
    usable = [c.name for c in schema.table if c.kind in LABELS | ORDERED]
    if parity.graph is not None:
        unfair = effects(parity.graph, parity.groups) - set(parity.given)
    elif parity.proxies:
        unfair = set(parity.proxies)
    else:
        return tuple(name for name in usable if name in parity.given)
    return tuple(name for name in usable if name not in unfair and name != parity.target and name not in parity.groups)
