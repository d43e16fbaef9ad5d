"""Personal values: what is recognised, what is made of it, and that none of it is anyone's."""

from __future__ import annotations

import importlib
import json
import re
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from faker import Faker

from lookalike.data import Dataset, _checks, _people, _personal
from lookalike.data.detect import detect_column
from lookalike.encode import Codebook, Coded, _fill, _fresh, _manner, _person, personal
from lookalike.errors import SchemaError
from lookalike.schema import Column, Schema, Table

N = 400
FAKE = {locale: Faker(locale) for locale in ("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL")}
for fake in FAKE.values():
    fake.seed_instance(0)


def found(cells: list[Any], name: str) -> str | None:
    column = detect_column(pa.array(cells), name)
    return column.personal and f"{column.personal}:{column.format}".removesuffix(":None")


def coded(book: dict[str, Any], n: int, *, code: int | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    size = book["parts"][0]["size"]
    return (rng.integers(1, size, (1, n)) if code is None else np.full((1, n), code)).astype(np.int32), rng.random(n, dtype=np.float32)


def made(cells: list[Any], column: Column, n: int = N, **more: Any) -> list[str]:
    """Fresh values after a look at `cells`."""
    book = json.loads(json.dumps(personal.freeze(personal.measure(pa.array(cells, pa.string()), column), column)))
    codes, inside = coded(book, n)
    return personal.decode(codes, inside, book, column, **more).to_pylist()


def of(what: str, **facts: Any) -> Column:
    return Column(name="x", kind="personal", personal=what, **facts)


# ── what is recognised ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("locale", FAKE)
@pytest.mark.parametrize(
    ("make", "name", "what"),
    [
        ("email", "v1", "email"),
        ("name", "customer_name", "name"),
        ("first_name", "FirstName", "first_name"),
        ("last_name", "surname", "last_name"),
        ("phone_number", "Phone", "phone"),
        ("iban", "v2", "iban"),
        ("credit_card_number", "v3", "card"),
        ("ipv6", "v4", "ipv6"),
        ("mac_address", "v5", "mac"),
        ("ipv4", "v6", "ipv4"),
        ("url", "v7", "url"),
        ("street_address", "address", "street"),
        ("company", "Company", "company"),
        ("user_name", "user_name", "user_name"),
    ],
)
def test_each_kind_of_value_is_recognised(locale: str, make: str, name: str, what: str) -> None:
    if what == "street":
        name = {"de_DE": "Adresse", "es_ES": "direccion"}.get(locale, name)
    cells = [getattr(FAKE[locale], make)() for _ in range(100)]
    assert found(cells, name) == what


@pytest.mark.parametrize("pattern", [_personal._NAME_CHARS, _personal._LIKE_NAME, r"[\pL]{2}", r"^\d+[A-Za-z]?[ ,]+[\pL]"])
@pytest.mark.parametrize("beyond", [[], ["Zoë Ängström", "5 Ä", "王杰", "’n"]])
def test_letters_of_all_scripts_are_those_of_ascii_where_there_are_no_others(pattern: str, beyond: list[str]) -> None:
    values = pa.array(
        ["Ann Lee", "ann", "A", "7", "12 Elm", "12a, Elm", "J.-P. d'Arc", "de la Cruz", "", " x", "X_1", "O'Neil, Bo", *beyond]
    )
    assert _personal._matched(values, pattern).equals(pc.match_substring_regex(values, pattern))


def test_german_words_for_columns() -> None:
    fake = FAKE["de_DE"]
    assert found([fake.first_name() for _ in range(60)], "Vorname") == "first_name"
    assert found([fake.last_name() for _ in range(60)], "Nachname") == "last_name"
    assert found([fake.phone_number() for _ in range(60)], "Telefon") == "phone"


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ([f"1.{i}.{i % 7}.{i % 3}" for i in range(20)], "version"),
        (["red", "rose", "violet", "amber", "ruby", "olive", "hazel", "jade"] * 20, "color"),
        ([f"{i:09d}" for i in range(10**8, 10**8 + 60)], "part"),
        ([str(v) for v in np.random.default_rng(0).integers(4 * 10**15, 5 * 10**15, 100)], "reading"),
        ([f"2020-01-{1 + i % 28:02d}" for i in range(60)], "phone_date"),
        ([f"+{i}.{i % 10}" for i in range(90)], "change"),
        ([f"Widget {i}" for i in range(60)], "name"),
        (["Paris", "Sydney", "Florence", "Austin", "Jackson", "Charlotte", "Lincoln"] * 9, "town"),
        (["Bronx", "Queens", "Brooklyn"] * 30, "address_area"),
        ([f"town of {i}" for i in range(60)], "x"),
        ([f"a sentence with {i} words at the end of it" for i in range(60)], "text"),
        ([f"DE{i:020d}" for i in range(60)], "account"),
    ],
)
def test_what_only_looks_alike_is_left_alone(cells: list[str], name: str) -> None:
    assert found(cells, name) is None


def test_a_few_first_names_are_personal_only_if_the_column_says_so() -> None:
    cells = ["Anna", "Peter", "Maria", "Paul", "Julia", "Max", "Laura", "Tom"] * 50
    assert found(cells, "group") is None and found(cells, "host_name") == "first_name"


def test_unique_is_what_tells_people_apart() -> None:
    cells = [f"jo{i}@web.de" for i in range(50)]
    assert detect_column(pa.array(cells), "m").unique and not detect_column(pa.array(cells * 2), "m").unique
    assert not detect_column(pa.array([f"{a} Smith" for a in _people.names("en_US").female][:50]), "full_name").unique


@pytest.mark.parametrize("scheme", _checks.SCHEMES)
def test_national_ids_by_their_check_digits(scheme: str) -> None:
    cells = made(["x"], of("national_id", format=scheme), 60)
    wrong = [re.sub(r"\d(?=\D*\d\D*$)", lambda m: str((int(m[0]) + 3) % 10), v) for v in cells]
    assert found(cells, "ssn" if scheme == "us_ssn" else "number") == f"national_id:{scheme}"
    assert scheme == "us_ssn" or (found(wrong, "number") or "").partition(":")[0] != "national_id"


# ── check digits, held against python-stdnum ────────────────────────────────────────────────────────────────────────

STDNUM = {
    "ca_sin": "ca.sin", "br_cpf": "br.cpf", "nl_bsn": "nl.bsn", "es_dni": "es.dni", "pl_pesel": "pl.pesel", "gb_nhs": "gb.nhs",
    "fr_nir": "fr.nir", "se_personnummer": "se.personnummer", "ch_ahv": "ch.ssn", "fi_hetu": "fi.hetu",
}  # fmt: skip


@pytest.mark.parametrize("scheme", STDNUM)
def test_national_ids_are_valid(scheme: str) -> None:
    module = importlib.import_module("stdnum." + STDNUM[scheme])
    cells = made(["x"], of("national_id", format=scheme), 300)
    more = {"allow_temporary": True} if scheme == "fi_hetu" else {}
    assert all(module.is_valid(v, **more) for v in cells)


def test_social_security_numbers_are_nobodys() -> None:
    assert all(900 <= int(v[:3]) and 1 <= int(v[4:6]) < 50 for v in made(["123-45-6789"] * 9, of("national_id", format="us_ssn")))


def test_cards_and_ibans_are_valid() -> None:
    luhn, iban = (importlib.import_module("stdnum." + m) for m in ("luhn", "iban"))
    cards = made([FAKE["en_US"].credit_card_number() for _ in range(300)], of("card"))
    assert all(luhn.is_valid(v) for v in cards) and {v[0] for v in cards} >= {"3", "4", "5"}
    cells = [FAKE[k].iban() for k in ("de_DE", "fr_FR", "it_IT", "pl_PL") for _ in range(50)]
    fresh = made([" ".join(re.findall(".{1,4}", v)) for v in cells], of("iban"))
    assert all(iban.is_valid(v, check_country=False) for v in fresh) and {v[:2] for v in fresh} == {"DE", "FR", "IT", "PL"}
    assert {" ".join(re.findall(".{1,4}", v.replace(" ", ""))) == v for v in fresh} == {True}
    assert not set(fresh) & set(cells)


# ── what is made ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cells", "pattern"),
    [
        (["Smith, John"] * 20, r"[\w' -]+, [\w' -]+"),
        (["Ms. Anna Smith"] * 10 + ["Mr. John Doe"] * 10, r"(Mr|Mrs|Ms|Miss|Dr)\.? [\w'. -]+"),
        (["JOHN SMITH"] * 20, r"[A-Z' .-]+"),
        (["John B. Smith"] * 20, r"[\w' -]+ [A-V]\. [\w' -]+"),
    ],
)
def test_names_are_written_as_the_originals(cells: list[str], pattern: str) -> None:
    assert all(re.fullmatch(pattern, v) for v in made(cells, of("name", locale="en_US")))


@pytest.mark.parametrize(
    ("what", "cells", "pattern"),
    [
        ("phone", ["+49 (30) 123-4567"] * 9, r"\+49 \(\d\d\) \d{3}-\d{4}"),
        ("phone", ["(212) 555-0199"] * 9, r"\([2-9]\d\d\) [2-9]\d\d-\d{4}"),
        ("phone", ["030/1234567"] * 9, r"0[1-9]\d/\d{7}"),
        ("email", ["anna.smith@gmail.com"] * 9, r"[a-z]+\.[a-z]+@example\.(com|org|net)"),
        ("email", ["a.smith@gmail.com"] * 9, r"[a-z]\.[a-z]+@example\.(com|org|net)"),
        ("email", ["anna-s@gmail.com"] * 9, r"[a-z]+-[a-z]@example\.(com|org|net)"),
        ("email", ["ASMITH12@BIG-FIRM.DE"] * 9, r"(?i)[a-z]+\d\d@[a-z0-9]+\.example"),
        ("street", ["12 Elm Street"] * 9, r"\d+ \D+"),
        ("street", ["Hauptstraße 12"] * 9, r"\D+ \d+"),
        ("street", ["12 Elm St, 10115 Berlin"] * 9, r"\d+ \D+, \d{5} \D+"),
        ("ipv4", ["8.8.8.8"] * 9, r"198\.1[89]\.\d+\.\d+"),
        ("ipv4", ["192.168.0.7"] * 9, r"10\.\d+\.\d+\.\d+"),
        ("ipv6", ["FE80:0:0:0:1:2:3:4"] * 9, r"2001:DB8(:[0-9A-F]{4}){6}"),
        ("mac", ["a0-b1-c2-d3-e4-f5"] * 9, r"02(-[0-9a-f]{2}){5}"),
        ("url", ["https://www.a.org/b/c?d=e"] * 9, r"https://www\.\w+\.example/\w+/\w+"),
        ("postcode", ["W1A 1AA"] * 9, r"[A-Z]\d[A-Z] \d[A-Z]{2}"),
        ("user_name", ["asmith12"] * 9, r"[a-z]+\d\d"),
        ("company", ["ACME LTD"] * 9, r"[^a-z]+"),
    ],
)
def test_values_are_written_as_the_originals(what: str, cells: list[str], pattern: str) -> None:
    fresh = made(cells, of(what))
    assert all(re.fullmatch(pattern, v) for v in fresh) and not set(fresh) & set(cells) and len(set(fresh)) > N / 3


def test_no_form_that_few_have_is_told() -> None:
    cells = ["030-1234567"] * 20 + ["call Jo at 5 pm: 030-55"] * 2
    assert not any("call" in v for v in made(cells, of("phone"), 2_000))


@pytest.mark.parametrize("what", ["email", "user_name", "phone", "card", "iban", "mac", "ipv6", "national_id"])
def test_unique_columns_stay_unique_over_batches(what: str) -> None:
    column = of(what, unique=True, format="es_dni" if what == "national_id" else None)
    book = personal.freeze(personal.measure(pa.array([], pa.string()), column) | {"rows": 1}, column)
    parts = [personal.decode(*coded(book, 20_000, seed=k), book, column, start=k * 20_000) for k in range(3)]
    assert len(pa.concat_arrays(parts).unique()) == 60_000


def test_rows_are_the_same_in_any_batch() -> None:
    column = of("email")
    book = personal.freeze(personal.measure(pa.array(["a.b@gmx.de"] * 20), column), column)
    codes, inside = coded(book, 100)
    whole = personal.decode(codes, inside, book, column, start=7)
    parts = [personal.decode(codes[:, a:b], inside[a:b], book, column, start=7 + a) for a, b in ((0, 40), (40, 100))]
    assert pa.concat_arrays(parts).equals(whole)
    assert not personal.decode(codes, coded(book, 100, seed=1)[1], book, column, start=7).equals(whole)


# ── a row is one person ─────────────────────────────────────────────────────────────────────────────────────────────

SEX = Column(name="sex", kind="category")
COUNTRY = Column(name="country", kind="category")
COLUMNS = (
    Column(name="first", kind="personal", personal="first_name"), Column(name="last", kind="personal", personal="last_name"),
    Column(name="full", kind="personal", personal="name"), Column(name="mail", kind="personal", personal="email"),
    Column(name="firm", kind="personal", personal="company"), SEX, COUNTRY,
)  # fmt: skip


def people() -> pa.Table:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(600):
        country, locale = (("Germany", "de_DE"), ("France", "fr_FR"), ("USA", "en_US"))[i % 3]
        sex = "FM"[int(rng.random() < 0.5)]
        fake = FAKE[locale]
        first = fake.first_name_female() if sex == "F" else fake.first_name_male()
        last = fake.last_name()
        mail = f"{_person.slug(first)}.{_person.slug(last)}@{'gmail.com' if i % 2 else 'firm.de'}"
        rows.append((first, last, f"{last}, {first}", mail, fake.company(), sex, country))
    return pa.table({c.name: [r[k] for r in rows] for k, c in enumerate(COLUMNS)})


@pytest.fixture(scope="module")
def drawn() -> list[dict[str, str]]:
    schema = Schema(tables=(Table(columns=COLUMNS),))
    data = Dataset.from_arrow({"table": people()}, schema)
    book = Codebook.measure_all(data)
    rng = np.random.default_rng(1)
    codes = np.stack([rng.integers(1, p.size, 3_000) for p in book.parts]).astype(np.uint16)
    return book.decode(Coded(codes, rng.random((len(COLUMNS), 3_000), dtype=np.float32))).to_pylist()


def test_names_and_mails_of_a_row_agree(drawn: list[dict[str, str]]) -> None:
    for row in drawn:
        assert row["full"] == f"{row['last']}, {row['first']}"
        local, domain = row["mail"].split("@")
        assert local == f"{_person.slug(row['first'])}.{_person.slug(row['last'])}"
        assert domain in ("example.com", "example.org", "example.net", _person.slug(row["firm"]) + ".example")


def test_rows_drawn_twice_are_other_people() -> None:
    columns = (
        Column(name="id", kind="key", unique=True),
        Column(name="mail", kind="personal", personal="email", unique=True),
        *COLUMNS[:2],
        SEX,
    )
    rows = people().append_column("id", pa.array([f"A{i:04d}" for i in range(600)]))
    schema = Schema(tables=(Table(columns=columns),))
    book = Codebook.measure_all(Dataset.from_arrow({"table": rows.select([c.name for c in columns])}, schema))
    rng = np.random.default_rng(2)
    codes = np.stack([rng.integers(1, p.size, 300) for p in book.parts]).astype(np.uint16)
    table = book.decode(Coded(codes, rng.random((5, 300), dtype=np.float32)))
    twice = book.renewed(pa.concat_tables([table, table]), rng=rng, start=1_000)
    assert twice.schema == table.schema and twice["sex"].to_pylist() == table["sex"].to_pylist() * 2
    assert len(twice["id"].unique()) == len(twice["mail"].unique()) == 600
    for row in twice.to_pylist():
        assert row["mail"].startswith(f"{_person.slug(row['first'])}.{_person.slug(row['last'])}")
    assert book.renewed(table.select(["sex"]), rng=rng).equals(table.select(["sex"]))


def test_names_agree_with_sex_and_country(drawn: list[dict[str, str]]) -> None:
    for country, locale in (("Germany", "de_DE"), ("France", "fr_FR"), ("USA", "en_US")):
        names = _people.names(locale)
        for sex, first in (("F", names.female), ("M", names.male)):
            mine = [r for r in drawn if (r["country"], r["sex"]) == (country, sex)]
            assert len(mine) > 300
            assert all(r["first"] in first and r["last"] in {**names.last_female, **names.last_male} for r in mine)


@pytest.mark.parametrize(("name", "female"), [("is_female", [True, False, None]), ("male", [False, True, None])])
def test_sex_as_yes_and_no(name: str, female: list[bool | None]) -> None:
    column, names = of("first_name", locale="de_DE"), _people.names("de_DE")
    book = personal.freeze(personal.measure(pa.array(["x"]), column), column)
    codes, inside = coded(book, 300)
    beside = {name: (Column(name=name, kind="boolean"), pa.array(female * 100))}
    first = personal.together([column], [book], [codes], [inside], start=0, beside=beside)[0].to_pylist()
    assert set(first[::3]) <= set(names.female) and set(first[1::3]) <= set(names.male)


def test_without_a_column_of_sex_the_drawn_class_decides() -> None:
    column = of("first_name", locale="en_US")
    names = _people.names("en_US")
    book = personal.freeze(personal.measure(pa.array([*names.female, *names.male]), column), column)
    assert book["classes"][:2] and set(book["classes"]) >= {"female", "male"}
    for sex, listed in (("female", names.female), ("male", names.male)):
        codes, inside = coded(book, 500, code=1 + book["classes"].index(sex))
        assert set(personal.decode(codes, inside, book, column).to_pylist()) <= set(listed)


def test_codes_tell_women_and_men_and_countries_apart() -> None:
    names = _people.names("de_DE")
    column = of("first_name", locale="de_DE")
    assert set(_manner.classes(pa.array([n for n in names.female if n not in names.male]), column, locale="de_DE").to_pylist()) == {
        "female"
    }
    locale, both = next((k, n) for k in _people.locales() if (n := [v for v in _people.names(k).female if v in _people.names(k).male]))
    assert set(_manner.classes(pa.array(both), of("first_name", locale=locale), locale=locale).to_pylist()) == {"unknown"}
    phones = pa.array(["+49 30 1234567", "+49 30 1234567", "0044 20 7946 0000", "(0)30 12"])
    assert _manner.classes(phones, of("phone")).to_pylist() == ["+49 ## #######"] * 2 + ["0044 ## #### ####", "(0)## ##"]


def test_who_comes_back_is_the_same_person() -> None:
    cells = [f"p{i}@gmx.de" for i in range(300) for _ in range(4)]
    columns = [Column(name="m", kind="personal", personal="email"), Column(name="f", kind="personal", personal="last_name")]
    book = [personal.freeze(personal.measure(pa.array(v), c), c) for c, v in zip(columns, (cells, ["Smith"] * 1200), strict=True)]
    codes, inside = coded(book[0], 1_200)
    mails, last = personal.together(columns, book, [codes, codes], [inside, inside], start=0, beside={})
    assert 250 < len(mails.unique()) <= 320
    by: dict[str, set[str]] = {}
    for mail, name in zip(mails.to_pylist(), last.to_pylist(), strict=True):
        by.setdefault(mail, set()).add(name)
    assert np.mean([len(v) for v in by.values()]) < 1.1


# ── schema ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_locale_is_declared_or_found() -> None:
    cells = [FAKE["pl_PL"].name() for _ in range(200)]
    assert personal.freeze(personal.measure(pa.array(cells), of("name")), of("name"))["locale"] == "pl_PL"
    schema = Schema(tables=(Table(columns=(of("first_name"),)),)).amend("x", locale="it_IT")
    names = _people.names("it_IT")
    assert set(made(cells, schema.table["x"])) <= {*names.female, *names.male}
    assert Schema.from_json(schema.to_json()) == schema


def test_mistakes_are_said() -> None:
    schema = Schema(tables=(Table(columns=(Column(name="x", kind="text"),)),))
    with pytest.raises(SchemaError, match="did you mean 'de_DE'"):
        schema.amend("x", kind="personal", personal="name", locale="de_dee")
    with pytest.raises(SchemaError, match="go together"):
        schema.amend("x", kind="personal")
    with pytest.raises(SchemaError, match="'e-mail' is not allowed here"):
        schema.amend("x", kind="personal", personal="e-mail")
    assert schema.amend("x", kind="personal", personal="email").table["x"].declared == ("kind", "personal")


def test_every_mask_is_filled_as_it_stands() -> None:
    lot = _fresh.mix(np.arange(500))
    out = _fill.fill("A#@&%–x", lot, None, _fill.Rule()).to_pylist()
    assert all(re.fullmatch(r"A\d[A-Z][a-z][0-9a-f]–x", v) for v in out)
    many = _fill.fill("##-##", lot, np.arange(500), _fill.Rule(shift=123)).to_pylist()
    assert len(set(many)) == 500


def test_towns_are_the_same_in_every_process() -> None:
    made = [_person._made.__wrapped__("city", "pl_PL") for _ in range(2)]
    assert made[0] == made[1] and len(made[0]) > 100


def test_companies_can_be_named_in_every_locale() -> None:
    from faker.config import AVAILABLE_LOCALES

    from lookalike.encode import _person

    assert set(_person.WEIGHTED) <= set(AVAILABLE_LOCALES)
    for locale in ("es_CL", "de_DE", "pt_BR"):
        assert len(_person.pools("company", (locale,)).values) > 50


# ── who stands behind a row ─────────────────────────────────────────────────────────────────────────────────────────


def category(*levels: str | None, name: str = "x", kind: str = "category") -> dict[str, tuple[Column, pa.Array]]:
    values = pa.array(levels, pa.string())
    return {name: (Column(name=name, kind=kind), values.dictionary_encode() if kind == "category" else values)}


def located(beside: Any, *masked: tuple[str, list[str], list[int]], n: int, **facts: Any) -> list[str]:
    """The locale of each row; masked: (what, classes, code of each row) of personal columns beside a name."""
    columns = [of("name", **facts), *(of(what) for what, *_ in masked)]
    books = [{"classes": ["unknown"], "locale": None}, *({"classes": classes, "locale": None} for _, classes, _ in masked)]
    codes = [np.ones((1, n), int), *(np.array([code]) for *_, code in masked)]
    table, at = _person._locales(columns, books, codes, beside, n)
    return [table[k] for k in at]


@pytest.mark.parametrize(
    ("name", "levels", "told"),
    [
        ("home country", ["Germany", "FRANCE ", None, "Atlantis"], ["de_DE", "fr_FR", "en_US", "en_US"]),
        ("nation", ["DE", "us", "FR"], ["de_DE", "en_US", "fr_FR"]),
        ("x", ["Germany", "France", "Spain", "Italy", "Atlantis"], ["de_DE", "fr_FR", "es_ES", "it_IT", "en_US"]),  # four of five
        ("x", ["Germany", "France", "Spain", "Atlantis"], ["en_US"] * 4),  # three of four: these may be anything
        ("x", ["DE", "FR", "USA"], ["en_US"] * 3),  # short ones too
        ("x", ["DE", "FR", "Peru"], ["de_DE", "fr_FR", "es_CO"]),
    ],
)
def test_a_column_of_countries_tells_where_people_are_from(name: str, levels: list[str], told: list[str]) -> None:
    assert located(category(*levels, name=name), n=len(levels)) == told
    assert located(category(*levels, name=name, kind="text"), n=len(levels)) == ["en_US"] * len(levels)


def test_phone_numbers_and_accounts_tell_where_people_are_from_if_no_country_does() -> None:
    masks = ["+49 ## #######", "+420 ### ###", "+1 (###) ###", "+4930#####", "0049 ### ##", "+###"]
    codes = list(range(7))
    assert located({}, ("phone", masks, codes), n=7) == ["en_US", "de_DE", "cs_CZ", "en_US", "de_DE", "en_US", "en_US"]
    assert located({}, ("iban", ["FR## ####", "XX## ####"], [1, 2, 0]), n=3) == ["fr_FR", "en_US", "en_US"]
    both = category("Italy", None, None, name="country"), ("phone", masks, [1, 1, 0])
    assert located(*both, n=3) == ["it_IT", "de_DE", "en_US"]
    assert located({}, ("city", masks, [1]), n=1) == ["en_US"]
    assert located({}, n=1, locale="pl_PL") == ["pl_PL"]
    assert located(category("Switzerland", "Austria", name="country"), n=2, locale="fr_CH") == ["fr_CH", "de_AT"]
    looks = _person._locales([of("name"), of("city")], [{"locale": None}, {"locale": "sv_SE"}], [np.ones((1, 1), int)] * 2, {}, 1)
    assert looks[0] == ("sv_SE",)


def test_women_and_men_by_what_the_table_says_then_by_the_name_then_by_chance() -> None:
    lot = _fresh.mix(np.arange(400))
    code = np.tile([0, 1, 2, 3], 100)
    named = ([of("first_name")], [{"classes": ["male", "unknown", "female"]}], [code[None]])

    def sexes(*beside: tuple[str, list[Any]], named: Any = named) -> np.ndarray:
        columns = {name: (Column(name=name, kind="category"), pa.array(values * (400 // len(values)))) for name, values in beside}
        return _person._sexes(*named, columns, lot)

    drawn = sexes(named=([], [], []))
    assert 170 < drawn.sum() < 230
    assert drawn[:16].tolist() == [0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1]  # a seed gives the same people in later versions
    by_name = np.where(code == 1, 1, np.where(code == 3, 0, drawn))
    assert (sexes() == by_name).all()
    told = np.array([0, 1, -1, 1, -1])
    assert (sexes(("Sex", [" Female", "M", "?", "mr", None])) == np.where(np.tile(told, 80) >= 0, np.tile(told, 80), by_name)).all()
    assert (
        sexes(("is_male", [True, False, None, True, False]))
        == np.where(np.tile([1, 0, -1, 1, 0], 80) >= 0, np.tile([1, 0, -1, 1, 0], 80), by_name)
    ).all()
    assert (sexes(("woman", [True, False])) == np.tile([0, 1], 200)).all()
    assert (sexes(("size", ["f", "m"])) == by_name).all() and (sexes(("ok", [True, False])) == by_name).all()
    two = ([of("name"), of("first_name")], [{"classes": ["male"]}, {"classes": ["female"]}], [np.ones((1, 400), int)] * 2)
    assert (sexes(named=two) == 1).all()  # the first column says


def test_people_come_back_as_the_surest_column_says_and_are_then_the_same_whatever_the_seed() -> None:
    books = {
        what: {"repeats": [k], "classes": ["any"], "locale": None} for k, what in enumerate(("city", "name", "phone", "email"), start=2)
    }

    def repeats(*columns: str) -> list[int]:
        return _person._repeats([of(c) for c in columns], [books[c] for c in columns])

    assert (repeats("city"), repeats("city", "name"), repeats("name", "phone"), repeats("email", "phone")) == ([1], [3], [4], [5])
    codes = [np.ones((1, 10), int)]
    one, other = (_person.people([of("email")], [books["email"]], codes, [np.full(10, u)], 5, {}) for u in (0.1, 0.2))
    assert one.number.tolist() == [1] * 5 + [2] * 5 and (one.lot == other.lot).all() and len(np.unique(one.lot)) == 2
    first, second = np.full(10, 0.1), np.full(10, 0.3)  # one more column does not make other people
    two = _person.people([of("city"), of("company")], [books["city"]] * 2, codes * 2, [first, second], 5, {})
    assert (two.lot == _person.people([of("city")], [books["city"]], codes, [first], 5, {}).lot).all()
    alone = [_person.people([of("city")], [books["city"]], codes, [np.full(10, u)], 5, {}) for u in (0.1, 0.2)]
    assert alone[0].number.tolist() == list(range(5, 15)) and not (alone[0].lot == alone[1].lot).any()


def test_values_are_picked_by_weight_within_their_group() -> None:
    pool = _person.Pool(pa.array(["a", "Ü", "c"]), np.array([0, 0.25, 1.0, 2.0]), np.array([0, 2, 3]))
    assert pool.pick(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0.2, 0.25, 1 - 2**-53, 0, 1 - 2**-53])).tolist() == [0, 0, 1, 1, 2, 2]
    assert pool.slugs.to_pylist() == ["a", "ue", "c"]
    names = _people.names("de_DE")
    both = _person.pools("first", ("en_US", "de_DE"))
    assert both.values[both.first[2].item() : both.first[3].item()].to_pylist() == list(names.female)
    share = np.diff(both.edge)[both.first[2] : both.first[3]]
    assert share.sum() == pytest.approx(1) and share[0] == pytest.approx(next(iter(names.female.values())) / sum(names.female.values()))
    assert both.edge[0] == 0 and np.diff(both.edge)[0] < 0.1
    assert len(both.first) == 5 and len(_person.pools("city", ("en_US", "de_DE")).first) == 3
    untitled = next(k for k in _people.locales() if not _people.names(k).titles_male)
    assert _person.pools("title", (untitled,)).values.to_pylist()[-1] == ""


def test_parts_of_a_person_are_drawn_apart() -> None:
    """Who has the same first name has any last name, in any town."""
    who = _person.People(_fresh.mix(np.arange(3_000)), np.arange(3_000), *np.zeros((2, 3_000), int), ("de_DE",))
    parts = {name: np.array(who.part(name).to_pylist()) for name in ("first", "last", "city")}
    for one, other in (("first", "last"), ("last", "city"), ("first", "city")):
        names, rows = np.unique(parts[one], return_counts=True)
        mine = parts[other][parts[one] == names[rows.argmax()]]
        assert len(np.unique(mine)) > 0.7 * len(mine)


@pytest.mark.parametrize(
    ("name", "written"),
    [("Jürgen", "juergen"), ("Ju\u0308rgen", "juergen"), ("Ærø-Åse", "aeroeaase"), ("O'Neil 2nd", "oneil2nd"), ("王", "wang"), ("–", "x")],
)
def test_names_as_an_address_has_them(name: str, written: str) -> None:
    assert _person.slug(name) == written


# ── what a book tells, and what is written of it ────────────────────────────────────────────────────────────────────


def test_classes_of_enough_people_are_told_and_others_stand_in() -> None:
    column = of("phone")
    cells = ["+49 30 123"] * 6 + ["030/55"] * 9 + ["(0)1"] * 4 + ["call 5"] * 7 + [None] * 3
    who = np.array([*range(6), *range(5), *[99] * 4, *range(7), *range(4), *range(3)])
    stats = personal.measure(pa.array(cells), column, subjects=who)
    book = personal.freeze(stats, column)
    assert (book["classes"], book["share"], book["parts"][0]["size"]) == (["0##/##", "+49 ## ###"], [9, 6], 3)
    assert (book["protected"], book["locale"]) == ({"personal": 26}, None)
    assert personal.held(stats, book, column)[0].tolist() == pytest.approx([3, 26 * 9 / 15, 26 * 6 / 15])
    codes = personal.encode(pa.array(cells), book, column)[0]
    assert codes[:15].tolist() == [2] * 6 + [1] * 9 and codes[-3:].tolist() == [0] * 3
    for at, mask in ((15, "(0)#"), (19, "call #")):
        assert codes[at] == (1 if zlib.crc32(mask.encode()) / 2**32 * 15 < 9 else 2)
    both = personal.merge(stats, stats)
    assert (both["rows"], both["missing"], both["classes"]["0##/##"], both["classes"]["(0)#"]) == (58, 6, [18, 12], [8, 8])
    assert sorted(both["repeats"].values()) == sorted(2 * n for n in stats["repeats"].values())
    nobody = personal.freeze(personal.measure(pa.array(["Zed"] * 3), of("name")), of("name"))
    assert (nobody["classes"], nobody["share"], nobody["forms"], nobody["form_share"]) == (["unknown"], [3], ["{first} {last}"], [1])
    none = personal.freeze(personal.measure(pa.array([None] * 3, pa.string()), column), column)
    assert none["parts"][0]["size"] == 1 and none["protected"] == {"personal": 0}
    assert personal.encode(pa.array(["030/55"]), none, column).tolist() == [[0]]


@pytest.mark.parametrize(("rows", "told"), [(9, ""), (10, "de")])
def test_where_names_are_from_is_told_of_twice_as_many(rows: int, told: str) -> None:
    names = pa.array(["Heike", "Jürgen", "Uwe", "Heike", "Holger"] * 2)[:rows]
    stats = personal.measure(names, of("first_name"))
    assert (personal.freeze(stats, of("first_name"))["locale"] or "")[:2] == told
    assert personal.merge(stats, stats)["locales"]["first"]["de_DE"] == 2 * stats["locales"]["first"]["de_DE"] == 2 * rows
    assert _manner.likeliest({"first": {"de_DE": 3, "en_US": 2}}, 4) == "de_DE"
    polish = pa.array(["Agnieszka"] * 3)
    both = personal.measure(pa.concat_arrays([names, polish]), of("first_name"))
    assert personal.merge(stats, personal.measure(polish, of("first_name"))) == both


@pytest.mark.parametrize(
    ("what", "fine", "bad"),
    [
        (
            "card",
            ["4### #### #### ####", "34##-######-#####"],
            ["#### #### #### ####", "4#######", "4### #### #### ###x", "45678###########"],
        ),
        ("iban", ["DE## #### #### #### ##", "GB##@@@@##########"], ["##########", "DE## ####", "DE##&&&&#######"]),
        ("phone", ["+49 (##) ###-####", "###.#### x ##", "0##/### ext. #"], ["call ###", "+49 30", "###-#### x"]),
        ("postcode", ["#####", "@# #@@", "##-###"], ["12345", "A# #@@", "-- --"]),
        ("city", ["any"], []),
    ],
)
def test_masks_that_tell_nothing_and_can_be_filled(what: str, fine: list[str], bad: list[str]) -> None:
    assert [personal.fits(mask, of(what)) for mask in fine] == [True] * len(fine)
    assert [personal.fits(mask, of(what)) for mask in bad] == [False] * len(bad)


def test_addresses_of_the_net_are_of_ranges_that_are_nobodys() -> None:
    """All of 10/8, and all of 198.18/15; of unique ones, as many as the smaller has."""
    for cells, first, second in ((["192.168.0.7"] * 9, "10", range(256)), (["8.8.8.8"] * 9, "198", (18, 19))):
        octets = [v.split(".") for v in made(cells, of("ipv4"), 3_000)]
        assert {o[0] for o in octets} == {first} and {int(o[1]) for o in octets} == set(second)
        assert all({int(o[k]) for o in octets} == set(range(256)) for k in (2, 3))
    assert len(set(made(["8.8.8.8"] * 9, of("ipv4", unique=True), 3_000))) == 3_000


def test_what_may_come_once_ends_in_the_persons_number() -> None:
    column = of("url", unique=True)
    fresh = made([f"http://a{k}.org/b/c/" for k in range(9)], column, 30, start=4)
    assert [re.fullmatch(r"http://\w+\.example/\w+/\w+/(\d+)", v)[1] for v in fresh] == [str(k) for k in range(5, 35)]
    assert len({v.split("/")[3] for v in fresh}) > 20 and any(v.split("/")[3] != v.split("/")[4] for v in fresh)
    names = made([f"asmith{k}" for k in range(10, 19)], of("user_name", unique=True), 12, start=4)
    assert [re.fullmatch(r"[a-z]+?(\d+)", v)[1] for v in names] == [str(k) for k in range(5, 17)]


def test_houses_are_small_more_often_than_large() -> None:
    numbers = np.array([int(v.split()[0]) for v in made(["12 Elm St, 10115 Berlin"] * 9, of("street"), 4_000)])
    assert numbers.min() == 1 and 200 < numbers.max() < 240
    assert abs((numbers < np.sqrt(240)).mean() - 0.5) < 0.06
    codes = [v.split(", ")[1][:5] for v in made(["12 Elm St, 10115 Berlin"] * 9, of("street"), 400)]
    assert all(c[0] != "0" for c in codes) and len(set(codes)) > 390
    assert (numbers[:4].tolist(), codes[:4]) == (
        [19, 1, 94, 139],
        ["91135", "60707", "86695", "60493"],
    )  # a seed gives the same ones in later versions
