"""Which columns hold what belongs to a person: e-mails, numbers and addresses by strict patterns, names by lists and by the column's name.

A pattern that leaves no doubt (an e-mail, an IBAN with its check digits) is enough. What could be something else needs the column's name as
well: a first name that stands alone, a street, a company.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import _checks, _names, _people

if TYPE_CHECKING:
    from lookalike.data.detect import Seen

SAMPLE = 1_000
"""Distinct values that are looked at."""
SURE = 0.95
"""Share of them that must fit a pattern."""
FEW = 10
"""Distinct numbers from which check digits cannot be right by chance."""

TITLES = (
    r"(?i)^(?:(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|dame|lady|lord|rev|hon|herr|frau|dipl\.-ing|ing|m|mme|mlle|monsieur|madame|sig|"
    r"sig\.ra|signor|signora|sr|sra|srta|dott|don|doña|dna|pan|pani|hr|fru)\.?\s+)+"
)
"""Titles before a name; the single letter m only with its full stop or a space."""
EMAIL = r"^[^\s@,;<>]+@[^\s@,;<>]+\.[A-Za-z]{2,24}$"
_IPV4 = r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$"
_IPV6 = (
    r"^(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}$|^(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?$"
)
_MAC = r"^(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}[:-]){4}[0-9A-Fa-f]{2}$"
_URL = r"^(?i)(?:https?|ftp)://[^\s/]+\.[^\s]+$|^(?i)www\.[^\s/]+\.[^\s]+$"
_IBAN = r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$"
CARD = (
    r"^(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|(?:2131|1800)\d{11}|"
    r"(?:5[06-8]|6\d)\d{10,17}|81\d{14})$"
)
"""Lengths and first digits of the issuers; check digits are looked at as well."""
_PHONE = r"^\(?\+?[(\d][\d\s().\/–-]{4,22}\d\)?(?:\s*(?:x|ext\.?|#)\s*\d{1,6})?$"
_ABROAD = r"^\+[1-9]\d{0,2}[\s().\/-]?[\d\s().\/–-]{5,18}\d$"
_AMERICAN = r"^(?:\+?1[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[.-])\d{3}[.-]\d{4}(?:\s*(?:x|ext\.?)\s*\d{1,6})?$"
_DATE = r"^(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})(?:[ T].*)?$"
_STREET_WORD = (
    r"(?i)\b(?:street|st|avenue|ave|road|rd|drive|dr|lane|ln|boulevard|blvd|court|ct|place|pl|square|highway|hwy|parkway|pkwy|terrace|way|"
    r"rue|chemin|allée|via|viale|piazza|corso|calle|avenida|av|paseo|plaza|rua|travessa|ul|ulica|al|gatan|vägen|vej|gade)\b|"
    r"(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee|ring|ufer|straat|laan|plein|kade|singel|gracht|katu|tie)\b"
)
_IN_ASCII = {r"\pL": "A-Za-z", r"\pM": "", r"\p{Lu}": "A-Z", r"\p{Lo}": ""}
"""Classes of letters, always in brackets, as they are in plain ASCII."""
_NAME_CHARS = r"^[\pL][\pL\pM .,'’\-&]*$"

_LIKE_NAME = (
    r"^[\p{Lu}\p{Lo}][\pL\pM'’.-]*(?:,?\s+(?:(?:d[aeiou]|des|dos|das|del|van|von|der|den|la|le|bin|al|ter|ten|y|e|zu)\s+|d['’])*"
    r"[\p{Lu}\p{Lo}][\pL\pM'’.-]*){1,3}$"
)
"""Two to four words with capitals."""
_FIRM = (
    r"(?i)\b(?:inc|llc|llp|ltd|limited|corp|co|company|plc|gmbh|ag|kg|ohg|sarl|s\.?a\.?r\.?l|s\.?a|s\.?p\.?a|s\.?l|bv|nv|ab|oy|as|group)"
    r"\b\.?$"
)

_FIRST = {"firstname", "forename", "vorname", "prenom", "prénom", "givenname", "fname", "fornavn", "förnamn", "imie", "imię", "voornaam"}
_LAST = {
    "lastname", "surname", "nachname", "familienname", "lname", "apellido", "apellidos", "cognome", "sobrenome", "achternaam", "efternamn",
    "etternavn", "nazwisko", "familyname",
}  # fmt: skip
_PERSON = frozenset(
    "patient customer client contact person employee staff cardholder driver student teacher doctor physician nurse passenger spouse "
    "mother father parent child guest tenant buyer applicant borrower insured policyholder full maiden legal kunde kunden mitarbeiter "
    "ansprechpartner patienten".split()
)
"""Before the word name: whose name it is leaves no doubt."""
_MAYBE = frozenset(
    "owner holder author account billing recipient sender reviewer agent manager seller host subscriber user display "
    "complete member".split()
)
"""Before the word name: it may be that of a machine or a firm."""
_ALONE = frozenset(
    "name names fullname person contact employee author manager representative nombre nome nom names reviewer assignee".split()
)
_USER = frozenset("username login nickname nick handle userid screenname benutzername benutzer pseudo".split())
_PHONE_NAME = frozenset(
    "phone tel telephone mobile fax cell cellphone handy telefon telefone telefono téléphone celular mobil telnr".split()
)
_STREET_NAME = frozenset(
    "street address addr address1 address2 adresse straße strasse strase str calle rue rua direccion dirección endereco".split()
)
_CITY_NAME = frozenset("city town ort stadt ville ciudad cidade citta città municipality wohnort".split())
_POST_NAME = frozenset("zip zipcode postcode postal postalcode plz".split())
_COMPANY_NAME = frozenset(
    "company employer organisation organization firm firma business vendor supplier companyname azienda empresa".split()
)
_IP_NAME = frozenset("ip ipaddr ipv4 addr address host client remote server src dst".split())
_ID_NAME = frozenset("ssn social security nin tax pesel cpf bsn dni nhs sin ahv avs personnummer hetu national insee".split())

Facts = dict[str, Any]


def recognise(seen: Seen) -> Facts | None:
    """Kind personal and what of a person a column of texts holds; None if nothing, or if that is not sure enough."""
    sample = pc.utf8_trim_whitespace(seen.values.slice(0, SAMPLE))
    hint = frozenset(_names.words(seen.name))
    found = _patterned(sample, hint) or _numbered(sample, hint, seen)
    if found is None and _mostly(sample, _NAME_CHARS, 0.8):
        found = _named(sample, seen.name, seen)
    found = found or _placed(sample, hint, seen)
    if found is None:
        return None
    what, *scheme = found.split(":")
    repeated = what in ("name", "first_name", "last_name", "street", "city", "postcode", "company", "url", "ipv4", "ipv6")
    return {"kind": "personal", "personal": what, "unique": seen.unique and not repeated, "format": scheme[0] if scheme else None}


def card_numbers(values: pa.Array, name: str) -> bool:
    """Whether whole numbers (as strings) are card numbers."""
    return _cards(values.slice(0, SAMPLE), frozenset(_names.words(name)))


def _share(values: pa.Array, pattern: str) -> float:
    """Share of values that match."""
    return float(pc.mean(_matched(values, pattern).cast(pa.int8())).as_py() or 0.0)


def _mostly(values: pa.Array, pattern: str, least: float) -> bool:
    """Whether a share of `least` or more of values match; where none of the first ones does, no others need be looked at."""
    return _any(_first(values, least), pattern) and _share(values, pattern) >= least


def _first(values: pa.Array, least: float) -> pa.Array:
    """As many values as may fail where a share of `least` matches, and one more."""
    return values.slice(0, int((1 - least) * len(values)) + 1)


def _any(values: pa.Array, pattern: str) -> bool:
    """Whether one of the values matches."""
    return bool(pc.any(_matched(values, pattern)).as_py())


def _matched(values: pa.Array, pattern: str) -> pa.Array:
    """Which values match. The letters of all scripts take a millisecond to compile, so values in plain ASCII are asked for theirs only."""
    if r"\p" in pattern and pc.all(pc.string_is_ascii(values)).as_py():
        for letters, plain in _IN_ASCII.items():
            pattern = pattern.replace(letters, plain)
    return pc.match_substring_regex(values, pattern)


def _bared(values: pa.Array, gone: str) -> pa.Array:
    """Values without the characters `gone`."""
    return pc.replace_substring_regex(values, f"[{gone}]", "") if gone else values


def _patterned(sample: pa.Array, hint: frozenset[str]) -> str | None:
    """What no other value looks like. One e-mail among words is enough to be careful with them all from nine in ten on."""
    if _mostly(sample, EMAIL, 0.9):
        return "email"
    if _mostly(sample, _MAC, SURE):
        return "mac"
    if _mostly(sample, _IPV4, SURE) and (hint & _IP_NAME or _share(sample, r"(?:^|\.)(?:[2-9]\d|1\d\d|2\d\d)\.") >= 0.5):
        return "ipv4"
    if _mostly(sample, r":.*:", SURE) and _mostly(sample, _IPV6, SURE):
        return "ipv6"
    return None


def _numbered(sample: pa.Array, hint: frozenset[str], seen: Seen) -> str | None:
    """Numbers with check digits, and phone numbers."""
    bare = pc.replace_substring_regex(sample, r"[ .\-]", "")
    if _mostly(bare, _IBAN, SURE):
        accounts = bare.filter(pc.match_substring_regex(bare, _IBAN))
        if _checks.valid(accounts, _checks.iban).mean() >= SURE:
            return "iban"
    if _cards(bare, hint):
        return "card"
    if scheme := _national(sample, hint):
        return "national_id:" + scheme
    few = len(seen.values) <= 2 and seen.n > len(seen.values)
    if few or not pc.any(_long(_first(sample, 0.9))).as_py():
        return None
    if float(pc.mean(_long(sample).cast(pa.int8())).as_py()) < 0.9 or _share(sample, _DATE) >= 0.5:
        return None
    if hint & _PHONE_NAME and _share(sample, _PHONE) >= 0.9:
        return "phone"
    return "phone" if max(_share(sample, _ABROAD), _share(sample, _AMERICAN)) >= SURE else None


def _long(values: pa.Array) -> pa.Array:
    """Which values have as many digits as a phone number."""
    digits = pc.utf8_length(pc.replace_substring_regex(values, r"\D", ""))
    return pc.and_(pc.greater_equal(digits, 7), pc.less_equal(digits, 18))


def _cards(bare: pa.Array, hint: frozenset[str]) -> bool:
    found = bare.filter(pc.match_substring_regex(bare, CARD))
    enough = len(bare) >= FEW or bool(hint & {"card", "cc", "pan", "creditcard"})
    return enough and len(found) >= SURE * len(bare) and bool(_checks.valid(found, _checks.luhn).mean() >= SURE)


def _national(sample: pa.Array, hint: frozenset[str]) -> str | None:
    """The scheme whose check digits are all right."""
    few = _first(sample, SURE)
    bared = {gone: _bared(few, gone) for gone in {scheme.bare for scheme in _checks.SCHEMES.values()}}
    for name, scheme in _checks.SCHEMES.items():
        if not _any(bared[scheme.bare], scheme.pattern):
            continue
        bare = _bared(sample, scheme.bare)
        found = bare.filter(pc.match_substring_regex(bare, scheme.pattern))
        if len(found) < SURE * len(bare):
            continue
        if scheme.complete is None:
            if hint & {"ssn", "social"}:
                return name
        elif (len(bare) >= 2 * FEW or hint & _ID_NAME) and _checks.valid(found, scheme.complete).mean() >= SURE:
            return name
    return None


def _named(sample: pa.Array, name: str, seen: Seen) -> str | None:
    """Names of people, companies and users, as the column's name and the lists say."""
    words = _names.words(name)
    hint, joined = frozenset(words), "".join(words)
    if hint & _COMPANY_NAME or joined in _USER or (len(words) == 2 and words[0] == "user" and words[1] == "name"):
        return None  # see _placed
    if not (hint & (_FIRST | _LAST | _PERSON | _MAYBE) or joined in _ALONE or words[-1:] in (("name",), ("names",)) or _promising(sample)):
        return None
    first, last, full, single = _in_lists(sample)
    bare = pc.replace_substring_regex(sample, TITLES, "")
    like, short = _share(bare, _LIKE_NAME), _share(bare, r"^\S+(?:\s+\S+){0,2}$")
    varied = len(seen.values) >= FEW
    if hint & _FIRST or words[-2:] in (("first", "name"), ("given", "name"), ("christian", "name")):
        return "first_name" if short >= 0.9 else None
    if hint & _LAST or words[-2:] in (("last", "name"), ("family", "name"), ("maiden", "name")):
        return "last_name" if short >= 0.9 else None
    if words[-1:] in (("name",), ("names",)) and hint & (_PERSON | _MAYBE):
        if _share(bare, _FIRM) >= 0.3:
            return None if seen.n >= 2 * len(seen.values) else "company"
        if single >= 0.6:
            return "first_name" if first >= 0.4 else "last_name" if last >= 0.5 else None
        sure = like >= 0.6 if hint & _PERSON else max(first, last) >= 0.4 and like >= 0.6
        return "name" if sure or first >= 0.4 else None
    if (joined in _ALONE or hint & (_PERSON | _MAYBE)) and varied and full >= 0.35 and like >= 0.6:
        return "name"
    if joined in _ALONE and varied and single >= 0.9 and first >= 0.7:
        return "first_name"
    if len(seen.values) >= 3 * FEW:
        if full >= 0.8 or (full >= 0.4 and like >= SURE):
            return "name"
        if single >= 0.95 and first >= 0.95:
            return "first_name"
    return None


def _promising(sample: pa.Array) -> bool:
    """Whether values of a column whose name says nothing are worth a look at all lists, which take a while to load."""
    if len(sample) < 3 * FEW or _share(sample, r"^\S+(?:\s+\S+){0,4}$") < 0.9:
        return False
    if _share(sample, r"[A-Za-z]") < 0.5:
        return True  # of other scripts there is no short list
    words = pc.utf8_lower(pc.replace_substring_regex(sample, TITLES, "")).to_pylist()
    return float(np.mean([not _people.common().isdisjoint(v.replace(",", " ").split()) for v in words])) >= 0.25


def _in_lists(sample: pa.Array) -> tuple[float, float, float, float]:
    """Shares of values with a first name, with a last name, with both, and of a single word."""
    known = _people.known()
    firsts, lasts = set(known.first.to_pylist()), set(known.last.to_pylist())
    bare = pc.utf8_lower(pc.replace_substring_regex(sample, TITLES, "")).to_pylist()
    out = np.zeros((len(bare), 4), bool)
    for i, value in enumerate(bare):
        words = [w for part in value.replace(",", " ").split() for w in (part, *(part.split("-") if "-" in part else ())) if w]
        first, last = ([w in of for w in words] for of in (firsts, lasts))
        out[i, :2] = any(first), any(last)
        # Two different words: the name that is a first name is not its own last name.
        out[i, 2] = 2 <= len(words) <= 5 and any(first) and any(last) and sum(a or b for a, b in zip(first, last, strict=True)) >= 2
        out[i, 3] = len(value.split()) == 1
        if not out[i, 2] and 2 <= len(value) <= 4 and ord(value[0]) > 0x2E7F:  # 王杰: last and first name without a space
            out[i] = value[1:] in firsts, value[:1] in lasts, value[1:] in firsts and value[:1] in lasts, True
    return tuple(float(x) for x in out.mean(axis=0))  # type: ignore[return-value]


def _placed(sample: pa.Array, hint: frozenset[str], seen: Seen) -> str | None:
    """Addresses, companies, user names and links: by pattern and name together, and only where values hardly repeat."""
    words = _names.words(seen.name)
    hardly = seen.n < 2 * len(seen.values)
    if not (hint & _STREET_NAME or hardly):
        return None
    street = _share(sample, _STREET_WORD)
    numbered = _share(sample, r"^\d+[A-Za-z]?[ ,]+[\pL]|[\pL].*[ ,]\d+[A-Za-z]?(?:[,/ -]|$)")
    spaced = _share(sample, r"\S\s\S")
    if hint & _STREET_NAME and not hint & {"email", "mail", "ip", "mac", "web"} and spaced >= 0.7 and max(street, numbered) >= 0.5:
        return "street"
    if not hardly:
        return None
    if seen.n >= FEW and street >= 0.7 and numbered >= 0.8:
        return "street"
    if _share(sample, _URL) >= SURE:
        return "url"
    if hint & _COMPANY_NAME and not hint & {"id", "code", "response", "public", "type", "size"} and _share(sample, r"[\pL]{2}") >= 0.9:
        return "company"
    joined = "".join(words)
    if (joined in _USER or words[-2:] in (("user", "name"), ("screen", "name"))) and spaced <= 0.05 and _share(sample, r"[\pL]") >= 0.9:
        return "user_name"
    if hint & _CITY_NAME and len(words) <= 2 and _share(sample, _NAME_CHARS) >= 0.9:
        return "city"
    if hint & _POST_NAME and len(words) <= 2 and _share(sample, r"^\d+$") < 1 and _share(sample, r"^[A-Za-z0-9 -]{3,10}$") >= 0.9:
        return "postcode"
    return None
