"""Each column is drawn given those before it, from the leaves of trees: an autoregressive forest.

A row's code in a column is that of a random training row that fell into the same leaf of a random tree; numbers become values anew
within their cell. What keeps it faithful: cells with atoms, leaves sized by held-out likelihood, boosted scores where a value adds up
over many columns, and ties for what holds exactly. What keeps it from remembering: many trees on part of the rows, no value held by
few, no donor's number. (Reiter 2005, sequential CART; Breiman 2001; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lookalike.errors import CannotError, UnknownName
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.encode import Codebook, Coded, Within
    from lookalike.models._boost import Boost
    from lookalike.models._guide import Guide
    from lookalike.models._stage import Growing, Stage, Target
    from lookalike.models._ties import Tie
    from lookalike.schema import Schema

__all__ = ["Forest"]

PIECE = 16_384
"""Rows drawn by one thread at a time."""
FEW_LEVELS = 20
"""A last column with so many levels at most is taken for the target if none is named."""
TRIED_ROWS, TRIED_PARTS = 8_000, 200
"""Rows on which each place of the target is tried; in wider tables the target comes last."""
SCORED_ROWS, AIM_ROWS = 15_000, 40_000
"""Rows that a fold of a score learns from at most, and of a score of the target."""
SCORED_CELLS = 24
"""Ordered parts with more levels than this get a boosted score, as does the target."""
WORTH = 0.05
"""Share of a part that a score must explain; the target's is always used."""
PILOT, MOST_TRIED = 8_192, 3_000
"""Rows by which it is found out how hard conditions are to meet; rows that are begun at most for each that is wanted."""
BEAM, WIDE = 32, 512
"""Copies of a row that are drawn side by side where parts of it are known; and where none of them explains what is known."""
NUMBERS = frozenset({"integer", "number"})
MOST_EARLIER = 60
"""Earlier columns that a number is compared with for ties, the nearest first."""


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trees: int = Field(20, ge=1, le=500, description="trees for each column; more are smoother and slower")
    sample: float = Field(0.6, gt=0, le=1, description="share of the rows that a tree learns from; less remembers less")
    leaf: int = Field(
        8,
        ge=1,
        le=10_000,
        description="fewest rows in a leaf for a number with many values; more is smoother; below 5: everywhere",
    )
    features: float = Field(0.6, gt=0, le=1, description="share of the earlier columns that are tried at each split")
    rounds: int = Field(60, ge=0, le=2_000, description="rounds of boosting for scores, three times as many for the target; 0: no scores")
    target: str | None = Field(
        None, description="column to be predicted, placed where that works best; not given: the last, if it has few levels"
    )
    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")
    cells: int = Field(255, ge=4, le=255, description="cells that a number or a moment is cut into at most")


class Forest:
    """An autoregressive forest over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `stages_` (one for each part, in the order in which they are drawn), `maps_`
    (for each part uint8 [codes], the bin of each code).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), given=True)

    schema: Schema
    codebook_: Codebook
    stages_: list[Stage]
    maps_: list[np.ndarray]

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn codebook, ties and order, then the trees of one part after the other, several at a time.

        Raises:
            UnknownName: the table has no column that is named like the setting `target`.
        """
        from lookalike.encode import Codebook

        s, names = self.settings, data.schema.table.names
        if s.target is not None and s.target not in names:
            raise UnknownName(s.target, names, what="column", where="target")
        self.schema = data.schema
        self.codebook_ = Codebook.measure_all(data, protect=s.protect, cells=s.cells, on_step=part(on_step, 0, 0.1))
        table = data.table()
        codes = self.codebook_.encode(table).codes
        plan = _Plan(self, codes, _numbers(table, self.codebook_))
        self.maps_ = plan.maps
        order = plan.order(rng)
        self.stages_ = plan.learn(order, rng, on_step=part(on_step, 0.2, 0.95))
        self._tilt(codes, rng)
        on_step(Step(1, 1, "learned"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; rows are the same on any number of threads."""
        from lookalike.data import Dataset
        from lookalike.encode import Coded

        seeds = rng.integers(0, 1 << 62, len(self.stages_) + 1)
        coded = self._blank(n, rng)
        tied = {self._column(s.part): np.empty(n) for s in self.stages_ if s.ties}

        def piece(low: int) -> None:
            here = slice(low, min(low + PIECE, n))
            for column, numbers in self._draw(Coded(coded.codes[:, here], coded.inside[:, here]), seeds, low)[1].items():
                tied[column][here] = numbers

        _each(piece, range(0, n, PIECE))
        return Dataset.from_arrow({self.schema.table.name: self._table(coded, tied, start)}, self.schema)

    def within(self, n: int, within: Within, *, rng: np.random.Generator, start: int = 0) -> tuple[pa.Table, float]:
        """Draw `n` rows, or fewer if hardly any can be drawn, with cells `within` some codes; and which share of free draws would be.

        Raises:
            CannotError: none can be drawn.
        """
        from lookalike.encode import Coded
        from lookalike.models._guide import Inside, decided

        weight = decided(within, self.stages_)
        seeds, key = rng.integers(0, 1 << 62, len(self.stages_)), int(rng.integers(0, 1 << 62))
        pilot = Inside(weight)
        self._draw(self._blank(PILOT, rng), seeds >> 5, 0, guide=pilot)
        if not pilot.rate:
            raise CannotError("no row that the model draws meets all conditions at once", where="given", fix="ask for less")

        def piece(at: int) -> tuple[Coded, dict[int, np.ndarray]]:
            blank = self._blank(PIECE, np.random.default_rng((key, at)))
            return self._draw(blank, seeds, at * PIECE, guide=Inside(weight, pilot.gates))

        found: list[tuple[Coded, dict[int, np.ndarray]]] = []
        got = 0
        while got < n and len(found) * PIECE < n * MOST_TRIED + 4 * PIECE:
            more = max(1, min(math.ceil(1.05 * (n - got) / pilot.rate / PIECE), 4 * (os.cpu_count() or 1)))
            found += _each(piece, range(len(found), len(found) + more))
            got = sum(made.codes.shape[1] for made, _ in found)
        coded = Coded(*(np.concatenate([getattr(made, name) for made, _ in found], axis=1)[:, :n] for name in ("codes", "inside")))
        tied = {column: np.concatenate([numbers[column] for _, numbers in found])[:n] for column in found[0][1]}
        first = {self._column(p): p for p in sorted(within.weight, reverse=True)}
        for column in within.inside:
            coded.inside[column] = within.place(coded.inside[column], coded.codes[first[column]], column)
        table = self._table(coded, tied, start)
        return within.settled(table, {column: coded.codes[first[column]] for column in within.put}, rng), pilot.chance

    def complete(
        self, table: pa.Table, columns: Sequence[str], *, rng: np.random.Generator, start: int = 0, fill: bool = False
    ) -> pa.Table:
        """Draw the missing values of `columns`, given all the rest of each row: see `Autoregressive.complete`, which asks the same."""
        from lookalike.encode import Coded
        from lookalike.models._given import filled_in

        inside = self.codebook_.encode(table).inside

        def draw(codes: np.ndarray, known: np.ndarray) -> pa.Table:
            made = Coded(np.ascontiguousarray(codes.T), inside)
            tied = {self._column(s.part): np.full(len(codes), np.nan) for s in self.stages_ if s.ties}
            seed = int(rng.integers(0, 1 << 62))

            def piece(rows: np.ndarray, beam: int) -> None:
                filled, numbers, lost = self._complete(made, known.T, rows, beam=beam, fill=fill, seed=seed)
                again = rows[lost] if 1 < beam < WIDE else rows[:0]
                kept = ~np.isin(rows, again)
                made.codes[:, rows[kept]], made.inside[:, rows[kept]] = filled.codes[:, kept], filled.inside[:, kept]
                for column, found in numbers.items():
                    tied[column][rows[kept]] = found[kept]
                for low in range(0, len(again), PIECE // WIDE):
                    piece(again[low : low + PIECE // WIDE], WIDE)

            _each(lambda work: piece(*work), list(self._pieces(known)))
            return self._table(made, tied, start)

        return filled_in(table, columns, schema=self.schema, codebook=self.codebook_, draw=draw)

    def _pieces(self, known: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Rows that lack something, a piece at a time, and how many copies of them are drawn: one will do where all that is known of a row
        is drawn before all that is not."""
        ordered = known[:, [s.part for s in self.stages_]]
        lacking = np.flatnonzero(~ordered.all(1))
        ordered = ordered[lacking]
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
        from lookalike.models._ties import match

        table = data.table()
        codes, numbers = self.codebook_.encode(table).codes, _numbers(table, self.codebook_)
        bins, owners = np.stack([m[c] for m, c in zip(self.maps_, codes, strict=True)]), self.codebook_.owners

        def of(stage: Stage) -> np.ndarray:
            p, head, own = stage.part, int(np.searchsorted(owners, owners[stage.part])), codes[stage.part]
            if stage.ties:
                column = self._column(p)
                meant = match(stage.ties, numbers[column], numbers, decimals(self.codebook_, column))
                own = np.where(meant >= 0, stage.size + meant, own)
            told = np.log(stage.chance(bins, codes, own))
            return np.where((p != head) & (codes[head] == 0), 0.0, told)  # later parts are missing where the first is

        return np.sum(_each(of, self.stages_), axis=0) if self.stages_ else np.zeros(data.rows)

    def state(self) -> State:
        """The codebook and the plan as JSON, trees as arrays."""
        cards, arrays = [], {f"map.{p}": m for p, m in enumerate(self.maps_)}
        for k, stage in enumerate(self.stages_):
            card, mine = stage.state()
            cards.append(card)
            arrays |= {f"{k}.{name}": array for name, array in mine.items()}
        return State(card={"codebook": self.codebook_.to_json(), "stages": cards}, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.encode import Codebook
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
        return self

    def _blank(self, n: int, rng: np.random.Generator) -> Coded:
        """Codes of `n` rows, not yet drawn, and positions inside cells."""
        from lookalike.encode import Coded

        shape = len(self.codebook_.parts), len(self.schema.table.columns)
        return Coded(np.empty((shape[0], n), np.uint16), rng.random((shape[1], n), dtype=np.float32))

    def _table(self, coded: Coded, tied: dict[int, np.ndarray], start: int) -> pa.Table:
        """The canonical table of codes and positions, with the numbers of columns that have ties."""
        import pyarrow as pa

        drawn, columns = self.codebook_.decode(coded, start=start), self.schema.table.columns
        for column, numbers in tied.items():
            drawn = drawn.set_column(column, columns[column].name, pa.chunked_array([_values(numbers, columns[column].kind)]))
        return drawn

    def _column(self, part_: int) -> int:
        """The number of the column that a part belongs to."""
        return int(self.codebook_.owners[part_])

    def _tilt(self, learned: np.ndarray, rng: np.random.Generator) -> None:
        """Draw a pilot stage by stage, each set right, by the rows learned from, before the next one builds on it."""
        from lookalike.encode import Coded
        from lookalike.models._stage import FEWEST_PILOTS, PILOT_CELLS, PILOTS

        n = max(FEWEST_PILOTS, min(PILOTS, PILOT_CELLS // max(1, len(self.stages_))))
        columns, parts = len(self.schema.table.columns), len(self.codebook_.parts)
        pilot = Coded(np.zeros((parts, n), np.uint16), rng.random((columns, n), dtype=np.float32))
        self._draw(pilot, rng.integers(0, 1 << 62, len(self.stages_)), 0, learned=learned)

    def _draw(
        self, coded: Coded, seeds: np.ndarray, first: int, *, learned: np.ndarray | None = None, guide: Guide | None = None
    ) -> tuple[Coded, dict[int, np.ndarray]]:
        """Fill `coded.codes` stage by stage; returns it, and the numbers of columns with ties. `first`: number of the first row.

        learned: the rows learned from; each stage is replaced, before it draws, by one that meets them. guide: what is asked of the rows,
        of which some may end and others go on more than once: what is returned is then a copy.
        """
        from lookalike.encode import Coded

        owners, bins = self.codebook_.owners, np.zeros(coded.codes.shape, np.uint8)
        among = {p: about.size for p, about in enumerate(self.codebook_.parts) if not about.ordered}
        numbers: dict[int, np.ndarray] = {}
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
            if stage.ties:
                numbers[self._column(p)] = self._tie(stage, coded, numbers)
            bins[p] = self.maps_[p][coded.codes[p]]
            kept = None if guide is None else guide.settle(seed=int(seed) + first >> 4)
            if kept is not None:
                coded, bins = Coded(coded.codes[:, kept], coded.inside[:, kept]), bins[:, kept]
                numbers = {column: found[kept] for column, found in numbers.items()}
        return coded, {self._column(s.part): numbers[self._column(s.part)] for s in self.stages_ if s.ties}

    def _tie(self, stage: Stage, coded: Coded, numbers: dict[int, np.ndarray]) -> np.ndarray:
        """The numbers of a column some of whose codes mean a tie; those codes are replaced by the codes of the numbers."""
        import pyarrow as pa

        from lookalike.encode import encoder

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
            codes[rows] = encoder(spec).encode(pa.chunked_array([_values(made[rows], spec.kind)]), book, spec)[0]
        return made

    def _decoded(self, column: int, coded: Coded) -> np.ndarray:
        """float64 [n]: the numbers that a column's codes and positions stand for; NaN is missing."""
        from lookalike.encode import encoder

        spec, at = self.schema.table.columns[column], int(np.searchsorted(self.codebook_.owners, column))
        values = encoder(spec).decode(coded.codes[at : at + 1].astype(np.int32), coded.inside[column], self.codebook_.books[column], spec)
        return values.cast("float64").to_numpy(zero_copy_only=False).copy()


class _Plan:
    """What is needed while a forest is fitted: codes uint16 [parts, n], their bins, numbers {column: float64 [n]}, lookups."""

    def __init__(self, forest: Forest, codes: np.ndarray, numbers: dict[int, np.ndarray]) -> None:
        from lookalike.models._stage import bin_map

        self.settings, self.codebook, self.codes, self.numbers = forest.settings, forest.codebook_, codes, numbers
        self.parts, self.owners = forest.codebook_.parts, forest.codebook_.owners
        self.maps = [bin_map(np.bincount(c, minlength=p.size), ordered=p.ordered) for c, p in zip(codes, self.parts, strict=True)]
        self.bins = (
            np.stack([m[c] for m, c in zip(self.maps, codes, strict=True)]) if len(self.parts) else np.zeros((0, codes.shape[1]), np.uint8)
        )
        self.nominal = np.array([not p.ordered for p in self.parts])
        self.lookups: dict[int, int] = {}

    def order(self, rng: np.random.Generator) -> list[int]:
        """Parts in the order in which they are drawn: as in the table, deciding before decided, the target where rows serve it best."""
        from lookalike.models._ties import find_lookups

        single = [p for p in range(len(self.parts)) if (self.owners == self.owners[p]).sum() == 1]
        order, self.lookups = find_lookups(self.codes, [p.size for p in self.parts], single)
        for p in range(len(self.parts)):  # parts of moments, which come in twos, go where they stand in the table
            if p not in single:
                order.insert(p, p)
        aim = self._target()
        if aim is None or aim in self.lookups:
            return order
        follow = [p for p in order if p == aim or self.lookups.get(p) == aim]
        others = [p for p in order if p not in follow]
        return self._better([*others, *follow], [*follow, *others], aim, rng) if others else order

    def learn(self, order: Sequence[int], rng: np.random.Generator, *, on_step: OnStep = quiet, trial: bool = False) -> list[Stage]:
        """Stages for the parts in `order`. `trial`: few trees."""
        from lookalike.models._stage import Stage, learn, telling
        from lookalike.models._ties import lookup_table

        aim = None if trial else self._target()
        seeds, told, done = rng.integers(0, 1 << 62, len(order)), Lock(), 0

        def stage(at: int) -> Stage:
            nonlocal done
            p, mine = order[at], np.random.default_rng(seeds[at])
            features = [q for q in order[:at] if self.parts[q].size > 1]
            if p in self.lookups:
                x = self.lookups[p]
                made = Stage(p, (), self.parts[p].size, decider=x, table=lookup_table(self.codes[x], self.codes[p], self.parts[x].size))
            else:
                target, rows = self._aim(p, order[:at])
                features = telling(target, features, self.bins)
                boosts = self._scores(replace(target, codes=self.codes[p]), features, p == aim, mine) if rows is None else []
                made = learn(target, features, self.bins, self.nominal, how=self._how(p, trial), boosts=boosts, rows=rows, rng=mine)
            with told:
                done += 1
                on_step(Step(done, len(order), f"learning {self.parts[p].column}"))
            return made

        return _each(stage, range(len(order)))

    def _scores(self, target: Target, features: list[int], aim: bool, rng: np.random.Generator) -> list[tuple[Boost, np.ndarray]]:
        """Boosted scores of a part and their bins: of the target (`aim`), and of ordered parts with many levels."""
        from lookalike.models._stage import score

        if not features or not self.settings.rounds or not (aim or (target.ordered and target.size > SCORED_CELLS)):
            return []
        rounds, most = self.settings.rounds * (3 if aim else 1), AIM_ROWS if aim else SCORED_ROWS
        bins, nominal = np.ascontiguousarray(self.bins[features]), self.nominal[features]
        return score(target, bins, nominal, rounds=rounds, most=most, rng=rng, worth=0.0 if aim else WORTH)

    def _how(self, p: int, trial: bool) -> Growing:
        """How the trees of a part are grown; a part with one level needs no more than one row."""
        from lookalike.models._stage import Growing

        s = self.settings
        if (self.codes[p] == self.codes[p, 0]).all():
            return Growing(1, 0.0, 1, 1.0)
        return Growing(min(s.trees, 6) if trial else s.trees, s.sample, s.leaf, s.features)

    def _aim(self, p: int, earlier: Sequence[int]) -> tuple[Target, np.ndarray | None]:
        """What is to be learned for part `p`, and the rows to learn from: for later parts of a column those that are not missing."""
        from lookalike.models._stage import Target
        from lookalike.models._ties import match

        codes, this = self.codes[p], self.parts[p]
        rows = None
        if p and self.owners[p] == self.owners[p - 1]:
            there = np.flatnonzero(self.codes[int(np.searchsorted(self.owners, self.owners[p]))] > 0)
            rows = there if len(there) else None
        ties = self._ties(p, earlier)
        if ties:
            column = int(self.owners[p])
            found = match(ties, self.numbers[column], self.numbers, decimals(self.codebook, column))
            codes = np.where(found >= 0, this.size + found, codes).astype(np.uint16)
        return Target(p, codes, this.size, this.ordered, tuple(ties)), rows

    def _ties(self, p: int, earlier: Sequence[int]) -> list[Tie]:
        """Ties of the number that part `p` belongs to with numbers drawn before."""
        from lookalike.models._ties import find_ties

        column = int(self.owners[p])
        if column not in self.numbers or self.parts[p].size <= 3:
            return []
        before = [int(self.owners[q]) for q in earlier if int(self.owners[q]) in self.numbers and self.parts[q].size > 3]
        y = self.numbers[column]
        _, where, count = np.unique(y, return_inverse=True, return_counts=True)
        shared = count[where] > 0.005 * len(y)
        return find_ties(y, ~shared, {c: self.numbers[c] for c in before[-MOST_EARLIER:]}, decimals(self.codebook, column))

    def _target(self) -> int | None:
        """The part of the target column, if there is one that can be predicted."""
        names = self.codebook.table.names
        column = names.index(self.settings.target) if self.settings.target else len(names) - 1
        mine = [int(p) for p in np.flatnonzero(self.owners == column)]
        if len(mine) != 1 or (self.settings.target is None and self.parts[mine[0]].size > FEW_LEVELS + 1):
            return None
        return mine[0]

    def _better(self, last: list[int], first: list[int], aim: int, rng: np.random.Generator) -> list[int]:
        """The order by which synthetic rows teach more of the target, tried on part of the rows and judged on others."""
        rows = rng.permutation(self.codes.shape[1])[: 2 * TRIED_ROWS]
        half = len(rows) // 2
        if half < 500 or len(last) > TRIED_PARTS:
            return last
        seed = int(rng.integers(0, 1 << 62))
        loss = [self._loss(order, aim, rows[:half], rows[half:], seed) for order in (last, first)]
        return last if loss[0] <= loss[1] else first

    def _loss(self, order: list[int], aim: int, seen: np.ndarray, unseen: np.ndarray, seed: int) -> float:
        """Loss on the rows `unseen` of boosted trees that learned from rows drawn by a forest that learned from the rows `seen`."""
        from lookalike.models._boost import transfer

        plan = copy(self)
        plan.codes, plan.bins, plan.numbers = self.codes[:, seen], np.ascontiguousarray(self.bins[:, seen]), {}
        stages = plan.learn(order, np.random.default_rng(seed), trial=True)
        codes, bins = np.zeros(plan.codes.shape, np.uint16), np.zeros(plan.codes.shape, np.uint8)
        for k, stage in enumerate(stages):
            codes[stage.part] = stage.draw(bins, codes, seed=seed + k, first=0)
            bins[stage.part] = self.maps[stage.part][codes[stage.part]]
        others = [p for p in order if p != aim]
        pair = (codes[aim], self.codes[aim, unseen])
        return transfer(bins[others], self.bins[others][:, unseen], *pair, nominal=self.nominal[others], ordered=self.parts[aim].ordered)


def decimals(codebook: Codebook, column: int) -> int | None:
    """Decimals of the numbers of a column; None if they have no grid."""
    if codebook.table.columns[column].kind == "integer":
        return 0
    return codebook.books[column]["line"]["decimals"]


def _numbers(table: pa.Table, codebook: Codebook) -> dict[int, np.ndarray]:
    """{column: float64 [n], NaN is missing} of the integers and numbers of a canonical table."""
    found = {}
    for k, column in enumerate(codebook.table.columns):
        if column.kind in NUMBERS:
            found[k] = table.column(k).cast("float64").to_numpy()
    return found


def _values(numbers: np.ndarray, kind: str) -> pa.Array:
    """A canonical array of numbers; NaN becomes null."""
    import pyarrow as pa

    missing = np.isnan(numbers)
    if kind == "integer":
        return pa.array(np.rint(np.where(missing, 0, numbers)).astype(np.int64), mask=missing)
    return pa.array(numbers, mask=missing)


def _each(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """`work` of each item, on as many threads as there are cores; the first error ends it."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [f.result() for f in futures]
        finally:
            pool.shutdown(cancel_futures=True)
