"""Which subjects reach the rows of tables that are nobody's own: a product is held by the customers who bought it.

What is told of a table of persons, or of anything that belongs to a subject, stays counted by those persons and subjects.
"""

from __future__ import annotations

import numpy as np

from lookalike.data.holders import Holders
from lookalike.models._kin_world import World
from lookalike.schema import Schema, Table

__all__ = ["held"]

MOST = 64
"""Subjects of a row that are counted at most; to leave some out tells less, never more."""


def held(world: World) -> dict[str, Holders]:
    """{table: the subjects that reach its rows}, of tables that belong to no subject and are not of persons.

    All tables have been looked at. Empty where no subject was declared.
    """
    schema = world.schema
    if schema.subject is None or not schema.linked:
        return {}
    whose = _whose(world)
    apart = [t for t in schema.tables if t.name not in whose and not t.public and not _of_persons(t)]
    found: dict[str, Holders] = {}
    for table in _children_first(schema, apart):
        rows, subjects = [], []
        for child in schema.tables:
            for k, link in enumerate(child.links):
                if link.table != table.name or child.name == table.name or not (child.name in whose or child.name in found):
                    continue
                to = world.rows[child.name].links[k]
                mine = np.flatnonzero(whose[child.name] >= 0) if child.name in whose else found[child.name].rows
                who = whose[child.name][mine] if child.name in whose else found[child.name].subjects
                there = to[mine] >= 0
                rows.append(to[mine][there])
                subjects.append(who[there])
        if rows:
            found[table.name] = Holders.of(world.rows[table.name].n, np.concatenate(rows), np.concatenate(subjects), most=MOST)
    return found


def _whose(world: World) -> dict[str, np.ndarray]:
    """{table: int64 [n], the subject of each row, -1 where none}: of the subject's table and of all that lead to it."""
    schema = world.schema
    subject = schema.subject_table
    found = {subject.name: np.arange(world.rows[subject.name].n)}
    while True:
        near = [
            (t.name, k, link.table) for t in schema.tables for k, link in enumerate(t.links) if t.name not in found and link.table in found
        ]
        if not near:
            return found
        for name, k, parent in near:
            to = world.rows[name].links[k]
            mine = np.where(to >= 0, found[parent][np.maximum(to, 0)], -1) if len(found[parent]) else np.full(len(to), -1)
            found[name] = np.where(found[name] >= 0, found[name], mine) if name in found else mine


def _of_persons(table: Table) -> bool:
    """Whether its rows may be persons themselves, as suppliers with a contact or employees are."""
    return any(c.kind == "personal" for c in table)


def _children_first(schema: Schema, tables: list[Table]) -> list[Table]:
    """Tables in an order in which none comes before one that links to it, but where they link in a circle."""
    left, done = list(tables), []
    while left:
        free = [t for t in left if not any(link.table == t.name for other in left if other is not t for link in other.links)]
        done += free or left[:1]
        left = [t for t in left if t not in done]
    return done
