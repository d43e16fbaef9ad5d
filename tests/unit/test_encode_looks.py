"""How keys, personal values and words of few look, by cases worked out by hand: patterns, forms, classes, spellings."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.encode import _fresh, _manner, _shape, _spell, _steps, text
from lookalike.encode import personal as _personal
from lookalike.encode._people import UNIT
from lookalike.schema import Column

DIGITS, HEX = "0123456789", "0123456789abcdef"


def personal(what: str, **facts: object) -> Column:
    return Column(name="x", kind="personal", personal=what, **facts)  # type: ignore[arg-type]


# ---- forms and classes of personal values


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("Anna Schmidt", "{first} {last}"),
        ("Schmidt, Anna", "{last}, {first}"),
        ("Dr. Anna Schmidt", "{title} {first} {last}"),
        ("Schmidt, Dr. Anna", "{last}, {title} {first}"),
        ("Anna M. Schmidt", "{first} {m}. {last}"),
        ("Schmidt, Anna M.", "{last}, {first} {m}."),
        ("Anna", "{first}"),
        ("ANNA SCHMIDT", "{first} {last}|upper"),
        ("anna schmidt", "{first} {last}|lower"),
        ("Nagy Anna", "{last} {first}"),
        ("王小明", "{last}{first}"),
    ],
)
def test_how_a_name_is_written(written: str, form: str) -> None:
    assert _manner.forms(pa.array([written]), personal("name")).to_pylist() == [form]


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("anna.schmidt@web.de", "{first}.{last}"),
        ("anna_schmidt@web.de", "{first}_{last}"),
        ("a.schmidt@web.de", "{f}.{last}"),
        ("anna-s@web.de", "{first}-{l}"),
        ("anna.schmidt84@web.de", "{first}.{last}##"),
        ("anna@web.de", "{first}"),
        ("annas@web.de", "{first}{l}"),
        ("aschmidt1999@web.de", "{f}{last}####"),
        ("ANNA.SCHMIDT@WEB.DE", "{first}.{last}|upper"),
        ("annaschmidtberg@web.de", "{first}{last}"),
        ("annaschmidt@web.de", "{first}{last}"),
        ("anqschmidt@web.de", "{f}{last}"),
    ],
)
def test_how_an_address_is_made_of_a_name(written: str, form: str) -> None:
    found = _manner.forms(pa.array([written]), personal("email")).to_pylist()
    assert found in ([form], [form + "|lower"])
    assert _manner.forms(pa.array([written.partition("@")[0]]), personal("user_name")).to_pylist() == found


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("12 Main Street", "{n} {street}"),
        ("Hauptstraße 12a", "{street} {n}"),
        ("Hauptstraße", "{street}"),
        ("Via Roma, 12", "{street}, {n}"),
        ("Hauptstraße 12, 10115 Berlin", "{street} {n}, {postcode} {city}"),
        ("12 Main Street, Springfield 62704", "{n} {street}, {city} {postcode}"),
        ("12 Main Street\nSpringfield", "{n} {street}, {city}"),
    ],
)
def test_how_a_street_is_written(written: str, form: str) -> None:
    assert _manner.forms(pa.array([written]), personal("street")).to_pylist() == [form]


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("https://www.example.org/a/b?c=/d", "https:www:2"),
        ("http://example.org", "http::0"),
        ("HTTPS://example.org/a/", "https::1"),
        ("www.example.org/a/b/c/d/e/f", "http:www:4"),
    ],
)
def test_how_a_web_address_is_written(written: str, form: str) -> None:
    assert _manner.forms(pa.array([written]), personal("url")).to_pylist() == [form]


@pytest.mark.parametrize(
    ("what", "written", "told"),
    [
        ("name", ["Anna Schmidt", "Schmidt, Peter", "Nagy Anna", "Dr. Maria Weber"], ["female", "male", "female", "female"]),
        ("first_name", ["Anna", "Peter", "Xqzw"], ["female", "male", "unknown"]),
        ("email", ["a@gmail.com", "b@GMX.de", "c@siemens.com", "d@mygmail.com"], ["free", "free", "other", "other"]),
        ("ipv4", ["10.0.0.1", "172.16.3.4", "172.32.3.4", "192.168.1.1", "8.8.8.8"], ["private", "private", "public", "private", "public"]),
        ("last_name", ["Schmidt"], ["any"]),
    ],
)
def test_what_class_a_value_is_of(what: str, written: list[str], told: list[str]) -> None:
    assert _manner.classes(pa.array(written), personal(what)).to_pylist() == told


def test_names_tell_where_people_are_from() -> None:
    german = pa.array(["Heike", "Jürgen", "Uwe", "Heike"])
    assert _manner.likeliest(_manner.hits(german, personal("first_name")), 4).startswith("de")
    assert _manner.hits(pa.array(["Qwrtz"]), personal("last_name")) == {"last": {}}
    assert _manner.likeliest({"last": {}}, 3) is None and _manner.likeliest({"last": {"de_DE": 3}}, 0) is None


# ---- patterns of keys


def chars(*keys: str) -> np.ndarray:
    return _shape.matrix(pa.array(keys))


def test_patterns_tell_digits_and_letters_apart_until_there_are_too_many() -> None:
    few = _shape.measure(chars("A-1", "B-2", "c-3", "44"), None)
    assert few["level"] == 0 and {s: (p["rows"], p["chars"]) for s, p in few["found"].items()} == {
        "A-9": (2, ["AB", "-", "12"]),
        "a-9": (1, ["c", "-", "3"]),
        "99": (1, ["4", "4"]),
    }
    kinds = ["".join(k) for k in itertools.product("1Aa", repeat=4)]
    one = _shape.measure(chars(*kinds), None)
    assert one["level"] == 1 and one["found"] == {"xxxx": {"rows": 81, "holders": 81, "chars": ["1Aa"] * 4}}
    marks = [f"{'-' * k}1" for k in range(63)] + ["+1", "*1"]
    two = _shape.measure(chars(*marks), None)
    assert two["level"] == 2 and two["found"] == {"": {"rows": 65, "holders": 65, "chars": ["*+-1"]}}
    assert _shape.measure(chars(*marks[:64]), None)["level"] == 0
    both = _shape.merge(few, two)
    assert both["level"] == 2 and both["found"][""]["rows"] == 69 and both["found"][""]["chars"] == ["*+-1234ABc"]
    assert _shape.merge(few, one)["found"]["x-x"] == {"rows": 3, "holders": 3, "chars": ["ABc", "-", "123"]}
    assert _shape.merge(few, few)["found"]["A-9"]["rows"] == 4


def test_what_a_place_may_hold_where_it_varies() -> None:
    full = {"7": "7", "12": DIGITS, "ab": "abcdefghijklmnopqrstuvwxyz", "1f": HEX, "1F": "0123456789ABCDEF"}
    assert {seen: _shape._full(seen) for seen in full} == full
    assert set(_shape._full("1g")) == set(DIGITS + "abcdefghijklmnopqrstuvwxyz") and set(_shape._full("-7")) == set("-" + DIGITS)
    assert _shape._leading(["A", "0", "0", DIGITS]) == ["A", DIGITS, DIGITS, DIGITS]
    assert _shape._leading(["0", "A", DIGITS]) == ["0", "A", DIGITS]
    assert _shape._sequence(["A", DIGITS, DIGITS]) and not _shape._sequence(["AB", DIGITS])
    assert not _shape._sequence([DIGITS, "-", DIGITS]) and not _shape._sequence(["A", "B"])


def test_a_sequence_of_keys_goes_on_and_scattered_ones_fill_gaps() -> None:
    run = [f"A-{i:05d}" for i in range(1_000, 3_000)]
    stats = _shape.measure(chars(*run), None)
    patterns = _shape.freeze(stats, np.unique(chars(*run), axis=0), 7, len(run), 5)
    made = _shape.decode(np.arange(3_000), patterns, 7).to_pylist()
    assert len(set(made)) == 3_000 and not set(made) & set(run) and all(len(m) == 7 and m[:2] == "A-" and m[2:].isdigit() for m in made)
    assert min(int(m[2:]) for m in made) >= 3_000, "those after the last"
    rare = _shape.measure(chars(*run, "XX", "YY", "ZZ"), None)
    assert [p["alphabets"][:2] for p in _shape.freeze(rare, np.unique(chars(*run), axis=0), 7, 2_003, 5)] == [["A", "-"]]


def test_keys_that_are_led_by_zeros_stay_so() -> None:
    led = [f"00{k:06d}" for k in np.random.default_rng(0).choice(10**6, 300, replace=False)]
    patterns = _shape.freeze(_shape.measure(chars(*led), None), np.unique(chars(*led), axis=0), 8, 300, 5)
    made = _shape.decode(np.arange(900), patterns, 8).to_pylist()
    assert len({*made, *led}) == 1_200 and all(m[:2] == "00" and len(m) == 8 for m in made)


def test_keys_without_room_get_longer() -> None:
    every = [f"{a}{b}" for a in DIGITS for b in DIGITS]
    patterns = _shape.freeze(_shape.measure(chars(*every), None), chars(*every), 2, 100, 5)
    made = _shape.decode(np.arange(50), patterns, 2).to_pylist()
    assert len(set(made)) == 50 and all(m.isdigit() and len(m) > 2 for m in made)
    mixed = _shape._longer(np.arange(3), {"alphabets": ["K", DIGITS, DIGITS, "-", "x"]}, 6)
    assert mixed.to_pylist() == ["K1000-x", "K1001-x", "K1002-x"], "one digit more than any, where the last run of digits stands"


def test_keys_that_vary_all_over_meet_none_by_chance_alone() -> None:
    rng = np.random.default_rng(0)
    seen = ["".join(rng.choice(list(HEX), 32)) for _ in range(500)]
    patterns = _shape.freeze(_shape.measure(chars(*seen), None), np.unique(chars(*seen), axis=0), 32, 500, 5)
    made = _shape.decode(np.arange(2_000), patterns, 32).to_pylist()
    assert len(set(made)) == 2_000 and not set(made) & set(seen) and all(len(m) == 32 and set(m) <= set(HEX) for m in made)
    assert all(len({m[p] for m in made}) > 8 for p in range(6, 32))
    assert _shape._vast([DIGITS] * 9, 1.0)["blocks"] == [] and _shape._vast([DIGITS] * 20, 1.0)["blocks"] != []
    assert _shape._vast([DIGITS] * 20, 2e4)["blocks"] == []
    blocks = [b for most in (DIGITS, "01234567") for b in _shape._vast([most] * 22, 1.0)["blocks"][-1:]]
    assert blocks == [10**6 - 2, 8**6 - 2]  # the last but one of a million and of 262,144: none that there is not


# ---- words that nobody wrote


def test_what_stands_for_a_word_of_few() -> None:
    mark = _spell.MARK
    assert [_spell.token(w) for w in (" ab", "Haus", "\tUSA", "  McDonald")] == [f" {mark}a", f"{mark}A", f"\t{mark}U", f"  {mark}A"]
    assert [_spell.token(w) for w in ("x", " A", "U2", "", "12", "it's")] == [None] * 6
    assert [_spell.written("haus", m) for m in "aAU"] == ["haus", "Haus", "HAUS"]


def test_only_steps_of_enough_people_are_learned_and_words_are_short() -> None:
    split = {f"t{k}": ["abab ", "baba"] for k in range(5)} | {"rare": ["zq"], "other": ["1", "a2", "x"]}
    counts = {text: (1, 1) for text in split}
    book = _spell.learn(split, counts, least=5)
    assert book["letters"] == ["", " ", "a", "b"]
    assert _spell.learn(split, counts, least=6)["letters"] == ["", " "]
    assert "z" in _spell.learn(split, counts, least=1)["letters"]
    words = _spell.spell(_fresh.mix(np.arange(500)), book)
    assert all(_spell.SHORTEST <= len(w) <= _spell.LONGEST and set(w) <= set("ab") for w in words) and len(set(words)) > 40
    assert all("aa" in w or "bb" in w for w in words if len(w) > 4), "once in each word letters follow as they do in none"
    assert _spell.spell(_fresh.mix(np.arange(3)), _spell.learn({}, {}, 1)) == ["", "", ""]
    one = _spell.spell(_fresh.mix(np.arange(9)), _spell.learn({"t": ["aaa"]}, {"t": (1, 1)}, 1))
    assert all(set(w) == {"a"} and len(w) >= _spell.SHORTEST for w in one)


# ---- texts

TEXT = Column(name="x", kind="text")
COUNTED = {"rows": 13, "missing": 1, "texts": {"ab cd": [6, 6 * UNIT], "ab cd ef": [5, 5 * UNIT], "ab zz": [1, UNIT]}}
TALES = [
    *["The cat sees 12 dogs.", "A dog likes 7 cats!", "The mayor calls Mr Corvin, 40 times."] * 6,
    *(
        f"The {n} sees the cat, 0{k} times."
        for k, n in enumerate(["Bramont", "Delric", "Fenstad", "Galler", "Homvin", "Junmont", "Kelric"])
    ),
]


def test_what_a_book_of_texts_tells() -> None:
    """Words, steps and ends of five subjects or more, and how long texts are; the longest as the mean of five."""
    book = text.freeze(COUNTED, TEXT)
    assert book["words"] == ["", "", " ab", " cd", " ef"] and book["protected"] == {"words": 1}
    start, end, ab, cd, ef = range(5)
    assert book["one"] == _steps.table({(start, ab): [12], (ab, cd): [11], (cd, ef): [5], (end, ab): [12], (end, cd): [11], (end, ef): [5]})
    assert book["two"] == _steps.table({(start, start, ab): [12], (start, ab, cd): [11], (ab, cd, ef): [5]})
    assert book["ends"] == [cd, ef]
    lengths = np.quantile(np.repeat([1, 2, 3], [1, 6, 5]), np.linspace(0, 1, 33))
    assert book["lengths"] == pytest.approx(lengths, abs=0.01) and book["parts"][0]["size"] == 2
    shy = text.freeze(COUNTED, TEXT, protect=6)
    assert shy["words"] == ["", "", " ab", " cd", f" {_spell.MARK}a"]  # ef is of five, and zz of one: some such word is of six
    assert shy["ends"] == [cd, 4] and shy["lengths"][-1] == 2.83 and shy["protected"] == {"words": 2}
    assert text.freeze({"rows": 2, "missing": 2, "texts": {}}, TEXT)["parts"][0]["size"] == 1
    long = {"rows": 9, "missing": 0, "texts": {"ab " * k: [1, UNIT] for k in range(1, 10)}}
    assert text.freeze(long, TEXT, protect=4)["lengths"][-1] == 7.5  # of 6, 7, 8 and 9


def test_texts_are_counted_by_subjects_and_merged() -> None:
    values, who = pa.array(["a b", "a b", None, "c"]), np.array([1, 1, 2, 3])
    stats = text.measure(values, TEXT, subjects=who)
    assert stats == {"rows": 4, "missing": 1, "texts": {"a b": [2, UNIT], "c": [1, UNIT]}}
    assert text.merge(stats, stats) == {"rows": 8, "missing": 2, "texts": {"a b": [4, 2 * UNIT], "c": [2, 2 * UNIT]}}
    assert list(text.measure(pa.array(["é" * 3_000]), TEXT)["texts"]) == ["é" * text.LONGEST]


def test_words_as_they_are_told() -> None:
    told = {" 12": " 00", "\n12": "\n00", "  7": " 0", "\t\nab": "\nab", ".": ".", "a1": "a1", " Ab": " Ab", "\u3000ab": " ab"}
    assert {word: text._shade(word) for word in told} == told
    assert text._WORD.findall(" It's 5 o’clock – Zoë_!") == [" It's", " 5", " o’clock", " –", " Zoë_", "!"]


@pytest.mark.parametrize(
    ("zeros", "pattern"), [((), r" [1-9]\d\d"), ((1.0,), r" 0[1-9]\d"), ((1.0, 1.0), r" 00[1-9]"), ((1.0,) * 3, " 000")]
)
def test_numbers_have_their_zeros_and_other_digits(zeros: tuple[float, ...], pattern: str) -> None:
    lots = _fresh.mix(np.arange(400)).tolist()
    made = [text._number(" 000", lot, zeros) for lot in lots]
    assert all(re.fullmatch(pattern, m) for m in made)
    varies = len(zeros) < 3 and {m[len(zeros) + 1] for m in made} == set("123456789")
    assert varies == (len(zeros) < 3) and (len(zeros) > 1 or {m[-1] for m in made} == set(DIGITS))
    half = [text._number("00", lot, (0.5,)) for lot in lots]
    assert 150 < sum(m[0] == "0" for m in half) < 250
    assert {len(text._number("0" * 25, lot, ())) for lot in lots[:9]} == {25}


def test_how_often_numbers_begin_with_zeros_is_told_of_enough() -> None:
    """Seven of 19 numbers of two digits; of one digit none; too few, or all but too few, are not told apart."""
    assert text.freeze(text.measure(pa.array(TALES), TEXT), TEXT)["zeros"] == {" 00": [round(7 / 19, 4)]}
    cases = {(4, 20): {}, (5, 20): {"000": [0.2]}, (21, 4): {"000": [1.0]}, (20, 5): {"000": [0.8]}}
    for (led, plain), told in cases.items():
        values = [f"in {k:03d}" for k in range(10, 10 + led)] + [f"in {k}" for k in range(100, 100 + plain)]
        found = text.freeze(text.measure(pa.array(values), TEXT), TEXT)["zeros"]
        assert found == {f" {word}": shares for word, shares in told.items()}
    often = {
        "rows": 60,
        "missing": 0,
        "texts": {f"in 0{k}": [10, UNIT] for k in range(10, 15)} | {f"in {k}": [1, UNIT] for k in range(100, 110)},
    }
    assert text.freeze(often, TEXT)["zeros"] == {" 000": [round(50 / 60, 4)]}  # of rows, where enough subjects have some
    two = text.freeze(text.measure(pa.array([f"in 00{k % 10} {k}" for k in range(20)]), TEXT), TEXT)["zeros"]
    assert two[" 000"] == [1.0, 1.0]


def test_sentences_that_must_not_come_out_whole() -> None:
    words = ["", "", *(f" {c}" for c in "abcdefg"), ".", "\nh", ","]
    a, b, c, d, e, f, g, dot, h, comma = range(2, 12)
    found = text._sentences([a, b, c, d, e, f, dot, g, a, b, comma, c, d, e, h, b, c, d, e, f, -1, dot, h, a, b, c, d, e, dot], words)
    assert list(found) == [[a, b, c, d, e, f, dot], [g, a, b, comma, c, d, e], [h, a, b, c, d, e, dot]]  # by full stop, by line, all known
    assert not list(text._sentences([a, b, c, d, e, dot, a, b, c, d, e], words))  # five words are not a sentence that is anyone's


def test_no_whole_sentence_is_put_together_of_common_steps() -> None:
    """Of four words in any order every two are common, and no three: then what would still come out whole is forbidden, and no more."""
    rng = np.random.default_rng(7)
    told = [" ".join(rng.choice(list("abcd"), 6)) + "." for _ in range(60)]
    book = text.freeze(text.measure(pa.array(told), TEXT), TEXT)

    def whole(book: dict[str, Any]) -> set[str]:
        made = text.decode(np.ones((1, 6_000), np.int32), np.random.default_rng(1).random(6_000), book, TEXT).to_pylist()
        return {s for m in made for s in re.findall(r"[a-d](?: [a-d]){5,}\.", m)}

    assert 0 < len(book["never"]) < 10 and not whole(book) & set(told) and len(whole(book)) > 200
    assert whole(book | {"never": []}) & set(told)


def test_texts_end_where_texts_end_and_are_as_long() -> None:
    book = text.freeze(text.measure(pa.array(TALES), TEXT), TEXT)
    lot = _fresh.mix(np.arange(2_000))
    paths = text._walk(lot, book)
    sizes = (paths > 1).sum(axis=1)
    last = paths[np.arange(len(lot)), np.maximum(sizes - 1, 0)]
    drawn = np.interp(_steps.uniform(lot, 0), np.linspace(0, 1, 33), book["lengths"])
    assert sizes.min() > 0 and np.isin(last, book["ends"]).mean() > 0.5
    assert (sizes <= np.rint(drawn) + text.PATIENCE).all()
    over = sizes > np.rint(drawn)
    assert over.any() and np.isin(last[over & (sizes < np.rint(drawn) + text.PATIENCE)], book["ends"]).all()
    assert {book["words"][w] for w in np.unique(paths[:, 0])} == {" The", " A"}


def test_where_nothing_may_be_told_a_text_is_a_filler_and_what_is_missing_stays_so() -> None:
    book = text.freeze({"rows": 3, "missing": 1, "texts": {"ab cd": [2, 2 * UNIT]}}, TEXT)
    codes = text.encode(pa.array(["ab", None, "zz"]), book, TEXT)
    assert text.decode(codes, np.full(3, 0.5), book, TEXT).to_pylist() == [text.FILLER, None, text.FILLER]
    one = text.freeze({"rows": 9, "missing": 0, "texts": {"7": [9, 9 * UNIT]}}, TEXT)
    made = text.decode(np.ones((1, 60), np.int32), np.linspace(0, 0.99, 60), one, TEXT).to_pylist()
    assert {len(m) for m in made} == {1} and set(made) == set("123456789")


def test_what_a_version_wrote_the_next_one_writes() -> None:
    """A seed gives the same texts, words and numbers in later versions too."""
    book = text.freeze(text.measure(pa.array(TALES), TEXT), TEXT)
    assert text.decode(np.ones((1, 6), np.int32), np.linspace(0, 0.9, 6), book, TEXT, start=3).to_pylist() == [
        "The cat, 69 times Mr Corvin, A dog likes sees 57",
        "The cat, 61 times Ssg sees the the cat",
        "A dog cats! The mayor calls Mr calls Mr",
        "The cat, 26 times The cat sees the cat",
        "The Cayor times. A dog likes 9 The Cgs",
        "A dog The cat sees the cat, times.",
    ]
    masks = {"phone": "+49 ### #######", "card": "4### #### #### ####", "iban": "DE## #### #### #### #### ##", "postcode": "@## &##"}
    classes = masks | {"ipv4": "public", "email": "free"}
    made = {}
    for what, told in classes.items():
        for unique in (False, True):
            column = personal(what, unique=unique)
            stats = _personal.measure(pa.array([], pa.string()), column) | {"rows": 9, "classes": {told: [9, 9]}}
            codes, inside = np.ones((1, 3), np.int32), np.array([0.25, 0.5, 0.75])
            values = _personal.decode(codes, inside, _personal.freeze(stats, column), column).to_pylist()
            made[what, unique] = [v.partition("@")[2] or v for v in values]  # names come from lists that are others'
    assert made == {
        ("phone", False): ["+49 268 5294512", "+49 338 6832155", "+49 731 1094373"],
        ("phone", True): ["+49 270 5142180", "+49 332 3176169", "+49 794 1210158"],
        ("card", False): ["4268 5294 5127 1958", "4238 6832 1556 9830", "4931 1094 3739 5622"],
        ("card", True): ["4268 5270 5142 1809", "4238 6832 3176 1692", "4931 1094 1210 1581"],
        ("iban", False): ["DE24 2685 2945 1271 9561 97", "DE03 2386 8321 5569 8378 77", "DE24 9311 0943 7395 6272 03"],
        ("iban", True): ["DE57 2685 2945 1705 1421 80", "DE58 2386 8321 5323 1761 69", "DE48 9311 0943 7941 2101 58"],
        ("postcode", False): ["Q68 x29", "Y38 g83", "N31 v09"],
        ("postcode", True): ["B15 n40", "R22 k49", "H29 h58"],
        ("ipv4", False): ["198.18.124.227", "198.18.163.248", "198.18.82.171"],
        ("ipv4", True): ["198.18.170.170", "198.19.231.25", "198.19.35.136"],
        ("email", False): ["example.net", "example.com", "example.net"],
        ("email", True): ["example.net", "example.com", "example.net"],
    }
