"""Series drawn step by step from a `Net`, all series of a piece at once; what is known stays, and is looked ahead to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lookalike.models._windows_net import Look, Net, Past

__all__ = ["Known", "draw_piece"]


@dataclass(frozen=True)
class Known:
    """Cells that are known: state float32 [n, length, state], there and known bool [n, length, channels]."""

    state: np.ndarray
    there: np.ndarray
    known: np.ndarray


@torch.no_grad()
def draw_piece(
    net: Net, lengths: np.ndarray, beside: np.ndarray, *, draw: torch.Generator, known: Known | None = None, fill: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(state float32 [n, length, state], there bool [n, length, channels]) of n series; those shorter than the longest end before it.

    lengths int64 [n], falling. beside float32 [n, length, k]: what is known of each row. fill: nothing that is drawn is missing.
    """
    n, length, _ = beside.shape
    first = torch.arange(n) * length
    past = Past(
        torch.zeros((n * length, net.state)),
        torch.zeros((n * length, len(net.marks))),
        torch.zeros((n * length + n, net.wide), dtype=torch.float64),
        torch.from_numpy(np.ascontiguousarray(beside).reshape(n * length, -1)),
        torch.repeat_interleave(torch.arange(n), length),
    )
    there = torch.ones((n * length, len(net.channels)), dtype=torch.bool)
    looks = _looks(net, known, lengths) if known is not None else None
    sure = None
    if known is not None:
        past.state[:, : net.plain] = torch.from_numpy(known.state.reshape(n * length, -1))
        sure = torch.from_numpy(known.known.reshape(n * length, -1))
        there[:] = torch.from_numpy(known.there.reshape(n * length, -1)) | ~sure
    piece = _Piece(net, past, there, sure, fill, draw)
    for t in range(int(lengths.max(initial=0))):
        active = int((lengths > t).sum())
        rows = first[:active] + t
        look = None if looks is None else Look(looks[0][rows], looks[1][rows])
        _one(piece, rows, first[:active], look)
        at = rows + past.shift[rows]  # type: ignore[index]
        steps = torch.zeros((active, len(net.numbers)))
        if t:
            steps = (past.state[rows][:, net.at] - past.state[rows - 1][:, net.at]).abs() / net.rough
        wide = torch.cat([past.state[rows], past.gone[rows], steps.clamp(max=5.0)], 1)
        past.sums[at + 1] = past.sums[at] + wide
    return past.state[:, : net.plain].view(n, length, -1).numpy(), there.view(n, length, -1).numpy()


@dataclass(frozen=True)
class _Piece:
    """What is drawn: rows so far, which cells are there, and which are known for sure (None: none)."""

    net: Net
    past: Past
    there: Tensor
    sure: Tensor | None
    fill: bool
    draw: torch.Generator


def _one(piece: _Piece, rows: Tensor, first: Tensor, look: Look | None) -> None:
    """Draw the rows with these numbers, in place."""
    net, past, there, sure, fill, draw = piece.net, piece.past, piece.there, piece.sure, piece.fill, piece.draw
    steps, tell, fresh = net.steps, net.steps.tell, rows == first
    behind = net.behind(past, rows, first)
    inner = steps.trunk(net.read_by(behind, rows - first, net.before(past, rows, first, look)))
    total = steps.ends[-1]
    values, errors = torch.zeros((len(rows), total)), torch.zeros((len(rows), total))
    before = torch.maximum(rows - 1, first)
    gone, again = {}, {}
    for h, (k, what, head) in enumerate(net.kinds):
        a, b = steps.ends[h], steps.ends[h + 1]
        mine = torch.nn.functional.silu(inner[:, h] + errors[:, :a].clamp(-5, 5) @ tell.among[:a, h])
        drawn = tell.draw(h, mine, draw)
        low, high = net.spans[k]
        fixed = None if sure is None else sure[rows, k]
        was = there[rows, k]
        if what == "missing":
            drawn = torch.zeros_like(drawn) if fill else drawn
            drawn = drawn if fixed is None else torch.where(fixed[:, None], (~was).float()[:, None], drawn)
            gone[k] = drawn[:, 0] > 0
            there[rows, k] = ~gone[k]
            past.gone[rows, net.marks.index(k)] = drawn[:, 0]
            values[:, a:b] = errors[:, a:b] = drawn
        elif what == "again":
            drawn = drawn * (~fresh).float()[:, None]
            if fixed is not None:
                same = (past.state[rows, low] == past.state[before, low]) & was & ~fresh
                drawn = torch.where(fixed[:, None], same.float()[:, None], drawn)
            if k in gone:
                drawn = drawn * (~gone[k]).float()[:, None]
            again[k] = drawn[:, 0] > 0
            values[:, a:b] = errors[:, a:b] = drawn
        else:
            number = head.kind == "number"
            if number:
                c = net.numbers.index(k)
                mean, error = net.forecast(c, behind, values, fresh)
                drawn = mean + error * drawn
                if k in net.gaps.of:
                    state = past.state[rows].numpy()
                    drawn = torch.from_numpy(net.gaps.number(net.gaps.of[k], drawn[:, 0].numpy(), state))[:, None]
                drawn = drawn.clamp(net.bounds[0, c], net.bounds[1, c])
                last = past.state[before, low : low + 1] * (~fresh).float()[:, None]
                drawn = torch.where(again[k][:, None], last, drawn) if k in again else drawn
                drawn = torch.where(gone[k][:, None], last, drawn) if k in gone else drawn
            if fixed is not None:
                keep = fixed & was if number else fixed
                drawn = torch.where(keep[:, None], past.state[rows, low:high], drawn)
            past.state[rows, low:high] = drawn
            if k in net.gaps.of:
                low, high = net.told(k)
                past.state[rows, low:high] = drawn = torch.from_numpy(net.gaps.gap(net.gaps.of[k], past.state[rows].numpy()))[:, None]
            values[:, a:b] = drawn
            errors[:, a:b] = (drawn - mean) / error if number else drawn


def _looks(net: Net, known: Known, lengths: np.ndarray) -> tuple[Tensor, Tensor]:
    """For each row and channel where it is known next, itself included, and how far that is; −1 if beyond the window."""
    n, length, channels = known.known.shape
    there = known.known & known.there & (np.arange(length)[None, :, None] < lengths[:, None, None])
    at = np.where(there, np.arange(length)[None, :, None], length * 2)
    at = np.minimum.accumulate(at[:, ::-1], axis=1)[:, ::-1]
    far = at - np.arange(length)[None, :, None]
    good = (at < length) & (far <= net.window)
    rows = np.where(good, at, 0) + (np.arange(n) * length)[:, None, None]
    flat = (n * length, channels)
    return torch.from_numpy(rows.reshape(flat)), torch.from_numpy(np.where(good, far, -1).reshape(flat).astype(np.float32))
