"""Linked tables to a folder of files with a `keys.json`, or into a database with its constraints on; all of it or nothing."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lookalike._whole import NewFolder, expanded
from lookalike.data import catalogue, database, formats, linked
from lookalike.data.database import DuckDB, Postgres, Sqlite, quoted
from lookalike.data.frames import typed
from lookalike.data.read import EXCEL, TEXT
from lookalike.data.source import told
from lookalike.data.write import Writer
from lookalike.errors import DataError, FileError
from lookalike.schema import Column, Link, Schema, Table

if TYPE_CHECKING:
    from typing import Self

_SUFFIXES = (*TEXT, *EXCEL, ".parquet", ".pq", ".feather", ".arrow", ".ipc")


class LinkedWriter:
    """Writes canonical batches of linked tables to `place`: a folder, a file for each table, or a database by URL.

    A folder appears when all is written, with a `keys.json` by which it can be read again. In a database the tables appear at the end
    of one transaction, with primary keys, foreign keys and unique constraints. Rows may come in any order of tables, but for DuckDB,
    which checks each statement by itself: parents first (`linked.parents_first`). DuckDB has no constraints that wait: of links in a
    circle, the one that may be null goes without.

    Args:
        overwrite: replace what is there; by default only a folder that holds nothing but such tables is replaced.
        suffix: type of the files, such as .csv or .parquet.

    Raises:
        FileError: the place cannot be written, or something is there that may not be replaced.
        DataError: a row breaks a constraint.
        MissingExtra: a package for this type is not installed.
    """

    def __init__(self, place: str | Path, schema: Schema, *, overwrite: bool | None = None, suffix: str = ".csv") -> None:
        self.place, self.schema, self.overwrite, self.suffix = place, schema, overwrite, suffix
        self.rows = {t.name: 0 for t in schema.tables}
        self._target: _Folder | _Database | None = None

    def __enter__(self) -> Self:
        if database.is_url(str(self.place)):
            self._target = _Database(str(self.place), self.schema, overwrite=bool(self.overwrite))
        else:
            self._target = _Folder(expanded(self.place), self.schema, overwrite=bool(self.overwrite), suffix=self.suffix)
        return self

    def append(self, table: str, batch: pa.RecordBatch | pa.Table) -> None:
        """Write canonical rows of a table."""
        if self._target is None:
            raise FileError("the writer is not open", where=str(self.place), fix="use it as `with LinkedWriter(…) as w: w.append(…)`")
        self._target.append(table, batch)
        self.rows[table] += batch.num_rows

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        target, self._target = self._target, None
        if target is None:
            return
        if error is not None:
            target.abort(error)
            return
        with ExitStack() as undo:
            undo.push(lambda kind, error, trace: target.abort(error) if error is not None else None)
            target.close(self.rows)


class _Folder:
    """A file for each table in a folder that is not there yet."""

    def __init__(self, path: Path, schema: Schema, *, overwrite: bool, suffix: str) -> None:
        if path.suffix.lower() in _SUFFIXES:
            raise FileError(
                f"{len(schema.tables)} tables do not fit into one file", where=str(path),
                fix=f"name a folder ({path.with_suffix('')}) or a database (sqlite:///{path.with_suffix('.db')})",
            )  # fmt: skip
        self._schema = schema
        self.files = _file_names(schema, suffix)
        self._folder = NewFolder(path, overwrite=overwrite, ours=(catalogue.FILE, *self.files.values()))
        self._place = self._folder.__enter__()
        self._writers: dict[str, Writer] = {}
        with ExitStack() as undo:
            undo.push(lambda kind, error, trace: self.abort(error) if error is not None else None)
            for t in schema.tables:
                self._writers[t.name] = Writer(self._place / self.files[t.name], t).__enter__()

    def append(self, table: str, batch: pa.RecordBatch | pa.Table) -> None:
        self._writers[self._schema[table].name].append(batch)

    def close(self, rows: dict[str, int]) -> None:
        for name in list(self._writers):
            self._writers.pop(name).__exit__(None, None, None)
        with told(str(self._folder.path), "write the keys"):
            (self._place / catalogue.FILE).write_text(catalogue.to_json(self._schema, self.files, rows), encoding="utf-8")
        self._folder.__exit__(None, None, None)

    def abort(self, error: BaseException) -> None:
        for name in list(self._writers):
            self._writers.pop(name).__exit__(type(error), error, None)
        self._folder.__exit__(type(error), error, None)


def _file_names(schema: Schema, suffix: str) -> dict[str, str]:
    """A name of a file for each table, which no file system takes for another's."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for t in schema.tables:
        safe = "".join(c if c.isalnum() or c in "-_ ." else "_" for c in t.name).strip(" .") or "table"
        safe = safe if safe[0] != "_" else f"table{safe}"
        name, number = safe, 1
        while name.lower() in taken:
            number += 1
            name = f"{safe}_{number}"
        taken.add(name.lower())
        found[t.name] = name + suffix
    return found


# -------------------------------------------------------------------------------------------------------------- databases


class _Database:
    """New tables of a database, in one transaction."""

    def __init__(self, url: str, schema: Schema, *, overwrite: bool) -> None:
        self._place = database.place_of(url)
        if self._place.table or self._place.query:
            raise FileError(
                f"{len(schema.tables)} tables do not fit into one table", where=self._place.shown, fix="leave ?table= out of the URL"
            )
        self._schema = schema
        self._order = linked.parents_first(schema)
        self._plan = {t.name: _Plan(schema, t) for t in schema.tables}
        self._held: tuple[_Plan, list[pa.Table]] | None = None
        self._fresh = self._place.path is not None and not self._place.path.exists()
        self._base = self._place.connect(write=True)
        with ExitStack() as undo:
            undo.push(lambda kind, error, trace: self.abort(error) if error is not None else None)
            with self._base.told(self._place.shown):
                self._base.begin()
                self._replace(overwrite=overwrite)
                for name in self._order:
                    self._create(name)

    def _replace(self, *, overwrite: bool) -> None:
        there = set(self._base.tables())
        if (known := [n for n in self._order if n in there]) and not overwrite:
            raise FileError(
                f"tables exist already: {', '.join(map(repr, known[:5]))}{' …' if len(known) > 5 else ''}", where=self._place.shown,
                fix="name another database, or drop these tables",
            )  # fmt: skip
        tail = " CASCADE" if isinstance(self._base, Postgres) else ""
        for name in reversed(known):
            self._base.run(f"DROP TABLE {quoted(name)}{tail}")

    def _create(self, name: str) -> None:
        """The table with its constraints; PostgreSQL gets those at the end, which is faster and minds no order."""
        plan = self._plan[name]
        empty = database.plain(plan.stored(formats.canonical_schema(plan.table).empty_table()))
        if isinstance(self._base, Postgres):
            self._base.create(name, empty)
            return
        needed = plan.needed()
        lines = [f"{_name(c)} {kind}{' NOT NULL' if c in needed else ''}" for c, kind in self._base.types(empty).items()]
        links = plan.links
        if isinstance(self._base, DuckDB):  # no constraint may be added later, so a link in a circle that may be null goes without
            before = set(self._order[: self._order.index(name) + 1])
            links = tuple(x for x in links if x.table in before)
        self._base.run(f"CREATE TABLE {quoted(name)} ({', '.join([*lines, *plan.constraints(), *(plan.foreign(x) for x in links)])})")

    def append(self, table: str, batch: pa.RecordBatch | pa.Table) -> None:
        plan = self._plan[self._schema[table].name]
        rows = database.plain(plan.stored(batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])))
        with self._base.told(self._place.shown):
            if self._held and self._held[0] is not plan:
                self._release()
            if isinstance(self._base, DuckDB) and any(x.table == plan.table.name for x in plan.links):
                self._held = (plan, [*(self._held[1] if self._held else []), rows])
            else:
                self._base.insert(plan.table.name, rows)

    def _release(self) -> None:
        """Insert rows that link to others of their table, which DuckDB must have first: it checks each statement by itself."""
        if self._held:
            (plan, held), self._held = self._held, None
            for rows in _by_depth(pa.concat_tables(held), plan.table):
                self._base.insert(plan.table.name, rows)

    def close(self, rows: dict[str, int]) -> None:
        with self._base.told(self._place.shown):
            self._release()
            if isinstance(self._base, Postgres):
                self._constrain()
            elif isinstance(self._base, Sqlite):
                self._check()
            self._base.commit()
            self._base.close()

    def _constrain(self) -> None:
        for name in self._order:
            for text in self._plan[name].constraints():
                self._base.run(f"ALTER TABLE {quoted(name)} ADD {text}")
            for c in self._plan[name].needed():
                self._base.run(f"ALTER TABLE {quoted(name)} ALTER COLUMN {_name(c)} SET NOT NULL")
        for name in self._order:
            for link in self._plan[name].links:
                self._base.run(f"ALTER TABLE {quoted(name)} ADD {self._plan[name].foreign(link)}")

    def _check(self) -> None:
        """SQLite checks foreign keys when it is asked to."""
        for name in self._order:
            broken = self._base.rows(f"PRAGMA foreign_key_check({quoted(name)})")
            if broken:
                raise DataError(
                    f"{len(broken):,} links lead to no row of {broken[0][2]}", where=name, fix="write all rows of the tables it links to"
                )

    def abort(self, error: BaseException) -> None:
        self._base.close()
        if self._fresh:
            self._place.remove()


class _Plan:
    """A table as a database is to have it."""

    def __init__(self, schema: Schema, table: Table) -> None:
        self.table, self.links = table, table.links
        self._referred = {x.references for t in schema.tables for x in t.links if x.table == table.name} - {table.key}
        self._whole = {c.name: _is_number(_root(schema, table, c)) for c in table if c.kind == "key"}

    def stored(self, rows: pa.Table) -> pa.Table:
        """Rows in the types that go into the database; both ends of a link in the same."""
        out = typed(rows, self.table, moments=True)
        for name, whole in self._whole.items():
            values = formats.whole(rows.column(name))
            try:
                cells = values.cast(pa.int64()) if whole else values
            except pa.ArrowInvalid:
                what = "a key is no whole number below 2**63, as databases hold them"
                fix = "give the column storage string, and no number, in the schema"
                raise DataError(what, where=f"{self.table.name}.{name}", fix=fix) from None
            out = out.set_column(out.schema.get_field_index(name), name, cells)
        return out

    def constraints(self) -> list[str]:
        """Primary key; and what others link to, or somebody declared to have no repeats: what only happens to have none is not bound."""
        found = [f"PRIMARY KEY ({_names(self.table.key)})"] if self.table.key else []
        once = {(c.name,) for c in self.table if c.unique and "unique" in c.declared} | self._referred
        return found + [f"UNIQUE ({_names(c)})" for c in sorted(once) if c != self.table.key]

    def needed(self) -> list[str]:
        """Columns that hold keys and are never null."""
        linking = {c for x in self.links for c in x.columns}
        return [c.name for c in self.table if c.name in self.table.key or (c.name in linking and not c.nullable)]

    def foreign(self, link: Link) -> str:
        """A link as SQL."""
        return f"FOREIGN KEY ({_names(link.columns)}) REFERENCES {quoted(link.table)} ({_names(link.references)})"


def _root(schema: Schema, table: Table, column: Column) -> Column:
    """The column that a link column refers to in the end."""
    seen = {(table.name, column.name)}
    while True:
        ends = ((x.table, x.references[x.columns.index(column.name)]) for x in table.links if column.name in x.columns)
        onward = next((e for e in ends if e not in seen), None)
        if onward is None:
            return column
        seen.add(onward)
        table, column = schema[onward[0]], schema[onward[0]][onward[1]]


def _is_number(column: Column) -> bool:
    """Whether keys are whole numbers."""
    kind = formats.storage_type(column)
    return column.number is not None or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _by_depth(rows: pa.Table, table: Table) -> list[pa.Table]:
    """Rows in parts, those that link to others of the same table after those."""
    own = [x for x in table.links if x.table == table.name]
    if not own or not rows.num_rows:
        return [rows]
    depth = np.zeros(rows.num_rows, np.int64)
    above = [linked.owners({table.name: rows}, table.name, x) for x in own]
    for _ in range(rows.num_rows):
        new = np.max([np.where(a >= 0, depth[np.maximum(a, 0)] + 1, 0) for a in above], axis=0)
        if (new == depth).all():
            break
        depth = new
    return [rows.filter(pa.array(depth == d)) for d in np.unique(depth)]


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(map(_name, columns))
