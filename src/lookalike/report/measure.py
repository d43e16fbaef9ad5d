"""No number alone: every metric is run on the synthetic table and, by the same code and on as many rows, on four controls.

The ceiling is fresh real rows, the copy is the training rows themselves, the floor has perfect columns and no dependence, and the uniform
table knows nothing but ranges. What chance alone makes two samples differ by is in all of them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Literal

import numpy as np

from lookalike import metrics
from lookalike.compare.about import About, Context, Finding, Metric
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame
from lookalike.compare.stats import Z, false_discovery, variance
from lookalike.score import Score, Zero

Effort = Literal["quick", "standard"]

NO_HOLDOUT = "fresh rows cannot be told from copied ones"
DRAW_ROWS, DEAR_ROWS, UNIFORM_ROWS = 10_000, 2_000, 2_000
"""Rows of further draws (fewer where a metric is so dear that its controls have fewer too), and of the uniform table, at most: draws show
only how much they differ, and the uniform table how bad bad is."""
CLEARLY = 3.0
"""Standard errors by which a control must be worse than the ceiling to be the zero of a skill."""
RATE, LISTED = 0.05, 100
"""False discovery rate of what is flagged, and how many are listed."""


@dataclass(frozen=True)
class Stage:
    """The tables that are compared. `given`: the holdout is real; else `train` and `holdout` are halves of `real`, and `why` says why.

    `draws`: further tables of the model that made `synthetic`. `protected`: columns whose groups are to be treated alike.
    `across`: the part each column comes from, where only pairs of two parts are of interest.
    """

    real: Frame
    train: Frame
    holdout: Frame
    synthetic: Frame
    floor: Frame
    given: bool
    target: str | None = None
    uniform: Frame | None = None
    draws: tuple[Frame, ...] = ()
    protected: tuple[str, ...] = ()
    across: Mapping[str, str] | None = None
    why: str = "no holdout was given"


Kept = dict[tuple[str, str, int], dict[str, Finding]]
"""What controls scored, by metric, role and rows: the same for every synthetic table."""


def stage(frames: Mapping[str, Frame], *, target: str | None, rng: np.random.Generator, protected: tuple[str, ...] = ()) -> Stage:
    """Set the stage; without a holdout, the real table is halved. Frames named `draw 1`, `draw 2` … are further draws."""
    real, given = frames["real"], "holdout" in frames
    train, held = (real, frames["holdout"]) if given else real.halves(rng)
    draws = tuple(f for name, f in frames.items() if name.startswith("draw "))
    floor, flat = train.independent(rng), uniform(train, UNIFORM_ROWS, rng)
    return Stage(real, train, held, frames["synthetic"], floor, given, target, flat, draws, protected)


def uniform(real: Frame, rows: int, rng: np.random.Generator) -> Frame:
    """Rows that know only the range of each column of `real`, its levels, and how often it is missing."""
    values = {}
    for column in real.columns:
        name, missing = column.name, real.missing(column.name)
        seen, gone = real[name][~missing], rng.random(rows) < (missing.mean() if real.rows else 1.0)
        if real.is_label(name):
            levels = np.unique(seen)
            values[name] = np.where(gone, -1, rng.choice(levels, rows) if len(levels) else -1).astype(np.int32)
            continue
        drawn = rng.uniform(seen.min(), seen.max(), rows) if len(seen) else np.full(rows, np.nan)
        values[name] = np.where(gone, np.nan, drawn if column.kind == "number" else np.rint(drawn))
    return Frame(real.columns, values, real.levels, rows)


def chosen(effort: Effort, own: Sequence[Metric] = ()) -> dict[str, ModuleType | Metric]:
    """The metrics that are run, by name: those of the folder that the effort allows, and the caller's own."""
    found = {n: metrics.load(n) for n in metrics.names()}
    return {n: m for n, m in found.items() if effort == "standard" or m.ABOUT.quick} | {m.name: m for m in own}


def scores(setting: Stage, seed: int, *, effort: Effort = "quick", kept: Kept | None = None) -> Iterator[tuple[str, list[Score]]]:
    """Each metric's name with its scores; the same seed gives the same numbers, whatever other metrics and tables there are."""
    kept = {} if kept is None else kept
    for name in chosen(effort):
        yield name, trial(name, setting, seed=seed, kept=kept)


def trial(
    metric: str | Metric, setting: Stage, *, seed: int, kept: Kept | None = None, before: Callable[[], None] = lambda: None
) -> list[Score]:
    """The scores of a metric of the folder, or of the caller's; `kept` remembers what controls scored, `before` each run it may stop."""
    with one_thread():
        return _Trial(metric, setting, seed, {} if kept is None else kept, before).scores()


class _Trial:
    """One metric on the synthetic table and its controls."""

    def __init__(self, metric: str | Metric, setting: Stage, seed: int, kept: Kept, before: Callable[[], None]) -> None:
        self.s, self.seed, self.kept, self.before = setting, seed, kept, before
        self.name = metric if isinstance(metric, str) else metric.name
        self.module: ModuleType | Metric = metrics.load(metric) if isinstance(metric, str) else metric
        self.about: About = self.module.ABOUT
        about, s = self.about, setting
        learned = about.against == "train"
        real, self.fresh_rows = (s.train, s.holdout) if learned else (s.holdout, s.train)
        if about.fresh and not s.given:
            real = s.real
        self.real = real.cut(about.real_rows, self._rng("real"))
        self.rows = min(s.synthetic.rows, self.fresh_rows.rows, about.rows)
        self.control = min(self.rows, about.control_rows)

    def _rng(self, role: str) -> np.random.Generator:
        """Each role has random numbers of its own, so that none changes with the others."""
        return np.random.default_rng([self.seed, *self.name.encode(), *role.encode()])

    def _run(self, role: str, other: Frame, rows: int, *, fresh: Frame | None = None, explain: bool = False) -> dict[str, Finding]:
        self.before()
        rng, s = self._rng(role), self.s
        fresh = s.holdout if fresh is None and self.about.fresh and s.given else fresh
        context = Context(rng, fresh, s.target, explain, s.protected, s.train if s.given else s.real, s.across)
        try:
            found = self.module.measure(self.real, other.cut(rows, rng), context=context)
        except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
            # A table that one metric stumbles over must not cost the reader all the others.
            found = [Finding(name=self.name, value=None, note=f"could not be computed: {type(error).__name__}: {error}")]
        return {f.name: f for f in found}

    def _control(self, role: str, other: Frame, rows: int, *, fresh: Frame | None = None) -> dict[str, Finding]:
        key = (self.name, role, rows)
        if key not in self.kept:
            self.kept[key] = self._run(role, other, rows, fresh=fresh)
        return self.kept[key]

    def scores(self) -> list[Score]:
        """A score for each finding of the metric."""
        s, about, rows = self.s, self.about, self.control
        main = self._run("synthetic", s.synthetic, self.rows, explain=True)
        roles = {"floor": self._control("floor", self._floor(), rows), "ceiling": self._ceiling()}
        if s.uniform is not None:
            roles["uniform"] = self._control("uniform", s.uniform, min(rows, UNIFORM_ROWS))
        if about.against == "train":
            again = s.train if s.given or not about.fresh else s.real
            roles["copy"] = self._control("copy", _repeated(again, rows, self._rng("repeat")), rows)
        else:
            roles["copy"] = roles["ceiling"]  # both are training rows
        draws = self._draws(main)
        return [self._score(found, {r: f[name] for r, f in roles.items() if name in f}, draws) for name, found in main.items()]

    def _floor(self) -> Frame:
        """Perfect columns, no dependence. Where rows have owners, of fresh ones: other owners differ by more than other rows, so that the
        training rows' own columns would be better than perfect."""
        return self.s.floor if self.s.real.owner is None else self.fresh_rows.independent(self._rng("floor rows"))

    def _ceiling(self) -> dict[str, Finding]:
        if not self.about.fresh:
            return self._control("ceiling", self.fresh_rows, self.control)
        if not self.s.given:
            return {}
        # Fresh rows to compare with must not be those that are judged.
        judged, others = self.s.holdout.halves(self._rng("halves"))
        return self._control("ceiling", judged, self.control, fresh=others)

    def _draws(self, main: dict[str, Finding]) -> list[dict[str, Finding]]:
        """The table and further draws of its model on equally many rows."""
        if not self.s.draws or not self.about.quick or all(f.value is None for f in main.values()):
            return []
        dear = self.about.control_rows < self.about.rows
        rows = min(self.control, DEAR_ROWS if dear else DRAW_ROWS, *(d.rows for d in self.s.draws))
        first = main if rows == self.rows else self._run("draw 0", self.s.synthetic, rows)
        return [first, *(self._run(f"draw {i}", d, rows) for i, d in enumerate(self.s.draws, start=1))]

    def _score(self, main: Finding, found: dict[str, Finding], draws: list[dict[str, Finding]]) -> Score:
        about = self.about
        known = {r: f for r, f in found.items() if f.value is not None}
        better = main.better or self.module.BETTER
        worthless = zero(about, better, known)
        mates = [d[main.name] for d in draws if main.name in d and d[main.name].value is not None]
        low, high = _widened(main, mates, about.unit)
        lacking = about.fresh and "ceiling" not in found and (main.value is not None or not self.s.given)
        # The tests take rows for independent draws: where an owner has several, they would find differences that are chance.
        tests = {} if self.real.owner is not None else main.tests
        tested = _flagged(tests)
        return Score(
            name=main.name,
            title=main.title or about.title,
            metric=self.name,
            area=about.area,
            unit=about.unit,
            better=better,
            value=main.value,
            low=low,
            high=high,
            ceiling=_value(known.get("ceiling")),
            ceiling_interval=_interval(known.get("ceiling")),
            floor=_value(known.get("floor")),
            floor_interval=_interval(known.get("floor")),
            copy=_value(known.get("copy")),
            uniform=_value(known.get("uniform")),
            zero=worthless,
            zero_interval=_interval(known[worthless]) if worthless else None,
            draws=_shown(main, mates),
            tested=len(tests),
            flagged=tested,
            note="; ".join(n for n in (f"{self.s.why}: {NO_HOLDOUT}" * lacking, main.note) if n),
            detail={"synthetic": main.detail} | ({"ceiling": known["ceiling"].detail} if "ceiling" in known else {}),
        )


def _repeated(frame: Frame, rows: int, rng: np.random.Generator) -> Frame:
    """What a model that remembers and nothing else would give: rows drawn with repetition."""
    return frame.again(rows, rng)


def _value(found: Finding | None) -> float | None:
    return None if found is None else found.value


def _interval(found: Finding | None) -> tuple[float, float] | None:
    return None if found is None or found.low is None or found.high is None else (found.low, found.high)


def zero(about: About, better: str, known: dict[str, Finding]) -> Zero | None:
    """The control that counts as worthless: it must be clearly worse than the ceiling."""
    ceiling = known.get("ceiling")
    candidates: tuple[Zero, ...] = ("copy",) if about.area == "privacy" else ("floor", "uniform")
    if ceiling is None or ceiling.value is None:
        return None
    for role in candidates:
        control = known.get(role)
        if control is None or control.value is None:
            continue
        gap = control.value - ceiling.value
        worse = abs(gap) if better == "target" else gap if better == "lower" else -gap
        if worse > max(1e-9, CLEARLY * _noise(ceiling, control)):
            return role
    return None


def _noise(a: Finding, b: Finding) -> float:
    return float(sum(variance(f.value, (f.low, f.high)) for f in (a, b) if f.value is not None) ** 0.5)


def _widened(main: Finding, draws: list[Finding], unit: str) -> tuple[float | None, float | None]:
    """The interval, wider where draws of one model differ by more than their rows explain."""
    if main.value is None or main.low is None or main.high is None or len(draws) < 3:
        return main.low, main.high
    values = np.array([d.value for d in draws], float)
    within = float(np.mean([variance(float(d.value or 0.0), (d.low, d.high)) for d in draws]))
    extra = Z * Z * max(0.0, float(values.var(ddof=1)) - within)
    low = main.value - ((main.value - main.low) ** 2 + extra) ** 0.5
    high = main.value + ((main.high - main.value) ** 2 + extra) ** 0.5
    most = 100.0 if unit == "%" else 1.0
    return (max(0.0, low) if main.low >= 0 else low), (min(most, high) if main.high <= most else high)


def _shown(main: Finding, draws: list[Finding]) -> tuple[float, ...]:
    """The figure for the table, and for further draws, moved by what fewer rows make of it."""
    if main.value is None or not draws:
        return ()
    values = np.array([d.value for d in draws], float)
    return tuple(float(v) for v in main.value + values - values[0])


def _flagged(tests: Mapping[str, float]) -> tuple[dict[str, Any], ...]:
    """What differs among many things tested together, the surest first."""
    names, p = list(tests), np.array(list(tests.values()), float)
    if not names:
        return ()
    q = false_discovery(p)
    order = [int(i) for i in np.lexsort((np.arange(len(p)), p)) if q[i] <= RATE]
    return tuple({"name": names[i], "p": float(p[i]), "q": float(q[i])} for i in order[:LISTED])


def swapped(setting: Stage, synthetic: Frame) -> Stage:
    """The same stage for another synthetic table, of whose model nothing is known."""
    return replace(setting, synthetic=synthetic, draws=())
