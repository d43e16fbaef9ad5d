"""Rows of families: drawn given whose they are, which rows they name, how many they are, and what their earlier siblings are like.

Siblings are drawn in rounds, each for all families at once: the first alone, the next given the first, and so on in ever larger
steps (a quarter of those there), so that the number of rounds grows as the logarithm of the largest family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike import models
from lookalike.data import Dataset
from lookalike.data.holders import Holders
from lookalike.models._kin import positions_of
from lookalike.models._kin_even import evenly, turns
from lookalike.protocol import OnStep, State, quiet
from lookalike.schema import Column, Schema, Table

if TYPE_CHECKING:
    from typing import Self

    from lookalike.protocol import Model

__all__ = ["VISIBLE", "Family", "Given", "featured", "numbers", "of_kind", "taken"]

VISIBLE = frozenset({"integer", "number", "category", "boolean", "date", "datetime", "time", "duration"})
"""Kinds that others are drawn by."""
TICKS = {"date": pa.int32(), "datetime": pa.int64(), "time": pa.int64(), "duration": pa.int64(), "integer": pa.int64()}
WHOSE, SIZE, PLACE = "(whose)", "(siblings)", "(place)"
MOST_ROWS = 500_000
"""Rows learned from at most; beyond, families are left out at random."""
PIECE = 400_000
"""Rows of families that are drawn together, about."""
POOL, LEAST_POOL, NEAREST = 3, 2_000, 5
"""Rows of a model that draws none given others: so many for each that is asked, and at least; and among how many it is chosen."""


class Given:
    """Columns drawn given others, by any model: by its `context`, if it has that setting; by `complete`, if it can; else by rows drawn
    freely, of which those near to what is given are taken.

    drawn, context: the columns, whose names differ. Fitted attributes: `inner_`.
    """

    inner_: Model
    guarded: bool = False

    def __init__(self, drawn: tuple[Column, ...], context: tuple[Column, ...], inner: str, settings: Mapping[str, Any]) -> None:
        self.drawn, self.context, self.inner, self.settings = drawn, context, inner, dict(settings)

    def fit(
        self,
        rows: pa.Table,
        context: pa.Table | None,
        whose: np.ndarray | None,
        *,
        guarded: bool = False,
        holders: Holders | None = None,
        rng: np.random.Generator,
        on_step: OnStep,
    ) -> Self:
        """Learn rows [n] given `context` [n]; whose: int64 [n], those who share a number are learned from together, and, if `guarded`, are
        of one subject; holders: the subjects who reach each row, if it is nobody's own."""
        table = pa.table({c.name: rows[c.name] if c in self.drawn else context[c.name] for c in (*self.context, *self.drawn)})
        whose = whose if guarded or self._native else None
        self.guarded = guarded and whose is not None
        if whose is not None:
            table = table.append_column(WHOSE, pa.array(whose).cast(pa.string()))
        schema = self._schema(whose is not None)
        model = models.build(self.inner, self._settings(whose is not None))
        data = Dataset.from_arrow({schema.table.name: table}, schema, holders=holders)
        self.inner_ = model.fit(data, rng=rng, on_step=on_step)
        return self

    def draw(self, context: pa.Table | None, n: int, *, rng: np.random.Generator, start: int = 0) -> pa.Table:
        """`n` rows, given `context` if there is any."""
        names = [c.name for c in self.drawn]
        if not self.context:
            return self.inner_.sample(n, rng=rng, start=start).table().select(names)
        if not hasattr(self.inner_, "complete"):
            return self._pooled(context, n, rng, start)
        columns = {c.name: context[c.name] for c in self.context}
        columns |= {name: pa.nulls(n, self._types[name]) for name in names}
        if WHOSE in self.inner_.schema.table.names:
            columns[WHOSE] = pa.array(["0"] * n, pa.string())
        return self.inner_.complete(pa.table(columns), names, rng=rng, start=start).select(names)

    @property
    def _types(self) -> dict[str, pa.DataType]:
        from lookalike.data import formats

        return {c.name: formats.canonical(c) for c in self.drawn}

    def _schema(self, whose: bool) -> Schema:
        columns = (*self.context, *self.drawn, *([Column(name=WHOSE, kind="key", nullable=False)] if whose else []))
        return Schema(tables=(Table(name="rows", columns=columns),), subject=WHOSE if self.guarded else None)

    def _settings(self, whose: bool) -> dict[str, Any]:
        if not (self._native and self.context):
            return self.settings
        given = {"context": tuple(c.name for c in self.context)}
        return self.settings | ({"context": (*given["context"], WHOSE), "together": WHOSE} if whose else given)

    @property
    def _native(self) -> bool:
        """Whether the model has the setting `context`."""
        return "context" in models.settings_of(self.inner).model_fields

    def _pooled(self, context: pa.Table, n: int, rng: np.random.Generator, start: int) -> pa.Table:
        """Rows drawn freely whose context is near to what is given."""
        from scipy.spatial import cKDTree

        pool = self.inner_.sample(max(LEAST_POOL, POOL * n), rng=rng, start=start).table()
        both = _located([context, pool], self.context)
        near = cKDTree(both[n:]).query(both[:n], k=NEAREST)[1]
        chosen = near[np.arange(n), rng.integers(0, NEAREST, n)] if n else np.zeros(0, np.int64)
        return pool.select([c.name for c in self.drawn]).take(pa.array(chosen))

    def state(self) -> State:
        """The inner model's settings and state."""
        inner = self.inner_.state()
        card = {
            "drawn": [c.model_dump(mode="json", exclude_defaults=True) for c in self.drawn],
            "context": [c.model_dump(mode="json", exclude_defaults=True) for c in self.context],
            "inner": self.inner,
            "settings": self.inner_.settings.model_dump(mode="json"),
            "whose": WHOSE in self.inner_.schema.table.names,
            "guarded": self.guarded,
            "state": inner.card,
        }
        return State(card=card, arrays=inner.arrays)

    @classmethod
    def restore(cls, state: State) -> Given:
        """The inverse of `state`."""
        card = state.card
        drawn, context = (tuple(Column(**c) for c in card[name]) for name in ("drawn", "context"))
        made = cls(drawn, context, card["inner"], card["settings"])
        made.guarded = card["guarded"]
        inner = models.build(card["inner"], card["settings"])
        made.inner_ = inner.restore(made._schema(card["whose"]), State(card=card["state"], arrays=state.arrays))
        return made


class Family:
    """Learns and draws the rows of owners, whose order among siblings is as it stands.

    drawn: columns of a row; owners, beside: columns of its owner, and of what it names itself; guarded: see `Given`. `lone`: no family has
    several rows.
    """

    given_: Given | None

    def __init__(
        self,
        drawn: tuple[Column, ...],
        owners: tuple[Column, ...],
        beside: tuple[Column, ...],
        inner: str,
        settings: Mapping[str, Any],
        *,
        guarded: bool = False,
    ) -> None:
        self.drawn, self.owners, self.beside = drawn, owners, beside
        self.inner, self.settings, self.lone, self.guarded = inner, dict(settings), True, guarded

    def fit(
        self,
        owners: pa.Table | None,
        rows: pa.Table | None,
        sizes: np.ndarray,
        *,
        rng: np.random.Generator,
        beside: pa.Table | None = None,
        whose: np.ndarray | None = None,
        holders: Holders | None = None,
        on_step: OnStep = quiet,
    ) -> Self:
        """Learn `rows` [n], sorted by owner; `sizes` int64 [m] sum to n; beside, holders: [n]; whose: [m]; see `Given`."""
        self.given_ = None
        self.lone = bool(sizes.max(initial=0) <= 1)
        if not self.drawn or not sizes.sum():
            return self
        kept = _some(sizes, rng)
        if not kept.all():
            inside = pa.array(np.repeat(kept, sizes))
            rows, beside = rows.filter(inside), None if beside is None else beside.filter(inside)
            holders = None if holders is None else holders[inside.to_numpy(zero_copy_only=False)]
            owners, whose = None if owners is None else owners.filter(pa.array(kept)), None if whose is None else whose[kept]
            sizes = sizes[kept]
        past = _Past(self.drawn, int(sizes.sum()))
        past.put(np.arange(len(past)), rows)
        place = positions_of(sizes)
        low = np.array([b for b, _ in _rounds(int(sizes.max()))] + [1 << 60])
        since = low[np.searchsorted(low, place, side="right") - 1]
        context = self._context(owners, beside, sizes, np.repeat(np.arange(len(sizes)), sizes), np.arange(len(past)), past, since, rng)
        self.given_ = Given(self.drawn, self._columns(), self.inner, self.settings)
        mixed = pa.array(rng.permutation(len(past)))
        whole = np.repeat(np.arange(len(sizes)) if whose is None else whose, sizes)[mixed.to_numpy()]
        context = context.take(mixed) if self.given_.context else None
        whole = whole if self.given_.context and (whose is not None or not self.lone) else None
        holders = None if holders is None else holders[mixed.to_numpy()]
        self.given_.fit(rows.take(mixed), context, whole, guarded=self.guarded, holders=holders, rng=rng, on_step=on_step)
        return self

    def draw(
        self,
        owners: pa.Table | None,
        sizes: np.ndarray,
        *,
        rng: np.random.Generator,
        beside: pa.Table | None = None,
        start: int = 0,
        wanted: Mapping[str, Mapping[str, float]] | None = None,
    ) -> pa.Table | None:
        """The rows of `owners` [m], `sizes` int64 [m] each, one owner's after the other's; None if there is no column to draw.

        wanted: {column: how often each of its levels is to come, in proportion}, which small tables meet.
        """
        if not self.drawn or self.given_ is None:
            return None
        ends = np.cumsum(sizes)
        pieces, low = [], 0
        while low < len(sizes) or not pieces:
            high = max(low + 1, int(np.searchsorted(ends, (ends[low - 1] if low else 0) + PIECE, side="right")))
            first = int(ends[low - 1]) if low else 0
            mine = sizes[low:high]
            near = None if beside is None else beside.slice(first, int(mine.sum()))
            pieces.append(
                self._piece(None if owners is None else owners.slice(low, high - low), mine, near, rng, start + first, wanted or {})
            )
            low = high
        return pa.concat_tables(pieces).unify_dictionaries().combine_chunks()

    def _piece(
        self,
        owners: pa.Table | None,
        sizes: np.ndarray,
        beside: pa.Table | None,
        rng: np.random.Generator,
        start: int,
        wanted: Mapping[str, Mapping[str, float]],
    ) -> pa.Table:
        n, first = int(sizes.sum()), np.cumsum(sizes) - sizes
        past, made, often = _Past(self.drawn, n), [], turns(n)
        index, taken, done = np.zeros((n, often), np.int64), np.zeros(n, np.int64), 0
        for low, high in _rounds(int(sizes.max(initial=0))) if n else [(0, 1)]:
            families = np.flatnonzero(sizes > low)
            many = np.minimum(sizes[families], high) - low
            owner = np.repeat(families, many)
            rows = np.repeat(first[families] + low, many) + positions_of(many)
            context = self._context(owners, beside, sizes, owner, rows, past, np.full(len(rows), low), rng)
            every = None if context is None or often == 1 else context.take(pa.array(np.tile(np.arange(len(rows)), often)))
            drawn = self.given_.draw(context if every is None else every, often * len(rows), rng=rng, start=start + done)
            mine = np.arange(often * len(rows)).reshape(often, len(rows)).T
            if often > 1:
                taken[rows] = evenly(featured(self.drawn, drawn), mine, rng)
            past.put(rows, drawn.take(pa.array(mine[np.arange(len(rows)), taken[rows]])))
            made.append(drawn)
            index[rows] = done + mine
            done += often * len(rows)
        every = pa.concat_tables(made).unify_dictionaries()
        if often > 1:
            taken = evenly(featured(self.drawn, every), index, rng, taken=taken, wanted=self._wanted(every, wanted))
        return every.take(pa.array(index[np.arange(n), taken])).combine_chunks()

    def _wanted(self, drawn: pa.Table, wanted: Mapping[str, Mapping[str, float]]) -> dict[int, dict[int, float]]:
        """What is wanted, by the numbers of columns and of their levels in `featured`."""
        found, seen = {}, [c.name for c in self.drawn if c.kind in VISIBLE]
        for name, levels in wanted.items():
            at = drawn[name].cast(pa.string()).combine_chunks().dictionary_encode().dictionary.to_pylist()
            found[seen.index(name)] = {at.index(level): often for level, often in levels.items() if level in at}
        return found

    def _columns(self) -> tuple[Column, ...]:
        """What a row is drawn given."""
        frame = [] if self.lone else [Column(name=SIZE, kind="integer"), Column(name=PLACE, kind="integer")]
        return (*self.owners, *self.beside, *frame, *([] if self.lone else _Past.columns(self.drawn)))

    def _context(
        self,
        owners: pa.Table | None,
        beside: pa.Table | None,
        sizes: np.ndarray,
        owner: np.ndarray,
        rows: np.ndarray,
        past: _Past,
        since: np.ndarray,
        rng: np.random.Generator,
    ) -> pa.Table | None:
        """What `rows` are drawn given: those of `owner`, of whose siblings the first `since` are there."""
        columns: dict[str, Any] = {}
        if self.owners:
            columns |= {name: values for name, values in zip(owners.column_names, owners.take(pa.array(owner)).columns, strict=True)}
        if self.beside:
            columns |= {name: values for name, values in zip(beside.column_names, beside.take(pa.array(rows)).columns, strict=True)}
        if not self.lone:
            first = np.cumsum(sizes) - sizes
            columns |= {SIZE: pa.array(sizes[owner]), PLACE: pa.array(rows - first[owner])}
            columns |= past.told(first[owner], since, rng)
        return pa.table(columns) if columns else None

    def state(self) -> State:
        """What was learned."""
        inner = State(card={}) if self.given_ is None else self.given_.state()
        card = {
            name: [c.model_dump(mode="json", exclude_defaults=True) for c in getattr(self, name)] for name in ("drawn", "owners", "beside")
        }
        return State(card=card | {"lone": self.lone, "given": inner.card}, arrays=inner.arrays)

    @classmethod
    def restore(cls, state: State) -> Family:
        """The inverse of `state`."""
        card = state.card
        made = cls(*(tuple(Column(**c) for c in card[name]) for name in ("drawn", "owners", "beside")), "", {})
        made.lone = card["lone"]
        made.given_ = Given.restore(State(card=card["given"], arrays=state.arrays)) if card["given"] else None
        return made


class _Past:
    """What has been drawn of the rows of families, one after the other: numbers and codes of visible columns."""

    def __init__(self, columns: tuple[Column, ...], n: int) -> None:
        self.seen = [c for c in columns if c.kind in VISIBLE]
        self.values = {c.name: np.full(n, -1, np.int32) if _nominal(c) else np.full(n, np.nan) for c in self.seen}
        self.levels: dict[str, dict[str, int]] = {c.name: {} for c in self.seen if _nominal(c)}
        self.sums: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.n = n

    def __len__(self) -> int:
        return self.n

    @staticmethod
    def columns(drawn: tuple[Column, ...]) -> list[Column]:
        """What is told of siblings: the last, and the mean of numbers; of levels that of any one."""
        found = []
        for c in drawn:
            if c.kind in VISIBLE:
                plain = {"nullable": True, "unique": False, "declared": ()}
                found.append(c.model_copy(update={"name": f"(last) {c.name}", **plain}))
                if _nominal(c):
                    found.append(c.model_copy(update={"name": f"(any) {c.name}", **plain}))
                else:
                    found.append(Column(name=f"(mean) {c.name}", kind="number"))
        return found

    def put(self, rows: np.ndarray, drawn: pa.Table) -> None:
        """Take note of `rows` that were drawn."""
        self.sums.clear()
        for c in self.seen:
            if _nominal(c):
                self.values[c.name][rows] = self._codes(drawn[c.name], self.levels[c.name])
            else:
                self.values[c.name][rows] = numbers(drawn[c.name], c)

    def told(self, first: np.ndarray, since: np.ndarray, rng: np.random.Generator) -> dict[str, pa.Array]:
        """Of families that begin at rows `first`, what is told of the first `since` rows of each."""
        made, none = {}, since == 0
        last = np.maximum(first + since - 1, 0)
        for c in self.seen:
            values = self.values[c.name]
            if not len(values):
                values = np.full(1, -1 if _nominal(c) else np.nan)
            if _nominal(c):
                some = first + np.minimum((rng.random(len(first)) * since).astype(np.int64), np.maximum(since - 1, 0))
                for what, at in (("last", last), ("any", np.minimum(some, len(values) - 1))):
                    made[f"({what}) {c.name}"] = self._levelled(np.where(none, -1, values[at]), c)
            else:
                if c.name not in self.sums:
                    known = ~np.isnan(values)
                    self.sums[c.name] = tuple(np.concatenate([[0.0], np.cumsum(x)]) for x in (np.where(known, values, 0.0), known))
                total, many = (x[np.minimum(first + since, len(x) - 1)] - x[np.minimum(first, len(x) - 1)] for x in self.sums[c.name])
                made[f"(last) {c.name}"] = of_kind(np.where(none, np.nan, values[last]), c)
                with np.errstate(invalid="ignore", divide="ignore"):
                    mean = total / many
                made[f"(mean) {c.name}"] = pa.array(mean, mask=~(many > 0))
        return made

    def _codes(self, values: pa.ChunkedArray, levels: dict[str, int]) -> np.ndarray:
        plain = values.cast(pa.string()).combine_chunks() if isinstance(values, pa.ChunkedArray) else values.cast(pa.string())
        coded = plain.dictionary_encode()
        table = np.array([levels.setdefault(v, len(levels)) for v in coded.dictionary.to_pylist()] + [-1], np.int32)
        return table[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)]

    def _levelled(self, codes: np.ndarray, column: Column) -> pa.Array:
        levels = pa.array(list(self.levels[column.name]) or [""], pa.string())
        found = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), levels)
        return found.cast(pa.string()).cast(pa.bool_()) if column.kind == "boolean" else found


def _nominal(column: Column) -> bool:
    return column.kind in ("category", "boolean")


def numbers(values: pa.ChunkedArray | pa.Array, column: Column) -> np.ndarray:
    """float64 [n]: the numbers of a column, the ticks of a moment; NaN is missing."""
    if column.kind in TICKS:
        values = values.cast(TICKS[column.kind])
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else _numpy(values)


def _numpy(values: pa.ChunkedArray) -> np.ndarray:
    return values.cast(pa.float64(), safe=False).to_numpy()


def featured(columns: Sequence[Column], values: dict[str, pa.Array | pa.ChunkedArray] | pa.Table | None) -> list[tuple[np.ndarray, bool]]:
    """Visible columns as numbers or codes, for `features`."""
    found = []
    for c in columns:
        if c.kind not in VISIBLE or values is None:
            continue
        if c.kind in ("category", "boolean"):
            x = values[c.name].cast(pa.string())
            x = x.combine_chunks() if isinstance(x, pa.ChunkedArray) else x
            found.append((pc.fill_null(x.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False), False))
        else:
            found.append((numbers(values[c.name], c), True))
    return found


def of_kind(x: np.ndarray, column: Column) -> pa.Array:
    """A canonical array of numbers or ticks; NaN becomes null."""
    from lookalike.data import formats

    gone = np.isnan(x)
    if column.kind == "number":
        return pa.array(x, mask=gone)
    whole = pa.array(np.rint(np.where(gone, 0, x)).astype(np.int64), mask=gone)
    whole = whole.cast(TICKS[column.kind])
    return whole if column.kind == "integer" else whole.cast(formats.canonical(column))


def taken(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Rows of a table by number; those below 0 are missing."""
    return table.take(pa.array(np.maximum(rows, 0), mask=rows < 0))


def _rounds(most: int) -> Iterator[tuple[int, int]]:
    """(first, end) of the places that are drawn together."""
    low = 0
    while low < most:
        high = low + max(1, low // 4)
        yield low, high
        low = high


def _some(sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """bool [m]: families that are learned from."""
    kept = np.ones(len(sizes), bool)
    if sizes.sum() > MOST_ROWS:
        order = rng.permutation(len(sizes))
        kept[order[np.searchsorted(np.cumsum(sizes[order]), MOST_ROWS) + 1 :]] = False
    return kept


def _located(tables: list[pa.Table], columns: tuple[Column, ...]) -> np.ndarray:
    """float64 [rows of all, f]: points whose distance says how unlike rows are."""
    made = []
    for c in columns:
        both = pa.chunked_array([chunk for t in tables for chunk in t[c.name].cast(pa.string() if _nominal(c) else t[c.name].type).chunks])
        if _nominal(c):
            codes = both.combine_chunks().dictionary_encode().indices
            codes = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
            common = np.argsort(-np.bincount(codes + 1), kind="stable")[:8]
            made += [(codes + 1 == k).astype(np.float64) for k in common]
        else:
            x = numbers(both, c)
            rank = np.argsort(np.argsort(np.where(np.isnan(x), -np.inf, x), kind="stable"), kind="stable")
            made += [2 * rank / max(len(x), 1), np.isnan(x).astype(np.float64)]
    return np.stack(made, axis=1)
