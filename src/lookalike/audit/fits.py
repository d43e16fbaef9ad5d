"""Audits of a whole fit: many fits with and without one canary, or one fit in which many canaries are in or out by a fair coin."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from lookalike.audit.bounds import guessed
from lookalike.audit.domain import cells, joined, repeated
from lookalike.audit.events import alike, check, stacked, witness
from lookalike.audit.result import Audit, Claim, Finding
from lookalike.data import Dataset
from lookalike.errors import SettingError
from lookalike.protocol import OnStep, Step, quiet

DRAWN = 4_096
"""Synthetic rows drawn of a model, to see what it shows of a canary."""
PAIRS = 60
"""Pairs of columns at most that are looked at together."""
PARTS = (8, 4, 2, 1)
"""Of so many canaries one is guessed; the least sure ones are left out."""

Fit = Callable[[Dataset], Any]
"""A table → a model fitted to it under the claim; every call draws its noise anew."""
Score = Callable[[Any, Dataset], np.ndarray]
"""A model and canaries → what it shows of each: [canaries], for many fits also [canaries, numbers]."""


def canary(
    fit: Fit, data: Dataset, row: Dataset, *, claim: Claim, runs: int = 1_000, confidence: float = 0.95,
    score: Score | None = None, on_step: OnStep = quiet,
) -> Audit:  # fmt: skip
    """Audit by the worst case: half of the fits see `data`, the other half one subject more (Jagielski et al. 2020; Ganev et al. 2025).

    Args:
        fit: called once for each run.
        row: the canary, equal rows of one subject that is not in `data`, as unlike it as can be.
        claim: what is stated of a fit.
        runs: fits in all.
        score: what is looked at of a model; by default how often it draws the canary's values, and how likely it says the canary is.

    Raises:
        SettingError: too few runs, or a confidence that is none.
    """
    check(runs, confidence)
    look, both, asked = score or shown, joined(data, row), row.take(np.zeros(1, np.int64))
    outputs: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for done in range(2 * (runs // 2)):
        model = fit(data if done % 2 else both)
        outputs[done % 2].append(np.asarray(look(model, asked), np.float64).ravel())
        on_step(Step(done + 1, runs, "fitting with and without a canary"))
    names = () if score else _names(data.schema.table.names, told=hasattr(model, "log_prob"))
    epsilon, rho, event = witness(*alike(*map(stacked, outputs)), claim=claim, confidence=confidence, names=names)
    finding = Finding(method="canary", epsilon=epsilon, rho=rho, runs=2 * (runs // 2), canaries=row.rows, event=event)
    return Audit(claim=claim, confidence=confidence, origin="inputs", findings=(finding,))


def one_run(
    fit: Fit, data: Dataset, canaries: Dataset, *, claim: Claim, confidence: float = 0.95, score: Score | None = None
) -> Audit:  # fmt: skip
    """Audit by a single fit (Steinke, Nasr and Jagielski 2023): each canary is in by a fair coin, with all its rows; which were is guessed.

    The canaries of highest score are guessed to be in, those of lowest to be out, the others are not guessed. Several numbers of guesses
    are tried, each with its part of the chance to be wrong.

    Args:
        canaries: each row a subject of its own, none of them in `data`.
        score: what a model shows of each canary; the higher, the surer it was in. By default found from the rows that the model draws.

    Raises:
        SettingError: too few canaries, or a confidence that is none.
    """
    many = canaries.rows
    check(many, confidence, what="canaries")
    inside = np.array([secrets.randbits(1) for _ in range(many)], dtype=bool)
    each = 1 if data.schema.subject is None else claim.rows
    model = fit(joined(data, repeated(canaries, inside, claim.rows)))
    sure = np.asarray(score(model, canaries) if score else found(model, canaries, data, each=each), np.float64)
    if sure.shape != (many,):
        raise SettingError(f"the score has shape {sure.shape}", where="audit", fix=f"return one number for each of the {many} canaries")
    epsilon, event = guesses(inside, sure, delta=claim.delta, confidence=confidence)
    finding = Finding(method="one run", epsilon=epsilon, runs=1, canaries=many, event=event)
    return Audit(claim=claim, confidence=confidence, origin="inputs", findings=(finding,))


def guesses(inside: np.ndarray, sure: np.ndarray, *, delta: float, confidence: float) -> tuple[float, str]:
    """The lower bound on ε that guesses by the score `sure` [canaries] prove, of who was `inside` [canaries]; and how many were right."""
    order = np.argsort(-np.where(np.isnan(sure), -np.inf, sure), kind="stable")
    tried = sorted({2 * (len(inside) // (2 * part)) for part in PARTS} - {0})
    proved = []
    for many in tried:
        half = many // 2
        right = int(inside[order[:half]].sum() + (~inside[order[len(order) - half :]]).sum())
        epsilon = guessed(len(inside), many, right, delta=delta, miss=(1 - confidence) / len(tried))
        proved.append((epsilon, right / many, f"{right:,} of {many:,} guesses right"))
    epsilon, _, event = max(proved)
    return epsilon, event


# ------------------------------------------------------------------------------------- what a model shows


def shown(model: Any, canaries: Dataset) -> np.ndarray:
    """float64 [canaries, numbers]: how many of `DRAWN` drawn rows share a canary's cell, by column, by pair and in all columns.

    The last number is the log-probability that the model itself gives, where it can tell.
    """
    drawn, known = cells(_draw(model)), cells(canaries)
    counts = [_sharing(drawn[list(group)], known[list(group)]) for group in _groups(len(known))]
    told = getattr(model, "log_prob", None)
    return np.stack([*counts, *([told(canaries)] if told is not None else [])], axis=1).astype(np.float64)


def found(model: Any, canaries: Dataset, data: Dataset, *, each: int = 1) -> np.ndarray:
    """float64 [canaries]: how much of each canary is needed to explain the rows that the model draws, beside those of `data`.

    The rows in each cell of a column, or pair, are those of `data` and of the canaries that were in: a ridge regression tells which.
    Where the model tells the likelihood of a row, that counts as much. `each`: rows of a canary that was in.
    """
    rows, drawn, known, base = canaries.rows, cells(_draw(model)), cells(canaries), cells(data)
    scale = (data.rows + rows * each / 2) / drawn.shape[1]
    within, answer = np.eye(rows), np.zeros(rows)
    for group in map(list, _groups(len(known))):
        place, first = _numbered(known[group])
        one = known[group][:, first]
        before = _sharing(base[group], one)
        weight = 1 / (1 + before)  # a crowd in the same cell blurs what one row adds
        rest = _sharing(drawn[group], one) * scale - before
        member = np.eye(len(first))[place]
        within += (member * weight) @ member.T
        answer += member @ (weight * rest)
    solved = np.linalg.solve(within, answer)
    told = getattr(model, "log_prob", None)
    return solved if told is None else _standard(solved) + _standard(told(canaries))


def _standard(values: np.ndarray) -> np.ndarray:
    """Values less their mean, in standard deviations; what is not finite counts as the lowest."""
    finite = np.isfinite(values)
    values = np.where(finite, values, values[finite].min() if finite.any() else 0.0)
    return (values - values.mean()) / max(float(values.std()), 1e-300)


def _draw(model: Any) -> Dataset:
    return model.sample(DRAWN, rng=np.random.default_rng(secrets.randbits(128)))


def _groups(columns: int) -> Iterator[tuple[int, ...]]:
    """Each column, pairs of columns (the first `PAIRS`), and all of them."""
    yield from ((k,) for k in range(columns))
    pairs = list(combinations(range(columns), 2))
    yield from pairs[:: -(-len(pairs) // PAIRS)] if pairs else ()
    if columns > 2:
        yield tuple(range(columns))


def _names(columns: Sequence[str], *, told: bool) -> list[str]:
    """What each number that `shown` tells of a canary is."""
    groups = [" and ".join(columns[k] for k in group) for group in _groups(len(columns))]
    last = ["the canary's log-probability"] if told else []
    return [f"rows drawn (of {DRAWN:,}) that share the canary's {group}" for group in groups] + last


def _numbered(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of rows [columns, n]: the number of each among the distinct ones [n], and where each distinct one stands first."""
    factors = np.random.default_rng(0).integers(1 << 62, size=(len(rows), 1), dtype=np.uint64) * 2 + 1
    mixed = (rows.astype(np.uint64) * factors).sum(0, dtype=np.uint64)  # of so long numbers no two sums are equal by chance
    _, first, place = np.unique(mixed, return_index=True, return_inverse=True)
    return place, first


def _sharing(rows: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """float64 [asked]: how many of `rows` [columns, n] equal each of `asked` [columns, m]."""
    if asked.shape[1] == 1:
        return (rows == asked).all(0).sum(keepdims=True).astype(np.float64)
    place, _ = _numbered(np.concatenate([rows, asked], axis=1))
    counts = np.bincount(place[: rows.shape[1]], minlength=int(place.max(initial=-1)) + 1)
    return counts[place[rows.shape[1] :]].astype(np.float64)
