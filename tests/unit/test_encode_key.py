"""Keys: fresh, unique over any batches, in the original's format, and never an original."""

from __future__ import annotations

import re
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.encode import key
from lookalike.errors import DataError
from lookalike.schema import Column

RNG = np.random.default_rng(0)
CASES: dict[str, tuple[list[str], str]] = {
    "sequence": ([str(i) for i in range(1, 5_001)], r"[1-9]\d{3,5}"),
    "sparse integers": ([str(i) for i in RNG.choice(10**9, 5_000, replace=False)], r"\d{1,10}"),
    "negative": ([str(-i) for i in RNG.choice(10**6, 500, replace=False) + 1], r"-?\d+"),
    "padded": ([f"A-{i:05d}" for i in range(1_000)], r"A-\d{5}"),
    "full": ([f"{i:03d}" for i in range(1_000)], r"\d{4,}"),
    "growing": ([f"INV-{i}" for i in range(3_000)], r"INV-\d{4,}"),
    "two kinds": (
        [f"A-{i:06d}" for i in RNG.choice(10**6, 900, replace=False)] + [f"bb{i:08d}" for i in RNG.choice(10**8, 300, replace=False)],
        r"A-\d{6}|bb\d{8}",
    ),
    "uuid": (
        [str(uuid.UUID(bytes=RNG.bytes(16), version=4)) for _ in range(3_000)],
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    ),
    "hex": ([RNG.bytes(4).hex() for _ in range(3_000)], r"[0-9a-f]{8}"),
    "plates": (["".join(RNG.choice(list("ABCDEFGHKLMNPRSTUVWXYZ0123456789"), 7)) for _ in range(3_000)], r"[A-Z0-9]{7}"),
    "mail": ([f"{'abcdefgh'[i % 8]}{i}.{'xyz'[i % 3] * (i % 30 + 1)}@example.org" for i in range(2_000)], r".+"),
    "non-ascii": ([f"ключ№{i:07d}" for i in RNG.choice(10**7, 900, replace=False)], r"ключ№\d{7}"),
    "one": (["x9"], r"[0-9a-z]+"),
    "three": (["7", "8", "9"], r"\d+"),
}


def column(**facts: Any) -> Column:
    return Column(name="id", kind="key", **({"unique": True} | facts))


def book(values: list[str], c: Column) -> dict[str, Any]:
    return key.freeze(key.measure(pa.array(values, pa.string()), c), c)


def drawn(b: dict[str, Any], c: Column, n: int, start: int = 0) -> list[str]:
    return key.decode(np.ones((1, n), np.int32), np.full(n, 0.5), b, c, start=start).to_pylist()


@pytest.mark.parametrize("name", CASES)
def test_fresh_unique_and_alike(name: str) -> None:
    values, pattern = CASES[name]
    c = column()
    b = book(values, c)
    made = drawn(b, c, max(3 * len(values), 50))
    assert len(set(made)) == len(made) and not set(made) & set(values)
    assert all(re.fullmatch(pattern, m) for m in made[: 2 * len(values)])
    far = drawn(b, c, 500, start=10**7)
    assert not set(far) & (set(values) | set(made)) and len(set(far)) == 500


def test_batches_go_on_where_the_last_one_ended() -> None:
    for values, _ in CASES.values():
        c = column()
        b = book(values, c)
        assert drawn(b, c, 700) == drawn(b, c, 300) + drawn(b, c, 400, start=300)


def test_the_book_does_not_hold_the_originals() -> None:
    values, _ = CASES["sparse integers"]
    told = str(book(values, column()))
    assert not any(v in told for v in values if len(v) >= 7)


def test_storage_limits_the_range() -> None:
    values = [str(i) for i in range(2**31 - 2_000, 2**31)]
    for storage, most in (("int32", 2**31), ("int64", 2**63)):
        c = column(storage=storage)
        made = [int(m) for m in drawn(book(values, c), c, 5_000)]
        assert -(2**31) <= min(made) and max(made) < most and len(set(made)) == 5_000 and not set(map(str, made)) & set(values)
    with pytest.raises(DataError, match="no room"):
        c = column(storage="int8")
        drawn(book([str(i) for i in range(100)], c), c, 1_000)


def test_identifiers_repeat_as_often_as_the_originals() -> None:
    rng, c = np.random.default_rng(1), column(unique=False)
    times = np.minimum(rng.geometric(0.4, 3_000), 12)
    values = [str(v) for v in np.repeat(rng.choice(10**8, 3_000, replace=False), times)]
    made = drawn(book(values, c), c, len(values))
    found = np.unique(made, return_counts=True)[1]
    assert not set(made) & set(values)
    assert abs(found.mean() - times.mean()) < 0.25 and abs((found == 1).mean() - (times == 1).mean()) < 0.05


def test_many_keys_merge_at_a_coarser_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key, "CAP", 4_096)
    values = [str(i) for i in np.random.default_rng(2).choice(10**12, 6_000, replace=False)]
    c = column()
    a, b, whole = (key.measure(pa.array(v), c) for v in (values[:5_000], values[5_000:], values))
    assert key.merge(a, b) == whole and len(whole["whole"]["blocks"]) <= 4_096 and whole["whole"]["level"] > 0
    made = drawn(key.freeze(whole, c), c, 10_000)
    assert len(set(made)) == 10_000 and not set(made) & set(values)


def test_missing_stays_missing() -> None:
    c = column()
    b = book(CASES["padded"][0], c)
    made = key.decode(np.array([[1, 0, 1]]), np.full(3, 0.5), b, c).to_pylist()
    assert made[1] is None and [made[0], made[2]] == [drawn(b, c, 3)[0], drawn(b, c, 3)[2]]


@pytest.mark.parametrize("storage", ["uint64", "int64"])
@pytest.mark.parametrize("least", ["0", "half", "most"])
def test_long_keys_stay_within_what_their_type_holds(storage: str, least: str) -> None:
    """Hashes of 64 bits, snowflakes, and keys that begin as the greatest does."""
    limits = np.iinfo(storage)
    low = {"0": limits.min, "half": limits.max // 2, "most": limits.max - 10**15}[least]
    keys = np.random.default_rng(0).integers(low, limits.max, 400, dtype=storage, endpoint=True)
    column = Column(name="id", kind="key", unique=True, nullable=False, storage=storage)
    values = pa.array(keys).cast(pa.string())
    book = key.freeze(key.measure(values, column), column)
    made = key.decode(np.ones((1, 4_000), np.int32), np.full(4_000, 0.5), book, column)
    fresh = [int(text) for text in made.to_pylist()]
    assert all(limits.min <= k <= limits.max for k in fresh)
    assert len(set(fresh)) == 4_000 and not set(fresh) & set(keys.tolist())
    assert {len(str(abs(k))) for k in fresh} <= {len(str(abs(int(k)))) for k in keys}
