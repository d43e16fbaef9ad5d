"""What the gradients of single rows are made of, layer by layer: the rules by which `lookalike.privacy.sgd` clips them.

All layers here see rows as vectors and none mixes rows. `embedding` takes all views of a row to have the same codes, some hidden.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lookalike.nets.blocks import Embedding, Heads, Linear
from lookalike.privacy.sgd import Outer, Rule, Spread, Stacked, Tap, Whole

__all__ = ["RULES"]


def linear(tap: Tap) -> list[tuple[nn.Parameter, Any]]:
    """x W' + b."""
    back = tap.views_of(tap.back)
    found = [(tap.layer.weight, Outer(back, tap.views_of(tap.seen[0])))]
    return found if tap.layer.bias is None else [*found, (tap.layer.bias, Whole(back.sum(1)))]


def norm(tap: Tap) -> list[tuple[nn.Parameter, Any]]:
    """A layer norm: what is scaled, and what is added."""
    layer, back = tap.layer, tap.views_of(tap.back)
    even = nn.functional.layer_norm(tap.views_of(tap.seen[0]), layer.normalized_shape, eps=layer.eps)
    return [(layer.weight, Whole((back * even).sum(1))), (layer.bias, Whole(back.sum(1)))]


def embedding(tap: Tap) -> list[tuple[nn.Parameter, Any]]:
    """A vector for each code that is seen, and one for each part that is not; smooth parts have waves as well."""
    layer, vectors, back = tap.layer, tap.layer.vectors, tap.views_of(tap.back)
    codes = tap.seen[0][:: tap.views]
    seen = tap.seen[1].unflatten(0, (-1, tap.views))[..., None]
    shown, all_of_it = (back * seen).sum(1), back.sum(1)
    at = torch.cat([codes + layer.first, layer.unknown.expand_as(codes)], 1)
    free = Spread(at, torch.cat([shown, all_of_it - shown], 1), len(vectors.free))
    waves = vectors.waves[back.device]
    along = tuple(Outer(wave[codes[:, p]][:, None], shown[:, p : p + 1]) for p, wave in zip(layer.layout.smooth, waves, strict=True))
    return [(vectors.free, free), *_smooth(vectors.along, along)]


def heads(tap: Tap) -> list[tuple[nn.Parameter, Any]]:
    """Logits of all codes."""
    layer, vectors, back = tap.layer, tap.layer.vectors, tap.views_of(tap.back)
    right = tap.views_of(tap.seen[0])
    spans = zip(vectors.spans, vectors.waves[back.device], strict=True)
    along = tuple(Outer(back[..., a:b] @ wave, right) for (a, b), wave in spans)
    return [(vectors.free, Outer(back, right)), (layer.bias, Whole(back.sum(1))), *_smooth(vectors.along, along)]


def _smooth(parameter: Tensor, slices: tuple[Outer, ...]) -> list[tuple[Any, Any]]:
    """The factor of the waves' weights. Without smooth parts the parameter is empty, and has none."""
    return [(parameter, Stacked(slices))] if slices else []


RULES: dict[type, Rule] = {Linear: linear, nn.LayerNorm: norm, Embedding: embedding, Heads: heads}
"""For each type of layer, the factors of all its parameters."""
