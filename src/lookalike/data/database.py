"""Tables and queries of SQLite, DuckDB and PostgreSQL, named by URL: `sqlite:///shop.db?table=orders`, `postgresql://…?query=select…`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pyarrow as pa

from lookalike._whole import expanded
from lookalike.data.delimited import spell
from lookalike.data.source import ROWS, Source, source
from lookalike.errors import DataError, FileError, LookalikeError, MissingExtra, UnknownName

SCHEMES = ("sqlite", "duckdb", "postgresql", "postgres")
_BROKEN = "rows break a key, link or unique column that the schema names: mend the rows, or take it out of the schema"
_ADVICE = {
    "is full": "free some space, or choose another disk",
    "database is locked": "wait until the program that writes to it is done, or end it",
    "too large to convert": "integers from 2**63 on do not fit: give the column storage string in the schema",
    "already exists": "name another table or database: this one has a table whose name differs in capitals only",
}
"""What to do, by words of a driver."""
_BASE = {True: "", False: "WHERE table_type = 'BASE TABLE'"}


def is_url(place: str) -> bool:
    """Whether `place` names a database."""
    return place.partition("://")[0].lower() in SCHEMES and "://" in place


def read(url: str) -> Source:
    """The source for the table or query that `url` names, or for the only table of the database.

    Raises:
        FileError: the database cannot be opened, or the query is wrong.
        UnknownName: there is no such table; names the near matches.
        MissingExtra: the driver is not installed.
    """
    place = place_of(url)
    with place.open(write=False) as base:
        relation, name = _relation(place, base)
        with base.told(place.shown):
            schema = base.schema(relation)
    return source(name, place.shown, schema, partial(_read, place, relation, schema))


def several(url: str) -> tuple[Place, list[str]] | None:
    """The database that `url` names and its tables, if it names none of them and there are several; views are not counted.

    Raises:
        FileError: the database cannot be opened.
        MissingExtra: the driver is not installed.
    """
    place = place_of(url)
    if place.table or place.query:
        return None
    with place.open(write=False) as base, base.told(place.shown):
        found = base.tables(views=False)
    return (place, found) if len(found) > 1 else None


def table_of(place: Place, name: str) -> Source:
    """The source for one table of a database."""
    with place.open(write=False) as base, base.told(place.shown):
        schema = base.schema(quoted(name))
    return source(name, f"{place.shown}: {name}", schema, partial(_read, place, quoted(name), schema))


def _read(place: Place, relation: str, schema: pa.Schema, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with place.open(write=False) as base, base.told(place.shown):
        yield from base.batches(relation, pa.schema([schema.field(c) for c in columns]))


def _relation(place: Place, base: Engine) -> tuple[str, str]:
    """What to select from, and the name of the table that it makes."""
    if place.query:
        return f"({place.query}) AS lookalike_query", "query"
    with base.told(place.shown):
        known = base.tables()
    if place.table:
        if place.table not in known:
            raise UnknownName(place.table, known, what="table", where=place.shown)
        return quoted(place.table), place.table
    if len(known) != 1:
        raise FileError(
            f"the database has {len(known)} tables, and the URL names none",
            where=place.shown,
            fix=f"add ?table=…; known: {', '.join(known)}",
        )
    return quoted(known[0]), known[0]


class Table:
    """Writes raw tables to a new table of a database, in one transaction: all rows appear when it is closed, or nothing does."""

    def __init__(self, url: str, schema: pa.Schema, *, overwrite: bool) -> None:
        self._place = place_of(url)
        if not self._place.table:
            raise FileError("the URL names no table to write", where=self._place.shown, fix="add ?table=…")
        self._fresh = self._place.path is not None and not self._place.path.exists()
        self._base = self._place.connect(write=True)
        with ExitStack() as undo:
            undo.callback(self.abort)
            with self._base.told(self._place.shown):
                self._create(schema, overwrite=overwrite)
            undo.pop_all()  # it went well

    def _create(self, schema: pa.Schema, *, overwrite: bool) -> None:
        table = self._place.table
        self._base.begin()
        if table in self._base.tables():
            if not overwrite:
                raise FileError(f"the table {table!r} exists already", where=self._place.shown, fix="name another table, or drop this one")
            self._base.run(f"DROP TABLE {quoted(table)}")
        self._base.create(table, plain(schema.empty_table()))

    def write(self, raw: pa.Table | pa.RecordBatch) -> None:
        """Append rows."""
        table = raw if isinstance(raw, pa.Table) else pa.Table.from_batches([raw])
        with self._base.told(self._place.shown):
            self._base.insert(self._place.table, plain(table))

    def close(self) -> None:
        """Make the rows seen."""
        with self._base.told(self._place.shown):
            self._base.commit()
            self._base.close()

    def abort(self) -> None:
        """Forget all; a database file that was not there before is removed."""
        self._base.close()
        if self._fresh:
            self._place.remove()


def plain(table: pa.Table) -> pa.Table:
    """`table` in the types that databases know: no dictionaries, views or half floats; columns without any value are text."""
    return table.cast(pa.schema([(f.name, _plain(f.type)) for f in table.schema]))


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_float16(kind):
        return pa.float32()
    return pa.date32() if pa.types.is_date(kind) else kind


def quoted(name: str) -> str:
    """A table or column name as SQL, whatever characters it has; `schema.table` is two names."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split(".", 1))


def _column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# ----------------------------------------------------------------------------------------------------------------- URLs


@dataclass(frozen=True)
class Place:
    """A database and the table or query in it; `shown` hides the password."""

    engine: type[Engine]
    address: str
    shown: str
    path: Path | None
    table: str
    query: str

    def connect(self, *, write: bool) -> Engine:
        """An open connection.

        Raises:
            FileError: it cannot be opened.
        """
        if self.path is not None and not write and not self.path.is_file():
            raise FileError(
                "no such database file", where=self.shown, fix="check the path; an absolute one has four slashes: sqlite:////data/shop.db"
            )
        with self.engine.told(self.shown):
            return self.engine(self.address, write=write)

    def remove(self) -> None:
        """Remove the database, if it is a file, with what its driver keeps beside it."""
        for tail in ("", "-journal", "-wal", ".wal") if self.path is not None else ():
            Path(f"{self.path}{tail}").unlink(missing_ok=True)

    @contextmanager
    def open(self, *, write: bool) -> Iterator[Engine]:
        """A connection that is closed afterwards."""
        with closing(self.connect(write=write)) as base:
            yield base


def place_of(url: str) -> Place:
    """What a URL names."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    table, query = options.pop("table", ""), options.pop("query", "").strip().rstrip(";")
    scheme = parts.scheme.lower().replace("postgresql", "postgres")
    shown = url if parts.password is None else url.replace(f":{parts.password}@", ":***@", 1)
    if scheme == "postgres":
        address = f"postgresql://{parts.netloc}{parts.path}" + (f"?{urlencode(options, quote_via=quote)}" if options else "")
        return Place(Postgres, address, shown, None, table, query)
    if parts.netloc:
        raise FileError(
            f"{parts.netloc!r} stands where a host would", where=shown, fix=f"write {scheme}:/// with three slashes before the path"
        )
    path = expanded(parts.path[1:])
    return Place(Sqlite if scheme == "sqlite" else DuckDB, str(path), shown, path, table, query)


# -------------------------------------------------------------------------------------------------------------- drivers


class Engine(Protocol):
    """What a database must do; one class each below."""

    errors: ClassVar[tuple[type[Exception], ...]]

    def __init__(self, address: str, *, write: bool) -> None: ...

    @classmethod
    def told(cls, where: str) -> Any:
        """A context that turns the driver's complaints into ours."""

    def tables(self, *, views: bool = True) -> list[str]:
        """Names of tables, and of views unless they are not wanted."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a statement answers."""

    def schema(self, relation: str) -> pa.Schema:
        """Columns of a relation."""

    def batches(self, relation: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Its rows, with the columns of `schema`."""

    def begin(self) -> None:
        """Start a transaction."""

    def run(self, sql: str) -> None:
        """Run a statement."""

    def types(self, empty: pa.Table) -> dict[str, str]:
        """SQL types of the columns of `empty`; PostgreSQL, whose tables get their constraints later, is not asked."""

    def create(self, table: str, empty: pa.Table) -> None:
        """Make a table with the columns of `empty`."""

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows to it."""

    def commit(self) -> None:
        """End the transaction."""

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""


@contextmanager
def _told(errors: tuple[type[Exception], ...], where: str) -> Iterator[None]:
    try:
        yield
    except LookalikeError:
        raise
    except errors as error:
        what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if any(kind.__name__ == "IntegrityError" for kind in type(error).__mro__):  # so called by each driver, as DB-API has it
            raise DataError(f"the database says: {what}", where=where, fix=_BROKEN) from error
        fix = next((fix for words, fix in _ADVICE.items() if words in what), "check the URL, the table or query, and your rights")
        raise FileError(f"the database says: {what}", where=where, fix=fix) from error


class Sqlite:
    """SQLite by Python's own module. A column's type is that of its values: SQLite lets each cell have its own."""

    errors = (sqlite3.Error, UnicodeError, OverflowError)  # a damaged file may hold anything
    _TYPES: ClassVar[tuple[tuple[Any, str], ...]] = (
        (pa.types.is_boolean, "BOOLEAN"),
        (pa.types.is_integer, "INTEGER"),
        (pa.types.is_floating, "REAL"),
        (pa.types.is_decimal, "NUMERIC"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_timestamp, "TIMESTAMP"),
        (pa.types.is_time, "TIME"),
        (pa.types.is_duration, "REAL"),
    )

    def __init__(self, address: str, *, write: bool) -> None:
        mode = "rwc" if write else "ro"
        self._base = sqlite3.connect(f"file:{quote(address)}?mode={mode}", uri=True, isolation_level=None)

    @classmethod
    def told(cls, where: str) -> Any:
        return _told(cls.errors, where)

    def tables(self, *, views: bool = True) -> list[str]:
        kinds = "('table', 'view')" if views else "('table')"
        return [
            name for (name,) in self.rows(f"SELECT name FROM sqlite_master WHERE type IN {kinds} AND name NOT LIKE 'sqlite_%' ORDER BY 1")
        ]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._base.execute(sql).fetchall()

    def schema(self, relation: str) -> pa.Schema:
        names = [d[0] for d in self._base.execute(f"SELECT * FROM {relation} LIMIT 0").description]
        kinds = ("integer", "real", "text", "blob")
        asked = ", ".join(f"max(typeof({_column(n)}) = '{k}')" for n in names for k in kinds)
        answers = iter(self._base.execute(f"SELECT {asked} FROM {relation}").fetchone())
        return pa.schema([(n, self._type(n, *(bool(next(answers)) for _ in kinds))) for n in names])

    @staticmethod
    def _type(name: str, integer: bool, real: bool, text: bool, blob: bool) -> pa.DataType:
        if blob:
            raise DataError("holds blobs, and a cell must be a single value", where=name, fix="leave it out: ?query=select …")
        return pa.string() if text else pa.float64() if real else pa.int64() if integer else pa.null()

    def batches(self, relation: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        chosen = ", ".join(f"CAST({_column(f.name)} AS TEXT)" if f.type == pa.string() else _column(f.name) for f in schema)
        rows = self._base.execute(f"SELECT {chosen} FROM {relation}")
        while some := rows.fetchmany(ROWS):
            columns = [pa.array(cells, kind) for cells, kind in zip(zip(*some, strict=True), schema.types, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def begin(self) -> None:
        self._base.execute("BEGIN IMMEDIATE")

    def run(self, sql: str) -> None:
        self._base.execute(sql)

    def types(self, empty: pa.Table) -> dict[str, str]:
        return {f.name: next((sql for fits, sql in self._TYPES if fits(f.type)), "TEXT") for f in empty.schema}

    def create(self, table: str, empty: pa.Table) -> None:
        columns = ", ".join(f"{_column(name)} {kind}" for name, kind in self.types(empty).items())
        self._base.execute(f"CREATE TABLE {quoted(table)} ({columns})")

    def insert(self, table: str, rows: pa.Table) -> None:
        places = ", ".join("?" * rows.num_columns)
        cells = [self._cells(column) for column in rows.columns]
        self._base.executemany(f"INSERT INTO {quoted(table)} VALUES ({places})", zip(*cells, strict=True))

    @staticmethod
    def _cells(column: pa.ChunkedArray) -> list[Any]:
        kind = column.type
        if pa.types.is_decimal(kind) or pa.types.is_duration(kind):
            return [None if text is None else float(text) for text in spell(column).to_pylist()]
        return spell(column).to_pylist() if pa.types.is_temporal(kind) else column.to_pylist()

    def commit(self) -> None:
        self._base.execute("COMMIT")

    def close(self) -> None:
        self._base.close()


class DuckDB:
    """DuckDB by its own package, which speaks Arrow both ways."""

    errors: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, address: str, *, write: bool) -> None:
        self._base = self._driver().connect(address, read_only=not write)

    @staticmethod
    def _driver() -> Any:
        try:
            import duckdb
        except ImportError:
            raise MissingExtra("duckdb", "database", purpose="a duckdb:// URL") from None
        return duckdb

    @classmethod
    def told(cls, where: str) -> Any:
        return _told((cls._driver().Error,), where)

    def tables(self, *, views: bool = True) -> list[str]:
        found = self.rows(
            "SELECT CASE WHEN table_schema = 'main' THEN table_name ELSE table_schema || '.' || table_name END "
            f"FROM information_schema.tables {_BASE[views]} ORDER BY 1"
        )
        return [name for (name,) in found]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._base.execute(sql).fetchall()

    def schema(self, relation: str) -> pa.Schema:
        schema = self._stream(f"SELECT * FROM {relation} LIMIT 0").schema
        return pa.schema([pa.field(f.name, pa.duration("us")) if pa.types.is_interval(f.type) else f for f in schema])

    def batches(self, relation: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        chosen = ", ".join(f"epoch_us({_column(f.name)})" if pa.types.is_duration(f.type) else _column(f.name) for f in schema)
        yield from self._stream(f"SELECT {chosen} FROM {relation}")

    def _stream(self, sql: str) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_stream(self._base.sql(sql))

    def begin(self) -> None:
        self._base.begin()

    def run(self, sql: str) -> None:
        self._base.execute(sql)

    def types(self, empty: pa.Table) -> dict[str, str]:
        self._base.register("lookalike_rows", empty)
        found = self.rows("DESCRIBE SELECT * FROM lookalike_rows")
        self._base.unregister("lookalike_rows")
        return {name: kind for name, kind, *_ in found}

    def create(self, table: str, empty: pa.Table) -> None:
        self._with(empty, f"CREATE TABLE {quoted(table)} AS SELECT * FROM lookalike_rows")

    def insert(self, table: str, rows: pa.Table) -> None:
        self._with(rows, f"INSERT INTO {quoted(table)} SELECT * FROM lookalike_rows")

    def _with(self, rows: pa.Table, sql: str) -> None:
        self._base.register("lookalike_rows", rows)
        self._base.execute(sql)
        self._base.unregister("lookalike_rows")

    def commit(self) -> None:
        self._base.commit()

    def close(self) -> None:
        self._base.close()


class Postgres:
    """PostgreSQL by its Arrow (ADBC) driver, which copies in binary. What Arrow has no type for is read as text."""

    errors: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, address: str, *, write: bool) -> None:
        self._base = self._driver().connect(address)
        self._cursor = self._base.cursor()

    @staticmethod
    def _driver() -> Any:
        try:
            import adbc_driver_postgresql.dbapi as driver
        except ImportError:
            raise MissingExtra("adbc-driver-postgresql", "database", purpose="a postgresql:// URL") from None
        return driver

    @classmethod
    def told(cls, where: str) -> Any:
        return _told((cls._driver().Error, OSError, pa.ArrowException), where)  # rows come by Arrow, and so does what is said of them

    def tables(self, *, views: bool = True) -> list[str]:
        found = self.rows(
            "SELECT CASE WHEN table_schema = 'public' THEN table_name ELSE table_schema || '.' || table_name END "
            f"FROM (SELECT * FROM information_schema.tables {_BASE[views]}) AS found "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        return [name for (name,) in found]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql)
        return self._cursor.fetchall()

    def schema(self, relation: str) -> pa.Schema:
        self._cursor.execute(f"SELECT * FROM {relation} LIMIT 0")
        return pa.schema([pa.field(f.name, self._type(f)) for f in self._cursor.fetch_arrow_table().schema])

    @staticmethod
    def _type(field: pa.Field) -> pa.DataType:
        told = field.metadata or {}
        if told.get(b"POSTGRESQL:type") == b"numeric":
            mod = int(told.get(b"POSTGRESQL:typmod", -1)) - 4
            return pa.decimal128(mod >> 16, mod & 0x7FF) if 0 < mod >> 16 <= 38 and mod & 0x7FF <= mod >> 16 else pa.float64()
        if told.get(b"POSTGRESQL:type") == b"money":
            return pa.decimal128(19, 2)
        if pa.types.is_interval(field.type):
            return pa.duration("us")
        return pa.string() if isinstance(field.type, pa.BaseExtensionType) else field.type

    def batches(self, relation: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        self._cursor.execute(f"SELECT {', '.join(map(self._chosen, schema))} FROM {relation}")
        yield from self._cursor.fetch_record_batch()

    @staticmethod
    def _chosen(field: pa.Field) -> str:
        column = _column(field.name)
        if pa.types.is_decimal(field.type):
            return f"{column}::numeric::text"
        if pa.types.is_floating(field.type):
            return f"{column}::float8"
        if pa.types.is_duration(field.type):
            return f"(extract(epoch FROM {column}) * 1000000)::bigint"
        return f"{column}::text" if pa.types.is_string(field.type) else column

    def begin(self) -> None:
        """The driver is in a transaction already."""

    def run(self, sql: str) -> None:
        self._cursor.execute(sql)

    def create(self, table: str, empty: pa.Table) -> None:
        self._ingest(table, empty, "create")

    def insert(self, table: str, rows: pa.Table) -> None:
        self._ingest(table, rows, "append")

    def _ingest(self, table: str, rows: pa.Table, mode: str) -> None:
        schema, _, name = table.rpartition(".")
        self._cursor.adbc_ingest(name, rows, mode=mode, db_schema_name=schema or None)

    def commit(self) -> None:
        self._base.commit()

    def close(self) -> None:
        self._cursor.close()
        self._base.close()
