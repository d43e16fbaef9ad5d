"""Codes drawn by many softmaxes side by side: by the law that was told, never what cannot be, in either precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lookalike.nets.lots import Lots
from lookalike.nets.train import generator

SIZES = (3, 17, 255, 2, 40)
ROWS = 60_000


def told(seed: int = 0) -> tuple[torch.Tensor, list[np.ndarray]]:
    """Logits of one row, and what is added to them; codes 5 and 16 of the second part can never be."""
    rng = np.random.default_rng(seed)
    added = [rng.normal(size=k) for k in SIZES]
    added[1][[5, 16]] = -1e9
    return torch.from_numpy(2 * rng.normal(size=(1, sum(SIZES)))).float(), added


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_codes_are_drawn_by_their_law(dtype: torch.dtype) -> None:
    logits, added = told()
    lots, codes = Lots(added), np.zeros((len(SIZES), ROWS), np.uint16)
    lots.draw(logits.to(dtype).expand(ROWS, -1), codes, generator(1))
    for p, span in enumerate(lots.spans):
        law = (logits.to(dtype).double()[0, span] + torch.from_numpy(added[p])).softmax(0).numpy()
        drawn = np.bincount(codes[p], minlength=SIZES[p]) / ROWS
        assert (np.abs(drawn - law) < 5 * np.sqrt(law * (1 - law) / ROWS) + 2e-4).all(), p
    assert not np.isin(codes[1], [5, 16]).any()


def test_a_later_part_is_missing_exactly_where_the_first_of_its_column_is() -> None:
    logits, added = told()
    codes = np.zeros((len(SIZES), ROWS), np.uint16)
    Lots(added, first=[0, 0, 2, 3, 3]).draw(logits.expand(ROWS, -1), codes, generator(1))
    for first, later in ((0, 1), (3, 4)):
        assert ((codes[first] == 0) == (codes[later] == 0)).all()


def test_rows_that_are_told_once_are_drawn_each_by_itself() -> None:
    logits = torch.tensor([[0.0, 50.0, -50.0], [0.0, 0.0, 0.0]])
    of = np.repeat([0, 1, 0], 1_000)
    codes = np.zeros((1, 3_000), np.int64)
    Lots([np.zeros(3)]).draw(logits, codes, generator(2), of=of)
    assert (codes[0, of == 0] == 1).all()
    assert (np.bincount(codes[0, of == 1], minlength=3) > 250).all()


def test_the_steepest_logits_and_the_last_code_come_through() -> None:
    logits = torch.tensor([[-1e30, 1e30, 0.0], [200.0, 100.0, -200.0]])
    codes = np.zeros((1, 2), np.int64)
    Lots([np.array([0.0, 0.0, -1e9])]).draw(logits, codes, generator(3))
    assert codes[0, 0] == 1 and codes[0, 1] in (0, 1)
    only = np.full(40, -1e9)
    only[39] = -12.0
    many = np.zeros((1, 500), np.int64)
    Lots([only]).draw(torch.zeros(500, 40), many, generator(3))
    assert (many == 39).all()
