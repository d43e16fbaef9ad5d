"""The codebook: a whole table in codes and back, in batches, by subject, through JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from lookalike import encode
from lookalike.encode import Codebook, Coded
from lookalike.errors import StoreError
from lookalike.protocol import Step
from lookalike.schema import Column, Schema, Table

RNG = np.random.default_rng(0)
N = 2_000
COLUMNS = (
    Column(name="who", kind="key", unique=False),
    Column(name="age", kind="integer"),
    Column(name="pay", kind="number"),
    Column(name="job", kind="category"),
    Column(name="when", kind="datetime"),
    Column(name="note", kind="text"),
    Column(name="ok", kind="boolean"),
    Column(name="land", kind="constant"),
    Column(name="void", kind="empty"),
)
TABLE = pa.table(
    {
        "who": pa.array([f"P{i:06d}" for i in RNG.integers(0, 700, N)]),
        "age": pa.array(RNG.integers(17, 91, N), mask=RNG.random(N) < 0.1),
        "pay": np.round(RNG.lognormal(8, 1, N), 2),
        "job": pa.array(RNG.choice(["cook", "nurse", "smith"], N)).dictionary_encode(),
        "when": pa.array(RNG.integers(0, 10**15, N).astype("datetime64[us]")),
        "note": pa.array(RNG.choice(["all is well", "come again soon", "no"], N)),
        "ok": RNG.random(N) < 0.3,
        "land": pa.array(["DE"] * N),
        "void": pa.nulls(N),
    }
)


class Rows:
    """A table in batches."""

    def __init__(self, table: pa.Table, subject: str | None = None) -> None:
        self.table = table
        self.schema = Schema(tables=(Table(columns=COLUMNS),), subject=subject)
        self.holders = None

    @property
    def rows(self) -> int:
        return self.table.num_rows

    def batches(self, name: str | None = None, *, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        return iter(self.table.to_batches(max_chunksize=rows))


def test_a_table_goes_into_codes_and_back() -> None:
    book = Codebook.measure_all(Rows(TABLE))
    coded = book.encode(TABLE)
    assert coded.codes.dtype == np.uint16 and coded.codes.flags.c_contiguous and coded.codes.shape == (len(book.parts), N)
    assert coded.inside.shape == (len(COLUMNS), N) and coded.inside.min() >= 0 and coded.inside.max() < 1
    assert [p.column for p in book.parts] == [c.name for c in COLUMNS[:4]] + ["when", "when"] + [c.name for c in COLUMNS[5:]]
    assert (coded.codes.max(axis=1) < [p.size for p in book.parts]).all()
    back = book.decode(coded)
    assert back.schema.types == TABLE.schema.types and back.column_names == TABLE.column_names
    assert [c.null_count for c in back.columns] == [c.null_count for c in TABLE.columns]
    for exact in ("job", "ok", "land"):
        assert back[exact].to_pylist() == TABLE[exact].to_pylist()
    assert not set(back["who"].to_pylist()) & set(TABLE["who"].to_pylist())


def test_the_book_survives_json_and_batches() -> None:
    book = Codebook.measure_all(Rows(TABLE))
    again = Codebook.from_json(json.loads(json.dumps(book.to_json(), allow_nan=False)), book.table)
    whole = again.encode(TABLE)
    halves = [book.encode(TABLE.slice(0, 900)), book.encode(TABLE.slice(900))]
    assert (np.concatenate([h.codes for h in halves], axis=1) == whole.codes).all()
    assert (np.concatenate([h.inside for h in halves], axis=1) == whole.inside).all()
    made = [again.decode(Coded(whole.codes[:, s], whole.inside[:, s]), start=s.start) for s in (slice(0, 900), slice(900, N))]
    assert pa.concat_tables(made).equals(pa.concat_tables([book.decode(whole)]).combine_chunks(), check_metadata=False)


def test_measuring_in_batches_is_measuring_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Step] = []
    for subject in (None, "who"):
        whole = Codebook.measure_all(Rows(TABLE, subject))
        with monkeypatch.context() as patch:
            patch.setattr(encode, "BATCH", 300)
            patch.setattr(encode, "MOST_ROWS", 500)
            parts = Codebook.measure_all(Rows(TABLE, subject), on_step=steps.append)
        assert parts.to_json() == whole.to_json()
    assert steps[-1].done == N and {s.total for s in steps} == {N}


def test_subjects_are_protected_not_rows() -> None:
    """One patient's hundred visits do not make a job public."""
    table = TABLE.set_column(3, "job", pa.array(["spy"] * 100 + ["cook"] * (N - 100)).dictionary_encode())
    table = table.set_column(0, "who", pa.array(["P000001"] * 100 + TABLE["who"].to_pylist()[100:]))
    rows, people = Codebook.measure_all(Rows(table)), Codebook.measure_all(Rows(table, "who"))
    assert rows.books[3]["levels"] == ["cook", "spy"] and people.books[3]["levels"] == ["cook"]
    assert people.protected()["job"] == {"levels": 1, "rows": 100}


def test_a_table_without_rows_and_with_one() -> None:
    for table in (TABLE.slice(0, 0), TABLE.slice(0, 1)):
        book = Codebook.measure_all(Rows(table))
        made = book.decode(book.encode(table))
        assert made.num_rows == table.num_rows and made.schema.types == TABLE.schema.types
        assert not set(made["pay"].to_pylist()) & set(table["pay"].to_pylist())


def test_foreign_books_are_refused() -> None:
    book = Codebook.measure_all(Rows(TABLE))
    with pytest.raises(StoreError, match="version"):
        Codebook.from_json({"version": 99}, book.table)
    with pytest.raises(StoreError, match="another table"):
        Codebook.from_json(book.to_json(), Table(columns=COLUMNS[:2]))
