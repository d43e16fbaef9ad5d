"""Regularly sampled series of many columns: a network tells each step from what went before, from the calendar and from whose it is.

What went before is read step by step where it is near and in sums over ever longer stretches where it is far, so a step costs the same
however long a series is, and a series may be of any length. Each column has a law of its own given those before it in the row: a mixture
of normal laws about a linear forecast, repetitions and missing cells as such, levels as levels. While learning, some cells are known
ahead; so missing cells are drawn given what comes after them, too: imputation and forecasting need no other model.
(Salinas et al. 2020, DeepAR; Oord et al. 2016, WaveNet, for ever longer stretches; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from lookalike.errors import DataError
from lookalike.nets import need_torch
from lookalike.nets.settings import Learning, budget, passes, waits
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.models._windows_draw import Known
    from lookalike.models._windows_net import Net
    from lookalike.models._windows_table import Frame, Lot
    from lookalike.nets.train import Course
    from lookalike.schema import Schema

__all__ = ["Series"]

PIECE = 512
"""Series drawn by one thread at a time."""
MOST = 400_000
"""Rows that are learned at most; further ones are only looked back on."""
HELD, HELD_ROWS, BLOCKS = 0.1, 4_000, 10
"""Share of subjects, or of BLOCKS stretches of time, that are kept aside to judge by, and how many of their rows do."""
RUN = 8
"""Rows in a row, no two alike, that occur in two subjects only where one is a stretch of what the other is cut from."""
COPIED = 0.25
"""Share of the rows that may be left out because subjects kept aside hold them; where more would be, rows are alike by chance."""
OVERLAP = 0.3
"""Share of units silenced where subjects overlap: each row is learned from so often that it is soon known by heart."""
WILD = 4
"""Times that a series wilder than all that were learned is drawn again."""
ROUND = 100
"""Steps between two judgements at most: of a small table, what is learned by heart shows after a few hundred."""
FORECAST = 20_000
"""Rows that the linear forecast is fitted on."""
TOGETHER, BACK = 1_000, 0.1
"""Subjects whose seasons are looked for; how much more a season's autocorrelation is than the least of a shorter lag."""
LOOK_BACK, FEWEST = 256, 16
"""Rows looked back on at most, unless set; rows of a series without subject at least."""


class Settings(Learning):
    """What can be set."""

    window: int | None = Field(
        None, ge=4, le=8_192, description="rows looked back on; not given: 256, or an eighth of a series", examples=[24]
    )
    lags: int = Field(8, ge=1, le=64, description="rows before that are read one by one; earlier ones are summed up")
    width: int = Field(256, ge=8, le=4_096, description="units of each layer; more can learn more, and are slower")
    depth: int = Field(2, ge=0, le=16, description="residual layers")
    modes: int = Field(8, ge=1, le=64, description="normal laws that a number is drawn from")
    drop: float | None = Field(
        None,
        ge=0,
        le=0.9,
        description="share of the units silenced while learning; not given: 0.3 where subjects overlap, else 0",
        examples=[0.3],
    )
    given: float = Field(0.25, ge=0, le=1, description="share of learning spent on rows with something known ahead, as imputation wants it")
    epochs: int = passes(200)
    steps: int = Field(
        2_500, ge=1, le=1_000_000, description="steps of training at most, in whole passes", json_schema_extra={"beside": {"epochs": 3}}
    )
    patience: int = waits(6)
    minutes: float | None = budget()
    batch: int = Field(1_024, ge=16, le=65_536, description="rows of one step")


class Series:
    """A network of steps over the columns of an ordered table.

    Fitted attributes: `frame_` (subjects, order, cells: how tables become arrays), `net_` (the network, on the CPU), `window_` (rows looked
    back on), `seasons_` (further rows before that are read one by one), `trained_` (how the training went), `pace_` (float32
    [numbers + gaps], means of the wildest subjects), `unit_` ("row": `sample` counts steps of one series; "subject": subjects).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), sequences=True)

    schema: Schema
    frame_: Frame
    net_: Net
    window_: int
    seasons_: tuple[int, ...]
    trained_: dict[str, Any]
    pace_: np.ndarray
    unit_: str

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn cells, forecast and network; a large table is held as one float32 a cell.

        Raises:
            MissingExtra: torch is not installed.
            SchemaError: no column is named that orders rows.
            CannotError: the order column is of a kind without order.
            DataError: order values are missing or occur twice; a series is too short.
            TrainingError: the training diverged, memory is full, or there is no such device.
            StoreError: the checkpoint is of another training.
        """
        need_torch("series")
        import torch

        from lookalike.models._windows_net import BORN, pack
        from lookalike.models._windows_table import Frame
        from lookalike.nets.blocks import start
        from lookalike.nets.train import generator, train, whole_threads

        s, (first, second) = self.settings, (int(v) for v in rng.integers(0, 1 << 62, 2))
        self.schema = data.schema
        self.frame_, rows = Frame.of(data, protect=s.protect, cells=s.cells, rng=rng, on_step=part(on_step, 0, 0.1))
        self.unit_ = self.frame_.unit
        sizes = rows.sizes
        self.window_ = self._window(sizes)
        find = _seasons if self.unit_ == "row" else _seasons_of_all
        self.seasons_ = find(rows.state[:, self.frame_.lines], sizes, lags=s.lags, window=self.window_)
        learn, held = _parted(sizes, rows.state, rng)
        overlap = len(learn) + len(held) < len(rows.state)
        self.net_ = net = self._net(OVERLAP if overlap else 0.0)
        start(net, generator(first))
        net.bounds.copy_(torch.from_numpy(self.frame_.cells.bounds()))
        begins = np.repeat(np.cumsum(sizes) - sizes, sizes)
        past = pack(net, rows.state, rows.there, begins, rows.beside)
        ends = np.repeat(np.cumsum(sizes) - 1, sizes)
        again = _again(net, past.state.numpy(), rows.state, rows.there, begins)
        net.learn_from(past, *(torch.from_numpy(a) for a in (begins, ends, rows.there, again)))
        net.born = BORN if self.unit_ == "row" else 0.0
        learn = np.sort(rng.permutation(learn)[:MOST])
        with whole_threads():  # sums do not hang on how many threads there are
            net.fit_forecast(np.sort(rng.permutation(learn)[:FORECAST]))
        wanted = torch.from_numpy(held[rng.permutation(len(held))[:HELD_ROWS]])
        done = train(
            net,
            (learn,),
            course=self._course(len(learn)),
            seed=second,
            on_step=part(on_step, 0.1, 1.0),
            judge=lambda one: float(one((wanted.to(one.level.device),), generator(second, 4, device=one.level.device), "")),
            checkpoint=s.checkpoint,
        )
        self.pace_ = _paces(net, rows.state, sizes).max(axis=0) if self.unit_ == "subject" else np.zeros(0, np.float32)
        net.data = None
        self.trained_ = done.to_json()
        self.trained_["notes"] = [*rows.notes, *self.trained_["notes"]]
        on_step(Step(1, 1, "learned"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` steps of one series, or `n` subjects with all their steps; `start`: as many were drawn before, and order goes on."""
        from lookalike.data import Dataset

        lot = self.frame_.lot(n, rng=rng, start=start)
        state, there = self._tame(lot, *self._drawn(lot.sizes, lot.beside, rng), rng)
        table = self.frame_.table(lot, state, there, rng=rng, start=start)
        return Dataset.from_arrow({self.schema.table.name: table}, self.schema)

    def complete(
        self, table: pa.Table, columns: Sequence[str], *, rng: np.random.Generator, start: int = 0, fill: bool = False
    ) -> pa.Table:
        """Draw the missing values of `columns`, given all the rest of the series: imputation, forecasting and conditions in one.

        table: canonical, all columns of the schema, with subject and order; rows in any order, in which they are given back. To forecast,
        add rows with nothing but order (and subject). What is missing in other columns is taken as a fact and stays missing. What is
        drawn may be missing, as often as in the rows that were learned from; not with `fill`, as imputation wants it.

        Raises:
            UnknownName: there is no such column.
            DataError: order values are missing or occur twice.
        """
        from lookalike.models._windows_draw import Known

        lot, known = self.frame_.lot_of(table, columns, rng=rng)
        if not known.wanted:
            return table
        state, there = self._drawn(lot.sizes, lot.beside, rng, Known(known.state, known.there, known.known), fill=fill)
        return self.frame_.filled(table, lot, known, (state, there), rng=rng, start=start)

    def state(self) -> State:
        """Cells and the course of the training as JSON, weights and forecasts as arrays."""
        from lookalike.nets.blocks import arrays_of

        frame = self.frame_.state()
        arrays = {f"net.{name}": a for name, a in arrays_of(self.net_).items()}
        arrays |= {f"buffer.{name}": getattr(self.net_, name).numpy() for name in _BUFFERS}
        arrays |= {f"frame.{name}": a for name, a in frame.arrays.items()} | {"pace": self.pace_}
        card = {"frame": frame.card, "trained": self.trained_, "window": self.window_, "seasons": list(self.seasons_)}
        return State(card=card, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from.

        Raises:
            MissingExtra: torch is not installed.
        """
        need_torch("series")
        import torch

        from lookalike.models._windows_table import Frame
        from lookalike.nets.blocks import put_arrays

        self.schema, card = schema, state.card
        frame = {name.removeprefix("frame."): a for name, a in state.arrays.items() if name.startswith("frame.")}
        self.frame_ = Frame.restore(schema, State(card=card["frame"], arrays=frame))
        self.unit_, self.window_, self.seasons_ = self.frame_.unit, card["window"], tuple(card["seasons"])
        self.trained_ = card["trained"]
        self.pace_ = state.arrays.get("pace", np.zeros(0, np.float32))
        self.net_ = self._net()
        put_arrays(self.net_, {name.removeprefix("net."): a for name, a in state.arrays.items() if name.startswith("net.")})
        for name in _BUFFERS:
            if f"buffer.{name}" in state.arrays:  # models kept before there was a reach have none
                getattr(self.net_, name).copy_(torch.from_numpy(np.array(state.arrays[f"buffer.{name}"])))
        return self

    @property
    def codebook_(self) -> Any:
        """How the columns are coded, without order and subject."""
        return self.frame_.codebook

    def _window(self, sizes: np.ndarray) -> int:
        """Rows looked back on.

        Raises:
            DataError: the series are too short.
        """
        longest, where = int(sizes.max()), self.schema.table.name
        if self.unit_ == "subject":
            if longest < 2:
                fix = "take the model forest, which learns rows that stand alone; or name another column as subject"
                raise DataError(f"each of the {len(sizes):,} subjects has one row: nothing follows on anything", where=where, fix=fix)
            return min(self.settings.window or LOOK_BACK, max(longest, 4))
        least = FEWEST if self.settings.window is None else 2 * self.settings.window
        if longest < least:
            what = f"the series has {longest:,} rows, and at least {least:,} are needed" + ("" if least == FEWEST else ", two windows")
            raise DataError(
                what, where=where, fix="give a longer series" if least == FEWEST else f"set window={max(4, longest // 8)} or so"
            )
        return self.settings.window or max(4, min(LOOK_BACK, longest // 8))

    def _course(self, rows: int) -> Course:
        """As many passes as make `steps` steps; small tables are gone through more often."""
        s = self.settings
        batch = min(s.batch, max(32, rows // 8))
        return replace(s.course(), round=ROUND, epochs=max(1, min(s.epochs, math.ceil(s.steps * batch / rows))))

    def _net(self, drop: float = 0.0) -> Net:
        """The network, its weights not yet filled; `drop` where the setting is not given."""
        from lookalike.models._windows_net import Net

        s = self.settings
        sizes = {"width": s.width, "depth": s.depth, "modes": s.modes, "drop": drop if s.drop is None else s.drop}
        return Net(
            self.frame_.cells.channels,
            self.frame_.bound,
            window=self.window_,
            lags=min(s.lags, self.window_),
            seasons=self.seasons_,
            beside=self.frame_.beside,
            given=s.given,
            sizes=sizes,
        )

    def _tame(self, lot: Lot, state: np.ndarray, there: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """State and presence with subjects drawn again that are wilder than all that were learned: the net went where it knows nothing.

        After WILD times they stay.
        """
        if not len(self.pace_):
            return state, there
        begins = np.cumsum(lot.sizes) - lot.sizes
        wild = np.arange(len(lot.sizes))
        for _ in range(WILD):
            at = np.concatenate([np.arange(begins[k], begins[k] + lot.sizes[k]) for k in wild])
            wild = wild[(_paces(self.net_, state[at], lot.sizes[wild]) > self.pace_).any(axis=1)]
            if not len(wild):
                break
            at = np.concatenate([np.arange(begins[k], begins[k] + lot.sizes[k]) for k in wild])
            state[at], there[at] = self._drawn(lot.sizes[wild], lot.beside[at], rng)
        return state, there

    def _drawn(
        self, sizes: np.ndarray, beside: np.ndarray, rng: np.random.Generator, known: Known | None = None, *, fill: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """State and presence of all rows, series after series; the same on any number of threads.

        beside: float32 [rows, k]. known: of the same rows, flat.
        """
        from lookalike.models._windows_draw import Known, draw_piece
        from lookalike.nets.train import generator, whole_threads

        seed, net = int(rng.integers(0, 1 << 62)), self.net_
        state, there = np.zeros((len(beside), net.plain), np.float32), np.ones((len(beside), len(net.channels)), bool)
        falling, starts = np.argsort(-sizes, kind="stable"), np.cumsum(sizes) - sizes

        def piece(low: int) -> None:
            mine = falling[low : low + PIECE]
            length = int(sizes[mine].max())
            inside = np.arange(length) < sizes[mine][:, None]
            at = np.where(inside, starts[mine][:, None] + np.arange(length), starts[mine][:, None])
            cut = None if known is None else Known(known.state[at], known.there[at], known.known[at])
            made = draw_piece(net, sizes[mine], beside[at], draw=generator(seed, low), known=cut, fill=fill)
            state[at[inside]], there[at[inside]] = made[0][inside], made[1][inside]

        with whole_threads() as pool:
            list(pool.map(piece, range(0, len(sizes), PIECE)))
        return state, there


_BUFFERS = ("slope", "level", "error", "slope0", "error0", "rough", "bounds", "reach")
"""What a network knows beside its weights."""


def _parted(sizes: np.ndarray, state: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows to learn, and of those to judge by: of other subjects, or of other stretches of time where there are few.

    Subjects may be windows cut from one series that overlap. Then a row that judges is in other windows as well, and is left out there:
    otherwise what was learned by heart would be judged best.
    """
    rows, owned = int(sizes.sum()), len(sizes) >= 2 * BLOCKS
    group = np.repeat(np.arange(len(sizes)), sizes) if owned else np.arange(rows) * BLOCKS // rows
    count = int(group[-1]) + 1
    order = rng.permutation(count)[: max(1, round(HELD * count))]
    if rows < 8 * BLOCKS:
        return np.arange(rows), np.arange(rows)
    found = _overlapping(sizes, state, order) if owned else None
    order, copied = (order, np.zeros(rows, bool)) if found is None else found
    held = np.isin(group, order)
    return np.flatnonzero(~held & ~copied), np.flatnonzero(held)


def _overlapping(sizes: np.ndarray, state: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(subjects to keep aside, bool [rows]: which rows they hold too) where subjects overlap, else None.

    order: subjects from which so many are taken as hold a share HELD of all that there is.
    """
    ends, run = _runs(sizes, state)
    _, which = np.unique(run, return_inverse=True)
    distinct = int(which.max(initial=-1)) + 1
    if 2 * distinct >= len(run):
        return None
    begins = np.searchsorted(ends, np.cumsum(sizes) - sizes)
    beyond = np.append(begins[1:], len(ends))
    aside, taken = np.zeros(distinct, bool), 0
    while taken < len(order) and aside.sum() < HELD * distinct:
        one = order[taken]
        aside[which[begins[one] : beyond[one]]] = True
        taken += 1
    change = np.zeros(len(state) + 1, np.int64)
    shared = ends[aside[which]]
    np.add.at(change, shared - RUN + 1, 1)
    np.add.at(change, shared + 1, -1)
    copied = np.cumsum(change[:-1]) > 0
    return (order[:taken], copied) if copied.mean() <= COPIED else None


def _runs(sizes: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(last rows int64 [n], fingerprints uint64 [n]) of all stretches of RUN rows of one subject, no two rows of which are alike."""
    rows, begins = len(state), np.repeat(np.cumsum(sizes) - sizes, sizes)
    odd = np.random.default_rng(0).integers(0, 1 << 63, (2, max(RUN, state.shape[1])), np.uint64) * np.uint64(2) + np.uint64(1)
    key = np.zeros(rows, np.uint64)
    bits = np.ascontiguousarray(state, np.float32).view(np.uint32).astype(np.uint64)
    for c in range(state.shape[1]):
        key = (key ^ (bits[:, c] * odd[0, c])) * odd[1, c]
        key ^= key >> np.uint64(31)
    run, alike, before = np.zeros(rows, np.uint64), np.full(rows, -1), np.full(rows, -1)
    at = np.arange(rows)
    for k in range(RUN):
        run[k:] += key[: rows - k] * odd[0, k]
        if k:
            before[k:] = np.where((key[k:] == key[: rows - k]) & (before[k:] < 0), at[: rows - k], before[k:])
    for k in range(RUN):
        alike[k:] = np.maximum(alike[k:], before[: rows - k])
    whole = (at - begins >= RUN - 1) & (alike <= at - RUN)
    return np.flatnonzero(whole), run[whole]


def _paces(net: Net, state: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """float32 [subjects, numbers + gaps]: mean size of the steps of each number of each subject, and mean of each gap."""
    begins = np.cumsum(sizes) - sizes
    steps = np.zeros((len(state), len(net.at)), np.float32)
    steps[1:] = np.abs(np.diff(state[:, net.at], axis=0))
    steps[begins] = 0
    told = np.concatenate([steps, net.gaps.told(state)], axis=1)
    return np.add.reduceat(told, begins, axis=0) / np.maximum(sizes, 1)[:, None].astype(np.float32)


def _again(net: Net, filled: np.ndarray, state: np.ndarray, there: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """float32 [rows, channels]: 1 where a number is there and what was known last."""
    again = np.zeros(there.shape, np.float32)
    later = np.arange(1, len(state))
    for c, k in zip(net.at, net.numbers, strict=True):
        same = there[later, k] & (state[later, c] == filled[later - 1, c]) & (begins[later] == begins[later - 1])
        again[later, k] = same
    return again


def _seasons(lines: np.ndarray, sizes: np.ndarray, *, lags: int, window: int) -> tuple[int, ...]:
    """Up to two lags beyond `lags`, within the window, at which the longest series comes back to what it was."""
    begin, length = int(np.cumsum(sizes)[np.argmax(sizes)] - sizes.max()), int(min(sizes.max(), 1 << 17))
    x = lines[begin : begin + length].astype(np.float64)
    if not x.shape[1] or length < 4 * lags:
        return ()
    x = x - x.mean(axis=0)
    power = np.abs(np.fft.rfft(x, 2 * length, axis=0)) ** 2
    found = np.fft.irfft(power, axis=0)[: window + 1] / np.maximum(np.arange(length, length - window - 1, -1)[:, None], 1)
    curve = (found / np.maximum(found[0], 1e-12)).mean(axis=1)
    peaks = [k for k in range(lags + 1, window) if curve[k] > 0.15 and curve[k] >= curve[k - 1] and curve[k] > curve[k + 1]]
    return tuple(sorted(sorted(peaks, key=lambda k: -curve[k])[:2]))


def _seasons_of_all(lines: np.ndarray, sizes: np.ndarray, *, lags: int, window: int) -> tuple[int, ...]:
    """Up to two lags beyond `lags`, within three quarters of a subject, at which subjects come back to what they had left."""
    length = int(np.median(sizes))
    whole = np.flatnonzero(sizes >= length)[:TOGETHER]
    if not lines.shape[1] or length < 4 * lags:
        return ()
    begins = (np.cumsum(sizes) - sizes)[whole]
    x = lines[begins[:, None] + np.arange(length)].astype(np.float64)
    x = x - x.mean(axis=(0, 1))
    far = min(window, 3 * length // 4)
    power = (np.abs(np.fft.rfft(x, 2 * length, axis=1)) ** 2).mean(axis=0)
    found = np.fft.irfft(power, axis=0)[: far + 1] / np.arange(length, length - far - 1, -1)[:, None]
    curve = (found / np.maximum(found[0], 1e-12)).mean(axis=1)
    left = np.minimum.accumulate(curve)
    peaks = [k for k in range(lags + 1, far) if curve[k] - left[k] > BACK and curve[k] >= curve[k - 1] and curve[k] > curve[k + 1]]
    return tuple(sorted(sorted(peaks, key=lambda k: -curve[k])[:2]))
