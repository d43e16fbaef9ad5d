"""Shares of codes set right: what a network tells of many rows on average is shifted to what was counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np
import torch
from torch import Tensor

from lookalike.nets.blocks import draw_codes
from lookalike.nets.train import generator

__all__ = ["NEVER", "drawn_after", "settle", "shifted"]

NEVER = -1e9
"""Logit of a code that never occurred."""
TURNS, STEP_MOST, NEAR = 12, 1.0, 5e-4
"""Corrections of one part's shares at most, the longest, and how far the shares may stay off."""


def drawn_after(told: Tensor, head: Tensor | None, draw: torch.Generator) -> Tensor:
    """Codes int64 [n] drawn from logits [n, size]; a later part is missing exactly where the first part of its column, `head`, is."""
    if head is not None:
        told[:, 0] = NEVER
    drawn = draw_codes(told, draw)
    return drawn if head is None else drawn * (head > 0)


@torch.no_grad()
def settle(
    telling: Callable[[int, int], Tensor], pieces: int, counts: Sequence[np.ndarray], *, first: np.ndarray, seed: int, pool: Executor
) -> list[Tensor]:
    """For each part, float32 [size]: what is added to its logits so that rows drawn have the shares that were counted.

    telling: (part, piece) → its logits, float32 [n, size], for the rows of a piece, anew at each call. counts: of each part, int64 [size].
    first: for each part, the first part of its column, which comes before it.
    """
    shifts: list[Tensor] = []
    drawn: dict[int, list[Tensor]] = {}
    for p, counted in enumerate(counts):
        wanted = torch.from_numpy(np.asarray(counted, np.float64).copy())
        told = list(pool.map(lambda k, p=p: telling(p, k), range(pieces)))
        if first[p] != p:
            told = [t[head > 0] for t, head in zip(told, drawn[int(first[p])], strict=True)]
            wanted[0] = 0
            for t in told:
                t[:, 0] = NEVER
        fair = bool(wanted.sum() > 0) and sum(map(len, told)) > 0
        shifts.append(shifted(told, wanted / wanted.sum(), pool) if fair else torch.zeros(len(wanted)))
        if (first[p + 1 :] == p).any():
            drawn[p] = [draw_codes(t + shifts[p], generator(seed, p, k)) for k, t in enumerate(told)]
    return shifts


def shifted(told: list[Tensor], wanted: Tensor, pool: Executor) -> Tensor:
    """float32 [size]: what brings the mean of softmax(told) to `wanted`, as far as the difference is more than the chance of these rows.

    told: pieces of logits float32 [n, size]. wanted: shares float64 [size]; codes that are not wanted stay as they are.
    """
    shift, rows = torch.zeros(len(wanted)), sum(map(len, told))

    def sums(some: Tensor) -> tuple[Tensor, Tensor]:
        p = (some + shift).softmax(1)
        return p.sum(0, dtype=torch.float64), (p * p).sum(0, dtype=torch.float64)

    for turn in range(TURNS):
        mean, square = (torch.stack(each).sum(0) / rows for each in zip(*pool.map(sums, told), strict=True))
        off = wanted - mean
        if turn == 0:
            chance = (square - mean**2).clamp_min(0) / rows
            off = off * (1 - chance / (off**2).clamp_min(1e-12)).clamp_min(0)
            wanted = torch.where(wanted > 0, mean + off, 0.0)
        off = torch.where(wanted > 0, off, 0.0)
        if float(off.abs().max()) < NEAR:
            break
        step = 0.5 * off / (mean - square).clamp_min(1e-9)  # half of Newton's, as each code's step moves the others' shares too
        shift = shift + step.clamp(-STEP_MOST, STEP_MOST).float()
    return shift
