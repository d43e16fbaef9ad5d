"""What a metric says of itself (`About`), what it found (`Finding`), and what it is given besides two frames (`Context`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.score import Better

Area = Literal["fidelity", "diversity", "utility", "fairness", "privacy"]


@dataclass(frozen=True, kw_only=True)
class About:
    """A metric in words, and how the harness has to run it.

    `rank` orders metrics in a report, the least first; `area` is the section it stands in.
    `against` names the real rows that take the place of `real`: those the model learned from, or those it never saw.
    `fresh`: the metric also reads `context.fresh`, real rows of the same law that are in neither table.
    `quick`: cheap enough for the quick report (and for `make`); else it waits for the standard one.
    `real_rows`, `rows` and `control_rows` cap the rows of the real table, of the synthetic table, and of the ceiling's and floor's.
    """

    title: str
    definition: str
    source: str
    unit: str = ""
    rank: int = 100
    area: Area = "fidelity"
    quick: bool = True
    against: Literal["train", "holdout"] = "train"
    fresh: bool = False
    real_rows: int = 100_000
    rows: int = 100_000
    control_rows: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One quantity found: its 95 % interval, and JSON-able detail. A `value` of None was not computed; `note` says why.

    `better` overrules the metric's own direction for this quantity. `tests` are p-values of many things tested together (a column,
    a pair: "age × pay"); the harness corrects them for their number and names those that differ.
    """

    name: str
    title: str = ""
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    better: Better | None = None
    tests: Mapping[str, float] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)


class Metric(Protocol):
    """What a metric of the caller's own has; those of the folder have it as modules, whose file names them.

    `measure` gets two frames of the same columns, and is called from several threads. It knows nothing of which is which: the harness
    gives it the synthetic table, fresh real rows, shuffled columns and copies, one after the other.
    """

    name: str
    ABOUT: About
    BETTER: Better

    def measure(self, real: Frame, other: Frame, *, context: Context) -> list[Finding]:
        """What was found, the same names each time; ValueError or ArithmeticError where it cannot be computed."""
        ...


@dataclass(frozen=True)
class Context:
    """What a metric may use besides its two frames.

    `explain`: detail that costs time is wanted. `protected`: names of the columns whose groups must be treated alike. `train`: the
    rows that the model learned from, whatever plays `real`. `across`: the part that each column comes from (a table, an earlier row);
    what looks at pairs then looks only at those of two parts.
    """

    rng: np.random.Generator
    fresh: Frame | None = None
    target: str | None = None
    explain: bool = False
    protected: tuple[str, ...] = ()
    train: Frame | None = None
    across: Mapping[str, str] | None = None
