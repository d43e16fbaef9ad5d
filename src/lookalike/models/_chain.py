"""Rows that follow one another, given whose they are: drawn step by step for all owners at once, each column from the leaves of trees.

A row is drawn by its owner's columns, by how many rows are still to come, by the clock, and by what has been (`_chain_memory`). Codes
are kept from step to step, so that nothing is encoded on the way. A value may be drawn as a repetition of the last one known, as a step
from it (`_chain_steps`), or anew. Trees learn from some of the owners and are judged by others, so that no owner is known by heart.
(Autoregressive sequence synthesis, as in Reiter 2005 for columns; step by step as in Zhang et al. 2022, SDV's PAR.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from lookalike.encode import Codebook, Coded
from lookalike.models import _chain_steps as steps
from lookalike.models._chain_cells import measured
from lookalike.models._chain_memory import TOP, Layout, counted, looking_back
from lookalike.models._chain_walk import Given, Walk
from lookalike.models._growing import each
from lookalike.models._stage import Growing, Stage, Target, bin_map, learn, score, telling
from lookalike.models._ties import Tie
from lookalike.protocol import OnStep, State, Step, part, quiet
from lookalike.schema import Column, Schema, Table

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Chain", "How"]

MOST_EVENTS = 1_000_000
"""Rows learned from at most; beyond, owners are left out at random."""
PIECE = 8_192
"""Owners whose rows are drawn together by one thread."""
SCORED_ROWS, SCORED_CELLS, WORTH = 20_000, 24, 0.05
"""As in the forest: rows that a fold of a score learns from, codes from which a part gets a score, share that it must explain."""
REPEATED = 0.01
"""Share of rows that must say again what the last one said, exactly, for this to be learned as such."""
FEW_OWNERS = 20
"""With fewer owners than this, trees learn from rows chosen at random, whosever they are."""
FEW = 16
"""Of so many features all are tried at each split."""
NEVER = frozenset({"key", "personal", "constant", "empty"})
"""Kinds whose values are not repeated: they are made afresh, or there is only one."""


@dataclass(frozen=True)
class How:
    """How a chain learns; see the settings of `forest`, and `lags`: rows before that are looked at one by one."""

    trees: int = 20
    sample: float = 0.6
    leaf: int = 20
    features: float = 0.8
    rounds: int = 60
    lags: int = 2
    protect: int = 5
    cells: int = 255


Mode = Literal["there", "level", "step", "span"]
"""What is drawn of a part: whether there is a value, the value, the step to it from the last one; in first rows how long rows last."""
SPARSE = 0.05
"""Share of missing values from which it is drawn first whether there is one, and then which: among many rows that lack it, the few that
have it would share no leaf."""


class Chain:
    """Learns and draws the rows of owners.

    Fitted attributes: `codebook_` of the rows and their steps, `owners_` the codebook of the owners, `glides_` the columns that are learned
    as steps, `span_` how an owner's time is told, `stages_` {part: Stage}, `used_` owners learned from.
    """

    codebook_: Codebook
    owners_: Codebook
    glides_: dict[int, steps.Glide]
    span_: steps.Span | None
    stages_: dict[int, Stage]
    used_: int

    def __init__(self, owners: Table, rows: Table, how: How | None = None) -> None:
        """Tables of canonical columns: those of an owner, and those of its rows, of which `rows.order` may order them."""
        self.owners, self.rows, self.how = owners, rows, how or How()

    # ------------------------------------------------------------------------------------------------------ learning

    def fit(self, owners: pa.Table, rows: pa.Table, sizes: np.ndarray, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn `rows` [n], sorted by owner (in the order of `owners` [m]) and within each in order; `sizes` int64 [m], sum n."""
        sizes = np.asarray(sizes, np.int64)
        owners, rows, sizes = self._some(owners, rows, sizes, rng)
        self.used_ = len(sizes)
        self.owners_ = Codebook.measure_all(_data(self.owners, owners), protect=self.how.protect, cells=self.how.cells)
        numbers = {c: steps.numbers(rows.column(c), spec) for c, spec in enumerate(self.rows) if spec.kind in steps.STEPPING}
        wide = self._widened(rows, numbers, sizes)
        self.codebook_ = measured(wide, self._wide, sizes, protect=self.how.protect, cells=self.how.cells, order=self._order)
        on_step(Step(1, 10, "measured"))
        self.glides_ = {c: self._glide(c, g.step) for c, g in self.glides_.items()}
        view = _View(self.codebook_.encode(wide), sizes, numbers)
        self._lay_out(view, self.owners_.encode(owners).codes)
        self._learn(view, rng, part(on_step, 0.2, 1.0))
        return self

    def _some(self, owners: pa.Table, rows: pa.Table, sizes: np.ndarray, rng: np.random.Generator) -> tuple[pa.Table, pa.Table, np.ndarray]:
        """All owners and rows, or as many owners as have MOST_EVENTS rows together."""
        if sizes.sum() <= MOST_EVENTS:
            return owners, rows, sizes
        order = rng.permutation(len(sizes))
        kept = np.zeros(len(sizes), bool)
        kept[order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), MOST_EVENTS)))]] = True
        return owners.filter(pa.array(kept)), rows.filter(pa.array(np.repeat(kept, sizes))), sizes[kept]

    def _widened(self, rows: pa.Table, numbers: dict[int, np.ndarray], sizes: np.ndarray) -> pa.Table:
        """The rows with a column of steps for each that glides, and one of the span of each owner; settles which do, and whether it is."""
        made, taken, self.glides_, self.span_ = rows, list(self.rows.names), {}, None
        for c, x in numbers.items():
            last = steps.before(x, sizes)
            if self.rows.columns[c].name == self.rows.order or steps.glides(x, last):
                spec = steps.step_column(self.rows.columns[c], taken)
                self.glides_[c] = steps.Glide(c, len(taken), None, -np.inf, np.inf)
                taken.append(spec.name)
                made = made.append_column(spec.name, steps.values(x - last, spec))
        if self._order is not None:
            self.span_ = steps.span(numbers[self._order], sizes, len(taken), self.how.protect)
        if self.span_ is not None:
            told = self.span_.told(numbers[self._order], sizes)
            made = made.append_column(steps.SPAN.name, steps.values(told, steps.SPAN))
        return made

    def _glide(self, c: int, step: int) -> steps.Glide:
        """How column `c` steps, once its cells are known."""
        return steps.Glide(c, step, steps.decimals(self.codebook_, c), *steps.limits(self.codebook_, c))

    def _lay_out(self, view: _View, owners: np.ndarray) -> None:
        """Settle bins and edges, and put together what each row is drawn by: `view.bins` uint8 [features, n]."""
        about, codes = self.codebook_.parts, view.coded.codes
        maps = [bin_map(np.bincount(c, minlength=p.size), ordered=p.ordered) for c, p in zip(codes, about, strict=True)]
        self._maps = np.zeros((len(about), max((len(m) for m in maps), default=1)), np.uint8)
        for k, m in enumerate(maps):
            self._maps[k, : len(m)] = m
        missing = (codes == 0).mean(axis=1)
        self._gaps = missing > 0
        told = [c for c, spec in enumerate(self.rows.columns) if spec.kind not in NEVER and c not in self.glides_]
        heads = {self._parts(c)[0] for c in [*told, *(g.step for c, g in self.glides_.items() if c != self._order)]}
        self._sparse = frozenset(p for p in heads if SPARSE < missing[p] < 1 and about[p].size > SCORED_CELLS)
        kinds = zip(owners, self.owners_.parts, strict=True)
        self._owner_maps = [bin_map(np.bincount(c, minlength=p.size), ordered=p.ordered) for c, p in kinds]
        self._edges = np.zeros((4, TOP))
        if self._order is not None:
            found = [v[~np.isnan(v)] for v in view.times(self._order)]
            self._edges = np.stack([np.quantile(v, np.linspace(0, 1, TOP)) if len(v) else np.zeros(TOP) for v in found])
        view.bins = self._features(view, owners)

    def _features(self, view: _View, owners: np.ndarray) -> np.ndarray:
        """uint8 [features, n]: see `_lay_out`."""
        codes, sizes, n = view.coded.codes, view.sizes, view.coded.codes.shape[1]
        memory = looking_back(self._layout, codes, sizes)
        whose = np.repeat(np.arange(len(sizes)), sizes)
        static = self._static(owners, sizes)[:, whose]
        at = np.arange(n) - np.repeat(view.first, sizes)
        frame = np.stack([counted(at), counted(np.repeat(sizes, sizes) - 1 - at)])
        parts = [memory, static, frame]
        if self._order is not None:
            x = view.numbers[self._order]
            since, _, left, due = view.times(self._order)
            last = steps.before(x, sizes)
            parts += [self._clock(last, since - x + last), self._ahead(left, due), self._clock(x, since)]
        own = self._maps[np.arange(len(codes))[:, None], codes]
        return np.concatenate([*parts, own])

    def _learn(self, view: _View, rng: np.random.Generator, on_step: OnStep) -> None:
        """A stage for each part that is drawn."""
        turns = list(self._turns())
        view.mix(rng)
        seeds = rng.integers(0, 1 << 62, len(turns))
        done = iter(range(1, len(turns) + 1))

        def one(k: int) -> Stage:
            c, p, mode = turns[k]
            made = self._stage(view, c, p, mode, np.random.default_rng(seeds[k]), {q for _, q, m in turns[:k] if m != "there"})
            on_step(Step(next(done), len(turns), f"learning {self.rows.columns[c].name}"))
            return made

        made = each(one, range(len(turns))) if turns else []
        self.stages_ = {key(p, mode): stage for (_, p, mode), stage in zip(turns, made, strict=True)}

    def _stage(self, view: _View, c: int, p: int, mode: Mode, rng: np.random.Generator, earlier: set[int]) -> Stage:
        """How part `p` of column `c`, or of its step, is drawn."""
        how = self.how
        target, rows = self._target(view, c, p, mode)
        bins, plain = view.bins, target.codes if mode == "there" else view.codes[p]
        if not rows.all():
            chosen = np.flatnonzero(rows) if rows.any() else np.arange(1)
            target = replace(target, codes=target.codes[chosen], clusters=target.clusters[chosen])
            bins, plain = np.ascontiguousarray(bins[:, chosen]), plain[chosen]
        if (target.codes == target.codes[0]).all():
            return learn(target, [], bins, self._nominal, how=Growing(1, 0.0, 1, 1.0), boosts=[], rows=None, rng=rng)
        features = self._looked_at(target, c, bins, earlier)
        if len(np.unique(target.clusters[plain > 0])) < FEW_OWNERS:
            target = replace(target, clusters=None)
        boosts: list[Any] = []
        if how.rounds and len(features) and target.ordered and target.size > SCORED_CELLS:
            levels, kept = replace(target, codes=plain), np.ascontiguousarray(bins[features])
            boosts = score(levels, kept, self._nominal[features], rounds=how.rounds, most=SCORED_ROWS, rng=rng, worth=WORTH)
        tried = 1.0 if mode == "span" or len(features) <= FEW else how.features  # one of them may tell all: it must not be missed
        growing = Growing(how.trees, how.sample, how.leaf, tried)
        return learn(target, features, bins, self._nominal, how=growing, boosts=boosts, rows=None, rng=rng)

    def _target(self, view: _View, c: int, p: int, mode: Mode) -> tuple[Target, np.ndarray]:
        """What is to be learned for part `p`, and bool [n], by which rows."""
        about, codes = self.codebook_.parts[p], view.codes
        head = self._parts(int(self._whose[p]))[0]
        target, rows, repeats = Target(p, codes[p], about.size, about.ordered, clusters=view.whose), np.ones(codes.shape[1], bool), None
        if mode == "there":
            target = replace(target, codes=(codes[p] > 0).astype(np.uint16), size=2, ordered=False)
        elif p in self._sparse:
            rows &= codes[p] > 0
        if c in self.glides_:
            fresh = view.fresh(c)
            rows &= fresh if mode == "span" or c == self._whose[p] else ~fresh
            rows &= view.follows if mode == "span" else True
        elif self.rows.columns[c].kind not in NEVER and self.codebook_.parts[head].size > SCORED_CELLS:
            repeats = view.repeats(c, head, self._parts(c))
        if mode == "there":
            return target, rows
        if p != head:
            rows &= (codes[head] > 0) if repeats is None else (codes[head] > 0) & ~repeats
        elif repeats is not None:
            again = np.where(repeats, about.size, codes[p]).astype(np.uint16)
            target = replace(target, codes=again, ties=(Tie("same", (c,)),))
        return target, rows

    def _looked_at(self, target: Target, c: int, bins: np.ndarray, earlier: set[int]) -> list[int]:
        """The features that a part of column `c` is drawn by: its own past, and what else tells most."""
        able = np.ones(len(self._nominal), bool)
        own = len(able) - len(self.codebook_.parts)
        able[own:] = False
        able[[own + q for q in earlier]] = True
        if self._order is not None and c == self._order:
            able[own - self._clocks : own] = False
        able &= bins.max(axis=1, initial=0) > bins.min(axis=1, initial=255)
        mine = np.isin(self._layout.about, [*self._parts(c), *(self._parts(self.glides_[c].step) if c in self.glides_ else ())])
        mine = np.append(mine, np.zeros(len(able) - len(mine), bool)) & able
        others = telling(target, np.flatnonzero(able & ~mine).tolist(), bins)
        return sorted({*np.flatnonzero(mine).tolist(), *others})

    # ------------------------------------------------------------------------------------------------------ drawing

    def draw(self, owners: pa.Table, sizes: np.ndarray, *, rng: np.random.Generator, start: int = 0) -> pa.Table:
        """Draw the rows of `owners` [m], `sizes` int64 [m] each, one owner's after the other's; `start`: rows that were drawn before."""
        sizes = np.asarray(sizes, np.int64)
        known = self.owners_.encode(owners).codes
        seeds, key = rng.integers(0, 1 << 62, len(self.stages_)), int(rng.integers(0, 1 << 62))

        def piece(low: int) -> Walk:
            here = slice(low, low + PIECE)
            return Walk(self, known[:, here], sizes[here], seeds, np.random.default_rng((key, low)), first=low)

        walks = each(lambda low: piece(low).go(), range(0, max(len(sizes), 1), PIECE))
        return self._table(walks, sizes, start)

    def complete(
        self, owners: pa.Table, rows: pa.Table, sizes: np.ndarray, columns: Sequence[str], *, rng: np.random.Generator, fill: bool
    ) -> pa.Table:
        """`rows` [n] as they would be with the missing cells of `columns` drawn, each row given those before it; see `draw`.

        Order values are all known. With `fill` no cell that is drawn is missing.
        """
        sizes = np.asarray(sizes, np.int64)
        numbers = {c: steps.numbers(rows.column(c), self.rows.columns[c]) for c in self.glides_}
        wide = rows
        for c, glide in sorted(self.glides_.items(), key=lambda item: item[1].step):
            spec = self._wide_columns[glide.step]
            wide = wide.append_column(spec.name, steps.values(numbers[c] - steps.before(numbers[c], sizes), spec))
        if self.span_ is not None:
            wide = wide.append_column(steps.SPAN.name, steps.values(self.span_.told(numbers[self._order], sizes), steps.SPAN))
        coded = self.codebook_.encode(wide)
        lacking = [rows.column(k).is_null().to_numpy() & (name in columns) for k, name in enumerate(self.rows.names)]
        given = Given(coded.codes, coded.inside[: len(self.rows.columns)], numbers, ~np.stack(lacking), fill)
        seeds, known = rng.integers(0, 1 << 62, len(self.stages_)), self.owners_.encode(owners).codes
        return self._table([Walk(self, known, sizes, seeds, rng, first=0, given=given).go()], sizes, 0)

    def _table(self, walks: list[Walk], sizes: np.ndarray, start: int) -> pa.Table:
        """The canonical table of what was drawn."""
        names, columns = self.rows.names, self.rows.columns
        count = int((self._whose < len(columns)).sum())
        book = Codebook(self.rows, self.codebook_.books[: len(columns)])
        codes = np.concatenate([w.codes[:count] for w in walks], axis=1)
        made = book.decode(Coded(codes, np.concatenate([w.inside for w in walks], axis=1)), start=start)
        for c, glide in self.glides_.items():
            x = np.concatenate([w.numbers[c] for w in walks])
            if c == self._order:
                x = steps.drawn_back(x, sizes, glide, columns[c])
            made = made.set_column(c, names[c], pa.chunked_array([steps.values(x, columns[c])]))
        return made

    # -------------------------------------------------------------------------------------------------- storing

    def state(self) -> State:
        """Codebooks and stages as JSON, trees and bins as arrays."""
        cards: list[dict[str, Any]] = []
        arrays = {"maps": self._maps, "gaps": self._gaps, "edges": self._edges}
        arrays |= {f"owner.{p}": m for p, m in enumerate(self._owner_maps)}
        for k, (number, stage) in enumerate(self.stages_.items()):
            card, mine = stage.state()
            cards.append({"key": number, **card})
            arrays |= {f"{k}.{name}": array for name, array in mine.items()}
        card = {"owners": self.owners_.to_json(), "rows": self.codebook_.to_json(), "stages": cards, "used": self.used_}
        card |= {"sparse": sorted(self._sparse), "glides": sorted(self.glides_), "span": None if self.span_ is None else asdict(self.span_)}
        return State(card=card, arrays=arrays)

    def restore(self, state: State) -> Self:
        """Become the chain that `state` was taken from; tables and `how` are given to the constructor."""
        card, arrays, taken = state.card, state.arrays, list(self.rows.names)
        self.used_, self.glides_ = card["used"], {}
        self.span_ = None if card["span"] is None else steps.Span(**card["span"])
        for c in card["glides"]:
            self.glides_[c] = steps.Glide(c, len(taken), None, -np.inf, np.inf)
            taken.append(steps.step_column(self.rows.columns[c], taken).name)
        self.owners_ = Codebook.from_json(card["owners"], self.owners)
        self.codebook_ = Codebook.from_json(card["rows"], self._wide)
        self.glides_ = {c: self._glide(c, g.step) for c, g in self.glides_.items()}
        self._maps, self._gaps, self._edges = arrays["maps"], arrays["gaps"], arrays["edges"]
        self._sparse = frozenset(card["sparse"])
        self._owner_maps = [arrays[f"owner.{p}"] for p in range(len(self.owners_.parts))]
        mine: list[dict[str, np.ndarray]] = [{} for _ in card["stages"]]
        for name, array in arrays.items():
            head, _, tail = name.partition(".")
            if head.isdigit():
                mine[int(head)][tail] = array
        self.stages_ = {c["key"]: Stage.restore(c, a) for c, a in zip(card["stages"], mine, strict=True)}
        return self

    # ------------------------------------------------------------------------------------------------------ layout

    @property
    def _wide(self) -> Table:
        """The rows' table with the columns of steps."""
        columns = list(self.rows.columns)
        for glide in sorted(self.glides_.values(), key=lambda g: g.step):
            columns.append(steps.step_column(self.rows.columns[glide.column], [c.name for c in columns]))
        if self.span_ is not None:
            columns.append(steps.SPAN)
        return Table(name=self.rows.name, columns=tuple(columns))

    @cached_property
    def _whose(self) -> np.ndarray:
        """int64 [parts]: the column of the widened table that each part is of."""
        return self.codebook_.owners

    @cached_property
    def _schedule(self) -> list[tuple[int, int, Mode]]:
        return list(self._turns())

    @cached_property
    def _ends(self) -> set[tuple[int, int]]:
        """Column and last part of each turn."""
        return set({c: (c, p) for c, p, _ in self._schedule}.values())

    @cached_property
    def _columns(self) -> dict[int, list[int]]:
        """The parts of each column, and of its step."""
        return {c: [q for d, q, _ in self._schedule if d == c] for c in range(len(self.rows.columns))}

    @cached_property
    def _heads(self) -> dict[int, int]:
        return {p: int(np.searchsorted(self._whose, o)) for p, o in enumerate(self._whose)}

    @cached_property
    def _wide_columns(self) -> tuple[Column, ...]:
        return self._wide.columns

    def _parts(self, column: int) -> list[int]:
        """The parts of a column of the widened table."""
        return np.flatnonzero(self._whose == column).tolist()

    @cached_property
    def _order(self) -> int | None:
        """The number of the column that orders rows, if it can be reckoned with."""
        at = self.rows.names.index(self.rows.order) if self.rows.order else None
        return at if at is not None and self.rows.columns[at].kind in steps.STEPPING else None

    def _turns(self) -> Iterator[tuple[int, int, Mode]]:
        """(column, part, of what), in the order in which they are drawn: what orders the rows comes first."""
        columns = sorted(range(len(self.rows.columns)), key=lambda c: c != self._order)
        for c in columns:
            if c in self.glides_:
                yield from ((c, p, "there") for p in self._parts(self.glides_[c].step) if p in self._sparse)
                yield from ((c, p, "step") for p in self._parts(self.glides_[c].step))
            yield from ((c, p, "there") for p in self._parts(c) if p in self._sparse)
            yield from ((c, p, "level") for p in self._parts(c))
            if c == self._order and self.span_ is not None:
                yield from ((c, p, "span") for p in self._parts(self.span_.column))

    @cached_property
    def _layout(self) -> Layout:
        about = self.codebook_.parts
        sizes, ordered = np.array([p.size for p in about], np.int64), np.array([p.ordered for p in about], bool)
        return Layout(sizes, ordered, self._gaps, self._maps, self.how.lags)

    @cached_property
    def _clocks(self) -> int:
        """How many features tell the time of one row."""
        if self._order is None:
            return 0
        return 2 + {"date": 1, "datetime": 2}.get(self.rows.columns[self._order].kind, 0)

    @cached_property
    def _nominal(self) -> np.ndarray:
        """bool [features]: whether bins have no order."""
        owners = [not p.ordered for p in self.owners_.parts]
        own = [not p.ordered for p in self.codebook_.parts]
        clocks = [False] * (2 * self._clocks + (2 if self.span_ is not None else 0))
        return np.array([*self._layout.nominal, *owners, False, False, False, *clocks, *own], bool)

    def _static(self, owners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """uint8 [features, m]: the owners' codes as bins, and how many rows they have."""
        return np.stack([*(m[c] for m, c in zip(self._owner_maps, owners, strict=True)), counted(sizes)])

    def _ahead(self, left: np.ndarray, due: np.ndarray) -> np.ndarray:
        """uint8 [2, n], none without a span: time that is left (NaN: not known), and for each row that is to come."""
        if self.span_ is None:
            return np.zeros((0, len(left)), np.uint8)
        return np.stack([self._binned(2, left), self._binned(3, due)])

    def _binned(self, edge: int, x: np.ndarray) -> np.ndarray:
        """uint8 [n]: bins of a time, 0 if it is not known."""
        return np.where(np.isnan(x), 0, 1 + np.searchsorted(self._edges[edge], x)).astype(np.uint8)

    def _clock(self, x: np.ndarray, since: np.ndarray) -> np.ndarray:
        """uint8 [clocks, n]: time since the start, time, weekday and hour of order values (NaN: none yet)."""
        known = ~np.isnan(x)
        made = [self._binned(0, since), self._binned(1, x)]
        kind, x = self.rows.columns[self._order].kind, np.where(known, x, 0)
        if kind in ("date", "datetime"):
            made.append(np.where(known, 1 + (x // (1 if kind == "date" else steps.DAY) + 3) % 7, 0))
        if kind == "datetime":
            made.append(np.where(known, 1 + x % steps.DAY // (steps.DAY // 24), 0))
        return np.stack(made).astype(np.uint8)


def key(p: int, mode: Mode) -> int:
    """Under which number the stage of a part is kept."""
    return -1 - p if mode == "there" else p


class _View:
    """What is learned from: codes and positions of rows, bins of what each is drawn by, and whose they are; to be mixed once."""

    bins: np.ndarray

    def __init__(self, coded: Coded, sizes: np.ndarray, numbers: dict[int, np.ndarray]) -> None:
        self.coded, self.sizes, self.numbers = coded, sizes, numbers
        self.codes, self.first = coded.codes, np.cumsum(sizes) - sizes
        self.whose = np.repeat(np.arange(len(sizes)), sizes)
        self.follows = np.repeat(sizes > 1, sizes)
        self._mixed = np.arange(len(self.whose))

    def mix(self, rng: np.random.Generator) -> None:
        """Put rows in random order: neighbours are alike, and trees look at the first rows of a node."""
        self._mixed = rng.permutation(len(self.whose))
        self.bins, self.codes = self.bins[:, self._mixed], self.codes[:, self._mixed]
        self.whose, self.follows = self.whose[self._mixed], self.follows[self._mixed]

    def times(self, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """float64 [n] each, in the order of rows: time since the owner's first row; time; and of the row before, how much time is left
        to the last row, and for each that is to come (NaN in first rows)."""
        x, sizes = self.numbers[order], self.sizes
        at = np.arange(len(x)) - np.repeat(self.first, sizes)
        end = np.repeat(x[np.maximum(self.first + sizes - 1, 0)], sizes)
        left = end - steps.before(x, sizes)
        return x - np.repeat(x[self.first], sizes), x, left, left / np.maximum(np.repeat(sizes, sizes) - at, 1)

    def fresh(self, c: int) -> np.ndarray:
        """bool [n]: rows of whose column nothing was known before."""
        return np.isnan(steps.before(self.numbers[c], self.sizes))[self._mixed]

    def repeats(self, c: int, head: int, parts: list[int]) -> np.ndarray | None:
        """bool [n]: rows that say of column `c` what was last known; None if they are few."""
        codes, inside = self.coded.codes, self.coded.inside[c]
        at = np.where(codes[head] > 0, np.arange(codes.shape[1]), np.nan)
        last = steps.before(at, self.sizes)
        known = ~np.isnan(last) & (codes[head] > 0)
        before = np.where(known, last, 0).astype(np.int64)
        same = known & (inside == inside[before]) & np.all(codes[parts] == codes[parts][:, before], axis=0)
        return same[self._mixed] if same.mean() >= REPEATED else None


def _data(table: Table, rows: pa.Table) -> Any:
    """A dataset of one table whose rows are each their own."""
    from lookalike.data import Dataset

    plain = table.model_copy(update={"key": (), "links": (), "order": None})
    return Dataset.from_arrow({table.name: rows}, Schema(tables=(plain,)))
