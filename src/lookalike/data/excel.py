"""Excel workbooks: the first sheet, its first row the header. A column of one type keeps it; a column of several is text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lookalike.data.source import Source, blank_note, column_names, source, told
from lookalike.errors import DataError, FileError, MissingExtra

if TYPE_CHECKING:
    import xlsxwriter

MOST_ROWS = 1_048_575


def excel(path: Path, name: str) -> Source:
    """The source for the first sheet of a workbook (.xlsx, .xlsb, .xls, .ods), which is held in memory.

    Raises:
        MissingExtra: the package `python-calamine` is not installed.
        FileError: it cannot be read.
        DataError: it holds no rows.
    """
    try:
        import python_calamine as calamine
    except ImportError:
        raise MissingExtra("python-calamine", "excel", purpose="reading Excel") from None
    with told(str(path), "read the file"):
        path.open("rb").close()
        try:
            book = calamine.load_workbook(str(path))
            rows = book.get_sheet_by_index(0).to_python(skip_empty_area=True)
        except calamine.CalamineError as error:
            raise FileError(
                f"cannot read the workbook: {error}", where=str(path), fix="is it whole, and of the type that its name says?"
            ) from error
    if not rows:
        raise DataError("the first sheet is empty", where=str(path), fix="move the table to the first sheet, its header in the first row")
    names, blank = column_names([_name(n) for n in rows[0]])
    columns = [_column([row[at] for row in rows[1:]]) for at in range(len(names))]
    kept = [at for at, n in enumerate(names) if n not in blank or columns[at].null_count < len(columns[at])]
    table = pa.table([columns[at] for at in kept], names=[names[at] for at in kept])
    others = book.sheet_names[1:]
    notes = blank_note(blank) + ((f"only the first sheet was read, not {', '.join(others)}",) if others else ())
    return source(name, str(path), table.schema, lambda wanted: iter(table.select(wanted).to_batches()), notes=notes)


def _name(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _column(cells: Sequence[Any]) -> pa.Array:
    """Cells as an Arrow array: empty ones are null, whole numbers are integers."""
    values = [None if c == "" else c for c in cells]
    kinds = {type(v) for v in values if v is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= {int, float}:
        whole = all(v is None or (float(v).is_integer() and abs(v) < 2**53) for v in values)
        return pa.array([v if v is None else int(v) for v in values], pa.int64()) if whole else pa.array(values, pa.float64())
    if kinds == {dt.date, dt.datetime}:
        values = [dt.datetime(v.year, v.month, v.day) if type(v) is dt.date else v for v in values]
        kinds = {dt.datetime}
    if len(kinds) == 1 and kinds <= {str, bool, dt.date, dt.datetime, dt.time, dt.timedelta}:
        return pa.array(values)
    return pa.array([v if v is None or isinstance(v, str) else _name(v) for v in values], pa.string())


class Workbook:
    """Writes raw tables to the only sheet of a new workbook, row by row, in constant memory."""

    def __init__(self, file: Any, names: Sequence[str]) -> None:
        try:
            import xlsxwriter
        except ImportError:
            raise MissingExtra("xlsxwriter", "excel", purpose="writing Excel") from None
        options = {"constant_memory": True, "strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(file, {**options, "nan_inf_to_errors": True, "remove_timezone": True})
        self._sheet = self._book.add_worksheet()
        self._rows = 0
        self._styles: list[Any] = []
        self._sheet.write_row(0, 0, names)

    def write(self, raw: pa.Table | pa.RecordBatch) -> None:
        """Append rows; an Excel sheet takes 1,048,575 below its header."""
        if self._rows + raw.num_rows > MOST_ROWS:
            raise DataError(f"an Excel sheet holds at most {MOST_ROWS:,} rows", fix="write .csv or .parquet instead, or fewer rows")
        self._styles = self._styles or [_style(self._book, kind) for kind in raw.schema.types]
        for row in _tuples(raw):
            self._rows += 1
            for at, cell in enumerate(row):
                if cell is not None:
                    self._sheet.write(self._rows, at, cell, self._styles[at])

    def close(self) -> None:
        """Complete the file."""
        self._book.close()

    def abort(self) -> None:
        """Remove the temporary file that rows are kept in until the workbook is complete."""
        self._sheet.row_data_fh.close()
        Path(self._sheet.row_data_filename).unlink(missing_ok=True)


def _tuples(raw: pa.Table | pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in raw.columns), strict=True)


def _style(book: xlsxwriter.Workbook, kind: pa.DataType) -> Any:
    """How Excel shows cells of an Arrow type; None for plain numbers and text."""
    shown = (
        "yyyy-mm-dd" if pa.types.is_date(kind)
        else "yyyy-mm-dd hh:mm:ss" if pa.types.is_timestamp(kind)
        else "hh:mm:ss" if pa.types.is_time(kind)
        else "[h]:mm:ss" if pa.types.is_duration(kind)
        else ""
    )  # fmt: skip
    return book.add_format({"num_format": shown}) if shown else None
