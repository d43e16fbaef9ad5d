"""What is publicly known of a table's columns, as every tool is told it. Needs nothing but pandas: it runs in each tool's environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One column: bounds if it holds numbers, all labels if it holds categories."""

    kind: str
    """integer, number or category."""
    nullable: bool = False
    low: float = 0.0
    high: float = 0.0
    decimals: int = 0
    levels: tuple[str, ...] = ()
    why: str = ""
    """Where a bound is from."""

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.kind != "category"

    def grid(self, most: int) -> tuple[float, float, int]:
        """Lower edge, upper edge and number of bins of equal width; integers that have no more than `most` values get a bin each."""
        values = self.high - self.low + 1
        if self.kind == "integer" and values <= most:
            return self.low - 0.5, self.high + 0.5, int(values)
        return self.low, self.high, most


def load(path: Path) -> dict[str, Fact]:
    """The facts of a table by column, in the order of the columns."""
    columns = json.loads(path.read_text(encoding="utf-8"))["columns"]
    return {name: Fact(**{**known, "levels": tuple(known.get("levels", ()))}) for name, known in columns.items()}


def read(path: Path, facts: dict[str, Fact]) -> pd.DataFrame:
    """The table with categories as text, whatever they look like; only the empty cell is missing."""
    import pandas as pd

    text = {name: str for name, fact in facts.items() if not fact.numeric}
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=text, low_memory=False)[list(facts)]


def tidy(frame: pd.DataFrame, facts: dict[str, Fact]) -> pd.DataFrame:
    """Synthetic rows with the public decimals: numbers that carry more would give a tool away that binned them."""
    import pandas as pd

    out = frame[list(facts)].copy()
    for name, fact in facts.items():
        if fact.numeric:
            values = pd.to_numeric(out[name], errors="coerce").astype(float).clip(fact.low, fact.high).round(fact.decimals)
            out[name] = values.astype("Int64") if fact.decimals == 0 else values
    return out
