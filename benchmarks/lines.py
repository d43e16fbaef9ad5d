"""Lines of Markdown tables."""

from __future__ import annotations

from typing import Any

Results = dict[str, Any]
"""What `results.json` holds: cells by `table/tool`, and a few more."""


def figure(value: float | None, digits: int) -> str:
    """A number with thousands separators, or a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def row(cells: list[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def head(names: tuple[str, ...], left: int) -> list[str]:
    """The two first lines of a Markdown table; the columns after the first `left` hold numbers."""
    return [row(list(names)), row(["---"] * left + ["--:"] * (len(names) - left))]
