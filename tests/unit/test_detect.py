"""The traps of detection, one by one, and real tables as a data scientist would read them."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.data import detect, formats
from lookalike.errors import DataError
from lookalike.schema import Column, NumberFormat

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
RNG = np.random.default_rng(7)


def of(cells: object, name: str = "x", **options: object) -> Column:
    """The detected column of some cells."""
    return detect.detect_column(pa.array(cells), name, **options)  # type: ignore[arg-type]


def texts(values: object) -> list[str]:
    return [str(v) for v in values]  # type: ignore[attr-defined]


# ── missing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mark", ["", "NA", "N/A", "null", "None", "nan", "?", "-", "#N/A", "unknown", "inf"])
def test_missing_among_numbers_and_dates(mark: str) -> None:
    assert (of(["1", "2", mark]).kind, of(["1", "2", mark]).missing) == ("integer", (mark,))
    assert (of(["2020-01-31", mark]).kind, of(["2020-01-31", mark]).missing) == ("date", (mark,))


@pytest.mark.parametrize("mark", ["", "NA", "N/A", "n/a", "null", "NULL", "NaN", "?", "#N/A"])
def test_missing_among_words(mark: str) -> None:
    column = of(["red", "blue", "red", mark])
    assert (column.kind, column.missing, column.nullable) == ("category", (mark,), True)


@pytest.mark.parametrize("level", ["None", "none", "-", "unknown", "No"])
def test_answers_that_are_no_missing_marks(level: str) -> None:
    column = of([">200", level, "Norm", level])
    assert (column.kind, column.missing, column.nullable) == ("category", (), False)


def test_words_among_numbers_are_shown_if_they_are_short_and_usual() -> None:
    numbers = texts(range(30)) * 3
    column = of([*numbers, *["<0.3"] * 5, *["above"] * 4, *["Berlin Tempelhof"] * 9])
    assert (column.kind, column.missing) == ("category", ())
    assert column.note == "numbers but for '<0.3', other words, and so taken as words; list those under missing to have numbers"
    assert "but for 'high', 'low', and so" in str(of([*numbers, *["high", "low"] * 5]).note)
    column = of([*numbers, "Anna Schmidt", "Jo"])
    assert column.note == "numbers but for a few words, and so taken as words; list those under missing to have numbers"


@pytest.mark.parametrize("word", ["x" * 5_000, "\x01" * 12, "\U0001f600\U000e0001" * 6, "'\"" * 6])
@pytest.mark.parametrize("times", [1, 20])
def test_no_word_among_numbers_is_too_long_for_a_note(word: str, times: int) -> None:
    note = of([*texts(range(30)), *[word[:-1] + k for k in "abcdefghij" for _ in range(times)], *texts(range(30)) * 20]).note
    assert note is not None and note.startswith("numbers but for") and len(note) <= 200 and word not in note


def test_namibia_is_not_missing() -> None:
    assert of(["DE", "FR", "NA", "US", "DE"]).missing == ()
    assert of(["Germany", "France", "NA", "USA"]).missing == ("NA",)


def test_a_typed_source_has_its_nulls_already() -> None:
    raw = pa.table({"a1c": ["None", ">8", "?", None], "n": [1, 2, 3, 4]})
    column = detect.detect(raw)["a1c"]
    assert (column.kind, column.missing, column.nullable) == ("category", (), True)


def test_numbers_stand_for_missing_only_when_declared() -> None:
    column = of([*range(50), -999])
    assert (column.kind, column.missing) == ("integer", ())
    assert column.note is not None
    assert "-999" in column.note


def test_several_marks_come_most_frequent_first() -> None:
    assert of(["1", "NA", "", "NA", "2"]).missing == ("NA", "")


def test_a_word_among_many_numbers_means_missing() -> None:
    column = of([*texts(RNG.integers(0, 500, 200)), "N", "N"])
    assert (column.kind, column.missing) == ("integer", ("N",))
    assert column.note is not None
    assert of([*texts(range(7)), "N"] * 20).kind == "category"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["", "", ""], "empty"),
        (["NA", "", "?"], "empty"),
        ([None, None], "empty"),
        (["a", "a"], "constant"),
        (["a", "a", ""], "constant"),
        ([5, 5, 5], "constant"),
        ([1.5, 1.5], "constant"),
        (["X", "", "X"], "constant"),
    ],
)
def test_empty_and_constant(cells: list[object], kind: str) -> None:
    assert of(cells).kind == kind


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("5", "integer"),
        ("5.25", "number"),
        ("2020-01-31", "date"),
        ("red", "category"),
        (5, "integer"),
        (True, "boolean"),
        ("The cat sat on the mat and slept", "text"),
    ],
)
def test_one_row_shows_its_nature(cell: object, kind: str) -> None:
    assert of([cell]).kind == kind


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_integers_with_gaps() -> None:
    assert of(["5", "", "7", "900"]).kind == "integer"
    column = of([5.0, float("nan"), 7.0, 900.0])
    assert (column.kind, column.storage, column.number) == ("integer", "double", NumberFormat(decimals=0))


def test_leading_zeros_make_a_code() -> None:
    assert of(["02127", "76119", "02127", "10001"]).kind == "category"
    assert of(texts(f"{i:05d}" for i in range(500))).kind == "key"
    assert of(["007", "007", "012"] * 9).kind == "category"


def test_zip_codes_are_no_numbers_even_without_their_zeros() -> None:
    zips = texts(RNG.integers(1000, 99999, 300)) * 3
    assert of(zips, "ZIP code").kind == "category"
    assert of([int(z) for z in zips], "zipcode").kind == "category"


def test_decimals_seen() -> None:
    assert of(["0.030769231", "0.5"]).number == NumberFormat(decimals=9, pad=1)
    assert of(["2.50", "3.10"]).number == NumberFormat(decimals=2, pad=2)
    assert of(["3.0", "4.0"]).number == NumberFormat(decimals=1, pad=1)


def test_decimals_of_floats() -> None:
    assert of([0.25, 1.5, 3.125]).number == NumberFormat(decimals=3)
    assert of(list(RNG.normal(size=100))).number == NumberFormat()
    assert of(pa.array([0.1, 2.25], pa.float32())).number == NumberFormat(decimals=2)
    assert of(list(np.round(RNG.normal(size=500), 9))).number == NumberFormat(decimals=9)


def test_numbers_too_large_for_64_bits_are_codes() -> None:
    assert of(texts(10**25 + i for i in range(100))).kind == "key"
    assert of(pa.array([2**63 + 1, 2**63 + 2], pa.uint64())).kind == "key"


@pytest.mark.parametrize(
    "cells",
    [["1", "2", "three"], ["12:30 or so", "5"], ["1-2", "3-4", "1-2"], ["10.1.1.1", "10.1.1.2"], ["1,2,3", "4,5"], ["0x1F", "0x20"]],
)
def test_mixed_cells_are_no_numbers(cells: list[str]) -> None:
    assert of(cells).kind in ("category", "text", "key")


def test_a_comma_is_what_the_other_cells_say() -> None:
    assert of(["1,234", "5,678"]).kind == "integer"
    assert of(["1,234", "5,67"]).number == NumberFormat(decimals=3, pad=1, point=",") or of(["1,234", "5,67"]).number.point == ","  # type: ignore[union-attr]
    assert of(["0,123", "0,456"]).number.point == ","  # type: ignore[union-attr]


# ── categories, booleans ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["Y", "N"], "boolean"),
        (["yes", "no", ""], "boolean"),
        (["TRUE", "FALSE"], "boolean"),
        (["T", "F"], "boolean"),
        (["0", "1"], "boolean"),
        (["1", "2"], "integer"),
        (["M", "F"], "category"),
        (["yes", "no", "maybe"], "category"),
        (["Yes", "No", "Unknown"], "category"),
    ],
)
def test_truth(cells: list[str], kind: str) -> None:
    assert of(cells).kind == kind


def test_typed_flags_keep_their_storage() -> None:
    assert (of([0, 1, 1]).kind, of([0, 1, 1]).storage, of([0, 1, 1]).labels) == ("boolean", "int64", None)
    assert (of([0.0, 1.0, None]).kind, of([0.0, 1.0, None]).storage) == ("boolean", "double")


@pytest.mark.parametrize("name", ["status", "browser_type", "SEX", "admission_type_id", "Region"])
def test_integer_codes_by_name(name: str) -> None:
    assert of(list(RNG.integers(1, 9, 500)), name).kind == "category"


@pytest.mark.parametrize("name", ["age", "num_rooms", "n_children", "quality", "education_num", "hours"])
def test_quantities_by_name(name: str) -> None:
    assert of(list(RNG.integers(1, 9, 500)), name).kind == "integer"


def test_integer_codes_by_their_histogram() -> None:
    rough = np.repeat(np.arange(1, 9), [900, 50, 700, 30, 600, 20, 500, 10])
    smooth = np.repeat(np.arange(1, 9), [50, 200, 600, 900, 700, 300, 90, 20])
    assert of(list(rough)).kind == "category"
    assert of(list(smooth)).kind == "integer"
    assert of(list(np.repeat([1, 2], 50))).kind == "category"


def test_high_cardinality_categories_and_free_text() -> None:
    assert of(texts(f"town of {i}" for i in RNG.integers(0, 400, 4000))).kind == "category"
    words = "the a cat dog sat ran on under mat table and then slept quite well".split()
    assert of([" ".join(RNG.choice(words, 9)) for _ in range(300)]).kind == "text"
    assert of(["Zürich", "Köln", "北京", "Köln"]).kind == "category"


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "cells",
    [
        [f"A-{i:05d}" for i in range(50)],
        [f"{RNG.bytes(4).hex()}-{RNG.bytes(2).hex()}-{RNG.bytes(2).hex()}-{RNG.bytes(2).hex()}-{RNG.bytes(6).hex()}" for _ in range(50)],
        list(range(1, 101)),
        texts(range(100)),
        list(range(10248, 11078)),
        [int(v) for v in RNG.permutation(10**6)[:200] + 10**9],
    ],
    ids=["pattern", "uuid", "sequence", "sequence as text", "rising", "same width"],
)
def test_unique_keys(cells: list[object]) -> None:
    column = of(cells)
    assert (column.kind, column.unique) == ("key", True)


@pytest.mark.parametrize("name", ["patient_nbr", "CustomerID", "user_id", "InvoiceNo", "visitor"])
def test_keys_that_repeat(name: str) -> None:
    column = of([int(v) for v in RNG.integers(10**5, 10**6, 2000)] * 2, name)
    assert (column.kind, column.unique) == ("key", False)


@pytest.mark.parametrize(
    ("cells", "name", "kind"),
    [
        (list(RNG.normal(size=200)), "id_score", "number"),
        ([float(v) + 0.5 for v in range(200)], "x", "number"),
        ([int(v) for v in RNG.permutation(90_000)[:300] + 10_000], "salary", "integer"),
        ([int(v) for v in RNG.permutation(10**6)[:300]], "x", "integer"),
        (list(range(1960, 2020)), "year", "integer"),
        (list(range(1, 101)), "cycle", "integer"),
        ([dt.datetime(2020, 1, 1) + dt.timedelta(minutes=i) for i in range(100)], "id", "datetime"),
    ],
)
def test_unique_measurements_are_no_keys(cells: list[object], name: str, kind: str) -> None:
    assert of(cells, name).kind == kind


def test_the_primary_key_is_the_first_full_unique_key() -> None:
    raw = pa.table({"size": ["3", "4", "3"] * 9, "order_id": texts(range(27)), "sku": [f"B-{i}" for i in range(27)]})
    assert detect.detect(raw).key == ("order_id",)


def test_a_sample_of_a_long_sequence_is_still_a_key() -> None:
    cells = pa.array(np.sort(RNG.permutation(100_000)[:1000]) + 1)
    assert detect.detect_column(cells, "x", rows=100_000).kind == "key"


# ── moments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cells", "pattern"),
    [
        (["2020-01-31", "1999-12-01"], "%Y-%m-%d"),
        (["3/19/2015", "12/1/2015"], "%-m/%-d/%Y"),
        (["19/03/2015", "01/12/2015"], "%d/%m/%Y"),
        (["1.2.2020", "13.2.2020"], "%-d.%-m.%Y"),
        (["May 5, 2015", "June 12, 2015"], "%B %-d, %Y"),
        (["05-DEC-11", "17-JAN-12"], "%d-%^b-%y"),
        (["Dec-2011", "Jan-2012"], "%b-%Y"),
        (["2015-03", "2016-12"], "%Y-%m"),
        (["20150319", "20160101", "20140228", "19991231", "20200229"], "%Y%m%d"),
    ],
)
def test_dates(cells: list[str], pattern: str) -> None:
    column = of(cells)
    assert (column.kind, column.format, column.note) == ("date", pattern, None)


def test_days_and_months_that_could_be_swapped_are_noted() -> None:
    column = of(["03/04/2015", "05/06/2015"])
    assert column.format == "%m/%d/%Y"
    assert column.note is not None
    assert "%d/%m/%Y" in column.note


def test_an_unsure_date_follows_a_sure_one_of_the_same_table() -> None:
    table = detect.detect(pa.table({"from": ["03/04/2015", "05/06/2015"], "to": ["13/04/2015", "25/06/2015"]}))
    assert [c.format for c in table] == ["%d/%m/%Y", "%d/%m/%Y"]
    assert table["from"].note is None


def test_integers_are_days_only_if_all_of_them_are() -> None:
    days = [20150319, 20160101, 20140228, 19991231, 20200229]
    assert (of(days).kind, of(days).format) == ("date", "%Y%m%d")
    assert of([*days, 20150332]).kind == "integer"
    assert of(list(range(20200000, 20200400, 7))).kind != "date"
    assert (of([10142018, 10192018, 1062018] * 3, "Date").kind, of([10142018, 1062018] * 3, "Date").format) == ("date", "%m%d%Y")


def test_integers_are_epochs_only_if_the_name_says_so() -> None:
    seconds = [1431857100 + 61 * i * (i % 7) for i in range(100)]
    assert (of(seconds, "created_at").kind, of(seconds, "created_at").format) == ("datetime", "s")
    assert of([s * 1000 for s in seconds], "timestamp").format == "ms"
    assert of([s * 10**9 for s in seconds], "event_time").format == "ns"
    assert of(seconds, "views").kind == "integer"
    assert of([5, 60, 3600] * 9, "time").kind == "integer"


def test_clocks_and_durations() -> None:
    assert of(["10:05:00", "23:59:59"]).kind == "time"
    assert of(["10:05:00", "23:59:59"], "duration").kind == "duration"
    assert of(["10:05:00", "30:59:59"]).kind == "duration"
    assert (of(["PT1H30M", "PT5M"]).kind, of(["PT1H30M", "PT5M"]).format) == ("duration", "iso")


def test_typed_moments() -> None:
    days = [dt.datetime(2020, 1, i + 1) for i in range(5)]
    assert (of(days).kind, of(days).storage) == ("date", "timestamp[us]")
    zoned = of(pa.array([dt.datetime(2020, 1, 1, 5)], pa.timestamp("ns", "Europe/Berlin")))
    assert (zoned.kind, zoned.zone, zoned.storage) == ("datetime", "Europe/Berlin", "timestamp[ns, tz=Europe/Berlin]")


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=12), st.sampled_from(["", "NA", "1", "2.5", "-3", "2020-01-31", "1/2/2020", "Y", "N", "$5", "7%", "10:05"])
        ),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_is_detected_reads_all_cells(cells: list[str]) -> None:
    column = of(cells)
    canonical = formats.parse_column(pa.array(cells), column)
    back = formats.restore_column(canonical, column)
    assert formats.parse_column(back, column).equals(canonical)


def test_a_schema_holds_no_values() -> None:
    raw = pa.table(
        {"name": ["Ada", "Bob", "Ada"], "age": ["31", "52", "77"], "town": ["Ulm", "Ulm", "Ulm"], "code": [f"QZ-{i}" for i in range(3)]}
    )
    shown = detect.detect(raw).model_dump_json()
    assert not [v for column in raw.columns for v in column.to_pylist() if v in shown]


@pytest.mark.parametrize("raw", [pa.array([[1], [2]]), pa.array([{"a": 1}]), pa.array([b"x"]), pa.array([b"x"], pa.binary_view())])
def test_nested_columns_are_refused(raw: pa.Array) -> None:
    with pytest.raises(DataError, match=r"shop\.x: cells of type"):
        detect.detect(pa.table({"x": raw}), name="shop")


def test_widening_looks_again_and_keeps_what_was_declared() -> None:
    column = of(["1", "2", "3"]).model_copy(update={"low": 0.0, "declared": ("low",)})
    wider = detect.widen(pa.array(["1", "2", "3", "4.25", ""]), column)
    assert (wider.kind, wider.nullable, wider.low, wider.declared) == ("number", True, 0.0, ("low",))


def test_two_hundred_columns() -> None:
    rows = 3_000
    kinds = [
        np.char.mod("%d", RNG.integers(0, 99, rows)),
        np.char.mod("%.2f", RNG.normal(size=rows)),
        RNG.choice(list("abcdef"), rows),
        np.datetime_as_string(np.datetime64("2020-01-01") + RNG.integers(0, 3000, rows)),
        np.char.mod("A-%d", np.arange(rows)),
    ]
    columns = [pa.array(k.astype(object), pa.string()) for k in kinds]
    raw = pa.table({f"c{i}": columns[i % 5] for i in range(200)})
    start = time.process_time()
    table = detect.detect(raw)
    assert time.process_time() - start < 5
    assert [c.kind for c in table.columns[:5]] == ["integer", "number", "category", "date", "key"]


# ── real tables ─────────────────────────────────────────────────────────────────────────────────────────────────────

REAL = {
    "tabular/adult/adult_train.csv.gz": {"age": "integer", "workclass": "category", "education_num": "integer", "income": "category"},
    "tabular/airbnb_nyc/airbnb_nyc.csv.gz": {"last_review": "date", "price": "integer", "latitude": "number", "neighbourhood": "category"},
    "tabular/birdstrikes/birdstrikes.csv.gz": {"Flight Date": "date", "Speed IAS in knots": "integer", "Wildlife Species": "category"},
    "tabular/cfpb_complaints/cfpb_complaints.csv.gz": {
        "Complaint ID": "key",
        "ZIP code": "category",
        "Date received": "date",
        "Timely response?": "boolean",
    },
    "tabular/credit_default/credit_default.csv.gz": {
        "ID": "key",
        "SEX": "category",
        "PAY_0": "integer",
        "default_payment_next_month": "boolean",
    },
    "tabular/flights_20k/flights_20k.csv.gz": {"date": "datetime", "delay": "integer", "origin": "category"},
    "tabular/nyc_squirrel_census/nyc_squirrel_census.csv.gz": {
        "Date": "date",
        "Unique Squirrel ID": "key",
        "Color notes": "text",
        "Kuks": "boolean",
    },
    "tabular/wine_quality/wine_quality.csv.gz": {"quality": "integer", "alcohol": "number", "color": "category"},
    "ecommerce/online_shoppers/online_shoppers_intention.csv.gz": {"Browser": "category", "BounceRates": "number", "Weekend": "boolean"},
    "nist/nist_acs_ma_national/ma2019.csv.gz": {"PUMA": "category", "POVPIP": "integer", "MSP": "category", "DENSITY": "number"},
    "healthcare/diabetes130/diabetic_data.parquet": {
        "encounter_id": "key",
        "patient_nbr": "key",
        "admission_type_id": "category",
        "max_glu_serum": "category",
        "num_procedures": "integer",
    },
    "ecommerce/online_retail/online_retail.parquet": {
        "InvoiceNo": "key",
        "InvoiceDate": "datetime",
        "UnitPrice": "number",
        "CustomerID": "key",
    },
}


@pytest.mark.parametrize("file", REAL)
def test_real_tables(file: str) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"NO REAL DATA: {file} is not beside the repository")
    raw = _read(DATA / file)
    raw = raw.slice(0, 20_000)
    table = detect.detect(raw, rows=raw.num_rows)
    assert {name: table[name].kind for name in REAL[file]} == REAL[file]
    tidy = [n for n in raw.column_names if len(table[n].missing) < 2]
    assert len(tidy) >= len(raw.column_names) - 1
    assert formats.restore(formats.parse(raw, table), table).select(tidy).equals(raw.select(tidy))


def _read(path: Path) -> pa.Table:
    """A table as its reader gives it: text cells for CSV."""
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        names = next(csv.reader(lines))
    options = pcsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    return pcsv.read_csv(path, parse_options=pcsv.ParseOptions(newlines_in_values=True), convert_options=options)


def test_polars_and_pandas_types_come_back() -> None:
    pl = pytest.importorskip("polars")
    import pandas as pd

    frames = [
        pl.DataFrame(
            {"a": pl.Series(["x", "y", "x"], dtype=pl.Categorical), "e": ["u", "v", None], "t": [dt.time(1), dt.time(2, 3), None]}
        ),
        pd.DataFrame(
            {"a": pd.Categorical(["x", "y", "x"]), "c": pd.Series([1, None, 7], dtype="Int64"), "g": pd.to_timedelta(["1h", "2h", None])}
        ),
    ]
    for frame in frames:
        raw = pa.table(frame)
        table = detect.detect(raw)
        back = formats.restore(formats.parse(raw, table), table)
        assert back.schema.types == raw.schema.types
        assert back.to_pylist() == raw.to_pylist()


def test_numbers_with_a_few_words_among_them_stay_words_and_say_so() -> None:
    column = of([f"{x:.2f}" for x in RNG.lognormal(2, 1, 300)] + ["low"] * 20 + ["<<0.3"] * 5 + ["n.b."] * 9)
    assert column.kind == "text"
    assert column.note == "numbers but for 'low', '<<0.3', 'n.b.', and so taken as words; list those under missing to have numbers"
    assert of([f"ward {i % 40}" for i in range(300)] + ["12"] * 9).note is None


def test_a_word_of_one_person_among_numbers_is_no_way_to_write_missing() -> None:
    numbers = texts(RNG.integers(0, 500, 2_000))
    assert "Kowalczyk" not in of([*numbers, "Kowalczyk"]).model_dump_json()
    assert (of([*numbers, *["refused"] * 5]).missing, of([*numbers, "n.v."]).missing) == (("refused",), ("n.v.",))


def test_dates_in_two_patterns_and_numbers_with_two_points_are_told() -> None:
    """They come out as words, which a reader must know before giving such a table away."""
    days = [f"{d:02d}.{m:02d}.2024" for d in range(1, 29) for m in (1, 2, 3)]
    days += [f"2024-{m:02d}-{d:02d}" for d in range(1, 29) for m in (4, 5)]
    found = detect.detect_column(pa.array([*days, days[0], days[-1]]), "taken")
    assert found.kind == "text" and "'9.9.9' and '9-9-9'" in found.note
    sugar = [f"{x:.1f} mg/dl" if x % 2 else f"{x:.1f} mg/dl".replace(".", ",") for x in range(80, 200)]
    assert "'9,9 mg/dl' and '9.9 mg/dl'" in detect.detect_column(pa.array([*sugar, sugar[0]]), "glucose").note
    words = [f"a note of {n} words about {n * n} things" for n in range(100)] + [f"none {w}" for w in map(chr, range(97, 123))]
    assert detect.detect_column(pa.array(words), "note").note is None


def test_a_point_before_three_digits_groups_thousands_where_small_numbers_have_none() -> None:
    """402 beside 7.510: decimals padded to three places would be padded everywhere, others would not all have three."""
    rng = np.random.default_rng(0)
    for point in ".,":
        cells = [f"{n:,}".replace(",", point) for n in rng.integers(900, 20_000, 300)]
        column = detect.detect_column(pa.array([*cells, "402"]), "leukocytes")
        assert column.kind == "integer" and column.number.thousands == point
    plain = detect.detect_column(pa.array([f"{x:.3f}" for x in rng.uniform(1, 20, 300)]), "weight")
    assert plain.kind == "number" and plain.number.decimals == 3


@pytest.mark.parametrize("tail", ["{:06d}", " 12:{:02d}"])
def test_fourteen_digits_with_a_time_after_them_are_no_moment(tail: str) -> None:
    cells = [f"{10**13 + 7 * n}{tail.format(n % 60)}" for n in range(300)]
    assert detect.detect_column(pa.array(cells), "code").kind in ("key", "text")


def test_amounts_that_no_integer_holds_are_told_as_taken_for_keys() -> None:
    big = pa.array([2**63 + n // 2 for n in range(60)], pa.uint64())
    assert "2^63" in detect.detect_column(big, "amount").note
    assert detect.detect_column(big, "user_id").note is None
