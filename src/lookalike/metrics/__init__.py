"""Metrics, one a file: each compares a table of real rows with another table of the same columns.

A module here *is* a metric. It exposes `ABOUT` (what it measures, in words, with its source, and against which rows),
`BETTER` (`higher`, `lower` or `target`) and `measure(real, other, *, context) -> list[Finding]`. The report's harness runs it on
the synthetic table, on fresh real rows and on an independent table; a metric knows nothing of these roles.
"""

from __future__ import annotations

from types import ModuleType

from lookalike import _folder


def names() -> tuple[str, ...]:
    """Names of all metrics, in the order in which a report shows them."""
    return tuple(sorted(_folder.names(__name__), key=lambda name: (load(name).ABOUT.rank, name)))


def load(name: str) -> ModuleType:
    """The metric `name`.

    Raises:
        UnknownName: there is no such metric; names the near matches.
    """
    return _folder.load(__name__, name)
