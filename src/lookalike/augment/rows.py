"""Rows as they came and in canonical form, the class of each, and the way back to the kind of frame they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.data import Dataset
from lookalike.errors import DataError, SettingError
from lookalike.schema import Column, Schema, Table

BESIDE = 3
"""Other rows beside those of a class, in what its model learns from: so many times as many."""
DOUBT = 0.3
"""Rows are refused that a classifier is less sure of than of this share of the real rows: near its border a class is drawn too wide."""
MOST_STRATA = 100
"""Classes at most, of target and groups together."""


class Rows:
    """Rows as they came (`X`, `y`), in canonical form (`data`, `table`), and the class of each by target and groups (`codes` int64 [n]).

    `names`: of the classes; `labels` int64 [n]: which of `label_names` the target is; `label_of`: the label of each class.
    """

    def __init__(self, X: Any, y: Any, data: Dataset, groups: tuple[str, ...], classes: Classes) -> None:
        self.X, self.y, self.data, self.groups, self.classes = X, y, data, groups, classes
        self.table = data.table().unify_dictionaries()
        self.codes, self.names = classes.codes, classes.names
        self.label_names, self.label_of = classes.label_names, classes.label_of
        self.labels = self.label_of[self.codes]
        self.counts = np.bincount(self.codes, minlength=len(self.names))
        self.main = int(np.bincount(self.labels).argmax()) if len(self.labels) else 0

    @classmethod
    def of(cls, X: Any, y: Any, groups: Sequence[str] | None) -> Rows:
        """Check and read what was given."""
        data = Dataset.of(_framed(X))
        if y is None and not groups:
            raise SettingError("neither a class (y) nor groups", where="fit_resample", fix="give y, or Augmentation(groups=['region'])")
        if y is not None and len(y) != data.rows:
            raise DataError(f"{len(y):,} classes for {data.rows:,} rows", where="y", fix="give one for each row of X")
        names = tuple(groups or ())
        for name in names:
            data.schema.table[name]
        return cls(X, y, data, names, Classes.of(y, [data.table()[name] for name in names], names))

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, index: np.ndarray) -> Rows:
        """Some of the rows; classes keep their numbers."""
        return Rows(
            _taken(self.X, index),
            None if self.y is None else _taken(self.y, index),
            self.data.take(index),
            self.groups,
            self.classes.take(index),
        )

    def beside(self, c: int, rng: np.random.Generator) -> Dataset:
        """Rows of class `c` and others, a flag before all columns; without the columns of groups, which the class decides."""
        mine, others = np.flatnonzero(self.codes == c), np.flatnonzero(self.codes != c)
        others = rng.permutation(others)[: BESIDE * len(mine)]
        order = rng.permutation(np.concatenate([mine, others]))
        told = self.data.schema.table
        flag = Column(name=self._flag, kind="boolean", nullable=False)
        kept = [column for column in told if column.name not in self.groups]
        table = self.table.select([column.name for column in kept]).take(pa.array(order))
        table = table.add_column(0, flag.name, pa.array(self.codes[order] == c))
        schema = Schema(tables=(Table(name=told.name, columns=(flag, *kept)),))
        return Dataset.from_arrow({told.name: table}, schema)

    @property
    def _flag(self) -> str:
        name = "class"
        while name in self.data.schema.table.names:
            name += "_"
        return name

    def of_class(self, drawn: pa.Table, c: int) -> pa.Table:
        """The rows drawn that are of class `c`, with the columns of groups and in the order of X."""
        drawn = drawn.filter(drawn[self._flag])
        one = np.full(drawn.num_rows, np.flatnonzero(self.codes == c)[0])
        columns = [
            self.table[n].take(pa.array(one)) if n in self.groups else drawn[n].cast(self.table[n].type) for n in self.table.column_names
        ]
        return pa.table(columns, schema=self.table.schema)

    def plausible(self, drawn: pa.Table, c: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, Any]]:
        """bool [rows drawn]: it could be a row of class `c`; and how many were refused."""
        from lookalike.compare.frame import code
        from lookalike.compare.plausible import judged

        columns = [column for column in self.data.schema.table if column.name not in self.groups]
        frames = code({"real": self.table, "drawn": drawn}, columns)
        mine, others = (frames["real"].take(np.flatnonzero(of)) for of in (self.codes == c, self.codes != c))
        verdict = judged(mine, others, frames["drawn"], rng=rng, doubt=DOUBT)
        return verdict.plausible, verdict.account()

    def together(self, made: pa.Table, of: np.ndarray, *, keep_real: bool) -> tuple[Any, Any]:
        """(X, y) of the kinds that came in: real rows, then those made."""
        like = self.data.schema.table
        frame = Dataset.from_arrow({like.name: made.select(list(like.names))}, self.data.schema, like=self.data).native()
        first = np.array([np.flatnonzero(self.codes == c)[0] if (self.codes == c).any() else 0 for c in range(len(self.names))])
        X = _joined(self.X if keep_real else _taken(self.X, np.zeros(0, np.int64)), frame)
        if self.y is None:
            return X, None
        index = np.concatenate([np.arange(len(self) if keep_real else 0), first[of]]).astype(np.int64)
        return X, _taken(self.y, index)


class Classes:
    """The class of each row: `codes` int64 [n] into `names`; `label_of` int64 [classes] into `label_names`."""

    def __init__(self, codes: np.ndarray, names: list[Any], label_names: list[Any], label_of: np.ndarray) -> None:
        self.codes, self.names, self.label_names, self.label_of = codes, names, label_names, label_of

    @classmethod
    def of(cls, y: Any, groups: Sequence[pa.ChunkedArray], names: Sequence[str]) -> Classes:
        """Classes of a target, of groups, or of both."""
        labels, label_names = _factors(y, "y") if y is not None else (None, [None])
        columns = ([] if labels is None else [(labels, label_names)]) + [
            _factors(g, n, empty=True) for g, n in zip(groups, names, strict=True)
        ]
        stacked = np.stack([codes for codes, _ in columns], axis=1)
        found, codes = np.unique(stacked, axis=0, return_inverse=True)
        if len(found) > MOST_STRATA:
            what = f"{len(found):,} classes; {MOST_STRATA} at most can be raised"
            raise SettingError(what, where="y" if not groups else "groups", fix="cut numbers into a few classes, or name fewer groups")
        parts = [tuple(known[k] for (_, known), k in zip(columns, row, strict=True)) for row in found]
        told = [part[0] if len(part) == 1 else part for part in parts]
        return cls(codes.reshape(-1), told, label_names, found[:, 0] if labels is not None else np.zeros(len(found), np.int64))

    def take(self, index: np.ndarray) -> Classes:
        """The classes of some of the rows."""
        return Classes(self.codes[index], self.names, self.label_names, self.label_of)


def _factors(values: Any, where: str, *, empty: bool = False) -> tuple[np.ndarray, list[Any]]:
    """Numbers of the values and the values themselves, sorted; missing ones are a class of their own if they may be (`empty`)."""
    import pandas as pd

    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = values.to_pandas()
    flat = pd.Series(values.to_numpy() if hasattr(values, "to_numpy") and not isinstance(values, pd.Series) else values)
    if not empty and flat.isna().any():
        raise DataError(f"{int(flat.isna().sum()):,} classes are missing", where=where, fix="leave these rows out")
    codes, found = pd.factorize(flat, use_na_sentinel=not empty)
    names = [plain(v) for v in found]
    order = sorted(range(len(names)), key=lambda i: _place(names[i]))
    return np.argsort(order)[codes], [names[i] for i in order]


def _place(value: Any) -> tuple[bool, float, str]:
    """What classes are sorted by: numbers first, by size, then all else by how it is written."""
    number = isinstance(value, int | float)
    return not number, float(value) if number else 0.0, "" if number else str(value)


def plain(value: Any) -> Any:
    """A numpy scalar as the Python value it stands for; NaN as None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and np.isnan(value) else value


def _framed(X: Any) -> Any:
    """X as a frame, without an index; an array becomes one of columns x0, x1, …"""
    if hasattr(X, "reset_index"):
        return X.reset_index(drop=True)
    if not isinstance(X, np.ndarray):
        return X
    import pandas as pd

    if X.ndim != 2:
        raise DataError(
            f"an array of {X.ndim} dimension{'s' if X.ndim != 1 else ''}", where="X", fix="give rows and columns: X.reshape(-1, 1)"
        )
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).infer_objects()


def _taken(rows: Any, index: np.ndarray) -> Any:
    """The rows (or values) at `index`, of the same kind."""
    if hasattr(rows, "iloc"):
        return rows.iloc[index].reset_index(drop=True)
    if isinstance(rows, pa.Table | pa.Array | pa.ChunkedArray):
        return rows.take(pa.array(index))
    if isinstance(rows, list | tuple):
        return type(rows)(rows[i] for i in index)
    return rows[index]


def _joined(X: Any, made: Any) -> Any:
    """X with the rows made after it, in its own kind and types."""
    if isinstance(X, np.ndarray):
        return np.concatenate([X, made.to_numpy().astype(X.dtype)])
    if isinstance(X, pa.Table):
        return pa.concat_tables([X, made.cast(X.schema)])
    import pandas as pd

    if isinstance(X, pd.DataFrame):
        return (
            pd.concat([X, made.set_axis(X.columns, axis=1).astype(X.dtypes)], ignore_index=True) if len(made) else X.reset_index(drop=True)
        )
    import polars as pl

    return pl.concat([X, made.cast(dict(X.schema))])
