"""Which event tells two neighbouring inputs apart best: looked for on one half of the runs, judged on the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.audit.bounds import Interval, least_epsilon, least_rho
from lookalike.audit.result import Audit, Claim, Finding
from lookalike.compare.roc import clopper
from lookalike.errors import SettingError

FEWEST = 40
"""Calls without which nothing can be learned and judged."""
COORDINATES = 8
"""Coordinates of a vector that are looked at one by one: those whose distributions differ most."""
JOINED = 64
"""Coordinates at most that a weighted sum runs over."""
BINS = 32
"""Bins of a likelihood ratio; fewer distinct values are taken one by one."""
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
"""Shares of all runs above a threshold that is tried."""

_ONE_LENGTH = "make them of one length, for example by counting over a fixed domain; a length that depends on the data is a leak"

_NOTHING = "nothing was found that tells them apart"

Score = Callable[[np.ndarray], np.ndarray]
"""Outputs [runs, coordinates] → one number each [runs]; the event is that it exceeds a threshold."""
Pair = tuple[np.ndarray, np.ndarray]
"""Outputs on one input, and on its neighbour."""
Run = Callable[[Any, int], np.ndarray]
"""An input, and how often the mechanism is called on it → outputs [calls] or [calls, …], independent of each other."""


def mechanism(run: Run, one: Any, other: Any, *, claim: Claim, runs: int = 20_000, confidence: float = 0.95) -> Audit:
    """Audit of a mechanism on two neighbouring inputs: a lower bound on its ε, and on its ρ where that is claimed.

    Half of the calls are on each input. The event is chosen on half of the outputs (thresholds and likelihood ratios of numbers, of the
    coordinates of vectors and of weighted sums of them, sets of choices) and its probabilities are bounded on the other (Clopper and
    Pearson 1934), so that the bound holds whatever the event.

    Args:
        run: calls the mechanism many times; `each` makes it of a function for one call. Outputs are numbers, vectors of one length,
            or choices (whole numbers or text).
        one, other: the neighbouring inputs, as `run` takes them.
        claim: what is stated of the mechanism.
        runs: calls in all.

    Raises:
        SettingError: too few runs, or a confidence that is none.
    """
    check(runs, confidence)
    seen, unseen = (_outputs(run(data, runs // 2)) for data in (one, other))
    epsilon, rho, event = witness(*alike(seen, unseen), claim=claim, confidence=confidence)
    finding = Finding(method="mechanism", epsilon=epsilon, rho=rho, runs=2 * (runs // 2), canaries=0, event=event)
    return Audit(claim=claim, confidence=confidence, origin="inputs", findings=(finding,))


def each(call: Callable[[Any], Any]) -> Run:
    """`run` for `mechanism`, of a function that calls the mechanism once."""
    return lambda data, times: stacked([call(data) for _ in range(times)])


def stacked(outputs: Sequence[Any]) -> np.ndarray:
    """Outputs of single calls as one array, the calls first.

    Raises:
        SettingError: they are not all of one shape.
    """
    arrays = [np.asarray(x) for x in outputs]
    shapes = sorted({x.shape for x in arrays})
    if len(shapes) > 1:
        raise SettingError(f"outputs have shapes {shapes[0]} and {shapes[1]}", where="audit", fix=_ONE_LENGTH)
    return np.stack(arrays)


def check(runs: int, confidence: float, *, what: str = "runs") -> None:
    """Refuse what no audit can be made of.

    Raises:
        SettingError: too few runs (or `what` else there is), or a confidence that is none.
    """
    if runs < FEWEST:
        raise SettingError(f"{runs} {what} are too few to prove anything", where="audit", fix=f"take {FEWEST} at least, better more")
    if not 0.5 <= confidence < 1:
        raise SettingError(f"confidence is {confidence}", where="audit", fix="give a share below 1, for example 0.95")


def witness(
    one: np.ndarray, other: np.ndarray, *, claim: Claim, confidence: float, names: Sequence[str] = ()
) -> tuple[float, float | None, str]:
    """Lower bounds on ε and (where claimed, else None) on ρ, from outputs [runs, coordinates] on two neighbours; and the event in words.

    `names`: of the coordinates.

    A quarter of the runs teaches the scores; it and a second quarter choose score and threshold, the worse of both counting, since what
    is learned looks better where it was learned. The other half judges what was chosen, for ε and for ρ.
    """
    taught, choosing, judging = zip(_cut(one), _cut(other), strict=True)
    miss = (1 - confidence) / (1 if claim.rho is None else 2)
    tried = [event for name, score in _scores(*taught, names) for event in _events(name, score, (taught, choosing))]
    if not tried:
        return 0.0, None if claim.rho is None else 0.0, "nothing tells them apart: all outputs were the same"
    chances = [[_intervals(*hits, runs, miss) for hits, runs in zip(e.hits, (taught, choosing), strict=True)] for e in tried]

    def best(gain: Callable[[Interval, Interval], float]) -> tuple[float, str]:
        """What the event that gains most on both quarters proves on the half."""
        event = tried[int(np.argmax([min(gain(*c) for c in pair) for pair in chances]))]
        hits = [int((event.score(x) > event.cut).sum()) for x in judging]
        return gain(*_intervals(*hits, judging, miss)), f"told apart by {event.name} above {event.cut:.4g}"

    epsilon, event = best(lambda a, b: least_epsilon(a, b, claim.delta))
    if claim.rho is None:
        return epsilon, None, event if epsilon > 0 else _NOTHING
    rho, other_event = best(lambda a, b: least_rho(a, b, slack=claim.slack))
    return epsilon, rho, event if epsilon > 0 else other_event if rho > 0 else _NOTHING


@dataclass(frozen=True)
class _Event:
    """That a score exceeds a threshold, and how often it did on either input, in each quarter of the runs."""

    name: str
    score: Score
    cut: float
    hits: list[tuple[int, int]]


def _cut(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A quarter, a quarter and a half."""
    quarter = len(outputs) // 4
    return outputs[:quarter], outputs[quarter : 2 * quarter], outputs[2 * quarter :]


def _events(name: str, score: Score, quarters: tuple[Pair, Pair]) -> list[_Event]:
    """A score with each threshold at which it is tried: values that it took, but not the highest."""
    sorted_ = [[np.sort(score(x)) for x in runs] for runs in quarters]
    values = np.sort(np.concatenate(sorted_[1]))
    cuts = np.unique(np.quantile(values, [0, *(1 - s for s in STEPS)], method="lower"))
    cuts = cuts[cuts < values[-1]]
    hits = np.array([[len(x) - np.searchsorted(x, cuts, side="right") for x in runs] for runs in sorted_])
    return [_Event(name, score, float(c), [(int(a), int(b)) for a, b in hits[:, :, k]]) for k, c in enumerate(cuts)]


def _intervals(first: int, second: int, runs: Pair, miss: float) -> tuple[Interval, Interval]:
    """Of the event's probability on both inputs; with a chance of `miss` at most one of them lies elsewhere."""
    return clopper(first, len(runs[0]), miss=miss / 2), clopper(second, len(runs[1]), miss=miss / 2)


# ------------------------------------------------------------------------------------------------ outputs


def _outputs(raw: Any) -> np.ndarray:
    """Outputs as [runs, coordinates]."""
    values = np.asarray(raw)
    return values.reshape(len(values), -1)


def alike(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs on both inputs as finite float64: text becomes its number among all texts, what is not finite lies beyond all that is.

    Raises:
        SettingError: outputs on one input are longer than on the other.
    """
    if one.shape[1] != other.shape[1]:
        raise SettingError(
            f"outputs have {one.shape[1]} numbers on one input and {other.shape[1]} on the other",
            where="audit",
            fix=_ONE_LENGTH,
        )
    both = np.concatenate([one, other])
    if both.dtype.kind not in "biuf":
        both = np.unique(both.astype(str), return_inverse=True)[1].reshape(both.shape)
    both = both.astype(np.float64)
    finite = both[np.isfinite(both)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    room = high - low + 1
    both = np.nan_to_num(both, nan=low - 2 * room, neginf=low - room, posinf=high + room)
    return both[: len(one)], both[len(one) :]


# ------------------------------------------------------------------------------------------------- scores


def _scores(one: np.ndarray, other: np.ndarray, names: Sequence[str]) -> list[tuple[str, Score]]:
    """Scores that may tell the inputs apart, with names, learned from outputs on both."""
    ranked = _ranked(one, other)
    found: list[tuple[str, Score]] = []
    for k in ranked[:COORDINATES]:
        name = names[k] if names else "the output" if one.shape[1] == 1 else f"number {k + 1} of the output"
        found.append((name, _coordinate(k)))
        found.append((f"the likelihood ratio of {name}", _ratio(one[:, k], other[:, k], k)))
    if one.shape[1] > 1:
        found += [("a weighted sum of all that was seen", s) for s in _sums(one, other, ranked[:JOINED])]
    return found


def _ranked(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Coordinates, those first whose distributions differ most (greatest gap of their cumulative shares at eleven quantiles)."""
    both = np.concatenate([one, other])
    edges = np.quantile(both, np.linspace(0, 0.99, 11), axis=0, method="lower")
    gaps = [np.abs((one <= e).mean(0) - (other <= e).mean(0)) for e in edges]
    return np.argsort(-np.max(gaps, axis=0), kind="stable")


def _coordinate(k: int) -> Score:
    return lambda x: x[:, k]


def _ratio(one: np.ndarray, other: np.ndarray, k: int) -> Score:
    """How much likelier the value of coordinate `k` is on the first input, by bins; a value never seen tells nothing."""
    both = np.concatenate([one, other])
    known = np.unique(both)
    single = len(known) <= BINS
    edges = known if single else np.unique(np.quantile(both, np.linspace(0, 1, BINS + 1)[:-1], method="lower"))

    def bins(values: np.ndarray) -> np.ndarray:
        at = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, None)
        return np.where(edges[at] == values, at, len(edges)) if single else at

    counts = [np.bincount(bins(x), minlength=len(edges) + 1) for x in (one, other)]
    ratio = np.log((counts[0] + 0.5) / (counts[1] + 0.5))
    return lambda x: ratio[bins(x[:, k])]


def _sums(one: np.ndarray, other: np.ndarray, chosen: np.ndarray) -> list[Score]:
    """Fisher's discriminant over the `chosen` coordinates, and the plain sum weighted by how surely each differs."""
    a, b = one[:, chosen], other[:, chosen]
    gap = a.mean(0) - b.mean(0)
    runs, width = len(a) + len(b), len(chosen)
    within = np.concatenate([a - a.mean(0), b - b.mean(0)])
    spread = within.var(0)
    floor = 1e-9 * max(spread.max(), float((gap**2).max()), 1e-30)
    alone = gap / (spread + floor)
    # Of few runs many coordinates seem to differ by chance: those that do not stand out are left out of the plain sum.
    sure = np.abs(gap) >= 2 * np.sqrt((spread + floor) * (1 / len(a) + 1 / len(b)))
    covariance = within.T @ within / runs
    part = width / (width + runs)
    shrunk = (1 - part) * covariance + part * np.diag(spread) + floor * np.eye(width)
    weights = [np.linalg.solve(shrunk, gap), *([np.where(sure, alone, 0.0)] if sure.any() else [])]
    return [_weighted(chosen, w) for w in weights]


def _weighted(chosen: np.ndarray, weights: np.ndarray) -> Score:
    return lambda x: x[:, chosen] @ weights
