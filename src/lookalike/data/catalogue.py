"""Keys and links as somebody wrote them down: the `keys.json` of a folder of tables, or a database's own catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookalike import _json
from lookalike.data.database import DuckDB, Engine, Sqlite, quoted
from lookalike.data.source import told
from lookalike.errors import FileError, near_matches
from lookalike.schema import Link, Schema

FILE = "keys.json"


@dataclass(frozen=True)
class Keys:
    """What a catalogue says of a table: its primary key, links, columns without repeats, order, and the file that holds it."""

    key: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    unique: frozenset[str] = frozenset()
    order: str | None = None
    public: bool = False
    file: str | None = None


# --------------------------------------------------------------------------------------------------------------- folders


def read(folder: Path) -> tuple[dict[str, Keys], str | None]:
    """The tables of a folder by name, as its `keys.json` names them, and the subject, if it names one.

    Raises:
        FileError: it is not JSON, or lacks what it must say.
    """
    place = folder / FILE
    try:
        with told(str(place), "read the keys"):
            raw = _json.read(place.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"not JSON: {error}", where=str(place), fix="mend the file, or remove it: keys are then looked for") from None
    tables = raw.get("tables") if isinstance(raw, Mapping) else None
    if not isinstance(tables, Mapping) or not tables:
        raise _wrong(place, "it names no tables")
    subject = raw.get("subject")
    if not isinstance(subject, str | None):
        raise _wrong(place, "subject is no column")
    return {str(name): _keys(place, str(name), entry) for name, entry in tables.items()}, subject


def _keys(place: Path, name: str, entry: Any) -> Keys:
    known = ("primary_key", "foreign_keys", "unique", "order", "public", "file", "rows")
    if not isinstance(entry, Mapping):
        raise _wrong(place, f"{name} is {type(entry).__name__}")
    for fact in entry:
        if fact not in known:
            near = near_matches(fact, known)
            raise _wrong(place, f"{name} has an unknown entry {fact!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    try:
        links = tuple(
            Link(columns=tuple(one["columns"]), table=one["references"], references=tuple(one["ref_columns"]))
            for one in entry.get("foreign_keys", ())
        )
    except (KeyError, TypeError, ValueError):
        raise _wrong(place, f"a foreign key of {name} lacks columns, references or ref_columns") from None
    for link in links:
        if len(link.columns) != len(link.references) or not link.columns:
            raise _wrong(place, f"a foreign key of {name} names {len(link.columns)} columns and {len(link.references)} that they refer to")
    for fact in ("order", "file"):
        if not isinstance(entry.get(fact), str | None):
            raise _wrong(place, f"{fact} of {name} is no text")
    return Keys(
        key=_columns(place, name, entry, "primary_key"),
        links=links,
        unique=frozenset(_columns(place, name, entry, "unique")),
        order=entry.get("order") or None,
        public=bool(entry.get("public", False)),
        file=entry.get("file"),
    )


def _columns(place: Path, name: str, entry: Mapping[str, Any], fact: str) -> tuple[str, ...]:
    """The columns that a fact names."""
    found = entry.get(fact) or ()
    if isinstance(found, str) or not isinstance(found, Iterable) or not all(isinstance(c, str) for c in found):
        raise _wrong(place, f"{fact} of {name} is no list of columns")
    return tuple(found)


def _wrong(place: Path, what: str) -> FileError:
    shape = '{"tables": {"Album": {"primary_key": ["AlbumId"], "foreign_keys": [{"columns": ["ArtistId"], "references": "Artist", '
    return FileError(what, where=str(place), fix=f'write {shape}"ref_columns": ["ArtistId"]}}], "file": "Album.csv"}}}}')


def to_json(schema: Schema, files: Mapping[str, str], rows: Mapping[str, int]) -> str:
    """The `keys.json` of tables in a folder."""
    tables = {}
    for t in schema.tables:
        links = [{"columns": list(x.columns), "references": x.table, "ref_columns": list(x.references)} for x in t.links]
        entry: dict[str, Any] = {"primary_key": list(t.key), "foreign_keys": links, "file": files[t.name], "rows": rows[t.name]}
        if unique := [c.name for c in t if c.unique and "unique" in c.declared]:
            entry["unique"] = unique
        entry |= {fact: value for fact, value in (("order", t.order), ("public", t.public)) if value}
        tables[t.name] = entry
    whole = {"tables": tables} | ({"subject": schema.subject} if schema.subject is not None else {})
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


# -------------------------------------------------------------------------------------------------------------- databases


def of_database(base: Engine, tables: Iterable[str]) -> dict[str, Keys]:
    """What the database's catalogue says of its tables."""
    names = list(tables)
    if isinstance(base, Sqlite):
        return _sqlite(base, names)
    found = _duckdb(base) if isinstance(base, DuckDB) else _postgres(base)
    return {name: _of_constraints([(kind, *rest) for table, kind, *rest in found if table == name]) for name in names}


def _of_constraints(found: list[tuple[Any, ...]]) -> Keys:
    """Keys of (kind p, u or f, columns, table referred to, columns referred to)."""
    key = next((tuple(columns) for kind, columns, *_ in found if kind == "p"), ())
    links = tuple(Link(columns=tuple(c), table=t, references=tuple(r)) for kind, c, t, r in found if kind == "f")
    return Keys(key=key, links=links, unique=frozenset(c[0] for kind, c, *_ in found if kind == "u" and len(c) == 1))


def _sqlite(base: Sqlite, names: list[str]) -> dict[str, Keys]:
    spelled = {n.lower(): n for n in names}  # SQLite does not mind the case
    info = {n: base.rows(f"PRAGMA table_info({quoted(n)})") for n in names}
    keys = {n: tuple(r[1] for r in sorted((r for r in rows if r[5]), key=lambda r: r[5])) for n, rows in info.items()}
    found = {}
    for name in names:
        mine = {r[1].lower(): r[1] for r in info[name]}
        parts: dict[int, list[tuple[Any, ...]]] = {}
        for number, at, table, column, other, *_ in base.rows(f"PRAGMA foreign_key_list({quoted(name)})"):
            parts.setdefault(number, []).append((at, table, column, other))
        links = []
        for _, rows in sorted(parts.items(), reverse=True):
            rows.sort()
            table = spelled.get(rows[0][1].lower(), rows[0][1])
            theirs = {r[1].lower(): r[1] for r in info.get(table, ())}
            named = [theirs.get(r[3].lower(), r[3]) for r in rows if r[3] is not None]
            columns = tuple(mine.get(r[2].lower(), r[2]) for r in rows)
            links.append(Link(columns=columns, table=table, references=tuple(named) or keys.get(table, ())))
        indices = [r[1] for r in base.rows(f"PRAGMA index_list({quoted(name)})") if r[2] and not r[4]]
        alone = [c for i in indices if len(c := base.rows(f"PRAGMA index_info({quoted(i)})")) == 1]
        unique = frozenset(c[0][2] for c in alone if c[0][2] is not None)
        found[name] = Keys(key=keys[name], links=tuple(links), unique=unique)
    return found


def _duckdb(base: Engine) -> list[tuple[Any, ...]]:
    rows = base.rows(
        "SELECT CASE WHEN schema_name = 'main' THEN table_name ELSE schema_name || '.' || table_name END, constraint_type, "
        "constraint_column_names, CASE WHEN schema_name = 'main' THEN referenced_table ELSE schema_name || '.' || referenced_table END, "
        "referenced_column_names FROM duckdb_constraints() WHERE database_name = current_database() ORDER BY table_oid, constraint_index"
    )
    kinds = {"PRIMARY KEY": "p", "UNIQUE": "u", "FOREIGN KEY": "f"}
    return [(table, kinds[kind], columns, other, theirs) for table, kind, columns, other, theirs in rows if kind in kinds]


def _postgres(base: Engine) -> list[tuple[Any, ...]]:
    rows = base.rows(
        "SELECT con.oid::bigint, CASE WHEN n.nspname = 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END, "
        "con.contype::text, a.attname::text, CASE WHEN fn.nspname = 'public' THEN fc.relname ELSE fn.nspname || '.' || fc.relname END, "
        "fa.attname::text FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "CROSS JOIN LATERAL generate_subscripts(con.conkey, 1) AS i "
        "JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = con.conkey[i] "
        "LEFT JOIN pg_class fc ON fc.oid = con.confrelid LEFT JOIN pg_namespace fn ON fn.oid = fc.relnamespace "
        "LEFT JOIN pg_attribute fa ON fa.attrelid = con.confrelid AND fa.attnum = con.confkey[i] "
        "WHERE con.contype IN ('p', 'u', 'f') AND con.conparentid = 0 ORDER BY con.oid, i"
    )
    grouped: dict[int, list[tuple[Any, ...]]] = {}
    for number, *rest in rows:
        grouped.setdefault(number, []).append(tuple(rest))
    return [
        (some[0][0], some[0][1], [r[2] for r in some], some[0][3], [r[4] for r in some if r[4] is not None]) for some in grouped.values()
    ]
