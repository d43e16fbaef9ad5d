"""Numbers as text: find how a column writes its numbers, read them, and write them the same way again.

Texts are read and written as whole Arrow arrays; only styles without a fixed number of digits are spelled one distinct value at a time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.schema import NumberFormat

PLAIN = NumberFormat()
_WHOLE = NumberFormat(thousands="", point=".", prefix="", suffix="", negative="-$1", plus=False, zero=True, decimals=0, pad=0)
"""How whole numbers are written mostly."""
EXACT = 2.0**53
"""Whole numbers up to here are exact in a float64."""
MOST_DECIMALS = 15
"""Decimals up to here can be told apart in a float64."""
_SPACES = (" ", "\u00a0", "\u202f")
_SEPARATORS = (
    ("", "."),
    (",", "."),
    (".", ","),
    ("", ","),
    *((space, point) for space in _SPACES for point in ".,"),
    ("'", "."),
    ("’", "."),
)
"""(thousands, point), the likeliest first: 1.234 is a decimal, 1,234 a thousand, until other cells say otherwise."""
_CURRENCY = frozenset(
    "USD EUR GBP JPY CHF CAD AUD NZD SEK NOK DKK PLN CZK INR BRL CNY RMB MXN ZAR RUB TRY KRW HKD SGD "
    "Rs Rs. kr kr. R$ US$ CA$ A$ Fr.".split()
)
_UNIT = re.compile(r"\s*[^\W\d_°µ%‰]?[^\W\d]*[°µ%‰]?[^\W\d]*(/[^\W\d]+)?[²³23]?")
_SPLIT = re.compile(
    r"(?P<open>\()?(?P<sign>[-+])?(?P<prefix>[^\d.,()+-]*)(?P<inner>[-+])?(?P<body>\d[\d.,' \u00a0\u202f’]*(?<=\d)|[.,]\d+)"
    r"(?P<exponent>[eE][+-]?\d+)?(?P<suffix>[^\d()+-][^()+-]*)?(?P<last>-)?(?P<close>\))?"
)


def guess(values: pa.Array) -> tuple[NumberFormat, bool] | None:
    """How distinct texts `values` write numbers, and whether all are whole; None if not all are numbers, or they look like codes (007)."""
    if pc.all(pc.match_substring_regex(values, r"^(?:0|-?[1-9]\d{0,17})$")).as_py():
        return _WHOLE, True
    found = _affixes(values[0].as_py())
    if found is None:
        return None
    for form in _with_separators(values, *found):
        parts = pc.extract_regex(values, pattern(form))
        if parts.null_count:
            continue
        if pc.any(pc.match_substring_regex(parts.field("whole"), r"^0\d")).as_py():
            return None
        if not form.thousands and _are_thousands(parts):
            continue  # the next form has this point as its separator of thousands
        return _digits(values, parts, _signs(values, form))
    return None


def _are_thousands(parts: pa.StructArray) -> bool:
    """Does the point of these numbers group thousands (402 beside 7.510)? Decimals that are padded to three places would be so everywhere,
    and decimals that are not padded would not all have three."""
    whole, fraction = parts.field("whole"), parts.field("fraction")
    pointed = pc.not_equal(fraction, "")
    some, bare = fraction.filter(pointed), whole.filter(pc.invert(pointed))
    if len(some) < 20 or not len(bare) or pc.any(pc.not_equal(parts.field("exponent"), "")).as_py():
        return False
    threes = pc.all(pc.match_substring_regex(some, r"^[.,]\d{3}$")).as_py()
    padded = pc.any(pc.ends_with(some, "0")).as_py()
    grouped = pc.all(pc.match_substring_regex(whole.filter(pointed), r"^[1-9]\d{0,2}$")).as_py()
    return threes and padded and grouped and pc.all(pc.less_equal(pc.utf8_length(bare), 3)).as_py()


def read(values: pa.Array, form: NumberFormat, *, whole: bool) -> pa.Array:
    """Texts as int64 (`whole`) or float64; null where a text is not a number of this form (or an integer too large)."""
    target = pa.int64() if whole else pa.float64()
    if form.model_copy(update={"decimals": None, "pad": 0, "exponent": "", "width": None}) == PLAIN:
        try:
            # 3.0 is no int64 for Arrow, but by way of float64 it is
            return to_whole(_finite(values.cast(pa.float64()))) if whole and form.decimals else _finite(values.cast(target))
        except pa.ArrowInvalid:
            pass  # a cell does not fit, or is spelled differently: look closer
    parts = pc.extract_regex(values, pattern(form))
    digits = pc.or_(pc.not_equal(parts.field("whole"), ""), pc.not_equal(parts.field("fraction"), ""))
    fits = pc.fill_null(pc.and_(pc.is_valid(parts), digits), False)  # an exponent alone (e2) is no number
    units = pc.replace_substring(parts.field("whole"), form.thousands, "") if form.thousands else parts.field("whole")
    fraction = pc.replace_substring(parts.field("fraction"), form.point, ".") if form.point != "." else parts.field("fraction")
    minus = pc.if_else(pc.match_substring_regex(values, r"^[^\d]*?[-(][^\d]*\d|-\)?\s*$"), "-", "")
    if whole and not pc.any(pc.not_equal(parts.field("exponent"), "")).as_py():
        fits = pc.and_(fits, pc.match_substring_regex(fraction, r"^(\.0*)?$"))
        text = pc.binary_join_element_wise(minus, units, "")
        return _cast_whole(pc.if_else(fits, text, None))
    text = pc.binary_join_element_wise(minus, units, fraction, parts.field("exponent"), "")
    numbers = _finite(pc.if_else(fits, text, None).cast(pa.float64()))
    return to_whole(numbers) if whole else numbers


def write(values: pa.Array, form: NumberFormat) -> pa.Array:
    """int64 or float64 as texts in this form; null stays null."""
    if pa.types.is_integer(values.type) and form == PLAIN.model_copy(update={"decimals": form.decimals}) and not form.pad:
        return values.cast(pa.string())
    missing = pc.is_null(values).to_numpy(zero_copy_only=False)
    x = values.fill_null(0).to_numpy(zero_copy_only=False)
    size = np.abs(x)
    negative = np.signbit(x) if x.dtype.kind == "f" else x < 0
    if _fixed(size, form):
        digits, rounded_away = _fixed_digits(size, form)
        tiny = (size < 1e-4) & ~rounded_away if form.exponent == "auto" else np.zeros(len(size), bool)
        if tiny.any():
            digits = pc.replace_with_mask(digits, pa.array(tiny), _each(pa.array(size[tiny]), _speller(form)))
        negative = negative & ~(rounded_away & (x != 0))  # -0.001 at two decimals is 0.00, but a source's own -0.0 stays
    else:
        digits = _shortest(size, form)
    text = _dress(digits, negative, (size > 0) & ~negative, form)
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), text)


# ── finding the form ────────────────────────────────────────────────────────────────────────────────────────────────


def _affixes(text: str) -> tuple[str, str] | None:
    """Prefix and suffix of the first value, if they are a currency, a unit or white space."""
    found = _SPLIT.fullmatch(text)
    if found is None:
        return None
    prefix, suffix = found["prefix"] or "", found["suffix"] or ""
    money = prefix.strip()
    if money and money not in _CURRENCY and not (len(money) == 1 and unicodedata.category(money) == "Sc"):
        return None
    tail = suffix.strip()
    unit = not tail or tail in _CURRENCY or (len(tail) == 1 and unicodedata.category(tail) == "Sc") or _UNIT.fullmatch(tail)
    return (prefix, suffix) if unit and len(prefix) <= 8 and len(suffix) <= 8 else None


def _with_separators(values: pa.Array, prefix: str, suffix: str) -> list[NumberFormat]:
    """Forms whose separators occur in the texts at all."""
    joined = "".join(values.slice(0, 2_000).to_pylist()) if len(values) <= 2_000 else None
    common = NumberFormat(prefix=prefix, suffix=suffix)
    wanted = [(t, p) for t, p in _SEPARATORS if joined is None or ((not t or t in joined) and (p == "." or p in joined or t))]
    return [common.model_copy(update={"thousands": t, "point": p}) for t, p in wanted]


def _signs(values: pa.Array, form: NumberFormat) -> NumberFormat:
    """`form` with the way that signs are written."""
    prefix = re.escape(form.prefix)
    ways = (("($1)", r"^\s*\("), ("$1-", r"\d[^\d]*-\s*$"), ("$-1", f"^{prefix}-" if prefix else r"^\b$"))
    negative = next((way for way, pattern in ways if pc.any(pc.match_substring_regex(values, pattern)).as_py()), "-$1")
    plus = pc.any(pc.match_substring_regex(values, r"^[^\d]*\+")).as_py()
    return form.model_copy(update={"negative": negative, "plus": plus})


def _digits(values: pa.Array, parts: pa.StructArray, form: NumberFormat) -> tuple[NumberFormat, bool] | None:
    """`form` with the digits and exponent that write most of `values` exactly as they are; None for integers too large."""
    powers = pc.not_equal(parts.field("exponent"), "")
    scientific, plain = pc.all(powers).as_py(), not pc.any(powers).as_py()
    lengths = pc.max_element_wise(pc.subtract(pc.utf8_length(parts.field("fraction")), 1), 0)
    span = pc.min_max(lengths if plain or scientific else lengths.filter(pc.invert(powers)))
    least, most = span["min"].as_py(), span["max"].as_py()
    if scientific:
        sample = parts.field("exponent")[0].as_py()
        style = re.sub(r"\d", "0", sample.replace("-", "+")) if re.fullmatch(r"[eE][+-]\d\d+", sample) else sample[0] + "0"
        return form.model_copy(update={"exponent": style[:5], "decimals": most, "pad": least}), False
    zeros = plain and (most == 0 or pc.all(pc.match_substring_regex(parts.field("fraction"), r"^(.0*)?$")).as_py())
    form = form.model_copy(update={"zero": not pc.any(pc.equal(parts.field("whole"), "")).as_py()})
    if zeros:
        fits = read(values, form, whole=True).null_count == 0
        return (form.model_copy(update={"decimals": most, "pad": least}), True) if fits else None
    ending = parts.field("fraction").filter(pc.equal(lengths, least)) if least > 1 else None
    if ending is not None and (least < most or len(values) >= 40) and not pc.any(pc.ends_with(ending, "0")).as_py():
        least = 1  # many numbers and none ends in a zero: zeros are not written, they would be here
    if not plain:
        form, most = form.model_copy(update={"exponent": "auto"}), max(most, _hidden_decimals(parts.filter(powers)))
    fixed = form.model_copy(update={"decimals": most, "pad": least})
    free = form.model_copy(update={"decimals": None, "pad": min(least, 1)})
    if most > MOST_DECIMALS:
        return free, False
    return max((fixed, free), key=lambda f: _kept(values, f)), False


def _hidden_decimals(parts: pa.StructArray) -> int:
    """The most digits after the point that numbers in scientific notation stand for: 7 in 2.73e-05."""
    digits = pc.max_element_wise(pc.subtract(pc.utf8_length(parts.field("fraction")), 1), 0)
    return pc.max(pc.subtract(digits, pc.utf8_ltrim(pc.utf8_slice_codeunits(parts.field("exponent"), 1), "+").cast(pa.int32()))).as_py()


def _kept(values: pa.Array, form: NumberFormat) -> int:
    """How many of the first texts come back as they were."""
    few = values.slice(0, 500)
    return pc.sum(pc.equal(write(read(few, form, whole=False), form), few)).as_py() or 0


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def pattern(form: NumberFormat) -> str:
    """The regular expression of a whole cell, with groups whole, fraction and exponent."""
    prefix, suffix, t, p = (re.escape(part) for part in (form.prefix, form.suffix, form.thousands, form.point))
    grouped = rf"\d+|[1-9]\d{{0,2}}(?:{t}\d{{3}})+" if t else r"\d+"
    return (
        rf"^\s*\(?[-+]?(?:{prefix})?[-+]?(?P<whole>{grouped}|)(?P<fraction>(?:{p}\d+)?)(?P<exponent>(?:[eE][+-]?\d+)?)"
        rf"(?:{suffix})?-?\)?\s*$"
    )


def _finite(values: pa.Array) -> pa.Array:
    """`values` with NaN and infinity as null."""
    return pc.if_else(pc.is_finite(values), values, None) if pa.types.is_floating(values.type) else values


def _cast_whole(texts: pa.Array) -> pa.Array:
    """Texts of digits as int64; null where they do not fit in 64 bits."""
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return pa.array([_fitting(t) for t in texts.to_pylist()], pa.int64())


def _fitting(text: str | None) -> int | None:
    """The number that `text` spells, if it has digits and fits in 64 bits; what has more of them is not even read."""
    if not text or text == "-" or len(text.lstrip("-0")) > len(str(2**63)):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def to_whole(values: pa.Array) -> pa.Array:
    """float64 as int64; null where it is not a whole number that a float64 holds exactly."""
    whole = pc.and_(pc.equal(pc.round(values), values), pc.less(pc.abs(values), EXACT))
    return pc.if_else(whole, values, None).cast(pa.int64())


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _fixed(size: np.ndarray, form: NumberFormat) -> bool:
    """Can the digits be had exactly from whole numbers?"""
    if form.exponent not in ("", "auto") or (form.decimals is None and size.dtype.kind == "f"):
        return False
    return size.dtype.kind != "f" or not len(size) or float(size.max()) * 10.0 ** (form.decimals or 0) < EXACT


def _fixed_digits(size: np.ndarray, form: NumberFormat) -> tuple[pa.Array, np.ndarray]:
    """Unsigned texts with a fixed number of decimals, and which were rounded to nought."""
    decimals = form.decimals or 0
    if size.dtype.kind == "f":
        scaled = np.rint(size * 10.0**decimals).astype(np.int64)
        units, rest = np.divmod(scaled, 10**decimals)
    else:
        scaled, units, rest = size, size, np.zeros(len(size), np.int64)
    whole = pa.array(units).cast(pa.string())
    if not form.zero:
        whole = pc.if_else(pa.array((units == 0) & (rest != 0)), "", whole)
    elif form.thousands:
        whole = _each(pa.array(units), lambda n: f"{n:,}".replace(",", form.thousands))
    if form.width:
        whole = pc.utf8_lpad(whole, form.width, "0")
    if not decimals:
        return whole, scaled == 0
    fraction = pc.utf8_lpad(pa.array(rest).cast(pa.string()), decimals, "0")
    if form.pad < decimals:
        fraction = pc.utf8_rpad(pc.utf8_rtrim(fraction, "0"), max(form.pad, 0), "0")
    point = pc.if_else(pc.equal(fraction, ""), "", form.point)
    return pc.binary_join_element_wise(whole, point, fraction, ""), scaled == 0


def _shortest(size: np.ndarray, form: NumberFormat) -> pa.Array:
    """Unsigned texts of as many digits as each number needs, or in scientific notation."""
    simple = form.decimals is None and form.exponent in ("", "auto") and form.zero and not (form.thousands or form.width or form.pad > 1)
    easy = (size == 0) | ((size >= 1e-4) & (size < 1e9)) if simple else np.zeros(len(size), bool)
    digits = pa.array(size, pa.float64()).cast(pa.string())  # Arrow writes the shortest digits, and in this range without an exponent
    if form.pad:
        digits = pc.if_else(pc.match_substring(digits, "."), digits, pc.binary_join_element_wise(digits, "0", "."))
    if form.point != ".":
        digits = pc.replace_substring(digits, ".", form.point)
    return digits if easy.all() else pc.replace_with_mask(digits, pa.array(~easy), _each(pa.array(size[~easy]), _speller(form)))


def _speller(form: NumberFormat) -> Callable[[float], str]:
    """A function that writes one unsigned number in scientific notation or with as many digits as it needs."""

    def scientific(x: float) -> str:
        mantissa, power = (f"{x:.{form.decimals}e}" if form.decimals is not None else f"{x:e}").split("e")
        if form.decimals and form.pad < form.decimals:
            units, _, fraction = mantissa.partition(".")
            fraction = fraction.rstrip("0").ljust(form.pad, "0")
            mantissa = f"{units}.{fraction}" if fraction else units
        zeros = form.exponent.count("0")
        sign = "-" if power[0] == "-" else "+" if "+" in form.exponent else ""
        return f"{mantissa.replace('.', form.point)}{form.exponent[0]}{sign}{power[1:].lstrip('0').rjust(zeros, '0')}"

    def shortest(x: float) -> str:
        rounded = float(x) if form.decimals is None else round(float(x), form.decimals)
        text = repr(rounded)
        if "e" in text and form.exponent == "auto":
            return text.replace(".", form.point)
        if "e" in text:
            text = np.format_float_positional(rounded, trim="-")
        units, _, fraction = text.partition(".")
        fraction = fraction.rstrip("0").ljust(form.pad, "0")
        units = f"{int(units):,}".replace(",", form.thousands) if form.thousands else units
        units = units.rjust(form.width or 0, "0") if form.zero or units != "0" or not fraction else ""
        return f"{units}{form.point}{fraction}" if fraction else units

    return scientific if form.exponent not in ("", "auto") else shortest


def _each(values: pa.Array, spell: Callable[[float], str]) -> pa.Array:
    """`spell` of each distinct value, spread over the rows again."""
    coded = values.dictionary_encode()
    return pa.array([spell(v) for v in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _dress(digits: pa.Array, negative: np.ndarray, positive: np.ndarray, form: NumberFormat) -> pa.Array:
    """Unsigned texts with sign, prefix and suffix."""
    before, inner, after = {"-$1": ("-", "", ""), "$-1": ("", "-", ""), "$1-": ("", "", "-"), "($1)": ("(", "", ")")}[form.negative]
    signs = [_where(negative, sign) for sign in (before, inner, after)]
    parts: list[pa.Array | str] = [signs[0], form.prefix, signs[1], digits, form.suffix, signs[2]]
    if form.plus:
        parts.insert(2 if form.negative == "$-1" else 0, _where(positive, "+"))
    parts = [part for part in parts if not isinstance(part, str) or part]
    return pc.binary_join_element_wise(*parts, "") if len(parts) > 1 else digits


def _where(mask: np.ndarray, sign: str) -> pa.Array | str:
    """`sign` where the mask is set; an empty text where it never is."""
    return pc.if_else(pa.array(mask), sign, "") if sign and mask.any() else ""
