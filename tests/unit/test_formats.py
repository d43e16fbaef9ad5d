"""What a source wrote is what comes back: every spelling of numbers, moments and truth, in text and in typed columns."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.data import detect, formats
from lookalike.errors import DataError, SchemaError
from lookalike.schema import Column, NumberFormat, Table

FEW = settings(max_examples=60, deadline=None)


def there_and_back(cells: Sequence[str | None], column: Column) -> pa.Array:
    """Canonical form of text cells, after a check that they come back as they were."""
    raw = pa.array(cells, pa.string())
    canonical = formats.parse_column(raw, column)
    assert canonical.type == formats.canonical(column)
    assert formats.restore_column(canonical, column).to_pylist() == raw.to_pylist()
    return canonical


def read_as_detected(cells: Sequence[str], name: str = "x") -> tuple[Column, pa.Array]:
    """The detected column of text cells and their canonical form, after a check that they come back as they were."""
    column = detect.detect_column(pa.array(cells), name)
    return column, there_and_back(cells, column)


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", "30"], "integer", [1, -2, 30]),
        (["3.0", "-4.0", "250.0"], "integer", [3, -4, 250]),
        (["2.50", "3.10", "-0.75"], "number", [2.5, 3.1, -0.75]),
        (["41.0", "8.3252", "-0.5"], "number", [41.0, 8.3252, -0.5]),
        (["0.030769231", "0.2", "0.0"], "number", [0.030769231, 0.2, 0.0]),
        (["1,234", "12", "1,234,567"], "integer", [1234, 12, 1234567]),
        (["1,234.50", "12.25"], "number", [1234.5, 12.25]),
        (["1.234,50", "12,25"], "number", [1234.5, 12.25]),
        (["1.234.567", "12"], "integer", [1234567, 12]),
        (["1,5", "2,25"], "number", [1.5, 2.25]),
        (["1 234,5", "3,5"], "number", [1234.5, 3.5]),
        (["1'234.5", "3.5"], "number", [1234.5, 3.5]),
        (["$1,234.50", "$2.25", "-$3.10"], "number", [1234.5, 2.25, -3.1]),
        (["$-3.15", "$4.20"], "number", [-3.15, 4.2]),
        (["($1,234.55)", "$2.05"], "number", [-1234.55, 2.05]),
        (["€ 5,25", "€ 6,50"], "number", [5.25, 6.5]),
        (["5,25 €", "1.234,75 €"], "number", [5.25, 1234.75]),
        (["12%", "3%", "-4%"], "integer", [12, 3, -4]),
        (["12.5 %", "3.0 %"], "number", [12.5, 3.0]),
        ([" 36 months", " 60 months"], "integer", [36, 60]),
        (["5-", "6", "7-"], "integer", [-5, 6, -7]),
        (["+5", "-3", "+7"], "integer", [5, -3, 7]),
        (["1.5e+03", "2.25e-02"], "number", [1500.0, 0.0225]),
        (["1.5E3", "2E-2", "-3E0"], "number", [1500.0, 0.02, -3.0]),
        (["0.0312", "2.73e-05", "12.0"], "number", [0.0312, 2.73e-05, 12.0]),
        (["0.30000000000000004", "0.1", "3.0"], "number", [0.30000000000000004, 0.1, 3.0]),
        ([".5", "-.25", "1.75"], "number", [0.5, -0.25, 1.75]),
        (["-0.0", "1.5"], "number", [-0.0, 1.5]),
        (["-73.9561344937861", "40.7940823884086"], "number", [-73.9561344937861, 40.7940823884086]),
    ],
)
def test_numbers_are_read_and_come_back(cells: list[str], kind: str, values: list[float]) -> None:
    column, canonical = read_as_detected(cells)
    assert column.kind == kind
    assert canonical.to_pylist() == values


@FEW
@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=30),
    st.sampled_from(["", ",", ".", " ", "'"]),
    st.sampled_from(["", "$", "€ "]),
    st.sampled_from(["", "%", " kg"]),
    st.sampled_from(["-$1", "$-1", "$1-", "($1)"]),
    st.booleans(),
)
def test_any_integer_format_round_trips(values: list[int], thousands: str, prefix: str, suffix: str, negative: str, plus: bool) -> None:
    point = "," if thousands == "." else "."
    form = NumberFormat(thousands=thousands, prefix=prefix, suffix=suffix, negative=negative, plus=plus, point=point)  # type: ignore[arg-type]
    column = Column(name="x", kind="integer", number=form)
    written = formats.restore_column(pa.array(values), column)
    assert formats.parse_column(written, column).to_pylist() == values


@FEW
@given(
    st.lists(st.integers(-(10**8), 10**8), min_size=1, max_size=30),
    st.integers(1, 6),
    st.integers(0, 6),
    st.sampled_from(["", ","]),
    st.sampled_from(["-$1", "($1)"]),
    st.booleans(),
)
def test_any_decimal_format_round_trips(values: list[int], decimals: int, pad: int, thousands: str, negative: str, zero: bool) -> None:
    form = NumberFormat(decimals=decimals, pad=min(pad, decimals), thousands=thousands, negative=negative, zero=zero)  # type: ignore[arg-type]
    column = Column(name="x", kind="number", number=form)
    numbers = [v / 10**decimals for v in values]
    written = formats.restore_column(pa.array(numbers), column)
    assert formats.parse_column(written, column).to_pylist() == numbers


@FEW
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30))
def test_floats_as_python_writes_them_come_back(values: list[float]) -> None:
    cells = [repr(v) for v in values]
    column = Column(name="x", kind="number", number=NumberFormat(pad=1, exponent="auto"))
    assert there_and_back(cells, column).to_pylist() == values


@FEW
@given(st.lists(st.decimals(-(10**6), 10**6, places=2), min_size=3, max_size=30, unique=True))
def test_detected_money_comes_back(values: list[Decimal]) -> None:
    read_as_detected([f"{'-' if v < 0 else ''}${abs(v):,.2f}" for v in values])


def test_a_rounded_away_minus_is_not_written() -> None:
    column = Column(name="x", kind="number", number=NumberFormat(decimals=2, pad=2))
    assert formats.restore_column(pa.array([-0.001, -0.01, 1e-9]), column).to_pylist() == ["0.00", "-0.01", "0.00"]


def test_infinity_and_nan_become_null() -> None:
    canonical = formats.parse_column(pa.array([1.5, float("nan"), float("inf"), None]), Column(name="x", kind="number", storage="double"))
    assert canonical.to_pylist() == [1.5, None, None, None]


# ── moments ─────────────────────────────────────────────────────────────────────────────────────────────────────────

DATE_PATTERNS = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%-d.%-m.%Y",
    "%m/%d/%Y",
    "%-m/%-d/%Y",
    "%d/%m/%Y",
    "%d-%b-%Y",
    "%d-%^b-%Y",
    "%B %-d, %Y",
    "%a, %d %b %Y",
    "%Y-%j",
]
CLOCK_PATTERNS = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%-m/%-d/%Y %-I:%M:%S%P",
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y%m%d%H%M%S",
]
FRACTIONS = {
    "%Y-%m-%d %H:%M:%S.%3f": 1000,
    "%Y-%m-%d %H:%M:%S.%f": 1,
    "%Y-%m-%d %H:%M:%S%?f": 1,
    "%Y-%m-%d %H:%M:%S%-f": 1,
    "%H:%M:%S,%3f %Y-%m-%d": 1000,
}
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31))
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 12, 31))


@pytest.mark.parametrize("pattern", DATE_PATTERNS)
@settings(max_examples=25, deadline=None)
@given(days=st.lists(DAYS, min_size=1, max_size=20))
def test_dates_are_written_as_strftime_does_and_come_back(pattern: str, days: list[dt.date]) -> None:
    column = Column(name="d", kind="date", format=pattern)
    cells = formats.restore_column(pa.array(days), column)
    assert cells.to_pylist() == [_strftime(dt.datetime.combine(d, dt.time()), pattern) for d in days]
    assert formats.parse_column(cells, column).to_pylist() == days


@pytest.mark.parametrize("pattern", CLOCK_PATTERNS)
@settings(max_examples=25, deadline=None)
@given(moments=st.lists(MOMENTS.map(lambda m: m.replace(microsecond=0)), min_size=1, max_size=20))
def test_datetimes_are_written_as_strftime_does_and_come_back(pattern: str, moments: list[dt.datetime]) -> None:
    column = Column(name="t", kind="datetime", format=pattern)
    cells = formats.restore_column(pa.array(moments, pa.timestamp("us")), column)
    assert cells.to_pylist() == [_strftime(m.replace(tzinfo=dt.UTC), pattern) for m in moments]
    assert formats.parse_column(cells, column).to_pylist() == moments


def _strftime(moment: dt.datetime, pattern: str) -> str:
    """Python's own spelling, with the letters that it lacks put in by hand."""
    lacking = {"%^b": moment.strftime("%b").upper(), "%P": moment.strftime("%p").lower(), "%-I": str((moment.hour + 11) % 12 + 1)}
    for letters, text in {**lacking, "%-d": str(moment.day), "%-m": str(moment.month)}.items():
        pattern = pattern.replace(letters, text)
    return moment.strftime(pattern)


@pytest.mark.parametrize("pattern", FRACTIONS)
@settings(max_examples=25, deadline=None)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=20))
def test_fractions_of_seconds_come_back(pattern: str, moments: list[dt.datetime]) -> None:
    column = Column(name="t", kind="datetime", format=pattern)
    kept = [m.replace(microsecond=m.microsecond // FRACTIONS[pattern] * FRACTIONS[pattern]) for m in moments]
    cells = formats.restore_column(pa.array(kept, pa.timestamp("us")), column)
    assert formats.parse_column(cells, column).to_pylist() == kept


@pytest.mark.parametrize(
    ("cells", "pattern", "zone", "first"),
    [
        (["2020-01-31T10:05:00Z", "2020-07-31T23:05:00Z"], "%Y-%m-%dT%H:%M:%SZ", "UTC", "2020-01-31T10:05:00"),
        (["2020-01-31T10:05:00+02:00", "2020-07-31T23:05:00+02:00"], "%Y-%m-%dT%H:%M:%S%:z", "+02:00", "2020-01-31T08:05:00"),
        (["31/Jan/2020:10:05:00 -0530", "31/Jul/2020:23:05:00 -0530"], "%d/%b/%Y:%H:%M:%S %z", "-05:30", "2020-01-31T15:35:00"),
        (
            ["Fri, 31 Jan 2020 10:05:00 GMT"] * 2 + ["Sat, 01 Feb 2020 00:00:00 GMT"],
            "%a, %d %b %Y %H:%M:%S GMT",
            "UTC",
            "2020-01-31T10:05:00",
        ),
    ],
)
def test_zones_are_kept(cells: list[str], pattern: str, zone: str, first: str) -> None:
    column, canonical = read_as_detected(cells)
    assert (column.format, column.zone) == (pattern, zone)
    assert canonical[0].as_py() == dt.datetime.fromisoformat(first).replace(tzinfo=dt.UTC)


def test_a_declared_zone_says_what_a_clock_without_offset_means() -> None:
    column = Column(name="t", kind="datetime", format="%Y-%m-%d %H:%M", zone="Europe/Berlin")
    canonical = there_and_back(["2024-01-31 10:05", "2024-07-31 10:05"], column)
    assert [v.astimezone(dt.UTC).hour for v in canonical.to_pylist()] == [9, 8]


@pytest.mark.parametrize(
    ("cells", "pattern", "seconds"),
    [
        (["25:00:00", "01:10:10"], "%H:%M:%S", [90000, 4210]),
        (["1:00:00", "101:00:00"], "%-H:%M:%S", [3600, 363600]),
        (["0 days 01:02:03", "12 days 00:00:00"], "%-d days %H:%M:%S", [3723, 1036800]),
        (["PT1H30M", "P1DT2S", "PT0S", "-PT0.5S"], "iso", [5400, 86402, 0, -0.5]),
        (["-25:00:00.500", "02:00:00.250"], "%H:%M:%S.%3f", [-90000.5, 7200.25]),
    ],
)
def test_durations_are_read_and_come_back(cells: list[str], pattern: str, seconds: list[float]) -> None:
    column, canonical = read_as_detected(cells)
    assert (column.kind, column.format) == ("duration", pattern)
    assert [v.total_seconds() for v in canonical.to_pylist()] == seconds


@FEW
@given(
    st.lists(st.timedeltas(dt.timedelta(-5000), dt.timedelta(5000)), min_size=1, max_size=20),
    st.sampled_from(["iso", "%H:%M:%S%?f", "%d days %H:%M:%S.%f"]),
)
def test_any_duration_round_trips(spans: list[dt.timedelta], pattern: str) -> None:
    column = Column(name="t", kind="duration", format=pattern)
    cells = formats.restore_column(pa.array(spans, pa.duration("us")), column)
    assert formats.parse_column(cells, column).to_pylist() == spans


@pytest.mark.parametrize(
    ("cells", "pattern"), [(["10:05:00", "23:59:59"], "%H:%M:%S"), (["9:05", "13:10"], "%-H:%M"), (["1:05 PM", "11:05 AM"], "%-I:%M %p")]
)
def test_times_are_read_and_come_back(cells: list[str], pattern: str) -> None:
    column, canonical = read_as_detected(cells)
    assert (column.kind, column.format) == ("time", pattern)
    assert canonical[0].as_py().minute == 5


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("storage", ["string", "int64"])
def test_epochs_come_back(unit: str, storage: str) -> None:
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    raw = pa.array([1431857100 * factor, None, 1431857103 * factor]).cast(storage)
    column = Column(name="t", kind="datetime", format=unit, storage=storage)
    canonical = formats.parse_column(raw, column)
    assert canonical[0].as_py() == dt.datetime(2015, 5, 17, 10, 5)
    assert formats.restore_column(canonical, column).equals(raw)


@pytest.mark.parametrize("cell", ["2020-02-30", "2020-13-01", "2020-00-10", "2021-02-29", "20200101", "yesterday"])
def test_days_that_do_not_exist_are_refused(cell: str) -> None:
    with pytest.raises(formats.Misfit, match="row 2"):
        formats.parse_column(pa.array(["2020-02-29", cell]), Column(name="d", kind="date"))


@pytest.mark.parametrize(("pattern", "what"), [("%Y-%Q", "%Q"), ("%d.%d.%Y", "twice"), ("day", "no field")])
def test_a_wrong_pattern_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(SchemaError, match=what):
        formats.parse_column(pa.array(["x"]), Column(name="d", kind="date", format=pattern))


# ── truth, categories, missing ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("no", "yes"), [("N", "Y"), ("no", "yes"), ("FALSE", "TRUE"), ("false", "true"), ("F", "T"), ("0", "1"), ("Nein", "Ja")]
)
def test_truth_comes_back_as_spelled(no: str, yes: str) -> None:
    column, canonical = read_as_detected([yes, no, no, yes, ""])
    assert (column.kind, column.labels) == ("boolean", (no, yes))
    assert canonical.to_pylist() == [True, False, False, True, None]


@pytest.mark.parametrize("mark", ["", "NA", "N/A", "n/a", "null", "NULL", "None", "nan", "NaN", "?", "-", "#N/A", ".", "\\N"])
def test_missing_spellings_come_back(mark: str) -> None:
    column, canonical = read_as_detected(["1.5", mark, "2.5", mark])
    assert (column.kind, column.missing, column.nullable) == ("number", (mark,), True)
    assert canonical.null_count == 2


def test_declared_missing_wins() -> None:
    column = Column(name="x", kind="integer", missing=("-999",))
    assert there_and_back(["5", "-999", "7"], column).to_pylist() == [5, None, 7]
    typed = Column(name="x", kind="integer", missing=("-999",), storage="int16")
    canonical = formats.parse_column(pa.array([5, -999, 7], pa.int16()), typed)
    assert canonical.to_pylist() == [5, None, 7]
    assert formats.restore_column(canonical, typed).to_pylist() == [5, -999, 7]


def test_nan_of_a_float_column_comes_back_as_nan() -> None:
    column = detect.detect_column(pa.array([1.0, float("nan"), 3.0]), "x")
    assert (column.kind, column.missing) == ("integer", ("NaN",))
    back = formats.restore_column(formats.parse_column(pa.array([1.0, float("nan"), 3.0]), column), column)
    assert np.array_equal(back.to_numpy(), [1.0, np.nan, 3.0], equal_nan=True)


@FEW
@given(st.lists(st.one_of(st.none(), st.text(min_size=1, max_size=8)), min_size=1, max_size=20))
def test_any_text_comes_back(cells: list[str | None]) -> None:
    for kind in ("category", "text", "key"):
        there_and_back(cells, Column(name="x", kind=kind))  # type: ignore[arg-type]


def test_a_category_leaves_its_missing_mark_out_of_the_dictionary() -> None:
    canonical = there_and_back(["b", "?", "a", "b"], Column(name="x", kind="category", missing=("?",)))
    assert canonical.dictionary.to_pylist() == ["b", "a"]
    assert canonical.to_pylist() == ["b", None, "a", "b"]


# ── typed sources ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (pa.array([1, 0, None], pa.uint8()), "boolean"),
        (pa.array([1.0, 0.0, None], pa.float32()), "boolean"),
        (pa.array([5, 300, None], pa.int16()), "integer"),
        (pa.array([5.0, 300.0, None], pa.float64()), "integer"),
        (pa.array([5.25, 0.1, None], pa.float32()), "number"),
        (pa.array([Decimal("5.25"), Decimal("0.10"), None], pa.decimal128(10, 2)), "number"),
        (pa.array([1, 2, 1, 3], pa.int8()), "category"),
        (pa.array(["a", "b", None], pa.string_view()), "category"),
        (pa.array([np.float16(0.5), np.float16(0.25), None], pa.float16()), "number"),
        (pa.array([dt.date(2020, 1, 2), None], pa.date64()), "date"),
        (pa.array([Decimal(5), None], pa.decimal128(20, 0)), "integer"),
        (pa.array([17850.0, 12.0, None]), "key"),
        (pa.array([17850, 12, None], pa.int32()), "key"),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), "category"),
        (pa.array(["a", "b", "a", None], pa.large_string()), "category"),
        (pa.array([dt.date(2020, 1, 2), dt.date(2021, 1, 2), None], pa.date32()), "date"),
        (pa.array([dt.datetime(2020, 1, 2), dt.datetime(2021, 1, 2), None], pa.timestamp("ns")), "date"),
        (pa.array([dt.datetime(2020, 1, 2, 5), dt.datetime(2021, 1, 2), None], pa.timestamp("ms")), "datetime"),
        (pa.array([dt.datetime(2020, 1, 2, 5), None], pa.timestamp("us", "Europe/Berlin")), "datetime"),
        (pa.array([dt.time(10, 5), dt.time(1, 5), None], pa.time32("s")), "time"),
        (pa.array([dt.timedelta(1), dt.timedelta(0, 5), None], pa.duration("ms")), "duration"),
        (pa.array([20200131, 20200201, None], pa.int64()), "date"),
        (pa.nulls(3), "empty"),
    ],
)
def test_typed_columns_come_back_in_their_type(raw: pa.Array, kind: str) -> None:
    column = Column(
        name="x",
        kind=kind,
        storage=str(raw.type),
        zone=getattr(raw.type, "tz", None),
        format="%Y%m%d" if pa.types.is_int64(raw.type) else None,
    )  # type: ignore[arg-type]
    canonical = formats.parse_column(raw, column)
    assert canonical.type == formats.canonical(column)
    assert formats.restore_column(canonical, column).equals(raw)


def test_typed_numbers_keep_the_digits_of_their_source() -> None:
    column = Column(name="x", kind="number", storage="double", number=NumberFormat(decimals=2))
    assert formats.restore_column(pa.array([1.23456, 1e300, None]), column).to_pylist() == [1.23, 1e300, None]


def test_a_value_too_large_for_its_storage_is_refused() -> None:
    with pytest.raises(DataError, match=r"t\.x: a value does not fit the source's type int8"):
        formats.restore_column(pa.array([300]), Column(name="x", kind="integer", storage="int8"), where="t")


def test_a_storage_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SchemaError, match="int65"):
        formats.storage_type(Column(name="x", kind="integer", storage="int65"))


# ── tables and errors ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_misfit_names_table_column_row_and_value() -> None:
    table = Table(name="shop", columns=(Column(name="price", kind="number"),))
    with pytest.raises(formats.Misfit) as caught:
        formats.parse(pa.table({"price": ["1.5", "2", "cheap"]}), table, start=100)
    assert (caught.value.column, caught.value.row, caught.value.value) == ("price", 103, "cheap")
    assert str(caught.value).startswith("shop.price: row 103: 'cheap' does not fit the kind number\n  → expected a number")


def test_a_missing_cell_where_nothing_may_be_missing_is_refused() -> None:
    with pytest.raises(formats.Misfit, match="row 2: None is missing"):
        formats.parse_column(pa.array(["1", None]), Column(name="x", kind="integer", nullable=False))


def test_a_second_value_does_not_fit_a_constant() -> None:
    with pytest.raises(formats.Misfit, match="row 3"):
        formats.parse_column(pa.array(["a", "a", "b"]), Column(name="x", kind="constant"))


def test_a_column_that_is_not_there_is_named() -> None:
    table = Table(name="shop", columns=(Column(name="price", kind="number"), Column(name="size", kind="integer")))
    with pytest.raises(DataError, match="no column 'size' in the data"):
        formats.parse(pa.table({"price": ["1"]}), table)


def test_batches_stay_batches_and_chunks_are_joined() -> None:
    table = Table(columns=(Column(name="a", kind="integer"), Column(name="b", kind="category")))
    raw = pa.table({"a": pa.chunked_array([["1"], ["2", "3"]]), "b": pa.chunked_array([["x"], ["y", "x"]])})
    canonical = formats.parse(raw, table)
    assert canonical.schema == formats.canonical_schema(table)
    assert formats.restore(canonical, table).equals(raw)
    batch = raw.combine_chunks().to_batches()[0]
    assert isinstance(formats.parse(batch, table), pa.RecordBatch)
    assert formats.restore(formats.parse(batch, table), table).equals(batch)
    assert formats.parse(raw.slice(0, 0), table).num_rows == 0


def test_conversion_is_fast() -> None:
    rng = np.random.default_rng(0)
    texts = {f"n{i}": pa.array(np.char.mod("%d", rng.integers(0, 10**5, 30_000)).astype(object)) for i in range(7)}
    texts |= {f"c{i}": pa.array(rng.choice(["red", "green", "blue"], 30_000).astype(object)) for i in range(8)}
    raw = pa.table(texts)
    table = detect.detect(raw)
    start = time.process_time()
    canonical = formats.parse(raw, table)
    middle = time.process_time()
    assert formats.restore(canonical, table).equals(raw)
    assert middle - start < 1.0  # 0.03 s alone on a machine
    assert time.process_time() - middle < 2.0


def test_a_typed_column_may_be_missing_by_an_empty_text() -> None:
    column = Column(name="age", kind="number", missing=("", "-999"))
    assert formats.parse_column(pa.array([1.5, -999.0, None]), column).to_pylist() == [1.5, None, None]
