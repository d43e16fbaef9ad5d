"""Personal values: names, e-mails, numbers, addresses. None is kept; fresh ones fit the row, the country and the way they were written.

A model learns of a value only its class: that a name is a woman's, that a number is of Germany and written +49 (###) ######. What is drawn
is one made-up person a row (`_person`), so that first name, last name, e-mail and user name agree, and agree with a column that tells the
sex or the country. E-mails and links are at domains that exist for nobody (RFC 2606), addresses of the net are of ranges kept for examples.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import _checks
from lookalike.encode import _arrow, _fill, _fresh, _manner, _people, _person, _turns
from lookalike.encode._person import Beside, People
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.data.holders import Holders
    from lookalike.privacy.look import Look

KINDS = frozenset({"personal"})
MOST = 256
"""Classes and forms that are told apart at most."""
LONGEST = 200
"""Characters of a value that are looked at."""

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "classes" and "forms": {which: [rows, subjects]}, "locales": hits of name lists, "repeats"?: {hash: rows}}."""
    one = _arrow.whole(values).cast(pa.string())
    present = pc.utf8_slice_codeunits(one.drop_null(), 0, LONGEST)
    held = None if subjects is None else subjects[one.is_valid().to_numpy(zero_copy_only=False)]
    stats: Stats = _arrow.count_missing(values)
    stats["classes"] = _counted(_manner.classes(present, column, locale=_person.known_locale(column)), held)
    stats["forms"] = _counted(_manner.forms(present, column), held)
    stats["locales"] = _manner.hits(present, column)
    if not column.unique:
        stats["repeats"] = _turns.measure(present)
    return stats


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    both: Stats = _arrow.add_counts(a, b)
    for what in ("classes", "forms"):
        both[what] = {
            k: [x + y for x, y in zip(a[what].get(k, [0, 0]), b[what].get(k, [0, 0]), strict=True)] for k in {**a[what], **b[what]}
        }
    both["locales"] = {
        kind: {
            k: n for k in {**a["locales"][kind], **b["locales"][kind]} if (n := a["locales"][kind].get(k, 0) + b["locales"][kind].get(k, 0))
        }
        for kind in a["locales"]
    }
    if "repeats" in a:
        both["repeats"] = _turns.merge(a["repeats"], b["repeats"])
    return both


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """{"classes", "share", "forms", "form_share": those that enough subjects have, "locale", "repeats"}; `cells` is not used."""
    rows = stats["rows"] - stats["missing"]
    classes, share = _kept(stats["classes"], protect, lambda c: fits(c, column))
    forms, form_share = _kept(stats["forms"], protect, lambda _: True)
    if not classes:
        classes, share = [_manner.default(column)], [max(rows, 1)]
    if not forms:
        forms, form_share = [_manner.FORMS.get(str(column.personal), "")], [1]
    return {
        "parts": [_arrow.part(1 + len(classes) if rows else 1)],
        "protected": {"personal": rows},
        "classes": classes,
        "share": share,
        "forms": forms,
        "form_share": form_share,
        "locale": column.locale or (_manner.likeliest(stats["locales"], rows) if rows >= 2 * protect else None),
        "repeats": _turns.freeze(stats.get("repeats", {}), protect),
    }


def noisy(values: pa.ChunkedArray | pa.Array, column: Column, look: Look) -> Stats:
    """The statistics as a private fit may have them: those of no values at all, and how many are missing."""
    rows = look.counts(_arrow.presence(values)[0].astype(np.int64), 2) if column.nullable else np.array([0.0, look.rows.estimate])
    return measure(pa.array([], pa.string()), column) | {"rows": float(rows.sum()), "missing": float(rows[0])}


def held(stats: Stats, book: Book, column: Column) -> list[np.ndarray]:
    """Rows of each code, float64 [size], as the statistics have them."""
    share = np.array(book["share"], np.float64)
    there = share / share.sum() * (stats["rows"] - stats["missing"])
    return [np.array([stats["missing"], *there][: book["parts"][0]["size"]], np.float64)]


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [1, n]: the class of each value, 0 where missing; classes without a code of their own stand in for by their hash."""
    one = _arrow.whole(values).cast(pa.string())
    if book["parts"][0]["size"] == 1:
        return np.zeros((1, len(one)), np.int32)
    if len(book["classes"]) == 1:
        return _arrow.presence(values)
    locale = _person.known_locale(column)
    found = _manner.classes(pc.utf8_slice_codeunits(pc.fill_null(one, ""), 0, LONGEST), column, locale=locale).dictionary_encode()
    edges = np.cumsum(book["share"])
    place = {c: i for i, c in enumerate(book["classes"], start=1)}
    table = [
        place.get(c) or 1 + int(np.searchsorted(edges, zlib.crc32(c.encode()) / 2**32 * edges[-1], "right"))
        for c in found.dictionary.to_pylist()
    ]
    codes = np.array([*table, 0], np.int32)[found.indices.to_numpy(zero_copy_only=False)]
    return np.where(one.is_valid().to_numpy(zero_copy_only=False), codes, 0).astype(np.int32)[None]


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """Fresh values, string [n], for the rows `start` and after; null where the code is 0."""
    return together([column], [book], [codes], [inside], start=start, beside={})[0]


def together(
    columns: Sequence[Column],
    books: Sequence[Book],
    codes: Sequence[np.ndarray],
    inside: Sequence[np.ndarray],
    *,
    start: int,
    beside: Beside,
) -> list[pa.Array]:
    """What `decode` gives for all personal columns of a table at once, which thereby are of the same persons.

    beside: {name: (column, values [n])} of the other columns of the table.
    """
    who = _person.people(columns, books, codes, inside, start, beside)
    made = []
    for column, book, code in zip(columns, books, codes, strict=True):
        values = write(who.of_locale(column.locale), np.maximum(code[0] - 1, 0), book=book, column=column)
        made.append(pc.if_else(pa.array(code[0] > 0), values, pa.scalar(None, pa.string())))
    return made


def locate(values: pa.ChunkedArray | pa.Array, book: Book, column: Column, *, codes: np.ndarray | None = None) -> np.ndarray:
    """float64 [n]: 0.5, classes have no inside."""
    return np.full(len(values), 0.5)


def write(who: People, kind: np.ndarray, *, book: Book, column: Column, form: np.ndarray | None = None) -> pa.Array:
    """Values string [n] of persons; kind and form int [n]: which of the book's classes and forms each has. Forms are drawn if not given."""
    what = str(column.personal)
    if what in _manner.MASKED:
        return _apart(kind, book["classes"], lambda mask, at: _number(mask, who, at, column))
    if form is None:
        edge = np.cumsum(book["form_share"])
        form = np.searchsorted(edge, who.uniform(7) * edge[-1], side="right")
    ready = _WRITERS[what](who, kind, book, column)
    return _apart(form, book["forms"], lambda template, at: _finished(ready(template, at), template))


def _counted(which: pa.Array, subjects: np.ndarray | Holders | None) -> dict[str, list[int]]:
    coded = which.dictionary_encode()
    rows, holders, _ = _people.count(coded.indices.to_numpy(zero_copy_only=False), len(coded.dictionary), subjects)
    return {k: [int(r), int(h)] for k, r, h in zip(coded.dictionary.to_pylist(), rows, holders, strict=True)}


def _kept(found: dict[str, list[int]], protect: int, fits: Callable[[str], bool]) -> tuple[list[str], list[int]]:
    """What at least `protect` subjects have, the most frequent first, and how many rows."""
    kept = sorted((k for k, (_, holders) in found.items() if holders >= protect and fits(k)), key=lambda k: (-found[k][0], k))[:MOST]
    return kept, [found[k][0] for k in kept]


def fits(mask: str, column: Column) -> bool:
    """Whether a mask can be filled in with a right number, and tells nothing else."""
    what = column.personal
    if what == "national_id" and column.format in _checks.SCHEMES:
        scheme = _checks.SCHEMES[column.format]
        return _bare(mask, scheme.bare) == _bare(scheme.usual, scheme.bare)
    if what == "card":
        return re.fullmatch(r"\d{1,4}#{10,18}", _bare(mask, " -.")) is not None
    if what == "iban":
        return re.fullmatch(r"[A-Z]{2}##[#@]{11,30}", _bare(mask, " -.")) is not None
    if what == "phone":
        return "#" in mask and re.fullmatch(r"[-+()\s./–\d#]*(?:(?:x|ext\.?)\s*#+)?", mask) is not None
    return re.fullmatch(r"[#@& -]*[#@][#@& -]*", mask) is not None if what == "postcode" else True


def _bare(mask: str, gone: str) -> str:
    return "".join(c for c in mask if c not in gone)


def _apart(which: np.ndarray, names: list[str], make: Callable[[str, np.ndarray], pa.Array]) -> pa.Array:
    """string [n]: rows are made name by name, and put back in their order."""
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(names) + 1))
    made = [make(name, order[a:b]) for name, a, b in zip(names, ends, ends[1:], strict=False) if a < b]
    if len(made) == 1:
        return made[0]
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays([pa.array([], pa.string()), *made]).take(pa.array(back))


def _number(mask: str, who: People, at: np.ndarray, column: Column) -> pa.Array:
    """Numbers of a mask for the persons `at`."""
    number = who.number[at] if column.unique else None
    salt = zlib.crc32(column.name.encode())
    return _fill.fill(mask, who.hashed(1_000 + salt)[at], number, replace(_rule(mask, column), shift=salt))


@cache
def _rule(mask: str, column: Column) -> _fill.Rule:
    """What holds for numbers of a column beside their mask."""
    what = column.personal
    if what == "national_id" and column.format in _checks.SCHEMES:
        scheme = _checks.SCHEMES[column.format]
        return _fill.Rule(scheme.bare, scheme.complete, scheme.checks, scheme.ranges)
    if what == "card":
        return _fill.Rule(" -.", _checks.luhn, (len(_bare(mask, " -.")) - 1,))
    if what == "iban":
        return _fill.Rule(" -.", _checks.iban, (2, 3))
    free = [p for p, c in enumerate(mask) if c == "#"]
    if what == "phone" and free:
        american = len(free) >= 10 and re.match(r"^\D*#{3}\D*#{3}\D*#{4}", mask.removeprefix("+1")) is not None
        return _fill.Rule(leading={free[0]: 2, free[3]: 2} if american else {free[0]: 1})
    return _fill.Rule()


# ── writers: from persons to a function of a template and of which persons ──────────────────────────────────────────

Ready = Callable[[str, np.ndarray], pa.Array]


def _templated(parts: dict[str, Callable[[], pa.Array]], who: People, salt: int) -> Ready:
    """Fills {parts}, each made when first needed, and # with digits."""
    cached: dict[str, pa.Array] = {}

    def part(name: str, at: pa.Array) -> pa.Array:
        if name not in cached:
            cached[name] = parts[name]()
        return cached[name].take(at)

    def ready(template: str, at: np.ndarray) -> pa.Array:
        rows, pieces = pa.array(at), []
        for piece in re.findall(r"\{\w+\}|#+|[^{#]+", template.partition("|")[0]):
            if piece[0] == "{":
                pieces.append(part(piece[1:-1], rows))
            elif piece[0] == "#":
                pieces.append(_fill.fill(piece, who.hashed(salt)[at], None, _fill.Rule()))
            else:
                pieces.append(pa.repeat(pa.scalar(piece), len(at)))
        return pc.binary_join_element_wise(*pieces, "") if pieces else pa.repeat(pa.scalar(""), len(at))

    return ready


def _finished(texts: pa.Array, template: str) -> pa.Array:
    """Texts in the template's case, without the space that a missing title leaves."""
    trimmed = pc.utf8_trim_whitespace(texts)
    case = template.partition("|")[2]
    return pc.utf8_upper(trimmed) if case == "upper" else pc.utf8_lower(trimmed) if case == "lower" else trimmed


def _name_parts(who: People, *, slugs: bool) -> dict[str, Callable[[], pa.Array]]:
    def initial(name: str) -> Callable[[], pa.Array]:
        return lambda: pc.utf8_slice_codeunits(who.part(name, slugs=slugs), 0, 1)

    letters = pa.array([chr(c) for c in range(ord("A"), ord("W"))])
    return {
        "first": lambda: who.part("first", slugs=slugs),
        "last": lambda: who.part("last", slugs=slugs),
        "f": initial("first"),
        "l": initial("last"),
        "title": lambda: who.part("title"),
        "m": lambda: letters.take(pa.array((who.uniform(8) * len(letters)).astype(np.int64))),
    }


def _write_name(who: People, kind: np.ndarray, book: Book, column: Column) -> Ready:
    return _templated(_name_parts(who, slugs=False), who, 9)


def _write_part(name: str) -> Callable[[People, np.ndarray, Book, Column], Ready]:
    """A writer of one part alone: a first name, a town."""

    def writer(who: People, kind: np.ndarray, book: Book, column: Column) -> Ready:
        values = who.part(name)
        return lambda template, at: values.take(pa.array(at))

    return writer


def _counted_up(who: People, at: np.ndarray, column: Column) -> list[pa.Array]:
    """The person's number, if no value may come twice."""
    return [pa.array(who.number[at] + 1).cast(pa.string())] if column.unique else []


def _write_local(who: People, kind: np.ndarray, book: Book, column: Column) -> Ready:
    inner = _templated(_name_parts(who, slugs=True), who, 10)

    def ready(template: str, at: np.ndarray) -> pa.Array:
        pattern = template.partition("|")[0]
        stem = inner(pattern.rstrip("#") if column.unique else pattern, at)
        return pc.binary_join_element_wise(stem, *_counted_up(who, at, column), "")

    return ready


def _write_email(who: People, kind: np.ndarray, book: Book, column: Column) -> Ready:
    local = _write_local(who, kind, book, column)
    free = np.array([c == "free" for c in book["classes"]])[kind]
    common = pa.array(["example.com", "example.org", "example.net"]).take(pa.array((who.uniform(11) * 3).astype(np.int64)))
    domain = common if free.all() else pc.if_else(pa.array(free), common, _hosts(who))

    def ready(template: str, at: np.ndarray) -> pa.Array:
        return pc.binary_join_element_wise(local(template, at), domain.take(pa.array(at)), "@")

    return ready


def _hosts(who: People) -> pa.Array:
    """The domain of each person's company; .example is nobody's."""
    return pc.binary_join_element_wise(who.part("company", slugs=True), ".example", "")


def _write_street(who: People, kind: np.ndarray, book: Book, column: Column) -> Ready:
    def house() -> pa.Array:
        # House numbers are small more often than large.
        return pa.array(np.exp(who.uniform(12) * np.log(240)).astype(np.int64)).cast(pa.string())

    parts = {
        "street": lambda: who.part("street"),
        "n": house,
        "city": lambda: who.part("city"),
        "postcode": lambda: _fill.fill("#####", who.hashed(13), None, _fill.Rule(leading={0: 1})),
    }
    return _templated(parts, who, 14)


def _write_ipv4(who: People, kind: np.ndarray, book: Book, column: Column) -> Ready:
    """Private addresses in 10/8; others in 198.18/15, kept for benchmarks (RFC 2544)."""
    private = np.array([c == "private" for c in book["classes"]])[kind]
    lot = _fresh.scatter(who.number % (1 << 17), 1 << 17) if column.unique else (who.hashed(15) & np.uint64(0xFFFFFF)).astype(np.int64)
    octets = np.where(
        private,
        [np.full(len(lot), 10), lot >> 16, lot >> 8 & 255, lot & 255],
        [np.full(len(lot), 198), 18 + (lot >> 16 & 1), lot >> 8 & 255, lot & 255],
    )

    def ready(template: str, at: np.ndarray) -> pa.Array:
        return pc.binary_join_element_wise(*(pa.array(o[at]).cast(pa.string()) for o in octets), ".")

    return ready


def _write_masked(mask: Callable[[str], str]) -> Callable[[People, np.ndarray, Book, Column], Ready]:
    """A writer of numbers whose mask follows from the template."""

    def writer(who: People, kind: np.ndarray, book: Book, column: Column) -> Ready:
        return lambda template, at: _number(mask(template.partition("|")[0]), who, at, column)

    return writer


def _write_url(who: People, kind: np.ndarray, book: Book, column: Column) -> Ready:
    hosts, words = _hosts(who), _words()

    def ready(template: str, at: np.ndarray) -> pa.Array:
        scheme, www, deep = template.partition("|")[0].split(":")
        rows = pa.array(at)
        pieces = [pa.repeat(pa.scalar(f"{scheme}://" + ("www." if www else "")), len(at)), hosts.take(rows)]
        for step in range(int(deep)):
            pieces += [pa.repeat(pa.scalar("/"), len(at)), words.take(pa.array((who.uniform(16 + step)[at] * len(words)).astype(np.int64)))]
        if column.unique:
            pieces += [pa.repeat(pa.scalar("/"), len(at)), *_counted_up(who, at, column)]
        return pc.binary_join_element_wise(*pieces, "")

    return ready


@cache
def _words() -> pa.Array:
    from faker.providers.lorem.en_US import Provider

    return pa.array(sorted(w.lower() for w in set(Provider.word_list) if w.isalpha()))


_WRITERS: dict[str, Callable[[People, np.ndarray, Book, Column], Ready]] = {
    "name": _write_name, "first_name": _write_part("first"), "last_name": _write_part("last"), "email": _write_email,
    "user_name": _write_local, "street": _write_street, "city": _write_part("city"), "company": _write_part("company"),
    "ipv4": _write_ipv4, "ipv6": _write_masked(lambda _: "2001:db8:" + ":".join(["%%%%"] * 6)),
    "mac": _write_masked(lambda mark: (mark or ":").join(["02", *["%%"] * 5])), "url": _write_url,
}  # fmt: skip
"""How each kind of value is written; those with a mask (`_manner.MASKED`) are filled in."""
