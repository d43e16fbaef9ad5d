"""Who stands behind a row: one made-up person, whom all personal columns of the row see alike.

A person is a hash of the row's number; sex and country come from other columns of the row where they have them. Names are drawn from
Faker's lists by their weights, streets and companies from a few thousand that Faker makes for a locale.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import _names, _people
from lookalike.encode import _fresh, _turns
from lookalike.schema import Column

WEIGHTED = frozenset({"es_CL"})
"""Locales whose companies Faker cannot name without the weights of names."""
POOL = 2_000
"""Streets, towns and companies made for a locale."""
IDENTITY = ("email", "national_id", "iban", "card", "phone", "user_name", "name", "url", "mac", "ipv4", "ipv6")
"""What tells persons apart, the surest first: how often it comes back, a person does."""
_SEX = frozenset(
    "sex gender geschlecht sexe sexo sesso genero género kön kon plec płeć title salutation courtesy anrede titel civility".split()
)
_FEMALE = frozenset(
    "f female w woman women girl frau weiblich femme féminin mujer femenino donna femmina ms mrs miss ms. mrs. mme kvinna k".split()
)
_MALE = frozenset("m male man men boy mann herr männlich homme masculin hombre masculino uomo maschio mr mr. h".split())
_COUNTRY = frozenset("country nation land pays pais país paese nationality kraj".split())
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae"})

Beside = Mapping[str, tuple[Column, pa.Array]]


@dataclass(frozen=True)
class Pool:
    """Values of several groups, one group after the other: edge are rising weights, first [groups + 1] where a group begins."""

    values: pa.Array
    edge: np.ndarray
    first: np.ndarray

    @cached_property
    def slugs(self) -> pa.Array:
        """The values in small ASCII letters, as in an e-mail; x where nothing is left."""
        return pa.array([slug(v) for v in self.values.to_pylist()], pa.string())

    def pick(self, group: np.ndarray, u: np.ndarray) -> np.ndarray:
        """int64 [n]: an index into the values of each row's group, by weight; u float64 [n] in [0, 1)."""
        low, high = self.edge[self.first[group]], self.edge[self.first[group + 1]]
        found = np.searchsorted(self.edge, low + u * (high - low), side="right") - 1
        return np.clip(found, self.first[group], self.first[group + 1] - 1)


@dataclass(frozen=True)
class People:
    """The persons of `n` rows: hash uint64 [n] and number int64 [n], sex (0 female, 1 male) and locale (index into `locales`) of each."""

    lot: np.ndarray
    number: np.ndarray
    sex: np.ndarray
    locale: np.ndarray
    locales: tuple[str, ...]

    def uniform(self, salt: int) -> np.ndarray:
        """float64 [n] in [0, 1), another for each salt."""
        return (_fresh.mix(self.lot ^ _fresh.mix(np.full(1, salt))) >> np.uint64(11)) * 2.0**-53

    def hashed(self, salt: int) -> np.ndarray:
        """uint64 [n], another for each salt."""
        return _fresh.mix(self.lot ^ _fresh.mix(np.full(1, salt)))

    def part(self, name: str, *, slugs: bool = False) -> pa.Array:
        """string [n]: first, last, title, street, city or company of each person; with `slugs` as an e-mail has it."""
        pool = pools(name, self.locales)
        group = 2 * self.locale + self.sex if name in ("first", "last", "title") else self.locale
        at = pool.pick(group, self.uniform(_SALTS[name]))
        return (pool.slugs if slugs else pool.values).take(pa.array(at))

    def of_locale(self, locale: str | None) -> People:
        """The same persons with names of one locale."""
        if locale is None:
            return self
        return People(self.lot, self.number, self.sex, np.zeros(len(self.lot), np.int64), (locale,))


_SALTS = {"first": 1, "last": 2, "title": 3, "street": 4, "city": 5, "company": 6}


def people(
    columns: Sequence[Column], books: Sequence[Any], codes: Sequence[np.ndarray], inside: Sequence[np.ndarray], start: int, beside: Beside
) -> People:
    """The persons of rows `start` and after, whose personal columns these are; `beside`: {name: (column, values)} of other columns."""
    n = len(inside[0])
    row = start + np.arange(n, dtype=np.int64)
    number = _turns.numbers(row, _repeats(columns, books))
    lot = _fresh.mix(number)
    if number is row:  # nobody comes back: other seeds give other people
        lot = lot ^ _fresh.mix(np.ascontiguousarray(inside[0], np.float64).view(np.uint64))
    locales, locale = _locales(columns, books, codes, beside, n)
    return People(lot, number, _sexes(columns, books, codes, beside, lot), locale, locales)


def _repeats(columns: Sequence[Column], books: Sequence[Any]) -> list[int]:
    """How often persons come back, as the surest of the columns says."""
    found = {c.personal: b for c, b in zip(reversed(columns), reversed(books), strict=True)}
    for what in IDENTITY:
        if what in found:
            return found[what]["repeats"]
    return [1]


def _levels(values: pa.Array) -> tuple[list[str], np.ndarray]:
    """Distinct texts in lower case, and the number of each row's [n]; -1 where missing."""
    one = values.cast(pa.string()) if pa.types.is_dictionary(values.type) or pa.types.is_string(values.type) else None
    coded = (pa.nulls(len(values), pa.string()) if one is None else one).dictionary_encode()
    index = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    return [str(v).strip().lower() for v in coded.dictionary.to_pylist()], index


def _sexes(columns: Sequence[Column], books: Sequence[Any], codes: Sequence[np.ndarray], beside: Beside, lot: np.ndarray) -> np.ndarray:
    """int64 [n]: 0 female, 1 male: by a column of the table that says so, else as the model drew it, else by lot."""
    out = ((lot >> np.uint64(40)) & np.uint64(1)).astype(np.int64)
    for column, book, code in zip(reversed(columns), reversed(books), reversed(codes), strict=True):
        if column.personal in ("name", "first_name"):
            table = np.array([-1, *({"female": 0, "male": 1}.get(c, -1) for c in book["classes"])])
            drawn = table[code[0]]
            out = np.where(drawn >= 0, drawn, out)
    for name, (_, values) in beside.items():
        told = None
        if pa.types.is_boolean(values.type) and _names.hints(name, _FEMALE | _MALE):  # is_female
            told = np.array([1, 0, -1])[pc.fill_null(pc.cast(values, pa.int8()), 2).to_numpy(zero_copy_only=False)]
            told = np.where(told >= 0, told ^ _names.hints(name, _MALE), -1)
        elif _names.hints(name, _SEX):
            levels, index = _levels(values)
            told = np.array([*(0 if v in _FEMALE else 1 if v in _MALE else -1 for v in levels), -1])[index]
        if told is not None:
            out = np.where(told >= 0, told, out)
    return out


def _locales(
    columns: Sequence[Column], books: Sequence[Any], codes: Sequence[np.ndarray], beside: Beside, n: int
) -> tuple[tuple[str, ...], np.ndarray]:
    """Locales, and the index of each row's: by a column of countries, else by its phone number or IBAN, else as the names look."""
    declared = [c.locale for c in columns if c.locale]
    looks = [b["locale"] for b in books if b["locale"]]
    table: list[str] = [(declared or looks or [_people.DEFAULT])[0]]
    out, known = np.zeros(n, np.int64), np.zeros(n, bool)

    def told(locales: list[str | None], index: np.ndarray) -> None:
        """Rows of which nothing is known yet get the locale of their index; -1 has none."""
        for locale in locales:
            if locale is not None and locale not in table:
                table.append(locale)
        where = np.array([*(table.index(v) if v is not None else -1 for v in locales), -1])[index]
        new = ~known & (where >= 0)
        out[new], known[new] = where[new], True

    for name, (column, values) in beside.items():
        levels, index = _levels(values) if column.kind in ("category", "constant") else ([], index_none(n))
        found = [_of_country(v, table[0]) for v in levels]
        short = all(len(v) <= 3 for v in levels)
        if levels and (_names.hints(name, _COUNTRY) or (not short and np.mean([f is not None for f in found]) >= 0.8)):
            told(found, index)
    for column, book, code in zip(columns, books, codes, strict=True):
        if column.personal in ("phone", "iban"):
            told([None, *(_of_mask(c, str(column.personal), table[0]) for c in book["classes"])], code[0])
    return tuple(table), out


def index_none(n: int) -> np.ndarray:
    """int64 [n] of -1."""
    return np.full(n, -1)


def _of_country(country: str, first: str) -> str | None:
    """The locale of a country: `first` if it is one of them."""
    found = _people.of_country(country)
    return None if not found else first if first in found else found[0]


def _of_mask(mask: str, what: str, first: str) -> str | None:
    """The locale that a phone number's or an IBAN's mask tells."""
    if what == "iban":
        return _of_country(mask[:2], first)
    digits = mask[1:4].partition("#")[0].partition(" ")[0] if mask.startswith("+") else ""
    return next((v for k in range(len(digits), 0, -1) if (v := _of_country("+" + digits[:k], first))), None)


def slug(text: str) -> str:
    """A name as an e-mail has it: small ASCII letters and digits, others written out (ü as ue) or by their sound."""
    from faker.decode import unidecode

    lower = unicodedata.normalize("NFC", text.lower()).translate(_GERMAN)
    return "".join(c for c in unidecode(lower).lower() if c.isascii() and c.isalnum()) or "x"


@lru_cache(maxsize=64)
def pools(name: str, locales: tuple[str, ...]) -> Pool:
    """The values of all `locales`; first and last names and titles in two groups each, female and male."""
    groups: list[dict[str, float]] = []
    for locale in locales:
        if name not in ("first", "last", "title"):
            groups.append(dict.fromkeys(_made(name, locale), 1.0))
            continue
        found = _people.names(locale) or _people.names(_people.DEFAULT)
        if name == "title":
            groups += [dict.fromkeys(t or ("",), 1.0) for t in (found.titles_female, found.titles_male)]
        else:
            groups += [found.female, found.male] if name == "first" else [found.last_female, found.last_male]
    weights = np.concatenate([np.fromiter(g.values(), np.float64) / sum(g.values()) for g in groups])
    first = np.concatenate([[0], np.cumsum([len(g) for g in groups])])
    return Pool(pa.array([v for g in groups for v in g], pa.string()), np.concatenate([[0.0], np.cumsum(weights)]), first)


@cache
def _made(name: str, locale: str) -> tuple[str, ...]:
    """POOL streets, towns or companies of Faker, always the same."""
    from faker import Faker

    fake = Faker(locale, use_weighting=locale in WEIGHTED)
    fake.seed_instance(0)
    make = {"street": fake.street_name, "city": fake.city, "company": fake.company}[name]
    return tuple(dict.fromkeys(" ".join(make().split()) for _ in range(POOL)))


def known_locale(column: Column) -> str | None:
    """The locale by which names of a column are told female or male."""
    return column.locale if column.personal in ("name", "first_name") and column.locale in _people.locales() else None


__all__ = ["POOL", "Beside", "People", "Pool", "known_locale", "people", "pools", "slug"]
