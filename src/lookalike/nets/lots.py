"""Codes drawn by many softmaxes side by side: compiled, in one pass over the logits while they are near the processor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lookalike._compile import compiled

__all__ = ["Lots"]

LANES = 16
"""Codes summed at once; each part begins at a multiple of it."""
STEEPEST = np.float32(60)
"""Logits are held within ± this, so that no exponential and no sum of them overflows."""
FREE = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
"""What the compiler may take for granted of floats: no NaN, no infinity, and sums in any order."""
F, INT = np.float32, np.int32
LOG2E, BIAS, FRACTION = F(1.4426950408889634), F(127), INT(23)
"""An exponential is a power of two: the whole part becomes the exponent of a float, the rest goes through a polynomial."""
P0, P1, P2, P3 = F(0.999925219), F(0.695833534), F(0.226067167), F(0.078024517)
"""2^x = P0 + P1 x + P2 x² + P3 x³ for 0 ≤ x < 1, to 7e-05 of it; what products in bfloat16 lose is forty times that."""


class Lots:
    """How codes of parts are drawn from their logits.

    added: of each part, float [size], added to the logits; with −100 or less a code is never drawn. first: for each part, the first part
    of its column: a later part is missing, code 0, exactly where that is. Not given: each part is the first.
    """

    def __init__(self, added: Sequence[np.ndarray], *, first: Sequence[int] | None = None) -> None:
        sizes = [len(a) for a in added]
        self.ends = np.cumsum([0, *sizes])
        self.base = np.cumsum([0, *(-(-k // LANES) * LANES for k in sizes)])
        self.first = np.arange(len(sizes)) if first is None else np.asarray(first, np.int64)
        self.weight = np.zeros(int(self.base[-1]), np.float32)
        for p, (low, more) in enumerate(zip(self.base, added, strict=False)):
            here = np.exp(np.minimum(np.asarray(more, np.float32), STEEPEST))
            self.weight[low : low + len(more)] = np.where(np.asarray(more) > -100, here, 0)
            if self.first[p] != p:
                self.weight[low] = 0

    def draw(self, told: Tensor, codes: np.ndarray, draw: torch.Generator, *, of: np.ndarray | None = None) -> None:
        """Fill `codes` [parts, n], whole numbers, from logits `told` [m, all sizes] in float32 or bfloat16.

        of: int64 [n], the row of `told` that each is drawn from; not given: each from its own.
        """
        n, parts = codes.shape[1], len(self.first)
        of = np.arange(n) if of is None else of
        low = told.dtype == torch.bfloat16
        bits = (told.contiguous() if low else told.float().contiguous()).view(torch.int16 if low else torch.int32).numpy()
        lots = torch.rand(n, parts, generator=draw).numpy()
        spans = np.stack([self.ends[:-1], self.ends[1:], self.base[:-1], self.base[1:], self.first])
        _drawn(bits, INT(16 if low else 0), of, self.weight, spans, lots, codes)

    @property
    def spans(self) -> list[slice]:
        """Where the codes of each part lie in a row of logits."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.ends)]


@partial(compiled, fastmath=FREE, error_model="numpy")
def _drawn(told: Any, left: Any, of: Any, weight: Any, spans: Any, lots: Any, codes: Any) -> None:
    """See `Lots.draw`. told: the bits of the logits, `left` short of a float32; lots: float32 [n, parts] in 0 … 1.
    spans: int64 [5, parts], where the codes of each begin and end, where its weights do, and the first part of its column.

    One function and plain loops, so that the compiler makes them wide.
    """
    ends, base, first = spans[:2], spans[2:4], spans[4]
    widest = 0
    for p in range(len(first)):
        widest = max(widest, base[1, p] - base[0, p])
    bits, power = np.zeros(widest, np.int32), np.zeros(widest, np.int32)
    x, scale = bits.view(np.float32), power.view(np.float32)
    made, sums = np.zeros(widest, np.float32), np.zeros(widest // LANES + 1, np.float32)
    for p in range(len(first)):
        low, high, heavy = ends[0, p], ends[1, p], weight[base[0, p] : base[1, p]]
        wide = len(heavy)
        for i in range(len(of)):
            if first[p] != p and codes[first[p], i] == 0:
                codes[p, i] = 0
                continue
            row = told[of[i], low:high]
            for j in range(len(row)):
                bits[j] = INT(row[j]) << left
            for j in range(wide):
                y = min(max(x[j], -STEEPEST), STEEPEST) * LOG2E + BIAS
                whole = INT(y)
                rest = y - F(whole)
                power[j] = whole << FRACTION
                made[j] = (P0 + rest * (P1 + rest * (P2 + rest * P3))) * heavy[j]
            total = F(0)
            for q in range(wide // LANES):
                part = F(0)
                for j in range(q * LANES, q * LANES + LANES):
                    mass = made[j] * scale[j]
                    made[j] = mass
                    part += mass
                sums[q] = part
                total += part
            # the place where the running sum exceeds the lot, first of lanes, then in them; never one without mass
            wanted, found = lots[i, p] * total, 0
            for q in range(wide // LANES):
                if sums[q] > 0:
                    found = q
                    if wanted < sums[q]:
                        break
                    wanted -= sums[q]
            code = 0
            for j in range(found * LANES, found * LANES + LANES):
                if made[j] > 0:
                    code = j
                    if wanted < made[j]:
                        break
                    wanted -= made[j]
            codes[p, i] = code
