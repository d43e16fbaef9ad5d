"""Windows of four real data sets, cut into those to learn from and unseen ones of other stretches of time (or subjects)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lookalike.compare.series import cut

SETS = ("etth1", "air_quality", "sp500_daily", "mitbih_ecg")
LENGTHS = (24, 96, 256)
LEARN, UNSEEN = 4_000, 1_000
"""Windows at most."""
BLOCK = 2_048
"""Steps of a stretch of time; every fourth is unseen."""


def series(name: str, folder: Path) -> list[np.ndarray]:
    """float64 [steps, columns] of each subject; missing readings of air_quality are interpolated, as the other tools take none."""
    if name == "etth1":
        return [pd.read_csv(folder / "etth1" / "ETTh1.csv.gz").iloc[:, 1:].to_numpy(float)]
    if name == "air_quality":
        frame = pd.read_csv(folder / "air_quality" / "air_quality.csv.gz").iloc[:, 2:].drop(columns="NMHC_GT")
        frame = frame.apply(pd.to_numeric, errors="coerce").replace(-200, np.nan).interpolate(limit_direction="both")
        return [frame.to_numpy(float)]
    if name == "sp500_daily":
        frame = pd.read_parquet(folder / "sp500_daily_120" / "sp500_daily.parquet")
        return [g[["open", "high", "low", "close", "volume"]].to_numpy(float) for _, g in frame.groupby("ticker", observed=True)]
    frame = pd.read_parquet(folder / "mitbih_ecg_5" / "ecg.parquet")
    return [g[["adc"]].to_numpy(float) for _, g in frame.groupby("record", observed=True)]


def windows(name: str, length: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """float32 (learn, unseen), each [n, length, columns], in random order; no unseen step is in a window to learn from."""
    rng, found = np.random.default_rng([0, length]), series(name, folder)
    learn, unseen = [], []
    for k, x in enumerate(found):
        if len(found) > 20:
            (unseen if k % 4 == 3 else learn).append(cut(x, length))
            continue
        for b, low in enumerate(range(0, len(x), BLOCK)):
            (unseen if b % 4 == 3 else learn).append(cut(x[low : low + BLOCK], length, stride=max(1, len(x) // 50_000)))
    parts = [np.concatenate([w for w in part if len(w)]) for part in (learn, unseen)]
    return tuple(p[rng.permutation(len(p))[:most]].astype(np.float32) for p, most in zip(parts, (LEARN, UNSEEN), strict=True))
