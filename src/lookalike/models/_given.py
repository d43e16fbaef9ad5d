"""Missing values drawn given all the rest of a row: what models that draw any parts given any others share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.encode import Codebook
from lookalike.schema import Schema

__all__ = ["either", "filled_in"]


def filled_in(
    table: pa.Table, columns: Sequence[str], *, schema: Schema, codebook: Codebook, draw: Callable[[np.ndarray, np.ndarray], pa.Table]
) -> pa.Table:
    """`table` (canonical) with the missing values of `columns` drawn.

    draw: (codes [n, parts], known bool [n, parts]) → a canonical table of the same rows, drawn where not known.

    Raises:
        UnknownName: there is no such column.
    """
    wanted = {schema.column(name)[1].name for name in columns}
    owners, names = codebook.owners, schema.table.names
    codes = codebook.encode(table).codes.T.copy()
    lacking = {name: pc.is_null(table[name]).combine_chunks() for name in wanted}
    known = np.ones(codes.shape, bool)
    for p, owner in enumerate(owners):
        if names[owner] in wanted:
            known[:, p] = ~lacking[names[owner]].to_numpy(zero_copy_only=False)
    drawn = draw(codes, known)
    for name in wanted:
        at = names.index(name)
        table = table.set_column(at, table.schema.field(at), either(lacking[name], drawn[name], table[name]))
    return table


def either(choose: pa.Array, yes: pa.ChunkedArray, no: pa.ChunkedArray) -> pa.ChunkedArray:
    """`yes` where `choose`, else `no`; of the type of `no`."""
    if not pa.types.is_dictionary(no.type):
        return pc.if_else(choose, yes.cast(no.type), no)
    plain = pc.if_else(choose, yes.cast(no.type.value_type), no.cast(no.type.value_type))
    return plain.cast(no.type)
