"""Metrics and attacks side by side on the cores there are; each has random numbers of its own, so that their order changes nothing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from lookalike.compare.boost import one_thread
from lookalike.protocol import OnStep, Step
from lookalike.report import measure
from lookalike.report.attacked import attacked
from lookalike.report.plan import Plan
from lookalike.score import Score

MOST = 4
"""Metrics at a time: each holds tables of its own."""


class Steps:
    """Counts what has been done, and tells of it."""

    def __init__(self, on_step: OnStep, total: int) -> None:
        self.on_step, self.total, self.done = on_step, total, -1

    def __call__(self, note: str) -> None:
        self.done = min(self.done + 1, self.total)
        self.on_step(Step(self.done, self.total, note))


def side_by_side(
    setting: measure.Stage,
    plan: Plan,
    kept: measure.Kept,
    steps: Steps,
    *,
    offers: dict[str, Any],
    subjects: measure.Stage | None = None,
) -> tuple[list[Score], list[dict[str, Any]]]:
    """All scores and all attacks; a step is told before each result is waited for.

    `subjects`: whole subjects a row each, on whom copies, nearness and attacks are judged instead of on single rows.
    """
    stopped = Event()

    def look(*_: object) -> None:
        if stopped.is_set():
            raise CancelledError

    with one_thread(), undisturbed():  # all workers' libraries keep to one thread each, whichever of them ends first
        pool = ThreadPoolExecutor(min(MOST, os.cpu_count() or 1))
        try:
            whole = subjects or setting
            raids = pool.submit(attacked, whole, seed=plan.seed, effort=plan.effort, on_step=look, own=plan.attacks, **offers)
            own = {m.name: m for m in plan.metrics}
            tasks = []
            for name, metric in measure.chosen(plan.effort, plan.metrics).items():
                stage = whole if metric.ABOUT.area == "privacy" else setting
                task = pool.submit(measure.trial, own.get(name, name), stage, seed=plan.seed, kept=kept, before=look)
                tasks.append((metric.ABOUT.title.lower(), task))
            found: list[Score] = []
            for title, task in tasks:
                steps(title)
                found += task.result()
            steps("attacks")
            return found, raids.result()
        finally:
            stopped.set()  # after an error, or Ctrl-C, what still runs ends at its next step
            pool.shutdown(cancel_futures=True)


UNFOUNDED = "`sklearn.utils.parallel.delayed` should be used"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back a warning that is none, and leave the list of filters as it was.

    scikit-learn empties the list of warning filters, which all threads share, for a moment; if another of its threads looks just then, it
    warns that it was called wrongly, and may put back the wrong list.
    """
    heard: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as log:
            heard = log
            yield
    finally:
        for w in heard:
            if UNFOUNDED not in str(w.message):
                warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
