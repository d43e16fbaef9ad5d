"""A connection to a database that is lost midway: what was half-written is not there, and what was said names the database."""

from __future__ import annotations

from collections.abc import Callable

import adbc_driver_postgresql.dbapi as driver
import pyarrow as pa
import pytest

from lookalike.data import Dataset, Writer
from lookalike.data.read import read
from lookalike.data.shelf import LinkedWriter
from lookalike.errors import FileError, LookalikeError
from lookalike.schema import Column, Link, Schema, Table

pytestmark = pytest.mark.postgres
TABLE = Table(name="t", columns=(Column(name="n", kind="integer", storage="int64"),))
KEY, OF = (Column(name=name, kind="key", storage="int64", nullable=False) for name in ("id", "of"))
LINK = Link(columns=("of",), table="a", references=("id",))
SHOP = Schema(tables=(Table(name="a", columns=(KEY,), key=("id",)), Table(name="b", columns=(OF,), links=(LINK,))))


@pytest.fixture
def cut(postgres: str) -> Callable[[], None]:
    """Ends all other connections to the server, as a network that fails does."""

    def end() -> None:
        with driver.connect(postgres, autocommit=True) as base, base.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'lookalike'")
            cursor.fetchall()

    return end


def test_a_connection_that_is_lost_while_writing_leaves_no_table(postgres: str, cut: Callable[[], None]) -> None:
    url, rows = f"{postgres}&table=lost", pa.table({"n": pa.array(range(1_000), pa.int64())})
    with pytest.raises(FileError, match="the database says"), Writer(url, TABLE) as writer:
        writer.append(rows)
        cut()
        writer.append(rows)
    with pytest.raises(LookalikeError):
        Dataset.of(url)
    with Writer(url, TABLE) as writer:
        writer.append(rows)
    assert Dataset.of(url).rows == 1_000


def test_a_connection_that_is_lost_at_the_end_leaves_no_linked_tables(postgres: str, cut: Callable[[], None]) -> None:
    with pytest.raises(FileError, match="the database says"), LinkedWriter(postgres, SHOP) as writer:
        writer.append("a", pa.table({"id": pa.array(["1", "2"])}))
        writer.append("b", pa.table({"of": pa.array(["1", "2"])}))
        cut()
    for name in ("a", "b"):
        with pytest.raises(LookalikeError, match="no table named"):
            Dataset.of(f"{postgres}&table={name}")


def test_a_connection_that_is_lost_while_reading(postgres: str, cut: Callable[[], None]) -> None:
    url = f"{postgres}&table=much"
    with Writer(url, TABLE) as writer:
        for _ in range(60):
            writer.append(pa.table({"n": pa.array(range(50_000), pa.int64())}))
    data = read(url)
    with pytest.raises(FileError, match="the database says"):
        for k, _ in enumerate(data.batches()):
            if k == 0:
                cut()
