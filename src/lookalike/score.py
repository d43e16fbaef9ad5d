"""No number alone: a value beside what real data would score (ceiling), what independence would score (floor), and an interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Better = Literal["higher", "lower", "target"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One measured quantity.

    `value` is for the synthetic table, `ceiling` for real rows that the model never saw (the holdout), `floor` for a
    table in which every column is drawn on its own. `low`, `high` bound `value` with 95 % confidence. `better="target"`
    means that the ceiling itself is the aim, neither more nor less. None means: not computed; `note` says why.
    """

    name: str
    value: float | None
    better: Better
    unit: str = ""
    ceiling: float | None = None
    floor: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def skill(self) -> float | None:
        """(value − floor) / (ceiling − floor): 1 is as good as real rows, 0 as bad as independent columns."""
        if self.value is None or self.ceiling is None or self.floor is None or self.ceiling == self.floor:
            return None
        return (self.value - self.floor) / (self.ceiling - self.floor)
