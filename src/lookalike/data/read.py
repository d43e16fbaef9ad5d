"""From a path to a `Source`: the file's suffix says what it is; a glob or a folder is the shards of one table; a URL is a database."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from lookalike._whole import expanded
from lookalike.data import database
from lookalike.data.delimited import SUFFIX as DELIMITED
from lookalike.data.delimited import delimited
from lookalike.data.excel import excel
from lookalike.data.jsonl import jsonl
from lookalike.data.source import ROWS, Source, source, told
from lookalike.errors import DataError, FileError, near_matches

COMPRESSED = (".gz", ".zst", ".bz2")
TEXT = {*DELIMITED, ".jsonl", ".ndjson"}
EXCEL = (".xlsx", ".xlsb", ".xls", ".ods")
DATABASES = {".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".duckdb": "duckdb"}

_NUMBERED = re.compile(r"[-_. ]*\d+([-_. ]*(of)?[-_. ]*\d+)*$")
"""What tells shards of one table apart: sales-1, sales_2024-01, part 1 of 3."""
_HIDDEN_INDEX = re.compile(r"__index_level_\d+__")


def read(place: str | Path) -> Source:
    """The source at a file, a glob, a folder of shards of one table, or a database URL.

    Raises:
        FileError: there is nothing, it cannot be read, or its type is unknown.
        DataError: what is there is no table.
        MissingExtra: a package for this type is not installed.
    """
    if database.is_url(str(place)):
        return database.read(str(place))
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.]*)://", str(place)):
        known = ", ".join(f"{s}://" for s in sorted(set(database.SCHEMES)))
        raise FileError(f"{scheme[1]}:// is no kind of database that is known", where=str(place), fix=f"known: {known}; else give a file")
    path = expanded(place)
    if str(place) == "-" or path.is_fifo() or path.is_char_device():
        raise FileError("a pipe cannot be read, because data are read more than once", where=str(place), fix="save it first: … > data.csv")
    with told(str(path), "look for the file"):
        if path.is_dir():
            return _shards(readable(path), path.resolve().name or "table", str(path))
        if path.exists():
            return _file(path)
    if glob.has_magic(str(path)):
        found = [Path(p) for p in sorted(glob.glob(str(path), recursive=True)) if Path(p).is_file()]
        if not found:
            raise FileError("no file matches", where=str(path), fix="check the pattern")
        return _shards(
            found, path.parent.name if glob.has_magic(path.stem) and not glob.has_magic(path.parent.name) else "table", str(path)
        )
    raise _missing(path)


def suffix_of(path: Path) -> tuple[str, str]:
    """The type that a file's name says, as its suffix in lower case, and the suffix of its compression or "".

    Raises:
        FileError: the type is unknown; names the near matches.
    """
    suffixes = [s.lower() for s in path.suffixes]
    pressed = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSED else ""
    suffix = suffixes[-1] if suffixes else ""
    if suffix in _READERS and (not pressed or suffix in TEXT):
        return suffix, pressed
    if suffix in DATABASES:
        raise FileError("a database is named by a URL", where=str(path), fix=f"write {DATABASES[suffix]}:///{path}?table=…")
    what = f"{suffix} files are not read from {pressed}" if suffix in _READERS else f"unknown file type {suffix or path.name!r}"
    near = near_matches(suffix, _READERS) if suffix and suffix not in _READERS else []
    fix = f"did you mean {' or '.join(near)}? " if near else ""
    raise FileError(what, where=str(path), fix=f"{fix}known: {' '.join(_READERS)}; text also with {' '.join(COMPRESSED)}")


def is_known(path: Path) -> bool:
    """Whether a file's name says that it holds a table."""
    return not {s.lower() for s in path.suffixes}.isdisjoint(_READERS)


def name_of(path: Path) -> str:
    """The name of the table in a file: the file's, without suffixes."""
    name = path.name
    for suffix in reversed(path.suffixes):
        if suffix.lower() not in _READERS and suffix.lower() not in COMPRESSED:
            break
        name = name[: -len(suffix)]
    return name or "table"


def _file(path: Path) -> Source:
    suffix, _ = suffix_of(path)
    return _READERS[suffix](path, name_of(path))


def _missing(path: Path) -> FileError:
    parent = path.parent
    if path.is_symlink():
        return FileError("a link that leads nowhere", where=str(path), fix="mend the link, or give the file itself")
    near = near_matches(path.name, [p.name for p in parent.iterdir()]) if parent.is_dir() else []
    fix = f"did you mean {' or '.join(near)}?" if near else "check the path" if parent.is_dir() else f"there is no folder {parent}"
    return FileError("no such file or folder", where=str(path), fix=fix)


# --------------------------------------------------------------------------------------------------- typed binary files


def _parquet(path: Path, name: str) -> Source:
    with told(str(path), "read the Parquet file"), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
    return _typed(path, name, schema, _parquet_batches)


def _parquet_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with told(str(path), "read the Parquet file"), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=columns):
            yield _sound(batch.select(columns))


def _arrow(path: Path, name: str) -> Source:
    with told(str(path), "read the Arrow file"), pa.OSFile(str(path)) as opened, _ipc(opened) as file:
        schema = file.schema
    return _typed(path, name, schema, _arrow_batches)


def _arrow_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with told(str(path), "read the Arrow file"), pa.OSFile(str(path)) as opened, _ipc(opened) as file:
        batches = file if isinstance(file, ipc.RecordBatchStreamReader) else map(file.get_batch, range(file.num_record_batches))
        for batch in batches:
            yield _sound(batch.select(columns))


def _sound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, every place that it names looked at: Arrow believes what a file says of itself, and reads beyond it."""
    batch.validate(full=True)
    return batch


def _ipc(opened: pa.NativeFile) -> ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader:
    """A reader of an IPC file, or of an IPC stream that was saved as a file."""
    magic = opened.read(6)
    opened.seek(0)
    return ipc.open_file(opened) if magic == b"ARROW1" else ipc.open_stream(opened)


def _typed(path: Path, name: str, schema: pa.Schema, batches: Callable[[Path, list[str]], Iterator[pa.RecordBatch]]) -> Source:
    """A source of a file with types of its own; the row labels that pandas hides in it are left out."""
    hidden = [n for n in schema.names if _HIDDEN_INDEX.fullmatch(n)]
    notes = ("the nameless index that pandas stored was left out",) if hidden else ()
    shown = pa.schema([f for f in schema if f.name not in hidden])
    return source(name, str(path), shown, partial(batches, path), notes=notes)


# --------------------------------------------------------------------------------------------------------------- shards


def readable(folder: Path) -> list[Path]:
    """The files of a folder that are tables, in order; hidden ones and those that begin with _ are not.

    Raises:
        FileError: there are none.
    """
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] not in "._")
    known = [p for p in files if is_known(p)]
    if not known:
        raise FileError(
            "no file in the folder can be read",
            where=str(folder),
            fix=f"known: {' '.join(_READERS)}; text also with {' '.join(COMPRESSED)}",
        )
    return known


def tables(folder: Path, *, apart: bool = False) -> dict[str, Source] | None:
    """The tables of a folder whose files have different columns, by name; None if all are shards of one.

    Files of equal columns whose names differ in digits only (sales-1, sales-2) are shards of one of the tables.

    Args:
        apart: files are tables of their own even if all have the same columns.

    Raises:
        FileError: no file can be read.
        DataError: files that look like shards of one table have different columns.
    """
    paths = readable(folder)
    parts = {path: _file(path) for path in paths} if len(paths) > 1 else {}
    if len({frozenset(part.schema.names) for part in parts.values()}) < 2 and not apart:
        return None
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(_NUMBERED.sub("", name_of(path)) or "table", []).append(path)
    return {
        name if len(some) > 1 else name_of(some[0]): _shards(some, name, str(folder)) if len(some) > 1 else parts[some[0]]
        for name, some in groups.items()
    }


def file(path: Path) -> Source:
    """The source for a file.

    Raises:
        FileError: it is not there, or its type is unknown.
    """
    if not path.is_file():
        raise _missing(path)
    return _file(path)


def _shards(paths: list[Path], name: str, where: str) -> Source:
    """One source of several files with the same columns, in the order of their names."""
    parts = [_file(p) for p in paths]
    first = parts[0]
    for part in parts[1:]:
        _same_columns(first, part)
    ordered = [pa.schema([p.schema.field(n) for n in first.schema.names]) for p in parts]
    with told(where, "join the shards"):
        try:
            schema = pa.unify_schemas(ordered, promote_options="permissive")
        except pa.ArrowTypeError as error:
            raise DataError(
                f"the shards hold different types: {error}", where=where, fix="give the column one type in all files"
            ) from error

    def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
        return (batch for part in parts for batch in part.batches(columns))

    return source(name, where, schema, batches, dialect=first.dialect, notes=tuple(dict.fromkeys(n for p in parts for n in p.notes)))


def _same_columns(first: Source, other: Source) -> None:
    missing = [n for n in first.schema.names if n not in other.schema.names]
    extra = [n for n in other.schema.names if n not in first.schema.names]
    if missing or extra:
        said = [f"lacks {', '.join(map(repr, missing))}"] * bool(missing) + [f"has {', '.join(map(repr, extra))} besides"] * bool(extra)
        raise DataError(
            f"not a shard of the same table as {first.where}: it {' and '.join(said)}",
            where=other.where,
            fix="give files of one table only, or one file alone",
        )


_READERS: dict[str, Callable[[Path, str], Source]] = {
    **{s: partial(delimited, suffix=s) for s in DELIMITED},
    ".parquet": _parquet,
    ".pq": _parquet,
    ".feather": _arrow,
    ".arrow": _arrow,
    ".ipc": _arrow,
    ".jsonl": jsonl,
    ".ndjson": jsonl,
    **dict.fromkeys(EXCEL, excel),
}
