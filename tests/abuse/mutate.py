"""How inputs are spoilt: bytes flipped, cut, doubled, joined; values of JSON replaced by hurtful ones; arrays given odd numbers."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import zipfile
from typing import Any

from fuzz_targets import packed, unpacked

HURTFUL: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 255, 256, 65_535, 65_536, 2**31, -(2**31), 2**53, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e-320,
    1e308, -1e308, "", " ", ".", "..", "/", "../../x", "*", "a", "A" * 300, "\0", "\ud800", "\U0001f600", "\u202e", "%d%s", "{}", "1e999",
    "nan", "-inf", "null", "2024-02-30", "9999-12-31", "0001-01-01", "(a+)+$", "[", "\\", '"', "`", [], {}, [[]], [None], {"": None},
    [1, [2, [3, [4]]]], {"low": 1}, {"low": 2, "high": 1}, {"missing": True}, [["f"], 0.5], list(range(50)),
)  # fmt: skip
"""Values that programs forget."""
TOKENS = (
    b"", b'"', b'""', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"{",
    b"}", b"[", b"]", b"(", b")", b":", b"NaN", b"Infinity", b"1e999", b"-", b"0", b"9" * 30, b"9" * 5000, b"null", b"true", b"&a", b"*a",
    b"!!python/x", b"not ", b"if ", b" then ", b" in ", b"~", b"is ", b"`", b"..", b"%", b"\\u0000", b"\\ud800", b"# ", b"- ", b"? ", b"| ",
    b"\xc3", b"\xe2\x80\xae",
)  # fmt: skip


def mutated(rng: random.Random, kind: str, seeds: list[bytes]) -> bytes:
    """A new input made of `seeds`; those that are far longer than most are rare, as they take most of the time."""
    usual = 4 * sorted(map(len, seeds))[len(seeds) // 2]
    (data,) = rng.choices(seeds, [min(1.0, usual / max(1, len(seed))) for seed in seeds])
    if kind == "model":
        return _model(rng, data)
    if kind == "zip":
        return _zip(rng, data) if rng.random() < 0.8 else _spoilt(rng, data, seeds)
    if kind == "json" and rng.random() < 0.75:
        return _json(rng, data, seeds)
    if kind == "lines" and rng.random() < 0.6:
        lines = data.splitlines()
        at = rng.randrange(len(lines)) if lines else 0
        return b"\n".join(_json(rng, line, [line]) if k == at else line for k, line in enumerate(lines))
    return _spoilt(rng, data, seeds, tokens=kind in ("text", "json", "lines"))


def _spoilt(rng: random.Random, data: bytes, seeds: list[bytes], *, tokens: bool = False) -> bytes:
    """A few changes of bytes."""
    made = bytearray(data)
    for _ in range(1 + int(rng.expovariate(0.7))):
        at, way = rng.randrange(len(made) + 1), rng.randrange(8)
        if way == 0 and made:
            made[at % len(made)] = rng.randrange(256)
        elif way == 1 and made:
            made[at % len(made)] ^= 1 << rng.randrange(8)
        elif way == 2:
            del made[at : at + rng.choice((1, 2, 4, 64))]
        elif way == 3:
            made[at:at] = made[at : at + rng.choice((1, 8, 100))] * rng.choice((1, 2, 30))
        elif way == 4:
            made = made[:at] if rng.random() < 0.3 else made
        elif way == 5 and not tokens:
            made[at : at + 4] = struct.pack("<i", rng.choice((0, -1, 2**31 - 1, -(2**31), 255, rng.randrange(1000))))
        elif way == 6:
            other = rng.choice(seeds)
            begin = rng.randrange(len(other) + 1)
            made[at:at] = other[begin : begin + rng.choice((2, 20, 200))]
        else:
            made[at : at + rng.choice((0, 0, 1, 3))] = rng.choice(TOKENS) if tokens else rng.randbytes(rng.choice((1, 2, 4, 8)))
    return bytes(made[: 1 << 20])


def _json(rng: random.Random, data: bytes, seeds: list[bytes]) -> bytes:
    """A value, or several, replaced, removed, doubled or exchanged."""
    try:
        tree = json.loads(data)
        other = json.loads(rng.choice(seeds))
    except (RecursionError, ValueError):
        return _spoilt(rng, data, seeds, tokens=True)
    for _ in range(1 + int(rng.expovariate(0.8))):
        tree = _changed(rng, tree, other)
    if rng.random() < 0.01:
        tree = _deep(rng, tree)
    return json.dumps(tree, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")


def _changed(rng: random.Random, tree: Any, other: Any) -> Any:
    places = list(_places(tree))
    if not places:
        return copy.deepcopy(rng.choice(HURTFUL))
    holder, key = rng.choice(places)
    way = rng.random()
    if way < 0.5:
        holder[key] = _near(rng, holder[key]) if rng.random() < 0.4 else copy.deepcopy(rng.choice(HURTFUL))
    elif way < 0.65:
        del holder[key]
    elif way < 0.8:
        theirs = list(_places(other))
        if theirs:
            there, at = rng.choice(theirs)
            holder[key] = json.loads(json.dumps(there[at]))
    elif isinstance(holder, dict):
        value = holder.pop(key)
        holder[str(rng.choice(HURTFUL))[:50] if rng.random() < 0.5 else key + rng.choice(("x", " ", "\0", ""))] = value
    else:
        holder.insert(key, json.loads(json.dumps(holder[key])))
    return tree


def _near(rng: random.Random, value: Any) -> Any:
    """A value like the one that stood there."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return rng.choice((value + 1, value - 1, -value, value * 1000, 1e300, 0))
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        return value[:at] + rng.choice(("", "x", "é", " ", "\n", "%", value)) + value[at + rng.randrange(2) :]
    if isinstance(value, list):
        return rng.choice(([*value, *value], value[::-1], value[:1], [value], value * 20))
    return [value]


def _places(tree: Any) -> Any:
    """(holder, key) of every value below `tree`."""
    pending = [tree]
    while pending:
        at = pending.pop()
        for key, value in list(at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ()):
            yield at, key
            pending.append(value)


def _deep(rng: random.Random, tree: Any) -> Any:
    """Levels upon levels."""
    for _ in range(rng.choice((50, 300, 700))):
        tree = [tree] if rng.random() < 0.5 else {"a": tree}
    return tree


def _zip(rng: random.Random, data: bytes) -> bytes:
    """An entry changed, under a good checksum."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, _spoilt(rng, text, [text], tokens=True) if name == chosen else text)
    return out.getvalue()


def _model(rng: random.Random, data: bytes) -> bytes:
    """A model file with a value of its card or numbers of its arrays changed, and a good checksum; now and then its bytes."""
    if rng.random() < 0.05:
        return _spoilt(rng, data, [data])
    card, arrays = unpacked(data)
    if rng.random() < 0.6:
        card = _json(rng, card, [card])
    else:
        head = 8 + int.from_bytes(arrays[:8], "little")
        body = bytearray(arrays)
        for _ in range(1 + int(rng.expovariate(0.3))):
            if len(body) > head + 8:
                at = head + (rng.randrange(len(body) - head - 8) & ~3)
                size = rng.choice((1, 2, 4, 8))
                body[at : at + size] = rng.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" * 8, rng.randbytes(8)))[:size]
        if rng.random() < 0.1:
            text = bytes(body[8:head]).replace(rng.choice((b"I32", b"F32", b"U8", b"I64")), rng.choice((b"F32", b"I8", b"BF16", b"U64")), 1)
            body[8:head] = text[: head - 8].ljust(head - 8)
        arrays = bytes(body)
    try:
        told = json.loads(card)
        told["bytes"] = len(arrays)
        card = json.dumps(told).encode()
    except (ValueError, TypeError):
        pass
    return packed(card, arrays)
