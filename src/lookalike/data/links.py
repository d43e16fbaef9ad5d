"""Find primary keys and links between tables where nobody wrote them down: by names, and by values where they say more than chance.

That the values of one column all occur in another shows little where both are small whole numbers (1 to 8 lie in every longer key, and
in quantities as well): there names must decide. Codes, long numbers and UUIDs speak for themselves. (Rostin et al. 2009, "A machine
learning approach to foreign key discovery"; Jiang & Naumann 2020, "Holistic primary key and foreign key detection".)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import _kin, formats, linked
from lookalike.data.catalogue import Keys
from lookalike.data.frames import is_whole
from lookalike.schema import Column, Link, Table

_KINDS = ("key", "integer", "category", "text", "personal", "constant", "boolean")
_LONGEST = 64
"""Characters of the longest value that may be a key."""
_SURE, _LIKELY, _POSSIBLE = 0.7, 0.6, 0.45
"""How much names must resemble to be enough; with a name of an identifier; with values that say a little."""
_TELLING = 6.0
"""Values that say as much (powers of ten against chance) need no names."""
_NEARLY = 0.9
"""Share of the rows from which a link with a sure name is taken, though some rows lead nowhere."""

_REPEATING = 0.95
"""Distinct values, as a share of the rows, from which a column named like the primary key is meant to be it."""


@dataclass(frozen=True)
class _Seen:
    """A column that may be a key or a link: its distinct values, as sorted int64 or as texts."""

    table: str
    column: Column
    at: int
    rows: int
    there: int
    whole: np.ndarray | None
    texts: pa.Array | None

    @property
    def distinct(self) -> int:
        return len(self.whole) if self.whole is not None else len(self.texts)  # type: ignore[arg-type]

    @property
    def unique(self) -> bool:
        return self.there == self.rows == self.distinct

    @property
    def name(self) -> str:
        return self.column.name


@dataclass(frozen=True)
class _Found:
    """A link that may be: how much names resemble, what values say (powers of ten against chance), and rows that lead nowhere."""

    child: _Seen
    parent: _Seen
    names: float
    values: float
    lost: int

    @property
    def weight(self) -> float:
        return self.names + 0.04 * min(self.values, 10) - 0.02 * (self.child.table == self.parent.table)


def find(tables: Mapping[str, Table], rows: Mapping[str, pa.Table], *, known: Mapping[str, Keys] | None = None) -> dict[str, Keys]:
    """Primary keys and links of the tables.

    Args:
        rows: canonical tables.
        known: primary keys that a catalogue names.
    """
    kin = _kin.Kin(tables)
    seen = {n: _columns(n, t, rows[n]) for n, t in tables.items()}
    keys = {n: (known or {}).get(n, Keys()).key or _primary(n, seen[n], kin) or _meant(n, seen, kin) for n in tables}
    found = _links(seen, keys, rows, kin)
    _without_circles(tables, found)
    links = {
        n: [Link(columns=(f.child.name,), table=f.parent.table, references=(f.parent.name,)) for f in some] for n, some in found.items()
    }
    for name in tables:
        if not keys[name]:
            keys[name] = _composite(tables[name], seen[name], links[name], rows, kin)
    for name in tables:
        links[name] = _to_composites(name, links[name], keys, rows, kin)
    return {n: replace((known or {}).get(n, Keys()), key=keys[n], links=tuple(links[n])) for n in tables}


def within(table: Table, rows: pa.Table) -> str | None:
    """What is to be told of a single table whose rows seem to name other rows of it (employee → manager); None if none do."""
    keyed = [c for c in table if c.kind in ("key", "integer", "category", "text")]  # few managers are a category
    if len(keyed) < 2 or len(table.key) != 1 or table.key[0] not in {c.name for c in keyed} or table.links:
        return None
    few = table.model_copy(update={"columns": tuple(keyed)})
    found = find({table.name: few}, {table.name: rows.select(few.names)}, known={table.name: Keys(key=table.key)})[table.name].links
    if not found:
        return None
    shown = "; ".join(f"{x.columns[0]} → {x.references[0]}" for x in found)
    said = json.dumps([{"columns": list(x.columns), "table": x.table, "references": list(x.references)} for x in found])
    return (
        f"rows of {table.name} seem to name other rows of it ({shown}), and nothing says so: drawn as it is, such a column names "
        f'rows that are not there. To keep who names whom, add to the table in the schema: "links": {said}'
    )


def told(keys: Mapping[str, Keys]) -> str:
    """What was found, for the reader."""
    found = [f"{n}.{'+'.join(x.columns)} → {x.table}.{'+'.join(x.references)}" for n, said in keys.items() for x in said.links]
    if not found:
        return "no links between the tables were found: if there are any, name them in the schema or in keys.json"
    return f"links were found by names and values, as nothing names them: {'; '.join(found)}. What is wrong can be put right in the schema"


# ------------------------------------------------------------------------------------------------------------------ looking


def _columns(name: str, table: Table, rows: pa.Table) -> list[_Seen]:
    """The columns of a table that may be keys or links."""
    found = []
    for at, column in enumerate(table):
        if column.kind not in _KINDS:
            continue
        values = formats.whole(rows.column(column.name))
        if column.kind == "boolean":
            values = formats.restore_column(values, column)
        distinct = pc.drop_null(pc.unique(values))
        if not len(distinct):
            continue
        there = len(values) - values.null_count
        if pa.types.is_integer(distinct.type):
            found.append(_Seen(name, column, at, len(values), there, np.sort(distinct.to_numpy(zero_copy_only=False)), None))
            continue
        texts = distinct.cast(pa.string())
        bare = pc.replace_substring_regex(texts, r"\.0$", "")
        if is_whole(bare):
            found.append(_Seen(name, column, at, len(values), there, np.sort(bare.cast(pa.int64()).to_numpy(zero_copy_only=False)), None))
        elif pc.max(pc.utf8_length(texts)).as_py() <= _LONGEST and column.kind != "boolean":
            found.append(_Seen(name, column, at, len(values), there, None, texts))
    return found


# ------------------------------------------------------------------------------------------------------------- primary keys


def _primary(table: str, seen: list[_Seen], kin: _kin.Kin) -> tuple[str, ...]:
    """The column that is the primary key, if one is."""
    unique = [c for c in seen if c.unique and not _wordy(c)]
    scored = sorted(((_likeness_of_key(c, kin, lone=len(unique) == 1), -c.at, c.name) for c in unique), reverse=True)
    if not scored or scored[0][0] < 2:
        return ()
    best = scored[0][2]
    others = kin.others(best, table)
    return () if others > kin.own(best, table) and kin.is_bridge(table) else (best,)


def _meant(table: str, seen: Mapping[str, list[_Seen]], kin: _kin.Kin) -> tuple[str, ...]:
    """The column that is meant to be the primary key, though a few of its values repeat: it is named so, and others lead to it by name.

    How many repeat is then said by whoever checks keys, where tables would else fall apart in silence.
    """
    for c in seen[table]:
        if _REPEATING * c.rows <= c.distinct < c.rows and kin.own(c.name, table) >= _SURE and kin.is_id(c.name, table):
            others = (o for t, some in seen.items() if t != table for o in some if (o.whole is None) == (c.whole is None))
            near = (o for o in others if kin.between(o.name, o.table, c.name, table, common=False) >= _SURE)
            if any(_inside(o, c) >= _NEARLY * o.distinct for o in near):
                return (c.name,)
    return ()


def _wordy(c: _Seen) -> bool:
    return c.texts is not None and pc.mean(pc.count_substring(c.texts.slice(0, 1_000), " ")).as_py() >= 2


def _likeness_of_key(c: _Seen, kin: _kin.Kin, *, lone: bool) -> float:
    """How much a column without repeats looks like the primary key; 2 is enough."""
    own, others = kin.own(c.name, c.table), kin.others(c.name, c.table)
    score = 3.0 * own if own >= _POSSIBLE else 0.0
    score += 1.5 * kin.is_id(c.name, c.table) + 1.0 * (c.at == 0) + 0.5 * (c.column.kind == "key") + 0.5 * lone
    score -= 3.0 * (kin.is_amount(c.name, c.table) and own < 1) + 1.5 * (c.column.kind == "personal") + 2.0 * (others > max(own, _SURE))
    if c.whole is not None:
        counted = c.whole[0] in (0, 1) and c.whole[-1] - c.whole[0] + 1 == c.distinct and c.distinct >= 5
        score += 1.0 * counted
    elif _per_value(c) >= 2:
        score += 0.5
    elif pc.any(pc.match_substring(c.texts, " ")).as_py():
        score -= 1.0
    return score


def _composite(table: Table, seen: list[_Seen], links: list[Link], rows: Mapping[str, pa.Table], kin: _kin.Kin) -> tuple[str, ...]:
    """The smallest set of columns, at least one of them a link, of which no two rows have the same, and not by chance."""
    linking = [c for x in links for c in x.columns]
    complete = {c.name: c.distinct for c in seen if c.there == c.rows}
    places = [n for n in complete if n not in linking and kin.is_place(n, table.name)]
    days = [c.name for c in table if c.kind in ("date", "datetime") and kin.is_place(c.name, table.name) and not c.nullable]
    sizes = complete | {n: pc.count_distinct(rows[table.name].column(n)).as_py() for n in days}
    count = rows[table.name].num_rows
    candidates = [n for n in [*linking, *places, *days] if n in sizes and (n in linking or sizes[n] < count)][:8]
    for size in range(2, min(len(candidates), 4) + 1):
        # a line number says that it counts the rows of one owner, which two links may only do by chance
        for some in sorted(combinations(candidates, size), key=lambda names: not set(names) & set(places)):
            room = float(np.prod([float(sizes[n]) for n in some]))
            chance = np.exp(-(float(count) ** 2) / (2 * room))
            bare = len(table.columns) <= size + 1
            if not set(some) & set(linking) or (chance > 0.01 and not bare):
                continue
            if not linked.repeats([rows[table.name].column(n) for n in some]):
                return tuple(n for n in table.names if n in some)
    return ()


# --------------------------------------------------------------------------------------------------------------------- links


def _links(
    seen: Mapping[str, list[_Seen]], keys: dict[str, tuple[str, ...]], rows: Mapping[str, pa.Table], kin: _kin.Kin
) -> dict[str, list[_Found]]:
    """Links of single columns: to primary keys, then to other columns without repeats, where a table has no link to that table yet.

    A column that others lead to is the key of a table that has none (`keys` is changed).
    """
    _natural_keys(seen, keys, rows, kin)
    primary = [c for some in seen.values() for c in some if keys[c.table] == (c.name,)]
    spare = [c for some in seen.values() for c in some if c.unique and keys[c.table] != (c.name,) and not _wordy(c) and c.distinct > 2]
    links: dict[str, list[_Found]] = {n: [] for n in seen}
    for targets in (primary, spare):
        for name, columns in seen.items():
            for child in columns:
                if any(child is f.child for f in links[name]):
                    continue
                near = [t for t in targets if targets is primary or t.table not in {name, *(f.parent.table for f in links[name])}]
                found = [f for t in near if (f := _compare(child, t, keys, rows, kin))]
                chosen = [f for f in found if _is_link(f, kin, spare=targets is spare)] or _left_over(found, kin)
                if chosen:
                    links[name].append(max(chosen, key=lambda f: f.weight))
    return links


def _natural_keys(seen: Mapping[str, list[_Seen]], keys: dict[str, tuple[str, ...]], rows: Mapping[str, pa.Table], kin: _kin.Kin) -> None:
    """The first column without repeats is the key of a table that has none, if values of other tables say that they lead to it."""
    for name, columns in seen.items():
        target = next((c for c in columns if c.unique and not _wordy(c) and c.distinct > 2), None)
        if keys[name] or target is None or target.texts is None:
            continue
        others = (c for t, some in seen.items() if t != name for c in some if keys[t] != (c.name,))
        found = (_compare(c, target, keys, rows, kin) for c in others)
        if any(f is not None and f.values >= _TELLING and f.child.distinct < f.child.there for f in found):
            keys[name] = (target.name,)


def _left_over(found: list[_Found], kin: _kin.Kin) -> list[_Found]:
    """A column named like an identifier that has all the numbers of one key, from the first to the last, and of no other."""
    told = [f for f in found if f.values >= 2 and f.child.table != f.parent.table and f.child.distinct < f.child.there]
    return told if len(told) == 1 and kin.is_id(told[0].child.name, told[0].child.table) else []


def _without_circles(tables: Mapping[str, Table], links: Mapping[str, list[_Found]]) -> None:
    """Leave out the weakest link of a circle in which no link may be null: it was guessed, and no row could be the first."""
    while True:
        firm = {n: {f.parent.table for f in links[n] if f.child.there == f.child.rows and f.parent.table != n} for n in tables}
        try:
            TopologicalSorter(firm).prepare()
        except CycleError as error:
            ring = error.args[1]
            steps = {(child, parent) for parent, child in pairwise(ring)}
            weak = min((f for n in ring for f in links[n] if (n, f.parent.table) in steps), key=lambda f: f.weight)
            links[weak.child.table].remove(weak)
            continue
        return


def _compare(
    child: _Seen, parent: _Seen, keys: Mapping[str, tuple[str, ...]], rows: Mapping[str, pa.Table], kin: _kin.Kin
) -> _Found | None:
    """What names and values say of a link; None if it cannot be one."""
    if (child.table, child.name) == (parent.table, parent.name) or (child.whole is None) != (parent.whole is None):
        return None
    common = sum(len(k) == 1 and k[0] == parent.name for k in keys.values()) > 1
    names = kin.between(child.name, child.table, parent.name, parent.table, common=common)
    own_key = keys[child.table] == (child.name,)
    if own_key:  # one row for one row: the parent is the table that the column is named after, or the larger one
        if child.table == parent.table:
            return None
        if names <= kin.own(child.name, child.table):
            names = 0.0
    inside = _inside(child, parent)
    if inside == child.distinct:
        if (
            own_key
            and names < _SURE
            and child.distinct == parent.distinct
            and list(rows).index(child.table) < list(rows).index(parent.table)
        ):
            return None  # of two equal sets one is the parent: the first
        return _Found(child, parent, names, _telling(child, parent), 0)
    if names < _SURE or inside < _NEARLY * child.distinct or not kin.is_id(child.name, child.table) or own_key:
        return None
    lost = linked.owners(rows, child.table, Link(columns=(child.name,), table=parent.table, references=(parent.name,)))
    count = int((lost == -2).sum())
    return _Found(child, parent, names, 0.0, count) if count <= (1 - _NEARLY) * child.there else None


def _is_link(f: _Found, kin: _kin.Kin, *, spare: bool) -> bool:
    if f.values >= _TELLING and not (kin.is_amount(f.child.name, f.child.table) and f.names < _POSSIBLE):
        return not spare or f.names >= _POSSIBLE or f.parent.column.kind == "key"
    if spare:
        return f.names >= _SURE and f.values >= 2
    if f.names >= _SURE:
        return True
    if f.names >= _LIKELY and kin.is_id(f.child.name, f.child.table):
        return True
    return f.names >= _POSSIBLE and f.values >= 1


def _inside(child: _Seen, parent: _Seen) -> int:
    """How many distinct values of the child the parent has."""
    if child.whole is not None:
        at = np.minimum(np.searchsorted(parent.whole, child.whole), parent.distinct - 1)
        return int((parent.whole[at] == child.whole).sum())
    return int(pc.sum(pc.is_in(child.texts, value_set=parent.texts)).as_py())


def _telling(child: _Seen, parent: _Seen) -> float:
    """Powers of ten against all values of the child being in the parent by chance."""
    if child.whole is None:
        return min(child.distinct, 6) * min(max(_per_value(parent) - np.log10(parent.distinct), 0.0), 3.0)
    low, high = int(child.whole[0]), int(child.whole[-1])
    held = int(np.searchsorted(parent.whole, high, side="right") - np.searchsorted(parent.whole, low))
    within = -np.log10(min(held / (high - low + 1), 1.0)) * min(child.distinct, 10)
    # Values next to each other are no more than one or two facts: where they begin, and where they end.
    below = int(np.searchsorted(parent.whole, high, side="right"))
    place = -2 * np.log10(min(below / max(high + 1 - min(low, 0), 1), 1.0)) if high > 0 else 0.0
    all_used = child.distinct == parent.distinct
    ends = low == parent.whole[0] and high == parent.whole[-1] and child.distinct >= 0.8 * parent.distinct
    return float(max(within, place) + (2.0 if ends and parent.distinct >= 20 else 1.0 if all_used else 0.0))


def _per_value(c: _Seen) -> float:
    """Powers of ten of texts that look alike: 1 for each digit, 1.4 for each other character."""
    some = c.texts.slice(0, 1_000)
    digits = pc.utf8_length(pc.replace_substring_regex(some, r"[^0-9]", ""))
    return float(pc.mean(pc.subtract(pc.multiply(pc.utf8_length(some), 1.4), pc.multiply(digits, 0.4))).as_py())


def _to_composites(
    name: str, links: list[Link], keys: Mapping[str, tuple[str, ...]], rows: Mapping[str, pa.Table], kin: _kin.Kin
) -> list[Link]:
    """Links to keys of several columns that have the same names here, in place of the single links that they contain."""
    for other, key in keys.items():
        if other == name or len(key) < 2:
            continue
        if keys[name] == key and rows[name].num_rows >= rows[other].num_rows:
            continue  # one row for one row: the table with more rows is the one that is named
        mine = {kin.words(c, name): c for c in rows[name].column_names}
        wanted = [kin.words(c, other) for c in key]
        if not all(w in mine for w in wanted):
            continue
        link = Link(columns=tuple(mine[w] for w in wanted), table=other, references=key)
        if (linked.owners(rows, name, link) > -2).all():
            links = [link, *(x for x in links if not set(x.columns) <= set(link.columns))]
    return links
