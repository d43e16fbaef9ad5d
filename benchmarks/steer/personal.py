"""Personal columns: are they recognised, is anything taken for one that is none, are the fresh ones right, and how fast are they made?

    python benchmarks/steer/personal.py                    # all parts
    python benchmarks/steer/personal.py recognise real     # some of: recognise, strangers, real, fresh, speed, text

`recognise`: columns that Faker makes, by locale and kind, under a telling name and under none. `strangers`: names of other lists. `real`:
every real table at hand; each column that is taken for personal is held against those that a person found to be (`TRUE`). `fresh`: a
table of persons with sex and country, fitted and drawn again; check digits by python-stdnum. `speed`: rows a second, beside one call of
Faker or Mimesis a cell. `text`: sentences of six words or more of real texts, in those made of them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from faker import Faker

import lookalike as la
from lookalike.data import _checks, _people
from lookalike.data.detect import detect_column
from lookalike.encode import Codebook, Coded, _person, encoder, text
from lookalike.schema import Column, Table

SHARED = Path(os.environ.get("LOOKALIKE_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data"))
LOCALES = ("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL")
UNSEEN = ("nl_NL", "pt_BR", "sv_SE", "tr_TR", "ru_RU", "ja_JP")
"""Locales that were not looked at while the rules of recognition were made."""
ROWS = 300
KINDS = {
    "name": ("name", "customer_name"), "first_name": ("first_name", "first_name"), "last_name": ("last_name", "last_name"),
    "email": ("email", "email"), "phone": ("phone_number", "phone"), "iban": ("iban", "iban"),
    "card": ("credit_card_number", "card_number"),
    "ipv4": ("ipv4", "ip"), "ipv6": ("ipv6", "ip"), "mac": ("mac_address", "mac"), "url": ("url", "website"),
    "street": ("street_address", "address"), "company": ("company", "company"), "user_name": ("user_name", "user_name"),
}  # fmt: skip
"""Kind: which method of Faker makes it, and a telling name for its column."""
DECOYS = (
    "word", "job", "color_name", "country", "currency_code", "catch_phrase", "sentence", "file_name", "license_plate", "ean13", "isbn13",
    "date", "time", "pricetag", "random_number", "hex_color", "mime_type", "user_agent", "uuid4", "language_name", "sha1", "bs",
    "cryptocurrency_name",
)  # fmt: skip
"""Methods of Faker that make nothing personal."""
TRUE = {
    "relational/chinook/Customer": "FirstName LastName Company Address City PostalCode Phone Fax Email",
    "relational/chinook/Employee": "FirstName LastName Address PostalCode Phone Fax Email",
    "relational/chinook/Invoice": "BillingAddress",
    "relational/northwind/Customers": "CompanyName ContactName Address City PostalCode Phone Fax",
    "relational/northwind/Employees": "FirstName LastName Address City PostalCode HomePhone",
    "relational/northwind/Orders": "ShipName ShipAddress",
    "relational/northwind/Shippers": "CompanyName Phone",
    "relational/northwind/Suppliers": "CompanyName ContactName Address City PostalCode Phone Fax",
}
"""Personal columns of the real tables, by eye; towns and postcodes that many rows share, and artists, are not counted among them."""


def of(cells: list[Any], name: str) -> str | None:
    """What of a person the column is taken to hold."""
    return detect_column(pa.array(cells), name).personal


def recognise() -> None:
    """Recall by kind, and false alarms among what is not personal."""
    for locales in (LOCALES, UNSEEN):
        right: Counter[tuple[str, str]] = Counter()
        wrong: list[str] = []
        seen = 0
        for locale in locales:
            fake = Faker(locale)
            fake.seed_instance(1)
            for kind, (make, name) in KINDS.items():
                cells = [str(getattr(fake, make)()) for _ in range(ROWS)]
                for how, title in (("named", name), ("unnamed", "v1")):
                    found = of(cells, title)
                    right[kind, how] += found == kind
                    wrong += [f"{locale} {kind} ({how}) as {found}"] if found not in (kind, None) else []
            for make in (m for m in DECOYS if hasattr(fake, m)):
                found = of([str(getattr(fake, make)()) for _ in range(ROWS)], make)
                seen += 1
                wrong += [f"{locale} {make} as {found}"] if found else []
        print(f"{', '.join(locales)}: of {len(locales)} columns of each kind, and {seen} that are not personal\n")
        print("| kind | recognised, named column | unnamed column |\n|---|---|---|")
        for kind in KINDS:
            print(f"| {kind} | {right[kind, 'named']} | {right[kind, 'unnamed']} |")
        hits = sum(right.values())
        print(f"\nprecision {hits / max(hits + len(wrong), 1):.3f}; wrong: {wrong or 'none'}\n")


def strangers() -> None:
    """Names that are not of Faker's lists, on which recognition leans: those of Mimesis, in all its locales."""
    try:
        mimesis = importlib.import_module("mimesis")
    except ImportError:
        print("Mimesis is not installed here")
        return
    tries = {"full_name": ("name", "customer_name"), "first_name": ("first_name",) * 2, "last_name": ("last_name",) * 2}
    found: Counter[tuple[str, str]] = Counter()
    locales = list(mimesis.Locale)
    for locale in locales:
        person = mimesis.Person(locale, seed=0)
        for make, (kind, title) in tries.items():
            cells = [getattr(person, make)() for _ in range(ROWS)]
            found.update((kind, how) for how, name in (("named", title), ("unnamed", "v1")) if of(cells, name) == kind)
    print(f"names of Mimesis in {len(locales)} locales: ", end="")
    print(", ".join(f"{kind} {found[kind, 'named']} named and {found[kind, 'unnamed']} unnamed" for kind, _ in tries.values()))


def real() -> None:
    """Every column of the real tables that is taken for personal."""
    columns = taken = 0
    extra, missed = [], []
    for path in sorted(
        p for p in SHARED.glob("*/*/*") if p.name.endswith((".csv", ".csv.gz", ".parquet", ".jsonl")) and p.parent.parent.name != "images"
    ):
        name = str(path.relative_to(SHARED)).partition(".")[0]
        table = la.schema(str(path)).table
        found, want = {c.name for c in table if c.kind == "personal"}, set(TRUE.get(name, "").split())
        columns, taken = columns + len(table.columns), taken + len(found)
        extra += [f"{name}.{c}" for c in found - want]
        missed += [f"{name}.{c}" for c in want - found]
    print(f"{columns} columns of real tables, {taken} taken for personal; false alarms: {extra or 'none'}; missed: {missed or 'none'}")


def persons(n: int) -> pd.DataFrame:
    """Rows of a made-up register, in which name, e-mail, phone and IBAN fit sex and country."""
    rng = np.random.default_rng(0)
    rows = []
    for country, locale in (("Germany", "de_DE"), ("France", "fr_FR"), ("Italy", "it_IT"), ("Poland", "pl_PL")):
        fake = Faker(locale)
        fake.seed_instance(locale)  # one seed for all would make the same cards in each country
        for _ in range(n // 4):
            sex = "F" if rng.random() < 0.5 else "M"
            first = fake.first_name_female() if sex == "F" else fake.first_name_male()
            last = fake.last_name()
            mail = f"{_person.slug(first)}.{_person.slug(last)}{rng.integers(100)}@{rng.choice(['gmail.com', 'web.de', 'firma.de'])}"
            phone = f"+{ {'Germany': 49, 'France': 33, 'Italy': 39, 'Poland': 48}[country] } {rng.integers(10**8, 10**9)}"
            rows.append(
                (
                    first,
                    last,
                    mail,
                    phone,
                    fake.iban(),
                    fake.credit_card_number(),
                    f"{fake.street_name()} {rng.integers(1, 99)}",
                    sex,
                    country,
                    int(rng.normal(3_000, 800)),
                )
            )
    return pd.DataFrame(
        rows, columns=["first_name", "last_name", "email", "phone", "iban", "card", "street", "sex", "country", "pay"]
    ).sample(frac=1, random_state=0)


def fresh() -> None:
    """What is right of values that were made: they fit each other, check digits hold, none is an original beyond chance."""
    table = persons(8_000)
    train, other = table.iloc[:4_000], table.iloc[4_000:]
    model = la.fit(train, model="forest")
    made = la.sample(model, 4_000, seed=1)
    sexed = [_people.names(_people.of_country(c)[0]) for c in made["country"]]
    fits = [first in (n.female if sex == "F" else n.male) for first, sex, n in zip(made["first_name"], made["sex"], sexed, strict=True)]
    mails = [
        re.fullmatch(rf"{_person.slug(a)}\.{_person.slug(b)}\d+", m.partition("@")[0]) is not None
        for a, b, m in zip(made["first_name"], made["last_name"], made["email"], strict=True)
    ]
    codes = {"Germany": ("+49", "DE"), "France": ("+33", "FR"), "Italy": ("+39", "IT"), "Poland": ("+48", "PL")}
    phone = np.mean([p.startswith(codes[c][0]) for p, c in zip(made["phone"], made["country"], strict=True)])
    bank = np.mean([i.startswith(codes[c][1]) for i, c in zip(made["iban"], made["country"], strict=True)])
    valid = {
        name: np.mean([importlib.import_module(f"stdnum.{name}").is_valid(v) for v in made[column]])
        for name, column in (("luhn", "card"), ("iban", "iban"))
    }
    print(
        f"first names of the row's sex and country {np.mean(fits):.4f}, e-mails of the row's names {np.mean(mails):.4f}, "
        f"phones {phone:.3f} and IBANs {bank:.3f} of the country"
    )
    print(f"check digits right: cards {valid['luhn']:.4f}, IBANs {valid['iban']:.4f}")
    print("| column | synthetic values in the training rows | held-out real values in them |\n|---|---|---|")
    for column in ("first_name", "last_name", "email", "phone", "iban", "card", "street"):
        print(f"| {column} | {made[column].isin(set(train[column])).mean():.2%} | {other[column].isin(set(train[column])).mean():.2%} |")
    pairs = [set(zip(t["first_name"], t["last_name"], strict=True)) for t in (train, made, other)]
    print(f"| first and last name | {len(pairs[1] & pairs[0]) / len(pairs[1]):.2%} | {len(pairs[2] & pairs[0]) / len(pairs[2]):.2%} |")
    for scheme, module in (
        ("br_cpf", "br.cpf"),
        ("nl_bsn", "nl.bsn"),
        ("pl_pesel", "pl.pesel"),
        ("fr_nir", "fr.nir"),
        ("es_dni", "es.dni"),
    ):
        column = Column(name="x", kind="personal", personal="national_id", format=scheme, unique=True)
        ids = _drawn([column], pa.table({"x": ["0"] * 99}), 5_000)["x"].to_pylist()
        share = np.mean([importlib.import_module(f"stdnum.{module}").is_valid(v) for v in ids])
        print(f"{scheme}: {share:.4f} valid, {len(set(ids))} of 5000 differ")
    print(f"schemes: {', '.join(_checks.SCHEMES)}")


def _drawn(columns: list[Column], table: pa.Table, n: int) -> pa.Table:
    """`n` rows of a codebook of a table, codes drawn evenly."""
    books = tuple(encoder(c).freeze(encoder(c).measure(table[c.name], c), c) for c in columns)
    book = Codebook(Table(columns=tuple(columns)), books)
    rng = np.random.default_rng(0)
    made = []
    for start in range(0, n, 65_536):
        rows = min(65_536, n - start)
        codes = np.stack([rng.integers(1, p.size, rows) for p in book.parts]).astype(np.uint16)
        made.append(book.decode(Coded(codes, rng.random((len(columns), rows), dtype=np.float32)), start=start))
    return pa.concat_tables(made)


def speed() -> None:
    """Rows of name, e-mail and phone a second."""
    fake = Faker("en_US")
    fake.seed_instance(3)
    kinds = {"name": fake.name, "email": fake.email, "phone": lambda: fake.numerify("(2##) 4##-####")}
    table = pa.table({k: [make() for _ in range(2_000)] for k, make in kinds.items()})
    columns = [Column(name=k, kind="personal", personal=k, unique=k == "email") for k in kinds]
    _drawn(columns, table, 1_000)
    for n in (100_000, 1_000_000):
        began = time.perf_counter()
        _drawn(columns, table, n)
        print(f"lookalike: {n / (time.perf_counter() - began):,.0f} rows/s ({n:,} rows)")
    began = time.perf_counter()
    for _ in range(3_000):
        for make in kinds.values():
            make()
    print(f"Faker, a call a cell: {3_000 / (time.perf_counter() - began):,.0f} rows/s")
    quick = Faker("en_US", use_weighting=False)
    print(f"Faker, unweighted: {_calls(lambda: (quick.name(), quick.email(), quick.numerify('(2##) 4##-####'))):,.0f} rows/s")
    try:
        person = importlib.import_module("mimesis").Person("en")
    except ImportError:
        print("Mimesis is not installed here")
    else:
        print(f"Mimesis, a call a cell: {_calls(lambda: (person.full_name(), person.email(), person.phone_number())):,.0f} rows/s")


def _calls(make: Callable[[], Any], n: int = 3_000) -> float:
    """Calls a second."""
    began = time.perf_counter()
    for _ in range(n):
        make()
    return n / (time.perf_counter() - began)


def texts() -> None:
    """Texts with a sentence of the source: as models of 0.1 made them, and now."""
    sources = {
        "gsm8k.question": ("text/gsm8k/gsm8k_train.parquet", "question"), "gsm8k.answer": ("text/gsm8k/gsm8k_train.parquet", "answer"),
        "dolly.prompt": ("text/dolly_sample/dolly_sample.jsonl", "prompt"),
        "dolly.answer": ("text/dolly_sample/dolly_sample.jsonl", "answer"),
        "sentiment.text": ("text/sentiment_sentences/sentiment_sentences.csv.gz", "text"),
    }  # fmt: skip
    print("| texts | distinct sentences of 6 words | 3,000 texts: before | now |\n|---|---|---|---|")
    for name, (file, column) in sources.items():
        frame = la.Dataset.of(str(SHARED / file)).table()[column].cast(pa.string()).drop_null()
        spec = Column(name=column, kind="text")
        book = text.freeze(text.measure(frame, spec), spec)
        known = {s for t in frame.to_pylist() for s in _sentences(t)}
        shares = []
        for old in (True, False):
            kept = {k: v for k, v in book.items() if not (old and k == "never")}
            made = text.decode(np.ones((1, 3_000), np.int32), np.random.default_rng(0).random(3_000), kept, spec).to_pylist()
            shares.append(np.mean([not known.isdisjoint(_sentences(m)) for m in made]))
        print(f"| {name} ({len(frame):,}) | {len(known):,} | {shares[0]:.2%} | {shares[1]:.2%} |")


def _sentences(whole: str) -> set[str]:
    """Sentences with six words or more, digits blanked, case and marks left out."""
    parts = (re.findall(r"[\w'’]+", re.sub(r"\d", "0", s.lower())) for s in re.split(r"(?<=[.!?])\s+|\n+", whole))
    return {" ".join(words) for words in parts if sum(w.strip("0") != "" for w in words) >= 6}


PARTS = {"recognise": recognise, "strangers": strangers, "real": real, "fresh": fresh, "speed": speed, "text": texts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=[*PARTS, []], help="which parts; all if none is named")
    for part in parser.parse_args().parts or list(PARTS):
        print(f"\n## {part}")
        PARTS[part]()


if __name__ == "__main__":
    main()
