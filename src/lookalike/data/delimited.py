"""Delimited text (CSV, TSV): every cell is read as it is spelled, and the file's own dialect is kept, to be written the same way again."""

from __future__ import annotations

import codecs
import csv
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from lookalike.data.source import Source, blank_note, column_names, source, told
from lookalike.errors import DataError
from lookalike.schema import Column, Dialect

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SUFFIX = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|", ".txt": ","}

FREE = (".csv", ".txt")
"""Types of file whose name does not say how cells are separated."""
_STRANGE = (":", "^", "~", "\x01", "\x1f", " ")
_CHUNK = 1 << 22
_HEAD = 1 << 16
_BLOCK = 1 << 21  # Arrow reads some thirty of these ahead, and a row must fit in one
_BARE = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N"}
_END = r"\r\n|\n|\r"
_NUMBER, _YEAR = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?"), re.compile(r"(19|20)[0-9]{2}")
_UNDEFINED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


@dataclass(frozen=True)
class _Scan:
    """What one pass over all bytes tells: where it starts, how it is encoded, whether it quotes and how it ends."""

    head: bytes
    encoding: str
    quotes: int
    final: bool


@dataclass(frozen=True)
class _Layout:
    """All that reading needs to know of a file."""

    names: list[str]
    delimiter: str
    encoding: str
    quotes: bool
    skip: int


def delimited(path: Path, name: str, suffix: str) -> Source:
    """The source for a delimited text file whose type is `suffix` (without that of a compression).

    Raises:
        FileError: it cannot be read.
        DataError: it is empty, not text, or its header or delimiter make no sense.
    """
    scan = _scan(path)
    text = codecs.decode(scan.head, scan.encoding, "ignore")
    if not text.strip():
        raise DataError("the file is empty", where=str(path), fix="give a file with a header and rows")
    head = _Head(text)
    _refuse_preamble(head, scan.encoding, path)
    delimiter = _delimiter(head, str(path))
    records = head.records(delimiter)
    if len(records) == 1 and not scan.final:
        raise DataError("there are no rows, only column names", where=str(path), fix="give a table with rows")
    header = [_bare(cell) for cell in records[0]]
    names, blank = column_names(header)
    skip = len(re.match(r"(\r\n|\n|\r)*", text)[0].replace("\r\n", "\n"))  # type: ignore[index]
    layout = _Layout(names, delimiter, scan.encoding, scan.quotes > 0, skip)
    if scan.quotes % 2:
        _refuse_unclosed(path, layout)
    quoted, bare = _quoting(records[1:], names) if head.quotes else ((), ())
    dialect = Dialect(
        delimiter="" if delimiter == SUFFIX[suffix] else delimiter,
        eol=_eol(text),
        final=scan.final,
        encoding=scan.encoding,
        header=all(cell.startswith('"') for cell in records[0]),
        quoted=quoted,
        bare=bare,
        blank=blank,
    )
    notes = blank_note(blank) + _encoding_note(scan.encoding) + _header_note(header)
    schema = pa.schema([(n, pa.string()) for n in names])
    return source(name, str(path), schema, partial(_read, path, layout), dialect=dialect, notes=notes)


# --------------------------------------------------------------------------------------------------------- sniffing


def _scan(path: Path) -> _Scan:
    head, last, quotes, at = b"", b"", 0, 0
    utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    western = "cp1252"
    with told(str(path), "read the file"), pa.input_stream(str(path), compression="detect") as stream:
        while chunk := stream.read(_CHUNK):
            head = head or chunk
            if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return _Scan(chunk + stream.read(_CHUNK), "utf-16", 2, True)
            if b"\0" in chunk:
                raise DataError(
                    f"byte {at + chunk.index(0)} is NUL: this is not text", where=str(path), fix="save it as UTF-8 text, or remove the byte"
                )
            plain = chunk.isascii()
            if utf8 is not None and not (plain and not utf8.getstate()[0]):
                utf8 = utf8 if _decodes(utf8, chunk) else None
            if not plain and _UNDEFINED_IN_CP1252.search(chunk):
                western = "latin-1"
            quotes += chunk.count(b'"')
            at, last = at + len(chunk), chunk
    encoding = western if utf8 is None else "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
    return _Scan(head, encoding, quotes, last.endswith((b"\n", b"\r")))


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _encoding_note(encoding: str) -> tuple[str, ...]:
    return (f"not UTF-8, so read as {encoding}",) if encoding in ("cp1252", "latin-1") else ()


def _header_note(header: list[str]) -> tuple[str, ...]:
    """What to tell of names that are numbers, other than years and places: without a header, the first row would name the columns, and
    what stands in it would be in all that is given out."""
    odd = [n for at, n in enumerate(header) if _NUMBER.fullmatch(n) and not _YEAR.fullmatch(n) and n not in (str(at), str(at + 1))]
    if not odd:
        return ()
    return (f"{_count(len(odd), 'column')} named by a number: if the first line is a row of data, put a line of names above it",)


def _delimiter(head: _Head, where: str) -> str:
    """The delimiter that gives the most rows the header's number of cells, more than one; a comma for a single column."""
    ranks = {d: head.agreement(d) for d in DELIMITERS}
    best = max(ranks, key=lambda d: ranks[d])
    if ranks[best] > (0, 0):
        return best
    for strange in _STRANGE:
        share, width = head.agreement(strange)
        if share == 1 and width >= (4 if strange == " " else 2):
            raise DataError(
                f"all is in one column; the cells seem to be separated by {strange!r}",
                where=where,
                fix=f"separate them by {', '.join(DELIMITERS.values())}",
            )
    return ","


def _refuse_preamble(head: _Head, encoding: str, path: Path) -> None:
    """Raise a DataError if the file begins with lines of one cell (a title, comments) and then goes on as a table of several columns, or
    with the line that tells a spreadsheet how cells are separated, which would be taken for the column names."""
    if re.match(r'"?sep=[^\r\n]"?\r?\n', head.text, re.IGNORECASE):
        what = "the first line tells a spreadsheet how cells are separated, and is no header"
        raise DataError(what, where=str(path), fix=f"leave it out: tail -n +2 {shlex.quote(str(path))} > table.csv")
    if any(head.agreement(delimiter) > (0, 0) for delimiter in DELIMITERS):
        return
    for delimiter in DELIMITERS:
        records = head.placed(delimiter)
        widths = [len(record) for _, record in records]
        first = next((k for k, width in enumerate(widths) if width > 1), 0)
        if 0 < first < len(widths) - 1 and len(set(widths[first:])) == 1 and not any(map(_numeric, records[first][1])):
            ends = re.findall(_END, head.text[: records[first][0]])
            line = 1 + len(ends)
            what = f"the table seems to begin on line {line}, with {widths[first]} columns; what stands above it has one cell a line"
            cut = f": tail -n +{line} {shlex.quote(str(path))} > table.csv"  # which takes bytes for lines that end in \n
            plain = "\r" not in ends and encoding != "utf-16" and path.suffix.lower() in SUFFIX
            raise DataError(what, where=str(path), fix="keep only the table" + (cut if plain else f", from line {line} on"))


def _numeric(cell: str) -> bool:
    """Whether a cell has digits and no letters: the half of a number with a decimal comma, say, but no name of a column."""
    return bool(re.search(r"\d", cell)) and not any(map(str.isalpha, cell))


class _Head:
    """The first text of a file as records, for any delimiter; each is looked at once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.some = text[:_HEAD] if re.search(r"[\r\n]", text[:_HEAD].strip()) else text
        self.quotes = '"' in self.some
        self._found: dict[str, list[tuple[int, list[str]]]] = {}

    def agreement(self, delimiter: str) -> tuple[float, int]:
        """Share of records as wide as the header, and its width; (0, 0) if it is one cell."""
        if delimiter not in self.some:
            return 0, 0
        records = self.records(delimiter)
        width = len(records[0])
        return (sum(len(r) == width for r in records) / len(records), width) if width > 1 else (0, 0)

    def records(self, delimiter: str) -> list[list[str]]:
        """The first records, blank lines left out, each cell with the quotes it has in the file."""
        return [record for _, record in self.placed(delimiter)]

    def placed(self, delimiter: str) -> list[tuple[int, list[str]]]:
        """As `records`, each with the place in the text where it begins."""
        if delimiter not in self._found:
            records = self._quoted(delimiter) if self.quotes else self._plain(delimiter)
            if len(self.text) > len(self.some) and len(records) > 1:
                records.pop()  # cut short
            self._found[delimiter] = records
        return self._found[delimiter]

    def _plain(self, delimiter: str) -> list[tuple[int, list[str]]]:
        lines = re.finditer(r"[^\r\n]+", self.some)
        return [(line.start(), line[0].split(delimiter)) for line in lines]

    def _quoted(self, delimiter: str) -> list[tuple[int, list[str]]]:
        d = re.escape(delimiter)
        cell = re.compile(rf'("[^"]*(?:""[^"]*)*"[^{d}\r\n]*|[^{d}\r\n]*)({d}|{_END}|\Z)')
        records, record, start = [], [], 0
        for match in cell.finditer(self.some):
            record.append(match[1])
            if match[2] != delimiter:
                if record != [""]:
                    records.append((start, record))
                record, start = [], match.end()
        return records


def _bare(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _eol(text: str) -> str:
    first = re.compile(r'(?:"[^"]*"|[^"\r\n])*(\r\n|\n|\r)').match(text.lstrip("\r\n"))
    return first[1] if first else "\n"


def _quoting(records: list[list[str]], names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns whose cells are always quoted, and the spellings (of missing cells) that are bare even there."""
    quoted, bare = [], set()
    for name, cells in zip(names, zip(*(r for r in records if len(r) == len(names)), strict=True), strict=False):
        wrapped = [c for c in cells if c.startswith('"')]
        if not any(not re.search(r'[\r\n",;\t|]', _bare(c)) for c in wrapped):
            continue
        plain = {c for c in cells if not c.startswith('"')}
        if plain <= _BARE:
            quoted.append(name)
            bare |= plain
    return tuple(quoted), tuple(sorted(bare))


# ---------------------------------------------------------------------------------------------------------- reading


def _read(path: Path, layout: _Layout, columns: list[str]) -> Iterator[pa.RecordBatch]:
    single = len(layout.names) == 1
    with told(str(path), "read the file"):
        try:
            reader = arrow_csv.open_csv(
                pa.input_stream(str(path), compression="detect"),
                read_options=arrow_csv.ReadOptions(
                    column_names=layout.names,
                    skip_rows=layout.skip,
                    skip_rows_after_names=1,
                    encoding="utf8" if layout.encoding.startswith("utf-8") else layout.encoding,
                    block_size=_BLOCK,
                    use_threads=not layout.quotes,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=layout.delimiter, newlines_in_values=layout.quotes, ignore_empty_lines=not single
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={n: pa.string() for n in layout.names}, include_columns=columns, strings_can_be_null=False
                ),
            )
            yield from reader
        except pa.ArrowInvalid as error:
            _explain(path, layout, error)


def _explain(path: Path, layout: _Layout, error: pa.ArrowInvalid) -> NoReturn:
    """Raise a DataError with the number of the line that Arrow could not read."""
    width = len(layout.names)
    for start, _, row in _rows(path, layout):
        if row and len(row) != width:
            raise DataError(
                f"{_count(len(row), 'cell')} where the header has {width}",
                where=f"{path}:{start}",
                fix=f"mend the line; a cell that holds a {DELIMITERS[layout.delimiter]} must be in double quotes",
            ) from error
    if "straddling" in str(error):
        raise DataError(
            f"a row is longer than {_BLOCK:,} bytes", where=str(path), fix="is a double quote opened and never closed?"
        ) from error
    raise DataError(f"cannot read the file: {error}", where=str(path), fix="is it whole, and of the type that its name says?") from error


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _refuse_unclosed(path: Path, layout: _Layout) -> None:
    """Raise a DataError if a quote that opens a cell is never closed, which would swallow all rows after it."""
    start, lines, row = 1, 1, [""]
    for start, lines, row in _rows(path, layout):  # noqa: B007
        pass
    if lines > 1 or (row and row[-1].endswith(("\n", "\r"))):
        _refuse_quote(path, start)


def _refuse_quote(path: Path, line: int) -> NoReturn:
    raise DataError(
        "a double quote is opened and never closed", where=f"{path}:{line}", fix='close it, or write a quote inside a cell as ""'
    )


def _rows(path: Path, layout: _Layout) -> Iterator[tuple[int, int, list[str]]]:
    """Each record with the number of its first line and of its lines: slow, for complaints only."""
    done = 0
    with told(str(path), "read the file"), pa.input_stream(str(path), compression="detect") as stream:
        lines = codecs.getreader(layout.encoding)(stream, errors="replace")
        reader = csv.reader(_unsplit(lines), delimiter=layout.delimiter)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                _refuse_quote(path, done + 1)
            yield done + 1, reader.line_num - done, row
            done = reader.line_num


def _unsplit(lines: codecs.StreamReader) -> Iterator[str]:
    """Lines as a file has them: split at line ends only, not at the other characters that `str.splitlines` knows."""
    rest, held = [""], ""
    while text := lines.read(1 << 16):
        text = held + text
        held = "\r" if text.endswith("\r") else ""  # whether it is a line end of its own, what follows tells
        first, *more = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text.removesuffix(held))
        rest.append(first)
        if more:
            yield "".join(rest)
            yield from more[:-1]
            rest = more[-1:]
    if last := "".join(rest) + held:
        yield last


# ---------------------------------------------------------------------------------------------------------- writing


_MOMENTS = {"date": "%Y-%m-%d", "datetime": "%Y-%m-%d %H:%M:%S%-f", "time": "%H:%M:%S%-f", "duration": "%H:%M:%S%-f"}


def textual(column: Column) -> Column:
    """How a column of a typed source is written as text: moments in ISO 8601."""
    if column.kind not in _MOMENTS or column.format is not None:
        return column
    return column.model_copy(update={"storage": "string", "format": _MOMENTS[column.kind]})


class DelimitedText:
    """Turns raw tables into the bytes of a delimited text file in a dialect."""

    def __init__(self, names: Sequence[str], dialect: Dialect | None, suffix: str) -> None:
        self.names, self.dialect = tuple(names), dialect or Dialect()
        self.delimiter = self.dialect.delimiter if self.dialect.delimiter and suffix in FREE else SUFFIX[suffix]
        self._encoder = codecs.getincrementalencoder(self.dialect.encoding)()
        self._held = ""  # the last line end, held back until another row or the end of the file

    def head(self) -> bytes:
        """The header line."""
        header = pa.table(
            [pa.array(["" if n in self.dialect.blank else n]) for n in self.names], names=[str(i) for i in range(len(self.names))]
        )
        return self._lines(header, [self.dialect.header] * len(self.names), ())

    def rows(self, raw: pa.Table | pa.RecordBatch) -> bytes:
        """The lines of `raw`."""
        return self._lines(raw, [n in self.dialect.quoted for n in self.names], self.dialect.bare)

    def tail(self) -> bytes:
        """What ends the file."""
        return self._encoder.encode(self._held if self.dialect.final else "", final=True)  # type: ignore[return-value]

    def _lines(self, raw: pa.Table | pa.RecordBatch, quoted: list[bool], bare: Sequence[str]) -> bytes:
        if not raw.num_rows:
            return b""
        cells = [_wrap(spell(c), self.delimiter, always=q, bare=bare) for c, q in zip(raw.columns, quoted, strict=True)]
        eol = self.dialect.eol
        rows = pc.binary_join_element_wise(*cells, self.delimiter) if len(cells) > 1 else cells[0]
        lines = pc.binary_join_element_wise(pa.scalar("", rows.type), rows, eol)
        data = joined(lines)
        ended, self._held = self._held, eol
        if self.dialect.encoding == "utf-8":
            # every row starts with a line end: the first one's is replaced by the one held back
            return ended.encode() + data[len(eol) :]
        return self._encoded(ended + data[len(eol) :].decode())

    def _encoded(self, text: str) -> bytes:
        try:
            return self._encoder.encode(text)  # type: ignore[return-value]
        except UnicodeEncodeError as error:
            raise DataError(
                f"{error.object[error.start]!r} cannot be written in {self.dialect.encoding}, the encoding of the source",
                fix="set the dialect's encoding to utf-8 in the schema, or write another type of file",
            ) from None


def occurring(cells: pa.Array, texts: Sequence[str]) -> list[str]:
    """Those of `texts` that occur in the memory of `cells`, looked for in one go: most columns have none."""
    data = cells.buffers()[2]
    held = data.to_pybytes() if data is not None else b""
    return [t for t in texts if t.encode() in held]


def joined(lines: pa.Array) -> bytes:
    """All strings of a freshly made array without nulls, end to end."""
    _, offsets, data = lines.buffers()
    wide = 8 if pa.types.is_large_string(lines.type) else 4
    end = int.from_bytes(offsets[len(lines) * wide : (len(lines) + 1) * wide].to_pybytes(), "little")
    return data[:end].to_pybytes()


def spell(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column of any single-valued type as text, null where it is missing; moments in ISO 8601, durations in seconds."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_duration(array.type):
        ticks = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[array.type.unit]
        array = pc.divide(array.cast(pa.int64()).cast(pa.float64()), ticks)
    if pa.types.is_timestamp(array.type) or pa.types.is_time(array.type):
        array = array.cast(pa.string())
        return pc.replace_substring_regex(array, r"\.0+(Z|[+-]\d+)?$", r"\1")
    if pa.types.is_floating(array.type):
        return pc.replace_substring_regex(array.cast(pa.string()), r"^(-?\d+)$", r"\1.0")
    return array if array.type == pa.string() else array.cast(pa.string())


def _wrap(cells: pa.Array, delimiter: str, *, always: bool, bare: Sequence[str]) -> pa.Array:
    """Cells in double quotes: all but the `bare` spellings, or only those that need it; a missing cell is empty."""
    cells = pc.fill_null(cells, "")
    if always:
        needed = pc.invert(pc.is_in(cells, value_set=pa.array(bare, pa.string())))
    else:
        special = occurring(cells, (delimiter, '"', "\n", "\r"))
        if not special:
            return cells
        needed = reduce(pc.or_, [pc.match_substring(cells, s) for s in special])
    return pc.if_else(needed, pc.binary_join_element_wise('"', pc.replace_substring(cells, '"', '""'), '"', ""), cells)
