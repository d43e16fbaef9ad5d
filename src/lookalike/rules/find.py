"""Rules that data obey, found: identities, orders, combinations, what is missing when, one-hot groups, steps, formats, uniqueness.

What is found reads private data. A rule counts if chance does not explain it: columns that were shuffled on their own would break it in
many rows (bounds of Chernoff on a binomial tail, with all rules tried counted in). It is then read back from its text and judged on all
rows. Levels held by few are never spelled out. (Ilyas and Chu 2015; Papenbrock et al. 2015, on functional dependencies.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.errors import SchemaError, SettingError, UnknownName
from lookalike.rules import _dependencies, _identities, _inequalities, _patterns, nodes
from lookalike.rules.cells import Cells
from lookalike.rules.look import Candidate, Look
from lookalike.rules.rules import Rules

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.schema import Schema

ROWS = 50_000
"""Rows that the search looks at; what it finds is judged on all."""
FEWEST = 50
"""Rows below which nothing can be told from chance."""


@dataclass(frozen=True)
class Found:
    """A rule that was found. Not a fact that anybody declared: to be confirmed by a person.

    text: as it is written. kind: identity, inequality, combination, missing, if-then, one-hot, step, unique or format. support: rows in
    which it says something. share: of these the share in which it holds. distinct: distinct values of the column it is about, there.
    """

    text: str
    kind: str
    columns: tuple[str, ...]
    support: int
    share: float
    distinct: int

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `source` says that it was found, not declared."""
        return asdict(self) | {"columns": list(self.columns), "source": "found"}


def find(data: Dataset, *, share: float = 1.0, protect: int = 5, seed: int = 0) -> list[Found]:
    """The rules that the rows of `data` obey, those that say most first of each kind.

    share: of the rows in which an identity, inequality or combination must hold; all other rules hold in each row or are not told.
    protect: levels of fewer subjects are not spelled out. seed: of the rows that are looked at first.

    Raises:
        SettingError: `share` is not above 0.5 and at most 1.
    """
    if not 0.5 < share <= 1:
        what = f"share is {share}, and must lie above 0.5 and be 1 at most"
        raise SettingError(what, where="share", fix="1 finds rules without exception")
    table, subjects, rng = data.table(), data.subjects(), np.random.default_rng(seed)
    if table.num_rows < FEWEST:
        return []
    rows = np.sort(rng.permutation(table.num_rows)[:ROWS])
    few = table if len(rows) == table.num_rows else table.take(rows)
    columns = data.schema.table.columns
    look = Look(Cells(few), columns, slack=1 - share, protect=protect, holders=None if subjects is None else subjects[rows])
    return _judged(_candidates(look, rng), table, subjects, data.schema, share, protect)


def _candidates(look: Look, rng: np.random.Generator) -> list[Candidate]:
    """What the sample suggests."""
    identities = _identities.identities(look, rng)
    copies = {c.about for c in identities if len(c.columns) == 2}
    absences = _patterns.absences(look)
    together = {n for c in absences if c.text.startswith("together") for n in c.columns[1:]}
    heads = [c.name for c in look.columns if c.name not in together and look.people(look.cells.missing(c.name)) >= look.protect]
    return [
        *identities,
        *_inequalities.inequalities(look, identities),
        *_dependencies.dependencies(look, copies),
        *_dependencies.groups(look),
        *absences,
        *_patterns.decided(look, [h for h in heads if not look.cells.missing(h).all()]),
        *_patterns.steps(look),
        *_patterns.formats(look),
        *_dependencies.uniques(look),
    ]


def _judged(
    candidates: Sequence[Candidate], table: pa.Table, subjects: np.ndarray | None, schema: Schema, share: float, protect: int
) -> list[Found]:
    """Those that hold on all rows, with what they say there."""
    cells, found = Cells(table), []
    for one in candidates:
        try:
            rule = Rules.of([one.text], schema).rules[0]
        except (SettingError, SchemaError, UnknownName):  # what is declared of a column forbids it
            continue
        condition = rule.condition
        if isinstance(condition, nodes.Combination):
            support, holding = _decided(condition, cells)
        else:
            truth = condition.truth(cells)
            says = _says(condition, cells)
            support, holding = int((says & (truth != 0)).sum()), int((says & (truth > 0)).sum())
        if not support or holding < share * support:
            continue
        distinct = np.unique(cells.labels(one.about)[0])
        found.append(Found(one.text, one.kind, one.columns, support, holding / support, int((distinct >= 0).sum())))
    return found


def _says(condition: nodes.Condition, cells: Cells) -> np.ndarray:
    """Bool [n]: rows of which a condition says something: where the `if` of an if-then is true, where something is missing together."""
    if isinstance(condition, nodes.Both) and not condition.every and isinstance(condition.parts[0], nodes.Not):
        return condition.parts[0].part.truth(cells) > 0
    if isinstance(condition, nodes.Together):
        return np.any([cells.missing(c) for c in condition.names], axis=0)
    return np.ones(cells.rows, bool)


def _decided(condition: nodes.Combination, cells: Cells) -> tuple[int, int]:
    """Rows in which both columns are known, and those in which the second is the commonest for the first."""
    (x, _), (y, ys) = (cells.labels(n) for n in condition.names)
    known = (x >= 0) & (y >= 0)
    pairs, counts = np.unique(x[known] * len(ys) + y[known], return_counts=True)
    best = np.zeros(int(x.max()) + 1, np.int64)
    np.maximum.at(best, pairs // len(ys), counts)
    return int(known.sum()), int(best.sum())
