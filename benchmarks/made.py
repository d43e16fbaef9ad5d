"""Tables of any size for `scale.py`: rows of a census drawn again with jitter, and beside them columns that are made up.

The first columns are Adult's: whole rows, with noise on their numbers. The others are of ten kinds in turn, each of which hangs on
one or two of a few hidden factors of the row, one of which is the row's age. A table is written a piece at a time, in little memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PIECE = 200_000
"""Rows made at a time."""
FACTORS = 6
JITTER = {"age": 1.0, "hours_per_week": 1.0}
"""Standard deviation of the noise on a number; the weight of a row is multiplied."""

Column = Callable[[np.random.Generator, np.ndarray, np.ndarray, int], Any]
"""A made-up column from random numbers, two factors of each row, and its number."""


def _amount(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Money with two decimals, a third of it zero."""
    return np.where(a + rng.normal(size=len(a)) < -0.6, 0.0, np.round(np.exp(3 + 0.8 * b + 0.5 * rng.normal(size=len(a))), 2))


def _measure(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """A measurement with three decimals."""
    return np.round(20 + 4 * a - 2 * b + rng.normal(size=len(a)), 3)


def _count(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """How often something happened."""
    return rng.poisson(np.exp(0.5 + 0.6 * a))


def _grade(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> pa.Array:
    """One of seven names."""
    return _named(np.clip(np.round(3 + a + 0.8 * rng.normal(size=len(a))), 0, 6).astype(np.int32), [f"grade {g}" for g in "ABCDEFG"])


def _code(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> pa.Array:
    """One of 200 codes, some of them common."""
    place = np.minimum(rng.exponential(12 * np.exp(0.5 * b)), 199).astype(np.int32)
    return _named(place, [f"C{k:03d}-{c:03d}" for c in range(200)])


def _flag(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Yes or no."""
    return a - b + rng.normal(size=len(a)) > 1


def _day(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> pa.Array:
    """A date within six years."""
    import pyarrow as pa

    days = 18_000 + np.clip(np.round(1_000 + 400 * a + 200 * rng.normal(size=len(a))), 0, 2_190)
    return pa.array(days.astype(np.int32)).cast(pa.date32())


def _share(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """A share with four decimals."""
    return np.round(1 / (1 + np.exp(-a - 0.7 * b - rng.normal(size=len(a)))), 4)


def _gaps(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> pa.Array:
    """A number with one decimal that is missing in a fifth of the rows, more often where a factor is large."""
    import pyarrow as pa

    return pa.array(np.round(50 + 12 * b + 6 * rng.standard_t(4, len(a)), 1), mask=a + rng.normal(size=len(a)) > 1.2)


def _level(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """A whole number of many digits."""
    return np.round(np.exp(9 + 0.7 * a + 0.3 * rng.normal(size=len(a)))).astype(np.int64)


KINDS: dict[str, Column] = {
    "amount": _amount, "grade": _grade, "measure": _measure, "day": _day, "count": _count, "flag": _flag, "share": _share,
    "code": _code, "gaps": _gaps, "level": _level,
}  # fmt: skip


def _named(place: np.ndarray, names: list[str]) -> pa.Array:
    """Names by their place in a list."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(place), pa.array(names)).dictionary_decode()


def piece(census: pd.DataFrame, rows: int, columns: int, rng: np.random.Generator) -> pa.Table:
    """So many rows of the table of `columns` columns; the first columns are the same in a wider table."""
    import pyarrow as pa

    drawn = census.iloc[rng.integers(0, len(census), rows)].reset_index(drop=True)
    for name, spread in JITTER.items():
        drawn[name] = np.clip(np.round(drawn[name] + spread * rng.normal(size=rows)), census[name].min(), census[name].max()).astype(int)
    drawn["fnlwgt"] = np.round(drawn["fnlwgt"] * np.exp(0.1 * rng.normal(size=rows))).astype(int)
    hidden = rng.normal(size=(FACTORS, rows))
    hidden[0] = (drawn["age"] - census["age"].mean()) / census["age"].std()
    table = pa.Table.from_pandas(drawn.iloc[:, :columns], preserve_index=False).replace_schema_metadata(None)
    made = dict(zip(table.column_names, table.columns, strict=True))
    for k in range(columns - len(made)):
        name = list(KINDS)[k % len(KINDS)]
        made[f"{name}_{k}"] = KINDS[name](rng, hidden[k % FACTORS], hidden[(k // FACTORS + 1) % FACTORS], k)
    return pa.table(made)


def write(census: Path, rows: int, columns: int, out: Path, *, seed: int) -> None:
    """Write a table of that size as Parquet."""
    import pandas as pd
    import pyarrow.parquet as pq

    real = pd.read_csv(census, keep_default_na=False, na_values=[""])
    writer = None
    for start in range(0, rows, PIECE):
        made = piece(real, min(PIECE, rows - start), columns, np.random.default_rng((seed, start)))
        writer = writer or pq.ParquetWriter(out, made.schema, compression="zstd")
        writer.write_table(made)
    if writer is not None:
        writer.close()
