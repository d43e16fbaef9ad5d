"""Several tables from one source: a dict of frames, a folder of files, a database; keys from a catalogue, or found in the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike._whole import expanded
from lookalike.data import _echoes, catalogue, database, formats, frames, links, read, subject
from lookalike.data.catalogue import Keys
from lookalike.data.frames import Frame, take_in
from lookalike.data.infer import Found, conform, infer, parsed
from lookalike.data.source import Source, told
from lookalike.errors import DataError, SchemaError, UnknownName, near_matches
from lookalike.schema import Column, NumberFormat, Schema, Table

_PLAIN, _WITH_GAPS = NumberFormat(decimals=0), NumberFormat(decimals=1, pad=1)


@dataclass(frozen=True)
class Raw:
    """Raw tables by name, the frames they were, and notes; what a catalogue says of all `keys` and links, or `known` keys alone."""

    where: str
    sources: dict[str, Source]
    frames: dict[str, Frame]
    keys: dict[str, Keys] | None = None
    known: dict[str, Keys] | None = None
    subject: str | None = None
    notes: tuple[str, ...] = ()
    suffix: str = ".csv"


@dataclass(frozen=True)
class Gathered:
    """Canonical tables by name, and their schema."""

    schema: Schema
    tables: dict[str, pa.Table]
    notes: tuple[str, ...]


# ----------------------------------------------------------------------------------------------------------------- finding


def several(source: Any, *, named: bool = False) -> Raw | None:
    """The raw tables of a source that holds several; None if it is one table.

    Args:
        named: several tables are expected, so that files of equal columns are tables of their own, not shards.

    Raises:
        FileError: something cannot be read.
        DataError: something is no table.
    """
    if isinstance(source, Mapping):
        return _of_mapping(source)
    if not isinstance(source, str | Path):
        return None
    if database.is_url(str(source)):
        found = database.several(str(source))
        return None if found is None else _of_database(*found)
    folder = expanded(source)
    with told(str(folder), "look for the file"):
        if not folder.is_dir():
            return None
        if (folder / catalogue.FILE).is_file():
            return _of_catalogue(folder)
        tables = read.tables(folder, apart=named)
    if tables is None:
        return None
    note = f"the files of {folder} have different columns, and were read as {len(tables)} tables: {', '.join(tables)}"
    notes = (note, *(n for t in tables.values() for n in t.notes))
    return Raw(str(folder), tables, {n: Frame() for n in tables}, notes=notes, suffix=_suffix(tables.values()))


def _of_mapping(source: Mapping[Any, Any]) -> Raw:
    if not source:
        raise DataError("there are no tables", where="the data", fix="give a dict of names and frames or files")
    sources, held = {}, {}
    for key, one in source.items():
        name = str(key)
        raw, frame = (read.read(one), Frame()) if isinstance(one, str | Path) else take_in(one)
        sources[name], held[name] = replace(raw, name=name, where=raw.where if isinstance(one, str | Path) else name), frame
    return Raw("the data", sources, held, notes=tuple(n for s in sources.values() for n in s.notes), suffix=_suffix(sources.values()))


def _of_catalogue(folder: Path) -> Raw:
    keys, subject = catalogue.read(folder)
    files = {p.name: p for p in folder.iterdir()}
    sources = {}
    for name, entry in keys.items():
        file = entry.file or next((p.name for p in sorted(files.values()) if read.is_known(p) and read.name_of(p) == name), None)
        if file is None or file not in files:
            raise DataError(
                f"{catalogue.FILE} names the table {name!r}" + (f" in {file}" if file else "") + ", and the file is not there",
                where=str(folder), fix=f"add the file, or take {name!r} and the links to it out of {catalogue.FILE}",
            )  # fmt: skip
        sources[name] = replace(read.file(files[file]), name=name)
    used = {Path(s.where).name for s in sources.values()}
    spare = sorted(n for n, p in files.items() if p.is_file() and read.is_known(p) and n not in used)
    notes = (f"left out, as {catalogue.FILE} does not name them: {', '.join(spare)}",) if spare else ()
    notes += tuple(n for s in sources.values() for n in s.notes)
    held = {n: Frame() for n in sources}
    return Raw(str(folder), sources, held, keys=keys, subject=subject, notes=notes, suffix=_suffix(sources.values()))


def _of_database(place: database.Place, names: list[str]) -> Raw:
    with place.open(write=False) as base, base.told(place.shown):
        keys = catalogue.of_database(base, names)
    sources = {n: database.table_of(place, n) for n in names}
    said = {"keys" if any(k.links for k in keys.values()) else "known": keys}
    return Raw(place.shown, sources, {n: Frame() for n in names}, **said)


def _suffix(sources: Any) -> str:
    """The type of file that most tables are kept in, with its compression."""
    found = [s for one in sources if (s := "".join(Path(one.where).suffixes[-2:]).lower()) in _WRITTEN]
    return max(set(found), key=found.count) if found else ".csv"


_WRITTEN = (".csv", ".tsv", ".csv.gz", ".parquet", ".feather", ".arrow", ".jsonl", ".ndjson", ".jsonl.gz", ".xlsx")


# --------------------------------------------------------------------------------------------------------------- gathering


def gather(raw: Raw, schema: Schema | None) -> Gathered:
    """The tables in canonical form: as the schema says, or by the catalogue, or with keys and links that are found.

    Raises:
        DataError: a table has no rows, does not fit the schema, or links to one that is not there.
    """
    if schema is not None:
        return _conformed(raw, schema)
    found = {name: infer(source) for name, source in raw.sources.items()}
    tables = {name: one.table.model_copy(update={"name": name}) for name, one in found.items()}
    rows = {name: _held(raw.sources[name], one, tables[name]) for name, one in found.items()}
    notes = list(raw.notes)
    if raw.keys is not None:
        keys = {name: raw.keys.get(name, Keys()) for name in tables}
        _refuse_strays(raw, tables, keys)
    else:
        keys = links.find(tables, rows, known=raw.known)
        notes.append(links.told(keys))
    tables, rows = _keyed(tables, rows, keys)
    tables, rows, repeated = _echoes.personal_too(tables, rows)
    notes += repeated
    schema = Schema(tables=tuple(tables.values()))
    if raw.subject is not None:
        schema.column(raw.subject)
        schema = schema.model_copy(update={"subject": raw.subject})
    elif (guess := subject.likely(schema, {name: table.num_rows for name, table in rows.items()})) is not None:
        schema = schema.model_copy(update={"subject": guess})
        notes.append(
            f"each row of {schema.subject_table.name} was taken as a subject, with all that hangs on it: subject={guess} in the schema"
        )
    return Gathered(schema, rows, tuple(notes))


def _held(source: Source, found: Found, table: Table) -> pa.Table:
    """All rows in memory: links lead anywhere."""
    if found.canonical is not None:
        return found.canonical
    return pa.Table.from_batches(list(parsed(source, table)), formats.canonical_schema(table)).unify_dictionaries()


def _conformed(raw: Raw, schema: Schema) -> Gathered:
    lacking = [t for t in schema.tables if t.name not in raw.sources]
    if lacking:
        name = lacking[0].name
        to = next((f"{t.name}.{'+'.join(x.columns)}" for t in schema.tables for x in t.links if x.table == name and t.name != name), "")
        near = near_matches(name, raw.sources)
        raise DataError(
            f"no table {name!r} in the data" + (f", and {to} links to it" if to else ""), where=raw.where,
            fix=(f"did you mean {near[0]!r}? " if near else f"tables there: {', '.join(raw.sources)}; ")
            + "add it, or take the table and the links to it out of the schema",
        )  # fmt: skip
    spare = [n for n in raw.sources if n not in {t.name for t in schema.tables}]
    notes = (f"tables that the schema does not name were left out: {', '.join(spare)}",) if spare else ()
    rows = {}
    for t in schema.tables:
        one = conform(raw.sources[t.name], t)
        rows[t.name] = _held(raw.sources[t.name], one, one.table)
    return Gathered(schema, rows, (*raw.notes, *notes))


def _refuse_strays(raw: Raw, tables: Mapping[str, Table], keys: Mapping[str, Keys]) -> None:
    """A catalogue that names tables or columns which are not there."""
    for name, said in keys.items():
        for link in said.links:
            where = f"{name}.{'+'.join(link.columns)}"
            if link.table not in tables:
                near = near_matches(link.table, tables)
                raise DataError(
                    f"links to the table {link.table!r}, which is not there", where=where,
                    fix=f"did you mean {near[0]!r}?" if near else f"add the table, or take the link out of {raw.where}",
                )  # fmt: skip
            try:
                for c in link.references:
                    tables[link.table][c]
            except UnknownName as error:
                raise SchemaError(f"the link leads nowhere: {error}", where=where) from None
        for c in (*said.key, *(c for link in said.links for c in link.columns), *([said.order] if said.order else [])):
            tables[name][c]


# ------------------------------------------------------------------------------------------------------- columns that link


def _keyed(
    tables: Mapping[str, Table], rows: Mapping[str, pa.Table], keys: Mapping[str, Keys]
) -> tuple[dict[str, Table], dict[str, pa.Table]]:
    """The tables with their keys and links; columns of both are of kind `key`, written so that values of both ends are equal."""
    raw = {
        (n, c): formats.restore_column(rows[n].column(c), tables[n][c])
        for n, said in keys.items()
        for c in {*said.key, *(c for x in said.links for c in x.columns), *_referred(n, keys)}
    }
    made: dict[tuple[str, str], tuple[Column, pa.Array]] = {}
    for end in raw:
        root = _root(end, keys)
        if root in made or _own_kind(root, tables, keys):
            continue
        made[root] = _key(raw[root], tables[root[0]][root[1]], like=None)
    for end in raw:
        root = _root(end, keys)
        if root == end:
            continue
        column = tables[end[0]][end[1]]
        made[end] = _key(raw[end], column, like=made[root][0]) if root in made else _as(raw[end], column, tables[root[0]][root[1]])
    out, data = {}, {}
    for name, table in tables.items():
        said = keys[name]
        columns, values = [], rows[name]
        for at, column in enumerate(table):
            if (name, column.name) in made:
                column, cells = made[name, column.name]
                values = values.set_column(at, pa.field(column.name, formats.canonical(column)), cells)
                column = column.model_copy(update={"unique": _unique(name, column.name, cells, keys, rows)})
            if column.name in said.unique and column.kind in ("key", "personal"):  # a catalogue is no private datum
                column = column.model_copy(update={"unique": True, "declared": tuple(sorted({*column.declared, "unique"}))})
            columns.append(column)
        facts = {"columns": tuple(columns), "key": said.key, "links": said.links, "order": said.order, "public": said.public}
        out[name], data[name] = table.model_copy(update=facts), values
    return out, data


def _referred(name: str, keys: Mapping[str, Keys]) -> set[str]:
    return {c for said in keys.values() for x in said.links if x.table == name for c in x.references}


def _root(end: tuple[str, str], keys: Mapping[str, Keys]) -> tuple[str, str]:
    """The column that a link column refers to in the end."""
    seen = {end}
    while True:
        table, column = end
        near = ((x, x.columns.index(column)) for x in keys[table].links if column in x.columns)
        onward = next(((x.table, x.references[at]) for x, at in near if (x.table, x.references[at]) not in seen), None)
        if onward is None:
            return end
        end = onward
        seen.add(end)


def _own_kind(end: tuple[str, str], tables: Mapping[str, Table], keys: Mapping[str, Keys]) -> bool:
    """A part of a composite key that is no link (a line number, a day) stays what it is; moments always do."""
    kind = tables[end[0]][end[1]].kind
    if kind in ("date", "datetime", "time", "duration"):
        return True
    return kind in ("integer", "category", "number", "boolean", "constant") and len(keys[end[0]].key) > 1 and end[1] in keys[end[0]].key


def _key(raw: pa.Array, column: Column, *, like: Column | None) -> tuple[Column, pa.Array]:
    """A column of kind key made of what its source wrote, and its values."""
    facts = {"name": column.name, "kind": "key", "missing": column.missing, "storage": column.storage, "nullable": column.nullable}
    whole_numbers = like is None or like.number is not None or not formats.is_text(formats.storage_type(like))
    if formats.is_text(raw.type) and whole_numbers:
        texts = pc.unique(raw).drop_null()
        texts = texts.filter(pc.invert(pc.is_in(texts, value_set=pa.array(column.missing, texts.type))))
        if len(texts) and frames.is_whole(texts):
            facts["number"] = _PLAIN
        elif len(texts) and frames.is_whole(pc.replace_substring_regex(texts, r"\.0$", "")):
            facts["number"] = _WITH_GAPS
    if pa.types.is_null(raw.type) and like is not None:
        facts["storage"] = like.storage
    made = Column(**facts)
    values = formats.parse_column(raw, made, where=column.name)
    return made.model_copy(update={"nullable": bool(values.null_count)}), values


def _as(raw: pa.Array, column: Column, like: Column) -> tuple[Column, pa.Array]:
    """A link column of the kind of what it refers to, which is no key of its own."""
    made = like.model_copy(
        update={"name": column.name, "missing": column.missing, "storage": column.storage, "nullable": column.nullable, "declared": ()}
    )
    return made, formats.parse_column(raw, made, where=column.name)


def _unique(name: str, column: str, cells: pa.Array, keys: Mapping[str, Keys], rows: Mapping[str, pa.Table]) -> bool:
    """Whether no value may occur twice: as the catalogue says, or what chance would hardly leave without repeats."""
    said = keys[name]
    if said.key == (column,) or column in said.unique:
        return True
    there = len(cells) - cells.null_count
    if len(pc.drop_null(pc.unique(cells))) < there:
        return False
    link = next((x for x in said.links if x.columns == (column,)), None)
    if link is None:
        return there > 1
    # birthdays: n draws of k parents are all different with chance exp(-n²/2k)
    return float(np.exp(-(there**2) / (2 * rows[link.table].num_rows))) < 0.01
