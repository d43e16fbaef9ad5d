"""Lists of names and countries, from Faker (MIT): loaded when first asked for, and kept."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

DEFAULT = "en_US"
COMMON = ("de_DE", "en_IN", "en_US", "es_ES", "fr_FR", "it_IT", "nl_NL", "pl_PL", "sv_SE")
LEAST = 20
"""Names of each sex, and last names, from which a locale is used."""
_ELSEWHERE = {
    "AU": "en_GB", "ZA": "en_GB", "PR": "es_MX", "VE": "es_CO", "PE": "es_CO", "EC": "es_CO",
    "BO": "es_CO", "UY": "es_AR", "PY": "es_AR", "CR": "es_MX", "GT": "es_MX", "CU": "es_MX", "DO": "es_MX", "TN": "fr_DZ",
    "MA": "fr_DZ", "EG": "ar_AA", "AE": "ar_AA",
    "JO": "ar_AA", "IQ": "ar_AA", "BY": "ru_RU", "KZ": "ru_RU", "CY": "el_GR", "HK": "zh_TW", "MO": "zh_TW", "AO": "pt_PT", "MZ": "pt_PT",
}  # fmt: skip
"""Countries without names of their own, and whose names are taken."""
_FIRST = {"CA": "en_US", "CH": "de_CH", "BE": "nl_BE", "GB": "en_GB", "IN": "en_IN", "FR": "fr_FR", "DZ": "fr_DZ"}
"""The locale that is taken first where a country has several, or where there are more people of another."""
_FOREIGN = frozenset({"es_CA", "fr_QC"})
"""Locales whose second half is no country: Catalonia and Quebec."""
_CALLED = {
    "usa": "US", "u.s.a.": "US", "u.s.": "US", "united states of america": "US", "united states": "US", "uk": "GB", "u.k.": "GB",
    "great britain": "GB", "united kingdom": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "eire": "IE", "deutschland": "DE",
    "österreich": "AT", "schweiz": "CH", "suisse": "CH", "svizzera": "CH", "españa": "ES", "italia": "IT", "brasil": "BR",
    "nederland": "NL",
    "the netherlands": "NL", "holland": "NL", "belgique": "BE", "belgië": "BE", "polska": "PL", "sverige": "SE", "norge": "NO",
    "danmark": "DK", "suomi": "FI", "méxico": "MX", "türkiye": "TR", "czechia": "CZ", "czech republic": "CZ", "russia": "RU",
    "russian federation": "RU", "south korea": "KR", "korea": "KR", "vietnam": "VN", "taiwan": "TW", "iran": "IR", "rossiya": "RU",
}  # fmt: skip
_CALLING = {
    "1": "US", "7": "RU", "27": "ZA", "30": "GR", "31": "NL", "32": "BE", "33": "FR", "34": "ES", "36": "HU", "39": "IT", "40": "RO",
    "41": "CH", "43": "AT", "44": "GB", "45": "DK", "46": "SE", "47": "NO", "48": "PL", "49": "DE", "51": "PE", "52": "MX", "53": "CU",
    "54": "AR",
    "55": "BR", "56": "CL", "57": "CO", "58": "VE", "61": "AU", "62": "ID", "64": "NZ", "66": "TH", "81": "JP", "82": "KR", "84": "VN",
    "86": "CN", "90": "TR", "91": "IN", "98": "IR", "234": "NG", "254": "KE", "351": "PT", "352": "LU", "353": "IE", "354": "IS",
    "358": "FI", "359": "BG", "370": "LT", "371": "LV", "372": "EE", "380": "UA", "385": "HR", "386": "SI", "420": "CZ", "421": "SK",
    "886": "TW", "972": "IL", "995": "GE",
}  # fmt: skip
"""Country of a calling code."""


@dataclass(frozen=True)
class Names:
    """Names of one locale, each with its weight; titles without."""

    female: dict[str, float]
    male: dict[str, float]
    last_female: dict[str, float]
    last_male: dict[str, float]
    titles_female: tuple[str, ...]
    titles_male: tuple[str, ...]


@cache
def names(locale: str) -> Names | None:
    """The names of a locale; None if there are too few."""
    found = _provider("person", locale)
    if found is None:
        return None
    female, male = (_weighted(found, f"first_names_{sex}") for sex in ("female", "male"))
    last = _weighted(found, "last_names")
    if len(last) < LEAST:
        last = _weighted(found, "unisex_last_names") | _weighted(found, "male_last_names")
    last_female, last_male = _weighted(found, "last_names_female") or last, _weighted(found, "last_names_male") or last
    if min(len(female), len(male), len(last_female), len(last_male)) < LEAST:
        return None
    titles = [tuple(t for t in _weighted(found, f"prefixes_{sex}") if t) for sex in ("female", "male")]
    return Names(female, male, last_female, last_male, *titles)


@cache
def locales() -> tuple[str, ...]:
    """Locales that have names, such as de_DE, in alphabetic order."""
    from faker.config import AVAILABLE_LOCALES

    return tuple(sorted(n for n in AVAILABLE_LOCALES if "_" in n and n not in _FOREIGN and names(n) is not None))


@dataclass(frozen=True)
class Known:
    """All first and last names in lower case, sorted; bool [names, locales]: whose they are; lean [names]: how female a first name is."""

    first: pa.Array
    last: pa.Array
    first_of: np.ndarray
    last_of: np.ndarray
    lean: np.ndarray


@cache
def known() -> Known:
    """The names of all locales."""
    per = [names(n) for n in locales()]
    first: dict[str, list[int]] = {}
    last: dict[str, list[int]] = {}
    female: dict[str, list[int]] = {}
    for k, found in enumerate(per):
        for sex, listed in enumerate((found.male, found.female)):
            for name in listed:
                first.setdefault(name.lower(), []).append(k)
                female.setdefault(name.lower(), []).append(sex)
        for name in (*found.last_female, *found.last_male):
            last.setdefault(name.lower(), []).append(k)
    one, two = sorted(first), sorted(last)
    lean = np.array([sum(female[n]) / len(female[n]) for n in one])
    return Known(pa.array(one), pa.array(two), _members(one, first, len(per)), _members(two, last, len(per)), lean)


@cache
def common() -> frozenset[str]:
    """First names of COMMON in lower case: quickly loaded, to see whether all lists are worth it."""
    return frozenset(n.lower() for locale in COMMON if (found := names(locale)) for n in (*found.female, *found.male))


@cache
def of_country(country: str) -> tuple[str, ...]:
    """Locales of a country given by its English name or code (Germany, DE, DEU, +49); none if it is not a country."""
    found = _countries().get(country.strip().lower())
    if found is None:
        return ()
    mine = tuple(n for n in locales() if n.endswith("_" + found))
    if found in _FIRST:
        return (_FIRST[found], *(n for n in mine if n != _FIRST[found]))
    return mine or ((_ELSEWHERE[found],) if found in _ELSEWHERE else (DEFAULT,))


@cache
def _countries() -> dict[str, str]:
    """Two-letter codes by name and code in lower case, and by calling code."""
    from faker.providers.date_time import Provider

    found = {key.lower(): c.alpha_2_code for c in Provider.countries for key in (c.name, c.alpha_2_code, c.alpha_3_code)}
    return found | _CALLED | {"+" + code: country for code, country in _CALLING.items()}


def _provider(kind: str, locale: str) -> Any:
    """Faker's provider class of a locale; None if it has none."""
    try:
        module: ModuleType = importlib.import_module(f"faker.providers.{kind}.{locale}")
    except ModuleNotFoundError:
        return None
    return module.Provider


def _weighted(provider: Any, name: str) -> dict[str, float]:
    """A list of Faker as {value: weight}."""
    found = getattr(provider, name, ())
    if isinstance(found, property) or callable(found):
        return {}
    return {str(k): float(w) for k, w in found.items()} if isinstance(found, dict) else dict.fromkeys(map(str, found), 1.0)


def _members(names: list[str], of: dict[str, list[int]], size: int) -> np.ndarray:
    out = np.zeros((len(names), size), bool)
    for i, name in enumerate(names):
        out[i, of[name]] = True
    return out
