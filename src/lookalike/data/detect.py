"""Find the schema of a raw table from a sample: what each column is, and how it is written.

The data decide before the name does: a kind is taken only if every cell that is not missing fits it. Names settle what the data
leave open (is 1 to 8 a count or a code?). A schema holds spellings and patterns, never the values of people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import _dates, _limits, _names, _numbers, _personal, formats
from lookalike.errors import DataError
from lookalike.schema import Column, NumberFormat, Table

MISSING_ALWAYS = ("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "<NA>", "null", "NULL", "NaN", "nan", "NaT", "\\N", "?", "(null)")
"""Missing in any column of texts (NA: not among two-letter codes, where it is Namibia)."""
MISSING_MARKS = (
    *MISSING_ALWAYS, "na", "Na", "N.A.", "n.a.", "Null", "NAN", "-nan", "-NaN", "nil", "NIL", "-", "--", "---", ".", "..", "*",
    "#NULL!", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NUM!",
)  # fmt: skip
"""Missing in a column whose other cells are all yes and no."""
MISSING_AMONG_NUMBERS = (
    *MISSING_MARKS, "None", "none", "NONE", "inf", "-inf", "Inf", "-Inf", "Infinity", "-Infinity", "missing", "Missing",
    "unknown", "Unknown", "UNKNOWN", "not available", "Not Available", "nd", "ND",
)  # fmt: skip
"""Missing in a column whose other cells are all numbers or moments; levels elsewhere ("None" and "unknown" can be answers)."""
_SENTINELS = (-9, -99, -999, -9999, -99999)
_CODES = 50
"""Distinct integers at most for a name such as type or status to make them a category."""
_FEW = 20
"""Distinct integers at most for their histogram to make them a category."""
_USUAL, _SHORT = 5, 12
"""Times that a word among numbers must occur, and its characters at most, to be shown in a note."""
_ABBREVIATED = 3
"""Letters of a word (N, n.v.) that is nobody's own, however rare."""


@cache
def _all_marks() -> pa.Array:
    """As an array, which is made late: `pa.array` loads pandas."""
    return pa.array(MISSING_AMONG_NUMBERS)


@dataclass(frozen=True)
class Seen:
    """One column of the sample: its distinct values that are not missing, how often each occurs, and all its cells."""

    name: str
    cells: pa.Array
    values: pa.Array
    counts: np.ndarray
    total: int | None = None

    @property
    def n(self) -> int:
        """Cells that are not missing."""
        return int(self.counts.sum())

    @cached_property
    def unique(self) -> bool:
        """No value occurs twice."""
        return len(self.values) == self.n

    @cached_property
    def marks(self) -> frozenset[str]:
        """The values that mean missing in some kind of column."""
        return frozenset(self.values.filter(pc.is_in(self.values, value_set=_all_marks())).to_pylist())

    def without(self, gone: Iterable[str]) -> Seen:
        """The same column with some of the marks taken as missing."""
        if self.marks.isdisjoint(gone):
            return self
        keep = pc.invert(pc.is_in(self.values, value_set=pa.array(list(gone), self.values.type)))
        return replace(self, values=self.values.filter(keep), counts=self.counts[keep.to_numpy(zero_copy_only=False)])


def detect(raw: pa.Table, *, name: str = "table", rows: int | None = None, text: bool | None = None) -> Table:
    """The schema of a raw table.

    Args:
        raw: a sample in the types of its source; cells of CSV, TSV and Excel all as strings, with every spelling kept.
        name: of the table.
        rows: of the whole table, if it is larger than the sample and known.
        text: the cells are text as written in a file, where an empty cell means missing. None: so if every column is a string.

    Raises:
        DataError: a column holds lists, records or bytes.
    """
    written = all(formats.is_text(t) for t in raw.schema.types) if text is None else text
    columns = [detect_column(raw.column(n), n, rows=rows, text=written, where=name) for n in raw.schema.names]
    columns = _agree_on_days(raw, columns, rows=rows, text=written)
    key = next((c.name for c in columns if c.kind == "key" and c.unique and not c.nullable), None)
    return Table(name=name, columns=tuple(columns), key=(key,) if key is not None else ())


def detect_column(
    raw: pa.ChunkedArray | pa.Array,
    name: str,
    *,
    rows: int | None = None,
    text: bool = True,
    day_first: bool | None = None,
    where: str = "table",
) -> Column:
    """One column of the schema; see `detect`.

    Raises:
        DataError: the column holds lists, records or bytes.
    """
    cells = formats.whole(raw)
    kind = cells.type
    if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType) or "binary" in str(kind):
        raise DataError(
            f"cells of type {kind} are not supported", where=f"{where}.{name}", fix="flatten it into plain columns, or leave the column out"
        )
    if pa.types.is_null(kind):
        return Column(name=name, kind="empty", storage="null")
    labelled, texts = pa.types.is_dictionary(kind), formats.is_text(kind)
    found = (formats.plainly_labelled(cells) if labelled else cells.cast(pa.string()) if texts else cells).value_counts()
    values, counts = found.field("values"), found.field("counts").to_numpy(zero_copy_only=False)
    there = values.is_valid()
    seen = Seen(name, cells, values.filter(there), counts[there.to_numpy(zero_copy_only=False)], rows)
    if labelled:
        facts = _labelled(replace(seen, values=seen.values.cast(pa.string())))
    elif texts:
        facts = _text(seen, written=text, day_first=day_first)
    else:
        facts = _typed(seen)
    nullable = bool(cells.null_count or facts.get("missing"))
    return Column(**({"name": name, "storage": str(kind), "nullable": nullable} | facts))


def widen(raw: pa.ChunkedArray | pa.Array, column: Column, *, rows: int | None = None, text: bool = True) -> Column:
    """`column` detected again from more cells; declared facts stay as they are.

    Args:
        raw: all cells at hand, in the types of the source: those that were seen first together with those that do not fit.
        rows: of the whole table, if known.
        text: the cells are text as written in a file.
    """
    new = detect_column(raw, column.name, rows=rows, text=text)
    kept = {fact: getattr(column, fact) for fact in column.declared}
    return new.model_copy(update={"declared": column.declared, "nullable": column.nullable or new.nullable} | kept)


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────

Facts = dict[str, Any]


def _text(seen: Seen, *, written: bool, day_first: bool | None) -> Facts:
    """What a column of texts is: yes and no, numbers, moments; else words."""
    bare = seen.without(MISSING_ALWAYS)
    if not len(bare.values):
        return {"kind": "empty", "missing": _spellings(seen, bare)}
    narrow = seen if not written else seen.without(_missing_among_words(bare)) if "NA" in seen.marks else bare
    if len(narrow.values) == 1 and narrow.n > 1:
        return {"kind": "constant", "missing": _spellings(seen, narrow)}
    if facts := _personal.recognise(narrow):
        return {"missing": _spellings(seen, narrow)} | facts
    marks, wide = seen.without(MISSING_MARKS), seen.without(MISSING_AMONG_NUMBERS)
    if facts := _truth(marks):
        return {"missing": _spellings(seen, marks)} | facts
    if len(wide.values) and (facts := _counted(wide) or _bounded(wide) or _moment(wide, day_first)):
        return {"missing": _spellings(seen, wide)} | facts
    marked = _sentinel(wide) if len(wide.values) == len(seen.values) else None
    if marked:
        return marked
    words = _words(narrow)
    said = _mostly_counted(narrow) or (_written_unlike(narrow) if words["kind"] in ("category", "text") else {})
    return {"missing": _spellings(seen, narrow)} | words | said


def _missing_among_words(seen: Seen) -> tuple[str, ...]:
    """Spellings of missing in a column of words whose others are `seen`: NA stays a level among codes of two capitals."""
    codes = len(seen.values) > 2 and pc.mean(pc.match_substring_regex(seen.values, "^[A-Z]{2}$").cast(pa.int8())).as_py() > 0.8
    return tuple(m for m in MISSING_ALWAYS if m != "NA") if codes else MISSING_ALWAYS


def _spellings(all_of: Seen, rest: Seen) -> tuple[str, ...]:
    """The values of `all_of` that are not in `rest`, the most frequent first."""
    if rest is all_of:
        return ()
    gone = pc.invert(pc.is_in(all_of.values, value_set=rest.values)).to_numpy(zero_copy_only=False)
    order = np.argsort(-all_of.counts[gone], kind="stable")
    return tuple(all_of.values.filter(pa.array(gone)).take(pa.array(order)).to_pylist())


def _truth(seen: Seen) -> Facts | None:
    """Yes and no, in any of the known spellings; case variants of one spelling are allowed, the most frequent is written."""
    if not 2 <= len(seen.values) <= 6:
        return None
    lower = pc.utf8_lower(seen.values).to_pylist()
    pair = next((p for p in formats.TRUTH if set(lower) == set(p)), None)
    if pair is None:
        return None
    ranked = [seen.values[int(i)].as_py() for i in np.argsort(-seen.counts, kind="stable")]
    no, yes = (next(v for v in ranked if v.lower() == label) for label in pair)
    return {"kind": "boolean", "labels": (no, yes)}


def _counted(seen: Seen) -> Facts | None:
    """Texts that are all numbers."""
    found = _numbers.guess(seen.values)
    if found is None:
        return None
    form, whole = found
    if not whole:
        return {"kind": "number", "number": form}
    numbers = replace(seen, values=_numbers.read(seen.values, form, whole=True))
    plain = form == NumberFormat(decimals=0)
    facts = _integers(numbers, bare=plain, code=plain or form == NumberFormat(decimals=1, pad=1))
    if facts["kind"] in ("category", "key"):
        return facts
    return facts | ({"number": form} if "format" not in facts else {})


def _bounded(seen: Seen) -> Facts | None:
    """Texts that are numbers and bounds of them (<0.5, 90+); numbers that would be a code by themselves are left to be levels."""
    found = _limits.guess(seen.values, seen.counts)
    if found is None:
        return None
    form, bounds = found
    facts = _counted(replace(seen, values=seen.values.filter(pa.array(~bounds)), counts=seen.counts[~bounds]))
    if facts is None or facts["kind"] not in ("integer", "number"):
        return None
    marks = " and ".join(mark.strip() for mark in (form.limits.below, form.limits.above) if mark)
    return {
        "kind": "number",
        "number": form,
        "note": f"cells marked {marks} are bounds: kept so, they count as just beyond the number beside",
    }


def _mostly_counted(seen: Seen) -> Facts:
    """A note on words that are numbers but for a few: a person may know that those few mean that the number is missing.

    Words that are long or rare may be somebody's own, and are not shown.
    """
    some = pc.match_substring_regex(seen.values, r"^[+-]?\d[\d.,' ]*$").to_numpy(zero_copy_only=False)
    others, rest = seen.values.filter(pa.array(~some)).to_pylist(), seen.counts[some]
    if not 0 < len(others) <= _FEW or len(rest) <= _FEW or rest.sum() < seen.n / 2:
        return {}
    counted = zip(map(repr, others), seen.counts[~some], strict=True)
    usual = [word for word, count in counted if count >= _USUAL and len(word) <= _SHORT + len("''")]
    told = usual[:3] + [f"{'other' if usual else 'a few'} words"] * (len(others) > len(usual[:3]))
    return {"note": f"numbers but for {', '.join(told)}, and so taken as words; list those under missing to have numbers"}


def _written_unlike(seen: Seen) -> Facts:
    """A note on many words that are digits in a few shapes: dates in two patterns, numbers with and without a unit, codes in digits.

    Drawn as words, their digits are put together anew, and what comes out is no date and no number.
    """
    if len(seen.values) <= _FEW:
        return {}
    shapes = pc.replace_substring_regex(seen.values, r"\d+", "9").value_counts()
    sizes = shapes.field("counts").to_numpy(zero_copy_only=False)
    order = np.argsort(-sizes, kind="stable")[:4]
    common = [shapes.field("values")[int(i)].as_py() for i in order if sizes[i] >= max(5, 0.02 * len(seen.values))]
    common = [s for s in common if "9" in s and len(s) <= 24]
    if len(common) < 2 or "9" in common or sum(sizes[i] for i in order[: len(common)]) < 0.9 * len(seen.values):
        return {}
    shown = " and ".join(map(repr, common))
    return {"note": f"written as {shown} (9: digits), and so taken as words; write all in one way to have dates or numbers"}


def _sentinel(seen: Seen) -> Facts | None:
    """Numbers of many values beside a single short word (N, n.v.): the word means missing."""
    wordy = pc.invert(pc.match_substring_regex(seen.values, r"\d"))
    words = seen.values.filter(wordy).to_pylist()
    if len(words) != 1 or len(words[0]) > _SHORT or len(seen.values) <= _FEW:
        return None
    often = seen.counts[wordy.to_numpy(zero_copy_only=False)][0]
    if often < _USUAL and sum(map(str.isalpha, words[0])) > _ABBREVIATED:
        return None  # it may be somebody's own, and would be written wherever a cell is missing
    left = pc.invert(wordy)
    rest = replace(seen, values=seen.values.filter(left), counts=seen.counts[left.to_numpy(zero_copy_only=False)])
    facts = _counted(rest) or _bounded(rest)
    if facts is None or facts["kind"] not in ("integer", "number"):
        return None
    return facts | {"missing": (words[0],), "note": f"{words[0]!r} among numbers was taken as missing"}


def _moment(seen: Seen, day_first: bool | None) -> Facts | None:
    """Texts that are all dates, times or durations."""
    span = _names.hints(seen.name, _names.SPAN)
    if span and (pattern := _dates.guess_span(seen.values)):
        return {"kind": "duration", "format": pattern}
    found = _dates.guess(seen.values, day_first=day_first)
    if found is None:
        pattern = _dates.guess_span(seen.values)
        return {"kind": "duration", "format": pattern} if pattern else None
    note = f"days and months could be swapped: {found.pattern} or {found.rival}" if found.rival else None
    return {"kind": found.kind, "format": found.pattern, "zone": found.zone, "note": note}


_LIKE_KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,}|[^\s@]+@[^\s@]+\.\w+", re.IGNORECASE)


def _words(seen: Seen) -> Facts:
    """Words that are neither numbers nor moments: keys, categories or free text."""
    sample = seen.values.slice(0, 1_000)
    spaces = pc.mean(pc.count_substring(sample, " ")).as_py()
    repeats = seen.n / len(seen.values)
    tokens = spaces < 0.05
    digits = pc.mean(pc.match_substring_regex(sample, r"\d").cast(pa.int8())).as_py() > 0.9
    named = _names.is_id(seen.name)
    few = sample.slice(0, 50).to_pylist()
    if tokens and all(map(_LIKE_KEY.fullmatch, few)) and (seen.unique or repeats < 2 or len(seen.values) > _CODES):
        return {"kind": "key", "unique": seen.unique}
    if tokens and seen.unique and seen.n >= 3 and (named or digits):
        return {"kind": "key", "unique": True}
    if tokens and (named or _is_ordinal(seen.name)) and len(seen.values) > _many(seen):
        return {"kind": "key", "unique": False}
    sentence = spaces >= 3
    few_levels = len(seen.values) <= _FEW and (not sentence or repeats >= 3)
    return {"kind": "category" if few_levels or repeats >= 2 else "text"}


def _many(seen: Seen) -> float:
    """Distinct values from which identifiers are keys rather than categories."""
    return max(_CODES, min(0.01 * seen.n, 1_000))


def _is_ordinal(name: str) -> bool:
    """Names that end in No or Nbr: InvoiceNo."""
    return _names.words(name)[-1:] in (("no",), ("nbr",), ("nr",))


# ── integers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _integers(seen: Seen, *, bare: bool, code: bool) -> Facts:
    """Distinct whole numbers (int64): a moment, key, category, yes and no, or a quantity.

    Args:
        bare: written as digits only, so that a date or epoch is possible.
        code: written so plainly that a code is possible (7, or 7.0 as pandas writes integers with gaps; not $7 or 7.00).
    """
    values = seen.values.to_numpy(zero_copy_only=False)
    if bare and (facts := _digits_of_date(seen, values) or _epoch(seen, values)):
        return facts
    if not code:
        return {"kind": "integer"}
    if seen.unique and bare and _is_key(seen, values):
        return {"kind": "key", "unique": True}
    if (_names.is_id(seen.name) or _is_ordinal(seen.name)) and not (set(_names.words(seen.name)) & {"num", "count"}):
        return {"kind": "key", "unique": seen.unique} if len(values) > _many(seen) else {"kind": "category"}
    if _is_coded(seen, values):
        return {"kind": "category"} if len(values) <= max(_FEW, seen.n / 2) else {"kind": "key", "unique": seen.unique}
    low = int(values.min())
    lone = low in _SENTINELS and bool((values[values != low] >= 0).all())
    return {"kind": "integer", "note": f"{low} may mean missing: if so, list it in missing" if lone else None}


def _is_key(seen: Seen, values: np.ndarray) -> bool:
    """Do unique integers, in the order of the rows, look like identifiers, rather than like a measurement?"""
    if _names.is_id(seen.name):
        return True
    if seen.n < 10 or _names.hints(seen.name, _names.QUANTITY | _names.MOMENT):
        return False
    low, high = int(values.min()), int(values.max())
    size = max(seen.n, seen.total or 0)
    if 0 <= low <= (1 if size == seen.n else 20 * size / seen.n) and high - low + 1 <= 1.05 * size:
        return True  # counted from the start, as far as a sample can show
    rising = high - low <= 2 * seen.n and bool((np.diff(values) > 0).all())
    same_width = seen.n >= 100 and low >= 10**7 and len(str(low)) == len(str(high))
    return rising or same_width


def _is_coded(seen: Seen, values: np.ndarray) -> bool:
    """Are these integers names of classes rather than amounts?"""
    if _names.hints(seen.name, _names.CODE):
        return True
    if _names.hints(seen.name, _names.QUANTITY):
        return False
    if len(values) <= _CODES and _names.hints(seen.name, _names.LEVEL):
        return seen.n >= 2 * len(values)
    if len(values) > _FEW or seen.n < _FEW * len(values):
        return False
    return len(values) <= 3 or _modes(values, seen.counts) >= (2 if len(values) <= 5 else 3)


def _modes(values: np.ndarray, counts: np.ndarray) -> int:
    """Peaks of a histogram that stand out by three standard errors and a fifth; amounts have one or two, codes have many."""
    low, high = int(values.min()), int(values.max())
    heights = counts[np.argsort(values)].astype(float)
    if high - low < 10 * len(values):  # a gap is a height of nought
        heights = np.zeros(high - low + 1)
        heights[values - low] = counts
    peaks, rising, extreme = 0, True, heights[0]
    for height in heights[1:]:
        step = abs(height - extreme)
        clear = step > max(3 * np.sqrt(max(height, extreme)), 0.2 * max(height, extreme))
        if (height > extreme) == rising:
            extreme = height
        elif clear:
            peaks += rising
            rising, extreme = not rising, height
    return peaks + rising


def _digits_of_date(seen: Seen, values: np.ndarray) -> Facts | None:
    """Whole numbers such as 20150319, if every one of them is a day between 1900 and 2100."""
    low, high = int(values.min()), int(values.max())
    named = _names.hints(seen.name, _names.MOMENT)
    if 10_000_000 <= high <= 99_999_999 and low > 1_000_000 and (len(values) >= 5 or named):
        # month or day first may lose its leading zero in a typed column; text that lost it is refused by the width
        found = ("%Y%m%d", "%m%d%Y", "%d%m%Y") if low >= 10_000_000 or pa.types.is_integer(seen.cells.type) else ()
    elif named and 190_001 <= low and high <= 210_012:
        found = ("%Y%m",)
    else:
        return None
    texts = pc.utf8_lpad(pa.array(values).cast(pa.string()), 6 if found == ("%Y%m",) else 8, "0")
    for pattern in found:
        micros, fits = _dates.read(texts, _dates.compile_pattern(pattern))
        years = micros // _dates.DAY / 365.2425 + 1970
        if fits.all() and years.min() >= 1900 and years.max() < 2101:
            return {"kind": "date", "format": pattern}
    return None


def _epoch(seen: Seen, values: np.ndarray) -> Facts | None:
    """Seconds (milli-, micro-, nanoseconds) since 1970 between 2000 and 2040, if the name speaks of time."""
    if not _names.hints(seen.name, _names.MOMENT):
        return None
    low, high = int(values.min()), int(values.max())
    for unit, per_second in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        if 946_684_800 * per_second <= low and high <= 2_208_988_800 * per_second:
            return {"kind": "datetime", "format": unit}
    return None


# ── typed columns ───────────────────────────────────────────────────────────────────────────────────────────────────


def _typed(seen: Seen) -> Facts:
    """What a column of a typed source is."""
    kind = seen.values.type
    if pa.types.is_floating(kind):
        return _floats(seen)
    if not len(seen.values):
        return {"kind": "empty"}
    if len(seen.values) == 1 and seen.n > 1 and not pa.types.is_temporal(kind):
        return {"kind": "constant"}
    return next((facts(seen) for test, facts in _TYPES if test(kind)), {"kind": "category"})


def _typed_integers(seen: Seen) -> Facts:
    """Integers, which stay integers where they are yes and no."""
    low, high = (v.as_py() for v in pc.min_max(seen.values).values())
    if low >= 10**12 and high < 10**19 and _personal.card_numbers(seen.values.cast(pa.string()), seen.name):
        return {"kind": "personal", "personal": "card", "unique": seen.unique}
    if high >= 2**63:
        amount = not seen.unique and not _names.is_id(seen.name)
        note = "from 2^63 on integers are taken as keys; if these are amounts, give them as floats" if amount else None
        return {"kind": "key", "unique": seen.unique, "note": note}
    if (low, high) == (0, 1):
        return {"kind": "boolean"}
    return _integers(replace(seen, values=seen.values.cast(pa.int64())), bare=True, code=True)


def _floats(seen: Seen) -> Facts:
    """Floats: whole ones (integers with gaps, as pandas keeps them) or numbers with the decimals they need."""
    finite = pc.is_finite(seen.values)
    nans = bool(pc.any(pc.invert(finite)).as_py()) and not seen.cells.null_count
    missing: Facts = {"missing": ("NaN",)} if nans else {}
    seen = replace(seen, values=seen.values.filter(finite), counts=seen.counts[finite.to_numpy(zero_copy_only=False)])
    if not len(seen.values):
        return {"kind": "empty"} | missing
    if len(seen.values) == 1 and seen.n > 1:
        return {"kind": "constant"} | missing
    x = seen.values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if not bool((np.rint(x) == x).all()) or np.abs(x).max() >= 2.0**53:
        return {"kind": "number", "number": NumberFormat(decimals=_decimals(seen.values))} | missing
    if len(x) == 2 and set(x) == {0.0, 1.0}:
        return {"kind": "boolean"} | missing
    whole = replace(seen, values=pa.array(x.astype(np.int64)))
    named = _names.is_id(seen.name) or _names.hints(seen.name, _names.CODE | _names.LEVEL)
    facts = _integers(whole, bare=False, code=named or len(x) <= _FEW)
    return facts | ({"number": NumberFormat(decimals=0)} if facts["kind"] == "integer" else {}) | missing


def _decimals(values: pa.Array) -> int | None:
    """The most decimals that any of these floats needs; None if they have the noise of full precision."""
    x = values.to_numpy(zero_copy_only=False)
    double = x.astype(np.float64)
    for decimals in range(7):
        if bool((np.round(double, decimals).astype(x.dtype) == x).all()):
            return decimals
    few = x[:: max(1, len(x) // 2_000)]
    texts = [np.format_float_positional(v, unique=True, trim="-") for v in few]
    most = max(len(t.partition(".")[2]) for t in texts)
    digits = 9 if x.dtype == np.float32 else 16
    noisy = np.mean([len(t.strip("-").replace(".", "").lstrip("0")) >= digits for t in texts]) > 0.01
    return None if most > 15 or noisy else most


def _decimal(seen: Seen) -> Facts:
    """Decimals; whole ones are integers."""
    scale = seen.values.type.scale
    if scale <= 0 and seen.values.type.precision <= 18:
        return _typed_integers(replace(seen, values=seen.values.cast(pa.int64())))
    return {"kind": "number", "number": NumberFormat(decimals=max(scale, 0), pad=max(scale, 0))}


def _stamps(seen: Seen) -> Facts:
    """Timestamps; days if every one is midnight."""
    zone = seen.values.type.tz
    if zone is None and seen.n > 1 and pc.all(pc.equal(pc.floor_temporal(seen.values, unit="day"), seen.values)).as_py():
        return {"kind": "date"}
    return {"kind": "datetime", "zone": zone}


def _labelled(seen: Seen) -> Facts:
    """A column that its owner made categorical: a category, unless its labels hardly repeat."""
    if not len(seen.values):
        return {"kind": "empty"}
    if len(seen.values) == 1 and seen.n > 1:
        return {"kind": "constant"}
    if facts := _personal.recognise(seen):
        return facts
    return {"kind": "category"} if len(seen.values) <= max(_FEW, seen.n / 2) else _words(seen)


_TYPES: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Seen], Facts]], ...] = (
    (pa.types.is_boolean, lambda seen: {"kind": "boolean"}),
    (pa.types.is_integer, _typed_integers),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_date, lambda seen: {"kind": "date"}),
    (pa.types.is_timestamp, _stamps),
    (pa.types.is_time, lambda seen: {"kind": "time"}),
    (pa.types.is_duration, lambda seen: {"kind": "duration"}),
)


# ── several columns, several samples ────────────────────────────────────────────────────────────────────────────────


def _agree_on_days(raw: pa.Table, columns: list[Column], *, rows: int | None, text: bool) -> list[Column]:
    """Where one date column shows that days come first, columns that leave it open follow."""
    unsure = [c for c in columns if c.note and c.kind in ("date", "datetime")]
    sure = [c.format for c in columns if c.format and c not in unsure and re.match(r"%-?[dm]([./-])%-?[dm]\1", c.format)]
    if not unsure or not sure:
        return columns
    day_first = sure[0].find("d") < sure[0].find("m")
    settled = {c.name: detect_column(raw.column(c.name), c.name, rows=rows, text=text, day_first=day_first) for c in unsure}
    return [settled[c.name].model_copy(update={"note": None}) if c.name in settled else c for c in columns]
