"""The same kind of frame comes back; a sample decides what a column is, and the rest of the rows may overrule it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lookalike.data import Dataset, delimited, infer
from lookalike.errors import DataError, SettingError, UnknownName
from lookalike.schema import Column, Schema, Table

N = 400


def frame() -> pd.DataFrame:
    i = np.arange(N)
    return pd.DataFrame(
        {
            "n": i * 3 % 101,
            "n8": (i % 100).astype("int8"),
            "f32": (i % 13 / 4).astype("float32"),
            "hole": np.where(i % 5 == 0, np.nan, i / 8),
            "Int": pd.array([None, *i[1:].tolist()], dtype="Int64"),
            "bool": i % 3 == 0,
            "boolean": pd.array([None if k % 7 == 0 else k % 2 == 0 for k in i], dtype="boolean"),
            "text": [f"word {k} and {k * k}" for k in i],
            "grade": pd.Categorical(np.array(["low", "mid", "high"])[i % 3], ["low", "mid", "high", "never"], ordered=True),
            "day": pd.date_range("2024-01-01", periods=N, freq="D"),
            "zoned": pd.date_range("2024-01-01", periods=N, freq="7h", tz="Europe/Rome"),
            "wait": pd.to_timedelta(i * 60, unit="s"),
        }
    )


# ------------------------------------------------------------------------------------------------------ frames in kind


def test_pandas_comes_back_as_pandas() -> None:
    source = frame()
    back = Dataset.of(source).native()
    source["grade"] = source["grade"].cat.remove_unused_categories()
    pd.testing.assert_frame_equal(back, source)


def test_a_categorical_shows_only_what_occurs() -> None:
    """The unused categories of the source may be those of people who must stay hidden."""
    back = Dataset.of(frame()).take(np.array([0, 3, 6])).native()
    assert list(back["grade"].cat.categories) == ["low"]
    assert back["grade"].cat.ordered


def test_a_named_index_is_columns_inside_and_an_index_outside() -> None:
    source = frame()[["n", "text"]].set_index(pd.Index(range(5, 5 + N), name="patient"))
    data = Dataset.of(source)
    assert data.schema.table.names == ("patient", "n", "text")
    pd.testing.assert_frame_equal(data.native(), source)
    two = frame().set_index(["n8", "text"])[["n", "hole"]]
    pd.testing.assert_frame_equal(Dataset.of(two).native(), two)


def test_a_nameless_index_is_left_out_and_said() -> None:
    source = frame()[["n", "text"]]
    kept = Dataset.of(source[source["n"] > 20])
    assert kept.schema.table.names == ("n", "text")
    assert kept.notes == ("the nameless index was left out",)
    assert isinstance(kept.native().index, pd.RangeIndex)
    assert Dataset.of(source).notes == ()


def test_column_labels_need_not_be_text() -> None:
    source = pd.DataFrame({0: range(30), ("a", 1): [f"x{i}" for i in range(30)]})
    data = Dataset.of(source)
    assert data.schema.table.names == ("0", "('a', 1)")
    assert list(data.native().columns) == [0, ("a", 1)]


def test_values_of_several_types_are_read_as_text_and_that_is_said() -> None:
    data = Dataset.of(pd.DataFrame({"a": [1, "two", 3.5, None] * 10}))
    assert data.notes == ("a holds values of several types, and was read as text",)
    assert data.native()["a"].tolist()[:3] == ["1", "two", "3.5"]


def test_polars_comes_back_as_polars() -> None:
    source = pl.DataFrame(
        {
            "n": pl.Series(range(50), dtype=pl.UInt16),
            "x": [i / 4 for i in range(50)],
            "s": [f"word {i}" for i in range(50)],
            "c": pl.Series(["a", "b"] * 25, dtype=pl.Categorical),
            "e": pl.Series(["u", "v"] * 25, dtype=pl.Enum(["u", "v", "w"])),
            "d": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 19), eager=True),
        }
    )
    assert Dataset.of(source).native().equals(source)
    assert Dataset.of(source).native().schema == source.schema
    assert Dataset.of(source.lazy()).native().equals(source)


def test_duckdb_comes_back_as_a_relation() -> None:
    relation = duckdb.sql("SELECT i AS n, i / 4 AS x, 'word ' || i AS s, (DATE '2024-01-01' + i::INTEGER) AS d FROM range(50) t(i)")
    back = Dataset.of(relation).native()
    assert type(back) is type(relation)
    assert back.fetchall() == relation.fetchall()
    assert back.types == relation.types


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: t.to_batches()[0], lambda t: t.to_reader()])
def test_arrow_comes_back_as_a_table(wrap: object) -> None:
    source = pa.table({"n": pa.array(range(50), pa.int16()), "s": pa.array([f"w {i}" for i in range(50)], pa.large_string())})
    assert Dataset.of(wrap(source)).native().equals(source)  # type: ignore[operator]


def test_whatever_speaks_the_arrow_stream_protocol() -> None:
    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.table({"n": range(50)}).__arrow_c_stream__(requested_schema)

    assert Dataset.of(Stream()).table()["n"].to_pylist() == list(range(50))


def test_a_file_comes_back_as_pandas_would_read_it(tmp_path: Path) -> None:
    lines = [
        f'{i},{i / 4:.2f},0{i % 7},{"yes" if i % 3 else "no"},{i % 2 == 0},{i % 28 + 1}.01.2024,"$1,{i:03}.00",{"NA" if i % 5 == 0 else i}'
        for i in range(60)
    ]
    (tmp_path / "a.csv").write_text("n,x,code,answer,truth,day,money,hole\n" + "\n".join(lines) + "\n")
    back = Dataset.of(tmp_path / "a.csv").native()
    theirs = pd.read_csv(tmp_path / "a.csv", dtype={"code": str})
    for name in ("n", "x", "code", "answer", "truth", "day", "money", "hole"):
        pd.testing.assert_series_equal(back[name], theirs[name], check_dtype=name != "hole")


def test_what_a_model_made_goes_out_like_its_source() -> None:
    source = frame()[["n", "text", "grade"]]
    data = Dataset.of(source)
    made = Dataset.from_arrow({"table": data.table().slice(0, 7)}, data.schema, like=data)
    assert made.rows == 7
    assert made.native().dtypes["n"] == source.dtypes["n"]
    assert isinstance(made.native()["grade"].dtype, pd.CategoricalDtype)
    with pytest.raises(UnknownName):
        Dataset.from_arrow({"tabel": data.table()}, data.schema)


@pytest.mark.parametrize("what", [3, [1, 2], {"a": [1]}, np.eye(3), None])
def test_what_is_no_table_is_refused(what: object) -> None:
    with pytest.raises(DataError, match="is not a table") as caught:
        Dataset.of(what)
    assert "pandas" in caught.value.fix


def test_frames_that_are_refused() -> None:
    with pytest.raises(DataError, match="named twice: 'a'"):
        Dataset.of(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataError, match="holds lists") as caught:
        Dataset.of(pd.DataFrame({"a": [[1, 2], "x"]}))
    assert caught.value.where == "a"
    with pytest.raises(DataError, match="no rows"):
        Dataset.of(pd.DataFrame({"a": []}))


def test_one_row_and_nothing_but_nulls() -> None:
    assert Dataset.of(pd.DataFrame({"a": [1], "b": ["x"]})).native().to_dict("list") == {"a": [1], "b": ["x"]}
    data = Dataset.of(pa.table({"a": pa.nulls(3, pa.string()), "b": pa.nulls(3), "c": pa.nulls(3, pa.float64())}))
    assert data.table().to_pydict() == {"a": [None] * 3, "b": [None] * 3, "c": [None] * 3}


# ------------------------------------------------------------------------------------------------------ a given schema


def test_a_dataset_is_itself(tmp_path: Path) -> None:
    data = Dataset.of(frame()[["n"]])
    assert Dataset.of(data) is data
    assert Dataset.of(data, schema=data.schema) is data


def test_a_dataset_can_be_seen_by_another_schema() -> None:
    data = Dataset.of(pd.DataFrame({"big": [2**60 + 1, None, 3] * 20}, dtype="Int64"))
    again = Dataset.of(data, schema=data.schema.amend("big", kind="category"))
    assert again.table()["big"].to_pylist()[:3] == [str(2**60 + 1), None, "3"]


def test_a_given_schema_is_kept_and_what_contradicts_it_is_named(tmp_path: Path) -> None:
    schema = Schema(tables=(Table(name="people", columns=(Column(name="age", kind="integer"),)),))
    (tmp_path / "a.csv").write_text("name,age\nAnn,31\nBob,27\n")
    data = Dataset.of(tmp_path / "a.csv", schema=schema)
    assert data.schema is schema
    assert data.table().to_pydict() == {"age": [31, 27]}
    (tmp_path / "a.csv").write_text("name,age\nAnn,31\nBob,young\n")
    with pytest.raises(DataError, match=r"people\.age: row 2: 'young'"):
        Dataset.of(tmp_path / "a.csv", schema=schema)
    (tmp_path / "a.csv").write_text("name,agee\nAnn,31\n")
    with pytest.raises(DataError, match="no column 'age'"):
        Dataset.of(tmp_path / "a.csv", schema=schema)


def test_a_typed_schema_reads_its_own_text(tmp_path: Path) -> None:
    source = frame()[["n", "hole", "text", "day", "boolean", "zoned", "wait"]]
    data = Dataset.of(source)
    data.write(tmp_path / "a.csv")
    assert Dataset.of(tmp_path / "a.csv", schema=data.schema).table().equals(data.table())


# ------------------------------------------------------------------------------------------------- larger than memory


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer with little memory."""
    monkeypatch.setattr(infer, "HELD", 200_000)
    monkeypatch.setattr(infer, "SAMPLE", 2_000)


def numbers(path: Path, rows: int, *, last: str = "") -> Path:
    with path.open("w") as file:
        file.write("id,x,kind,year\n")
        file.writelines(f"{i},{i / 8},{'abc'[i % 3]},2024\n" for i in range(rows))
        file.write(last)
    return path


@pytest.mark.usefixtures("small")
def test_a_large_file_is_streamed_and_the_same_as_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbers(tmp_path / "a.csv", 150_000)
    large = Dataset.of(path)
    assert large.rows == 150_000
    batches = list(large.batches(rows=10_000))
    assert max(b.num_rows for b in batches) == 10_000
    monkeypatch.setattr(infer, "HELD", 1 << 30)
    whole = Dataset.of(path)
    assert large.schema == whole.schema
    assert pa.Table.from_batches(batches).to_pydict() == whole.table().to_pydict()
    large.write(tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("last", "column", "kind"),
    [
        ("150000,nearly nothing,a,2024\n", "x", {"text", "category"}),
        ("150000,1.5,a,2025\n", "year", {"integer", "category", "number"}),
        ("A-1,1.5,a,2024\n", "id", {"text", "key", "category"}),
    ],
)
def test_a_late_cell_widens_what_the_sample_said(tmp_path: Path, last: str, column: str, kind: set[str]) -> None:
    data = Dataset.of(numbers(tmp_path / "a.csv", 150_000, last=last))
    assert data.schema.table[column].kind in kind
    assert sum(b.num_rows for b in data.batches()) == 150_001


def test_a_late_cell_widens_in_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer, "SAMPLE", 100)
    late = ["2024"] * 5_000 + ["2025"] * 2
    data = Dataset.of(pa.table({"year": late, "x": ["1.5"] * 5_001 + ["none of it"], "n": [str(i) for i in range(5_001)] + ["17"]}))
    assert data.schema.table["year"].kind != "constant"
    assert data.table().num_rows == 5_002
    assert not data.schema.table["n"].unique
    assert data.native()["x"].to_pylist()[-1] == "none of it"


@pytest.mark.usefixtures("small")
def test_a_sorted_file_is_sampled_all_over(tmp_path: Path) -> None:
    table = pa.table({"year": np.sort(np.arange(200_000) % 20) + 2000, "x": np.arange(200_000) / 7})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10_000)
    assert Dataset.of(tmp_path / "a.parquet").schema.table["year"].kind in ("integer", "category")


@pytest.mark.usefixtures("small")
def test_a_large_file_that_contradicts_a_given_schema_names_the_row(tmp_path: Path) -> None:
    schema = Dataset.of(numbers(tmp_path / "a.csv", 100_000)).schema
    with pytest.raises(DataError, match=r"a\.x: row 100001: 'oops'"):
        Dataset.of(numbers(tmp_path / "a.csv", 100_000, last="1,oops,a,2024\n"), schema=schema)


@pytest.mark.usefixtures("small")
def test_streaming_takes_constant_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK", 1 << 18)
    with (tmp_path / "a.csv").open("w") as file:
        file.write("id,words,x\n")
        for part in range(40):
            file.write("".join(f"{part * 20_000 + i},some words that take up much room {i % 7},{i / 8}\n" for i in range(20_000)))
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    data = Dataset.of(tmp_path / "a.csv")
    most = max(pa.total_allocated_bytes() - before for _ in data.batches())
    kept = pa.total_allocated_bytes() - before
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = (tmp_path / "a.csv").stat().st_size
    assert size > 40e6
    assert kept < size / 10
    assert python < size / 2
    assert most < 100 * (1 << 18)  # blocks read ahead, before and after parsing


# ------------------------------------------------------------------------------------------------------ take and split


def test_take_by_number_and_by_mask() -> None:
    data = Dataset.of(frame()[["n", "text"]])
    chosen = np.array([7, 3, 3, 399])
    assert data.take(chosen).table()["n"].to_pylist() == data.table()["n"].take(pa.array(chosen)).to_pylist()
    mask = np.arange(N) % 50 == 0
    assert data.take(mask).rows == 8
    assert data.take(mask).table().equals(data.table().filter(pa.array(mask)))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("large", [True, False])
def test_split_is_a_partition_in_order(tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not large:
        monkeypatch.setattr(infer, "HELD", 1 << 30)
    data = Dataset.of(numbers(tmp_path / "a.csv", 50_000))
    rest, held = data.split(0.2, rng=np.random.default_rng(0))
    assert (rest.rows, held.rows) == (40_000, 10_000)
    x = [np.concatenate([b["x"].to_numpy(zero_copy_only=False) for b in part.batches()]) for part in (rest, held)]
    assert all((np.diff(part) > 0).all() for part in x)
    assert np.array_equal(np.sort(np.concatenate(x)), np.arange(50_000) / 8)
    again = data.split(0.2, rng=np.random.default_rng(0))[1]
    assert again.table()["x"].to_pylist() == held.table()["x"].to_pylist()
    deeper = rest.split(0.5, rng=np.random.default_rng(1))[1]
    assert set(deeper.table()["x"].to_pylist()) < set(x[0].tolist())
    assert data.split(0.2, rng=np.random.default_rng(0), most=123)[1].rows == 123


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("large", [True, False])
def test_split_keeps_a_subject_together(tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not large:
        monkeypatch.setattr(infer, "HELD", 1 << 30)
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 3_000, 40_000)
    pq.write_table(pa.table({"patient": patients, "x": rng.normal(size=40_000)}), tmp_path / "a.parquet")
    first = Dataset.of(tmp_path / "a.parquet")
    data = Dataset.of(tmp_path / "a.parquet", schema=first.schema.model_copy(update={"subject": "patient"}))
    rest, held = data.split(0.25, rng=np.random.default_rng(1))
    assert rest.rows + held.rows == 40_000
    assert abs(held.rows - 10_000) < 100
    assert not set(rest.table()["patient"].to_pylist()) & set(held.table()["patient"].to_pylist())


def test_a_row_without_a_subject_is_its_own() -> None:
    data = Dataset.of(pa.table({"who": ["a", "a", None, "b", None] * 10, "x": range(50)}))
    schema = data.schema.model_copy(update={"subject": "who"})
    numbers = Dataset.of(data.native(), schema=schema).subjects()
    assert numbers is not None
    assert len(set(numbers.tolist())) == 2 + 20
    assert numbers[0] == numbers[1] != numbers[3]


def test_split_leaves_something_in_both_parts() -> None:
    data = Dataset.of(pa.table({"x": [1.5, 2.5]}))
    for share in (0.01, 0.99):
        assert [p.rows for p in data.split(share, rng=np.random.default_rng(0))] == [1, 1]
    with pytest.raises(SettingError, match="between 0 and 1"):
        data.split(1.0, rng=np.random.default_rng(0))


def test_moments_held_as_categories_are_moments() -> None:
    frame = pd.DataFrame({"day": pd.Categorical(pd.to_datetime(["2020-01-01", "2021-02-03"] * 10)), "n": range(20)})
    data = Dataset.of(frame)
    assert data.schema.table["day"].kind == "date"
    assert data.native()["day"].tolist() == frame["day"].tolist()


@pytest.mark.parametrize("freq", ["Y", "Q", "Q-MAR", "M", "W", "D", "h", "s"])
def test_periods_of_pandas_are_moments_and_come_back(freq: str) -> None:
    import lookalike as la

    rng = np.random.default_rng(0)
    some = pd.period_range("2001-01-01", periods=40, freq=freq)
    frame = pd.DataFrame({"when": pd.Series(rng.choice(some, 300)).astype(some.dtype), "x": rng.normal(size=300)})
    frame.loc[7, "when"] = pd.NaT
    data = Dataset.of(frame)
    assert data.schema.table["when"].kind == ("datetime" if freq in "hs" else "date")
    pd.testing.assert_frame_equal(data.native(), frame)
    drawn = la.sample(la.fit(frame, model="independent"), 200)
    assert drawn["when"].dtype == frame["when"].dtype and drawn["when"].nunique() > 5
    assert freq in "hs" or set(drawn["when"].dropna()) <= set(some)  # a day and a clock are put together anew


def test_periods_that_no_datetime_has_are_refused() -> None:
    far = pd.DataFrame({"when": pd.PeriodIndex.from_ordinals(np.arange(400_000, 400_040), freq="Y")})
    with pytest.raises(DataError, match="when: holds periods of years that no datetime has"):
        Dataset.of(far)


def test_intervals_of_pandas_come_back_as_categories_or_as_text() -> None:
    x = np.random.default_rng(0).normal(size=300)
    frame = pd.DataFrame({"part": pd.cut(x, [-9, -1, 0, 1, 9]), "range": pd.IntervalIndex.from_breaks(np.arange(301.0))})
    data = Dataset.of(frame)
    back = data.native()
    pd.testing.assert_series_equal(back["part"], frame["part"])
    assert back["range"].tolist() == [str(i) for i in frame["range"]]
    assert "range holds intervals, and was read as text" in data.notes


def test_rows_of_one_identifier_that_stand_together_hint_at_a_subject() -> None:
    from lookalike._asking import read

    rng = np.random.default_rng(0)
    whose = np.repeat(rng.permutation(10_000)[:60], rng.integers(2, 8, 60))
    visits = pd.DataFrame({"patient_id": whose, "pulse": rng.normal(70, 9, len(whose)), "ward": rng.choice(list("abc"), len(whose))})
    (note,) = Dataset.of(visits).notes
    assert note.startswith("rows that share a value of patient_id stand together") and "--subject patient_id" in note
    assert read(visits, subject="patient_id").notes == ()
    assert Dataset.of(visits.sample(frac=1, random_state=0, ignore_index=True)).notes == ()  # nothing says that they do
    assert Dataset.of(visits.rename(columns={"patient_id": "distance"})).notes == ()
    assert Dataset.of(visits.drop_duplicates("patient_id", ignore_index=True)).notes == ()
