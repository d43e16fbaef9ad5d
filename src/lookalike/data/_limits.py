"""Numbers of which only a bound is known: <0.5, ≤5, >100, 90+.

Such a cell is kept as the float just beside its bound: <0.5 as the greatest that is less than 0.5. So it has its place among the numbers,
rules and conditions find it where it belongs, and no number with so many decimals is mistaken for it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import _numbers
from lookalike.schema import Limits, NumberFormat

MOST = 2.0**50
"""Steps of the last decimal up to which there are floats between a number and the next."""
_SHAPE = (
    r"^\s*(?:(?P<below>(?:<=|=<|<|≤)[ \x{a0}]?)|(?P<above>(?:>=|=>|>|≥)[ \x{a0}]?))?(?P<bare>[^<>≤≥=]*?)(?P<more>(?:[ \x{a0}]?\+)?)\s*$"
)


def guess(values: pa.Array, counts: np.ndarray) -> tuple[NumberFormat, np.ndarray] | None:
    """How distinct texts `values` write numbers and bounds, and which are bounds (bool [n]); None if they do not.

    counts: how often each occurs; of marks that differ by a blank the most frequent is written.
    """
    parts = pc.extract_regex(values, _SHAPE)
    if parts.null_count:
        return None
    low, high = _marks(parts)
    marked, bare = low | high, parts.field("bare")
    if not marked.any() or marked.all():
        return None
    found, bound = _numbers.guess(bare.filter(pa.array(~marked))), bare.filter(pa.array(marked))
    if found is None or found[0].decimals is None or found[0].exponent not in ("", "auto"):
        return None
    form = found[0]
    fractions = pc.extract_regex(bound, _numbers.pattern(form)).field("fraction")
    if fractions.null_count:
        return None
    digits = pc.max_element_wise(pc.subtract(pc.utf8_length(fractions), 1), 0).to_numpy(zero_copy_only=False)
    prefixes = pc.binary_join_element_wise(parts.field("below"), parts.field("above"), parts.field("more"), "").to_pylist()
    written = [_usual(prefixes, np.where(side, counts, 0)) for side in (low, high)]
    if None in written or digits.max() > _numbers.MOST_DECIMALS:
        return None
    limits = Limits(below=written[0] or "", above=written[1] or "", decimals=int(digits.max()), pad=int(digits.min()))
    made = form.model_copy(update={"limits": limits})
    return (made, marked) if read(values, made).null_count == 0 else None


def read(values: pa.Array, form: NumberFormat) -> pa.Array:
    """Texts as float64, bounds as the float beside them; null where a text is neither number nor bound of this form."""
    if form.limits is None:
        return _numbers.read(values, form, whole=False)
    parts = pc.extract_regex(values, _SHAPE)
    numbers = _numbers.read(parts.field("bare"), form.model_copy(update={"limits": None}), whole=False)
    low, high = _marks(parts)
    x = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    known = (~low | bool(form.limits.below)) & (~high | bool(form.limits.above))
    fits = known & (~(low | high) | (np.abs(x) * 10.0 ** _decimals(form) < MOST))
    x = np.where(low, np.nextafter(x, -np.inf), np.where(high, np.nextafter(x, np.inf), x))
    return pa.array(x, mask=~fits | numbers.is_null().to_numpy(zero_copy_only=False))


def write(values: pa.Array, form: NumberFormat) -> pa.Array:
    """int64 or float64 as texts in this form; null stays null."""
    if form.limits is None:
        return _numbers.write(values, form)
    plain = form.model_copy(update={"limits": None})
    x = values.fill_null(0).to_numpy(zero_copy_only=False)
    texts, side = _numbers.write(values, plain), beside(x, form)
    like = plain.model_copy(update={"decimals": form.limits.decimals, "pad": form.limits.pad})
    for sign, mark in ((-1, form.limits.below), (1, form.limits.above)):
        here = (side == sign) & values.is_valid().to_numpy(zero_copy_only=False)
        if here.any():
            bare = _numbers.write(pa.array(_grid(x[here], form)), like)
            after = mark.strip() == "+"
            texts = pc.replace_with_mask(texts, pa.array(here), pc.binary_join_element_wise(*((bare, mark) if after else (mark, bare)), ""))
    return texts


def beside(x: np.ndarray, form: NumberFormat | None) -> np.ndarray:
    """int8 [n]: -1 for what is just below a bound, 1 for what is just above one, 0 for plain numbers of `form`; x: float64 [n]."""
    if form is None or form.limits is None:
        return np.zeros(len(x), np.int8)
    near = _grid(x, form)
    low = (x == np.nextafter(near, -np.inf)) & bool(form.limits.below)
    high = (x == np.nextafter(near, np.inf)) & bool(form.limits.above)
    return high.astype(np.int8) - low.astype(np.int8)


def _grid(x: np.ndarray, form: NumberFormat) -> np.ndarray:
    """The nearest numbers with as many decimals as numbers and bounds have."""
    scale = 10.0 ** _decimals(form)
    steps = np.rint(x * scale)
    return np.where(np.abs(steps) < MOST, steps / scale, x)


def _decimals(form: NumberFormat) -> int:
    return max(form.decimals or 0, form.limits.decimals if form.limits else 0)


def _marks(parts: pa.StructArray) -> tuple[np.ndarray, np.ndarray]:
    """bool [n] each: cells that are upper bounds, and lower ones."""
    low, above, more = (
        pc.fill_null(pc.not_equal(parts.field(name), ""), False).to_numpy(zero_copy_only=False) for name in ("below", "above", "more")
    )
    return low, above | more


def _usual(marks: list[str], counts: np.ndarray) -> str | None:
    """The mark that occurs most; empty if there is none, None if there are several that differ by more than blanks."""
    often: dict[str, int] = {}
    for mark, count in zip(marks, counts.tolist(), strict=True):
        if count:
            often[mark] = often.get(mark, 0) + count
    if len({mark.strip() for mark in often}) > 1:
        return None
    return max(often, key=lambda mark: often[mark], default="")
