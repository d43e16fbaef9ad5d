"""Tables of ordered rows become arrays that a model of series learns, and arrays become tables: subjects, order, calendar and cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike import models
from lookalike.encode import Codebook
from lookalike.errors import DataError
from lookalike.models._windows_cells import Cells
from lookalike.models._windows_gaps import Gaps
from lookalike.models._windows_rows import (
    FIRST,
    GAP,
    ROWS,
    TIGHT,
    Clock,
    Ordered,
    check_places,
    in_order,
    keyed,
    named,
    owner_rows,
    owners,
    statics,
)
from lookalike.protocol import OnStep, State, part, quiet
from lookalike.schema import Column, Schema, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.protocol import Model

__all__ = ["Frame", "Given", "Lot", "Rows"]


@dataclass(frozen=True)
class Rows:
    """What is learned. sizes int64 [series]; state, there: see `Cells.encode`; beside float32 [rows, k]: what is known of each row."""

    sizes: np.ndarray
    state: np.ndarray
    there: np.ndarray
    beside: np.ndarray
    notes: list[str]


@dataclass(frozen=True)
class Lot:
    """Series to be drawn. whose: number of the series of each row; order: its order value; owners: a row for each subject, or None."""

    sizes: np.ndarray
    order: np.ndarray
    beside: np.ndarray
    owners: pa.Table | None

    @property
    def whose(self) -> np.ndarray:
        """int64 [rows]."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


@dataclass(frozen=True)
class Given:
    """Cells that are given: state, there (see `Cells.encode`), known bool [rows, channels]; wanted: columns with something to be drawn."""

    sort: np.ndarray
    state: np.ndarray
    there: np.ndarray
    known: np.ndarray
    wanted: tuple[str, ...]


class Frame:
    """How the tables of a schema become arrays.

    clock: how order goes on; names: columns that never change within a subject; cells: those of rows; bound: numbers of a row that never
    pass others of it; context: cells of subjects;
    inner: the model of subjects; longest: rows of a subject at most; firsts: whether subjects begin at different order values.
    """

    clock: Clock
    names: tuple[str, ...]
    cells: Cells
    bound: Gaps
    context: Cells | None
    inner: Model | None
    longest: int
    firsts: bool
    gaps: bool

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.subject, self.order = named(schema, "a model of series")

    @classmethod
    def of(cls, data: Dataset, *, protect: int, cells: int, rng: np.random.Generator, on_step: OnStep = quiet) -> tuple[Frame, Rows]:
        """The frame of `data`, and its rows.

        Raises:
            SchemaError, CannotError, DataError: see `in_order`; or there are no columns to learn.
        """
        self = cls(data.schema)
        found = in_order(data, "a model of series")
        self.clock, self.gaps = found.clock, found.gaps is not None
        self.names, self.longest = statics(found.table, found.sizes, data.schema), int(found.sizes.max())
        firsts = found.order[found.starts]
        self.firsts = self.subject is not None and bool((firsts != firsts[0]).any())
        self.context = self.inner = None
        if self.subject is not None:
            self._learn_owners(found, protect=protect, cells=cells, rng=rng, on_step=part(on_step, 0, 0.4))
        self._measure(found, protect=protect, cells=cells, on_step=part(on_step, 0.4, 0.9))
        coded = self.cells.codebook.encode(self._rows_of(found))
        inside = np.diff(np.repeat(np.arange(len(found.sizes)), found.sizes)) == 0
        self.cells = Cells.of(self.cells.codebook, coded, inside)
        table = self._rows_of(found)
        self.cells.learn_digits(table)
        state, there = self.cells.encode(coded, table)
        self.bound = Gaps.find(self.cells, table, state, there)
        beside = self._beside(found.sizes, found.order, self._owners_of(found) if self.subject is not None else None)
        return self, Rows(found.sizes, state, there, beside, found.notes)

    @property
    def unit(self) -> str:
        """What is counted: "row" of one series, or "subject"."""
        return "row" if self.subject is None else "subject"

    @property
    def lines(self) -> np.ndarray:
        """Places of the numbers in a row of the state."""
        ends = np.cumsum([0, *(c.size for c in self.cells.channels)])
        return ends[:-1][[c.kind == "number" for c in self.cells.channels]]

    @property
    def beside(self) -> int:
        """Numbers that are known of each row."""
        context = 0 if self.context is None else sum(c.size + 1 for c in self.context.channels)
        return self.clock.told(np.zeros(1)).shape[1] + (2 + context if self.subject is not None else 0)

    @property
    def codebook(self) -> Codebook:
        """Books of all columns but order and subject."""
        books = dict(zip(self.cells.codebook.table.names, self.cells.codebook.books, strict=True))
        if self.context is not None:
            books |= dict(zip(self.context.codebook.table.names, self.context.codebook.books, strict=True))
        kept = tuple(c for c in self.schema.table if c.name in books)
        return Codebook(Table(name=self.schema.table.name, columns=kept), tuple(books[c.name] for c in kept))

    # ----------------------------------------------------------------------------------------------------- drawing

    def lot(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Lot:
        """`n` steps of one series, or `n` subjects; `start` were drawn before."""
        if self.inner is None:
            first = self.clock.values(np.array([self.clock.first]), np.array([start]), None)
            order = self.clock.values(np.repeat(first, n), np.arange(n), None)
            sizes = np.array([n], np.int64)
            return Lot(sizes, order, self._beside(sizes, order, None), None)
        drawn = self.inner.sample(n, rng=rng, start=start).table()
        sizes = np.clip(drawn[ROWS].fill_null(1).to_numpy(), 1, self.longest).astype(np.int64)
        order = self._orders(drawn, sizes)
        return Lot(sizes, order, self._beside(sizes, order, drawn), drawn)

    def lot_of(self, table: pa.Table, columns: Sequence[str], *, rng: np.random.Generator) -> tuple[Lot, Given]:
        """The series of a canonical table some of whose cells are missing in `columns`.

        Raises:
            UnknownName: there is no such column.
            DataError: subjects or order values are missing; these occur twice, or do not lie as far apart as those that were learned from.
        """
        import pyarrow.compute as pc

        from lookalike.data import Dataset

        asked = {self.schema.column(name)[1].name for name in columns} - {self.order.name}
        wanted = tuple(name for name in table.column_names if name in asked and table[name].null_count)
        check_places(table, self.schema, "a model of series")
        found = in_order(Dataset.from_arrow({self.schema.table.name: table}, self.schema), "a model of series")
        if not self.gaps:
            self._check_steps(found)
        elif found.gaps is None:
            found = Ordered(found.table, found.sort, found.sizes, found.order, _gaps(found), found.clock, found.notes)
        drawn = None
        if self.inner is not None:
            drawn = self._completed(found, [name for name in wanted if name in self.names], rng)
        rows = self._rows_of(found)
        state, there = self.cells.encode(self.cells.codebook.encode(rows), rows)
        known = np.ones(there.shape, bool)
        for k, channel in enumerate(self.cells.channels):
            name = self.cells.codebook.parts[channel.part].column
            if name in wanted:
                known[:, k] = pc.is_valid(found.table[name]).to_numpy()
        lot = Lot(found.sizes, found.order, self._beside(found.sizes, found.order, drawn), drawn)
        return lot, Given(found.sort, state, there, known, wanted)

    def table(self, lot: Lot, state: np.ndarray, there: np.ndarray, *, rng: np.random.Generator, start: int = 0) -> pa.Table:
        """The canonical table of rows that were drawn."""
        import pyarrow as pa

        rows = self._decoded(state, there, rng=rng, start=start * (1 if lot.owners is None else self.longest))
        rows = self.bound.placed(rows, state, {name: np.ones(len(state), bool) for name in self.bound.columns()})
        order, whose, made = lot.order, pa.array(lot.whose), []
        if self.gaps:
            gaps = np.abs(rows[GAP].to_numpy(zero_copy_only=False).astype(np.float64))
            begins = np.cumsum(lot.sizes) - lot.sizes
            gaps[begins] = 0
            total = np.cumsum(gaps)
            order = self.clock.values(np.repeat(lot.order[begins], lot.sizes), order, total - np.repeat(total[begins], lot.sizes))
        for column in self.schema.table:
            if column.name == self.order.name:
                made.append(self.clock.write(order, column))
            elif lot.owners is not None and column.name in lot.owners.column_names:
                values = lot.owners[column.name].take(whose)
                made.append(keyed(values, column) if self.subject is not None and column.name == self.subject.name else values)
            else:
                made.append(rows[column.name])
        return pa.table(made, names=list(self.schema.table.names))

    def filled(
        self, table: pa.Table, lot: Lot, given: Given, drawn: tuple[np.ndarray, np.ndarray], *, rng: np.random.Generator, start: int = 0
    ) -> pa.Table:
        """`table` with what is missing in the columns that are wanted, as drawn."""
        import pyarrow as pa
        import pyarrow.compute as pc

        state, _ = drawn
        rows = self._decoded(*drawn, rng=rng, start=start)
        back = pa.array(np.argsort(given.sort))
        drawn_at = {name: pc.is_null(table[name]).to_numpy() for name in self.bound.columns()}
        for name in given.wanted:
            if name in rows.column_names:
                made = rows[name].take(back)
            elif lot.owners is not None and name in lot.owners.column_names:
                made = lot.owners[name].take(pa.array(lot.whose)).take(back)
            else:
                continue
            at, old = table.schema.get_field_index(name), table[name]
            plain = old.type.value_type if pa.types.is_dictionary(old.type) else old.type
            both = pc.if_else(pc.is_null(old).combine_chunks(), made.cast(plain), old.cast(plain))
            table = table.set_column(at, table.schema.field(at), both.cast(old.type))
        return self.bound.placed(table, state[np.argsort(given.sort)], drawn_at)

    # ------------------------------------------------------------------------------------------------------ keeping

    def state(self) -> State:
        """Clock and codebooks as JSON, counts as arrays, the model of subjects as it keeps itself."""
        clock = {name: getattr(self.clock, name) for name in ("kind", "step", "months", "first")} | {"cycles": list(self.clock.cycles)}
        card: dict[str, Any] = {
            "clock": clock,
            "names": list(self.names),
            "longest": self.longest,
            "firsts": self.firsts,
            "gaps": self.gaps,
        }
        card["bound"] = self.bound.to_json()
        card["cells"], arrays = self.cells.to_json(), {f"cells.{k}": a for k, a in self.cells.arrays().items()}
        if self.context is not None:
            card["context"] = self.context.to_json()
            arrays |= {f"context.{k}": a for k, a in self.context.arrays().items()}
        if self.inner is not None:
            inner = self.inner.state()
            card["inner"] = inner.card
            arrays |= {f"inner.{k}": a for k, a in inner.arrays.items()}
        return State(card=card, arrays=arrays)

    @classmethod
    def restore(cls, schema: Schema, state: State) -> Frame:
        """The inverse of `state`."""
        self, card = cls(schema), state.card
        clock = card["clock"]
        self.clock = Clock(clock["kind"], clock["step"], clock["months"], clock["first"], tuple(clock["cycles"]))
        self.names, self.longest = tuple(card["names"]), card["longest"]
        self.firsts, self.gaps = card["firsts"], card["gaps"]
        self.cells = Cells.from_json(card["cells"], _under(state, "cells."), self._row_table)
        self.bound = Gaps.from_json(card.get("bound", []), self.cells)
        self.context = self.inner = None
        if self.subject is not None:
            if "context" in card:
                self.context = Cells.from_json(card["context"], _under(state, "context."), self._context_table)
            spec = Schema(tables=(self._owner_table,))
            self.inner = models.build("forest").restore(spec, State(card=card["inner"], arrays=_under(state, "inner.")))
        return self

    # ----------------------------------------------------------------------------------------------------- learning

    @property
    def _owner_table(self) -> Table:
        return owners(self.schema, self.names, firsts=self.firsts)

    @property
    def _context_table(self) -> Table:
        return Table(name=self.schema.table.name, columns=tuple(self.schema.table[name] for name in self.names))

    @property
    def _row_table(self) -> Table:
        """Columns that may change from row to row, and the gap, if there is one."""
        apart = {self.order.name, *self.names} | ({self.subject.name} if self.subject is not None else set())
        columns = tuple(c for c in self.schema.table if c.name not in apart)
        gap = (Column(name=GAP, kind="number", nullable=False),) if self.gaps else ()
        return Table(name=self.schema.table.name, columns=(*columns, *gap))

    def _rows_of(self, found: Ordered) -> pa.Table:
        """The table that `_row_table` describes."""
        import pyarrow as pa

        spec = self._row_table
        rows = found.table.select([name for name in spec.names if name != GAP])
        return rows.append_column(GAP, pa.array(found.gaps)) if self.gaps else rows

    def _measure(self, found: Ordered, *, protect: int, cells: int, on_step: OnStep) -> None:
        """The codebook of rows; a subject's rows count as one where values are protected."""
        from lookalike.data import Dataset

        spec, rows = self._row_table, self._rows_of(found)
        if not spec.columns:
            raise DataError("there is no column but those of order and subject", where=spec.name, fix="name another column as order")
        if self.subject is None:
            book = Codebook.measure_all(
                Dataset.from_arrow({spec.name: rows}, Schema(tables=(spec,))), protect=protect, cells=cells, on_step=on_step
            )
        else:
            wide = Table(name=spec.name, columns=(*spec.columns, self.subject))
            rows = rows.append_column(self.subject.name, found.table[self.subject.name])
            data = Dataset.from_arrow({spec.name: rows}, Schema(tables=(wide,), subject=self.subject.name))
            book = Codebook.measure_all(data, protect=protect, cells=cells, on_step=on_step)
            book = Codebook(spec, book.books[:-1])
        counts = [np.ones(p.size, np.int64) for p in book.parts]
        self.cells = Cells(book, counts, np.zeros(len(counts)))

    def _owners_of(self, found: Ordered) -> pa.Table:
        """One row for each subject, as `_owner_table` describes."""
        spec = self._owner_table
        made = owner_rows(found.table, found.sizes, spec)
        return made.append_column(FIRST, self.clock.write(found.order[found.starts], spec[FIRST])) if self.firsts else made

    def _learn_owners(self, found: Ordered, *, protect: int, cells: int, rng: np.random.Generator, on_step: OnStep) -> None:
        """The model of subjects, and how what never changes is told to the model of rows."""
        from lookalike.data import Dataset

        spec, rows = self._owner_table, self._owners_of(found)
        self.inner = models.build("forest", {"protect": protect})
        self.inner.fit(Dataset.from_arrow({spec.name: rows}, Schema(tables=(spec,))), rng=rng, on_step=on_step)
        if not self.names:
            return
        table = rows.select(list(self.names))
        data = Dataset.from_arrow({spec.name: table}, Schema(tables=(self._context_table,)))
        book = Codebook.measure_all(data, protect=protect, cells=cells)
        coded = book.encode(table)
        self.context = Cells.of(book, coded, np.zeros(max(len(found.sizes) - 1, 0), bool))

    def _beside(self, sizes: np.ndarray, order: np.ndarray, drawn: pa.Table | None) -> np.ndarray:
        """float32 [rows, beside]: calendar, place in the series, and what never changes."""
        out = [self.clock.told(order)]
        if self.subject is not None and drawn is not None:
            at = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            left = np.repeat(sizes, sizes) - 1 - at
            out.append(np.stack([at, left], axis=1).astype(np.float32) / self.longest)
            if self.context is not None:
                state, there = self.context.encode(self.context.codebook.encode(drawn.select(list(self.names))))
                out.append(np.repeat(np.concatenate([state, there], axis=1).astype(np.float32), sizes, axis=0))
        return np.ascontiguousarray(np.concatenate(out, axis=1), np.float32)

    def _orders(self, drawn: pa.Table, sizes: np.ndarray) -> np.ndarray:
        """Order values of subjects that were drawn, as far apart as usual."""
        import pyarrow as pa

        at = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        first = np.full(len(sizes), self.clock.first)
        if self.firsts:
            values = drawn[FIRST].combine_chunks()
            if pa.types.is_floating(values.type):
                first = values.to_numpy(zero_copy_only=False)
            else:
                wide = values.cast(pa.int32()) if pa.types.is_date32(values.type) else values
                first = wide.cast(pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
        return self.clock.values(np.repeat(first, sizes), at, None)

    def _completed(self, found: Ordered, lacking: list[str], rng: np.random.Generator) -> pa.Table:
        """One row for each subject of a table that is given in part, with the columns `lacking` drawn."""
        made = self._owners_of(found)
        return self.inner.complete(made, lacking, rng=rng) if lacking else made  # type: ignore[union-attr]

    def _check_steps(self, found: Ordered) -> None:
        """Complain about steps unlike those that were learned from.

        Raises:
            DataError: there are such steps.
        """
        usual, clock = self.clock.step, found.clock
        alone = int(found.sizes.max()) < 2
        if not alone and (found.gaps is not None or clock.months != self.clock.months or abs(clock.step - usual) > TIGHT * usual):
            where = f"{self.schema.table.name}.{self.order.name}"
            fix = "add a row for each step that is left out, with nothing but order (and subject) in it"
            raise DataError("steps are not those of the data that were learned from", where=where, fix=fix)

    def _decoded(self, state: np.ndarray, there: np.ndarray, *, rng: np.random.Generator, start: int) -> pa.Table:
        coded = self.cells.decode(state, there, rng=rng)
        return self.cells.exact(self.cells.codebook.decode(coded, start=start), state, there, coded)


def _gaps(found: Ordered) -> np.ndarray:
    """float64 [rows]: time since the row before of the same series; the usual one at the first."""
    gaps = np.concatenate([[0.0], np.diff(found.order)]).astype(np.float64)
    gaps[found.starts] = found.clock.step
    return gaps


def _under(state: State, prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): a for name, a in state.arrays.items() if name.startswith(prefix)}
