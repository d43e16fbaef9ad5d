"""Keys of several columns of a linked table: rows whose key an earlier row has, and drawing them again."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.models._kin_world import Rows
from lookalike.schema import Table

__all__ = ["apart", "taken"]

TURNS = 20
"""Draws of rows whose key is taken."""


def taken(table: Table, rows: Rows, made: pa.Table | None, copied: Collection[str]) -> np.ndarray:
    """bool [n]: rows whose key, of links and of columns that are drawn, an earlier row has. copied: columns that others tell.

    Keys of links alone are seen to where the links are drawn, and fresh keys have no repeats.
    """
    linking = [k for k in rows.links if set(table.links[k].columns) <= set(table.key)]
    own = [c for c in table.key if all(c not in table.links[k].columns for k in linking)]
    drawn = set() if made is None else set(made.column_names) - set(copied)
    if len(table.key) < 2 or not own or not set(own) <= drawn:
        return np.zeros(rows.n, bool)
    key = np.zeros(rows.n, np.int64)
    for part_of in (*(rows.links[k] for k in linking), *(_numbered(made[c]) for c in own)):
        codes = np.unique(part_of, return_inverse=True)[1]
        key = np.unique(key * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    twice = np.ones(rows.n, bool)
    twice[np.unique(key, return_index=True)[1]] = False
    return twice


def apart(
    made: pa.Table | None, again: Callable[[pa.Table | None], np.ndarray], draw: Callable[[np.ndarray, int], pa.Table]
) -> pa.Table | None:
    """`made`, with the rows that `again` (bool [n]) tells drawn anew by `draw`(their numbers, the turn), TURNS times at most."""
    for turn in range(TURNS):
        twice = np.flatnonzero(again(made))
        if not len(twice):
            break
        at = np.arange(made.num_rows)
        at[twice] = made.num_rows + np.arange(len(twice))
        made = pa.concat_tables([made, draw(twice, turn)]).unify_dictionaries().take(pa.array(at)).combine_chunks()
    return made


def _numbered(values: pa.ChunkedArray) -> np.ndarray:
    """int64 [n]: equal numbers for equal values."""
    plain = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
    coded = pa.chunked_array([plain]) if isinstance(plain, pa.Array) else plain
    return pc.fill_null(coded.combine_chunks().dictionary_encode().indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
