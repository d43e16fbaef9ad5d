"""What a model offers besides one table: how likely it holds a row, and what it would have drawn had it learned other rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lookalike import models
from lookalike.compare.frame import Frame
from lookalike.compare.rows import hashes
from lookalike.compare.threat import LogProb, Refit
from lookalike.compare.uncode import columns, recode, uncode
from lookalike.data import Dataset
from lookalike.data.formats import canonical
from lookalike.protocol import Model
from lookalike.schema import Schema


def log_prob(model: Model) -> LogProb | None:
    """Rows → log-likelihood under the model; None if it knows none. What a frame does not hold of a row (text, keys) is missing."""
    told = getattr(model, "log_prob", None)
    if told is None:
        return None

    def of(rows: Frame) -> np.ndarray:
        return np.asarray(told(_dataset(rows, model.schema)), np.float64)

    return of


def refit(model: Model, *, seed: int) -> Refit | None:
    """Rows → as many that a model of the same name and settings draws once it has learned them; None for a model from elsewhere.

    None as well for a private model: each fit would need a budget of its own. Text and keys, of which a frame holds no values, are not
    learned. The same rows and seed give the same result.
    """
    name, settings = models.name_of(model), getattr(model, "settings", None)
    if name not in models.names() or settings is None or getattr(model, "privacy_", None) is not None:
        return None

    def again(rows: Frame) -> Frame:
        kept = columns(rows)
        table = model.schema.table.model_copy(update={"columns": kept, "key": (), "links": (), "order": None})
        chosen = settings.model_dump()
        if chosen.get("target") not in {c.name for c in kept}:
            chosen.pop("target", None)
        rng = np.random.default_rng([seed, int(hashes(rows, scale=rows).sum(dtype=np.uint64))])
        learned = models.build(name, chosen).fit(_dataset(rows, Schema(tables=(table,))), rng=rng)
        return recode(learned.sample(rows.rows, rng=rng).table(), rows)

    return again


def _dataset(rows: Frame, schema: Schema) -> Dataset:
    """Rows as a model with this schema reads them."""
    there, table = uncode(rows), schema.table
    cells = [there[c.name] if c.name in there.column_names else pa.nulls(rows.rows, canonical(c)) for c in table]
    return Dataset.from_arrow({table.name: pa.table(cells, schema=pa.schema([(c.name, canonical(c)) for c in table]))}, schema)
