"""What a plan asked of rows, and what was achieved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Account", "Line"]


@dataclass(frozen=True)
class Line:
    """One thing that was asked, and what came of it."""

    what: str
    asked: str
    achieved: str
    met: bool = True

    def to_json(self) -> dict[str, Any]:
        """The line as JSON values."""
        return {"what": self.what, "asked": self.asked, "achieved": self.achieved, "met": self.met}


@dataclass(frozen=True)
class Account:
    """What a plan asked and what was achieved. tried: rows that the model drew under the conditions; obeyed: those that met all the rest of
    the plan; kept: those that are given out."""

    lines: tuple[Line, ...]
    tried: int
    obeyed: int
    kept: int
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> float:
        """Share of the rows tried that obeyed."""
        return self.obeyed / max(self.tried, 1)

    def to_json(self) -> dict[str, Any]:
        """The account as JSON values."""
        lines = [line.to_json() for line in self.lines]
        counts = {"tried": self.tried, "obeyed": self.obeyed, "kept": self.kept, "accepted": round(self.accepted, 6)}
        return {"lines": lines, **counts, "notes": list(self.notes)}

    def text(self) -> str:
        """The account in lines of text."""
        width = max((len(line.what) for line in self.lines), default=0)
        told = [f"{'✓' if line.met else '✗'} {line.what:<{width}}  asked {line.asked}, got {line.achieved}" for line in self.lines]
        told.append(f"{self.kept:,} rows; of {self.tried:,} that were tried {100 * self.accepted:.3g} % obeyed")
        return "\n".join([*told, *(f"note: {note}" for note in self.notes)])
