"""How sequences that were made differ from real ones of other subjects. The same measures for every tool, its ceiling and its floor.

python judge.py REAL.csv MADE.csv ABOUT.json OUT.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lookalike.compare.frame import Frame
from lookalike.compare.steps import Sequences, commonest, features, sequences
from lookalike.schema import Column

LONGEST, FOLDS, REPEATS, EPOCHS, WIDTH, SUBJECTS = 60, 5, 2, 10, 24, 1_000
PAIRS, COLUMNS, KNOWN = 6_000, 8, 50


def read(path: Path, about: dict[str, Any]) -> pd.DataFrame:
    """The rows with numbers as floats, moments as seconds and labels as text."""
    rows = pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)
    for name, kind in about["kinds"].items():
        if kind == "datetime":
            moments = pd.to_datetime(rows[name], errors="coerce").astype("datetime64[us]")
            rows[name] = moments.astype("int64").where(moments.notna()) / 1e6
        elif kind == "number":
            rows[name] = pd.to_numeric(rows[name], errors="coerce").astype(float)
        else:
            rows[name] = rows[name].astype("string").fillna("(missing)").str.removesuffix(".0")
    return rows


def frames(tables: list[pd.DataFrame], about: dict[str, Any]) -> list[Sequences]:
    """The tables as the judges see them: rows by subject and order, with the time since the row before."""
    subject, order, kinds = about["subject"], about["order"], about["kinds"]
    names = [c for c in kinds if c != order and c not in about["constant"]]
    levels = {c: tuple(sorted({*tables[0][c], *tables[1][c]})) for c in names if kinds[c] == "category"}
    out = []
    for rows in tables:
        owner, when = pd.factorize(rows[subject])[0].astype(np.int64), rows[order].to_numpy(float)
        sort = np.lexsort((when, owner))
        gap = np.diff(when[sort], prepend=np.nan)
        gap[np.diff(owner[sort], prepend=-1) != 0] = np.nan
        values = {c: rows[c].to_numpy(float)[sort] for c in names if c not in levels} | {order: when[sort], "(gap)": gap}
        values |= {c: pd.Categorical(rows[c], categories=list(levels[c])).codes.astype(np.int32)[sort] for c in levels}
        columns = tuple(Column(name=c, kind="category" if c in levels else "number") for c in values)
        out.append(sequences(Frame(columns, values, levels, len(rows)), owner[sort], when[sort]))
    return out


def told_apart(real: Sequences, made: Sequences) -> tuple[float, float]:
    """Area under the curve of boosted trees that tell features of real subjects from made ones, of subjects not learned from (0.5: none
    can be told); and the mean difference of lag-1 autocorrelations."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    known = commonest(real.frame)
    both = [features(s, known) for s in (real, made)]
    rng = np.random.default_rng(0)
    most = min(f.rows for f in both)
    tables = [np.column_stack([f[n] for n in both[0].names])[rng.permutation(f.rows)[:most]] for f in both]
    x, truth = np.concatenate(tables), np.repeat([1, 0], most)
    x = x[:, [(~np.isnan(c)).sum() >= KNOWN and np.ptp(c[~np.isnan(c)]) > 0 for c in x.T]]
    trees = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    chance = cross_val_predict(trees, x, truth, cv=FOLDS, method="predict_proba")[:, 1]
    lagged = [n for n in both[0].names if n.endswith("with the one before")]
    means = [[np.nanmean(f[n]) if (~np.isnan(f[n])).any() else np.nan for n in lagged] for f in both]
    return float(roc_auc_score(truth, chance)), float(np.nanmean(np.abs(np.subtract(*means))))


def tensors(of: Sequences, like: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """float32 [subjects, steps, inputs] and bool [subjects, steps]: numbers in the spread of `like`, labels by their commonest levels."""
    parts, known = [], commonest(like.frame)
    for name in of.frame.names:
        x, base = of.frame[name], like.frame[name]
        if of.frame.is_label(name):
            parts += [x == code for code in known[name]]
            continue
        x, base = (np.sign(v) * np.log1p(np.abs(v)) if name == "(gap)" else v for v in (x, base))
        spread = np.nanstd(base) or 1.0
        parts += [np.clip(np.nan_to_num((x - np.nanmean(base)) / spread), -5, 5), np.isnan(x)]
    flat, steps = np.column_stack(parts).astype(np.float32), min(LONGEST, int(of.sizes.max()))
    out, there = np.zeros((len(of.sizes), steps, flat.shape[1]), np.float32), np.zeros((len(of.sizes), steps), bool)
    at = np.arange(len(flat)) - np.repeat(of.firsts, of.sizes)
    kept = at < steps
    whose = np.repeat(np.arange(len(of.sizes)), of.sizes)[kept]
    out[whose, at[kept]], there[whose, at[kept]] = flat[kept], True
    return out, there


def discriminative(real: Sequences, made: Sequences) -> float:
    """How much better than chance a recurrent network tells real from made subjects that it has not seen: |accuracy - 0.5| (TimeGAN)."""
    import torch

    torch.set_num_threads(1)
    found = []
    (a, known_a), (b, known_b) = tensors(real, real), tensors(made, real)
    steps = max(a.shape[1], b.shape[1])
    a, b = (np.pad(x, ((0, 0), (0, steps - x.shape[1]), (0, 0))) for x in (a, b))
    lengths = [np.maximum(k.sum(axis=1), 1) for k in (known_a, known_b)]
    for seed in range(REPEATS):
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        most = min(len(a), len(b), SUBJECTS)
        chosen = [rng.permutation(len(x))[:most] for x in (a, b)]
        x = torch.tensor(np.concatenate([v[i] for v, i in zip((a, b), chosen, strict=True)]))
        size = torch.tensor(np.concatenate([v[i] for v, i in zip(lengths, chosen, strict=True)]))
        truth = torch.repeat_interleave(torch.tensor([1.0, 0.0]), most)
        order = torch.tensor(rng.permutation(2 * most))
        held = order[: int(0.3 * len(order))]
        found.append(abs(_accuracy(x, size, truth, order[len(held) :], held) - 0.5))
    return float(np.mean(found))


def _accuracy(x: Any, size: Any, truth: Any, learned: Any, held: Any) -> float:
    """Share of held subjects that a recurrent network gets right."""
    import torch

    net, head = torch.nn.GRU(x.shape[2], WIDTH, batch_first=True), torch.nn.Linear(2 * WIDTH, 1)

    def score(rows: Any) -> Any:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x[rows], size[rows], batch_first=True, enforce_sorted=False)
        states, _ = torch.nn.utils.rnn.pad_packed_sequence(net(packed)[0], batch_first=True, total_length=x.shape[1])
        last = states[torch.arange(len(rows)), size[rows] - 1]
        mean = (states * (torch.arange(x.shape[1])[None] < size[rows, None])[..., None]).sum(1) / size[rows, None]
        return head(torch.cat([last, mean], 1))[:, 0]

    step = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=5e-3)
    for _ in range(EPOCHS):
        for rows in learned[torch.randperm(len(learned))].split(64):
            step.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(score(rows), truth[rows]).backward()
            step.step()
    with torch.no_grad():
        return float(((score(held) > 0).float() == truth[held]).float().mean())


def pairs(of: Sequences, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of some rows that have one before them, and of those before."""
    later = np.flatnonzero(np.diff(of.owner, prepend=-1) == 0)
    later = np.sort(rng.permutation(later)[:PAIRS])
    return later, later - 1


def predictive(made: Sequences, real: Sequences) -> float:
    """Error on real subjects of boosted trees that learned from made ones what the next row holds: of numbers the mean absolute error in
    standard deviations of the real, of labels the share that is wrong; the mean over the columns that are told most often. A column
    that is empty in the made rows tells the trees nothing (they refuse it)."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rng, known = np.random.default_rng(0), commonest(real.frame)
    names = [n for n in real.frame.names if n != "(gap)" and not (real.frame.is_label(n) and len(known[n]) < 2)]
    there = {n: float((~real.frame.missing(n)).mean()) for n in names}
    moving = [n for n in names if np.mean(real.frame[n][1:] != real.frame[n][:-1]) > 0.02]
    sides = []
    for of in (made, real):
        now, before = pairs(of, rng)
        place = (np.arange(len(of.owner)) - np.repeat(of.firsts, of.sizes))[before]
        cells = {n: np.searchsorted(np.sort(known[n]), of.frame[n]) if of.frame.is_label(n) else of.frame[n] for n in of.frame.names}
        sides.append((np.column_stack([place, *(cells[n][before] for n in names)]), now, of))
    errors = []
    for name in sorted(moving, key=lambda n: -there[n])[:COLUMNS]:
        (x, now, of), (tests, held, _) = sides
        if real.frame.is_label(name):
            y, truth = (np.where(np.isin(s.frame[name][i], known[name]), s.frame[name][i], -1) for s, i in ((of, now), (real, held)))
            trees = HistGradientBoostingClassifier(max_iter=30, random_state=0)
            filled = ~np.isnan(x).all(axis=0)
            said = trees.fit(x[:, filled], y).predict(tests[:, filled]) if len(np.unique(y)) > 1 else np.full(len(tests), y[0])
            errors.append(float((said != truth).mean()))
            continue
        y, truth = of.frame[name][now], real.frame[name][held]
        seen, told = ~np.isnan(y), ~np.isnan(truth)
        if seen.sum() < 50 or told.sum() < 50:
            continue
        filled = ~np.isnan(x[seen]).all(axis=0)
        trees = HistGradientBoostingRegressor(max_iter=40, random_state=0).fit(x[seen][:, filled], y[seen])
        guess = trees.predict(tests[told][:, filled])
        errors.append(float(np.abs(guess - truth[told]).mean() / max(np.nanstd(real.frame[name]), 1e-12)))
    return float(np.mean(errors))


def main(real: Path, made: Path, about: Path, out: Path) -> None:
    """Write the figures."""
    facts = json.loads(about.read_text())
    tables = [read(path, facts) for path in (real, made)]
    real_, made_ = frames(tables, facts)
    auc, lagged = told_apart(real_, made_)
    found = {"c2st": auc, "autocorrelation": lagged, "discriminative": discriminative(real_, made_), "predictive": predictive(made_, real_)}
    found |= {"rows": float(made_.sizes.mean()), "real_rows": float(real_.sizes.mean())}
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main(*(Path(p) for p in sys.argv[1:5]))
