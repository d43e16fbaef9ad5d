"""A model file from a stranger runs nothing, writes nothing outside its folder, and takes no more memory than its size explains."""

from __future__ import annotations

import io
import json
import struct
import sys
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fuzz_targets import GOLDEN, packed, unpacked
from safetensors.numpy import load, save

import lookalike as la
from lookalike import store
from lookalike.data.shelf import LinkedWriter
from lookalike.errors import StoreError
from lookalike.schema import Column, Schema, Table

FOREST = GOLDEN / "forest-1-0.1.0.lookalike"
BOMB = 64 * 2**20
MOST = 8 * 2**20


def refused(path: Path, match: str) -> None:
    """The file is refused, at the cost of a few megabytes."""
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match=match):
            la.load(path)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def zipped(path: Path, card: bytes, arrays: bytes, *, how: int, lie: int | None = None, of: str = store.CARD) -> Path:
    """A model file whose entry `of` is packed by `how`, and claims to be of `lie` bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(store.CARD, card, compress_type=how if of == store.CARD else zipfile.ZIP_STORED)
        file.writestr(store.ARRAYS, arrays, compress_type=how if of == store.ARRAYS else zipfile.ZIP_STORED)
    data = bytearray(out.getvalue())
    if lie is not None:
        for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
            begin = -1
            for _ in range(1 if of == store.CARD else 2):
                begin = data.index(signature, begin + 1)
            data[begin + at : begin + at + 4] = struct.pack("<I", lie)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_card_is_packed_by_what_unpacks_in_bounds(tmp_path: Path, how: int) -> None:
    card, arrays = unpacked(FOREST.read_bytes())
    refused(zipped(tmp_path / "a.lookalike", card, arrays, how=how), "packed as no model is")


def test_a_card_that_is_a_bomb(tmp_path: Path) -> None:
    spaces = b" " * BOMB
    refused(zipped(tmp_path / "a.lookalike", spaces, b"", how=zipfile.ZIP_DEFLATED), "which no model needs")
    refused(zipped(tmp_path / "b.lookalike", spaces, b"", how=zipfile.ZIP_DEFLATED, lie=1_000), "not JSON|damaged")


def test_arrays_that_are_a_bomb(tmp_path: Path) -> None:
    card, _ = unpacked(FOREST.read_bytes())
    zeros = bytes(BOMB)
    probe = zipped(tmp_path / "a.lookalike", card, zeros, how=zipfile.ZIP_DEFLATED, of=store.ARRAYS)
    with zipfile.ZipFile(probe) as file:
        size = file.getinfo(store.ARRAYS).compress_size
    lying = json.dumps(json.loads(card) | {"bytes": size}).encode()
    refused(zipped(tmp_path / "b.lookalike", lying, zeros, how=zipfile.ZIP_DEFLATED, of=store.ARRAYS, lie=size), "not as long as it says")


def test_a_card_of_values_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card, arrays = unpacked(FOREST.read_bytes())
    monkeypatch.setattr(store, "_CARD_VALUES", card.count(b",") // 2)
    refused(zipped(tmp_path / "a.lookalike", card, arrays, how=zipfile.ZIP_DEFLATED), "more values than any model needs")


def test_a_card_that_is_very_like_itself_is_stored_so_that_it_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = la.load(FOREST)
    monkeypatch.setattr(store, "_CARD_FREE", 1_000)
    monkeypatch.setattr(store, "_CARD_RATIO", 2)
    path = la.save(model, tmp_path / "a.lookalike")
    with zipfile.ZipFile(path) as file:
        assert file.getinfo(store.CARD).compress_type == zipfile.ZIP_STORED
    assert la.sample(la.load(path), 5, seed=1).equals(la.sample(model, 5, seed=1))


@pytest.mark.parametrize("levels", [400, 100_000])
def test_a_card_of_levels_upon_levels(tmp_path: Path, levels: int) -> None:
    card, arrays = unpacked(FOREST.read_bytes())
    deep = json.loads(card) | {"state": 0}
    text = json.dumps(deep).replace('"state": 0', '"state": ' + "[" * levels + "]" * levels).encode()
    (tmp_path / "a.lookalike").write_bytes(packed(text, arrays))
    with pytest.raises(StoreError):
        la.load(tmp_path / "a.lookalike")


def test_names_in_the_zip_are_no_places(tmp_path: Path) -> None:
    card, arrays = unpacked(FOREST.read_bytes())
    path = tmp_path / "in" / "a.lookalike"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        for name, text in (("../evil.py", b"x"), ("/tmp/evil.py", b"x"), (store.CARD, card), (store.ARRAYS, arrays)):
            file.writestr(name, text)
    la.sample(la.load(path), 5)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.lookalike", "in"]


def test_names_of_tables_are_no_places(tmp_path: Path) -> None:
    names = ("../up", "/etc/passwd", "..", ".", "a/../../b", "nul\0", "a\\b", "C:x", "-rf", "keys.json")
    column = Column(name="k", kind="integer")
    schema = Schema(tables=tuple(Table(name=name, columns=(column,)) for name in names))
    (tmp_path / "in").mkdir()
    with LinkedWriter(tmp_path / "in" / "out", schema) as writer:
        for name in names:
            writer.append(name, pa.table({"k": pa.array([1, 2], pa.int64())}))
    made = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.parent for p in made} == {tmp_path / "in" / "out"} and len(made) == len(names) + 1
    assert json.loads((tmp_path / "in" / "out" / "keys.json").read_text(encoding="utf-8"))["tables"].keys() == set(names)


def test_names_of_classes_are_not_imported(tmp_path: Path) -> None:
    card, arrays = unpacked(FOREST.read_bytes())
    told = json.loads(card)
    for name in ("antigravity:Model", "os:system", "antigravity", "..evil"):
        (tmp_path / "a.lookalike").write_bytes(packed(json.dumps(told | {"model": name}).encode(), arrays))
        with pytest.raises(StoreError, match="holds a model"):
            la.load(tmp_path / "a.lookalike")
    assert "antigravity" not in sys.modules


def _set(name: str, value: float, *, at: int = 0) -> Callable[[dict[str, np.ndarray]], None]:
    """A number put into the first array whose name ends so."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        found = next(a for key, a in arrays.items() if key.endswith(name) and a.size > at)
        found.reshape(-1)[at] = value

    return change


def _back(arrays: dict[str, np.ndarray]) -> None:
    """A tree in which a walk goes round in circles."""
    nodes = next(a for key, a in arrays.items() if key.endswith("trees.nodes") and (a[:, 0] >= 0).any())
    nodes[np.flatnonzero(nodes[:, 0] >= 0)[0], 2] = 0


def _cast(arrays: dict[str, np.ndarray]) -> None:
    name = next(key for key in arrays if key.endswith("trees.donors"))
    arrays[name] = arrays[name].astype(np.int64)


def _cut(arrays: dict[str, np.ndarray]) -> None:
    name = next(key for key in arrays if key.endswith("trees.donors"))
    arrays[name] = arrays[name][: len(arrays[name]) // 2]


BROKEN: dict[str, Callable[[dict[str, np.ndarray]], None]] = {
    "a root that is not there": _set("trees.root", 1 << 30),
    "a root before the first": _set("trees.root", -5),
    "a feature that is not there": _set("trees.nodes", 9_999),
    "a leaf beyond the donors": _set("trees.nodes", 1 << 30, at=2),
    "a circle": _back,
    "donors that are no codes": _set("trees.donors", 65_535),
    "donors of another type": _cast,
    "half of the donors": _cut,
    "bins that are not there": _set("boost0.feature", 30_000),
    "trees that do not end": _set("boost0.ends", 1 << 30, at=1),
}


@pytest.fixture(scope="module")
def scored() -> bytes:
    """The file of a forest that has scores, too."""
    rng = np.random.default_rng(0)
    table = {f"x{k}": rng.normal(size=1_500).round(3) for k in range(5)}
    table["y"] = (sum(table.values()) + rng.normal(size=1_500)).round(2)
    with tempfile.TemporaryDirectory() as folder:
        model = la.fit(pa.table(table), model="forest", settings={"trees": 3, "rounds": 20}, seed=0)
        return la.save(model, Path(folder) / "a.lookalike").read_bytes()


@pytest.mark.parametrize("what", BROKEN)
def test_places_in_arrays_are_looked_at_before_compiled_code_goes_there(tmp_path: Path, scored: bytes, what: str) -> None:
    card, arrays = unpacked(scored)
    held = {name: array.copy() for name, array in load(arrays).items()}
    BROKEN[what](held)
    made = save(held)
    (tmp_path / "a.lookalike").write_bytes(packed(json.dumps(json.loads(card) | {"bytes": len(made)}).encode(), made))
    with pytest.raises(StoreError, match="damaged"):
        la.load(tmp_path / "a.lookalike")


def test_what_goes_wrong_in_a_draw_is_said_of_the_file(tmp_path: Path) -> None:
    card, arrays = unpacked((GOLDEN / "independent-1-0.1.0.lookalike").read_bytes())
    told = json.loads(card)
    column, book = next((c, b) for c, b in told["state"]["codebook"]["books"].items() if "levels" in b)
    book["levels"] = book["levels"][:1]
    (tmp_path / "a.lookalike").write_bytes(packed(json.dumps(told).encode(), arrays))
    with pytest.raises(StoreError, match="no rows can be drawn") as caught:
        la.sample(la.load(tmp_path / "a.lookalike"), 500)
    assert column and str(tmp_path / "a.lookalike") in str(caught.value)


def test_a_codebook_of_giant_parts(tmp_path: Path) -> None:
    card, arrays = unpacked((GOLDEN / "independent-1-0.1.0.lookalike").read_bytes())

    def with_size(size: Any) -> Path:
        told = json.loads(card)
        next(iter(told["state"]["codebook"]["books"].values()))["parts"][0]["size"] = size
        (tmp_path / "a.lookalike").write_bytes(packed(json.dumps(told).encode(), arrays))
        return tmp_path / "a.lookalike"

    for size in (10**12, -1, 0, 1.5, "9", None, True):
        refused(with_size(size), "parts that no column has")
