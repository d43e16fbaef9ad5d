"""The walk along a chain: the rows of many owners drawn step by step, side by side, in codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lookalike.encode import encoder
from lookalike.models import _chain_steps as steps
from lookalike.models._chain_memory import Memory, active, counted

if TYPE_CHECKING:
    from lookalike.models._chain import Chain, Mode


@dataclass(frozen=True)
class Given:
    """What is known of rows that are to be completed, one owner's after the other's: `codes` uint16 [parts, n], `inside` float32
    [columns, n], `numbers` {column: float64 [n]} of what glides, `known` bool [columns, n]; `fill`: what is drawn is not missing.
    """

    codes: np.ndarray
    inside: np.ndarray
    numbers: dict[int, np.ndarray]
    known: np.ndarray
    fill: bool


class Walk:
    """The rows of some owners, drawn step by step: `codes` uint16 [parts, n], `inside` float32 [columns, n], `numbers` of what glides."""

    def __init__(
        self,
        chain: Chain,
        owners: np.ndarray,
        sizes: np.ndarray,
        seeds: np.ndarray,
        rng: np.random.Generator,
        *,
        first: int,
        given: Given | None = None,
    ) -> None:
        self.chain, self.seeds, self.first, self.rng, self.given = chain, [int(s) for s in seeds], first, rng, given
        order = np.argsort(-sizes, kind="stable")
        self.sizes, self.starts = sizes[order], (np.cumsum(sizes) - sizes)[order]
        self.static = chain._static(owners, sizes)[:, order]
        n, m = int(sizes.sum()), len(sizes)
        self.codes = np.zeros((len(chain.codebook_.parts), n), np.uint16)
        self.inside = np.zeros((len(chain.rows.columns), n), np.float32)
        self.numbers = {c: np.empty(n) for c in chain.glides_}
        self.last = {c: np.full(m, np.nan) for c in chain.glides_}
        self.start, self.end = np.full(m, np.nan), np.full(m, np.nan)
        self.held = np.zeros((len(chain.rows.columns), m), np.float32)

    def go(self) -> Walk:
        """Draw all rows."""
        chain = self.chain
        memory = Memory(chain._layout, len(self.sizes))
        for t, a in enumerate(active(self.sizes)):
            self.codes_, self.inside_ = np.zeros((len(self.codes), a), np.uint16), self.rng.random((len(self.inside), a), dtype=np.float32)
            self._step(t, a, memory)
            at = self.starts[:a] + t
            self.codes[:, at], self.inside[:, at] = self.codes_, self.inside_
            memory.update(self.codes_)
        return self

    def _step(self, t: int, a: int, memory: Memory) -> None:
        """Draw the row number `t` of the first `a` owners."""
        chain, order = self.chain, self.chain._order
        frame = np.stack([np.broadcast_to(counted(np.array([t])), a), counted(self.sizes[:a] - 1 - t)])
        parts = [memory.features(a), self.static[:, :a], frame]
        if order is not None:
            last = self.last[order][:a]
            left = self.end[:a] - last
            clock = chain._clock(last, last - self.start[:a])
            parts += [clock, chain._ahead(left, left / (self.sizes[:a] - t)), clock]
        own = sum(len(p) for p in parts)
        bins = np.concatenate([*parts, np.zeros((len(self.codes), a), np.uint8)])
        for k, (c, p, mode) in enumerate(chain._schedule):
            seed = (self.seeds[k] + t * 0x9E3779B97F4A7C15) % (1 << 62)
            self._one(bins, (c, p, mode), seed, memory)
            if mode == "there":
                continue
            if (c, p) in chain._ends:
                self._settle(c, a, t)
                if c == order:
                    bins[own - chain._clocks : own] = chain._clock(self.last[c][:a], self.last[c][:a] - self.start[:a])
                for q in chain._columns[c]:
                    bins[own + q] = chain._maps[q, self.codes_[q]]
            else:
                bins[own + p] = chain._maps[p, self.codes_[p]]

    def _due(self, c: int, p: int, mode: Mode, a: int) -> np.ndarray | None:
        """bool [a]: for which owners a part is drawn; None: for all."""
        if c not in self.chain.glides_:
            return None
        known = ~np.isnan(self.last[c][:a])
        if mode == "span":
            return ~known & (self.sizes[:a] > 1)
        return ~known if self.chain._whose[p] == c else known

    def _one(self, bins: np.ndarray, turn: tuple[int, int, Mode], seed: int, memory: Memory) -> None:
        """Draw one part, where it is due."""
        (c, p, mode), chain, a = turn, self.chain, bins.shape[1]
        head, due = chain._heads[p], self._due(c, p, mode, a)
        stage = chain.stages_[-1 - p if mode == "there" else p]
        if due is not None and not due.any():
            return
        drawn = stage.draw(bins, bins, seed=seed, first=self.first)
        if self.given is not None and self.given.fill and mode != "span":
            drawn[drawn == 0] = max(stage.plain, 1)
        last = memory.last[p, :a]
        if mode == "there":
            self.lacks = drawn == 0
            return
        if p == head:
            self.again_ = np.zeros(0, np.int64)
            if stage.ties:
                tied = drawn >= stage.size
                drawn[tied] = stage.plain
                self.again_ = np.flatnonzero(tied & (last > 0) & ~(self.lacks if p in chain._sparse else False))
                self.inside_[c, self.again_] = self.held[c, self.again_]
            if p in chain._sparse:
                drawn[self.lacks] = 0
        else:
            drawn[self.codes_[head] == 0] = 0
        drawn[self.again_] = last[self.again_]
        self.codes_[p] = drawn if due is None else np.where(due, drawn, 0)

    def _settle(self, c: int, a: int, t: int) -> None:
        """What follows from the codes of a column: the number that a step leads to and its codes; what was last known."""
        chain, head = self.chain, self.chain._parts(c)[0]
        if c not in chain.glides_:
            if self.given is not None:
                self._known(c, a, t)
            self.held[c, :a] = np.where(self.codes_[head] > 0, self.inside_[c], self.held[c, :a])
            return
        glide, last, mine = chain.glides_[c], self.last[c][:a], chain._parts(c)
        made, known = np.full(a, np.nan), ~np.isnan(last)
        if known.any():
            step = self._decoded(glide.step, self.rng.random(a, dtype=np.float32))
            if c == chain._order and chain.span_ is not None:
                step = self._timed(step, glide.step, t)
            made = glide.add(last, step, free=c == chain._order)
            spec, book = chain.rows.columns[c], chain.codebook_.books[c]
            self.codes_[mine] = np.where(known, encoder(spec).encode(steps.values(made, spec), book, spec), self.codes_[mine])
        if not known.all():
            made = np.where(known, made, self._decoded(c, self.inside_[c]))
        if self.given is not None:
            made = self._known(c, a, t, made)
        self.numbers[c][self.starts[:a] + t] = made
        self.last[c][:a] = np.where(np.isnan(made), last, made)
        if t == 0 and c == chain._order:
            self.start[:a] = made
            if chain.span_ is not None:
                span = self._decoded(chain.span_.column, self.rng.random(a, dtype=np.float32))
                self.end[:a] = chain.span_.end(made, span, self.sizes[:a])
                if self.given is not None:
                    self.end[:a] = self.given.numbers[c][self.starts[:a] + self.sizes[:a] - 1]

    def _known(self, c: int, a: int, t: int, made: np.ndarray | None = None) -> np.ndarray | None:
        """Put what is given of a column in the place of what was drawn; of what glides, in `made` (float64 [a]), which is returned."""
        chain, given, at = self.chain, self.given, self.starts[:a] + t
        rows = np.flatnonzero(given.known[c, at])
        parts = chain._columns[c]  # with those of steps: they were reckoned from what is given, and hold where the row before was known
        self.codes_[np.ix_(parts, rows)] = given.codes[np.ix_(parts, at[rows])]
        self.inside_[c, rows] = given.inside[c, at[rows]]
        if made is None:
            return None
        made = made.copy()
        made[rows] = given.numbers[c][at[rows]]
        return made

    def _decoded(self, column: int, inside: np.ndarray) -> np.ndarray:
        """float64 [a]: the numbers that the codes of a column of the widened table stand for, NaN where it is missing."""
        chain = self.chain
        spec, codes = chain._wide_columns[column], self.codes_[chain._parts(column)].astype(np.int32)
        return steps.numbers(encoder(spec).decode(codes, inside, chain.codebook_.books[column], spec), spec)

    def _timed(self, step: np.ndarray, column: int, t: int) -> np.ndarray:
        """float64 [a]: gaps that leave time for the rows to come, and of which the last ends where the owner's time ends."""
        chain, a = self.chain, len(step)
        spec, book, parts = chain._wide_columns[column], chain.codebook_.books[column], chain._parts(column)
        step, left = step.copy(), self.end[:a] - self.last[chain._order][:a]
        more = self.sizes[:a] - 1 - t
        share = np.where(more > 0, 1 - self.rng.random(a) ** (1 / (more + 1)), 1.0)  # the first of as many even spacings (Pyke 1965)
        over = (left > 0) & (more > 0) & (step > left)
        rows = np.flatnonzero(over)
        if len(rows):
            wanted = steps.values((share * left)[rows], spec)
            codes = encoder(spec).encode(wanted, book, spec)
            inside = encoder(spec).locate(wanted, book, spec, codes=codes)
            self.codes_[np.ix_(parts, rows)] = codes
            step[rows] = steps.numbers(encoder(spec).decode(codes, inside, book, spec), spec)
        return step
