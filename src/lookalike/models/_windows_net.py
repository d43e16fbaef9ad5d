"""What a step of a series is told by: its past one by one and summed up, its place, what is known ahead; and the net that tells it.

All rows of all series lie one after the other; a row is told by numbers of rows. So any rows make a batch, and what is drawn is laid out
alike: one function reads the past while learning and while drawing.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.models._windows_cells import Channel
from lookalike.models._windows_gaps import Gaps
from lookalike.nets.steps import FAR, Head, Steps

__all__ = ["Look", "Net", "Past", "heads_of", "pack"]

DIFFERENCES = 4
"""Steps between rows before that are read in units of the forecast's error."""
EDGE = 0.001
"""Share of the rows whose past lies below, or above, what the net is told at most: beyond, it would only guess."""
FEW = 1_000
"""Rows that such ends are measured on at least."""
BORN = 0.15
"""Share of the rows of a series without subject that are learned as if it had begun shortly before: so it can begin anywhere."""


def heads_of(channels: list[Channel]) -> list[tuple[int, str, Head]]:
    """What is told at each step: (channel, missing or again or value, head)."""
    found: list[tuple[int, str, Head]] = []
    for k, channel in enumerate(channels):
        found += [(k, "missing", Head("mark"))] if channel.missing else []
        found += [(k, "again", Head("mark"))] if channel.repeats else []
        if channel.kind != "fixed":
            found.append((k, "value", Head("number") if channel.kind == "number" else Head("level", channel.size)))
    return found


@dataclass
class Past:
    """Rows of series, one series after the other.

    state float32 [rows, state]: channels, missing numbers as the last one known, and gaps; gone float32 [rows, marks]: 1 where a channel
    that may be missing is; sums float64 [rows + 1, all]: running sums of state, gone and roughness; shift int64 [rows] or None: what is
    added to a row's number to find its running sum, where each series has its own; beside float32 [rows, beside]: what is known of each
    row at once.
    """

    state: Tensor
    gone: Tensor
    sums: Tensor
    beside: Tensor
    shift: Tensor | None = None


@dataclass
class Look:
    """What is known ahead. at int64 [n, channels]: row where the channel is known next; far float32 [n, channels]: steps until there,
    negative where nothing is known; all for n rows.
    """

    at: Tensor
    far: Tensor


class Net(nn.Module):
    """Reads the past, forecasts linearly, and tells what that leaves (`Steps`).

    channels: see `Cells`. gaps: numbers told as gaps to others. window: rows looked back on. lags: rows before that are read one by one.
    seasons: further rows before. beside: numbers known of each row. given: share of the rows that are learned with something known ahead.
    born: see BORN.
    """

    def __init__(
        self,
        channels: list[Channel],
        gaps: Gaps,
        *,
        window: int,
        lags: int,
        seasons: tuple[int, ...],
        beside: int,
        given: float,
        sizes: dict[str, float],
    ) -> None:
        super().__init__()
        self.channels, self.gaps = channels, gaps
        self.window, self.lags, self.seasons, self.given = window, lags, seasons, given
        self.born = 0.0
        self.kinds = heads_of(channels)
        ends = np.cumsum([0, *(c.size for c in channels)])
        self.spans = [(int(a), int(b)) for a, b in itertools.pairwise(ends)]
        self.numbers = [k for k, c in enumerate(channels) if c.kind == "number"]
        self.marks = [k for k, c in enumerate(channels) if c.missing]
        self.plain, self.beside = int(ends[-1]), beside
        self.state = self.plain + len(gaps)
        edges = [0, 1 << max(1, lags - 1).bit_length()]
        while edges[-1] < window:
            edges.append(min(2 * edges[-1], window))
        self.edges = edges
        d, c, m = self.state, len(self.numbers), len(self.marks)
        self.wide = d + m + c
        near = lags * (d + m) + min(DIFFERENCES, lags) * c
        self.past = near + len(edges[1:]) * self.wide + len(seasons) * (d + 1) + 3
        grown = torch.zeros(self.past)
        for k, (a, b) in enumerate(itertools.pairwise(edges)):
            grown[near + k * self.wide : near + (k + 1) * self.wide] = (a + b) / 2
        self.ahead = self.plain + len(channels) + c
        self.read = self.past + beside + self.ahead
        self.at = [self.spans[k][0] for k in self.numbers]
        self.steps = Steps([h for _, _, h in self.kinds], self.read, **sizes)
        line, total = self.past + beside, sum(h.size for _, _, h in self.kinds)
        for name, shape in {
            "slope": (c, line + total),
            "level": (c,),
            "error": (c,),
            "slope0": (c, beside + total),
            "error0": (c,),
            "rough": (c,),
            "bounds": (2, c),
        }.items():
            self.register_buffer(name, torch.ones(shape) if name in ("error", "error0", "rough") else torch.zeros(shape), persistent=False)
        ends_of_all = torch.tensor([-torch.inf, torch.inf])[None, :, None]
        self.register_buffer("reach", ends_of_all.repeat(2, 1, self.past), persistent=False)
        self.register_buffer("grown", grown, persistent=False)
        owner = np.repeat(np.arange(len(channels)), [c.size for c in channels]) if self.plain else np.zeros(0, np.int64)
        self.register_buffer("owner", torch.from_numpy(owner.astype(np.int64)), persistent=False)
        self.data: Past | None = None

    def learn_from(self, past: Past, first: Tensor, last: Tensor, there: Tensor, again: Tensor) -> None:
        """The rows to learn from; first, last int64 [rows]: of the row's series; there bool [rows, channels]; again: repeats what was."""
        self.data, self.first, self.last, self.there, self.again = past, first, last, there, again

    def told(self, k: int) -> tuple[int, int]:
        """Where in a row of the state stands what is told of channel `k`: its gap, if it has one."""
        gap = self.gaps.of.get(k)
        return self.spans[k] if gap is None else (self.plain + gap, self.plain + gap + 1)

    # ------------------------------------------------------------------------------------------------------ reading

    def behind(self, past: Past, rows: Tensor, first: Tensor) -> Tensor:
        """float32 [n, past + beside]: what went before rows int64 [n] of series that began at `first`."""
        age = rows - first
        old = (age > 0).float()[:, None]
        back = torch.arange(1, self.lags + 2, device=rows.device)
        lagged = torch.maximum(rows[:, None] - back, first[:, None])
        states = past.state[lagged]
        out = [torch.cat([states[:, :-1], past.gone[lagged[:, :-1]]], 2).flatten(1) * old]
        if self.numbers:
            lines = states[:, : DIFFERENCES + 1, self.at]
            out.append(((lines[:, :-1] - lines[:, 1:]) * (1 / self.rough)).clamp(-FAR, FAR).flatten(1) * old)
        ends = torch.maximum(rows[:, None] - torch.tensor(self.edges, device=rows.device), first[:, None])
        sums = past.sums[ends if past.shift is None else ends + past.shift[rows][:, None]]
        spans = (ends[:, :-1] - ends[:, 1:]).clamp(min=1)[:, :, None]
        out.append(((sums[:, :-1] - sums[:, 1:]) / spans).float().flatten(1))
        for season in self.seasons:
            reached = (age >= season).float()[:, None]
            out += [past.state[torch.maximum(rows - season, first)] * reached, reached]
        young = age.float()[:, None]
        grown = torch.log1p(young.clamp(max=self.window)) / math.log1p(self.window)
        return torch.cat([*out, 1 - old, 1 / (1 + young), grown, past.beside[rows]], 1)

    def read_by(self, behind: Tensor, age: Tensor, before: Tensor) -> Tensor:
        """float32 [n, read]: what the net is told of rows int64 [n] with so many before them, what went before held within its reach.

        A series that is drawn wanders, in a few of a thousand, to where no row was learned, such as months as wild as single days are.
        What a net makes of that is chance, and may hold it there. A mean over a stretch is held within those over whole stretches.
        """
        past, grown = behind[:, : self.past], age[:, None] >= self.grown
        low, high = (torch.where(grown, self.reach[1, side], self.reach[0, side]) for side in (0, 1))
        return torch.cat([torch.minimum(torch.maximum(past, low), high), behind[:, self.past :], before], 1)

    def before(self, past: Past, rows: Tensor, first: Tensor, look: Look | None) -> Tensor:
        """float32 [n, ahead]: what is known ahead of rows, which have `rows - 1` (if of the series) before them."""
        if look is None:
            return torch.zeros((len(rows), self.ahead), device=rows.device)
        known = (look.far >= 0).float()
        wide = known[:, self.owner]
        values = torch.gather(past.state, 0, look.at[:, self.owner]) * wide
        near = known / (1 + look.far.clamp(min=0))
        out = [values, near]
        if self.numbers:
            last = past.state[torch.maximum(rows - 1, first)][:, self.at] * (rows > first).float()[:, None]
            rise = (values[:, self.at] - last) / (self.rough * torch.sqrt(1 + look.far.clamp(min=0)[:, self.numbers]))
            out.append(rise.clamp(-FAR, FAR) * known[:, self.numbers])
        return torch.cat(out, 1)

    def outcome(self, past: Past, rows: Tensor, behind: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """float [n, sum of sizes]: values as they are told to later heads, and the errors of numbers in their place."""
        parts = []
        for k, what, _ in self.kinds:
            if what == "value":
                a, b = self.told(k)
                parts.append(past.state[rows, a:b])
            elif what == "missing":
                parts.append(past.gone[rows][:, [self.marks.index(k)]])
            else:
                parts.append(self.again[rows][:, [k]] * (rows != first).float()[:, None])
        values = torch.cat(parts, 1)
        errors = [p.clone() for p in parts]
        fresh = rows == first
        for h, (k, what, head) in enumerate(self.kinds):
            if what == "value" and head.kind == "number":
                errors[h] = self.error_of(self.numbers.index(k), h, behind, values, fresh)
        return values, torch.cat(errors, 1)

    def error_of(self, c: int, h: int, behind: Tensor, values: Tensor, fresh: Tensor) -> Tensor:
        """float [n, 1]: value of the number `c`, head `h`, less its forecast, in units of the forecast's error."""
        mean, error = self.forecast(c, behind, values, fresh)
        end = self.steps.ends[h]
        return (values[:, end : end + 1] - mean) / error

    def forecast(self, c: int, behind: Tensor, values: Tensor, fresh: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, error), float [n, 1] each: slopes on later heads are 0, so `values` may hold anything there."""
        line = behind.shape[1]
        later = behind @ self.slope[c, :line] + values @ self.slope[c, line:] + self.level[c]
        first = behind[:, self.past :] @ self.slope0[c, : self.beside] + values @ self.slope0[c, self.beside :]
        mean = torch.where(fresh, first, later)
        return mean[:, None], torch.where(fresh, self.error0[c], self.error[c])[:, None]

    # ----------------------------------------------------------------------------------------------------- learning

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """Mean negative log-likelihood of the rows with the numbers `batch[0]` int64 [n]."""
        (rows,), past = batch, self.data
        assert past is not None
        first = self.first[rows]
        if self.born:
            chance = torch.empty((2, len(rows)), device=rows.device).uniform_(generator=draw)
            young = torch.expm1(chance[1] * math.log1p(self.window)).long()
            first = torch.where(chance[0] < self.born, torch.maximum(first, rows - young), first)
        behind = self.behind(past, rows, first)
        look = self._looked(rows, draw)
        x = self.read_by(behind, rows - first, self.before(past, rows, first, look))
        _, errors = self.outcome(past, rows, behind, first)
        return self.steps((x, errors, self._weights(rows, first, look)), draw, turn)

    def _looked(self, rows: Tensor, draw: torch.Generator) -> Look:
        """What is known ahead of some rows: in a share of them each channel may be, at once or after some steps."""
        n, k = len(rows), len(self.channels)
        chance = torch.empty((n, k + 2), device=rows.device).uniform_(generator=draw)
        kind = torch.empty((n, k), device=rows.device).uniform_(generator=draw)
        some = chance[:, :1] < self.given
        steps = torch.expm1(chance[:, 1:2] * math.log1p(self.window)).long().expand(n, k)
        steps = torch.where(kind < 0.3, 0, steps)
        at = rows[:, None] + steps
        known = some & (chance[:, 2:] < 0.7) & (at <= self.last[rows][:, None])
        at = torch.where(known, at, rows[:, None])
        known &= torch.gather(self.there, 0, at)
        return Look(at, torch.where(known, steps, -1).float())

    def _weights(self, rows: Tensor, first: Tensor, look: Look) -> Tensor:
        """float [n, heads]: 0 where there is nothing to tell: what is missing, said again, or known at once."""
        there, again, out = self.there[rows].float(), self.again[rows], []
        asked = (look.far != 0).float()
        fresh = (rows == first).float()
        for k, what, _ in self.kinds:
            weight = asked[:, k]
            if what == "again":
                weight = weight * there[:, k] * (1 - fresh)
            elif what == "value" and self.channels[k].kind == "number":
                weight = weight * there[:, k] * (1 - again[:, k] * (1 - fresh))
            out.append(weight)
        return torch.stack(out, 1)

    @torch.no_grad()
    def fit_forecast(self, rows: np.ndarray) -> None:
        """Least squares of each number on what went before and on the heads before it, from rows of the data; and for first rows."""
        past = self.data
        assert past is not None
        at = torch.from_numpy(rows)
        late = at[at > self.first[at]]
        behind = self.behind(past, late, self.first[late]).double()
        values, _ = self.outcome(past, late, behind.float(), self.first[late])
        self._fit_reach(behind[:, : self.past].float(), late - self.first[late])
        values0, _ = self.outcome(past, at, torch.zeros((len(at), behind.shape[1])), at)
        self._fit_shares(late, self.outcome(past, late, behind.float(), self.first[late])[1])
        for c, k in enumerate(self.numbers):
            end = self.steps.ends[next(i for i, (j, what, _) in enumerate(self.kinds) if j == k and what == "value")]
            x = torch.cat([behind, values[:, :end].double()], 1)
            use = self.there[late, k] & ~(self.again[late, k] > 0)
            slope, level, error = _ridge(x[use], values[use, end].double())
            line = behind.shape[1]
            self.slope[c, :line], self.slope[c, line : line + end], self.level[c], self.error[c] = slope[:line], slope[line:], level, error
            use = self.there[at, k]
            x = torch.cat([past.beside[at[use]], values0[use][:, :end]], 1).double()
            slope, _, error = _ridge(x, values0[use, end].double(), centred=False)
            self.slope0[c, : self.beside], self.slope0[c, self.beside : self.beside + end] = slope[: self.beside], slope[self.beside :]
            self.error0[c] = error

    def _fit_reach(self, behind: Tensor, age: Tensor) -> None:
        """The ends of what went before, of rows float32 [n, past] with `age` [n] before them: of all, and of those with whole stretches."""
        if len(behind) < FEW:
            return
        for k in range(self.past):
            whole = behind[age >= self.grown[k], k]
            for g, x in enumerate((behind[:, k], whole if len(whole) >= FEW else behind[:, k])):
                self.reach[g, :, k] = torch.quantile(x, torch.tensor([EDGE, 1 - EDGE]))

    def _fit_shares(self, rows: Tensor, outcome: Tensor) -> None:
        """Marks and levels begin as often as they are."""
        nowhere = Look(rows[:, None], torch.full((len(rows), len(self.channels)), -1.0))
        weights = self._weights(rows, self.first[rows], nowhere)
        for h, (_, _, head) in enumerate(self.kinds):
            weight = weights[:, h, None]
            count = (outcome[:, self.steps.ends[h] : self.steps.ends[h + 1]] * weight).sum(0) + 0.5
            if head.kind == "mark":
                self.steps.tell.base[h].copy_(torch.log(count / (weight.sum() + 1 - count)))
            elif head.kind == "level":
                self.steps.tell.base[h].copy_(torch.log(count / count.sum()))


def _ridge(x: Tensor, y: Tensor, *, centred: bool = True) -> tuple[Tensor, float, float]:
    """(slopes, level, error) of y on x, float64 [n, k], with a little shrinkage."""
    if not len(y):
        return torch.zeros(x.shape[1]), 0.0, 1.0
    mx, my = (x.mean(0), y.mean()) if centred else (torch.zeros(x.shape[1]).double(), torch.zeros(()).double())
    a, b = x - mx, y - my
    gram = a.T @ a
    slope = torch.linalg.solve(gram + (1e-4 * len(y) + 1.0) * 1e-2 * torch.eye(x.shape[1]).double(), a.T @ b)
    error = float(torch.sqrt(((b - a @ slope) ** 2).mean()).clamp(min=1e-4))
    return slope.float(), float(my - mx @ slope), error


def pack(net: Net, state: np.ndarray, there: np.ndarray, first: np.ndarray, beside: np.ndarray) -> Past:
    """Rows as `Past`: missing numbers filled with the last one known, gaps, and running sums. Sets the net's `rough`, the size of usual
    steps."""
    filled, n = np.concatenate([state, net.gaps.told(state)], axis=1), len(state)
    at = np.arange(n)
    for c, k in zip(net.at, net.numbers, strict=True):
        last = np.maximum.accumulate(np.where(there[:, k], at, -1))
        fits = last >= first
        filled[:, c] = np.where(fits, state[np.maximum(last, 0), c], 0)
    steps = np.zeros((n, len(net.numbers)), np.float32)
    inside = first[1:] == first[:-1] if n > 1 else np.zeros(0, bool)
    steps[1:] = np.abs(np.diff(filled[:, net.at], axis=0)) * inside[:, None]
    usual = np.sqrt((steps[1:][inside].astype(np.float64) ** 2).mean(axis=0)) if inside.any() else np.ones(len(net.numbers))
    net.rough.copy_(torch.from_numpy(np.maximum(usual, 1e-3).astype(np.float32)))
    gone = (~there[:, net.marks]).astype(np.float32)
    return Past(torch.from_numpy(filled), torch.from_numpy(gone), running(net, filled, gone, steps), torch.from_numpy(beside))


def running(net: Net, state: np.ndarray, gone: np.ndarray, steps: np.ndarray) -> Tensor:
    """float64 [rows + 1, wide]: running sums of state, gone and roughness."""
    rough = np.minimum(steps / net.rough.numpy(), FAR)
    sums = np.zeros((len(state) + 1, net.wide))
    np.cumsum(np.concatenate([state, gone, rough], axis=1), axis=0, out=sums[1:], dtype=np.float64)
    return torch.from_numpy(sums)
