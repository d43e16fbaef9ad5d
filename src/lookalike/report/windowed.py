"""Windows of ordered rows: what TimeGAN and TSGBench measure of time series, each figure with its controls and interval."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.compare import series
from lookalike.compare.about import About, Finding
from lookalike.compare.stats import around, jackknife
from lookalike.compare.steps import Sequences
from lookalike.report.measure import Effort, zero
from lookalike.report.merged import merged
from lookalike.report.views import Measured
from lookalike.score import Better, Score

LENGTH, SHORTEST, MOST, COLUMNS = 24, 4, 600, 20
"""Rows of a window, at most and at least; windows of a table, and columns, at most."""
GROUPS = 5
"""Groups of owners that are left out in turn."""
FEWEST = 40
"""Windows without which nothing is said."""
KIND = "windows"


@dataclass(frozen=True)
class Measure:
    """A figure of windows: `of(real, made, fresh, rng)`, all float64 [windows, length, columns] in units of the real columns.

    seen: what it sees of windows instead, each by itself. held: what it holds against others of the real ones, known once for all of them.
    """

    name: str
    title: str
    of: Callable[[Any, np.ndarray, np.ndarray, np.random.Generator], float]
    definition: str
    source: str
    better: Better = "lower"
    quick: bool = True
    apart: bool = False
    """Only windows that do not overlap: a judge would know one by its neighbour."""
    seen: Callable[[np.ndarray], np.ndarray] = np.asarray
    held: Callable[[np.ndarray], Any] = np.asarray


MEASURES = (
    Measure(
        "autocorrelation", "Autocorrelation", lambda a, b, _, __: series.autocorrelation_difference(a, b),
        "Mean absolute difference of the correlations of a column with itself some rows later, over columns and distances; of the values, "
        "and of their steps.", "ACD of TSGBench: Ang et al. 2023",
    ),
    Measure(
        "cross_correlation", "Cross-correlation", lambda a, b, _, __: series.correlation_difference(a, b),
        "Mean absolute difference of the correlations of two columns in the same row.", "as the correlational score of Ni et al. 2020",
    ),
    Measure(
        "spectrum", "Spectrum", lambda a, b, _, __: series.spectrum_difference(a, b),
        "Total variation distance of the shares that frequencies have in the variance within a window (Hann taper), the mean over columns.",
        "this project",
    ),
    Measure(
        "context_fid", "Context-FID", lambda a, b, _, __: a.frechet(b),
        "Fréchet distance of windows embedded by random convolutions, in whitened principal directions of the real ones.",
        "as Context-FID: Jeha et al. 2022, with the embedding of ROCKET: Dempster et al. 2020",
        seen=series.embed, held=series.Directions.of,
    ),
    Measure(
        "discriminative", "Discriminative score", lambda a, b, _, rng: series.discriminative(a, b, rng=rng).score,
        "How much better than a coin toss a judge tells windows from real ones it never saw: |accuracy − 1/2|, 0 to 0.5.",
        "TimeGAN: Yoon et al. 2019, with a stronger judge", quick=False, apart=True,
    ),
    Measure(
        "predictive", "Predictive score", lambda _, b, fresh, rng: series.predictive(b, fresh, rng=rng),
        "Mean absolute error, on real windows that were not learned from, of a one-step forecast that learned from these windows; in units "
        "of the real columns' ranges.", "TimeGAN: Yoon et al. 2019", quick=False,
    ),
    Measure(
        "dtw", "Distance between windows", lambda _, b, __, rng: series.distances(b, b[rng.permutation(len(b))], rng=rng)[1],
        "Mean distance of two windows after dynamic time warping: as far from each other as real ones are, neither more nor less.",
        "diversity by DTW, as in TSGBench", "target", False,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Windows:
    """Windows of one table, float64 [windows, length, columns], whose each is, int64 [windows], and which overlap none of the others that
    are so marked, bool [windows]."""

    values: np.ndarray
    owner: np.ndarray
    alone: np.ndarray

    def apart(self) -> Windows:
        """The windows that do not overlap."""
        kept = np.flatnonzero(self.alone)
        return Windows(self.values[kept], self.owner[kept], self.alone[kept])

    def shuffled(self, rng: np.random.Generator) -> Windows:
        """The rows of each window in another order: what they are is perfect, when they come is not."""
        order = rng.random(self.values.shape[:2]).argsort(axis=1)
        return Windows(np.take_along_axis(self.values, order[:, :, None], axis=1), self.owner, self.alone)


def windows(of: Mapping[str, Sequences], seed: int) -> dict[str, Windows] | None:
    """Windows of each table in units of the real columns; None where rows are too few, or have no numbers.

    A missing number is that before it in the window, else the column's mean. Without a holdout, real owners are halved.
    """
    names = [c.name for c in of["real"].frame.columns if not of["real"].frame.is_label(c.name)]
    names = [n for n in names if np.nanstd(of["real"].frame[n]) > 0][:COLUMNS]
    length = _length(of["real"])
    if not names or length < SHORTEST:
        return None
    scale = {n: np.nanquantile(of["real"].frame[n], [0.0, 0.5, 1.0]) for n in names}
    rng = np.random.default_rng([seed, 17])
    out = {role: _cut(s, scale, length, rng) for role, s in of.items()}
    if "holdout" not in out:
        half = np.isin(out["real"].owner, rng.permutation(np.unique(out["real"].owner))[::2])
        whole = out["real"]
        sides = {"real": half, "holdout": ~half}
        out |= {role: Windows(whole.values[s], whole.owner[s], whole.alone[s]) for role, s in sides.items()}
    least = min(len(w.values) for w in out.values())
    if least < FEWEST:
        return None
    return {role: _some(w, least, rng) for role, w in out.items()}


def _length(of: Sequences) -> int:
    """As long a window as half of the rows have room for."""
    sizes = np.sort(of.sizes)[::-1]
    return int(min(LENGTH, sizes[np.searchsorted(np.cumsum(sizes), sizes.sum() / 2)])) if len(sizes) else 0


def _some(of: Windows, most: int, rng: np.random.Generator) -> Windows:
    chosen = np.sort(rng.permutation(len(of.values))[:most])
    return Windows(of.values[chosen], of.owner[chosen], of.alone[chosen])


def _cut(of: Sequences, scale: Mapping[str, np.ndarray], length: int, rng: np.random.Generator) -> Windows:
    """At most `MOST` windows of rows that follow each other, of one owner each."""
    starts = (
        np.flatnonzero(of.owner[: len(of.owner) - length + 1] == of.owner[length - 1 :]) if len(of.owner) >= length else np.empty(0, int)
    )
    rank = np.arange(len(of.owner)) - np.repeat(of.firsts, of.sizes)
    apart = starts[rank[starts] % length == 0]
    rest = np.setdiff1d(starts, apart)
    starts = np.concatenate([rng.permutation(apart)[: MOST // 2], rng.permutation(rest)[: MOST // 2]])
    alone = np.isin(starts, apart)
    at = starts[:, None] + np.arange(length)
    cells = np.stack([_filled(of.frame[n][at], q[1]) for n, q in scale.items()], axis=2)
    low, high = (np.array([q[k] for q in scale.values()]) for k in (0, 2))
    whose = of.whose[starts]
    if len(np.unique(whose)) == 1:
        whose = starts * 4 * GROUPS // len(of.owner)  # one series: stretches of it, as windows overlap
    return Windows((cells - low) / np.where(high > low, high - low, 1.0), np.unique(whose, return_inverse=True)[1], alone)


def _filled(cells: np.ndarray, middle: float) -> np.ndarray:
    """[windows, length] without missing cells."""
    place = np.maximum.accumulate(np.where(np.isnan(cells), -1, np.arange(cells.shape[1])), axis=1)
    found = np.take_along_axis(cells, np.maximum(place, 0), axis=1)
    return np.where(np.isnan(found), middle, found)


def scores(of: Mapping[str, Windows], seed: int, effort: Effort) -> Iterator[Score]:
    """A score for each measure, with ceiling, floor and copy."""
    for measure in MEASURES:
        if effort == "quick" and not measure.quick:
            continue
        kept = {role: w.apart() if measure.apart else w for role, w in of.items()}
        least = min(len(w.values) for w in kept.values())
        if least < FEWEST:
            note = f"needs {FEWEST} windows that do not overlap, has {least}"
            yield Score(
                name=measure.name, title=measure.title, metric=measure.name, area="fidelity", better=measure.better, value=None, note=note
            )
            continue
        rng = np.random.default_rng([seed, 19])
        kept = {role: _some(w, least, rng) for role, w in kept.items()}
        real, held = kept["real"], kept["holdout"]
        others = {"ceiling": held, "floor": held.shuffled(rng), "copy": _again(real, rng)}
        if measure.name == "predictive":
            others["ceiling"] = real  # its own windows forecast themselves: the ceiling learns from the training windows
        found = _found(measure, real, others | {"synthetic": kept["synthetic"]}, held, seed)
        yield _score(measure, found.pop("synthetic"), found, real.values.shape)


def measured(of: Mapping[str, Mapping[str, Sequences]], out: Measured, seed: int, effort: Effort) -> None:
    """Add to `out` the figures of each ordered table, by its name, and their means over the tables; tables without windows are skipped."""
    found: dict[str, list[Score]] = {m.name: [] for m in MEASURES}
    for table, parts in of.items():
        cut = windows(parts, seed)
        if cut is None:
            out.skipped.setdefault(KIND, []).append(table)
            continue
        mine = out.by_view[KIND, table] = list(scores(cut, seed, effort))
        for score in mine:
            found[score.name].append(score)
    for measure in MEASURES:
        if several := found[measure.name]:
            about = About(title=measure.title, definition=measure.definition, source=measure.source)
            out.scores.append(several[0] if len(several) == 1 else merged([(1.0, s) for s in several], about))


def _again(of: Windows, rng: np.random.Generator) -> Windows:
    chosen = rng.integers(len(of.values), size=len(of.values))
    return Windows(of.values[chosen], of.owner[chosen], of.alone[chosen])


def _found(measure: Measure, real: Windows, others: Mapping[str, Windows], held: Windows, seed: int) -> dict[str, Finding]:
    """The figure of each of `others`, with the interval of drawing other owners: a group of either table's left out at a time."""
    mine, fresh = (_pieces(measure.seen(w.values), w.owner) for w in (real, held))
    known = [measure.held(piece) for piece in mine]
    out = {}
    for role, made in others.items():
        pieces = zip(known, _pieces(measure.seen(made.values), made.owner), fresh, strict=True)
        whole, *left = (measure.of(*piece, np.random.default_rng([seed, *measure.name.encode()])) for piece in pieces)
        low, high = around(whole, float(jackknife(np.array(left))), least=0.0)
        out[role] = Finding(name=measure.name, value=whole, low=low, high=high)
    return out


def _pieces(values: np.ndarray, owner: np.ndarray) -> list[np.ndarray]:
    """All windows, and then all but those of one group of owners after the other."""
    return [values, *(values[owner % GROUPS != group] for group in range(GROUPS))]


def _score(measure: Measure, main: Finding, known: Mapping[str, Finding], shape: tuple[int, ...]) -> Score:
    about = About(title=measure.title, definition=measure.definition, source=measure.source)
    worst = zero(about, measure.better, dict(known))

    def ends(role: str) -> Any:
        return (known[role].low, known[role].high)

    detail = {"synthetic": {"windows": shape[0], "length": shape[1], "columns": shape[2]}}
    return Score(
        name=measure.name, title=measure.title, metric=measure.name, area="fidelity", better=measure.better,
        value=main.value, low=main.low, high=main.high, ceiling=known["ceiling"].value, ceiling_interval=ends("ceiling"),
        floor=known["floor"].value, floor_interval=ends("floor"), copy=known["copy"].value,
        zero=worst, zero_interval=ends(worst) if worst else None, detail=detail,
    )  # fmt: skip


def definitions(shown: Collection[str]) -> list[dict[str, Any]]:
    """What the figures `shown` mean, as the report has it."""
    return [_definition(m) for m in MEASURES if m.name in shown]


def _definition(measure: Measure) -> dict[str, Any]:
    text = f"Windows of up to {LENGTH} rows of one owner, numbers only, in units of the real columns' ranges. {measure.definition}"
    facts = {"area": "fidelity", "better": measure.better, "against": "train", "rows": MOST, "control_rows": MOST}
    return {"name": measure.name, "kind": "metric", "title": measure.title, "text": text, "source": measure.source} | facts
