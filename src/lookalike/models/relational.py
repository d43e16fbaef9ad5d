"""Linked tables, drawn so that all links hold: owners first, then what they own, by another model for each table.

Each table that links to others is drawn through one of its links, its owner's; the number of rows that an owner has is a column of the
owner, learned jointly with its others. Rows are drawn given their owner, its owner, and their earlier siblings. What else a row names is
drawn as a group of rows that are named alike, then as one of them, as often as each is to be named. What holds exactly across tables is
made to hold: cells that repeat an owner's, numbers that add up rows owned. Keys are made afresh, and links are looked up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from lookalike.errors import CannotError
from lookalike.models._inner import Around
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.models._kin import Kin
    from lookalike.models._kin_table import Branch
    from lookalike.models._kin_world import World
    from lookalike.protocol import Model
    from lookalike.schema import Schema

__all__ = ["Relational"]

_SELF = __name__.rpartition(".")[2]
BLOCK = 1_000_000
"""Rows of subjects that are drawn at a time, about, with all that belong to them."""
LEAST = 50
"""Rows of a table without an owner in each part at least."""


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
        from lookalike.models._kin_held import held
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
        world.holders = held(world)
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

        Raises:
            CannotError: `start` is above 0: a second draw would be a second database, with tables of its own.
        """
        from lookalike.data import Dataset

        if self.alone_ is not None:
            return self.alone_.sample(n, rng=rng, start=start)
        if start:
            what = f"linked tables are drawn in one go, and not rows of {self.schema.subject_table.name} after the first {start:,}"
            raise CannotError(what, where=f"{_SELF}.sample", fix="draw all at once; with out=… they are written part by part")
        found: dict[str, list[pa.Table]] = {t.name: [] for t in self.schema.tables}
        for _, made in self.pieces(n, rng=rng):
            for name, rows in made.items():
                found[name].append(rows)
        whole = {name: rows[0] if len(rows) == 1 else pa.concat_tables(rows).unify_dictionaries() for name, rows in found.items()}
        return Dataset.from_arrow(whole, self.schema)

    def pieces(self, n: int, *, rng: np.random.Generator) -> Iterator[tuple[int, dict[str, pa.Table]]]:
        """What `sample` draws, part by part: how many subjects are done, and {table: rows}, in such an order that links lead to rows that
        are there; `rng` is used up part by part.

        Tables that do not hang on subjects come first. Then subjects come with all that is theirs, as many at a time as have about BLOCK
        rows; all at once where only the whole can say which rows are named (see `_parted`).
        """
        from lookalike.data.linked import parents_first
        from lookalike.models._kin_world import World

        size = self._size()
        once, moving = self._parted(size)
        world = World(self.schema, self.kin_, columns=self.columns_)
        totals, before, lost = self._totals(n), dict.fromkeys(self.kin_.order, 0), dict.fromkeys(self.kin_.order, 0)
        made: dict[str, pa.Table] = {}
        parts = [(once, 0, 0), *((moving, low, min(low + size, n)) for low in range(0, max(n, 1), size))] if moving else [(once, 0, n)]
        for names, low, high in parts:
            due = {k: totals[k] if names is once else _upto(totals[k], high, n) - _upto(totals[k], low, n) for k in names}
            self._draw(world, due, before, n, rng)
            for name in names:
                lost[name] += self.branches_[name].left_out_
                self.branches_[name].left_out_ = lost[name]
                made[name] = self.branches_[name].linked(world, made)
            yield high, {name: made[name] for name in parents_first(self.schema) if name in names}

    def _draw(self, world: World, due: dict[str, int], before: dict[str, int], n: int, rng: np.random.Generator) -> None:
        """The rows of some tables, `due` {table: rows that nobody owns}; `before` {table: rows drawn so far} is kept up."""
        scales = self._scales(n)
        for name, lone in due.items():
            branch = self.branches_[name]
            count = branch.rows_ if self.kin_.owner[name] is None else branch.alone_
            rows = branch.draw(world, lone / max(count, 1), rng=rng, start=before[name])
            rows.degrees = {by: often * scales[by[0]] / scales[name] for by, often in rows.degrees.items()}
            before[name] += rows.n
        for name in due:
            self.branches_[name].name_late(world, rng)
        for name in reversed(due):
            self.branches_[name].add_up(world)

    def _parted(self, size: int) -> tuple[list[str], list[str]]:
        """Tables that are drawn once, and those that are drawn for `size` subjects after another: none, if there are rows of which only
        the whole can say which rows they name.

        That is so of links of a table to itself and in circles; of rows that are named once at most, or once by each of several, where
        those who name them are drawn part by part and they are not; and where next to no row of another table would fall to a part.
        """
        schema, kin, grown = self.schema, self.kin_, self._grown()
        moving = set(grown).union(*(schema.descendants(name) for name in grown))
        for name in moving:
            table, at = schema[name], kin.owner[name]
            if at is None:
                few = self.rows_[name] * size < LEAST * self._subjects and table != schema.subject_table
                held = few or name not in grown
            else:
                held = table.links[at].table not in moving
            if held or table.public or kin.late[name] or any(self._held(name, k, moving) for k in kin.early[name]):
                return list(kin.order), []
        return [name for name in kin.order if name not in moving], [name for name in kin.order if name in moving]

    def _held(self, name: str, link: int, moving: set[str]) -> bool:
        """Whether it hangs on all rows of a table which rows a link of it names, if tables `moving` are drawn part by part."""
        table, naming = self.schema[name], self.branches_[name].namings_[link]
        apart = naming.apart is not None and all(table.links[k].table not in moving for k in naming.apart)
        return table.links[link].table not in moving and (naming.once or apart)

    def _size(self) -> int:
        """Subjects that are drawn at a time, so that they have about BLOCK rows."""
        top = self.schema.subject_table.name
        rows = sum(self.rows_[name] for name in {top, *self.schema.descendants(top)})
        return max(1, round(BLOCK * self._subjects / max(rows, 1)))

    @property
    def _subjects(self) -> int:
        return max(self.rows_[self.schema.subject_table.name], 1)

    def _totals(self, n: int) -> dict[str, int]:
        """{table: rows that it is to have of those that nobody owns}."""
        scales, found = self._scales(n), {}
        for name, branch in self.branches_.items():
            count = branch.rows_ if self.kin_.owner[name] is None else branch.alone_
            found[name] = max(round(count * scales[name]), min(count, 1) if self.kin_.owner[name] is None else 0)
        return found

    def _grown(self) -> set[str]:
        """Tables whose rows grow in number with the subjects: ten times the customers do not buy of ten times the products."""
        subject = self.schema.subject_table
        grown, at = {subject.name} | self.schema.descendants(subject.name), subject
        while (link := self.kin_.owner[at.name]) is not None:  # those through whom the subjects are drawn
            at = self.schema[at.links[link].table]
            grown.add(at.name)
        return grown

    def _scales(self, n: int) -> dict[str, float]:
        """How many times as many rows each table is to have for `n` subjects."""
        scale, grown = n / self._subjects, self._grown()
        return {t.name: 1.0 if t.public or t.name not in grown else scale for t in self.schema.tables}

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
    def draw_notes_(self) -> tuple[str, ...]:
        """What a reader should be told of the last draw."""
        return () if self.alone_ is not None else tuple(note for branch in self.branches_.values() for note in branch.lost())

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


def _upto(total: int, done: int, n: int) -> int:
    """Of `total` rows those that come with the first `done` of `n` subjects."""
    return round(total * done / max(n, 1))
