"""`Dataset`: typed tables from anywhere, in canonical Arrow form, in memory or streamed; what came in as a frame goes out as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.data import formats, linked, links, several, subject
from lookalike.data._headings import refuse_two
from lookalike.data.frames import Frame, give_back, take_in
from lookalike.data.holders import Holders
from lookalike.data.infer import conform, infer, parsed
from lookalike.data.read import read
from lookalike.data.shelf import LinkedWriter
from lookalike.data.source import ROWS, Source
from lookalike.data.write import Writer
from lookalike.errors import DataError, SettingError, UnknownName
from lookalike.schema import Schema, Table


@dataclass(frozen=True)
class Origin:
    """What linked tables came as: the kinds of frames by name, and the type of file that they go out in."""

    frames: Mapping[str, Frame] = field(default_factory=dict)
    suffix: str = ".csv"


class Dataset:
    """Rows of typed columns, in one table or in several that link to each other. Made by `Dataset.of` (from outside) or
    `Dataset.from_arrow` (by a model).

    `schema` says what the columns are; `notes` what a reader should be told (a fallback encoding, a renamed column); `holders` whose
    the rows of a single table are, if one is of several subjects.
    """

    def __init__(
        self,
        schema: Schema,
        tables: Mapping[str, pa.Table],
        *,
        frame: Frame | None = None,
        notes: tuple[str, ...] = (),
        stream: _Stream | None = None,
        origin: Origin | None = None,
        holders: Holders | None = None,
    ) -> None:
        self.schema, self.notes, self.holders = schema, notes, holders
        self._tables = dict(tables)
        self._frame = frame or Frame()
        self._stream = stream
        self._origin = origin or Origin()

    @classmethod
    def of(cls, source: Any, *, schema: Schema | None = None, strict: bool = True) -> Dataset:
        """The data at or in `source`.

        What fits in memory (256 MB of raw cells) is read now; what does not is read three times in passing, to sample it,
        to detect its schema and to check it, and is streamed from then on. Linked tables are always held in memory.

        Args:
            source: a Dataset; a path, glob, folder of shards of one table, or database URL; a pandas, polars, pyarrow or duckdb
                frame, or anything that speaks the Arrow stream protocol. Of several tables: a dict of names and frames or files; a
                folder with a `keys.json`, or whose files have different columns; the URL of a database that has several and names
                none (`sqlite:///shop.db`). Keys and links come from `keys.json` or the database's own catalogue, else they are found.
            schema: what the columns are; detected if not given. A column or table that it does not name is left out.
            strict: keys and links of linked tables that do not hold are refused; else they are told in `notes`, for a reader who mends
                them, and nothing can be learned from such tables.

        Raises:
            FileError: it cannot be read.
            DataError: it is no table, has no rows, or does not fit the schema that was given; a key or link does not hold.
            SchemaError: tables link to each other in a circle that has no beginning.
            UnknownName: a database has no such table.
            MissingExtra: a package for this type is not installed.
        """
        if isinstance(source, Dataset):
            return source if schema is None or schema == source.schema else source._under(schema)
        found = several.several(source, named=schema is not None and schema.linked)
        if found is not None:
            return cls._linked(found, schema, strict=strict)
        if schema is not None and schema.linked:
            raise _one_of_several(source, schema)
        raw, frame = (read(source), Frame()) if isinstance(source, (str, Path)) else take_in(source)
        if schema is None:
            refuse_two(raw)
        found = conform(raw, schema.table) if schema is not None else infer(raw)
        whole = schema or Schema(tables=(found.table,))
        if found.canonical is not None:
            said = () if schema is not None else (look(found.table, found.canonical) for look in (links.within, subject.hint))
            notes = (*raw.notes, *(note for note in said if note is not None))
            return cls(whole, {found.table.name: found.canonical}, frame=frame, notes=notes)._ordered()
        return cls(whole, {}, frame=frame, notes=raw.notes, stream=_Stream(raw, found.table, found.rows))._ordered()

    @classmethod
    def _linked(cls, raw: several.Raw, schema: Schema | None, *, strict: bool) -> Dataset:
        whole = several.gather(raw, schema)
        frame = None if whole.schema.linked else raw.frames[whole.schema.table.name]
        data = cls(whole.schema, whole.tables, frame=frame, notes=whole.notes, origin=Origin(raw.frames, raw.suffix))
        data.notes += linked.check(data, strict=strict)
        return data

    @classmethod
    def from_arrow(
        cls, tables: Mapping[str, pa.Table], schema: Schema, *, like: Dataset | None = None, holders: Holders | None = None
    ) -> Dataset:
        """A dataset of canonical tables; `native` gives the kind of frame that `like` was made of, and its notes are told on."""
        for name in tables:
            schema[name]
        if like is None:
            return cls(schema, tables, holders=holders)
        return cls(schema, tables, frame=like._frame, notes=like.notes, origin=like._origin)

    def _under(self, schema: Schema) -> Dataset:
        """The same rows as another schema sees them."""
        if schema.linked or self.schema.linked:
            tables = {t.name: formats.parse(formats.restore(self.table(t.name), self.schema[t.name]), t) for t in schema.tables}
            data = Dataset(schema, tables, frame=self._frame, notes=self.notes, origin=self._origin)
            linked.check(data)
            return data
        raw = formats.restore(self.table(), self.schema.table)
        return Dataset(schema, {schema.table.name: formats.parse(raw, schema.table)}, frame=self._frame, notes=self.notes)._ordered()

    def _ordered(self) -> Dataset:
        """The same single table, with what is to be told of the column that orders it; refused if that has gaps."""
        table = self.schema.table
        if table.order is not None:
            names = dict.fromkeys([table.order, *linked.owner_of(self.schema, table)[0]])
            rows = {n: pa.chunked_array([b.column(n) for b in self._columns(n)], formats.canonical(table[n])) for n in names}
            self.notes += linked.check_order(self.schema, table, pa.table(rows))
        return self

    def seen_as(self, schema: Schema) -> Dataset:
        """The same rows under a schema of the same columns that says otherwise of keys, links, order or subject."""
        notes = tuple(n for n in self.notes if schema.subject is None or not n.startswith(subject.HINT))
        about = {"frame": self._frame, "notes": notes, "origin": self._origin, "holders": self.holders}
        return Dataset(schema, self._tables, stream=self._stream, **about)

    # ------------------------------------------------------------------------------------------------------ looking

    def table(self, name: str | None = None) -> pa.Table:
        """A table in canonical form, in memory: column order is the schema's."""
        table = self._named(name)
        if table.name not in self._tables:
            if self._stream is None:
                raise UnknownName(table.name, self._tables, what="table")
            batches = list(self._stream.batches(ROWS))
            self._tables[table.name] = pa.Table.from_batches(batches, formats.canonical_schema(table)).unify_dictionaries()
        return self._tables[table.name]

    def batches(self, name: str | None = None, *, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """A table in canonical form, at most `rows` rows at a time; a large file is streamed in constant memory."""
        table = self._named(name)
        if self._stream is not None and table.name not in self._tables:
            return self._stream.batches(rows)
        return iter(self.table(name).to_batches(max_chunksize=rows))

    @property
    def rows(self) -> int:
        """Rows of the only table; of linked tables those of the subject's (`schema.subject_table`)."""
        if self.schema.linked:
            return self.table(self.schema.subject_table.name).num_rows
        name = self.schema.table.name
        return self._stream.rows if self._stream is not None and name not in self._tables else self.table().num_rows

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        shapes = ", ".join(f"{t.name}: {len(t.columns)} columns" for t in self.schema.tables)
        return f"Dataset({shapes})"

    # ----------------------------------------------------------------------------------------------------- choosing

    def take(self, rows: np.ndarray) -> Dataset:
        """The rows of the only table with these numbers (or, for booleans, where true), in that order.

        Of linked tables: these rows of the subject's table, in the order of the source and each once, and of other tables those that
        lead to them; tables that do not depend on it stay whole. A link that would lead out of the chosen rows is emptied if it may
        be, else its row is left out; `notes` tell how many.
        """
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        if self.schema.linked:
            mask = np.zeros(self.rows, bool)
            mask[chosen] = True
            return self._part(linked.parts(self.schema, self._all(), mask)[0])
        name = self.schema.table.name
        if self._stream is not None and name not in self._tables and (np.diff(chosen) > 0).all():
            return Dataset(self.schema, {}, frame=self._frame, notes=self.notes, stream=self._stream.take(chosen))
        holders = None if self.holders is None else self.holders[chosen]
        return Dataset(self.schema, {name: self.table().take(pa.array(chosen))}, frame=self._frame, notes=self.notes, holders=holders)

    def split(self, share: float, *, rng: np.random.Generator, most: int | None = None) -> tuple[Dataset, Dataset]:
        """Two parts: the rest, and about `share` of the rows, `most` at most, drawn at random and kept in order.

        Where the schema names a subject, all rows of a subject are in one part. A part is empty only if there is a single row or subject.
        Linked tables are split by the rows of the subject's table; rows of other tables that lead to a row which was drawn go with it.
        Tables that do not depend on it are in both parts. As in `take`, no link leads from one part to the other, nor do those of a
        single table to itself.

        Raises:
            SettingError: `share` is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise SettingError(f"share is {share}, and must lie between 0 and 1", fix="0.2 takes a fifth of the rows")
        subjects = self.subjects()
        sizes = np.bincount(subjects) if subjects is not None else np.ones(self.rows, np.int64)
        wanted = min(max(1, round(share * self.rows)), most if most is not None else self.rows)
        order = rng.permutation(len(sizes))
        count = int(np.searchsorted(np.cumsum(sizes[order]), wanted, side="right"))
        chosen = np.zeros(len(sizes), bool)
        chosen[order[: min(max(1, count), len(sizes) - 1)]] = True
        held = chosen if subjects is None else chosen[subjects]
        if self.schema.linked or self.schema.table.links:
            drawn, rest = linked.parts(self.schema, self._all(), held, rng=rng)
            return self._part(rest), self._part(drawn)
        return self.take(~held), self.take(held)

    def _all(self) -> dict[str, pa.Table]:
        return {t.name: self.table(t.name) for t in self.schema.tables}

    def _part(self, some: linked.Chosen) -> Dataset:
        notes = (*self.notes, *some.notes)
        return Dataset(self.schema, some.tables, frame=self._frame, notes=notes, origin=self._origin)

    def subjects(self) -> np.ndarray | None:
        """Per row of the only table (of linked tables: of the subject's) the number of the subject it belongs to, int64; None if each
        row is its own."""
        if self.schema.subject is None:
            return None
        table, column = self.schema.column(self.schema.subject)
        if self.schema.linked:
            values = self.table(table.name).column(column.name)
        else:
            values = pa.chunked_array([batch.column(column.name) for batch in self._columns(column.name)])
        values = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
        codes = values.combine_chunks().dictionary_encode().indices
        numbers = codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        alone = np.flatnonzero(numbers < 0)  # without a subject a row is its own
        numbers[alone] = numbers.max(initial=-1) + 1 + np.arange(len(alone))
        return numbers

    def _columns(self, name: str) -> Iterator[pa.RecordBatch]:
        if self._stream is not None and not self._tables:
            return self._stream.batches(ROWS, only=name)
        return self.batches()

    def _named(self, name: str | None) -> Table:
        return self.schema.table if name is None else self.schema[name]

    # ------------------------------------------------------------------------------------------------------- giving

    def native(self) -> Any:
        """The rows as the kind of frame that came in, in its types; a pandas frame for a file or database.

        A file's text columns are as `pandas.read_csv` would show them: plain numbers are numbers, everything else is as written.
        Linked tables are a dict of names and frames.
        """
        if self.schema.linked:
            held = self._origin.frames
            return {t.name: give_back(self.table(t.name), t, held.get(t.name, Frame())) for t in self.schema.tables}
        return give_back(self.table(), self.schema.table, self._frame)

    @property
    def suffix(self) -> str:
        """The type of file that linked tables go out in, such as .csv."""
        return self._origin.suffix

    def write(self, path: str | Path, *, overwrite: bool | None = None) -> None:
        """Write the rows to a file or database table, in the formats of the source; see `Writer`.

        Linked tables go into a folder, a file each, of the type that they came in, or into a database; see `LinkedWriter`.
        """
        if self.schema.linked:
            with LinkedWriter(path, self.schema, overwrite=overwrite, suffix=self.suffix) as many:
                for name in linked.parents_first(self.schema):
                    for batch in self.batches(name):
                        many.append(name, batch)
            return
        with Writer(path, self.schema, overwrite=overwrite) as writer:
            for batch in self.batches():
                writer.append(batch)


def _one_of_several(source: Any, schema: Schema) -> DataError:
    """What is said of a single table where there should be several."""
    names = ", ".join(t.name for t in schema.tables)
    where = str(source) if isinstance(source, str | Path) else "the data"
    return DataError(
        f"one table, where the schema has {len(schema.tables)}: {names}", where=where,
        fix="give a folder of files, a database URL, or a dict of names and frames",
    )  # fmt: skip


def columns_of(source: Any) -> list[str]:
    """Names of the columns that a source has (of linked tables: `table.column`); no row is read.

    Raises:
        FileError: it cannot be read.
        DataError: it is no table.
    """
    if isinstance(source, Dataset):
        tables = source.schema.tables
        return [f"{t.name}.{c.name}" for t in tables for c in t] if source.schema.linked else list(source.schema.table.names)
    if (found := several.several(source)) is not None:
        return [f"{name}.{c}" for name, one in found.sources.items() for c in one.schema.names]
    raw = read(source) if isinstance(source, str | Path) else take_in(source)[0]
    return list(raw.schema.names)


class _Stream:
    """Rows of a source that is too large to hold, and which of them are meant."""

    def __init__(self, source: Source, table: Table, rows: int, *, chosen: np.ndarray | None = None) -> None:
        self.source, self.table = source, table
        self._all, self._chosen = rows, chosen
        self.rows = rows if chosen is None else int(chosen.sum())

    def batches(self, rows: int, *, only: str | None = None) -> Iterator[pa.RecordBatch]:
        """The chosen rows, or the `only` column of them."""
        table = (
            self.table
            if only is None
            else self.table.model_copy(update={"columns": (self.table[only],), "key": (), "links": (), "order": None})
        )
        start = 0
        for batch in parsed(self.source, table):
            end = start + batch.num_rows
            if self._chosen is not None:
                batch = batch.filter(pa.array(self._chosen[start:end]))
            start = end
            for at in range(0, batch.num_rows, rows):
                yield batch.slice(at, rows)

    def take(self, numbers: np.ndarray) -> _Stream:
        """Some of the chosen rows, by their numbers among them, in ascending order."""
        held = np.arange(self._all) if self._chosen is None else np.flatnonzero(self._chosen)
        mask = np.zeros(self._all, bool)
        mask[held[numbers]] = True
        return _Stream(self.source, self.table, self._all, chosen=mask)
