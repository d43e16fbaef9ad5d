"""Rules that rows must obey: read once against a schema, then checked, mended and looked through for contradictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.errors import SettingError, UnknownName
from lookalike.rules import language, nodes
from lookalike.rules.cells import Cells
from lookalike.rules.nodes import Condition
from lookalike.rules.order import contradictions

if TYPE_CHECKING:
    from lookalike.data import Dataset
    from lookalike.schema import Schema, Table

MOST_COMBINATIONS = 60_000
"""Combinations that a rule remembers at most, the commonest."""


@dataclass(frozen=True)
class Rule:
    """One rule: how it is written, and the condition that it is."""

    text: str
    condition: Condition

    @classmethod
    def of(cls, function: Callable[[Any], Any], *, columns: Sequence[str], name: str) -> Rule:
        """A rule that only Python knows: `function` is given a pandas frame of `columns` and gives true or false for each row.

        Such a rule is checked as any other, but cannot be written into a file.
        """
        return cls(name, nodes.Custom(function, tuple(columns)))

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it speaks of."""
        return self.condition.columns


class Seen:
    """What `unique(…)` remembers of the rows that were accepted so far; one object for all blocks of a table."""

    def __init__(self) -> None:
        self._keys: dict[str, np.ndarray] = {}

    def fresh(self, rule: Rule, cells: Cells, able: np.ndarray) -> np.ndarray:
        """Bool [n]: rows, among those `able`, whose values neither an earlier row nor one accepted before has."""
        assert isinstance(rule.condition, nodes.Unique)
        keys, known = rule.condition.keys(cells)
        told, rows = ~known, np.flatnonzero(known & able)
        first = rows[np.unique(keys[rows], return_index=True)[1]]
        told[first] = ~np.isin(keys[first], self._keys.get(rule.text, np.zeros(0, np.uint64)), kind="sort")
        return told & able

    def remember(self, rule: Rule, cells: Cells, rows: np.ndarray) -> None:
        """Accept `rows` (bool [n])."""
        assert isinstance(rule.condition, nodes.Unique)
        keys, known = rule.condition.keys(cells)
        old = self._keys.get(rule.text, np.zeros(0, np.uint64))
        self._keys[rule.text] = np.concatenate([old, keys[known & rows]])


@dataclass(frozen=True)
class Rules:
    """Rules of one table, read and found possible. Made by `Rules.of`."""

    rules: tuple[Rule, ...]
    table: Table

    @classmethod
    def of(cls, given: Iterable[str | Rule], schema: Schema) -> Rules:
        """The rules `given`, each a text or a `Rule`, of the only table of `schema`; one that is given twice counts once.

        Raises:
            SettingError: a text is no rule, or two rules (or a rule and a declared fact) contradict each other; names them.
            UnknownName: a rule names no column, or no declared level; names the near matches.
        """
        if isinstance(given, str):
            raise SettingError("rules are a list of texts, not one text", where="rules", fix=f"[{given!r}]")
        found: dict[str, Rule] = {}
        for k, one in enumerate(given):
            where = f"rules[{k}]"
            if isinstance(one, Rule):
                for name in one.columns - set(schema.table.names):
                    raise UnknownName(name, schema.table.names, what="column", where=f"{where} {one.text!r}")
                found[one.text] = one
            elif isinstance(one, str):
                text = " ".join(one.split())
                found.setdefault(text, Rule(text, language.read(one, schema.table, where=where)))
            else:
                raise SettingError(f"a rule is a text, not {type(one).__name__}", where=where, fix='"start <= end"')
        made = cls(tuple(found.values()), schema.table)
        wrong = made.contradictions()
        if wrong:
            raise SettingError(wrong[0], where="rules", fix="leave one of them out, or mend it")
        return made

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def __bool__(self) -> bool:
        return bool(self.rules)

    @property
    def texts(self) -> tuple[str, ...]:
        """The rules as they are written."""
        return tuple(r.text for r in self.rules)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that any rule speaks of."""
        return frozenset().union(*(r.columns for r in self.rules))

    def contradictions(self) -> list[str]:
        """What cannot all be true of a row in which the cells are known, as far as that can be told without looking at rows."""
        return contradictions([(r.text, r.condition) for r in self.rules], self.table)

    def learn(self, data: Dataset, *, protect: int = 5) -> Rules:
        """The same rules, in which `combination(…)` allows what at least `protect` subjects of `data` have.

        Raises:
            SettingError: of the combinations that a rule is about none is held by so many.
        """
        cells, subjects, made = Cells(data.table()), data.subjects(), []
        for rule in self.rules:
            if isinstance(rule.condition, nodes.Combination) and rule.condition.allowed is None:
                found = nodes.seen(rule.condition.names, cells, subjects, protect)[:MOST_COMBINATIONS]
                if not found:
                    what = f"none of its combinations is held by {protect} rows or more"
                    raise SettingError(what, where=rule.text, fix="list what is allowed: … in ((…), (…)); or leave the rule out")
                rule = replace(rule, condition=replace(rule.condition, allowed=tuple(found)))
            made.append(rule)
        return replace(self, rules=tuple(made))

    def holds(self, table: pa.Table) -> dict[str, np.ndarray]:
        """{text of each rule: bool [n]}, whether it holds in each row of a canonical table. Of rows that are alike the first is unique.

        Raises:
            SettingError: a `combination(…)` has not seen what is allowed (`learn`).
        """
        cells = Cells(table)
        return {r.text: r.condition.truth(cells) >= 0 for r in self.rules}

    def check(self, table: pa.Table, seen: Seen | None = None, *, most: int | None = None, able: np.ndarray | None = None) -> np.ndarray:
        """Bool [n]: rows that obey all rules, the first `most` of them if that is given; of the rows `able` (bool [n]) only.

        seen: remembers the rows that were accepted, so that what is unique is so over several tables.

        Raises:
            SettingError: a `combination(…)` has not seen what is allowed (`learn`).
        """
        cells = Cells(table)
        able = np.ones(table.num_rows, bool) if able is None else able.copy()
        unique = [r for r in self.rules if isinstance(r.condition, nodes.Unique)]
        for rule in self.rules:
            if rule not in unique:
                able &= rule.condition.truth(cells) >= 0
        memory = Seen() if seen is None else seen
        for rule in unique:
            able &= memory.fresh(rule, cells, able)
        if most is not None:
            able &= np.cumsum(able) <= most
        for rule in unique if seen is not None else ():
            memory.remember(rule, cells, able)
        return able

    def mend(self, table: pa.Table) -> pa.Table:
        """The rows with what can be made true by construction: totals computed, numbers on their steps, cells emptied that must be missing.

        A row in which that would break a rule that holds stays as it was. A missing cell stays missing.
        """
        from lookalike.rules.mending import mended

        return mended(self, table)

    def to_json(self) -> dict[str, Any]:
        """The rules' texts and the combinations that they have seen.

        Raises:
            SettingError: a rule is a Python function.
        """
        for rule in self.rules:
            if isinstance(rule.condition, nodes.Custom):
                what = "the rule is a Python function, which no file can hold"
                raise SettingError(what, where=rule.text, fix="write it in the language of rules, or give it anew when rows are drawn")
        learned = [r for r in self.rules if isinstance(r.condition, nodes.Combination)]
        return {"rules": list(self.texts), "seen": {r.text: [list(row) for row in r.condition.allowed or ()] for r in learned}}  # type: ignore[union-attr]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], schema: Schema) -> Rules:
        """The inverse of `to_json`."""
        made = []
        for rule in cls.of(raw["rules"], schema):
            if isinstance(rule.condition, nodes.Combination) and raw.get("seen", {}).get(rule.text):
                allowed = tuple(tuple(row) for row in raw["seen"][rule.text])
                rule = replace(rule, condition=replace(rule.condition, allowed=allowed))
            made.append(rule)
        return cls(tuple(made), schema.table)
