"""Tables that once made a fit fail, though nothing is wrong with them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.errors import DataError


def test_sequences_of_one_length_whose_numbers_nothing_tells() -> None:
    rng = np.random.default_rng(0)
    who, at = np.divmod(np.arange(3_000), 8)
    steps = pd.DataFrame({"who": who, "at": at, "x": rng.normal(size=3_000).cumsum().round(2), "c": rng.choice(["a", "b"], 3_000)})
    drawn = la.sample(la.fit(steps, subject="who", order="at", settings={"trees": 2, "rounds": 4}, seed=1), 50)
    assert (drawn.groupby("who").size() == 8).all() and drawn["who"].nunique() == 50


def test_a_giant_cell_is_refused_soon(tmp_path: Path) -> None:
    giant = b"x" * (40 * 2**20)
    (tmp_path / "a.csv").write_bytes(b'a,b\n1,"' + giant + b'"\n2,3\n')
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n{"a": "' + giant + b'"}\n')
    for name in ("a.csv", "a.jsonl"):
        began = time.process_time()
        with pytest.raises(DataError, match=r"never closed|longer than"):
            la.Dataset.of(str(tmp_path / name))
        assert time.process_time() - began < 10


def test_lines_are_cut_at_all_line_ends(tmp_path: Path) -> None:
    """Also where a complaint is looked for piece by piece: \\r and \\n may be in two pieces."""
    body = b"".join(b'"%05d","y"\r\n' % k for k in range(9_000))
    for shift in range(4):
        (tmp_path / "a.csv").write_bytes(b"a,b\r\n" + b'"' + b"z" * shift + b'","y"\r\n' + body + b'"1","2","3"\r\n')
        with pytest.raises(DataError, match="3 cells where the header has 2") as caught:
            la.Dataset.of(str(tmp_path / "a.csv"))
        assert caught.value.where.endswith(":9003")
