"""The map of the rows: it shows where tables differ, and no row on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lookalike.compare.frame import Frame
from lookalike.report import measure
from lookalike.report.map import LEAST, plane
from lookalike.schema import Column

COLUMNS = (Column(name="x", kind="number"), Column(name="y", kind="number"), Column(name="job", kind="category"))


def rows(n: int, seed: int, *, shift: float = 0.0) -> Frame:
    rng = np.random.default_rng(seed)
    values = {"x": rng.normal(shift, 1, n), "y": rng.normal(0, 1, n), "job": rng.integers(0, 3, n).astype(np.int32)}
    return Frame(COLUMNS, values, {"job": ("cook", "driver", "nurse")}, n)


def drawn(real: Frame, synthetic: Frame, holdout: Frame) -> dict[str, Any] | None:
    frames = {"real": real, "synthetic": synthetic, "holdout": holdout}
    return plane(measure.stage(frames, target=None, rng=np.random.default_rng(0)))


def gap(found: dict[str, Any]) -> float:
    """Percent of rows that would have to move for the synthetic cells to be as the real ones."""
    return 0.5 * sum(abs((real or 0) - (other or 0)) for _, _, real, other, _ in found["cells"])


def test_tables_of_one_law_look_alike_and_others_do_not() -> None:
    same = drawn(rows(4000, 1), rows(4000, 2), rows(4000, 3))
    moved = drawn(rows(4000, 1), rows(4000, 2, shift=2), rows(4000, 3))
    assert same and moved
    assert gap(moved) > 2 * gap(same)


def test_no_cell_stands_for_a_few_rows() -> None:
    real = rows(2000, 1)
    real.values["x"][0] = 1e6  # one person far out
    found = drawn(real, rows(500, 2), rows(300, 3))
    assert found
    for role, n in ((2, 2000), (3, 500), (4, 300)):
        shown = [cell[role] for cell in found["cells"] if cell[role] is not None]
        assert shown and min(shown) >= 0.99 * 100 * LEAST / n and sum(shown) <= 101
    assert max(abs(v) for cell in found["cells"] for v in cell[:2]) < 60  # the one far out does not stretch the map


def test_it_names_the_columns_that_it_shows() -> None:
    found = drawn(rows(2000, 1), rows(2000, 2), rows(2000, 3))
    assert found
    first, second = found["axes"]
    assert {first["columns"][0]["name"], second["columns"][0]["name"]} == {"x", "y"}
    assert 0 < second["share"] <= first["share"] < 1


@pytest.mark.parametrize("n", [20, 2000])
def test_hexagons_are_where_their_rows_are(n: int) -> None:
    from lookalike.report.map import _centres, _hexagons

    points = np.random.default_rng(0).uniform(0, 30, (n, 2))
    assert np.linalg.norm(points - _centres(_hexagons(points)), axis=1).max() <= 3**-0.5 + 1e-9  # a corner is the furthest


def test_too_few_rows_or_columns_have_no_map() -> None:
    assert drawn(rows(50, 1), rows(4000, 2), rows(4000, 3)) is None
    flat = Frame(COLUMNS[:1], {"x": np.ones(500)}, {}, 500)
    assert drawn(flat, flat, flat) is None
