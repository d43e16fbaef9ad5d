"""Identities of numbers, found: equal columns, lines, sums, differences, products and ratios of two, products with a discount, totals.

All pairs of columns are tried at once on a few rows that say something; what survives is tried on all. A null space tells which columns
add up to a total of three and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from lookalike.rules.language import quoted
from lookalike.rules.look import Candidate, Look, close
from lookalike.rules.nodes import UNITS

PROBE, FEW = 32, 12
"""Rows on which pairs of columns, and threes, are tried first."""
MOST_COLUMNS, MOST_OF_THREE = 150, 40
"""Numbers that are looked at two at a time, and three at a time."""
LEAST = 30
"""Rows in which an identity must say something."""
VALUES = 5
"""Distinct results that it must have there."""
FLAT = 1e-6
"""Share of the variance below which a direction counts as having none."""

_EQUAL = frozenset({"integer", "number", "category", "boolean", "date", "datetime", "time", "duration"})
"""Kinds of columns that may be the same in each row."""

_FORMS: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "sum": ("{} + {}", lambda a, b: a + b),
    "difference": ("{} - {}", lambda a, b: a - b),
    "product": ("{} * {}", lambda a, b: a * b),
    "ratio": ("{} / {}", lambda a, b: a / b),
}
_THIRD: tuple[tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]], ...] = (
    ("{} * (1 - {})", lambda m, c: m * (1 - c)),
    ("{} * (1 + {})", lambda m, c: m * (1 + c)),
    ("{} * {}", lambda m, c: m * c),
    ("{} + {}", lambda m, c: m + c),
    ("{} - {}", lambda m, c: m - c),
)


def identities(look: Look, rng: np.random.Generator) -> list[Candidate]:
    """The identities, simplest first; each set of columns once."""
    numbers = dict(list(look.numbers.items())[:MOST_COLUMNS])
    found: list[Candidate] = []
    for one in [*_equal(look), *_lines(look, numbers)]:
        if one.about in numbers and set(one.columns) <= set(numbers):
            numbers.pop(one.about)  # what it says, the other column says
        found.append(one)
    pairs = _pairs(look, numbers, rng)
    derived = {p.about for p in pairs}
    wider = _threes(look, {n: x for n, x in numbers.items()}, derived, rng) if len(numbers) <= MOST_OF_THREE else []
    derived |= {p.about for p in wider}
    totals = _totals(look, {n: x for n, x in numbers.items() if n not in derived})
    return [*found, *pairs, *wider, *totals, *_spans(look)]


# ── one column and another ──────────────────────────────────────────────────────────────────────────────────────────


def _equal(look: Look) -> list[Candidate]:
    """Columns of like kinds that are the same in each row."""
    found, gone = [], set()
    kinds = {"integer": "number", "date": "moment", "datetime": "moment"}
    for a, b in combinations(look.columns, 2):
        same = kinds.get(a.kind, a.kind) == kinds.get(b.kind, b.kind)
        if not same or b.name in gone or a.name in gone or a.kind not in _EQUAL:
            continue
        if a.kind == "category":
            (x, first), (y, second) = look.cells.labels(a.name), look.cells.labels(b.name)
            where = {text: k for k, text in enumerate(first)}
            y = np.array([*(where.get(text, -2) for text in second), -1])[y]
            known = (x >= 0) & (y >= 0)
            wrong = known & (x != y)
        else:
            u, v = look.cells.numbers(a.name), look.cells.numbers(b.name)
            known = ~(np.isnan(u) | np.isnan(v))
            wrong = known & (u != v)
            x = y = np.unique(u[known], return_inverse=True)[1] if known.any() else np.zeros(0, int)
        rows = int(known.sum())
        if rows < LEAST or wrong.sum() > look.slack * rows:
            continue
        q = np.bincount(x[x >= 0] if a.kind != "category" else x[known], minlength=1) / max(rows, 1)
        if look.enough(int(wrong.sum()), rows, 1 - float((q**2).sum()), len(look.columns) ** 2):
            found.append(Candidate(f"{quoted(b.name)} = {quoted(a.name)}", "identity", (b.name, a.name), b.name))
            gone.add(b.name)
    return found


def _lines(look: Look, numbers: dict[str, np.ndarray]) -> list[Candidate]:
    """Numbers that are a multiple of another, plus a constant."""
    found, names, gone = [], list(numbers), set()
    for a, b in combinations(names, 2):
        for x_name, y_name in ((a, b), (b, a)):
            if {a, b} & gone:
                break
            x, y = numbers[x_name], numbers[y_name]
            both = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
            if len(both) < LEAST:
                break
            few = both[:: max(1, len(both) // 2_000)]
            u, v = x[few], y[few]
            if np.ptp(u) == 0 or np.ptp(v) == 0 or abs(np.corrcoef(u, v)[0, 1]) < 0.9999 or len(np.unique(v)) < VALUES:
                break
            slope = float(((u - u.mean()) * (v - v.mean())).sum() / ((u - u.mean()) ** 2).sum())
            text = _line(x, y, slope, float(v.mean() - slope * u.mean()), look.unit(y_name), look.slack)
            if text and (slope != 1 or "+" in text or "-" in text):
                found.append(Candidate(f"{quoted(y_name)} = {text.format(quoted(x_name))}", "identity", (y_name, x_name), y_name))
                gone.add(y_name)
                break
    return found


def _line(x: np.ndarray, y: np.ndarray, slope: float, rest: float, unit: float, slack: float) -> str:
    """The line with the fewest digits that holds, as a text with a place for the column; "" if there is none."""
    for digits in (1, 2, 3, 4, 6, 9, 12):
        a, b = float(f"{slope:.{digits}g}"), float(f"{rest:.{digits}g}")
        for c in (0.0, b):
            if (~close(a * x + c, y, unit)).mean() <= slack:
                head = "{}" if a == 1 else f"{a:.12g} * {{}}"
                return head if not c else f"{head} {'+' if c > 0 else '-'} {abs(c):.12g}"
    return ""


# ── two columns and another ─────────────────────────────────────────────────────────────────────────────────────────


def _probe(y: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Rows in which `y` is known, and is not the value that most rows have."""
    known = np.flatnonzero(~np.isnan(y))
    values, counts = np.unique(y[known], return_counts=True)
    telling = known[y[known] != values[counts.argmax()]]
    chosen = telling if len(telling) >= LEAST else known
    return rng.permutation(chosen)[:rows]


def _pairs(look: Look, numbers: dict[str, np.ndarray], rng: np.random.Generator) -> list[Candidate]:
    """Sums, differences, products and ratios of two columns."""
    names, order = list(numbers), ("sum", "product", "difference", "ratio")
    if len(names) < 3:
        return []
    x = np.stack([numbers[n] for n in names])
    found: dict[tuple[str, frozenset[str]], Candidate] = {}
    for form in order:
        text, function = _FORMS[form]
        family = "adds" if form in ("sum", "difference") else "times"
        for t, target in enumerate(names):
            few = x[:, _probe(x[t], PROBE, rng)]
            with np.errstate(all="ignore"):
                made = function(few[:, None], few[None])
            fits = close(made, few[t], look.unit(target)).mean(axis=2) >= 1 - 2 * look.slack
            fits &= (~np.isnan(made)).mean(axis=2) > 0.2
            for p, q in np.argwhere(fits).tolist():
                key = (family, frozenset((names[p], names[q], target)))
                if t in (p, q) or p == q or key in found or (p > q and form in ("sum", "product")):
                    continue
                with np.errstate(all="ignore"):
                    full = function(x[p], x[q])
                if _says(look, numbers[target], full, (x[p], x[q]), target, rng):
                    whole = f"{quoted(target)} = {text.format(quoted(names[p]), quoted(names[q]))}"
                    found[key] = Candidate(whole, "identity", (target, names[p], names[q]), target)
    return list(found.values())


def _says(
    look: Look, y: np.ndarray, made: np.ndarray, parts: tuple[np.ndarray, ...], target: str, rng: np.random.Generator, least: int = LEAST
) -> bool:
    """Whether an identity holds, and in enough rows where it says more than that one column equals another, beyond chance."""
    unit = look.unit(target)
    made = np.where(np.isfinite(made), made, np.nan)
    known = ~(np.isnan(y) | np.isnan(made))
    wrong = known & ~close(made, y, unit)
    if not known.any() or wrong.sum() > look.slack * known.sum():
        return False
    values, counts = np.unique(y[known], return_counts=True)
    telling = known & (y != values[counts.argmax()])
    for part in parts:
        telling &= ~close(part, y, unit) & (part != 0)
    rows = np.flatnonzero(telling)
    if len(rows) < least or len(np.unique(y[rows])) < VALUES:
        return False
    chance = float(np.mean([close(made[rows], y[rng.permutation(rows)], unit).mean() for _ in range(3)]))
    return look.enough(int(wrong[rows].sum()), len(rows), 1 - chance, len(look.numbers) ** 3)


def _threes(look: Look, numbers: dict[str, np.ndarray], derived: set[str], rng: np.random.Generator) -> list[Candidate]:
    """A column, or the product of two, with a third: less a discount, plus a tax, times, plus, minus."""
    names = list(numbers)
    if len(names) < 2:
        return []
    x, k = np.stack([numbers[n] for n in names]), len(names)
    products = [(p,) for p in range(k)] + [*combinations(range(k), 2)]
    found: dict[frozenset[str], Candidate] = {}
    for t, target in enumerate(names):
        if target in derived:
            continue
        few = x[:, _probe(x[t], FEW, rng)]
        made = np.stack([np.prod(few[list(of)], axis=0) for of in products])
        for text, function in _THIRD:
            whole = function(made[:, None], few[None])
            fits = close(whole, few[t], look.unit(target)).mean(axis=2) >= 1 - 2 * look.slack
            fits &= (~np.isnan(whole)).mean(axis=2) > 0.5
            for m, c in np.argwhere(fits).tolist():
                of = products[m]
                key = frozenset((target, names[c], *(names[p] for p in of)))
                plain = len(of) == 1 and "(1" not in text  # a pair, which was tried before
                if plain or t in (*of, c) or c in of or key in found:
                    continue
                full = function(np.prod(x[list(of)], axis=0), x[c])
                if _says(look, x[t], full, (*(x[p] for p in of), np.prod(x[list(of)], axis=0)), target, rng) and _varies(x[c]):
                    said = text.format(" * ".join(quoted(names[p]) for p in of), quoted(names[c]))
                    columns = (target, *(names[p] for p in of), names[c])
                    found[key] = Candidate(f"{quoted(target)} = {said}", "identity", columns, target)
    return list(found.values())


def _varies(x: np.ndarray) -> bool:
    return len(np.unique(x[~np.isnan(x)])) > 1


# ── many columns and their total ────────────────────────────────────────────────────────────────────────────────────


def _totals(look: Look, numbers: dict[str, np.ndarray]) -> list[Candidate]:
    """Sums of three and more columns, some of them taken away, by directions in which the columns do not vary."""
    names = [n for n, x in numbers.items() if np.isnan(x).mean() < 0.5]
    if len(names) < 4:
        return []
    x = np.stack([numbers[n] for n in names])
    rows = np.flatnonzero(~np.isnan(x).any(axis=0))
    if len(rows) < 10 * LEAST:
        return []
    rows = rows[:: max(1, len(rows) // 5_000)]
    z = x[:, rows] - x[:, rows].mean(axis=1, keepdims=True)
    z /= np.maximum(z.std(axis=1, keepdims=True), 1e-300)
    size, direction = np.linalg.eigh(z @ z.T / len(rows))
    involved = np.flatnonzero((np.abs(direction[:, size < FLAT]) > 1e-3).any(axis=1)) if (size < FLAT).any() else []
    found: dict[frozenset[str], Candidate] = {}
    left = list(involved)
    for t in sorted(involved, key=lambda i: -float(np.abs(x[i, rows]).mean())):  # a total is the largest of its parts, mostly
        if t not in left or len(left) < 4:
            continue
        others = [i for i in left if i != t]
        one = _total(look, x, rows, t, others, names)
        if one is not None and frozenset(one.columns) not in found:
            found[frozenset(one.columns)] = one
            left.remove(t)
    return list(found.values())


def _total(look: Look, x: np.ndarray, rows: np.ndarray, t: int, others: list[int], names: list[str]) -> Candidate | None:
    """The target as a sum of others, each once, some of them taken away."""
    a = np.vstack([x[others][:, rows], np.ones(len(rows))]).T
    scale = np.maximum(np.abs(a).max(axis=0), 1e-300)
    factor = np.linalg.lstsq(a / scale, x[t, rows], rcond=1e-9)[0] / scale
    sign = np.rint(factor[:-1])
    used = [i for i, s in zip(range(len(others)), sign, strict=True) if abs(s) == 1 and abs(factor[i] - s) < 0.05]
    if len(used) < 3:
        return None
    made = sum(sign[i] * x[others[i]] for i in used)
    known = ~(np.isnan(made) | np.isnan(x[t]))
    wrong = known & ~close(made, x[t], look.unit(names[t]))
    if wrong.sum() > look.slack * known.sum() or any((x[others[i]][known] != 0).sum() < LEAST for i in used):
        return None
    plus = [names[others[i]] for i in used if sign[i] > 0]
    minus = [names[others[i]] for i in used if sign[i] < 0]
    if not plus or len(minus) > len(plus):
        return None
    said = " + ".join(map(quoted, plus)) + "".join(f" - {quoted(n)}" for n in minus)
    return Candidate(f"{quoted(names[t])} = {said}", "identity", (names[t], *plus, *minus), names[t])


# ── differences of moments ──────────────────────────────────────────────────────────────────────────────────────────


def _spans(look: Look) -> Iterator[Candidate]:
    """Numbers and durations that are the difference of two moments."""
    moments = [c for c in look.columns if c.kind in ("date", "datetime")]
    targets = [c for c in look.columns if c.kind == "duration" or c.name in look.numbers]
    for a, b in combinations(moments, 2):
        for low, high in ((a, b), (b, a)):
            gap = look.cells.numbers(high.name) - look.cells.numbers(low.name)
            dates = a.kind == b.kind == "date"
            for c in targets:
                y = look.cells.numbers(c.name)
                units = {"": 1.0} if c.kind == "duration" else {"days": UNITS["days"]} if dates else UNITS
                for unit, size in units.items():
                    made, allowed = gap / size, 0.5 if c.kind == "duration" else look.unit(c.name)
                    known = ~(np.isnan(made) | np.isnan(y))
                    if known.sum() < LEAST or len(np.unique(y[known][:2_000])) < VALUES:
                        continue
                    wrong = int((known & ~close(made, y, allowed)).sum())
                    if wrong <= look.slack * known.sum():
                        said = f"{quoted(high.name)} - {quoted(low.name)}"
                        said = said if dates or not unit else f"{unit}({said})"
                        yield Candidate(f"{quoted(c.name)} = {said}", "identity", (c.name, high.name, low.name), c.name)
