"""Columns become *parts*, small whole numbers that models learn, and *inside*, the position that turns a number back into a value.

One module for each family of kinds, found by folder. Each has pure functions over JSON statistics that merge exactly:
`measure → merge → freeze`, then `encode` and `locate`, and back with `decode`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from lookalike import _folder
from lookalike.data import formats
from lookalike.encode._within import Within, bound
from lookalike.errors import CannotError, StoreError
from lookalike.protocol import OnStep, Step, quiet
from lookalike.schema import Column, Schema, Table

if TYPE_CHECKING:
    from lookalike.condition import Condition
    from lookalike.data import Dataset
    from lookalike.data.holders import Holders
    from lookalike.privacy.ledger import Allowance

__all__ = ["Codebook", "Coded", "Part", "Within", "encoder"]

BATCH = 262_144
"""Rows measured at a time."""
MOST_ROWS = 1 << 21
"""Rows held at most while measuring by subject; beyond, the data are read several times, some of the subjects at a time."""
BOUGHT = 0.1
"""Share of a private fit's delta that may go into finding the levels of categories that are not declared."""
MOST_PARTS, MOST_CODES = 16, 1 << 16
"""Parts of a column, and codes of a part, at most."""
VERSION = 1


class Rows(Protocol):
    """What `measure_all` reads: a `Dataset` of one table."""

    schema: Schema
    holders: Holders | None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    def batches(self, name: str | None = None, *, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """The rows, as canonical record batches."""
        ...


@dataclass(frozen=True)
class Part:
    """One learnt variable of a column: codes 0 … size-1; 0 is missing."""

    column: str
    name: str
    size: int
    ordered: bool


@dataclass(frozen=True)
class Coded:
    """A table in codes: uint16 [parts, n], one contiguous row a part; and positions inside cells, float32 [columns, n]."""

    codes: np.ndarray
    inside: np.ndarray


@dataclass(frozen=True)
class Codebook:
    """How each column of a table is coded: one frozen book a column, in the order of the schema."""

    table: Table
    books: tuple[dict[str, Any], ...]

    def __post_init__(self) -> None:
        _encoders()  # modules are imported before there are threads: two that import at once may wait for each other

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, column by column; the first part of a column says whether it is missing."""
        return tuple(
            Part(c.name, p["name"], p["size"], p["ordered"]) for c, b in zip(self.table, self.books, strict=True) for p in b["parts"]
        )

    @property
    def owners(self) -> np.ndarray:
        """int64 [parts]: the column number of each part."""
        return np.repeat(np.arange(len(self.books)), [len(b["parts"]) for b in self.books])

    def protected(self) -> dict[str, dict[str, int]]:
        """{column: {what: how many rows, levels, words …}} that are not told as they are; columns with none are left out."""
        found = {c.name: {k: n for k, n in b["protected"].items() if n} for c, b in zip(self.table, self.books, strict=True)}
        return {name: counts for name, counts in found.items() if counts}

    @classmethod
    def measure_all(cls, data: Rows, *, protect: int = 5, cells: int = 256, on_step: OnStep = quiet) -> Codebook:
        """Measure the only table of `data` in one pass (or a few, see MOST_ROWS), and freeze.

        protect: values held by fewer subjects are not told. cells: codes of a number at most, missing not counted.
        """
        table = data.schema.table
        stats: list[Any] | None = None
        done, total = 0, data.rows
        _encoders()  # as in __post_init__
        with ThreadPoolExecutor() as pool:
            for batch, subjects in _batches(data):
                held = [subjects] * len(table.columns)
                new = list(pool.map(_measure, table.columns, batch.columns, held))
                stats = new if stats is None else list(pool.map(_merge, table.columns, stats, new))
                done += batch.num_rows
                on_step(Step(min(done, total), total, "measuring"))
            if stats is None:
                empty = [pa.array([], formats.canonical(c)) for c in table]
                stats = list(pool.map(_measure, table.columns, empty, [None] * len(empty)))
            books = pool.map(lambda c, s: encoder(c).freeze(s, c, protect=protect, cells=cells), table.columns, stats)
            return cls(table, tuple(books))

    @classmethod
    def private(
        cls, data: Dataset, allowance: Allowance, *, rho: float, sensitivity: int = 1, cells: int = 256
    ) -> tuple[Codebook, list[np.ndarray]]:
        """A codebook of declared facts and noisy counts alone, for zCDP `rho`; and float64 [size] for each part, noisy rows of each code.

        sensitivity: rows that a subject has at most in `data` (see `privacy.domain.bounded`).

        Raises:
            BudgetError: the allowance does not go so far.
        """
        from lookalike.privacy.look import Look, Rows

        table, values, rows = data.schema.table, data.table(), Rows()
        total = sum(_looks(c) for c in table)
        found = sum(map(_found, table))
        books: dict[str, tuple[dict[str, Any], list[np.ndarray]]] = {}
        if not total:
            Look(allowance, rho, "number of rows", rows, sensitivity=sensitivity).counts(np.zeros(values.num_rows, np.int64), 1)
        for c in sorted(table, key=_turn):
            share = rho * _looks(c) / max(total, 1)
            chance = cls.chance(data.schema, allowance) / max(found, 1)
            look = Look(allowance, share, c.name, rows, sensitivity=sensitivity, cells=cells, delta=chance)
            stats = encoder(c).noisy(values.column(c.name), c, look)
            book = encoder(c).freeze(stats, c, protect=1, cells=cells)
            books[c.name] = book, encoder(c).held(stats, book, c)
        counts = [x * (rows.estimate / max(x.sum(), 1e-9)) for c in table for x in books[c.name][1]]
        return cls(table, tuple(books[c.name][0] for c in table)), counts

    @staticmethod
    def chance(schema: Schema, allowance: Allowance) -> float:
        """The delta that `private` spends: on finding levels that are not declared, if there are any."""
        return allowance.budget.delta * BOUGHT if any(map(_found, schema.table)) else 0.0

    def codes(self, table: pa.Table | pa.RecordBatch) -> np.ndarray:
        """uint16 [parts, n]: the codes of a canonical table, for what does not ask where in its cell a value lies."""
        return self._coded(table, inside=None)

    def encode(self, table: pa.Table | pa.RecordBatch) -> Coded:
        """Codes and positions of a canonical table."""
        inside = np.empty((len(self.books), table.num_rows), np.float32)
        return Coded(self._coded(table, inside=inside), inside)

    def _coded(self, table: pa.Table | pa.RecordBatch, *, inside: np.ndarray | None) -> np.ndarray:
        """Codes of a canonical table; `inside`, where given, is filled with the positions."""
        codes = np.empty((len(self.owners), table.num_rows), np.uint16)
        firsts = np.searchsorted(self.owners, np.arange(len(self.books)))

        def fill(k: int) -> None:
            column, book, values = self.table.columns[k], self.books[k], table.column(k)
            mine = encoder(column).encode(values, book, column)
            codes[firsts[k] : firsts[k] + len(mine)] = mine
            if inside is not None:
                inside[k] = np.minimum(encoder(column).locate(values, book, column, codes=mine), np.float32(1 - 2**-24))

        with ThreadPoolExecutor() as pool:
            list(pool.map(fill, range(len(self.books))))
        return codes

    def decode(self, coded: Coded, *, start: int = 0) -> pa.Table:
        """The canonical table of codes and positions; `start`: rows made before (fresh keys go on from there)."""
        ends = np.searchsorted(self.owners, np.arange(len(self.books) + 1))
        columns = self.table.columns
        alone = [k for k, c in enumerate(columns) if c.kind != "personal"]
        fitting = [k for k, c in enumerate(columns) if c.kind == "personal"]

        def codes(k: int) -> np.ndarray:
            return coded.codes[ends[k] : ends[k + 1]].astype(np.int32)

        def column(k: int) -> pa.Array:
            return encoder(columns[k]).decode(codes(k), coded.inside[k], self.books[k], columns[k], start=start)

        with ThreadPoolExecutor() as pool:
            made = dict(zip(alone, pool.map(column, alone), strict=True))
        if fitting:  # a row's name, e-mail and sex are of one person
            beside = {columns[k].name: (columns[k], values) for k, values in made.items()}
            mine = ([columns[k] for k in fitting], [self.books[k] for k in fitting], [codes(k) for k in fitting])
            found = encoder(columns[fitting[0]]).together(*mine, [coded.inside[k] for k in fitting], start=start, beside=beside)
            made |= dict(zip(fitting, found, strict=True))
        return pa.table([made[k] for k in range(len(columns))], names=list(self.table.names))

    def renewed(self, table: pa.Table, *, rng: np.random.Generator, start: int = 0) -> pa.Table:
        """A drawn table whose keys and personal values are made again, as rows that were refused or drawn twice break their order.

        Columns may be fewer than the codebook's. Personal values keep their class, and fit the row as it is now.
        """
        made = {name: formats.whole(table.column(name)) for name in table.column_names}
        here = [k for k, c in enumerate(self.table) if c.name in made]
        spec = self.table.columns
        inside = rng.random((len(self.books), table.num_rows), dtype=np.float32)
        renewed = [k for k in here if spec[k].kind in ("key", "personal")]
        codes = {k: encoder(spec[k]).encode(made[spec[k].name], self.books[k], spec[k]) for k in renewed}
        for k in renewed:
            if spec[k].kind == "key":
                made[spec[k].name] = encoder(spec[k]).decode(codes[k], inside[k], self.books[k], spec[k], start=start)
        fitting = [k for k in renewed if spec[k].kind == "personal"]
        beside = {spec[k].name: (spec[k], made[spec[k].name]) for k in here if k not in fitting}
        mine = ([spec[k] for k in fitting], [self.books[k] for k in fitting], [codes[k] for k in fitting])
        if fitting:
            found = encoder(spec[fitting[0]]).together(*mine, [inside[k] for k in fitting], start=start, beside=beside)
            made |= {spec[k].name: values for k, values in zip(fitting, found, strict=True)}
        return pa.table({name: made[name].cast(table.schema.field(name).type) for name in table.column_names})

    def within(self, conditions: Mapping[str, Condition]) -> Within:
        """What conditions on columns mean for codes.

        Raises:
            UnknownName: a level that is not in the book; names the near matches.
            CannotError: nothing that can be drawn would do.
        """
        firsts = np.searchsorted(self.owners, np.arange(len(self.books)))
        return bound(self.table.columns, self.books, firsts, conditions, encoder)

    def to_json(self) -> dict[str, Any]:
        """Everything but the schema, as JSON values."""
        return {"version": VERSION, "books": {c.name: b for c, b in zip(self.table, self.books, strict=True)}}

    @classmethod
    def from_json(cls, raw: dict[str, Any], table: Table) -> Codebook:
        """The inverse of `to_json`.

        Raises:
            StoreError: the books are of another version or of other columns.
        """
        if raw.get("version") != VERSION:
            raise StoreError(f"codebook version {raw.get('version')!r} is not known", fix="fit the model anew, or update lookalike")
        missing = [name for name in table.names if name not in raw["books"]]
        if missing or len(raw["books"]) != len(table.names):
            raise StoreError(
                "the codebook is of another table",
                where=table.name,
                fix=f"no book for {', '.join(missing) or 'some columns'}: fit the model anew",
            )
        books = tuple(raw["books"][name] for name in table.names)
        for column, book in zip(table, books, strict=True):
            sizes = [p["size"] for p in book["parts"]]
            if not 0 < len(sizes) <= MOST_PARTS or not all(type(size) is int and 0 < size <= MOST_CODES for size in sizes):
                raise StoreError("the codebook has parts that no column has", where=column.name, fix="fit the model anew")
        return cls(table, books)


@cache
def _encoders() -> dict[str, ModuleType]:
    """The module that serves each kind."""
    modules = [_folder.load(__name__, name) for name in _folder.names(__name__)]
    return {kind: module for module in modules for kind in module.KINDS}


def encoder(column: Column) -> ModuleType:
    """The module that codes `column`, or the caller's own encoder of it.

    Raises:
        CannotError: no encoder takes its kind, or the caller's own is known by name only.
    """
    if isinstance(column.encoder, str):
        what = f"is coded by {column.encoder}, which is not here"
        raise CannotError(what, where=column.name, fix=f"schema.amend({column.name!r}, encoder=…), or lookalike.load(path, encoders=…)")
    found = _encoders().get(column.kind) if column.encoder is None else column.encoder
    if found is None:
        raise CannotError(
            f"no encoder for kind {column.kind!r}", where=column.name, fix=f"kinds that can be coded: {', '.join(sorted(_encoders()))}"
        )
    return found


def _found(column: Column) -> bool:
    """Whether a private fit has to find the levels itself."""
    return column.kind in ("category", "constant") and not column.levels


def _looks(column: Column) -> int:
    """How much of a budget a column needs, beside others: nothing where nothing is looked at, twice as much where there are many values."""
    if column.kind == "empty" or (column.kind in ("key", "personal", "constant") and not column.nullable and not _found(column)):
        return 0
    return 1 if column.kind in ("boolean", "key", "personal", "constant") else 2


def _turn(column: Column) -> int:
    """When a column is looked at: those with few values first, which tell best how many rows there are; last those that ask just that."""
    known = len(column.levels or ()) or 1_000
    return {0: 1 << 20, 1: 1}.get(_looks(column), known if column.kind == "category" else 10_000)


def _measure(column: Column, values: pa.Array, subjects: np.ndarray | Holders | None) -> dict[str, Any]:
    return encoder(column).measure(values, column, subjects=subjects)


def _merge(column: Column, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    return encoder(column).merge(a, b)


def _batches(data: Rows) -> Iterator[tuple[pa.RecordBatch, np.ndarray | Holders | None]]:
    """Batches with the subject of each row (None: each row its own); no subject is in two batches."""
    if data.holders is not None:
        whole = pa.Table.from_batches(list(data.batches(rows=BATCH))).unify_dictionaries().combine_chunks()
        yield from ((batch, data.holders) for batch in whole.to_batches())
        return
    if data.schema.subject is None:
        for batch in data.batches(rows=BATCH):
            yield batch, None
        return
    name = data.schema.column(data.schema.subject)[1].name
    passes, shard = 1, 0
    while shard < passes:
        kept: list[tuple[pa.RecordBatch, np.ndarray]] = []
        for batch in data.batches(rows=BATCH):
            kept.append(_only(batch, _hashes(batch.column(name)), passes, shard))
            while shard == 0 and passes < 1 << 20 and sum(len(h) for _, h in kept) > MOST_ROWS and _divisible(kept, passes):
                passes *= 2
                kept = [_only(b, h, passes, 0) for b, h in kept]
        shard += 1
        if kept:
            whole = pa.Table.from_batches([b for b, _ in kept]).unify_dictionaries().combine_chunks()
            if whole.num_rows:
                yield whole.to_batches()[0], np.concatenate([h for _, h in kept])


def _divisible(kept: list[tuple[pa.RecordBatch, np.ndarray]], passes: int) -> bool:
    """Twice as many passes would part these subjects."""
    sides = np.unique(np.concatenate([h for _, h in kept]) // passes % 2)
    return len(sides) > 1


def _only(batch: pa.RecordBatch, subjects: np.ndarray, passes: int, shard: int) -> tuple[pa.RecordBatch, np.ndarray]:
    """The rows of the subjects whose turn it is."""
    mine = subjects % passes == shard
    return (batch, subjects) if mine.all() else (batch.filter(pa.array(mine)), subjects[mine])


def _hashes(values: pa.Array) -> np.ndarray:
    """int64 [n] >= 0: a number for each subject, the same in every batch; missing ones count as one subject."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    coded = values.cast(pa.string()).dictionary_encode(null_encoding="encode")
    words = np.array(["" if v is None else "=" + v for v in coded.dictionary.to_pylist()], object)
    hashes = (pd.util.hash_array(words, categorize=False) >> np.uint64(1)).astype(np.int64)
    return hashes[coded.indices.to_numpy(zero_copy_only=False)]
