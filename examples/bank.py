"""A bank has seen few frauds: more of them are made, and a vendor who may not see a real card payment learns from rows that nobody made.

Card payments with as many frauds as there are in truth, one in 600. Trees learn from real payments, from those with made-up frauds
added, and from made-up payments alone; each raises as many alarms, and is judged by the frauds it finds of those that none has seen.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from common import MADE, OTHER, REAL, asked, keep, panels
from sklearn.ensemble import HistGradientBoostingClassifier

import lookalike as la

FILE = "fraud/creditcard_fraud_sample/creditcard_fraud_sample.parquet"
ALARMS, TRUE, TRIES = 0.01, 1 / 600, 5
"""Alarms in honest payments, share of frauds in truth, and splits that are tried."""


def recall(train: pd.DataFrame, test: pd.DataFrame) -> float:
    """Percent of the frauds found when one honest payment in a hundred raises an alarm."""
    judge = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.05, l2_regularization=1.0, random_state=0)
    judge.fit(train.drop(columns="Class"), train.Class)
    score = judge.predict_proba(test.drop(columns="Class"))[:, 1]
    return 100 * float((score[test.Class == 1] > np.quantile(score[test.Class == 0], 1 - ALARMS)).mean())


def split(cards: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Payments to learn from, with as many frauds as in truth, and those to be judged by."""
    cards = cards.sample(frac=1, random_state=seed)
    honest, fraud = cards[cards.Class == 0], cards[cards.Class == 1]
    half = len(honest) * 7 // 10
    few = max(12, round(half * TRUE))
    return pd.concat([honest[:half], fraud[:few]]), pd.concat([honest[half:], fraud[few:]])


def main() -> None:
    args = asked(__doc__, FILE, rows=30_000)
    cards = pd.read_parquet(args.data / FILE).drop(columns="Time")
    cards = pd.concat([cards[cards.Class == 0].head(args.rows), cards[cards.Class == 1]])
    found: dict[str, list[float]] = {"real payments": [], "with made-up frauds": [], "made-up payments only": []}
    for seed in range(TRIES):
        train, test = split(cards, seed)
        more = la.Augmentation("Class", share=0.02, seed=seed).augment(train)
        free = la.sample(la.fit(train, seed=seed), len(train), seed=seed)
        made = pd.concat([free[free.Class == 0], more[len(train) :]])  # no real payment among them
        for (name, kept), learned in zip(found.items(), (train, more, made), strict=True):
            kept.append(recall(learned, test))
            print(f"split {seed}: {name}: {(learned.Class == 1).sum()} frauds to learn from, {kept[-1]:.0f} % found")

    figure, (rare, caught) = panels("Frauds: seen, and made of them", "Found, at 1 % false alarms")
    added = more[len(train) :]
    for rows, colour, size, name in ((added, MADE, 5, "made up"), (train[train.Class == 1], OTHER, 18, "learned from")):
        rare.scatter(rows.V14, rows.V4, s=size, color=colour, alpha=0.7, linewidths=0, label=f"{len(rows):,} {name}")
    rare.set(xlabel="V14", ylabel="V4")
    for place, (values, colour) in enumerate(zip(found.values(), (REAL, MADE, OTHER), strict=True)):
        caught.barh(place, np.mean(values), color=colour, height=0.6)
        caught.plot(values, [place] * TRIES, "|", color="black", ms=9)
    caught.set(yticks=range(3), yticklabels=list(found), xlabel="% of frauds", xlim=(0, 100))
    caught.invert_yaxis()
    plain, rich, blind = (float(np.mean(v)) for v in found.values())
    spread = float(np.std(np.subtract(found["with made-up frauds"], found["real payments"])) / np.sqrt(TRIES))
    keep(
        figure,
        args.out / "bank.png",
        f"a vendor who sees no real payment finds {blind:.0f} % of unseen frauds at 1 % false alarms (from real payments: {plain:.0f} %);",
        f"{len(added):,} made-up frauds beside {(train.Class == 1).sum()} real ones change that by {rich - plain:+.1f} ± {spread:.1f}.",
    )


if __name__ == "__main__":
    main()
