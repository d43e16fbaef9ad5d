"""Lines of Markdown tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

Results = dict[str, Any]
"""What a file of `benchmarks/results` holds: cells by `table/tool`, and a few more."""


def figure(value: float | None, digits: int) -> str:
    """A number with thousands separators, or a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def row(cells: list[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def head(names: tuple[str, ...], left: int) -> list[str]:
    """The two first lines of a Markdown table; the columns after the first `left` hold numbers."""
    return [row(list(names)), row(["---"] * left + ["--:"] * (len(names) - left))]


APART = "measured on different machines"


def same(*cells: Results) -> bool:
    """Whether the seconds of these cells may be compared: they were measured on one machine, by as many of its cores."""
    return len({cell.get("machine") for cell in cells}) <= 1


class Origins:
    """When and on which machine cells were measured: once for those of the commonest day and machine, by a mark for each other one."""

    def __init__(self, cells: Iterable[Any]) -> None:
        found = Counter((c["date"], c["machine"]) for c in cells if isinstance(c, dict) and "machine" in c)
        self.known = [origin for origin, _ in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))]

    def mark(self, *cells: Results) -> str:
        """What stands behind the name of a line: nothing, or the numbers of other days and machines."""
        at = sorted({self.known.index((c["date"], c["machine"])) for c in cells if "machine" in c} - {0})
        return f" [{', '.join(map(str, at))}]" if at else ""

    def told(self) -> str:
        """The sentence above the tables."""
        where = [f"{date} on {machine}" for date, machine in self.known]
        others = "".join(f"; [{n}] {origin}" for n, origin in enumerate(where[1:], 1))
        return f"Measured {where[0] if where else 'nothing yet'}{others}."
