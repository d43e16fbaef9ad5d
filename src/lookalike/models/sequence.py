"""Event sequences: owners are drawn by a model of flat tables, then the rows of each, one after the other.

A table whose schema names a subject and an order is split in two. Columns that never change within an owner, and how many rows it has,
make one row of a table of owners, which an inner model learns. The rows themselves are a chain (`_chain`): each is drawn given its owner
and what came before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from lookalike import models
from lookalike.errors import CannotError, DataError, SchemaError
from lookalike.models._inner import Around
from lookalike.models._windows_rows import ROWS, check_order, check_places, keyed, named, owned, owner_rows, statics
from lookalike.models._windows_rows import owners as subjects_table
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS, Column, Schema, Table

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.models._chain import Chain, How
    from lookalike.protocol import Model
    from lookalike.rules import Rules

__all__ = ["Sequence"]

_SELF = __name__.rpartition(".")[2]
FEWEST = 10
"""Subjects at least."""


class Settings(Around):
    """What can be set."""

    lags: int = Field(2, ge=0, le=24, description="rows before that each row is drawn by one by one, beside summaries of all")
    inner: str = Field("forest", description="the model that learns the table of owners, one row each", examples=["independent"])
    trees: int = Field(20, ge=1, le=500, description="trees for each column; more are smoother and slower")
    sample: float = Field(0.6, gt=0, le=1, description="share of the owners that a tree learns from; less remembers less")
    leaf: int = Field(
        20, ge=1, le=10_000, description="fewest rows in a leaf for a number with many values; more is smoother; below 5: everywhere"
    )
    features: float = Field(0.8, gt=0, le=1, description="share of what a row may be drawn by that is tried at each split")
    rounds: int = Field(60, ge=0, le=2_000, description="rounds of boosting for scores of numbers; 0: no scores")
    cells: int = Field(255, ge=4, le=255, description="cells that a number or a moment is cut into at most")

    @field_validator("inner")
    @classmethod
    def _flat(cls, given: str) -> str:
        """A model of flat tables.

        Raises:
            UnknownName: there is no such model; names the near matches.
        """
        if models.find(given).can.sequences:
            raise ValueError(f"{given} learns sequences, and the table of owners is none: take forest")
        return given


class Sequence:
    """A model of owners, and a chain of their rows.

    Fitted attributes: `inner_`, the model of owners; `chain_`; `statics_`, names of the columns that never change within an owner;
    `longest_`, rows that an owner has at most; `units_`, how many owners were learned from; `told_`, what a reader should be told;
    `exact_`, identities of numbers that all rows learned from obey, such as a total: what they give is computed.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), sequences=True, unit="subject")

    schema: Schema
    inner_: Model
    chain_: Chain
    statics_: tuple[str, ...]
    longest_: int
    units_: int
    told_: list[str]
    exact_: Rules

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Put rows in order, split what is of an owner from what is of a row, and learn both.

        Raises:
            SchemaError: the schema names no subject or no order.
            DataError: order values are missing; there are fewer than FEWEST subjects, or none has more than one row.
            CannotError: the kind of the order column has no order; or the inner model does not take a kind of the owners' columns.
        """
        from lookalike.data import Dataset
        from lookalike.models._chain import Chain

        self.schema = data.schema
        table, sizes, self.told_ = _in_order(data)
        self.statics_ = statics(table, sizes, data.schema)
        self.longest_, self.units_ = int(sizes.max()), len(sizes)
        spec = self._owners
        inner = self.settings.unfitted()
        odd = [c for c in spec.columns if c.kind not in inner.can.kinds]
        if odd:
            what = f"it does not take the kind {odd[0].kind!r} of {odd[0].name!r}"
            raise CannotError(what, where=f"{_SELF}.inner={self.settings.inner}", fix="take inner=forest, which takes all kinds")
        owners = owner_rows(table, sizes, spec)
        flat = Dataset.from_arrow({spec.name: owners}, Schema(tables=(spec,)))
        self.inner_ = inner.fit(flat, rng=rng, on_step=part(on_step, 0.0, 0.2))
        self.chain_ = Chain(self._context, self._rows, self._how)
        rows = table.select(list(self._rows.names))
        self.exact_ = self._identities(rows)
        self.chain_.fit(owners.select(list(self._context.names)), rows, sizes, rng=rng, on_step=part(on_step, 0.2, 1.0))
        if self.chain_.used_ < len(sizes):
            self.told_.append(f"learned the rows of {self.chain_.used_:,} of {len(sizes):,} subjects, chosen at random")
        on_step(Step(1, 1, "learned"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` subjects with all their rows, those of a subject together and in order; `start`: subjects that were drawn before."""
        import pyarrow as pa

        from lookalike.data import Dataset

        owners = self.inner_.sample(n, rng=rng, start=start).table()
        sizes = np.maximum(owners[ROWS].fill_null(1).to_numpy(), 1)
        rows = self.chain_.draw(owners.select(list(self._context.names)), sizes, rng=rng, start=start * self.longest_)
        rows = self.exact_.mend(rows)
        whose = pa.array(np.repeat(np.arange(len(sizes)), sizes))
        subject, made = _named(self.schema)[0], []
        for column in self.schema.table:
            if column.name in rows.column_names:
                made.append(rows[column.name])
            else:
                values = owners[column.name].take(whose)
                made.append(keyed(values, column) if column.name == subject.name else values)
        return Dataset.from_arrow({self.schema.table.name: pa.table(made, names=list(self.schema.table.names))}, self.schema)

    def complete(
        self, table: pa.Table, columns: Iterable[str], *, rng: np.random.Generator, start: int = 0, fill: bool = False
    ) -> pa.Table:
        """Draw the missing values of `columns`, each row given its subject and the rows before it. To forecast, add rows that have but
        subject and order.

        table: canonical, all columns of the schema; rows in any order, in which they are given back. What is missing in other columns is
        taken as a fact. What is drawn may be missing, as often as in the rows that were learned from; not with `fill`. What never changes
        within a subject is not drawn: it is told by another row of it, or stays missing.

        Raises:
            UnknownName: there is no such column.
            DataError: subjects or order values are missing.
        """
        import pyarrow as pa

        from lookalike.models._given import either

        subject, order = _named(self.schema)
        wanted = {self.schema.column(name)[1].name for name in columns}
        check_places(table, self.schema, _SELF)
        whose = np.unique(
            table[subject.name].combine_chunks().cast(pa.string()).dictionary_encode().indices.to_numpy(), return_inverse=True
        )[1]
        sort = np.lexsort((_rank(table[order.name]), whose))
        sizes = np.bincount(whose)
        rows = table.take(pa.array(sort))
        owners = _told(rows, sizes, self.statics_)
        kept = list(self._rows.names)
        made = self.chain_.complete(owners, rows.select(kept), sizes, [n for n in kept if n in wanted], rng=rng, fill=fill)
        repeated = owners.take(pa.array(whose[sort]))
        back = pa.array(np.argsort(sort))
        made = self.exact_.mend(made)
        for name in wanted - {subject.name, order.name}:
            at = table.column_names.index(name)
            drawn = (made if name in kept else repeated)[name].take(back)
            table = table.set_column(at, table.schema.field(at), either(table[name].is_null().combine_chunks(), drawn, table[name]))
        return table

    @property
    def trained_(self) -> dict[str, Any]:
        """What a reader should be told of the fit."""
        return {"notes": self.told_}

    @property
    def codebook_(self) -> Any:
        """How the columns of owners and rows are coded, without the subject, whose keys are made afresh."""
        from lookalike.encode import Codebook

        owners, rows = self.chain_.owners_, self.chain_.codebook_
        books = dict(zip(owners.table.names, owners.books, strict=True)) | dict(zip(rows.table.names, rows.books, strict=True))
        kept = tuple(c for c in self.schema.table if c.name in books)
        return Codebook(Table(name=self.schema.table.name, columns=kept), tuple(books[c.name] for c in kept))

    def state(self) -> State:
        """The inner model and the chain, with what a reader is told."""
        inner, chain = self.inner_.state(), self.chain_.state()
        card = {
            "inner": models.name_of(self.inner_),
            "settings": self.inner_.settings.model_dump(mode="json"),
            "owners": inner.card,
            "chain": chain.card,
            "statics": list(self.statics_),
            "longest": self.longest_,
            "units": self.units_,
            "notes": self.told_,
            "exact": self.exact_.to_json(),
        }
        arrays = {f"owners/{k}": a for k, a in inner.arrays.items()} | {f"chain/{k}": a for k, a in chain.arrays.items()}
        return State(card=card, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.models._chain import Chain
        from lookalike.rules import Rules

        card = state.card
        self.schema, self.statics_, self.told_ = schema, tuple(card["statics"]), card["notes"]
        self.longest_, self.units_ = card["longest"], card["units"]
        own = {k.removeprefix("owners/"): a for k, a in state.arrays.items() if k.startswith("owners/")}
        rows = {k.removeprefix("chain/"): a for k, a in state.arrays.items() if k.startswith("chain/")}
        inner = models.build(card["inner"], card["settings"])
        self.inner_ = inner.restore(Schema(tables=(self._owners,)), State(card=card["owners"], arrays=own))
        self.chain_ = Chain(self._context, self._rows, self._how).restore(State(card=card["chain"], arrays=rows))
        self.exact_ = Rules.from_json(card.get("exact", {"rules": []}), Schema(tables=(self._rows,)))
        return self

    def _identities(self, rows: pa.Table) -> Rules:
        """The identities of numbers that all of `rows` obey, and not by chance."""
        from lookalike.data import Dataset
        from lookalike.rules import Rules, find

        schema = Schema(tables=(self._rows,))
        found = find(Dataset.from_arrow({self._rows.name: rows}, schema))
        order = self._rows.order
        texts = [one.text for one in found if one.kind == "identity" and one.share == 1 and one.columns[0] != order]
        return Rules.of(texts, schema)

    @property
    def _how(self) -> How:
        from lookalike.models._chain import How

        return How(**{name: value for name, value in self.settings.model_dump().items() if name not in ("inner", "inner_settings")})

    @property
    def _owners(self) -> Table:
        """The table of owners: the subject's key, what never changes, and how many rows there are."""
        return subjects_table(self.schema, self.statics_)

    @property
    def _context(self) -> Table:
        """What of an owner its rows are drawn by."""
        owners = self._owners
        return Table(name=owners.name, columns=owners.columns[1:])

    @property
    def _rows(self) -> Table:
        """The columns that may change from row to row."""
        subject, order = _named(self.schema)
        kept = tuple(c for c in self.schema.table if c.name != subject.name and c.name not in self.statics_)
        return Table(name=self.schema.table.name, columns=kept, order=order.name)


def _named(schema: Schema) -> tuple[Column, Column]:
    """The columns of subject and order.

    Raises:
        SchemaError: one of them is not named, or they are the same.
    """
    subject, order = named(schema, _SELF)
    if subject is None:
        what, fix = "no subject is named: whose is a row?", "name its column: schema.model_copy(update={'subject': 'patient'})"
        raise SchemaError(what, where=schema.table.name, fix=f"{fix}; for one long series take the model series or surrogate")
    return subject, order


def _in_order(data: Dataset) -> tuple[pa.Table, np.ndarray, list[str]]:
    """The rows with a subject, sorted by subject (as they come first) and order; int64 [subjects] how many each has; and notes.

    Raises:
        DataError, CannotError: see `Sequence.fit`.
    """
    import pyarrow as pa

    subject, order = _named(data.schema)
    where = f"{data.schema.table.name}.{order.name}"
    table, whose, notes = owned(data)
    check_order(table[order.name], order, where)
    sizes = np.bincount(whose, minlength=1)
    _enough(sizes, f"{data.schema.table.name}.{subject.name}")
    rank = _rank(table[order.name])
    sort = np.lexsort((rank, whose))
    if (np.diff(whose) == 0).any() and ((np.diff(rank) < 0) & (np.diff(whose) == 0)).any():
        notes.append(f"rows were sorted by {order.name} within each {subject.name}")
    same = int(((np.diff(rank[sort]) == 0) & (np.diff(whose[sort]) == 0)).sum())
    if same:
        notes.append(f"{same:,} rows have the same {order.name} as the row before of their {subject.name}: they keep the order of the file")
    return table.take(pa.array(sort)), sizes, notes


def _enough(sizes: np.ndarray, where: str) -> None:
    """Complain about too few subjects, or sequences that are none.

    Raises:
        DataError: there are too few, or each has one row.
    """
    subjects = int((sizes > 0).sum())
    if subjects <= 1:
        what = f"all {int(sizes.sum()):,} rows are of {'one subject' if subjects else 'no subject'}"
        raise DataError(what, where=where, fix="for one long series take the model series or surrogate; or give more subjects")
    if subjects < FEWEST:
        fix = f"give at least {FEWEST}; for a few long series take the model series or surrogate"
        raise DataError(f"there are only {subjects} subjects, too few to learn how subjects differ", where=where, fix=fix)
    if sizes.max() == 1:
        fix = "take the model forest, which learns rows that stand alone; or name another column as subject"
        raise DataError(f"each of the {subjects:,} subjects has one row: nothing follows on anything", where=where, fix=fix)


def _rank(values: pa.ChunkedArray) -> np.ndarray:
    """int64 [n]: the rank of each order value; keys that are whole numbers go by number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    one = values.combine_chunks()
    if pa.types.is_string(one.type) and pc.all(pc.match_substring_regex(one, r"^-?[0-9]{1,18}$")).as_py():
        one = one.cast(pa.int64())
    return pc.rank(one, tiebreaker="dense").to_numpy().astype(np.int64)


def _told(rows: pa.Table, sizes: np.ndarray, statics: tuple[str, ...]) -> pa.Table:
    """What never changes within a subject, from the first row of each that tells it, and how many rows it has."""
    import pyarrow as pa

    first, n = np.cumsum(sizes) - sizes, rows.num_rows
    found = {}
    for name in statics:
        told = np.where(rows[name].is_null().to_numpy(), n, np.arange(n))
        at = np.minimum.reduceat(told, first)
        found[name] = rows[name].take(pa.array(np.where(at < n, at, first)))
    return pa.table(found | {ROWS: sizes.astype(np.int64)})
