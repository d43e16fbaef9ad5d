"""Each column is drawn given those before it, from the leaves of trees: an autoregressive forest.

A row's code in a column is that of a random training row that fell into the same leaf of a random tree; numbers become values anew
within their cell. What keeps it faithful: cells with atoms, leaves sized by held-out likelihood, boosted scores where a value adds up
over many columns, and ties for what holds exactly. What keeps it from remembering: many trees on part of the rows, no value held by
few, no donor's number. (Reiter 2005, sequential CART; Breiman 2001; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lookalike.errors import CannotError, UnknownName
from lookalike.models._orders import Lot, broken, find_orders, notes, spans
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.encode import Codebook, Coded, Within
    from lookalike.models._guide import Guide
    from lookalike.models._orders import Pair, Span
    from lookalike.models._stage import Stage
    from lookalike.rules.cells import Cells
    from lookalike.schema import Schema

__all__ = ["Forest"]

PILOTS_PER_ROW = 3
"""Rows of a pilot for each that was learned from, where many forests with context learn from few rows each."""
PIECE, LARGE = 16_384, 65_536
"""Rows drawn by one thread at a time; and where there are more for each thread, as more rows find more of a tree in the cache."""
PILOT, MOST_TRIED = 8_192, 3_000
"""Rows by which it is found out how hard conditions are to meet; rows that are begun at most for each that is wanted."""
AGAIN = 3
"""Times that rows are drawn anew in which what follows from other numbers is out of range."""
AT_ORDER = 30
"""Times that a column is drawn for a row in which it is out of order with another."""
FORCED = 0.9
"""Share of such rows above which it is what is asked of them that leads there: they stay then."""
BEAM, WIDE = 32, 512
"""Copies of a row that are drawn side by side where parts of it are known; and where none of them explains what is known."""


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trees: int = Field(20, ge=1, le=500, description="trees for each column; more are smoother and slower")
    sample: float = Field(0.6, gt=0, le=1, description="share of the rows that a tree learns from; less remembers less")
    leaf: int = Field(
        8, ge=1, le=10_000, description="fewest rows in a leaf for a number with many values; more is smoother; below 5: everywhere"
    )
    features: float = Field(0.6, gt=0, le=1, description="share of the earlier columns that are tried at each split")
    rounds: int = Field(60, ge=0, le=2_000, description="rounds of boosting for scores, three times as many for the target; 0: no scores")
    target: str | None = Field(
        None, description="column to be predicted, placed where that works best; not given: the last, if it has few levels"
    )
    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")
    cells: int = Field(255, ge=4, le=255, description="cells that a number or a moment is cut into at most")
    context: tuple[str, ...] = Field(
        (),
        description="columns that are given when rows are drawn and not learned: the others are drawn by them, and only so",
        json_schema_extra={"inert": "a forest with context draws no rows of its own"},
    )
    together: str | None = Field(
        None,
        description="column of the context: rows that share a value of it are learned from together by a tree, or left out together",
        json_schema_extra={"inert": "it is of the context, with which a forest draws no rows of its own"},
    )


class Forest:
    """An autoregressive forest over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `stages_` (one for each part, in the order in which they are drawn), `maps_`
    (for each part uint8 [codes], the bin of each code), `orders_` (pairs of columns of which the first is never above the second). Parts of
    the setting `context` have no stage; `complete` draws all others.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), given=True)

    schema: Schema
    codebook_: Codebook
    stages_: list[Stage]
    maps_: list[np.ndarray]
    orders_: tuple[Pair, ...]
    notes_: tuple[str, ...]

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn codebook, ties and order, then the trees of one part after the other, several at a time.

        Raises:
            UnknownName: the table has no column that is named like the setting `target`, or one in `context`.
        """
        from lookalike.encode import Codebook
        from lookalike.models._growing import Plan, numbers_of

        s, names = self.settings, data.schema.table.names
        for where, name in (("target", s.target), ("together", s.together), *(("context", name) for name in s.context)):
            if name is not None and name not in names:
                raise UnknownName(name, names, what="column", where=where)
        self.schema = data.schema
        self.codebook_ = Codebook.measure_all(data, protect=s.protect, cells=s.cells, on_step=part(on_step, 0, 0.1))
        table = data.table()
        codes = self.codebook_.codes(table)
        plan = Plan(s, self.codebook_, codes, numbers_of(table, self.codebook_), table)
        self.maps_ = plan.maps
        self.orders_ = find_orders(table, data.schema.table.columns)
        self.notes_ = notes(table, data.schema.table.columns, self.orders_)
        order = plan.order(rng)
        self.stages_ = plan.learn(order, rng, on_step=part(on_step, 0.2, 0.95))
        self._tilt(codes, rng)
        on_step(Step(1, 1, "learned"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; rows are the same on any number of threads.

        Raises:
            CannotError: the forest has context, by which alone it draws.
        """
        return self._sampled(n, rng, start, threads=os.cpu_count() or 1)

    def alone(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """As `sample`, on one thread, so that several blocks can be drawn at once: more rows find more of a tree in the cache."""
        return self._sampled(n, rng, start, threads=1)

    def _sampled(self, n: int, rng: np.random.Generator, start: int, *, threads: int) -> Dataset:
        from lookalike.data import Dataset

        self._check_free()
        seeds, coded = rng.integers(0, 1 << 62, len(self.stages_) + 1), self._blank(n, rng)
        table = self._table(coded, self._fill(coded, seeds, {}, threads=threads), start)
        return Dataset.from_arrow({self.schema.table.name: table}, self.schema)

    def within(self, n: int, within: Within, *, rng: np.random.Generator, start: int = 0) -> tuple[pa.Table, float]:
        """Draw `n` rows, or fewer if hardly any can be drawn, with cells `within` some codes; and which share of free draws would be.

        Raises:
            CannotError: none can be drawn, or the forest has context.
        """
        from lookalike.encode import Coded
        from lookalike.models._growing import each
        from lookalike.models._guide import Inside, decided

        self._check_free()
        weight = decided(within, self.stages_)
        seeds, key = rng.integers(0, 1 << 62, len(self.stages_)), int(rng.integers(0, 1 << 62))
        pilot = Inside(weight)
        piloted = self._draw(self._blank(PILOT, rng), seeds >> 5, 0, guide=pilot, within=within)
        if not pilot.rate:
            raise CannotError("no row that the model draws meets all conditions at once", where="given", fix="ask for less")
        follows = {self._column(s.part) for s in self.stages_ if s.ties}
        forced = np.mean(self._unfit(*piloted, follows)) > FORCED

        def piece(at: int) -> tuple[Coded, dict[int, np.ndarray]]:
            blank = self._blank(PIECE, np.random.default_rng((key, at)))
            made, numbers = self._draw(blank, seeds, at * PIECE, guide=Inside(weight, pilot.gates), within=within)
            unfit = np.zeros(0, bool) if forced else self._unfit(made, numbers, follows)
            if not unfit.any():
                return made, numbers
            return Coded(made.codes[:, ~unfit], made.inside[:, ~unfit]), {c: x[~unfit] for c, x in numbers.items()}

        found: list[tuple[Coded, dict[int, np.ndarray]]] = []
        got = 0
        while got < n and len(found) * PIECE < n * MOST_TRIED + 4 * PIECE:
            more = max(1, min(math.ceil(1.05 * (n - got) / pilot.rate / PIECE), 4 * (os.cpu_count() or 1)))
            found += each(piece, range(len(found), len(found) + more))
            got = sum(made.codes.shape[1] for made, _ in found)
        coded = Coded(*(np.concatenate([getattr(made, name) for made, _ in found], axis=1)[:, :n] for name in ("codes", "inside")))
        tied = {column: np.concatenate([numbers[column] for _, numbers in found])[:n] for column in found[0][1]}
        first = {self._column(p): p for p in sorted(within.weight, reverse=True)}
        table, left = self._table(coded, tied, start), [column for column in within.put if column in follows or column not in tied]
        return within.settled(table, {column: coded.codes[first[column]] for column in left}, rng), pilot.chance

    def complete(
        self, table: pa.Table, columns: Sequence[str], *, rng: np.random.Generator, start: int = 0, fill: bool = False
    ) -> pa.Table:
        """Draw the missing values of `columns`, given all the rest of each row: see `Autoregressive.complete`, which asks the same.

        Raises:
            CannotError: a column of the forest's context is asked for.
        """
        from lookalike.encode import Coded
        from lookalike.models._given import filled_in
        from lookalike.models._growing import each
        from lookalike.rules.cells import Cells

        context = self._context()
        asked = sorted(set(columns) & {self.schema.table.names[c] for c in context})
        if asked:
            raise CannotError(f"{asked[0]!r} is context: it is given, not drawn", where="forest.complete", fix="ask for other columns")
        others = {name for c, name in enumerate(self.schema.table.names) if c not in context}
        if context and not fill and set(columns) == others and all(table[name].null_count == table.num_rows for name in columns):
            return self._follow(table, context, rng, start)
        inside = self.codebook_.encode(table).inside

        def draw(codes: np.ndarray, known: np.ndarray) -> pa.Table:
            made = Coded(np.ascontiguousarray(codes.T), inside)
            tied = {self._column(s.part): np.full(len(codes), np.nan) for s in self.stages_ if s.ties}
            given = {c: known[:, np.searchsorted(self.codebook_.owners, c)] for c in tied}
            seed = int(rng.integers(0, 1 << 62))

            def piece(rows: np.ndarray, beam: int, turn: int) -> None:
                filled, numbers, lost = self._complete(made, known.T, rows, beam=beam, fill=fill, seed=seed + turn)
                again = rows[lost] if 1 < beam < WIDE else rows[:0]
                kept = ~np.isin(rows, again)
                made.codes[:, rows[kept]], made.inside[:, rows[kept]] = filled.codes[:, kept], filled.inside[:, kept]
                for column, found in numbers.items():
                    tied[column][rows[kept]] = found[kept]
                for low in range(0, len(again), PIECE // WIDE):
                    piece(again[low : low + PIECE // WIDE], WIDE, turn)

            exact, rows = Cells(table), np.arange(len(codes))
            for turn in range(AT_ORDER + 1):
                each(lambda work: piece(*work), [(*work, turn) for work in self._pieces(known, rows)])
                beyond = self._beyond({c: np.where(given[c], np.nan, x) for c, x in tied.items()})
                rows = np.flatnonzero((beyond & (turn < AGAIN)) | self._out_of_order(Lot(made, made.codes, tied), exact))
                if not len(rows):
                    break
            return self._table(made, tied, start)

        return filled_in(table, columns, schema=self.schema, codebook=self.codebook_, draw=draw)

    @property
    def trained_(self) -> dict[str, Any]:
        """What a reader should be told of the fit."""
        return {"notes": list(self.notes_)}

    def _context(self) -> list[int]:
        """Numbers of the columns that are given: those without a stage."""
        drawn = {stage.part for stage in self.stages_}
        return sorted({int(c) for p, c in enumerate(self.codebook_.owners) if p not in drawn})

    def _check_free(self) -> None:
        """Complain of a forest that draws by its context only.

        Raises:
            CannotError: it has context.
        """
        given = self._context()
        if given:
            names = ", ".join(self.schema.table.names[c] for c in given)
            raise CannotError(f"it draws by its context ({names}), which must be given", where="forest", fix="ask `complete`")

    def _follow(self, table: pa.Table, context: list[int], rng: np.random.Generator, start: int) -> pa.Table:
        """`table` with all but its context drawn: what `complete` does, without looking for what is known of each row."""
        import pyarrow as pa

        from lookalike.encode import encoder
        from lookalike.models._growing import numbers_of
        from lookalike.rules.cells import Cells

        spec, n = self.schema.table.columns, table.num_rows
        seeds, coded = rng.integers(0, 1 << 62, len(self.stages_)), self._blank(n, rng)
        for c in context:
            coded.codes[self.codebook_.owners == c] = encoder(spec[c]).encode(table[spec[c].name], self.codebook_.books[c], spec[c])
        exact, placed = Cells(table), {c for pair in self.orders_ for c in pair if c in context}
        given = {c: exact.numbers(spec[c].name) for c in placed} | numbers_of(table, self.codebook_, columns=context)
        tied = self._fill(coded, seeds, given, threads=os.cpu_count() or 1)
        drawn = self._table(coded, tied, start)
        return pa.table({c.name: table[c.name] if k in context else drawn[c.name] for k, c in enumerate(spec)})

    def _fill(self, coded: Coded, seeds: np.ndarray, given: dict[int, np.ndarray], *, threads: int) -> dict[int, np.ndarray]:
        """Fill `coded.codes`, a piece at a time; returns the numbers of columns with ties. given: numbers of columns of the context."""
        from lookalike.encode import Coded
        from lookalike.models._growing import each

        n = coded.codes.shape[1]
        size = PIECE * min(max(1, math.ceil(n / PIECE / threads)), LARGE // PIECE)
        tied = {self._column(s.part): np.empty(n) for s in self.stages_ if s.ties}

        def known(rows: slice | np.ndarray) -> dict[int, np.ndarray]:
            return {c: numbers[rows] for c, numbers in given.items()}

        def piece(low: int) -> None:
            here = slice(low, min(low + size, n))
            mine = Coded(coded.codes[:, here], coded.inside[:, here])
            for column, numbers in self._draw(mine, seeds, low, given=known(here))[1].items():
                tied[column][here] = numbers

        def mend(low: int) -> None:
            here = slice(low, min(low + PIECE, n))
            for turn in range(1, AGAIN + 1):
                mine = Coded(coded.codes[:, here], coded.inside[:, here])
                numbers = {c: x[here] for c, x in (given | tied).items()}
                rows = low + np.flatnonzero(self._unfit(mine, numbers, {*tied}))
                if not len(rows):
                    return
                fresh = np.random.default_rng((int(seeds[-1]), low, turn)).random((len(coded.inside), len(rows)), dtype=np.float32)
                other, numbers = self._draw(Coded(coded.codes[:, rows], fresh), seeds >> turn, low, given=known(rows))
                coded.codes[:, rows], coded.inside[:, rows] = other.codes, other.inside
                for column, x in numbers.items():
                    tied[column][rows] = x

        each(piece, range(0, n, size), threads=threads)
        each(mend, range(0, n, PIECE), threads=threads)  # pieces that do not hang on how many threads there are
        return tied

    def _beyond(self, tied: dict[int, np.ndarray]) -> np.ndarray | bool:
        """bool [n]: rows in which a tie gives a number outside the range of its column, as the product of two large numbers may be."""
        found: np.ndarray | bool = False
        for column, x in tied.items():
            line = self.codebook_.books[column]["line"]
            if line["low"]:
                found = found | (x < line["low"][0]) | (x > line["high"][-1])
        return found

    def _out_of_order(self, lot: Lot, exact: Cells) -> np.ndarray:
        """bool [n]: rows with columns out of order, one of which is missing in `exact`; the others are as they are there."""
        told, given = {}, {}
        for c in {c for pair in self.orders_ for c in pair}:
            known = exact.numbers(self.schema.table.names[c])
            given[c] = ~np.isnan(known)
            told[c] = np.where(given[c], known, self._measured(c, lot))
        found = np.zeros(lot.bins.shape[1], bool)
        for pair in self.orders_:
            found |= broken([pair], told, len(found)) & ~(given[pair[0]] & given[pair[1]])
        return found

    def _unfit(self, coded: Coded, numbers: dict[int, np.ndarray], follows: set[int]) -> np.ndarray:
        """bool [n]: rows in which a tie gives a number outside the range of its column, or columns are out of order."""
        lot = Lot(coded, coded.codes, numbers)
        told = {c: self._measured(c, lot) for pair in self.orders_ for c in pair}
        return broken(self.orders_, told, coded.codes.shape[1]) | self._beyond({c: numbers[c] for c in follows})

    def _pieces(self, known: np.ndarray, rows: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Those of `rows` that lack something, a piece at a time, and how many copies of them are drawn: one will do where all that is
        known of a row is drawn before all that is not."""
        ordered = known[rows][:, [s.part for s in self.stages_]]
        lacking = ~ordered.all(1)
        ordered, lacking = ordered[lacking], rows[lacking]
        late = (ordered & (np.logical_or.accumulate(~ordered, axis=1))).any(1)
        for rows, beam in ((lacking[~late], 1), (lacking[late], BEAM)):
            size = PIECE // beam
            yield from ((rows[low : low + size], beam) for low in range(0, len(rows), size))

    def _complete(
        self, coded: Coded, known: np.ndarray, rows: np.ndarray, *, beam: int, fill: bool, seed: int
    ) -> tuple[Coded, dict[int, np.ndarray], np.ndarray]:
        """`rows` of `coded` with what is not `known` drawn, the numbers of columns with ties, and bool: rows that need more copies."""
        from lookalike.encode import Coded
        from lookalike.models._guide import Known

        each, first = np.repeat(rows, beam), int(rows[0]) * BEAM
        rng = np.random.default_rng((seed, first))
        guide = Known(coded.codes[:, each], known[:, each], beam=beam, fill=fill)
        sure = np.zeros((len(self.schema.table.columns), len(each)), bool)
        sure[self.codebook_.owners] = guide.known
        inside = np.where(sure, coded.inside[:, each], rng.random(sure.shape, dtype=np.float32))
        blank = Coded(guide.own.copy(), inside)
        mine, numbers = self._draw(blank, rng.integers(0, 1 << 62, len(self.stages_)), first, guide=guide)
        kept = guide.choose(rng)
        chosen = Coded(mine.codes[:, kept], mine.inside[:, kept])
        return chosen, {column: found[kept] for column, found in numbers.items()}, guide.lost

    def log_prob(self, data: Dataset) -> np.ndarray:
        """float64 [n]: log of the probability that a row drawn has the cells of each row of `data` (codes, not the place within them)."""
        from lookalike.models._growing import decimals, each, numbers_of
        from lookalike.models._ties import match

        table = data.table()
        codes, numbers = self.codebook_.codes(table), numbers_of(table, self.codebook_)
        bins, owners = np.stack([m[c] for m, c in zip(self.maps_, codes, strict=True)]), self.codebook_.owners

        def of(stage: Stage) -> np.ndarray:
            p, head, own = stage.part, int(np.searchsorted(owners, owners[stage.part])), codes[stage.part]
            if stage.ties:
                column = self._column(p)
                meant = match(stage.ties, numbers[column], numbers, decimals(self.codebook_, column))
                own = np.where(meant >= 0, stage.size + meant, own)
            told = np.log(stage.chance(bins, codes, own))
            return np.where((p != head) & (codes[head] == 0), 0.0, told)  # later parts are missing where the first is

        return np.sum(each(of, self.stages_), axis=0) if self.stages_ else np.zeros(data.rows)

    def state(self) -> State:
        """The codebook and the plan as JSON, trees as arrays."""
        cards, arrays = [], {f"map.{p}": m for p, m in enumerate(self.maps_)}
        for k, stage in enumerate(self.stages_):
            card, mine = stage.state()
            cards.append(card)
            arrays |= {f"{k}.{name}": array for name, array in mine.items()}
        card = {"codebook": self.codebook_.to_json(), "stages": cards, "orders": [list(pair) for pair in self.orders_]}
        card["notes"] = list(self.notes_)
        return State(card=card, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.encode import Codebook
        from lookalike.models._sound import check_maps, check_orders, check_part
        from lookalike.models._stage import Stage

        self.schema = schema
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        self.maps_ = [state.arrays[f"map.{p}"] for p in range(len(self.codebook_.parts))]
        mine: list[dict[str, np.ndarray]] = [{} for _ in state.card["stages"]]
        for name, array in state.arrays.items():
            head, _, tail = name.partition(".")
            if head != "map":
                mine[int(head)][tail] = array
        self.stages_ = [Stage.restore(card, arrays) for card, arrays in zip(state.card["stages"], mine, strict=True)]
        self.notes_ = tuple(map(str, state.card.get("notes", ())))
        self.orders_ = check_orders(state.card.get("orders", []), [c.kind for c in schema.table])
        sizes = [p.size for p in self.codebook_.parts]
        check_maps(self.maps_, sizes)
        for stage in self.stages_:
            check_part(stage, sizes, len(schema.table.columns))
        return self

    def _blank(self, n: int, rng: np.random.Generator) -> Coded:
        """Codes of `n` rows, not yet drawn, and positions inside cells."""
        from lookalike.encode import Coded

        shape = len(self.codebook_.parts), len(self.schema.table.columns)
        return Coded(np.empty((shape[0], n), np.uint16), rng.random((shape[1], n), dtype=np.float32))

    def _table(self, coded: Coded, tied: dict[int, np.ndarray], start: int) -> pa.Table:
        """The canonical table of codes and positions, with the numbers of columns that have ties."""
        import pyarrow as pa

        from lookalike.models._growing import values_of

        drawn, columns = self.codebook_.decode(coded, start=start), self.schema.table.columns
        for column, numbers in tied.items():
            drawn = drawn.set_column(column, columns[column].name, pa.chunked_array([values_of(numbers, columns[column].kind)]))
        return drawn

    def _column(self, part_: int) -> int:
        """The number of the column that a part belongs to."""
        return int(self.codebook_.owners[part_])

    def _tilt(self, learned: np.ndarray, rng: np.random.Generator) -> None:
        """Draw a pilot stage by stage, each set right, by the rows learned from, before the next one builds on it."""
        from lookalike.encode import Coded
        from lookalike.models._stage import FEWEST_PILOTS, PILOT_CELLS, PILOTS

        n = max(FEWEST_PILOTS, min(PILOTS, PILOT_CELLS // max(1, len(self.stages_))))
        n = min(n, FEWEST_PILOTS + PILOTS_PER_ROW * learned.shape[1]) if self.settings.context else n
        columns, parts = len(self.schema.table.columns), len(self.codebook_.parts)
        pilot = Coded(np.zeros((parts, n), np.uint16), rng.random((columns, n), dtype=np.float32))
        if len(self.stages_) < parts:
            rows = rng.integers(0, learned.shape[1], n)
            for c in self._context():
                mine = self.codebook_.owners == c
                pilot.codes[mine] = learned[mine][:, rows]
        self._draw(pilot, rng.integers(0, 1 << 62, len(self.stages_)), 0, learned=learned)

    def _draw(
        self,
        coded: Coded,
        seeds: np.ndarray,
        first: int,
        *,
        learned: np.ndarray | None = None,
        guide: Guide | None = None,
        within: Within | None = None,
        given: Mapping[int, np.ndarray] | None = None,
    ) -> tuple[Coded, dict[int, np.ndarray]]:
        """Fill `coded.codes` stage by stage; returns it, and the numbers of columns with ties. `first`: number of the first row.

        learned: the rows learned from; each stage is replaced, before it draws, by one that meets them. guide: what is asked of the rows,
        of which some may end and others go on more than once: what is returned is then a copy. within: where in their cells values lie, and
        which are named: of columns by which others are tied, the numbers are returned, too. given: numbers of columns of the context.
        """
        from lookalike.encode import Coded

        owners, bins = self.codebook_.owners, np.zeros(coded.codes.shape, np.uint8)
        among = {p: about.size for p, about in enumerate(self.codebook_.parts) if not about.ordered}
        numbers = dict(given or {})
        for p in set(range(len(owners))) - {stage.part for stage in self.stages_}:
            bins[p] = self.maps_[p][coded.codes[p]]
        ordered = spans(self.stages_, owners, self.orders_) if guide is None else {}
        for at, (seed, stage) in enumerate(zip(seeds, self.stages_, strict=False)):
            p, head = stage.part, int(np.searchsorted(owners, owners[stage.part]))
            later = p != head  # later parts of a column are missing where the first is
            if learned is not None:
                rows = np.flatnonzero(coded.codes[head]) if later else np.arange(coded.codes.shape[1])
                stage = stage.tilted(bins, coded.codes, rows, seed=int(seed) >> 1)
                paired = stage.paired(learned, bins, coded.codes, among, seed=int(seed) >> 2)
                stage = self.stages_[at] = stage if paired is stage else paired.tilted(bins, coded.codes, rows, seed=int(seed) >> 3)
            drawing = stage.draw if guide is None else partial(guide.draw, stage)
            drawn = drawing(bins, coded.codes, seed=int(seed), first=first)
            if later:
                drawn[coded.codes[head] == 0] = 0
            coded.codes[p] = drawn
            if within is not None and not later:
                self._settle(stage, coded, numbers, within, np.random.default_rng((int(seed), first)))
            if stage.ties:
                numbers[self._column(p)] = self._tie(stage, coded, numbers)
            bins[p] = self.maps_[p][coded.codes[p]]
            if at in ordered:
                self._put_in_order(ordered[at], at, Lot(coded, bins, numbers), seed=int(seed), first=first)
            kept = None if guide is None else guide.settle(seed=int(seed) + first >> 4)
            if kept is not None:
                coded, bins = Coded(coded.codes[:, kept], coded.inside[:, kept]), bins[:, kept]
                numbers = {column: found[kept] for column, found in numbers.items()}
        told = {self._column(s.part) for s in self.stages_ if s.ties} | (set() if within is None else {*within.put} & {*numbers})
        return coded, {column: numbers[column] for column in sorted(told)}

    def _put_in_order(self, span: Span, at: int, lot: Lot, *, seed: int, first: int) -> None:
        """Draw the column of a span anew in the rows in which it is out of order: its stages, up to the one numbered `at`."""
        n = lot.bins.shape[1]
        anew = {self._column(stage.part) for stage in self.stages_[span.first : at + 1]}
        fixed = {c: self._measured(c, lot) for pair in span.pairs for c in pair if c != span.column}
        for low in range(0, n, PIECE):  # pieces that do not hang on how many threads there are
            rows, rng = np.arange(low, min(low + PIECE, n)), np.random.default_rng((seed, first + low))
            mine = lot.of(rows)
            for turn in range(AT_ORDER):
                told = {c: x[rows] for c, x in fixed.items()} | {span.column: self._measured(span.column, mine)}
                out = broken(span.pairs, told, len(rows))
                out |= turn > 0 and np.isnan(told[span.column])  # what was there does not go missing by being drawn anew
                if not out.any():
                    break
                rows = rows[out]
                mine = self._once_more(self.stages_[span.first : at + 1], lot.of(rows), rng, first=first + low)
                lot.put(rows, mine, anew)

    def _once_more(self, stages: Sequence[Stage], lot: Lot, rng: np.random.Generator, *, first: int) -> Lot:
        """The rows with some stages drawn anew."""
        owners, coded = self.codebook_.owners, lot.coded
        anew = {self._column(stage.part) for stage in stages}
        lot = Lot(coded, lot.bins, {c: x for c, x in lot.numbers.items() if c not in anew})
        coded.inside[sorted(anew)] = rng.random((len(anew), lot.bins.shape[1]), dtype=np.float32)
        for stage in stages:
            p, head = stage.part, int(np.searchsorted(owners, owners[stage.part]))
            drawn = stage.draw(lot.bins, coded.codes, seed=int(rng.integers(1 << 62)), first=first)
            if p != head:
                drawn[coded.codes[head] == 0] = 0
            coded.codes[p] = drawn
            if stage.ties:
                lot.numbers[self._column(p)] = self._tie(stage, coded, lot.numbers)
            lot.bins[p] = self.maps_[p][coded.codes[p]]
        return lot

    def _measured(self, column: int, lot: Lot) -> np.ndarray:
        """float64 [n]: a column of drawn rows as numbers, those known or those that its codes stand for."""
        return lot.numbers[column] if column in lot.numbers else self._decoded(column, lot.coded)

    def _settle(self, stage: Stage, coded: Coded, numbers: dict[int, np.ndarray], within: Within, rng: np.random.Generator) -> None:
        """Place the values of a column in their cells before others follow from them; numbers that are named go into `numbers`."""
        column, codes = self._column(stage.part), coded.codes[stage.part]
        plain = np.where(codes < stage.size, codes, 0)  # not those that mean a tie
        coded.inside[column] = within.place(coded.inside[column], plain, column)
        if column in within.put and any(column in tie.of for other in self.stages_ for tie in other.ties) and not stage.ties:
            numbers[column] = within.named(self._decoded(column, coded), codes, column, rng)

    def _tie(self, stage: Stage, coded: Coded, numbers: dict[int, np.ndarray]) -> np.ndarray:
        """The numbers of a column some of whose codes mean a tie; those codes are replaced by the codes of the numbers."""
        import pyarrow as pa

        from lookalike.encode import encoder
        from lookalike.models._growing import values_of

        column, codes = self._column(stage.part), coded.codes[stage.part]
        meant = codes.astype(np.int64) - stage.size
        codes[meant >= 0] = stage.plain
        made = self._decoded(column, coded)
        for k, tie in enumerate(stage.ties):
            rows = np.flatnonzero(meant == k)
            if len(rows):
                for base in tie.of:
                    if base not in numbers:
                        numbers[base] = self._decoded(base, coded)
                value = tie.value({base: numbers[base][rows] for base in tie.of})
                made[rows] = np.where(np.isnan(value), made[rows], value)
        spec, book = self.schema.table.columns[column], self.codebook_.books[column]
        rows = np.flatnonzero(meant >= 0)
        if len(rows):
            codes[rows] = encoder(spec).encode(pa.chunked_array([values_of(made[rows], spec.kind)]), book, spec)[0]
        return made

    def _decoded(self, column: int, coded: Coded) -> np.ndarray:
        """float64 [n]: the numbers that a column's codes and positions stand for, moments in microseconds; NaN is missing."""
        import pyarrow as pa

        from lookalike.encode import encoder
        from lookalike.rules.cells import Cells

        spec, mine = self.schema.table.columns[column], self.codebook_.owners == column
        values = encoder(spec).decode(coded.codes[mine].astype(np.int32), coded.inside[column], self.codebook_.books[column], spec)
        return Cells(pa.table({spec.name: values})).numbers(spec.name).copy()
