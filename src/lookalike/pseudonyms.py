"""Pseudonyms: real rows in which each personal value is replaced by a fresh one, the same value by the same one in every table.

Which one follows from the value and a secret key alone (HMAC-SHA-256), so that tables that are handled apart, or years apart, still agree
under one key. **A pseudonym is not anonymity**: the rows are real rows of real people, all that is not replaced still tells them apart, how
often a value occurs shows, and who has the key can find out whose pseudonym a value is by trying. Rows that may be given away are drawn
from a model.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import Dataset
from lookalike.errors import DataError, SettingError, UnknownName
from lookalike.schema import Column, Schema

SHORTEST = 16
"""Bytes of a key at least."""
_SPACED = frozenset({"name", "first_name", "last_name", "company", "city", "street"})


@dataclass(frozen=True)
class Pseudonyms:
    """What `pseudonyms` gives.

    datasets: the tables with personal values replaced. key: the secret; keep it apart from the tables, or forget it. columns: which were
    replaced, by table. merged: {what: how many distinct values share their pseudonym with another}, where any do.
    """

    datasets: dict[str, Dataset]
    key: bytes = field(repr=False)
    columns: dict[str, tuple[str, ...]]
    merged: dict[str, int]

    @property
    def tables(self) -> dict[str, Any]:
        """The tables as they came: frames of their own kinds."""
        return {name: dataset.native() for name, dataset in self.datasets.items()}


def pseudonyms(
    tables: Mapping[str, Any],
    *,
    key: bytes | None = None,
    schemas: Mapping[str, Schema] | None = None,
    locale: str = "en_US",
) -> Pseudonyms:
    """Replace the personal values of real tables.

    Args:
        tables: {name: frame, path or Dataset}.
        key: the secret, 16 bytes or more; the same key gives the same pseudonyms. None: one is made, and returned, never stored.
        schemas: {name: schema} of tables whose personal columns are declared; they are detected in others. Keys (customer_id) stay, so
            that tables can be joined: declare one personal to have it replaced.
        locale: of names and addresses whose column does not declare its own. It is not taken from the data, as it may differ by table.

    Raises:
        SettingError: the key is too short.
        UnknownName: schemas names a table that is not there.
        DataError: no table has a personal column.
    """
    if key is not None and len(key) < SHORTEST:
        raise SettingError(f"a key of {len(key)} bytes can be guessed", where="key", fix=f"give {SHORTEST} random bytes or more, or none")
    given = dict(schemas or {})
    for name in given:
        if name not in tables:
            raise UnknownName(name, tables, what="table", where="schemas")
    data = {name: Dataset.of(source, schema=given.get(name)) for name, source in tables.items()}
    columns = {name: tuple(c.name for c in d.schema.table if c.kind == "personal") for name, d in data.items()}
    if not any(columns.values()):
        fix = "declare them: schema.amend('contact', kind='personal', personal='name')"
        raise DataError("no column is known to hold personal values", where=", ".join(tables), fix=fix)
    secret = key or secrets.token_bytes(32)
    made, used = {}, {}
    for name, d in data.items():
        table = d.table()
        for column in d.schema.table:
            if column.kind == "personal":
                coded = table.column(column.name).combine_chunks().dictionary_encode()
                fresh = _replaced(coded.dictionary, column, secret, column.locale or locale)
                keys = (_plain(v, str(column.personal)) for v in coded.dictionary.to_pylist())
                used.setdefault(str(column.personal), {}).update(zip(keys, fresh.to_pylist(), strict=True))
                at = table.column_names.index(column.name)
                table = table.set_column(at, column.name, pa.chunked_array([fresh.take(coded.indices)]))
        made[name] = Dataset.from_arrow({d.schema.table.name: table}, d.schema, like=d)
    shared = {what: len(of) - len(set(of.values())) for what, of in used.items()}
    return Pseudonyms(made, secret, columns, {what: n for what, n in shared.items() if n})


def _plain(value: str, what: str) -> str:
    """A value without what does not tell people apart: case, and the separators of numbers."""
    if what in _SPACED:
        return " ".join(value.split()).casefold()
    if what in ("email", "user_name", "url"):
        return value.strip().casefold()
    return "".join(c for c in value if c.isalnum()).casefold()


def _replaced(values: pa.Array, column: Column, key: bytes, locale: str) -> pa.Array:
    """string [n]: the pseudonyms of distinct values."""
    from lookalike.encode import _manner, personal
    from lookalike.encode._person import People

    what = str(column.personal)
    mac = hmac.new(key, what.encode() + b"\0", hashlib.sha256)
    hashes = np.zeros(len(values), np.uint64)
    for i, value in enumerate(values.to_pylist()):
        one = mac.copy()
        one.update(_plain(value, what).encode())
        hashes[i] = int.from_bytes(one.digest()[:8], "big")
    texts = pc.utf8_slice_codeunits(values, 0, personal.LONGEST)
    kinds, forms = (of.dictionary_encode() for of in (_manner.classes(texts, column, locale=locale), _manner.forms(texts, column)))
    masks = [c if personal.fits(c, column) else _manner.default(column) for c in kinds.dictionary.to_pylist()]
    kind, form = (of.indices.to_numpy(zero_copy_only=False).astype(np.int64) for of in (kinds, forms))
    sexes = np.array([{"female": 0, "male": 1}.get(c, -1) for c in masks] or [-1])
    sex = np.where(sexes[kind] >= 0, sexes[kind], (hashes >> np.uint64(63)).astype(np.int64))
    who = People(hashes, (hashes >> np.uint64(33)).astype(np.int64), sex, np.zeros(len(values), np.int64), (locale,))
    book = {"classes": masks, "forms": forms.dictionary.to_pylist()}
    # Values that tell people apart are given numbers of their own, names are as common as names are.
    apart = what not in _SPACED and what not in ("ipv4", "postcode")
    return personal.write(who, kind, book=book, column=column.model_copy(update={"unique": apart, "name": what}), form=form)
