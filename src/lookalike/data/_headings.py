"""A header of two lines: names of groups of columns, each once with blank cells after it, above the names of the columns."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import formats
from lookalike.data.detect import MISSING_AMONG_NUMBERS
from lookalike.data.source import Source
from lookalike.errors import DataError

__all__ = ["refuse_two"]

ROWS = 20
"""Rows below the second line that are looked at."""
_NAME, _NUMBER = re.compile(r"[^\W\d_].*"), r"^\s*[-+]?[\d.,]*\d\s*$"


def refuse_two(source: Source) -> None:
    """Refuse a table of text, some of whose columns have no name, where the first row names the columns.

    That is so where its cells are words, no two of them the same, and numbers stand below two of them at least.

    Raises:
        DataError: it is so.
    """
    nameless = {name for at, name in enumerate(source.schema.names, start=1) if name == f"column_{at}"}
    if not nameless or not any(map(formats.is_text, source.schema.types)):
        return
    batch = next(iter(source.batches()), None)
    if batch is None or batch.num_rows < 3:
        return
    first = [str(c[0].as_py() or "").strip() for c in batch.columns]
    known = [name for name in first if name]
    words = all(map(_NAME.fullmatch, known)) and not set(known) & set(MISSING_AMONG_NUMBERS)
    if not words or len(set(known)) < len(known) or len(known) < len(first) - 1:
        return
    below = [c.slice(1, ROWS) for c in batch.columns if formats.is_text(c.type)]
    if sum(map(_numbers, below)) >= 2:
        groups = [name for name in batch.schema.names if name not in nameless]
        what = f"the header has two lines: the first names groups of columns ({_some(groups)}), the second the columns ({_some(known)})"
        raise DataError(what, where=source.where, fix="remove the first line, or make one name of the two for each column")


def _numbers(cells: pa.Array) -> bool:
    """Whether cells that are not blank are numbers, and some are there."""
    there = cells.drop_null().cast(pa.string())
    there = there.filter(pc.not_equal(there, ""))
    return len(there) > 0 and bool(pc.all(pc.match_substring_regex(there, _NUMBER)).as_py())


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (" …" if len(names) > 3 else "")
