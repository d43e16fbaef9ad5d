"""Files come in as they are, whatever their dialect; what cannot be read is refused with the place and the remedy."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import lookalike.data.delimited
from lookalike.data import Dataset
from lookalike.data.read import read
from lookalike.errors import DataError, FileError

ROWS = "name,age,city\nAnn,31,Rome\nBob,27,Oslo\nCid,45,Rome\n"


def cells(source: str | Path) -> dict[str, list[object]]:
    raw = read(source)
    return pa.Table.from_batches(list(raw.batches()), raw.schema).to_pydict()


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ------------------------------------------------------------------------------------------------------ delimited text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_the_delimiter_is_found_whatever_the_suffix_says(tmp_path: Path, delimiter: str, suffix: str) -> None:
    path = put(tmp_path / f"people{suffix}", ROWS.replace(",", delimiter))
    assert cells(path) == {"name": ["Ann", "Bob", "Cid"], "age": ["31", "27", "45"], "city": ["Rome", "Oslo", "Rome"]}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "\n\na;b\r\n\r\n1,,\r2,3;", ",\n\n,", " \na\x0bb,c\n\u20281,2\r\r\n", "a"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_lines_without_quotes_are_cut_as_those_with_quotes_are(text: str, delimiter: str) -> None:
    head = lookalike.data.delimited._Head(text)
    assert head._plain(delimiter) == head._quoted(delimiter)


def test_a_decimal_comma_is_no_delimiter(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.csv", "x;y\n1,5;2,25\n3,5;4,75\n")) == {"x": ["1,5", "3,5"], "y": ["2,25", "4,75"]}


def test_a_delimiter_inside_quotes_does_not_count(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.csv", 'x;y\n"1,2,3";a\n"4,5,6";b\n'))["x"] == ["1,2,3", "4,5,6"]


def test_one_column_is_one_column(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.csv", "word\nlong ago\n\nfar away\n")) == {"word": ["long ago", "", "far away"]}


def test_an_unusual_delimiter_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one column.*':'") as caught:
        read(put(tmp_path / "a.csv", "a:b:c\n1:2:3\n4:5:6\n"))
    assert "comma" in caught.value.fix


def test_quoted_newlines_and_quotes(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.csv", 'a,b\n"one\ntwo","say ""hi"""\n3,4\n')) == {"a": ["one\ntwo", "3"], "b": ['say "hi"', "4"]}


def test_a_quoted_newline_in_the_header(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.csv", '"a\nx",b\n1,2\n')) == {"a\nx": ["1"], "b": ["2"]}


@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, eol: str) -> None:
    assert cells(put(tmp_path / "a.csv", ROWS.replace("\n", eol)))["city"] == ["Rome", "Oslo", "Rome"]


def test_every_spelling_stays_as_text(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.csv", "a,b\n007, x \nNA,\n1e5,true\n")) == {"a": ["007", "NA", "1e5"], "b": [" x ", "", "true"]}


def test_a_byte_order_mark_is_no_part_of_the_name(tmp_path: Path) -> None:
    assert list(cells(put(tmp_path / "a.csv", b"\xef\xbb\xbf" + ROWS.encode()))) == ["name", "age", "city"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = "name,prix\nZoë,12 €\nMüller,9 €\n"
    assert cells(put(tmp_path / "a.csv", text.encode(encoding))) == {"name": ["Zoë", "Müller"], "prix": ["12 €", "9 €"]}


def test_a_fallback_encoding_is_said(tmp_path: Path) -> None:
    assert Dataset.of(put(tmp_path / "a.csv", "name,n\nZoë,1\nBo,2\n".encode("cp1252"))).notes == ("not UTF-8, so read as cp1252",)
    assert Dataset.of(put(tmp_path / "b.csv", b"name,n\nZo\xeb\x81,1\nBo,2\n")).notes == ("not UTF-8, so read as latin-1",)


def test_a_bad_byte_far_into_the_file_is_seen_before_reading(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", b"a,b\n" + b"x,y\n" * 1_200_000 + b"\xe9,y\n")
    assert read(path).dialect.encoding == "cp1252"  # type: ignore[union-attr]


def test_a_character_across_two_chunks_is_utf8(tmp_path: Path) -> None:
    head = b"a,b\n"
    path = put(tmp_path / "a.csv", head + b"x" * ((1 << 22) - len(head) - 1) + "é,y\n".encode())
    assert read(path).dialect.encoding == "utf-8"  # type: ignore[union-attr]


def test_blank_names_are_numbered_and_said(tmp_path: Path) -> None:
    data = Dataset.of(put(tmp_path / "a.csv", "a,,column_2, \n1,2,3,4\n5,6,7,8\n"))
    assert data.schema.table.names == ("a", "column_2_", "column_2", "column_4")
    assert data.notes == ("columns without a name were called column_2_, column_4",)


def test_leading_blank_lines_are_skipped(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.csv", "\n\r\na,b\n1,2\n")) == {"a": ["1"], "b": ["2"]}


def test_a_thousand_columns(tmp_path: Path) -> None:
    names = [f"column_with_a_long_name_{'x' * 60}_{i}" for i in range(1000)]
    rows = "\n".join(",".join(str(i + j) for i in range(1000)) for j in range(3))
    read_back = cells(put(tmp_path / "a.csv", ",".join(names) + "\n" + rows + "\n"))
    assert list(read_back) == names
    assert read_back[names[999]] == ["999", "1000", "1001"]


# ------------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        ("a,b\n1,2\n3\n", 3, "1 cell where the header has 2"),
        ("a,b\n1,2\n3,4,5\n", 3, "3 cells where the header has 2"),
        ('a,b\n"x\ny",2\n\n3,4,5\n', 5, "3 cells where the header has 2"),
        ("a,b\r1,2\r3\r", 3, "1 cell where"),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', 3, "never closed"),
        ('a,b\n1,2\n3,"4\n', 3, "never closed"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, content: str, line: int, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        Dataset.of(put(tmp_path / "a.csv", content))
    assert caught.value.where.endswith(f"a.csv:{line}")
    assert caught.value.fix


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_stands_above_a_table_is_refused_with_the_line_that_it_begins_on(tmp_path: Path, delimiter: str) -> None:
    rows = "\n".join(delimiter.join(cells) for cells in (["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]))
    with pytest.raises(DataError, match=r"begins? on line 4, with 3 columns") as caught:
        Dataset.of(put(tmp_path / "a b.csv", f"# plant 7\n\nexported by hand\n{rows}\n"))
    assert caught.value.fix.endswith(f"tail -n +4 '{tmp_path / 'a b.csv'}' > table.csv")


@pytest.mark.parametrize(
    ("above", "line"),
    [('"plant 7, hall 2"\nexported\n', 3), ('"plant 7,\nhall 2"\n\n', 4), ('7" pipes\nof "plant 7"\n', 3), ("\n\nplant 7\n", 4)],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_that_a_table_begins_on_is_counted_as_an_editor_counts(tmp_path: Path, above: str, line: int, end: str) -> None:
    content = f"{above}a,b\n1,2\n3,4\n".replace("\n", end)
    with pytest.raises(DataError, match=rf"begin on line {line}, with 2 columns") as caught:
        Dataset.of(put(tmp_path / "a.csv", content))
    assert ("tail" in caught.value.fix) == (end != "\r")  # it knows no other line ends than \n
    assert f"+{line} " in caught.value.fix or caught.value.fix.endswith(f"from line {line} on")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_tail_is_advised_where_lines_are_bytes(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(DataError, match="begin on line 2") as caught:
        Dataset.of(put(tmp_path / "a.csv", "Größen\na,b\n1,2\n3,4\n".encode(encoding)))
    assert ("tail" in caught.value.fix) == (encoding != "utf-16")
    with pytest.raises(DataError, match="begin on line 2") as caught:
        Dataset.of(put(tmp_path / "a.csv.gz", gzip.compress("Größen\na,b\n1,2\n3,4\n".encode(encoding))))
    assert caught.value.fix == "keep only the table, from line 2 on"


@pytest.mark.parametrize("cells", [["1,5", "2,5"], ["1,5 %", "-2,5 %"], ["(1,5)", "2,5"], ["EUR 1,5", "EUR 2,5"], ["<0,3", "0,4"]])
def test_numbers_with_decimal_commas_are_no_header_under_a_title(tmp_path: Path, cells: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        Dataset.of(put(tmp_path / "a.csv", "\n".join(["value", *cells, *cells]) + "\n"))
    assert "2 cells where the header has 1" in str(caught.value) and caught.value.where.endswith("a.csv:2")


def test_a_column_of_texts_with_a_comma_in_one_is_a_table_of_one_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 cells where the header has 1"):
        Dataset.of(put(tmp_path / "a.csv", "word\nplain\none, two\nplain again\n"))


def test_an_inch_mark_is_no_open_quote(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.csv", 'a,b\n6" pipe,1\nrod,2\n'))["a"] == ['6" pipe', "rod"]


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"named twice: 'a' \(columns 1, 3\)") as caught:
        read(put(tmp_path / "a.csv", "a,b,a\n1,2,3\n"))
    assert "rename" in caught.value.fix


@pytest.mark.parametrize(
    ("content", "what"), [(b"", "empty"), (b"\n\n", "empty"), (b"a,b\n", "no rows"), (b"a,b\n1,\0\n", "byte 6 is NUL"), (b"a,b", "no rows")]
)
def test_files_without_a_table(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        Dataset.of(put(tmp_path / "a.csv", content))
    assert "a.csv" in caught.value.where
    assert caught.value.fix


@pytest.mark.parametrize(
    ("name", "fix"),
    [("people.cvs", "did you mean .csv"), ("people.parqet", ".parquet"), ("people.docx", "known: .csv"), ("shop.db", "sqlite:///")],
)
def test_an_unknown_type_names_the_near_one(tmp_path: Path, name: str, fix: str) -> None:
    with pytest.raises(FileError) as caught:
        read(put(tmp_path / name, ROWS))
    assert fix in caught.value.fix


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    put(tmp_path / "census.csv", ROWS)
    with pytest.raises(FileError, match="no such file") as caught:
        read(tmp_path / "cencus.csv")
    assert "census.csv" in caught.value.fix
    with pytest.raises(FileError, match="no such file"):
        read(tmp_path / "nowhere" / "census.csv")
    with pytest.raises(FileError, match="no file matches"):
        read(tmp_path / "*.parquet")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "notes.docx", "x")
    with pytest.raises(FileError, match="no file in the folder"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv.gz", "a.csv.zst", "a.jsonl.gz", "a.xlsx"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises((FileError, DataError), match="cannot read") as caught:
        read(put(tmp_path / name, b"this is not what the name says"))
    assert name in caught.value.where
    assert caught.value.fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", ROWS)
    path.chmod(0)
    with pytest.raises(FileError, match="Permission denied"):
        read(path)


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(ROWS.encode() * 1000, mtime=0)
    with pytest.raises((FileError, DataError)):
        Dataset.of(put(tmp_path / "a.csv.gz", whole[: len(whole) // 2]))


# ------------------------------------------------------------------------------------------------------ typed formats


TYPED = pa.table(
    {
        "n": pa.array([1, None, 3], pa.uint16()),
        "x": pa.array([0.5, None, 2.0], pa.float32()),
        "c": pa.array(["a", "b", "a"]).dictionary_encode(),
        "s": pa.array(["p", None, "q"], pa.large_string()),
        "t": pa.array([dt.datetime(2024, 1, 1, 5), None, dt.datetime(2024, 3, 1, 7)], pa.timestamp("ms", "Europe/Rome")),
        "d": pa.array([dt.date(2024, 1, 1), dt.date(2024, 1, 2), None]),
        "b": pa.array([True, None, False]),
        "e": pa.nulls(3),
        "m": pa.array(["1.50", "2.25", None]).cast(pa.decimal128(10, 2)),
    }
)


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow"])
def test_typed_files_keep_their_types(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    if suffix == ".parquet":
        pq.write_table(TYPED, path)
    elif suffix == ".feather":
        feather.write_feather(TYPED, path)
    else:
        with pa.ipc.new_stream(path, TYPED.schema) as stream:
            stream.write_table(TYPED)
    raw = read(path)
    kept = pa.Table.from_batches(list(raw.batches()), raw.schema)
    assert kept.to_pydict() == TYPED.to_pydict()
    assert kept.schema.types == TYPED.schema.types
    assert next(read(path).batches(["d", "n"])).schema.names == ["d", "n"]


def test_the_index_that_pandas_hides_is_left_out_and_said(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2, 3]}, index=[5, 6, 9]).to_parquet(tmp_path / "a.parquet")
    data = Dataset.of(tmp_path / "a.parquet")
    assert data.schema.table.names == ("a",)
    assert "index" in data.notes[0]


def test_nested_columns_are_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "tags": [["x", "y"]]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="holds list") as caught:
        read(tmp_path / "a.parquet")
    assert caught.value.where == "a.tags"


def test_bytes_that_are_text_are_read_as_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([b"x", None, "é".encode()])}), tmp_path / "a.parquet")
    assert cells(tmp_path / "a.parquet") == {"a": ["x", None, "é"]}


def test_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"photo": pa.array([b"\xff\xd8", b"\x89PNG"])}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="holds binary") as caught:
        Dataset.of(tmp_path / "a.parquet")
    assert caught.value.where == "a.photo"


def test_json_lines(tmp_path: Path) -> None:
    lines = [{"a": 1, "b": "x", "when": "2024-01-02"}, {"a": 2.5, "b": None}, {"a": None, "b": 'q"\n', "new": True}]
    path = put(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    assert cells(path) == {"a": [1, 2.5, None], "b": ["x", None, 'q"\n'], "when": ["2024-01-02", None, None], "new": [None, None, True]}


def test_json_of_several_types_is_text(tmp_path: Path) -> None:
    assert cells(put(tmp_path / "a.jsonl", '{"a": 1}\n{"a": "x"}\n{"a": true}\n')) == {"a": ["1", "x", "true"]}


def test_json_types_that_change_late_in_the_file(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", '{"a": 1, "b": "' + "x" * 1000 + '"}\n')
    with path.open("a") as file:
        file.write(('{"a": 1, "b": "' + "x" * 1000 + '"}\n') * 20_000 + '{"a": "late"}\n')
    assert cells(path)["a"][-2:] == ["1", "late"]


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [('{"a": 1}\n{"a": \n', 2, "not JSON"), ("[1]\n", 1, "not an object"), ('{"a": 1}\n{"a": [1]}\n', None, "lists|list<")],
)
def test_broken_json_is_named(tmp_path: Path, content: str, line: int | None, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        read(put(tmp_path / "a.jsonl", content))
    assert line is None or caught.value.where.endswith(f":{line}")


def test_excel_keeps_types_and_names_nameless_columns(tmp_path: Path) -> None:
    pd.DataFrame(
        {
            "n": [1, 2, None],
            "x": [0.5, 1.0, 2.5],
            "s": ["a", None, "c"],
            "d": pd.to_datetime(["2024-01-01 10:00", "2024-01-02 11:30", None]),
            "mixed": [1, "b", 2.5],
            "": [7, 8, 9],
        }
    ).to_excel(tmp_path / "a.xlsx", index=False, engine="xlsxwriter")
    raw = read(tmp_path / "a.xlsx")
    assert [str(t) for t in raw.schema.types] == ["int64", "double", "string", "timestamp[us]", "string", "int64"]
    assert cells(tmp_path / "a.xlsx")["mixed"] == ["1", "b", "2.5"]
    assert raw.schema.names[5] == "column_6"


# -------------------------------------------------------------------------------------------------------------- shards


@pytest.mark.parametrize("place", ["", "part-*.csv"])
def test_shards_are_one_table_in_order_of_their_names(tmp_path: Path, place: str) -> None:
    for at, delimiter in enumerate([",", ";", ","]):
        put(tmp_path / f"part-{at}.csv", f"a,b\n{at},x\n{at},y\n".replace(",", delimiter))
    put(tmp_path / "_SUCCESS", "")
    put(tmp_path / ".hidden.csv", "z\n1\n")
    assert cells(tmp_path / place if place else tmp_path) == {"a": ["0", "0", "1", "1", "2", "2"], "b": ["x", "y"] * 3}


def test_shards_may_have_their_columns_in_another_order_and_narrower_types(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int32()), "b": ["x", "y"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": ["z"], "a": pa.array([3], pa.int64())}), tmp_path / "2.parquet")
    assert cells(tmp_path) == {"a": [1, 2, 3], "b": ["x", "y", "z"]}


def test_a_file_of_another_table_is_no_shard(tmp_path: Path) -> None:
    put(tmp_path / "1.csv", "a,b\n1,2\n")
    put(tmp_path / "2.csv", "a,c\n1,2\n")
    with pytest.raises(DataError, match="lacks 'b' and has 'c'") as caught:
        read(tmp_path)
    assert caught.value.where.endswith("2.csv")


def test_reading_in_batches_takes_constant_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookalike.data.delimited, "_BLOCK", 1 << 18)
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write("a,b,c\n")
        for at in range(60):
            file.write("".join(f"{at * 20_000 + i},some words that take up room {i % 7},{i / 8}\n" for i in range(20_000)))
    raw = read(path)
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    most, rows = 0, 0
    for batch in raw.batches():
        rows += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 1_200_000
    assert path.stat().st_size > 50e6
    assert python < 8e6
    assert most < 80 * (1 << 18)  # blocks read ahead, before and after parsing


@pytest.mark.parametrize("first", ["sep=,", '"sep=;"', "SEP=\t"])
def test_the_line_that_tells_a_spreadsheet_the_separator_is_no_header(tmp_path: Path, first: str) -> None:
    file = tmp_path / "export.csv"
    separator = first.strip('"')[-1]
    file.write_text(first + "\r\n" + "\r\n".join(separator.join(row) for row in [("a", "b"), ("1", "x"), ("2", "y")]) + "\r\n")
    with pytest.raises(DataError, match="is no header"):
        read(file)


def test_a_first_line_that_may_be_a_row_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    for first, told in (("39,State-gov,77516", True), ("age,work,weight", False), ("country,2019,2020", False), ("0,1,2", False)):
        file.write_text(f"{first}\n" + "50,Private,83311\n" * 3)
        assert any("if the first line is a row of data" in note for note in read(file).notes) == told


@pytest.mark.parametrize("above", ["Patient,,,Vitals,", ",Patient,,Vitals,", "Patient,Patient,Patient,Vitals,Vitals"])
@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_header_of_two_lines_is_refused_with_what_to_do(above: str, suffix: str, tmp_path: Path) -> None:
    """Groups of columns above the columns, as spreadsheets with merged cells write them."""
    rows = [[str(i), str(20 + i % 50), "mf"[i % 2], str(60 + i % 30), str(100 + i % 70)] for i in range(60)]
    lines = [above.split(","), ["id", "age", "sex", "pulse", "pressure"], *rows]

    def write(lines: list[list[str]]) -> Path:
        path = tmp_path / f"a{suffix}"
        if suffix == ".csv":
            path.write_text("\n".join(map(",".join, lines)) + "\n")
        else:
            pd.DataFrame(lines).replace("", None).to_excel(path, header=False, index=False)
        return path

    with pytest.raises(DataError, match=r"two lines: .*'Patient', 'Vitals'.*'id', 'age', 'sex'|named twice") as caught:
        Dataset.of(write(lines))
    assert "remove" in caught.value.fix and "line" in caught.value.fix
    assert Dataset.of(write(lines[1:])).rows == 60
    nameless = [["", *lines[1][1:]], *rows]
    assert Dataset.of(write(nameless)).schema.table.names[0] == "column_1"
    lines[1][3] = "unknown"  # a first row with words that mean missing is a row
    if "Patient,P" not in above:
        assert Dataset.of(write(lines)).rows == 61
