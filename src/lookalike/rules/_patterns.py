"""Patterns of cells, found: what is missing together or where a level says so, numbers that go in steps, texts of one format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations

import numpy as np

from lookalike.rules.language import decimals, level, quoted
from lookalike.rules.look import SURE, Candidate, Look

MOST_DECIDING = 50
"""Levels of a column, at most, whose say in what is missing is looked at."""
FORMATTED = 30
"""Distinct texts, at least, of a column whose format is told."""
MOST_LISTED = 12
"""Levels that a rule names at most."""


def absences(look: Look) -> list[Candidate]:
    """Columns that are missing together; a column that is missing where another is; columns of which one is missing."""
    gone = {c.name: look.cells.missing(c.name) for c in look.columns if c.kind not in ("empty", "constant", "key")}
    gone = {n: m for n, m in gone.items() if 0 < m.sum() < len(m) and look.people(m) >= look.protect and (~m).sum() >= look.protect}
    groups: dict[bytes, list[str]] = {}
    for name, mask in gone.items():
        groups.setdefault(np.packbits(mask).tobytes(), []).append(name)
    found = []
    for names in groups.values():
        share = gone[names[0]].mean()
        if len(names) > 1 and look.enough(0, look.rows, 2 * share * (1 - share), len(gone) ** 2):
            found.append(Candidate(f"together_missing({', '.join(map(quoted, names))})", "missing", tuple(names), names[0]))
    heads = [names[0] for names in groups.values()]
    return [*found, *_clauses(look, {n: gone[n] for n in heads})]


def _clauses(look: Look, gone: dict[str, np.ndarray]) -> Iterator[Candidate]:
    """What one column's being missing says of another's."""
    tried = 3 * len(gone) ** 2
    implies = set()
    for a, b in permutations(gone, 2):
        if not (gone[a] & ~gone[b]).any() and look.enough(0, int(gone[a].sum()), 1 - gone[b].mean(), tried):
            implies.add((a, b))
    for a, b in sorted(implies):
        if not any((a, c) in implies and (c, b) in implies for c in gone):
            yield Candidate(f"if {quoted(a)} is missing then {quoted(b)} is missing", "missing", (a, b), b)
    names = list(gone)
    for k, a in enumerate(names):
        for b in names[k + 1 :]:
            never_known = not (~gone[a] & ~gone[b]).any() and look.enough(0, look.rows, (1 - gone[a].mean()) * (1 - gone[b].mean()), tried)
            never_gone = not (gone[a] & gone[b]).any() and look.enough(0, look.rows, gone[a].mean() * gone[b].mean(), tried)
            for true, word in ((never_known, "missing"), (never_gone, "known")):
                if true:
                    yield Candidate(f"{quoted(a)} is {word} or {quoted(b)} is {word}", "missing", (a, b), b)


def decided(look: Look, heads: list[str]) -> list[Candidate]:
    """`if x in (…) then y is missing`, or known: levels that say whether another column is missing. What covers fewer rows is left out."""
    deciding = {n: v for n, v in look.levels.items() if len(v[1]) <= MOST_DECIDING}
    told = {n: [k for k in range(len(texts)) if look.people(codes == k) >= look.protect] for n, (codes, texts) in deciding.items()}
    tried, found = len(deciding) * len(heads) * 10, list[Candidate]()
    for y in heads:
        gone = look.cells.missing(y)
        for word, wrong in (("missing", ~gone), ("known", gone)):
            made: list[tuple[np.ndarray, str, list[int]]] = []
            for x, (codes, texts) in deciding.items():
                known = codes >= 0
                if x == y or not wrong[known].any():  # that x is known says it all
                    continue
                rows = np.bincount(codes[known], minlength=len(texts))
                broken = np.bincount(codes[known & wrong], minlength=len(texts))
                chance = float(wrong[known].mean())  # where x is known: columns are often measured together
                sure = [k for k in told[x] if not broken[k] and look.enough(0, int(rows[k]), chance, tried)]
                if 0 < len(sure) <= MOST_LISTED:
                    made.append((np.isin(codes, sure), x, sure))
            made.sort(key=lambda m: (-int(m[0].sum()), len(deciding[m[1]][1])))
            for at, (where, x, sure) in enumerate(made):
                if not any(not (where & ~other).any() for other, _, _ in made[:at]):
                    texts = [deciding[x][1][k] for k in sure]
                    found.append(Candidate(_if(look, x, texts, f"{quoted(y)} is {word}"), "if-then", (x, y), y))
    return found


def _if(look: Look, name: str, texts: list[str], then: str) -> str:
    """An if-then whose condition is that a column has one of some levels."""
    shown = [t if look.named[name].kind in ("integer", "number", "boolean") else level(t) for t in texts]
    given = f"{quoted(name)} = {shown[0]}" if len(shown) == 1 else f"{quoted(name)} in ({', '.join(shown)})"
    return f"if {given} then {then}"


def steps(look: Look) -> Iterator[Candidate]:
    """Numbers that are whole multiples of more than their last digit."""
    for name, x in look.numbers.items():
        digits = decimals(look.named[name])
        values = np.unique(x[~np.isnan(x)])
        if digits is None or len(values) < 3 or np.abs(values).max() * 10.0**digits > 2**52:
            continue
        whole = np.rint(values * 10**digits).astype(np.int64)
        for offset in (0, int(whole[np.abs(whole).argmin()])):
            size = int(np.gcd.reduce(np.abs(whole - offset)))
            if size > 1 and (len(values) - 1) * np.log(size) > SURE + np.log(len(look.numbers)):
                if _nearly_coarser(x, size, offset, digits):
                    break
                made = f"{offset % size / 10**digits:.12g}"
                rest = "" if made == "0" else f", {made}"
                yield Candidate(f"step({quoted(name)}, {size / 10**digits:.12g}{rest})", "step", (name,), name)
                break


def _nearly_coarser(x: np.ndarray, size: int, offset: int, digits: int) -> bool:
    """Whether almost all rows go in greater steps, so that the step is an accident of a few odd values."""
    times = (np.rint(x[~np.isnan(x)] * 10**digits).astype(np.int64) - offset) // size
    return any((times % more == 0).mean() > 0.99 for more in (2, 3, 5))


def formats(look: Look) -> Iterator[Candidate]:
    """Texts that all have one format: digits, capitals and small letters in runs, with signs between them."""
    for c in look.columns:
        if c.kind not in ("category", "text"):
            continue
        codes, texts = look.cells.labels(c.name)
        used = [texts[k] for k in np.unique(codes[codes >= 0]).tolist()]
        if len(used) < FORMATTED:
            continue
        first = _format(used[0])
        if not re.search(r"\[0-9\]|\[A-Z\]\{", first) or len(used[0]) < 2:
            continue
        if all(_format(t) == first for t in used):
            said = first.replace('"', r"\"")  # patterns are written raw: nothing else is escaped
            yield Candidate(f'{quoted(c.name)} ~ "{said}"', "format", (c.name,), c.name)


def _format(text: str) -> str:
    """A regular expression of the runs in a text."""
    made = []
    for run in re.finditer(r"[0-9]+|[A-Z]+|[a-z]+|.", text, re.DOTALL):
        piece = run[0]
        letters = next((c for c in ("[0-9]", "[A-Z]", "[a-z]") if re.match(c, piece)), "")
        if not letters:
            made.append("\\" + piece if piece in ".^$*+?{}[]()|\\" else piece)
        else:
            made.append(letters + (f"{{{len(piece)}}}" if len(piece) > 1 else ""))
    return "".join(made)
