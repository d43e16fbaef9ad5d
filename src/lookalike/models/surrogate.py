"""Regularly sampled series by a vector autoregression: the strong classical baseline, in seconds and without a network.

Columns lie on lines on which steps are alike (`_windows_cells`). Each step is a linear function of steps before it, of the calendar and of
whose series it is, plus what that leaves: a normal vector whose parts have the shapes that were left. The first steps have regressions of
their own. Margins, shares of levels and of missing cells are set right by ranks, as in amplitude-adjusted surrogates; not those of columns
that move as one, which that would part. What is not linear, such as quiet and wild times, it cannot learn.
(Sims 1980, vector autoregression; Theiler et al. 1992, surrogates; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lookalike.errors import DataError
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.models._windows_table import Frame, Rows
    from lookalike.schema import Schema

__all__ = ["Surrogate"]

FEWEST = 16
"""Rows of a series without subject at least."""
REGRESSORS, LEARNED = 480, 60_000
"""Numbers of the past that a step is told by at most; rows that a regression learns from at most."""
SETTLED, SUBJECTS = 8_000, 400
"""Rows of one series, or subjects, by whose draws margins are set right."""
GRID = 257
"""Quantiles of a margin that are kept."""
RADIUS = 0.9995
"""Largest growth of what is handed on from step to step; more would make a series run away."""
AS_ONE = 0.98
"""Correlation from which on two columns move as one."""
ROUNDS = 40
"""Steps of setting shares of levels right."""


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lags: int = Field(48, ge=1, le=512, description="steps before that each step is told by, if there are columns few enough")
    shrink: float = Field(0.01, gt=0, le=100, description="how much slopes are drawn towards 0, in rows")
    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")
    cells: int = Field(255, ge=4, le=1_024, description="cells that a number or a moment is cut into at most")


class Surrogate:
    """A vector autoregression.

    Fitted attributes: `frame_` (how tables become arrays), `slopes_` (list of float64 [past + beside + 1, state], for steps with 0, 1, …
    steps before them), `root_` (float64 [state, state], of the correlation of what is left), `left_` (float64 [2, GRID, state], quantiles
    of what is left at first steps and at others), `drawn_`, `real_` (float64 [GRID, state], quantiles of what is drawn and what was
    learned from), `bias_` (float64 [state], added before the largest is the level), `unit_` ("row" or "subject").
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), sequences=True)

    schema: Schema
    frame_: Frame
    slopes_: list[np.ndarray]
    root_: np.ndarray
    left_: np.ndarray
    drawn_: np.ndarray
    real_: np.ndarray
    bias_: np.ndarray
    unit_: str
    told_: list[str]

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn cells, slopes and what they leave.

        Raises:
            SchemaError: no column is named that orders rows.
            CannotError: the order column is of a kind without order.
            DataError: order values are missing or occur twice; a series is too short.
        """
        from lookalike.models._windows_table import Frame

        s, self.schema = self.settings, data.schema
        self.frame_, rows = Frame.of(data, protect=s.protect, cells=s.cells, rng=rng, on_step=part(on_step, 0, 0.6))
        self.unit_, self.told_ = self.frame_.unit, rows.notes
        longest, where = int(rows.sizes.max()), self.schema.table.name
        if longest < (FEWEST if self.unit_ == "row" else 2):
            what = f"the longest series has {longest:,} rows, and at least {FEWEST if self.unit_ == 'row' else 2} are needed"
            raise DataError(what, where=where, fix="give a longer series, or take the model forest, which learns rows that stand alone")
        x = self._filled(rows)
        self._learn(x, rows, rng)
        on_step(Step(8, 10, "regressions"))
        self._settle(x, rows, rng)
        on_step(Step(1, 1, "learned"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` steps of one series, or `n` subjects with all their steps; `start`: as many were drawn before, and order goes on."""
        from lookalike.data import Dataset

        lot = self.frame_.lot(n, rng=rng, start=start)
        state, there = self._read_off(self._walk(lot.sizes, lot.beside, rng))
        table = self.frame_.table(lot, state, there, rng=rng, start=start)
        return Dataset.from_arrow({self.schema.table.name: table}, self.schema)

    def state(self) -> State:
        """Cells as JSON; slopes and quantiles as arrays."""
        frame = self.frame_.state()
        arrays = {f"slopes.{k}": a for k, a in enumerate(self.slopes_)} | {f"frame.{name}": a for name, a in frame.arrays.items()}
        arrays |= {name: getattr(self, f"{name}_") for name in ("root", "left", "drawn", "real", "bias")}
        return State(card={"frame": frame.card, "slopes": len(self.slopes_), "notes": self.told_}, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.models._windows_table import Frame

        frame = {name.removeprefix("frame."): a for name, a in state.arrays.items() if name.startswith("frame.")}
        self.schema, self.frame_ = schema, Frame.restore(schema, State(card=state.card["frame"], arrays=frame))
        self.unit_, self.told_ = self.frame_.unit, state.card["notes"]
        self.slopes_ = [np.array(state.arrays[f"slopes.{k}"]) for k in range(state.card["slopes"])]
        for name in ("root", "left", "drawn", "real", "bias"):
            setattr(self, f"{name}_", np.array(state.arrays[name]))
        return self

    @property
    def codebook_(self) -> Any:
        """How the columns are coded, without order and subject."""
        return self.frame_.codebook

    @property
    def trained_(self) -> dict[str, Any]:
        """What a reader should be told of the fit."""
        return {"notes": self.told_}

    # ----------------------------------------------------------------------------------------------------- learning

    def _filled(self, rows: Rows) -> np.ndarray:
        """float64 [rows, state + marks]: channels, missing numbers as the last one known; then 1 where a channel is missing."""
        cells, marks = self.frame_.cells, [k for k, c in enumerate(self.frame_.cells.channels) if c.missing]
        x, at = rows.state.astype(np.float64), np.arange(len(rows.state))
        begins = np.repeat(np.cumsum(rows.sizes) - rows.sizes, rows.sizes)
        for k, place in zip(np.flatnonzero([c.kind == "number" for c in cells.channels]), self.frame_.lines, strict=True):
            last = np.maximum.accumulate(np.where(rows.there[:, k], at, -1))
            x[:, place] = np.where(last >= begins, x[np.maximum(last, 0), place], 0)
        return np.concatenate([x, ~rows.there[:, marks]], axis=1)

    def _learn(self, x: np.ndarray, rows: Rows, rng: np.random.Generator) -> None:
        """Slopes for each number of steps before, up to `lags`, and what they leave."""
        n, width = x.shape
        sizes = rows.sizes
        lags = max(1, min(self.settings.lags, REGRESSORS // max(width, 1), int(sizes.max()) - 1, n // (4 * max(width, 1))))
        age = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        self.slopes_, left = [], []
        for back in range(lags + 1):
            fit = np.flatnonzero(age >= back)
            exact = np.flatnonzero(age == back)
            if self.unit_ == "subject" and back < lags and len(exact) >= 3 * (back * width + rows.beside.shape[1] + 1):
                fit = exact
            fit = np.sort(rng.permutation(fit)[:LEARNED])
            a = _regressors(x, rows.beside, fit, back)
            gram = a.T @ a + self.settings.shrink * np.eye(a.shape[1])
            slope = np.linalg.solve(gram, a.T @ x[fit])
            self.slopes_.append(slope)
            if back in (0, lags):
                left.append(x[fit] - a @ slope)
        self._steady(width, lags)
        grid = np.linspace(0, 1, GRID)
        self.left_ = np.stack([np.quantile(e, grid, axis=0) for e in left])
        ranks = _scores(left[-1])
        self.root_ = _root(np.corrcoef(ranks, rowvar=False).reshape(width, width) if width else np.zeros((0, 0)))

    def _steady(self, width: int, lags: int) -> None:
        """Draw the slopes of late steps towards 0, the more the longer ago, until no series runs away."""
        slope = self.slopes_[-1]
        past = slope[: lags * width]
        if not width:
            return
        companion = np.zeros((lags * width, lags * width))
        companion[width:, :-width] = np.eye((lags - 1) * width)
        companion[:width] = past.T
        radius = float(np.abs(np.linalg.eigvals(companion)).max())
        if radius > RADIUS:
            past *= np.repeat((RADIUS / radius) ** np.arange(1, lags + 1), width)[:, None]

    # ----------------------------------------------------------------------------------------------------- drawing

    def _walk(self, sizes: np.ndarray, beside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """float64 [rows, state + marks]: series drawn step by step, before margins are set right."""
        width, lags, length = len(self.root_), len(self.slopes_) - 1, int(sizes.max())
        order, starts = np.argsort(-sizes, kind="stable"), np.cumsum(sizes) - sizes
        falling, out = sizes[order], np.zeros((int(sizes.sum()), width))
        recent = np.zeros((len(sizes), lags, width))  # latest first
        low, high = self.left_[:, 0], self.left_[:, -1]
        bound = 2 * np.abs(np.stack([low, high])).max(axis=(0, 1)) + 6
        for t in range(length):
            active = int((falling > t).sum())
            at, back = starts[order[:active]] + t, min(t, lags)
            a = np.concatenate([recent[:active, :back].reshape(active, -1), beside[at], np.ones((active, 1))], axis=1)
            noise = rng.standard_normal((active, width)) @ self.root_.T
            new = np.clip(a @ self.slopes_[back] + _shaped(noise, self.left_[0 if t == 0 else 1]), -bound, bound)
            out[at] = new
            recent[:active, 1:] = recent[:active, :-1]
            recent[:active, 0] = new
        return out

    def _settle(self, x: np.ndarray, rows: Rows, rng: np.random.Generator) -> None:
        """Quantiles of what is drawn and what was learned from, and what brings levels to their shares."""
        grid, sizes = np.linspace(0, 1, GRID), rows.sizes
        if self.unit_ == "row":
            lot = (np.array([min(int(sizes[0]), SETTLED)]), rows.beside[:SETTLED])
        else:
            mine = np.sort(rng.permutation(len(sizes))[:SUBJECTS])
            lot = (sizes[mine], rows.beside[np.isin(np.repeat(np.arange(len(sizes)), sizes), mine)])
        made = np.concatenate([self._walk(*lot, rng) for _ in range(max(1, SETTLED // (4 * len(lot[1]))))])
        self.real_, self.drawn_ = np.quantile(x, grid, axis=0), np.quantile(made, grid, axis=0)
        lines = self.frame_.lines
        if len(lines) > 1:
            near = np.abs(np.corrcoef(x[:, lines], rowvar=False)) - np.eye(len(lines))
            for c in lines[(near > AS_ONE).any(axis=0)]:
                self.real_[:, c] = self.drawn_[:, c]
        self.bias_ = np.zeros(x.shape[1])
        for span in self._levels():
            share, told = x[:, span].mean(axis=0), made[:, span]
            spread = max(float(told.std()), 1e-6)
            for k in range(ROUNDS):
                found = np.bincount((told + self.bias_[span]).argmax(axis=1), minlength=len(share)) / len(told)
                self.bias_[span] += spread * (share - found) / (1 + k / 8)

    def _levels(self) -> list[slice]:
        """Where the levels of each channel of levels lie."""
        channels, found, at = self.frame_.cells.channels, [], 0
        for channel in channels:
            found += [slice(at, at + channel.size)] if channel.kind == "level" else []
            at += channel.size
        return found

    def _read_off(self, made: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """State float32 [rows, state] and presence bool [rows, channels] of what was drawn: margins by ranks, levels by the largest."""
        cells = self.frame_.cells
        out, there = made.copy(), np.ones((len(made), len(cells.channels)), bool)
        for c in self.frame_.lines:
            rising, first = np.unique(self.drawn_[:, c], return_index=True)
            out[:, c] = np.interp(made[:, c], rising, self.real_[first, c])
        for span in self._levels():
            out[:, span] += self.bias_[span]
        at = sum(c.size for c in cells.channels)
        for k in np.flatnonzero([c.missing for c in cells.channels]):
            count = cells.counts[cells.channels[k].part]
            there[:, k] = made[:, at] < np.interp(1 - count[0] / count.sum(), np.linspace(0, 1, GRID), self.drawn_[:, at])
            at += 1
        return out[:, : sum(c.size for c in cells.channels)].astype(np.float32), there


def _regressors(x: np.ndarray, beside: np.ndarray, rows: np.ndarray, back: int) -> np.ndarray:
    """float64 [n, back · width + beside + 1]: steps before, latest first; what is known of the rows; 1."""
    past = x[rows[:, None] - np.arange(1, back + 1)].reshape(len(rows), -1)
    return np.concatenate([past, beside[rows], np.ones((len(rows), 1))], axis=1)


def _scores(x: np.ndarray) -> np.ndarray:
    """float64 [n, k]: normal scores of the ranks in each column; chance alone where all are the same."""
    from scipy.special import ndtri

    ranks = np.argsort(np.argsort(x + 1e-12 * np.random.default_rng(0).standard_normal(x.shape), axis=0), axis=0)
    return ndtri((ranks + 0.5) / len(x))


def _root(correlation: np.ndarray) -> np.ndarray:
    """A symmetric root."""
    values, vectors = np.linalg.eigh(np.nan_to_num(correlation) if len(correlation) else correlation)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _shaped(normal: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Normal variables as variables with these quantiles float64 [GRID, k]."""
    from scipy.special import ndtr

    place, grid = ndtr(normal), np.linspace(0, 1, len(quantiles))
    return np.stack([np.interp(place[:, k], grid, quantiles[:, k]) for k in range(normal.shape[1])], axis=1) if normal.shape[1] else normal
