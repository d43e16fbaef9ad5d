"""How keys, personal values and words of few look, by cases worked out by hand: patterns, forms, classes, spellings."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from lookalike.encode import _fresh, _manner, _shape, _spell
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
