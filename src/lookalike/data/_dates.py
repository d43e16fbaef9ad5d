"""Moments as text: find how a column writes dates, times and durations, read them, and write them the same way again.

A pattern is strftime's language (%Y-%m-%d) with a few additions: `%-d` without a leading zero, `%3f` milliseconds (any count of digits),
`%?f` a point and six digits or nothing, `%-f` a point and as many digits as needed, `%:z` an offset with a colon, `%^b` a name in capitals.
Every field is read by one regular expression and written from tables of ready-made strings, whole arrays at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import SchemaError

DAY = 86_400_000_000
"""Microseconds in a day."""
UNITS = {"d": DAY, "H": 3_600_000_000, "I": 3_600_000_000, "M": 60_000_000, "S": 1_000_000}
EPOCHS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_TOKEN = re.compile(r"%(-?[YmdHMSyIj]|\^?[bBaA]|[pP%]|:?z|[1-9]?f|\?f|-f)|%")
_NAMES = {"b": [m[:3] for m in MONTHS], "B": MONTHS, "a": [d[:3] for d in DAYS], "A": DAYS, "p": ["AM", "PM"], "P": ["am", "pm"]}
_REGEX = {
    **dict.fromkeys("mdHIMS", r"\d{1,2}"), "Y": r"\d{4}", "y": r"\d{2}", "j": r"\d{1,3}",
    "z": r"Z|[+-]\d{2}:?\d{2}", "f": r"\d{1,9}", "point": r"(?:\.\d{1,9})?",
    "b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}", "a": "[A-Za-z]{3}", "A": "[A-Za-z]{6,9}", "p": "[AaPp][Mm]", "P": "[AaPp][Mm]",
}  # fmt: skip
_DIGITS = {"Y": 4, "j": 3}


@dataclass(frozen=True)
class Pattern:
    """A date pattern taken apart: `parts` are literal texts and (field, option) pairs."""

    text: str
    parts: tuple[str | tuple[str, str], ...]

    @cached_property
    def fields(self) -> frozenset[str]:
        """Letters of the fields, without their options."""
        return frozenset(p[0] for p in self.parts if not isinstance(p, str))

    @cached_property
    def regex(self) -> str:
        """The regular expression of a whole cell, one group per field."""
        return "^" + "".join(re.escape(p) if isinstance(p, str) else self._group(*p) for p in self.parts) + "$"

    def _group(self, field: str, option: str) -> str:
        if field == "f":
            form = _REGEX["point" if option in ("?", "-") else "f"]
        else:
            glued = field in "mdHMS" and not option and self._glued
            form = r"\d{2}" if glued else _REGEX[field]
        return f"(?P<{field}>{form})"

    @cached_property
    def _glued(self) -> bool:
        """Two fields touch (%Y%m%d): then each has its full width."""
        return any(not isinstance(a, str) and not isinstance(b, str) and "f" not in (a[0], b[0]) for a, b in pairwise(self.parts))


@cache
def compile_pattern(text: str) -> Pattern:
    """Take a date pattern apart.

    Raises:
        SchemaError: an unknown field, or one that occurs twice.
    """
    parts: list[str | tuple[str, str]] = []
    at = 0
    for found in _TOKEN.finditer(text):
        if found[1] is None:
            raise SchemaError(
                f"unknown field {text[found.start() : found.start() + 2]!r} in the date pattern {text!r}",
                fix="known: %Y %y %m %d %j %b %B %a %A %H %I %M %S %f %p %z and %-d (no leading zero), %3f (milliseconds), %:z (+02:00)",
            )
        if found.start() > at:
            parts.append(text[at : found.start()])
        parts.append("%" if found[1] == "%" else (found[1][-1], found[1][:-1]))
        at = found.end()
    if at < len(text):
        parts.append(text[at:])
    letters = [p[0] for p in parts if not isinstance(p, str)]
    if not letters or len(set(letters)) < len(letters):
        wrong = "a field twice" if letters else "no field"
        raise SchemaError(f"the date pattern {text!r} names {wrong}", fix="for example %Y-%m-%d or %d.%m.%Y %H:%M")
    return Pattern(text, tuple(parts))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(values: pa.Array, pattern: Pattern, *, span: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Texts as int64 microseconds since 1970 (or of a duration when `span`), and a mask of those that fit.

    Texts with an offset become UTC; the caller shifts texts without one.
    """
    values = values.cast(pa.string())
    parts = pc.extract_regex(values, _span_regex(pattern) if span else pattern.regex)
    fits = pc.is_valid(parts).to_numpy(zero_copy_only=False)
    at = {f: _field(parts.field(f), f, fits) for f in pattern.fields if f not in "aA"}
    for numbers in at.values():
        fits &= numbers >= _LOWEST
    clock, clock_fits = _clock(at, len(values), span=span)
    if span:
        sign = np.where(pc.equal(parts.field("sign"), "-").fill_null(False).to_numpy(zero_copy_only=False), -1, 1)
        return sign * clock, fits & clock_fits
    days, days_fit = _calendar(at, len(values))
    return days * DAY + clock - at.get("z", 0), fits & clock_fits & days_fit


_LOWEST = -(10**15)
_MOST = {"d": 7, "H": 8, "M": 10, "S": 12}
"""Digits of the largest unit of a duration at most: all of them together are counted by an int64 of microseconds."""


def _span_regex(pattern: Pattern) -> str:
    """The regular expression of a duration: a sign, and as much of the largest unit as microseconds can count."""
    largest = next(u for u in "dHMS" if u in pattern.fields)
    free = re.sub(rf"\(\?P<{largest}>[^)]*\)", lambda _: rf"(?P<{largest}>\d{{1,{_MOST[largest]}}})", pattern.regex.removeprefix("^"))
    return f"^(?P<sign>-?){free}"


def _field(texts: pa.Array, field: str, fits: np.ndarray) -> np.ndarray:
    """One field as numbers (offsets and fractions in microseconds); below `_LOWEST` where a name is unknown."""
    if field in _NAMES:
        names = pa.array([n[:3].lower() for n in _NAMES[field]])
        short = pc.utf8_slice_codeunits(pc.utf8_lower(texts), 0, 3)
        return pc.index_in(short, names).cast(pa.int64()).fill_null(2 * _LOWEST).to_numpy(zero_copy_only=False)
    if field == "z":
        plain = pc.replace_substring(pc.if_else(pc.equal(texts, "Z"), "+0000", texts), ":", "")
        minutes = _whole(pc.utf8_slice_codeunits(plain, 1, 3), fits) * 60 + _whole(pc.utf8_slice_codeunits(plain, 3, 5), fits)
        west = pc.starts_with(plain, "-").fill_null(False).to_numpy(zero_copy_only=False)
        return np.where(west, -minutes, minutes) * 60_000_000
    if field == "f":
        digits = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.utf8_ltrim(texts, "."), 6, "0"), 0, 6)
        return _whole(digits, fits)
    return _whole(texts, fits)


def _whole(texts: pa.Array, fits: np.ndarray) -> np.ndarray:
    """Texts of digits as int64; 0 where the cell did not fit."""
    return pc.if_else(pa.array(fits), texts, "0").cast(pa.int64()).to_numpy(zero_copy_only=False)


def _clock(at: dict[str, np.ndarray], n: int, *, span: bool) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds of the time of day (or of the duration), and where they are possible."""
    fits = np.ones(n, bool)
    total = np.zeros(n, np.int64)
    units = [u for u in "dHIMS" if u in at and (span or u != "d")]
    limits = {"d": 1 << 40, "H": 24, "I": 13, "M": 60, "S": 60}
    for unit in units:
        if not (span and unit == units[0]):
            fits &= at[unit] < limits[unit]
        hours = at[unit] % 12 if unit == "I" else at[unit]
        total += hours * UNITS[unit]
    half = at.get("p", at.get("P"))
    if half is not None:
        total += np.where(half == 1, 12 * UNITS["H"], 0)
    return total + at.get("f", 0), fits


def _calendar(at: dict[str, np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Days since 1970, and where they exist in the calendar."""
    one = np.ones(n, np.int64)
    year = at.get("Y", one * 1970)
    if "y" in at:
        year = at["y"] + np.where(at["y"] < 69, 2000, 1900)
    month = at.get("m", at.get("b", at.get("B", one * 0) + 0) + 1)
    day = at.get("d", one)
    fits = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1)
    months = (np.where(fits, (year - 1970) * 12 + month - 1, 0)).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(fits, day - 1, 0)
    fits &= days.astype("datetime64[M]") == months
    if "j" in at:
        days = months.astype("datetime64[Y]").astype("datetime64[D]") + (at["j"] - 1)
        fits &= (at["j"] >= 1) & (days.astype("datetime64[Y]") == months.astype("datetime64[Y]"))
    return days.astype(np.int64), fits


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(moments: np.ndarray, missing: np.ndarray, pattern: Pattern, *, offset: int = 0, span: bool = False) -> pa.Array:
    """int64 microseconds as texts, null where `missing`; `offset` (microseconds east of UTC) is added and written by %z."""
    local = np.where(missing, 0, moments) + offset
    table = _span_fields(np.abs(local), pattern) if span else _moment_fields(local)
    table["z"] = offset
    texts = [p if isinstance(p, str) else _texts(table[p[0]], *p) for p in pattern.parts]
    if span and (local < 0).any():
        texts.insert(0, pc.if_else(pa.array(local < 0), "-", ""))
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), pc.binary_join_element_wise(*texts, ""))


def _moment_fields(local: np.ndarray) -> dict[str, np.ndarray | int]:
    """Numbers of every field of a moment."""
    days, clock = np.divmod(local, DAY)
    dates = days.astype("datetime64[D]")
    months, years = dates.astype("datetime64[M]"), dates.astype("datetime64[Y]")
    year, month = years.astype(np.int64) + 1970, months.astype(np.int64) % 12
    hour = clock // UNITS["H"]
    half = hour // 12
    return {
        "Y": year, "y": year % 100, "m": month + 1, "b": month, "B": month, "d": (dates - months).astype(np.int64) + 1,
        "j": (dates - years.astype("datetime64[D]")).astype(np.int64) + 1, "a": (days + 3) % 7, "A": (days + 3) % 7,
        "H": hour, "I": (hour + 11) % 12 + 1, "p": half, "P": half,
        "M": clock // UNITS["M"] % 60, "S": clock // UNITS["S"] % 60, "f": clock % UNITS["S"],
    }  # fmt: skip


def _span_fields(size: np.ndarray, pattern: Pattern) -> dict[str, np.ndarray | int]:
    """Numbers of every field of a duration; the largest takes all that is left."""
    table: dict[str, np.ndarray | int] = {}
    left = size
    for unit in (u for u in "dHMS" if u in pattern.fields):
        table[unit], left = np.divmod(left, UNITS[unit])
    return table | {"f": left}


def _texts(numbers: np.ndarray | int, field: str, option: str) -> pa.Array | str:
    """One field as texts."""
    if field == "z":
        sign, minutes = ("-" if numbers < 0 else "+"), abs(int(numbers)) // 60_000_000
        return f"{sign}{minutes // 60:02d}{option}{minutes % 60:02d}"
    if field in _NAMES:
        names = [n.upper() for n in _NAMES[field]] if option == "^" else _NAMES[field]
        return pa.array(names).take(pa.array(numbers))
    if field == "f":
        return _fraction(numbers, option)
    width = 1 if option == "-" else _DIGITS.get(field, 2)
    if len(numbers) and numbers.max() < 10**4:
        return _ready(width).take(pa.array(numbers))
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def _fraction(micros: np.ndarray, option: str) -> pa.Array:
    """Fractions of a second as texts of digits; with their point where it may be absent."""
    digits = pc.binary_join_element_wise(_ready(3).take(pa.array(micros // 1000)), _ready(3).take(pa.array(micros % 1000)), "")
    if option not in ("?", "-"):
        count = int(option or 6)
        return pc.utf8_rpad(pc.utf8_slice_codeunits(digits, 0, count), count, "0")
    if option == "-":
        digits = pc.utf8_rtrim(digits, "0")
    return pc.if_else(pa.array(micros == 0), "", pc.binary_join_element_wise(".", digits, ""))


@cache
def _ready(width: int) -> pa.Array:
    """The texts of 0 to 9999, zero-padded."""
    return pa.array([str(n).zfill(width) for n in range(10_000)])


# ── ISO durations ───────────────────────────────────────────────────────────────────────────────────────────────────

_ISO = r"^(?P<sign>-?)P(?:(?P<d>\d{1,7})D)?(?:T(?:(?P<H>\d{1,8})H)?(?:(?P<M>\d{1,10})M)?(?:(?P<S>\d{1,12})(?P<f>(?:\.\d{1,9})?)S)?)?$"


def read_iso(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Texts as P1DT2H30M as int64 microseconds, and a mask of those that fit."""
    parts = pc.extract_regex(values.cast(pa.string()), _ISO)
    fits = pc.and_(pc.is_valid(parts), pc.match_substring_regex(values, r"\d").fill_null(False)).to_numpy(zero_copy_only=False)
    total = np.zeros(len(values), np.int64)
    for unit in "dHMS":
        texts = parts.field(unit)
        total += _whole(pc.if_else(pc.equal(texts, ""), "0", texts), fits) * UNITS[unit]
    total += _field(parts.field("f"), "f", fits)
    minus = pc.equal(parts.field("sign"), "-").fill_null(False).to_numpy(zero_copy_only=False)
    return np.where(minus, -total, total), fits


def write_iso(moments: np.ndarray, missing: np.ndarray) -> pa.Array:
    """int64 microseconds as PT1H30M; only the parts that are not nought."""
    coded = pa.array(moments, mask=missing).dictionary_encode()
    return pa.array([_iso(m) for m in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _iso(micros: int) -> str:
    left, texts = abs(micros), []
    for unit in "dHM":
        count, left = divmod(left, UNITS[unit])
        texts.append(f"{count}{unit.upper()}" if count else "")
    seconds = f"{left // 10**6}" + (f".{left % 10**6:06d}".rstrip("0") if left % 10**6 else "")
    clock = "".join(texts[1:]) + (f"{seconds}S" if left else "")
    text = ("P" + texts[0] + ("T" + clock if clock else "")) if texts[0] or clock else "PT0S"
    return "-" + text if micros < 0 else text


# ── finding the pattern ─────────────────────────────────────────────────────────────────────────────────────────────

_N, _W = r"\d{1,2}", r"[A-Za-z]{3,9}"
_DATES = tuple(
    (re.compile(regex), patterns)
    for regex, patterns in (
        (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
        (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
        (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
        (rf"{_N}/{_N}/\d{{4}}", ("%m/%d/%Y", "%d/%m/%Y")),
        (rf"{_N}\.{_N}\.\d{{4}}", ("%d.%m.%Y", "%m.%d.%Y")),
        (rf"{_N}-{_N}-\d{{4}}", ("%d-%m-%Y", "%m-%d-%Y")),
        (rf"{_N}/{_N}/\d{{2}}(?!\d)", ("%m/%d/%y", "%d/%m/%y", "%y/%m/%d")),
        (rf"{_N}\.{_N}\.\d{{2}}(?!\d)", ("%d.%m.%y", "%m.%d.%y", "%y.%m.%d")),
        (rf"{_N}-{_N}-\d{{2}}(?!\d)", ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d")),
        (rf"{_N}([ /-]){_W}\1\d{{4}}", ("%d{0}%b{0}%Y", "%d{0}%B{0}%Y")),
        (rf"{_N}([ /-]){_W}\1\d{{2}}(?!\d)", ("%d{0}%b{0}%y", "%d{0}%B{0}%y")),
        (rf"{_N}\. {_W} \d{{4}}", ("%d. %b %Y", "%d. %B %Y")),
        (rf"{_W} {_N}, \d{{4}}", ("%b %d, %Y", "%B %d, %Y")),
        (rf"{_W}([ -]){_N}\1\d{{4}}", ("%b{0}%d{0}%Y", "%B{0}%d{0}%Y")),
        (rf"{_W}, {_N} {_W} \d{{4}}", ("%a, %d %b %Y", "%A, %d %B %Y")),
        (rf"{_W}, {_W} {_N}, \d{{4}}", ("%a, %b %d, %Y", "%A, %B %d, %Y")),
        (rf"{_W}([ /-])\d{{4}}", ("%b{0}%Y", "%B{0}%Y")),
        (rf"{_W}-\d{{2}}(?!\d)", ("%b-%y", "%B-%y")),
        (r"\d{4}-\d{2}", ("%Y-%m",)),
        (r"\d{4}/\d{2}", ("%Y/%m",)),
        (r"\d{2}/\d{4}", ("%m/%Y",)),
        (r"\d{14}", ("%Y%m%d%H%M%S",)),
        (r"\d{8}(?!\d)", ("%Y%m%d", "%m%d%Y", "%d%m%Y")),
        (r"", ("",)),
    )
)
_JOIN = r"(?P<join>T|, | at |[ :_-]|)"
_TIME = re.compile(
    rf"{_JOIN}(?:(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}})(?P<second>:\d{{2}})?|(?P<glued>\d{{6}}))"
    r"(?:(?P<point>[.,])\d{1,9})?(?P<half> ?[AaPp][Mm])?(?P<zone> ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
)


@dataclass(frozen=True)
class Found:
    """A pattern that reads all cells, what it makes of them, and another that would read them too."""

    pattern: str
    kind: str
    zone: str | None = None
    rival: str | None = None


def guess(values: pa.Array, *, day_first: bool | None = None) -> Found | None:
    """How distinct texts write moments (kind date, datetime or time), or None if not all of them do."""
    fitting: list[str] = []
    first = max(values.slice(0, 200).to_pylist(), key=len)  # the longest shows the fraction, if there is one
    for candidate in candidates(first, day_first=day_first):
        if bool(read(values, compile_pattern(candidate))[1].all()):
            fitting.append(candidate)
    if not fitting:
        return None
    pattern = exact(values, compile_pattern(fitting[0]))
    fields = compile_pattern(pattern).fields
    dated = bool(fields & set("YyjmbBd"))
    timed = bool(fields & set("HIMS"))
    order = [c for c in fitting[1:] if re.sub(r"%[bB]", "%b", c) != re.sub(r"%[bB]", "%b", fitting[0])]
    kind = "datetime" if dated and timed else "date" if dated else "time"
    return Found(pattern, kind, _zone(values, pattern), order[0] if order else None)


def candidates(text: str, *, day_first: bool | None = None) -> Iterator[str]:
    """Patterns that the shape of `text` allows, the likeliest first; at most a handful."""
    if not re.search(r"\d{2}|\d[./-]\d", text) or len(text) > 48:
        return
    lead = text[: len(text) - len(text.lstrip())]
    body = text.strip()
    for regex, patterns in _DATES:
        found = regex.match(body)
        if found is None:
            continue
        rest = body[found.end() :]
        tail = "" if not rest else _time_pattern(rest, dated=bool(regex.pattern))
        if tail is None or not (tail or found.end()) or (tail and "%H" in patterns[0]):
            continue
        if day_first is not None:
            patterns = sorted(patterns, key=lambda p: (p.find("%d") < p.find("%m")) != day_first)
        yield from (lead + p.format(*found.groups()) + tail for p in patterns)
        return


def _time_pattern(text: str, *, dated: bool) -> str | None:
    """The pattern of a time, with what joins it to its date."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    alone = not (found["join"] or found["glued"] or found["zone"])
    if not (found["join"] or found["glued"] if dated else alone):
        return None
    hour = "%I" if found["half"] else "%H"
    clock = f"{hour}%M%S" if found["glued"] else f"{hour}:%M" + (":%S" if found["second"] else "")
    point = "" if not found["point"] else "%-f" if found["point"] == "." else ",%f"
    half = "" if not found["half"] else (" " if found["half"][0] == " " else "") + ("%p" if found["half"].strip().isupper() else "%P")
    zone = found["zone"] or ""
    if zone.strip()[:1] in ("+", "-"):
        zone = zone[: len(zone) - len(zone.lstrip())] + ("%:z" if ":" in zone else "%z")
    return found["join"] + clock + point + half + zone


def exact(values: pa.Array, pattern: Pattern) -> str:
    """The pattern with the padding and fraction digits that `values` have."""
    parts = pc.extract_regex(values, pattern.regex)
    text = ""
    for part in pattern.parts:
        if isinstance(part, str):
            text += part.replace("%", "%%")
            continue
        field, option = part
        if field in "mdHIMSj":
            option = "-" if pc.min(pc.utf8_length(parts.field(field))).as_py() < (3 if field == "j" else 2) else ""
        elif field == "f":
            point, option = _fraction_style(pc.unique(pc.utf8_length(pc.utf8_ltrim(parts.field(field), "."))).to_pylist(), option)
            text += point
        elif field in "bBaA":
            option = "^" if pc.all(pc.utf8_is_upper(parts.field(field))).as_py() else ""
        text += f"%{option}{field}"
    return text


def _fraction_style(lengths: list[int], option: str) -> tuple[str, str]:
    """(literal point, option) of a fraction whose digit counts are `lengths`; 0 where it is absent."""
    if len(lengths) == 1 and lengths[0]:
        return ("." if option in ("?", "-") else ""), ("" if lengths[0] == 6 else str(lengths[0]))
    return "", "?" if set(lengths) <= {0, 6} else "-"


def _zone(values: pa.Array, pattern: str) -> str | None:
    """The one offset of all cells; UTC where they differ or are written Z, UTC or GMT."""
    compiled = compile_pattern(pattern)
    if "z" not in compiled.fields:
        return "UTC" if re.search(r"(Z|UTC|GMT)$", pattern) else None
    offsets = pc.unique(pc.extract_regex(values, compiled.regex).field("z")).to_pylist()
    if len(offsets) > 1 or offsets[0] == "Z":
        return "UTC"
    text = offsets[0].replace(":", "")
    return f"{text[:3]}:{text[3:]}"


_SPANS = (
    (re.compile(r"-?\d+ days \d{2}:\d{2}:\d{2}(\.\d+)?"), "%-d days %H:%M:%S%-f"),
    (re.compile(r"-?\d+:\d{2}:\d{2}(\.\d+)?"), "%H:%M:%S%-f"),
    (re.compile(r"-?\d+:\d{2}(\.\d+)?"), "%M:%S%-f"),
)


def guess_span(values: pa.Array) -> str | None:
    """How distinct texts write durations, or None if not all of them do."""
    first = max(values.slice(0, 200).to_pylist(), key=len)
    if first.lstrip("-").startswith("P") and bool(read_iso(values)[1].all()):
        return "iso"
    for regex, text in _SPANS:
        if regex.fullmatch(first) and bool(read(values, compile_pattern(text), span=True)[1].all()):
            found = pc.extract_regex(values, _span_regex(compile_pattern(text)))
            lengths = pc.unique(pc.utf8_length(pc.utf8_ltrim(found.field("f"), "."))).to_pylist()
            point, option = _fraction_style(lengths, "-")
            largest = next(u for u in "dHM" if u in compile_pattern(text).fields)
            single = pc.min(pc.utf8_length(found.field(largest))).as_py() == 1
            head = re.sub(rf"%-?{largest}", f"%-{largest}" if single else f"%{largest}", text.removesuffix("%-f"))
            return head + ("" if lengths == [0] else f"{point}%{option}f")
    return None
