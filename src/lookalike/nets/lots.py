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
GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Lots are hashes of a counter (Steele et al. 2014, SplitMix64)."""
STEEPEST = np.float32(60)
"""Logits are held within ± this, so that no exponential and no sum of them overflows."""
FREE = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
"""What the compiler may take for granted of floats: no NaN, no infinity, and sums in any order."""
F, INT, LONG = np.float32, np.int32, np.uint64
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
        self._spans = np.stack([self.ends[:-1], self.ends[1:], self.base[:-1], self.base[1:], self.first])
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
        if not codes.shape[1]:
            return
        of = np.arange(codes.shape[1]) if of is None else of
        low = told.dtype == torch.bfloat16
        bits = (told.contiguous() if low else told.float().contiguous()).view(torch.int16 if low else torch.int32).numpy()
        key = np.uint64(int(torch.randint(1 << 62, (1,), generator=draw)))
        widest = int(np.diff(self.base).max(initial=0))
        flat, spaces = bits.reshape(-1), (np.zeros(widest, np.float32), np.zeros(widest // LANES + 1, np.float32))
        begin = max(flat.size - widest - bits.shape[1], 0)
        rows = (flat, np.concatenate([flat[begin:], np.zeros(widest, bits.dtype)]), bits.shape[1])
        _drawn(rows, INT(16 if low else 0), of, self.weight, self._spans, key, codes, spaces)

    @property
    def spans(self) -> list[slice]:
        """Where the codes of each part lie in a row of logits."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.ends)]


@partial(compiled, fastmath=FREE, error_model="numpy")
def _drawn(told: Any, left: Any, of: Any, weight: Any, spans: Any, key: Any, codes: Any, spaces: Any) -> None:
    """See `Lots.draw`. told: the bits of the logits, `left` short of a float32, one row after the other, their end once more with room
    behind it, and the length of a row; key: what lots are made of. spans: int64 [5, parts], where the codes of each begin and end, where
    its weights do, and the first part of its column. spaces: float32 [widest part], float32 [its sums], scratch.

    One function and plain loops, so that the compiler makes them wide; the search counts, so that nothing hangs on a guess.
    """
    ends, base, first = spans[:2], spans[2:4], spans[4]
    flat, tail, stride = told
    made, sums = spaces
    parts, begin = len(first), len(flat) - (len(tail) - len(made))
    for p in range(parts):
        low, heavy = ends[0, p], weight[base[0, p] : base[1, p]]
        wide = len(heavy)
        groups, safe = wide // LANES, len(flat) - wide
        for i in range(len(of)):
            if first[p] != p and codes[first[p], i] == 0:
                codes[p, i] = 0
                continue
            at = of[i] * stride + low
            row = flat[at : at + wide] if at <= safe else tail[at - begin : at - begin + wide]  # what follows on the codes has no weight
            total = F(0)
            for q in range(groups):
                part = F(0)
                for j in range(q * LANES, q * LANES + LANES):
                    x = INT(INT(row[j]) << left).view(F)
                    y = min(max(x, -STEEPEST), STEEPEST) * LOG2E + BIAS
                    whole = INT(y)
                    rest = y - F(whole)
                    mass = (P0 + rest * (P1 + rest * (P2 + rest * P3))) * (heavy[j] * INT(whole << FRACTION).view(F))
                    made[j] = mass
                    part += mass
                total += part
                sums[q] = total
            lot = key + LONG(i * parts + p + 1) * LONG(GOLDEN)
            lot = (lot ^ (lot >> LONG(30))) * LONG(MIX_1)
            lot = (lot ^ (lot >> LONG(27))) * LONG(MIX_2)
            wanted = F((lot ^ (lot >> LONG(31))) >> LONG(40)) * F(2.0**-24) * total
            # the place where the running sum exceeds what is wanted, first of groups, then in one
            group = 0
            for q in range(groups - 1):
                group += sums[q] <= wanted
            wanted -= sums[group - 1] if group else F(0)
            code, at, running = 0, group * LANES, F(0)
            for j in range(LANES):
                running += made[at + j]
                code += running <= wanted
            code += at
            if code == at + LANES or made[code] <= 0:  # rounded away: the last one before that has mass
                code = min(code, wide - 1)
                while code > 0 and made[code] <= 0:
                    code -= 1
                while made[code] <= 0 and code < wide - 1:
                    code += 1
            codes[p, i] = code
