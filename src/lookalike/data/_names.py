"""What a column's name says about it: an identifier, a code, a quantity, a class or a moment. Hints only; the data decide first."""

from __future__ import annotations

import re
from functools import cache

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BREAK = re.compile(r"[\W_]+")

ID = frozenset("id ids uid uuid guid identifier ident pk key ssn mrn imei iban isbn vin email mail udi hash kennung".split())
ENTITY = frozenset(
    "patient customer client user member account order invoice ticket transaction case claim policy loan card employee staff "
    "student person passenger visitor session device encounter visit record serial tail stay subject household booking unit".split()
)
ORDINAL = frozenset("nbr no nr number num".split())
CODE = frozenset(
    "zip zipcode postcode postal plz zcta fips puma naics sic icd cpt ndc phone telephone tel mobile fax ean upc gtin sku cusip "
    "code codes".split()
)
QUANTITY = frozenset(
    "age year years yr count counts cnt num number n nr qty quantity amount amt price cost costs fee salary wage income balance "
    "bal pay bill revenue sales total sum mean avg average rate ratio score points size length width height weight distance "
    "duration hours hour minutes seconds days weeks months population rooms bedrooms bathrooms floors visits views clicks bytes "
    "quality rank rating percent pct temperature temp speed pressure cycle cycles limit deposit visit lines persons people "
    "children kids siblings steps level delay".split()
)
LEVEL = frozenset(
    "type types class category cat group sex gender race ethnicity religion status state region country county city district "
    "marital marriage education occupation segment cluster label kind mode method channel browser system systems os platform "
    "device response fold color colour brand model source flag disposition specialty weekday dow month quarter language currency "
    "store shop branch department dept".split()
)
MOMENT = frozenset("date time timestamp ts datetime epoch unix created updated modified at on dt day when utc period month ym".split())
SPAN = frozenset("duration elapsed length runtime interval lap".split())


@cache
def words(name: str) -> tuple[str, ...]:
    """The lower-case words of a name in snake_case, CamelCase or plain text."""
    return tuple(w.lower() for part in _BREAK.split(name) for w in _CAMEL.split(part) if w)


def is_id(name: str) -> bool:
    """patient_nbr, CustomerID, id, InvoiceNo, Unnamed: 0."""
    found = words(name)
    if not found or found[:1] in (("unnamed",), ("rowid",), ("index",)):
        return True
    numbered = len(found) > 1 and found[-1] in ORDINAL and found[-2] in ENTITY
    return bool(ID & set(found)) or numbered or (len(found) == 1 and found[0] in ENTITY)


def hints(name: str, vocabulary: frozenset[str]) -> bool:
    """Does a word of the name belong to the vocabulary?"""
    return not vocabulary.isdisjoint(words(name))
