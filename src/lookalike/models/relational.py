"""Linked tables, drawn so that all links hold: owners first, then what they own, by another model for each table.

Each table that links to others is drawn through one of its links, its owner's; the number of rows that an owner has is a column of the
owner, learned jointly with its others. Rows are drawn given their owner, its owner, and their earlier siblings. What else a row names is
drawn as a group of rows that are named alike, then as one of them, as often as each is to be named. What holds exactly across tables is
made to hold: cells that repeat an owner's, numbers that add up rows owned. Keys are made afresh, and links are looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lookalike.errors import CannotError
from lookalike.models._inner import Around
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.models._kin import Kin
    from lookalike.models._kin_table import Branch
    from lookalike.protocol import Model
    from lookalike.schema import Schema

__all__ = ["Relational"]

_SELF = __name__.rpartition(".")[2]


class Settings(Around):
    """What can be set."""


class Relational:
    """A model of linked tables. Of one table alone, without links to itself, it is the inner model.

    Fitted attributes: `kin_`, how tables hang together; `branches_` {table: what was learned of it}; `alone_`, the inner model of a table
    alone, else None; `unit_`, what `sample` counts: rows of the subject's table, or of the only one.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), tables=None, sequences=True, unit="subject")

    schema: Schema
    alone_: Model | None
    kin_: Kin
    branches_: dict[str, Branch]
    unit_: str

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn all tables, owners before what they own.

        Raises:
            DataError: a link names no row, or a key is of several.
            CannotError: the inner model does not take a kind of column; or a public table names rows of one that is not.
            SettingError, UnknownName: a setting of the inner model.
        """
        self.schema = data.schema
        inner = self.settings.unfitted()
        for table in data.schema.tables:
            odd = [c for c in table if c.kind not in inner.can.kinds and c.kind != "key"]
            if odd:
                what = f"it does not take the kind {odd[0].kind!r} of {table.name}.{odd[0].name}"
                raise CannotError(what, where=f"{_SELF}.inner={self.settings.inner}", fix="take inner=forest, which takes all kinds")
        self.unit_, self.alone_ = "subject", None
        if not data.schema.linked and not data.schema.table.links:
            self.unit_, self.alone_ = "row", inner.fit(data, rng=rng, on_step=on_step)
            return self
        self._learn(data, rng, on_step)
        on_step(Step(1, 1, "learned"))
        return self

    def _learn(self, data: Dataset, rng: np.random.Generator, on_step: OnStep) -> None:
        from lookalike.models._kin import Kin, links_of
        from lookalike.models._kin_table import Branch
        from lookalike.models._kin_world import Rows, World

        links = links_of(data)
        rows = {t.name: data.table(t.name).num_rows for t in data.schema.tables}
        self.kin_ = Kin.plan(data.schema, links, rows)
        world = World(data.schema, self.kin_)
        self.branches_ = {name: Branch(data.schema[name], self.settings.inner, self.settings.of_inner()) for name in self.kin_.order}
        for name in self.kin_.order:
            world.rows[name] = Rows(rows[name], links=dict(enumerate(links[name])))
        for branch in self.branches_.values():
            branch.look(world, data)
        for branch in self.branches_.values():
            branch.relate(world, data, self.settings.protect, rng)
        size = np.cumsum([0.0, *(200.0 + rows[name] for name in self.kin_.order)])
        for k, branch in enumerate(self.branches_.values()):
            low, high = size[k] / size[-1], size[k + 1] / size[-1]

            def told(step: Step, name: str = branch.table.name) -> None:
                on_step(Step(step.done, step.total, f"{name}: {step.note}"))

            branch.fit(world, self.settings.protect, rng=rng, on_step=part(told, low, high))
        self.columns_ = world.columns
        self.rows_ = rows

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows of the subject's table and all that belong to them, and tables that do not hang on it as large as they were.

        Keys of rows drawn one block after the other, from `start=0` on, are all different.
        """
        from lookalike.data import Dataset

        if self.alone_ is not None:
            return self.alone_.sample(n, rng=rng, start=start)
        from lookalike.models._kin_world import World

        scales = self._scales(n / max(self.rows_[self.schema.subject_table.name], 1))
        world = World(self.schema, self.kin_, columns=self.columns_)
        before = self._before(n, start)
        for name in self.kin_.order:
            rows = self.branches_[name].draw(world, scales[name], rng=rng, start=before.get(name, 0))
            rows.degrees = {by: often * scales[by[0]] / scales[name] for by, often in rows.degrees.items()}
            before[name] = before.get(name, 0) + rows.n
        for name in self.kin_.order:
            self.branches_[name].name_late(world, rng)
        for name in reversed(self.kin_.order):
            self.branches_[name].add_up(world)
        made = {}
        for name in self.kin_.order:
            made[name] = self.branches_[name].linked(world, made)
        return Dataset.from_arrow({t.name: made[t.name] for t in self.schema.tables}, self.schema)

    def _scales(self, scale: float) -> dict[str, float]:
        """How many times as many rows each table is to have: ten times the customers do not buy of ten times the products."""
        subject = self.schema.subject_table
        grown, at = {subject.name} | self.schema.descendants(subject.name), subject
        while (link := self.kin_.owner[at.name]) is not None:  # those through whom the subjects are drawn
            at = self.schema[at.links[link].table]
            grown.add(at.name)
        return {t.name: 1.0 if t.public or t.name not in grown else scale for t in self.schema.tables}

    def _before(self, n: int, start: int) -> dict[str, int]:
        """Rows of each table that were drawn before, if this block follows on those."""
        after, before = getattr(self, "_so_far", (0, {}))
        if start == 0 or after != start:
            before = {
                name: round(start / max(self.rows_[self.schema.subject_table.name], 1) * 2 * rows) for name, rows in self.rows_.items()
            }
        self._so_far = (start + n, before)
        return before

    @property
    def units_(self) -> int | None:
        """Rows of the subject's table that were learned from; None of a table alone."""
        return None if self.alone_ is not None else self.rows_[self.schema.subject_table.name]

    @property
    def trained_(self) -> dict[str, Any]:
        """What a reader should be told of the fit."""
        if self.alone_ is not None:
            return {"notes": list((getattr(self.alone_, "trained_", {}) or {}).get("notes", ()))}
        return {"notes": [note for branch in self.branches_.values() for note in branch.notes()]}

    @property
    def codebook_(self) -> Any:
        """The codebook of the inner model of a table alone; None if there are several tables."""
        return getattr(self.alone_, "codebook_", None)

    def state(self) -> State:
        """What was learned of each table."""
        if self.alone_ is not None:
            inner = self.alone_.state()
            return State(card={"alone": inner.card}, arrays=inner.arrays)
        cards, arrays = {}, {}
        for k, (name, branch) in enumerate(self.branches_.items()):
            mine = branch.state()
            cards[name] = mine.card
            arrays |= {f"{k}.{key}": array for key, array in mine.arrays.items()}
        columns = {t: [c.model_dump(mode="json", exclude_defaults=True) for c in seen] for t, seen in self.columns_.items()}
        return State(card={"kin": self.kin_.to_json(), "tables": cards, "columns": columns, "rows": self.rows_}, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.models._kin import Kin
        from lookalike.models._kin_table import Branch
        from lookalike.schema import Column

        self.schema, card, self.alone_, self.unit_ = schema, state.card, None, "subject"
        if "alone" in card:
            inner = self.settings.unfitted()
            self.unit_, self.alone_ = "row", inner.restore(schema, State(card=card["alone"], arrays=state.arrays))
            return self
        self.kin_, self.rows_ = Kin.from_json(card["kin"]), card["rows"]
        self.columns_ = {t: tuple(Column(**c) for c in seen) for t, seen in card["columns"].items()}
        mine: list[dict[str, np.ndarray]] = [{} for _ in self.kin_.order]
        for name, array in state.arrays.items():
            head, _, tail = name.partition(".")
            mine[int(head)][tail] = array
        self.branches_ = {}
        for k, name in enumerate(self.kin_.order):
            branch = Branch(schema[name], self.settings.inner, self.settings.of_inner())
            self.branches_[name] = branch.restore(State(card=card["tables"][name], arrays=mine[k]))
        return self
