"""Pseudonyms: the same value the same everywhere under one key, another under another, and nothing real left."""

from __future__ import annotations

import importlib

import pandas as pd
import pyarrow as pa
import pytest

from lookalike.data import Dataset
from lookalike.data._people import names
from lookalike.errors import DataError, SettingError, UnknownName
from lookalike.pseudonyms import pseudonyms

KEY = b"sixteen bytes or more"
FIRST = [*names("en_US").female][:150] + [*names("en_US").male][:150]
LAST = [*names("en_US").last_male][:300]
PEOPLE = pd.DataFrame(
    {
        "id": range(300),
        "first_name": FIRST,
        "surname": LAST,
        "email": [f"{a}.{b}@firm.de".lower() for a, b in zip(FIRST, LAST, strict=True)],
        "phone": [f"+49 30 {i:06d}" for i in range(300)],
        "card": [f"4{i:014d}" for i in range(300)],
        "spent": [i % 7 for i in range(300)],
    }
)
luhn = importlib.import_module("stdnum.luhn")
PEOPLE["card"] = [v + luhn.calc_check_digit(v) for v in PEOPLE["card"]]
ORDERS = pd.DataFrame({"buyer_email": [*PEOPLE["email"][::-1], None, PEOPLE["email"][0].upper()], "amount": range(302)})
PERSONAL = ("first_name", "surname", "email", "phone", "card")


def test_a_value_is_replaced_alike_in_every_table() -> None:
    made = pseudonyms({"people": PEOPLE, "orders": ORDERS}, key=KEY)
    assert made.columns == {"people": PERSONAL, "orders": ("buyer_email",)}
    people, orders = made.tables["people"], made.tables["orders"]
    assert orders["buyer_email"][:300].tolist() == people["email"].tolist()[::-1]
    assert orders["buyer_email"].isna().tolist() == [False] * 300 + [True, False]
    assert orders["buyer_email"][301] == people["email"][0].upper()  # in capitals, as it was written
    assert people["id"].equals(PEOPLE["id"]) and people["spent"].equals(PEOPLE["spent"])


def test_the_key_decides() -> None:
    one, two = (pseudonyms({"p": PEOPLE}, key=KEY).tables["p"] for _ in "ab")
    assert one.equals(two)
    fresh = [pseudonyms({"p": PEOPLE}) for _ in "ab"]
    assert fresh[0].key != fresh[1].key and len(fresh[0].key) == 32
    assert pseudonyms({"p": PEOPLE}, key=fresh[0].key).tables["p"].equals(fresh[0].tables["p"])
    assert not set(fresh[0].tables["p"]["email"]) & set(fresh[1].tables["p"]["email"])
    assert repr(fresh[0].key) not in repr(fresh[0])


def test_nothing_real_is_left_but_names_that_are_common() -> None:
    made = pseudonyms({"p": PEOPLE}, key=KEY)
    for column in ("email", "phone", "card"):
        assert not set(made.tables["p"][column]) & set(PEOPLE[column]) and made.tables["p"][column].is_unique
    assert (made.tables["p"]["surname"] == PEOPLE["surname"]).sum() < 9
    assert all(map(luhn.is_valid, made.tables["p"]["card"]))
    assert made.tables["p"]["phone"].str.fullmatch(r"\+49 \d\d \d{6}").all()
    women = set(names("en_US").female) - set(names("en_US").male)
    kept = [made.tables["p"]["first_name"][i] in names("en_US").female for i in range(150) if FIRST[i] in women]
    assert sum(kept) >= 0.97 * len(kept)


def test_values_that_share_a_pseudonym_are_counted() -> None:
    made = pseudonyms({"p": PEOPLE}, key=KEY)
    lost = {c: PEOPLE[c].nunique() - made.tables["p"][c].nunique() for c in PERSONAL}
    assert made.merged == {"first_name": lost["first_name"], "last_name": lost["surname"]}


def test_what_came_in_goes_out() -> None:
    table = pa.table(
        {"mail": ["a@b.de", None, "c@d.org"] * 5, "card": pa.array([4111111111111111, 4012888888881881, 5555555555554444] * 5)}
    )
    out = pseudonyms({"t": Dataset.of(table)}, key=KEY).tables["t"]
    assert isinstance(out, pa.Table) and out.schema.types == table.schema.types and out["mail"].null_count == 5


def test_mistakes_are_refused_before_work() -> None:
    with pytest.raises(SettingError, match="can be guessed"):
        pseudonyms({"p": PEOPLE}, key=b"short")
    with pytest.raises(DataError, match="no column"):
        pseudonyms({"p": PEOPLE[["spent"]]})
    with pytest.raises(UnknownName, match="did you mean 'people'"):
        pseudonyms({"people": PEOPLE}, schemas={"poeple": Dataset.of(PEOPLE).schema})
