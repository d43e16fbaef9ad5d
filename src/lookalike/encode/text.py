"""Free text: a chain of words over the words and word pairs that enough subjects use; similar in look and length, never a copy.

A step looks two words back, and after WINDOW such steps only one, to a word that is not known to follow those two: runs that follow one
source are short. Every step is one that at least `protect` subjects have written, or else any word; a word of few is spelled anew
(`_spell`). What is left of whole sentences that the steps could still give is found once, in `freeze`, and made impossible, so that no
sentence of SENTENCE words or more is copied. Digits are drawn anew, after as many zeros as such numbers begin with. A text ends at a word
that ends texts, within PATIENCE words of its drawn length.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.encode import _arrow, _fresh, _people, _spell, _steps
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.data.holders import Holders

KINDS = frozenset({"text"})
SAMPLE = 8_192
"""Distinct texts learnt from, those with the smallest hashes."""
LONGEST = 2_000
"""Characters of a text that are read."""
WORDS = 400
"""Words that are made at most."""
WINDOW = 2
"""Steps that look two words back before one that looks only one back."""
PATIENCE = 4
SENTENCE = 6
"""Words from which a sentence is never copied."""
TRIES = 12
"""Draws of a word that breaks a run; where none will do, the text ends."""
FILLER = "text"
_WORD = re.compile(r"\s*(?:\d+|[^\W\d]+(?:['’][^\W\d]+)*|[^\w\s])")
_START, _END = 0, 1

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "texts": {text: [rows, weight]}} of the SAMPLE distinct texts with the smallest hashes."""
    one = _arrow.whole(values)
    coded = pc.utf8_slice_codeunits(one.drop_null(), 0, LONGEST).dictionary_encode()
    held = None if subjects is None else subjects[one.is_valid().to_numpy(zero_copy_only=False)]
    rows, _, weight = _people.count(coded.indices.to_numpy(zero_copy_only=False), len(coded.dictionary), held)
    found = zip(coded.dictionary.to_pylist(), rows.tolist(), weight.tolist(), strict=True)
    return _arrow.count_missing(values) | {"texts": _sampled({t: [r, w] for t, r, w in found})}


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    texts = {t: list(n) for t, n in a["texts"].items()}
    for t, (rows, weight) in b["texts"].items():
        old = texts.get(t, [0, 0])
        texts[t] = [old[0] + rows, old[1] + weight]
    return _arrow.add_counts(a, b) | {"texts": _sampled(texts)}


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """{"words", "lengths": quantiles in words, "one" and "two": steps, "ends", "never": steps not to take, "zeros": {word: shares}};
    `cells` is not used."""
    split = {text: _WORD.findall(" " + text) for text in stats["texts"]}  # a first word is as any other
    counts = stats["texts"]
    weight: dict[str, int] = defaultdict(int)
    for text, words in split.items():
        for word in {_shade(w) for w in words}:
            weight[word] += counts[text][1]
    least = protect * _people.UNIT
    known = {w for w, n in weight.items() if n >= least}
    spelled = _stand_ins(split, counts, known, least)
    words = ["", "", *sorted(known | set(spelled.values()))]
    number = {w: i for i, w in enumerate(words) if i > _END}
    coded = {t: [number.get(_shade(w), -1) for w in ws] for t, ws in split.items()}
    told = {t: [number.get(spelled.get(s, s), -1) for s in map(_shade, ws)] for t, ws in split.items()}
    kept = {t: [w for w in ws if w >= 0] for t, ws in told.items()}
    lengths = np.sort(np.repeat([len(k) for k in kept.values()], [min(counts[t][0], 1_000) for t in kept])) if kept else np.zeros(1)
    book: Book = {"words": words, "lengths": _spread(lengths, protect), **_chain(kept, counts, least)}
    book["never"] = _never(coded.values(), words, book)
    book["spelling"] = _spell.learn(split, counts, least) if spelled else {}
    book["zeros"] = _zeros(split, counts, known, least)
    some = stats["rows"] > stats["missing"]
    return book | {"parts": [_arrow.part(2 if some else 1)], "protected": {"words": len(weight) - len(known)}}


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [1, n]: 0 missing, 1 there."""
    return np.minimum(_arrow.presence(values), book["parts"][0]["size"] - 1)


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """Texts made anew, string [n], a function of `inside` and the row number; null where the code is 0."""
    there = np.flatnonzero(codes[0] > 0)
    lot = np.ascontiguousarray(inside, np.float64)[there].view(np.uint64) ^ _fresh.mix(there + start)
    made = _write(_walk(lot, book), lot, book)
    place = np.full(codes.shape[1], -1)
    place[there] = np.arange(len(there))
    return made.take(pa.array(place, mask=place < 0))


def locate(values: pa.ChunkedArray | pa.Array, book: Book, column: Column, *, codes: np.ndarray | None = None) -> np.ndarray:
    """float64 [n]: 0.5, texts are not placed."""
    return np.full(len(values), 0.5)


def _sampled(texts: dict[str, list[int]]) -> dict[str, list[int]]:
    """The SAMPLE texts with the smallest hashes: a union's are among those of its parts."""
    if len(texts) <= SAMPLE:
        return texts
    names = list(texts)
    hashes = pd.util.hash_array(np.array(names, object), categorize=False)
    return {names[i]: texts[names[i]] for i in np.argsort(hashes, kind="stable")[:SAMPLE]}


def _stand_ins(split: dict[str, list[str]], counts: dict[str, list[int]], known: set[str], least: int) -> dict[str, str]:
    """What stands for each word of few: as many subjects have some such word as a word needs to be known."""
    weight: dict[str, int] = defaultdict(int)
    found: dict[str, str] = {}
    for text, words in split.items():
        mine = {s: _spell.token(s) for s in map(_shade, words) if s not in known}
        found |= {s: t for s, t in mine.items() if t is not None}
        for t in set(mine.values()) - {None}:
            weight[t] += counts[text][1]
    return {s: t for s, t in found.items() if weight[t] >= least}


def _shade(word: str) -> str:
    """A word as it is told: white space made plain, each digit a 0."""
    bare = word.lstrip()
    glue = "" if bare == word else "\n" if "\n" in word[: len(word) - len(bare)] else " "
    return glue + ("0" * len(bare) if bare.isdigit() else bare)


def _zeros(split: dict[str, list[str]], counts: dict[str, list[int]], known: set[str], least: int) -> dict[str, list[float]]:
    """Of numbers of each known width that some begin with zeros (postcodes, 09 hours) the share with one zero or more, two or more, …

    Zeros of too few subjects are not told, nor that all but too few have them.
    """
    rows: dict[tuple[str, int], int] = defaultdict(int)
    weight: dict[tuple[str, int], int] = defaultdict(int)
    for text, words in split.items():
        here = [(s, w.lstrip()) for w in words if (s := _shade(w)) in known and w.lstrip().isdigit()]
        led = [(s, k) for s, bare in here for k in range(len(bare) - len(bare.lstrip("0")) + 1)]
        for of in led:
            rows[of] += counts[text][0]
        for of in set(led):
            weight[of] += counts[text][1]
    found: dict[str, list[float]] = defaultdict(list)
    for (word, zeros), heavy in sorted(weight.items()):
        if zeros and heavy >= least:
            few = weight[word, 0] - heavy < least
            found[word].append(1.0 if few else round(rows[word, zeros] / rows[word, 0], 4))
    return dict(found)


def _spread(lengths: np.ndarray, protect: int) -> list[float]:
    """Quantiles of the lengths; the longest is the mean of the `protect` longest."""
    if not len(lengths):
        return [0.0, 0.0]
    top = float(lengths[-protect:].mean())
    return np.minimum(np.quantile(lengths, np.linspace(0, 1, 33)), top).round(2).tolist()


def _chain(kept: dict[str, list[int]], counts: dict[str, list[int]], least: int) -> dict[str, Any]:
    """Steps from one word ("one") and from two ("two") to the next, those of at least `protect` subjects, and words that end a text.

    Words are numbers; steps from _END are to any word, by frequency.
    """
    found: dict[tuple[int, ...], list[int]] = defaultdict(lambda: [0, 0])
    common: dict[tuple[int, ...], list[int]] = defaultdict(lambda: [0, 0])
    for text, words in kept.items():
        rows, weight = counts[text]
        path = [_START, _START, *words, _END]
        for step in {*pairwise(path[1:]), *zip(path, path[1:], path[2:], strict=False)}:
            found[step][0] += rows
            found[step][1] += weight
        for word in words:
            common[_END, word][0] += rows
    held = {step: n for step, n in found.items() if n[1] >= least}
    one = {s: n for s, n in held.items() if len(s) == 2 and s[-1] != _END} | common
    two = {s: n for s, n in held.items() if len(s) == 3 and s[-1] != _END}
    return {"one": _steps.table(one), "two": _steps.table(two), "ends": sorted(s[0] for s in held if len(s) == 2 and s[-1] == _END)}


def _never(texts: Iterable[list[int]], words: list[str], book: Book) -> list[list[int]]:
    """Steps [from, to] that may not break a run, so that no sentence of a source comes out whole, whichever words before it began with.

    A sentence of known words is followed through the chain in each of the places that breaks could have; where nothing stands in its way,
    its first break is forbidden.
    """
    nexts: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for table in (book["one"], book["two"]):
        for context, low, high in zip(table["from"], table["first"], table["first"][1:], strict=False):
            nexts[tuple(context)].update(table["to"][low:high])
    never: set[tuple[int, int]] = set()

    def possible(before: int, last: int, word: int, breaks: bool) -> bool:
        pair = nexts.get((before, last))
        if breaks:
            return (pair is None or word not in pair) and (last, word) not in never
        known = pair or nexts.get((last,))
        return known is None or word in known

    for path in {tuple(s) for text in texts for s in _sentences(text, words)}:
        for turn in range(WINDOW + 1):
            at = [p for p in range(2, len(path)) if p % (WINDOW + 1) == turn]
            if all(possible(*path[p - 2 : p + 1], p in at) for p in range(2, len(path))):
                never.add((path[at[0] - 1], path[at[0]]))
    return sorted(map(list, never))


def _sentences(text: list[int], words: list[str]) -> Iterator[list[int]]:
    """Sentences of SENTENCE words or more, all of them known (not -1), as word numbers with their marks."""
    sentence: list[int] = []
    for number in [*text, _END]:
        new = number == _END or (number > _END and words[number].startswith("\n"))
        if new or (sentence and sentence[-1] > _END and words[sentence[-1]].strip() in {".", "!", "?"}):
            if -1 not in sentence and sum(words[w].strip()[:1].isalnum() for w in sentence) >= SENTENCE:
                yield sentence
            sentence = []
        sentence.append(number)


def _walk(lot: np.ndarray, book: Book) -> np.ndarray:
    """int32 [n, longest]: word numbers of each text, _END after its end."""
    size = len(book["words"])
    most = np.interp(_steps.uniform(lot, 0), np.linspace(0, 1, len(book["lengths"])), book["lengths"])
    most = np.clip(np.rint(most), 0, WORDS).astype(np.int64)
    out = np.full((len(lot), int(most.max(initial=0)) + PATIENCE), _END, np.int32)
    one, two = (_steps.keyed(book[name], size) for name in ("one", "two"))
    ends, fresh = np.isin(np.arange(size), book["ends"]), np.array([_spell.MARK in word for word in book["words"]])
    never = np.array([a * size + b for a, b in book["never"]], np.int64) if "never" in book else None  # models of 0.1 have none
    live = np.flatnonzero(most > 0) if size > _END + 1 else np.zeros(0, np.int64)
    last, before = np.full((2, len(lot)), _START)
    for step in range(out.shape[1]):
        if not len(live):
            break
        u = _steps.uniform(lot[live], step + 1)
        found = _steps.step(one, last[live], u)
        pairs = before[live] * size + last[live]
        if step % (WINDOW + 1) < WINDOW:
            pair = _steps.step(two, pairs, u)
            found = np.where(pair >= 0, pair, found)
        for context in (np.where(ends[last[live]], _START, _END), np.full(len(live), _END)):
            found = np.where(found >= 0, found, _steps.step(one, context, u))  # a new sentence, or any word
        if never is not None and step % (WINDOW + 1) == WINDOW:
            here = (pairs, last[live])
            barred = partial(_barred, here=here, two=two, never=never, fresh=fresh)
            found = _broken(found, here[1], lot[live], one=one, step=step, barred=barred)
            live, found = live[found >= 0], found[found >= 0]
        before[live], last[live], out[live, step] = last[live], found, found
        left = most[live] - (step + 1)
        early = np.minimum(PATIENCE, most[live] // PATIENCE)  # a short text does not end long before its time
        live = live[(left > early) | ((left > -PATIENCE) & ~ends[found])]
    return out


def _barred(
    at: np.ndarray,
    word: np.ndarray,
    *,
    here: tuple[np.ndarray, np.ndarray],
    two: dict[str, np.ndarray],
    never: np.ndarray,
    fresh: np.ndarray,
) -> np.ndarray:
    """bool: words that may not break the runs of rows `at`; here: the last two words of each row as one number, and the last.

    fresh: bool, of each word, whether it is spelled anew: it breaks any run.
    """
    pairs, last = here
    return (_steps.holds(two, pairs[at], word) | np.isin(last[at] * len(fresh) + word, never)) & ~fresh[word]


def _broken(
    found: np.ndarray,
    last: np.ndarray,
    lot: np.ndarray,
    *,
    one: dict[str, np.ndarray],
    step: int,
    barred: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """int64 [n]: `found`, drawn again where it may not stand, at first as a word that follows the last, then as any; -1 if none will do."""
    rows = np.arange(len(found))
    found = found.copy()
    for turn in range(TRIES + 1):
        rows = rows[barred(rows, found[rows])]
        if not len(rows) or turn == TRIES:
            break
        u = _steps.uniform(lot[rows], WORDS * (turn + 2) + step)
        word = _steps.step(one, last[rows] if turn < TRIES // 2 else np.full(len(rows), _END), u)
        found[rows] = np.where(word >= 0, word, _steps.step(one, np.full(len(rows), _END), u))
    found[rows] = -1
    return found


def _write(paths: np.ndarray, lot: np.ndarray, book: Book) -> pa.Array:
    """Texts of word numbers; digits drawn anew, words of few spelled anew; the filler where there is no word."""
    words = book["words"]
    lengths = (paths > _END).sum(axis=1)
    flat = paths[paths > _END]
    pieces = pa.array(words, pa.string()).take(pa.array(flat))
    digits = np.array([w.strip("0") in ("", " ", "\n") and w != "" and "0" in w for w in words])
    spelled = np.array([_spell.MARK in w for w in words])
    where = np.flatnonzero((digits | spelled)[flat])
    if len(where):
        rows = np.repeat(np.arange(len(lot)), lengths)[where]
        place = where - (np.cumsum(lengths) - lengths)[rows]
        drawn = _fresh.mix(lot[rows] ^ _fresh.mix(place + WORDS))
        letters = spelled[flat[where]]
        new = np.empty(len(where), object)
        if letters.any():
            new[letters] = _spelled([words[w] for w in flat[where[letters]]], drawn[letters], book)
        zeros = book.get("zeros", {})  # models of 0.1 have none
        numbers = zip([words[w] for w in flat[where[~letters]]], drawn[~letters].tolist(), strict=True)
        new[~letters] = [_number(word, lot, zeros.get(word, ())) for word, lot in numbers]
        mask = np.zeros(len(flat), bool)
        mask[where] = True
        pieces = pc.replace_with_mask(pieces, pa.array(mask), pa.array(new, pa.string()))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    joined = pc.utf8_ltrim_whitespace(pc.binary_join(pa.ListArray.from_arrays(offsets, pieces), ""))
    return pc.if_else(pc.equal(pc.utf8_length(joined), 0), FILLER, joined)


def _spelled(tokens: list[str], lot: np.ndarray, book: Book) -> list[str]:
    """A word for each token, with the white space before it."""
    made = _spell.spell(lot, book["spelling"])
    return [t.split(_spell.MARK)[0] + _spell.written(w, t[-1]) for t, w in zip(tokens, made, strict=True)]


def _number(pattern: str, drawn: int, zeros: Sequence[float]) -> str:
    """`pattern` with its zeros made digits of `drawn`; zeros: shares of such numbers that begin with one zero or more, two or more, …"""
    width = pattern.count("0")
    lot = (drawn >> 11) / 2**53
    led = sum(lot < share for share in zeros)
    rest = str(drawn % 9 + 1) + (str(drawn)[::-1] * (width // 10 + 1))[: width - led - 1] if led < width else ""
    return pattern[: len(pattern) - width] + "0" * led + rest
