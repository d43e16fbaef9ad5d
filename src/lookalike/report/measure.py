"""No number alone: every metric is run on the synthetic table, on fresh real rows (ceiling) and on an independent table (floor).

All three have the same number of rows, so that their sampling noise is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from lookalike import metrics
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame
from lookalike.score import Score

NO_HOLDOUT = "no holdout was given: fresh rows cannot be told from copied ones"


@dataclass(frozen=True)
class Stage:
    """The four tables that are compared. `given`: the holdout is real; else `train` and `holdout` are halves of `real`."""

    real: Frame
    train: Frame
    holdout: Frame
    synthetic: Frame
    floor: Frame
    given: bool
    target: str | None = None


def stage(frames: Mapping[str, Frame], *, target: str | None, rng: np.random.Generator) -> Stage:
    """Set the stage; without a holdout, the real table is halved."""
    real, given = frames["real"], "holdout" in frames
    train, held = (real, frames["holdout"]) if given else real.halves(rng)
    return Stage(real, train, held, frames["synthetic"], train.independent(rng), given, target)


def scores(setting: Stage, seed: int) -> Iterator[tuple[str, list[Score]]]:
    """Each metric's name with its scores; the same seed gives the same numbers, whatever other metrics there are."""
    for name in metrics.names():
        module = metrics.load(name)
        rng = np.random.default_rng([seed, *name.encode()])
        yield name, _compare(module, setting, rng)


def _compare(module: ModuleType, setting: Stage, rng: np.random.Generator) -> list[Score]:
    with one_thread():
        runs = {role: module.measure(real, other, context=context) for role, real, other, context in _roles(module.ABOUT, setting, rng)}
    return [_score(module, {role: findings[i] for role, findings in runs.items()}) for i in range(len(runs["synthetic"]))]


def _roles(about: About, s: Stage, rng: np.random.Generator) -> Iterator[tuple[str, Frame, Frame, Context]]:
    """What plays `real` and `other` for the synthetic table, the ceiling and the floor."""
    learned = about.against == "train"
    real, ceiling = (s.train, s.holdout) if learned else (s.holdout, s.train)
    if about.fresh and not s.given:
        real = s.real
    real = real.cut(about.real_rows, rng)
    plain = Context(rng, target=s.target)
    rows = min(s.synthetic.rows, ceiling.rows, about.rows)
    control = min(rows, about.control_rows)
    fresh = replace(plain, fresh=s.holdout) if about.fresh and s.given else plain
    yield "synthetic", real, s.synthetic.cut(rows, rng), replace(fresh, explain=True)
    yield "floor", real, s.floor.cut(control, rng), fresh
    if about.fresh and s.given:
        # Fresh rows to compare with must not be those that are judged.
        judged, others = s.holdout.halves(rng)
        yield "ceiling", real, judged.cut(control, rng), replace(plain, fresh=others)
    elif not about.fresh:
        yield "ceiling", real, ceiling.cut(control, rng), plain


def _score(module: ModuleType, found: dict[str, Finding]) -> Score:
    about: About = module.ABOUT
    main = found["synthetic"]
    detail: dict[str, Any] = {"title": main.title or about.title, "synthetic": main.detail}
    for role in ("ceiling", "floor"):
        if role in found and found[role].value is not None:
            detail[f"{role}_interval"] = [found[role].low, found[role].high]
    if "ceiling" in found:
        detail["ceiling"] = found["ceiling"].detail
    note = main.note if main.value is None or "ceiling" in found else "; ".join(n for n in (NO_HOLDOUT, main.note) if n)
    return Score(
        name=main.name,
        value=main.value,
        better=module.BETTER,
        unit=about.unit,
        ceiling=found["ceiling"].value if "ceiling" in found else None,
        floor=found["floor"].value,
        low=main.low,
        high=main.high,
        note=note,
        detail=detail,
    )
