"""What is written is what would have been written by whoever wrote the source; it is there whole, or not at all."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lookalike.data import Dataset, Writer
from lookalike.errors import DataError, FileError
from lookalike.schema import Column, Schema, Table

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FILES = (".csv", ".tsv", ".csv.gz", ".csv.zst", ".parquet", ".feather", ".arrow", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".xlsx")

PEOPLE = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "x": pa.array([0.5, None, 2.25]), "s": pa.array(["a", None, 'é, "q"\n'])})
SCHEMA = Schema(
    tables=(
        Table(
            columns=(
                Column(name="id", kind="integer", storage="int64"),
                Column(name="x", kind="number", storage="double"),
                Column(name="s", kind="text"),
            )
        ),
    )
)


def again(path: Path, content: bytes) -> bytes:
    """The bytes of a file that was read and written."""
    path.write_bytes(content)
    Dataset.of(path).write(path.with_name("again" + path.suffix))
    return path.with_name("again" + path.suffix).read_bytes()


# ------------------------------------------------------------------------------------------------ the source's dialect


@pytest.mark.parametrize(
    "content",
    [
        b"name,n\nAnn,1\nBob,2\n",
        b"name,n\r\nAnn,1\r\nBob,2\r\n",
        b"name,n\rAnn,1\rBob,2\r",
        b"name;n\nAnn;1,5\nBob;2,5\n",
        b"name\tn\nAnn\t1\nBob\t2\n",
        b"name,n\nAnn,1\nBob,2",
        b'name,n\n"Smith, A",1\nBob,2\n',
        b'name,n\n"say ""hi""",1\n"two\nlines",2\n',
        b'"name","n"\n"Ann",1\n"Bob",2\n"Cid",3\n',
        b'"name","n"\n"Ann","1"\n"Bob","2"\n',
        b'"name","n"\n"Ann",1\nNA,2\n"Cid",3\n',
        b"\xef\xbb\xbfname,n\nAnn,1\nZo\xc3\xab,2\n",
        "name,n\nZoë €,1\nBo,2\n".encode("cp1252"),
        "name,n\nZoë,1\nBo,2\n".encode("utf-16"),
        b"name,,n\nAnn,x,1\nBob,y,2\n",
        b"word\nalpha\n\nbeta\n",
        b"name,n\nAnn,\n,2\n",
    ],
)
def test_a_tidy_file_comes_back_byte_for_byte(tmp_path: Path, content: bytes) -> None:
    assert again(tmp_path / "a.csv", content) == content


def test_bytes_come_back_from_compressed_files(tmp_path: Path) -> None:
    content = b"name,n\nAnn,1\nBob,2\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content))
    Dataset.of(tmp_path / "a.csv.gz").write(tmp_path / "b.csv.gz")
    assert gzip.decompress((tmp_path / "b.csv.gz").read_bytes()) == content


def test_the_dialect_lives_in_the_schema(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a;b\r\n1;x\r\n2;y\r\n")
    data = Dataset.of(tmp_path / "a.csv")
    schema = Schema.from_json(data.schema.to_json())
    with Writer(tmp_path / "b.csv", schema) as writer:
        writer.append(data.table())
    assert (tmp_path / "b.csv").read_bytes() == b"a;b\r\n1;x\r\n2;y\r\n"
    with Writer(tmp_path / "b.tsv", schema) as writer:
        writer.append(data.table())
    assert (tmp_path / "b.tsv").read_bytes() == b"a\tb\r\n1\tx\r\n2\ty\r\n"


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff\r", exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    eol=st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_text_is_in_the_cells_it_survives(rows: list[tuple[str, str]], delimiter: str, eol: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=eol)
    writer.writerows([("first", "second"), ("plain", "words"), ("more", "words"), *((f"x{a}", f"y{b}") for a, b in rows)])
    columns = tuple(Column(name=n, kind="text") for n in ("first", "second"))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
        found = Dataset.of(Path(folder) / "a.csv").schema.table.dialect
        data = Dataset.of(Path(folder) / "a.csv", schema=Schema(tables=(Table(columns=columns, dialect=found),)))
        assert data.table()["first"].to_pylist()[2:] == [f"x{a}" for a, _ in rows]
        data.write(Path(folder) / "b.csv")
        assert (Path(folder) / "b.csv").read_bytes() == text.getvalue().encode()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not there")
@pytest.mark.parametrize(
    "name",
    [
        "tabular/adult/adult_test.csv.gz",
        "tabular/birdstrikes/birdstrikes.csv.gz",
        "tabular/wine_quality/wine_quality.csv.gz",
        "clickstream/web_access_log/web_access_log.csv.gz",
        "relational/northwind/Orders.csv",
        "relational/chinook/Invoice.csv",
        "text/sentiment_sentences/sentiment_sentences.csv.gz",
        "ecommerce/online_shoppers/online_shoppers_intention.csv.gz",
    ],
)
def test_real_files_come_back_byte_for_byte(tmp_path: Path, name: str) -> None:
    source = SHARED / name
    Dataset.of(source).write(tmp_path / "again.csv")
    content = gzip.decompress(source.read_bytes()) if name.endswith(".gz") else source.read_bytes()
    assert (tmp_path / "again.csv").read_bytes() == content


# ------------------------------------------------------------------------------------------------------ formats


@pytest.mark.parametrize("suffix", FILES)
def test_every_format_round_trips(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"people{suffix}"
    with Writer(path, SCHEMA) as writer:
        writer.append(PEOPLE.slice(0, 2))
        writer.append(PEOPLE.slice(2).to_batches()[0])
        assert writer.rows == 3
    assert Dataset.of(path, schema=SCHEMA).table().to_pydict() == PEOPLE.to_pydict()
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [s for s in FILES if s != ".xlsx"])
def test_a_table_without_rows_is_still_a_file(tmp_path: Path, suffix: str) -> None:
    with Writer(tmp_path / f"none{suffix}", SCHEMA):
        pass
    assert (tmp_path / f"none{suffix}").exists()
    if suffix == ".csv":
        assert (tmp_path / "none.csv").read_text() == "id,x,s\n"


def test_parquet_has_a_dictionary_of_values_that_repeat_and_of_no_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=20_000), "k": rng.integers(0, 9, 20_000), "s": rng.choice(["a", "b"], 20_000), "none": None})
    data = Dataset.of(frame)
    data.write(tmp_path / "a.parquet")
    group = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    found = {group.column(i).path_in_schema: group.column(i).has_dictionary_page for i in range(4)}
    assert not found["x"] and found["k"] and found["s"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet")[["x", "k", "s"]], frame[["x", "k", "s"]])


def test_typed_files_get_types_from_a_text_source(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "n,x,d,b,c\n" + "".join(f"{i},{i / 4:.2f},2024-01-{i % 28 + 1:02},{i % 2 == 0},0{i % 3}\n" for i in range(60))
    )
    data = Dataset.of(tmp_path / "a.csv")
    data.write(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert [str(t) for t in table.schema.types] == ["int64", "double", "date32[day]", "bool", "string"]
    assert table["c"][1].as_py() == "01"
    data.write(tmp_path / "a.jsonl")
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[1]) == {"n": 1, "x": 0.25, "d": "2024-01-02", "b": False, "c": "01"}


def test_typed_values_as_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "t": pa.array([dt.datetime(2024, 1, 1, 5), dt.datetime(2024, 1, 2, 6, 0, 0, 500_000), None]),
            "d": [dt.date(2024, 1, 1), dt.date(2024, 1, 2), None],
            "x": [1.0, 0.25, None],
            "b": [True, False, None],
        }
    )
    Dataset.of(table).write(tmp_path / "a.csv")
    assert (
        tmp_path / "a.csv"
    ).read_text() == "t,d,x,b\n2024-01-01 05:00:00,2024-01-01,1.0,true\n2024-01-02 06:00:00.5,2024-01-02,0.25,false\n,,,\n"


def test_json_escapes(tmp_path: Path) -> None:
    texts = ["plain", 'quote " and \\ slash', "line\nbreak\ttab\x01", "é😀", None]
    Dataset.of(pa.table({'a name "q"': texts})).write(tmp_path / "a.jsonl")
    assert [json.loads(line)['a name "q"'] for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").split("\n")[:-1]] == texts


def test_a_dictionary_may_grow_from_batch_to_batch(tmp_path: Path) -> None:
    table = pa.table({"c": pa.array(["a", "b"] * 50).dictionary_encode()})
    schema = Dataset.of(table).schema
    for suffix in (".arrow", ".parquet"):
        with Writer(tmp_path / f"a{suffix}", schema) as writer:
            for values in (["x", "y"], ["y", None], ["z", "x"]):
                writer.append(pa.table({"c": pa.array(values).dictionary_encode()}))
        assert Dataset.of(tmp_path / f"a{suffix}").table()["c"].to_pylist() == ["x", "y", "y", None, "z", "x"]


def test_excel_refuses_more_rows_than_a_sheet_has(tmp_path: Path) -> None:
    many = pa.table({"id": pa.array(np.arange(1_048_576)), "x": pa.nulls(1_048_576, pa.float64()), "s": pa.nulls(1_048_576, pa.string())})
    with pytest.raises(DataError, match="1,048,575"), Writer(tmp_path / "a.xlsx", SCHEMA) as writer:
        writer.append(many)
    assert os.listdir(tmp_path) == []


def test_pandas_reads_what_is_written(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.csv", SCHEMA) as writer:
        writer.append(PEOPLE)
    frame = pd.read_csv(tmp_path / "a.csv")
    assert frame["s"].tolist()[2] == 'é, "q"\n'
    assert frame["id"].tolist() == [1, 2, 3]


# --------------------------------------------------------------------------------------------------- whole or not at all


class Broken(Exception):
    pass


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, suffix: str, error: type[BaseException]) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"before")
    with pytest.raises(error), Writer(path, SCHEMA) as writer:
        writer.append(PEOPLE)
        raise error
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == b"before"


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"before")
    with Writer(path, SCHEMA) as writer:
        writer.append(PEOPLE)
        assert path.read_bytes() == b"before"
    assert path.read_bytes().startswith(b"id,x,s\n")


SLOW = """
import signal, sys, time
import pyarrow as pa
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
from lookalike.data import Writer
from lookalike.schema import Column, Schema, Table
schema = Schema(tables=(Table(columns=(Column(name="n", kind="integer", storage="int64"),)),))
with Writer(sys.argv[1], schema) as writer:
    while True:
        writer.append(pa.table({"n": [1]}))
        print("on", flush=True)
        time.sleep(0.02)
"""


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path / "a.csv")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        assert len(os.listdir(tmp_path)) == 1
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode != 0
    assert os.listdir(tmp_path) == []


FULL = """
import resource, signal, sys
import pyarrow as pa
from lookalike.data import Writer
from lookalike.errors import FileError
from lookalike.schema import Column, Schema, Table
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
schema = Schema(tables=(Table(columns=(Column(name="n", kind="integer", storage="int64"),)),))
for name in sys.argv[1:]:
    try:
        with Writer(name, schema) as writer:
            for start in range(0, 1_000_000, 10_000):
                writer.append(pa.table({"n": range(start, start + 10_000)}))
    except FileError as error:
        print(error)
"""


def test_a_limit_on_the_size_of_files_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """It is not a full disk, and no space that is freed helps."""
    files = [str(tmp_path / f"a{suffix}") for suffix in (".csv", ".csv.gz", ".parquet")]
    run = subprocess.run([sys.executable, "-c", FULL, *files], capture_output=True, text=True, check=True)
    assert run.stdout.count("larger than a file may be here") == run.stdout.count("ulimit -f") == 3
    assert "space" not in run.stdout
    assert all(name in run.stdout for name in files)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="folder is not there") as caught, Writer(tmp_path / "new folder" / "a.csv", SCHEMA):
        pass
    assert caught.value.fix == f"mkdir -p '{tmp_path / 'new folder'}'"
    assert os.listdir(tmp_path) == []


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.csv").symlink_to(tmp_path / "elsewhere" / "b.csv")
    with Writer(tmp_path / "a.csv", SCHEMA) as writer:
        writer.append(PEOPLE)
    assert (tmp_path / "a.csv").is_symlink()
    assert os.listdir(tmp_path / "elsewhere") == ["b.csv"]


def test_a_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    with Writer(tmp_path / "a.csv", SCHEMA) as writer:
        writer.append(PEOPLE)
    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_where_nothing_may_be_written(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        folder = Path("/sys/kernel")
    else:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
    with pytest.raises(FileError, match="cannot write the file") as caught, Writer(folder / "a.csv", SCHEMA):
        pass
    assert caught.value.fix


def test_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "b.csv").write_text("before")
    for place, what in ((tmp_path / "a.csv", "folder of this name"), (tmp_path / "file" / "c.csv", "is a file, not a folder")):
        with pytest.raises(FileError, match=what), Writer(place, SCHEMA):
            pass
    with pytest.raises(FileError, match="exists already"), Writer(tmp_path / "b.csv", SCHEMA, overwrite=False):
        pass
    with pytest.raises(FileError, match="unknown file type") as caught, Writer(tmp_path / "c.cvs", SCHEMA):
        pass
    assert "did you mean .csv" in caught.value.fix


def test_a_character_that_the_source_encoding_lacks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("name,n\nZoë,1\nBo,2\n".encode("cp1252"))
    schema = Dataset.of(tmp_path / "a.csv").schema
    rows = Dataset.of(pa.table({"name": ["漢", "字"], "n": [1, 2]}), schema=schema).table()
    with pytest.raises(DataError, match="cp1252"), Writer(tmp_path / "b.csv", schema) as writer:
        writer.append(rows)
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_million_cells_a_second(tmp_path: Path) -> None:
    """A loop over rows in Python would take ten times as long; the bound is loose because machines are."""
    rng = np.random.default_rng(0)
    table = pa.table({f"c{i}": rng.integers(0, 1000, 200_000) for i in range(10)})
    data = Dataset.of(table)
    started = time.process_time()
    data.write(tmp_path / "a.csv")
    data.write(tmp_path / "a.parquet")
    assert time.process_time() - started < 4


@pytest.mark.parametrize("delimiter", ["\t", ";", "|", ","])
def test_a_text_file_keeps_its_delimiter(tmp_path: Path, delimiter: str) -> None:
    source = tmp_path / "table.txt"
    source.write_text("".join(f"{a}{delimiter}{b}\n" for a, b in [("n", "x"), *((i, "uvw"[i % 3]) for i in range(30))]), newline="")
    Dataset.of(source).write(tmp_path / "copy.txt")
    assert (tmp_path / "copy.txt").read_bytes() == source.read_bytes()
