"""How far the tables of one, two and three columns of synthetic rows are from those of real ones: mean total variation distance.

Numbers are looked at on two grids: bins of equal width of the public range, as the tools see it, and bins that hold equally many real
training rows, because nearly all of a skewed column falls into one bin of equal width. Nobody sees the second grid but this script.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
from facts import Fact, load, read

BINS, SHARES = 32, 16
"""Bins of equal width; bins of equal share."""
TRIPLES, SEED = 300, 0
"""As many triples, chosen at random by SEED, where there are more."""

Coded = dict[str, tuple[np.ndarray, int]]
"""Codes of each column and how many codes there are."""


def edges(values: np.ndarray, fact: Fact, *, even: bool) -> np.ndarray:
    """The inner edges of a column's bins, increasing."""
    if even:
        return np.unique(np.quantile(values[~np.isnan(values)], np.arange(1, SHARES) / SHARES, method="inverted_cdf"))
    low, high, bins = fact.grid(BINS)
    return np.linspace(low, high, bins + 1)[1:-1]


def coded(frame: pd.DataFrame, facts: dict[str, Fact], train: pd.DataFrame, *, even: bool) -> Coded:
    """Every column as codes: missing, unknown label and each label, or missing and each bin. Bins of equal share are those of `train`."""
    out: Coded = {}
    for name, fact in facts.items():
        if fact.numeric:
            values = frame[name].to_numpy(float)
            inner = edges(train[name].to_numpy(float), fact, even=even)
            # A value on an edge of equal shares is that of many rows, and the last of its bin.
            codes = np.where(np.isnan(values), 0, 1 + np.searchsorted(inner, values, side="left" if even else "right"))
            out[name] = codes, len(inner) + 2
        else:
            found = pd.Index(fact.levels).get_indexer(frame[name])
            out[name] = np.where(frame[name].isna(), 0, found + 2), len(fact.levels) + 2
    return out


def shares(table: Coded, names: tuple[str, ...]) -> np.ndarray:
    """Share of the rows in each cell of the joint table of some columns."""
    cell, cells = np.zeros(len(table[names[0]][0]), np.int64), 1
    for name in names:
        codes, size = table[name]
        cell, cells = cell * size + codes, cells * size
    return np.bincount(cell, minlength=cells) / len(cell)


def variation(real: Coded, synthetic: Coded, names: tuple[str, ...]) -> float:
    """Total variation distance of the joint tables of some columns, 0 to 1."""
    return float(np.abs(shares(real, names) - shares(synthetic, names)).sum() / 2)


def chosen(names: list[str], ways: int) -> list[tuple[str, ...]]:
    """All sets of so many columns; of triples no more than TRIPLES."""
    every = list(combinations(names, ways))
    if ways < 3 or comb(len(names), ways) <= TRIPLES:
        return every
    at = np.random.default_rng(SEED).choice(len(every), TRIPLES, replace=False)
    return [every[i] for i in np.sort(at)]


def distances(train: pd.DataFrame, synthetic: pd.DataFrame, facts: dict[str, Fact]) -> dict[str, float]:
    """Mean distances in percent: `width_1` to `width_3` on bins of equal width, `share_1` to `share_3` on bins of equal share."""
    found = {}
    for grid, even in (("width", False), ("share", True)):
        real, made = (coded(frame, facts, train, even=even) for frame in (train, synthetic))
        for ways in (1, 2, 3):
            each = [variation(real, made, names) for names in chosen(list(facts), ways)]
            found[f"{grid}_{ways}"] = 100 * float(np.mean(each))
    return found


def main() -> None:
    """`margins.py FACTS TRAIN SYNTHETIC`; prints the distances as JSON."""
    asked = argparse.ArgumentParser()
    for name in ("facts", "train", "synthetic"):
        asked.add_argument(name, type=Path)
    given = asked.parse_args()
    facts = load(given.facts)
    sys.stdout.write(json.dumps(distances(read(given.train, facts), read(given.synthetic, facts), facts)))


if __name__ == "__main__":
    main()
