"""Tables that once made a fit fail, though nothing is wrong with them."""

from __future__ import annotations

import numpy as np
import pandas as pd

import lookalike as la


def test_sequences_of_one_length_whose_numbers_nothing_tells() -> None:
    rng = np.random.default_rng(0)
    who, at = np.divmod(np.arange(3_000), 8)
    steps = pd.DataFrame({"who": who, "at": at, "x": rng.normal(size=3_000).cumsum().round(2), "c": rng.choice(["a", "b"], 3_000)})
    drawn = la.sample(la.fit(steps, subject="who", order="at", settings={"trees": 2, "rounds": 4}, seed=1), 50)
    assert (drawn.groupby("who").size() == 8).all() and drawn["who"].nunique() == 50
