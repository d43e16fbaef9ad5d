"""What every encoder promises, checked for each module that is in the folder, on data made to hurt."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lookalike import _folder, encode
from lookalike.schema import KINDS, PERSONAL, Column

DAY = 86_400_000_000
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

INTEGERS = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**63 - 1, -(2**63), 0, 40, 2**53 + 1]))
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 40.0, 1e308, -1e308, 5e-324, 2.5e-310, 0.30000000000000004]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-1000, 1000).map(lambda i: i / 100),
)
WORDS = st.text(st.sampled_from("abcxyz é.,'1290 \n"), max_size=30)
TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "integer": (pa.int64(), INTEGERS),
    "number": (pa.float64(), FLOATS),
    "category": (pa.string(), st.sampled_from(["a", "b", "c", "é", "", "1", "007"])),
    "boolean": (pa.bool_(), st.booleans()),
    "date": (pa.int32(), st.one_of(st.integers(-40_000, 40_000), st.sampled_from([-719_162, 0, -1, 2_932_896]))),
    "datetime": (pa.int64(), st.one_of(st.integers(-50_000, 50_000).map(lambda d: d * DAY), st.integers(-(10**15), 10**15))),
    "time": (pa.int64(), st.one_of(st.integers(0, DAY - 1), st.integers(0, 23).map(lambda h: h * 3_600_000_000))),
    "duration": (pa.int64(), st.one_of(st.integers(-(10**14), 10**14), st.integers(-9, 9).map(lambda d: d * DAY))),
    "text": (pa.string(), WORDS),
    "key": (pa.string(), st.one_of(st.integers(0, 10**6).map(str), st.text("AB-019é", max_size=8), st.uuids().map(str))),
    "constant": (pa.string(), st.just("x")),
    "empty": (pa.null(), st.none()),
} | {
    f"personal {what}": (
        pa.string(),
        st.one_of(
            WORDS,
            st.sampled_from(["Ms. Anna Schmidt", "DOE, JOHN B.", "王小明", "jo.doe7@gmail.com", "J_Doe@firm.de", "+49 (0)30 123-45"]),
            st.sampled_from(["Hauptstr. 5", "12 Elm St, Rome", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "10.0.0.1"]),
            st.sampled_from(["https://www.a.org/b?c=d", "W1A 1AA", "44051401359", "#@&%", "::1", "8.8.8.8", "a0:b1:c2:d3:e4:f5"]),
        ),
    )
    for what in PERSONAL
}  # fmt: skip
EACH = [k for k in KINDS if k != "personal"] + [f"personal {what}" for what in PERSONAL]
CANONICAL = {
    "category": pa.dictionary(pa.int32(), pa.string()),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "time": pa.time64("us"),
    "duration": pa.duration("us"),
}


def spec(kind: str, **facts: Any) -> Column:
    """A column of a kind; personal ones name what they hold: "personal email"."""
    plain, _, what = kind.partition(" ")
    return Column(name="x", kind=plain, personal=what or None, format="pl_pesel" if what == "national_id" else None, **facts)


def canonical(values: list[Any], kind: str) -> pa.Array:
    plain = pa.array(values, TYPES[kind][0])
    if kind == "category":
        return plain.dictionary_encode()
    return plain.cast(CANONICAL[kind]) if kind in CANONICAL else plain


@st.composite
def columns(draw: st.DrawFn, kind: str, *, least: int = 0) -> list[Any]:
    """Values that repeat, some missing."""
    few = draw(st.lists(TYPES[kind][1], min_size=1, max_size=30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(least, 120))
    lost = draw(st.sampled_from([0.0, 0.2, 1.0]))
    return [None if rng.random() < lost else few[i] for i in rng.integers(0, len(few), n)]


each_kind = pytest.mark.parametrize("kind", EACH)


def examples(kind: str) -> settings:
    """How many tables are tried: fewer of personal values, of which there are 17 kinds and one encoder."""
    return settings(QUICK, max_examples=8 if kind.startswith("personal") else 20)


def test_each_kind_has_one_encoder() -> None:
    served = [k for name in _folder.names("lookalike.encode") for k in _folder.load("lookalike.encode", name).KINDS]
    assert sorted(served) == sorted(KINDS)


@each_kind
def test_statistics_merge_exactly(kind: str) -> None:

    @examples(kind)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        column = spec(kind, unique=data.draw(st.booleans()))
        module, a, b = encode.encoder(column), data.draw(columns(kind)), data.draw(columns(kind))
        subjects = np.random.default_rng(len(a)).integers(0, 9, len(a) + len(b))
        subjects[len(a) :] += 100
        for held in (None, subjects):
            parts = [module.measure(canonical(v, kind), column, subjects=s) for v, s in _parts(a, b, held)]
            whole = module.measure(canonical(a + b, kind), column, subjects=held)
            assert module.merge(*parts) == whole
            assert module.merge(*map(_through_json, parts)) == _through_json(whole)

    check()


@each_kind
def test_codes_come_back(kind: str) -> None:
    """Codes are in range, 0 is missing, JSON keeps the book, and a decoded value has the codes it was decoded from."""

    @examples(kind)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        values = data.draw(columns(kind))
        column = spec(kind)
        module, array = encode.encoder(column), canonical(values, kind)
        book = module.freeze(module.measure(array, column), column, cells=data.draw(st.sampled_from([1, 2, 7, 256])))
        codes, inside = module.encode(array, book, column), module.locate(array, book, column)
        sizes = [p["size"] for p in book["parts"]]
        assert codes.dtype == np.int32 and codes.shape == (len(sizes), len(values)) and inside.shape == (len(values),)
        assert all(((0 <= c) & (c < s)).all() for c, s in zip(codes, sizes, strict=True))
        assert ((inside >= 0) & (inside < 1)).all()
        there = np.array([v is not None for v in values], bool)
        assert not codes[:, ~there].any() and (codes[0][there] > 0).all() | (sizes[0] == 1)
        assert module.encode(array, _through_json(book), column).tolist() == codes.tolist()
        again = module.decode(codes, inside, _through_json(book), column)
        assert again.type == canonical([], kind).type and again.is_valid().to_pylist() == (codes[0] > 0).tolist()
        assert again.equals(module.decode(codes, inside, book, column))
        if kind not in ("text", "key") and not kind.startswith("personal"):
            back = module.encode(again, book, column)
            assert back.tolist() == codes.tolist()

    check()


@each_kind
def test_rare_values_are_not_told(kind: str) -> None:
    """With fewer than `protect` subjects in all, nothing of the values gets into the book's output."""

    @examples(kind)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        if kind in ("boolean", "empty"):
            return
        values = data.draw(columns(kind, least=4))[:4]
        column = spec(kind)
        module, array = encode.encoder(column), canonical(values, kind)
        book = module.freeze(module.measure(array, column), column)
        codes = module.encode(array, book, column)
        told = module.decode(codes, np.linspace(0, 0.99, 4), book, column).drop_null().to_pylist()
        neutral = module.decode(*_of_other_values(module, column, kind), module_book(module, column, kind), column).drop_null().to_pylist()
        made = kind == "key" or kind.startswith("personal")
        assert made or set(map(str, told)) <= set(map(str, neutral)) | {"(rare)"}
        assert not made or not set(told) & set(values)

    check()


@each_kind
def test_no_rows_and_all_missing(kind: str) -> None:
    column = spec(kind)
    module = encode.encoder(column)
    for values in ([], [None] * 7):
        array = canonical(values, kind)
        book = module.freeze(module.measure(array, column), column)
        codes = module.encode(array, book, column)
        assert not codes.any() and module.decode(codes, np.full(len(values), 0.5), book, column).to_pylist() == values


def _parts(a: list[Any], b: list[Any], held: np.ndarray | None) -> list[tuple[list[Any], np.ndarray | None]]:
    return [(a, None), (b, None)] if held is None else [(a, held[: len(a)]), (b, held[len(a) :])]


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


_OTHER = dict.fromkeys(("integer", "number", "date", "datetime", "time", "duration"), 7) | dict.fromkeys(
    ("category", "text", "key", "constant", *(k for k in EACH if k.startswith("personal"))), "q"
)


def module_book(module: Any, column: Column, kind: str) -> dict[str, Any]:
    return module.freeze(module.measure(canonical([_OTHER[kind]], kind), column), column)


def _of_other_values(module: Any, column: Column, kind: str) -> tuple[np.ndarray, np.ndarray]:
    return module.encode(canonical([_OTHER[kind]], kind), module_book(module, column, kind), column), np.array([0.5])
