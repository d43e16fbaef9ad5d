"""How personal values look: the class that a model should learn (a woman's name, a number of Germany), and the form they are written in."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import _checks, _people
from lookalike.data._personal import TITLES
from lookalike.schema import Column

SEXES = ("unknown", "female", "male")
MASKED = frozenset({"phone", "iban", "card", "national_id", "postcode"})
DEFAULTS = {
    "name": "unknown", "first_name": "unknown", "email": "free", "ipv4": "public", "phone": "### ### ####",
    "iban": "DE####################",
    "card": "4### #### #### ####", "postcode": "#####",
}  # fmt: skip
"""Classes where nothing is known of the values; elsewhere there is but one."""
FORMS = {"name": "{first} {last}", "email": "{first}.{last}", "user_name": "{f}{last}##", "street": "{n} {street}", "url": "https:www:2"}
FREE = (
    "gmail googlemail outlook hotmail live msn yahoo ymail icloud me mac aol gmx web t-online mail inbox proton protonmail qq 163 126 "
    "sina naver hanmail yandex rambler bk list orange wanadoo free laposte libero virgilio tiscali uol terra bol ig seznam wp o2 onet "
    "interia ziggo planet bluewin rediffmail zoho fastmail tutanota comcast verizon att sbcglobal shaw rogers btinternet example"
)
_FREE = f"^(?:{'|'.join(FREE.split())})[.][a-z.]+$"
_NATION = r"(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[7-9]\d|8[0578]\d|9[679]\d)"
_BRAND = r"^(?:4|5[0-8]|2[2-7]|3[47]|30[0-5]|3[68]|35|2131|1800|81|6)"
_EAST = r"^[\p{Han}\p{Hangul}]{2,4}$"


def classes(texts: pa.Array, column: Column, *, locale: str | None = None) -> pa.Array:
    """string [n]: the class of each text; names are told by the lists of `locale` first."""
    what = column.personal
    if what in ("name", "first_name"):
        return pa.array(np.array(SEXES, object)[_sex(_first_words(texts, what), locale)], pa.string())
    if what == "email":
        domain = pc.utf8_lower(pc.replace_substring_regex(texts, r"^.*@", ""))
        return pc.if_else(pc.match_substring_regex(domain, _FREE), "free", "other")
    if what == "ipv4":
        return pc.if_else(pc.match_substring_regex(texts, r"^(?:10|127|192\.168|172\.(?:1[6-9]|2\d|3[01]))\."), "private", "public")
    return _masks(texts, column) if what in MASKED else pa.repeat(pa.scalar("any"), len(texts))


def default(column: Column) -> str:
    """The class of a column of which nothing is known."""
    if column.personal == "national_id":
        return _checks.SCHEMES[column.format].usual if column.format in _checks.SCHEMES else "#########"
    return DEFAULTS.get(str(column.personal), "any")


def forms(texts: pa.Array, column: Column) -> pa.Array:
    """string [n]: how each text is written, as a template that `personal` fills in."""
    what = column.personal
    if what == "name":
        return _cased(_name_forms(texts), texts)
    if what == "email":
        return _local_forms(pc.replace_substring_regex(texts, r"@.*$", ""))
    if what == "user_name":
        return _local_forms(texts)
    if what == "street":
        return _cased(_street_forms(texts), texts)
    if what == "mac":
        mark = pc.utf8_slice_codeunits(texts, 2, 3)
        return _cased(mark, texts)
    if what == "url":
        scheme = pc.if_else(pc.match_substring_regex(texts, r"^(?i)https"), "https", "http")
        host = pc.if_else(pc.match_substring_regex(texts, r"^(?i)(?:https?://)?www\."), "www", "")
        path = pc.replace_substring_regex(pc.replace_substring_regex(texts, r"^(?i)(?:[a-z]+://)?[^/]*", ""), r"[?#].*$|/$", "")
        deep = pc.min_element_wise(pc.count_substring(path, "/"), 4).cast(pa.string())
        return pc.binary_join_element_wise(scheme, host, deep, ":")
    return _cased(pa.repeat(pa.scalar(""), len(texts)), texts)


def hits(texts: pa.Array, column: Column) -> dict[str, dict[str, int]]:
    """{"first" or "last": {locale: how many of the names are in its list}}."""
    known, what = _people.known(), column.personal
    found = {}
    if what in ("name", "first_name"):
        found["first"] = _count(_first_words(texts, what), known.first, known.first_of)
    if what == "last_name":
        found["last"] = _count(pc.utf8_lower(texts), known.last, known.last_of)
    return found


def _count(words: pa.Array, names: pa.Array, of: np.ndarray) -> dict[str, int]:
    at = pc.index_in(words, value_set=names).drop_null().to_numpy(zero_copy_only=False)
    seen, times = np.unique(at, return_counts=True)
    total = times @ of[seen]
    return {name: int(n) for name, n in zip(_people.locales(), total, strict=True) if n}


def likeliest(found: dict[str, dict[str, int]], rows: int) -> str | None:
    """The locale whose lists, drawn from evenly, would most likely give these names: many hits, in lists that are not just long."""
    if not any(found.values()) or rows <= 0:
        return None
    score: dict[str, float] = {}
    for name in _people.locales():
        size = {"first": len(_people.names(name).female) + len(_people.names(name).male), "last": len(_people.names(name).last_male)}
        score[name] = sum(of.get(name, 0) * -np.log(size[k]) + (rows - of.get(name, 0)) * np.log(1e-6) for k, of in found.items())
    best = max(score, key=lambda name: (score[name], name == _people.DEFAULT, name))
    return best if any(of.get(best, 0) for of in found.values()) else None


def _first_words(texts: pa.Array, what: str) -> pa.Array:
    """The first names in lower case, as far as they can be told."""
    bare = pc.utf8_lower(pc.utf8_trim_whitespace(_untitled(texts)))
    if what == "first_name":
        return pc.replace_substring_regex(bare, r"[\s,&/+].*$", "")
    order = _reversed(bare)
    after = _untitled(pc.replace_substring_regex(bare, r"^[^,]*,\s*", ""))
    second = pc.replace_substring_regex(after, r"^\S+\s+", "")
    word = pc.replace_substring_regex(pc.if_else(order, second, after), r"[\s,].*$", "")
    return pc.if_else(pc.match_substring_regex(bare, _EAST), pc.utf8_slice_codeunits(bare, 1), word)


def _untitled(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, TITLES, "")


def _reversed(bare: pa.Array) -> pa.Array:
    """bool [n]: last and first name without a comma between (Nagy Anna), as the lists say."""
    one = pc.replace_substring_regex(bare, r"\s.*$", "")
    two = pc.replace_substring_regex(pc.replace_substring_regex(bare, r"^\S+\s*", ""), r"[\s,].*$", "")
    known = _people.known()
    is_first, is_last = (pc.is_in(one, value_set=known.first), pc.is_in(one, value_set=known.last))
    return pc.and_(pc.and_(is_last, pc.invert(is_first)), pc.is_in(two, value_set=known.first))


@cache
def _sexed(locale: str) -> tuple[pa.Array, pa.Array]:
    """First names in lower case of women and of men."""
    found = _people.names(locale)
    female, male = ({n.lower() for n in of} for of in (found.female, found.male)) if found else (set(), set())
    return pa.array(sorted(female), pa.string()), pa.array(sorted(male), pa.string())


def _sex(words: pa.Array, locale: str | None) -> np.ndarray:
    """int [n]: 0 unknown, 1 female, 2 male. Names that both bear go by two thirds of the locales."""
    known = _people.known()
    at = pc.index_in(words, value_set=known.first)
    at = pc.coalesce(at, pc.index_in(pc.replace_substring_regex(words, r"[-.].*$", ""), value_set=known.first))
    lean = np.append(known.lean, 0.5)[pc.fill_null(at, len(known.lean)).to_numpy(zero_copy_only=False)]
    out = np.where(lean > 2 / 3, 1, np.where(lean < 1 / 3, 2, 0))
    if locale is not None:
        female, male = (pc.is_in(words, value_set=of).to_numpy(zero_copy_only=False) for of in _sexed(locale))
        out = np.where(female & ~male, 1, np.where(male & ~female, 2, np.where(female & male, 0, out)))
    return out


def _masks(texts: pa.Array, column: Column) -> pa.Array:
    """Texts with their digits and letters blanked, but for what tells a country or an issuer."""
    what, texts = column.personal, pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"[#@&%]", "?")
    if what == "phone":
        head = _lead(texts, rf"^(?:(?:\+|00){_NATION}|\+|\(?0+)")
        rest = pc.utf8_slice_codeunits(texts, 0)
        return _headed(head, rest, digits_only=True)
    if what == "card":
        return _headed(_lead(texts, _BRAND), texts)
    if what == "iban":
        return _headed(_lead(texts, r"^[A-Z]{2}"), texts)
    return _headed(pa.repeat(pa.scalar(""), len(texts)), texts)


def _lead(texts: pa.Array, pattern: str) -> pa.Array:
    """What of each text matches at its beginning, or nothing."""
    found = pc.extract_regex(texts, f"(?P<head>{pattern})")
    return pc.fill_null(pc.struct_field(found, "head"), "")


def _headed(head: pa.Array, texts: pa.Array, *, digits_only: bool = False) -> pa.Array:
    """`head` as it is, and the rest of the texts blanked."""
    sizes = pc.utf8_length(head).to_numpy(zero_copy_only=False)
    rest = texts
    if sizes.any():
        # Arrow slices all texts alike: one slice for each length of head.
        parts = [pc.utf8_slice_codeunits(texts, int(k)) for k in range(int(sizes.max()) + 1)]
        rest = pc.choose(pa.array(sizes.astype(np.int64)), *parts)
    rest = pc.replace_substring_regex(rest, r"\d", "#")
    if not digits_only:
        rest = pc.replace_substring_regex(pc.replace_substring_regex(rest, "[A-Z]", "@"), "[a-z]", "&")
    return pc.binary_join_element_wise(head, rest, "")


def _cased(form: pa.Array, texts: pa.Array) -> pa.Array:
    """`form` with |upper or |lower behind it where the text is all capitals or small letters."""
    letters = pc.match_substring_regex(texts, r"\pL")
    upper, lower = pc.equal(pc.utf8_upper(texts), texts), pc.equal(pc.utf8_lower(texts), texts)
    one = pc.and_(letters, pc.xor(upper, lower))
    mark = pc.if_else(pc.and_(one, upper), "|upper", pc.if_else(pc.and_(one, lower), "|lower", ""))
    return pc.binary_join_element_wise(form, mark, "")


def _name_forms(texts: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(texts)
    bare = _untitled(trimmed)
    comma = pc.match_substring(bare, ",")
    after = pc.replace_substring_regex(bare, r"^[^,]*,\s*", "")
    middle = pc.match_substring_regex(bare, r"\s\pL\.?(?:\s|$)")
    titled = pc.or_(pc.not_equal(bare, trimmed), pc.and_(comma, pc.not_equal(_untitled(after), after)))
    title, initial = pc.if_else(titled, "{title} ", ""), pc.if_else(middle, " {m}.", "")
    plain = pc.if_else(
        _reversed(pc.utf8_lower(bare)),
        pc.binary_join_element_wise(title, "{last} {first}", initial, ""),
        pc.binary_join_element_wise(title, "{first}", initial, " {last}", ""),
    )
    form = pc.if_else(comma, pc.binary_join_element_wise("{last}, ", title, "{first}", initial, ""), plain)
    single = pc.invert(pc.match_substring_regex(bare, r"\S\s+\S"))
    form = pc.if_else(single, pc.binary_join_element_wise(title, "{first}", ""), form)
    return pc.if_else(pc.match_substring_regex(bare, _EAST), "{last}{first}", form)


def _local_forms(local: pa.Array) -> pa.Array:
    """How names make the part before the @: {first}.{last}##."""
    known = _people.known()
    tail = pc.replace_substring_regex(local, r"^.*?(\d{0,4})$", r"\1")
    stem = pc.utf8_lower(pc.replace_substring_regex(local, r"\d{1,4}$", ""))
    mark = pc.fill_null(pc.struct_field(pc.extract_regex(stem, r"^[^._\-]+(?P<mark>[._\-])[^._\-]+$"), "mark"), "")
    head, rest = pc.utf8_slice_codeunits(stem, 1), pc.utf8_slice_codeunits(stem, 0, -1)
    left = pc.if_else(pc.match_substring_regex(stem, r"^\pL[._\-]"), "{f}", "{first}")
    right = pc.if_else(pc.match_substring_regex(stem, r"[._\-]\pL$"), "{l}", "{last}")
    joined = pc.binary_join_element_wise(left, mark, right, "")
    long = pc.greater_equal(pc.utf8_length(stem), 11)
    one = pc.if_else(pc.is_in(rest, value_set=known.first), "{first}{l}", pc.if_else(long, "{first}{last}", "{f}{last}"))
    one = pc.if_else(pc.is_in(head, value_set=known.last), "{f}{last}", one)
    one = pc.if_else(pc.is_in(stem, value_set=known.first), "{first}", one)
    one = pc.if_else(pc.match_substring_regex(stem, r"^\pL+$"), one, "{first}.{last}")
    form = pc.if_else(pc.equal(mark, ""), one, joined)
    return _cased(pc.binary_join_element_wise(form, pc.replace_substring_regex(tail, r"\d", "#"), ""), local)


def _street_forms(texts: pa.Array) -> pa.Array:
    """Where the house number stands, and whether town and postcode follow."""
    first = pc.replace_substring_regex(texts, r"[,\n].*$", "")
    tail = pc.replace_substring_regex(texts, r"^[^,\n]*[,\n]?\s*", "")
    before = pc.match_substring_regex(first, r"^\d")
    behind = pc.match_substring_regex(first, r"\d+[A-Za-z]?\s*$")
    comma = pc.match_substring_regex(tail, r"^\d+[A-Za-z]?\s*(?:,|$)")
    form = pc.if_else(before, "{n} {street}", pc.if_else(behind, "{street} {n}", pc.if_else(comma, "{street}, {n}", "{street}")))
    town = pc.match_substring_regex(tail, r"\pL{3}")
    code = pc.match_substring_regex(tail, r"\b\d{4,6}\b")
    ahead = pc.match_substring_regex(tail, r"^\d{4,6}\b")
    end = pc.if_else(ahead, ", {postcode} {city}", pc.if_else(code, ", {city} {postcode}", ", {city}"))
    return pc.binary_join_element_wise(form, pc.if_else(town, end, ""), "")
