"""A stored model comes back the same; a damaged, foreign or newer file is refused with what to do; nothing half-written is left."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.errors import FileError, StoreError
from lookalike.protocol import Can, State
from lookalike.store import ARRAYS, CARD

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame({"age": rng.integers(18, 90, 300), "sex": rng.choice(["f", "m"], 300), "pay": rng.gamma(2, 900, 300).round(2)})


@pytest.fixture(scope="module")
def model(frame: pd.DataFrame) -> Any:
    return la.fit(frame, model="independent", settings={"cells": 32})


@pytest.fixture
def path(model: Any, tmp_path: Path) -> Path:
    return la.save(model, tmp_path / "a.lookalike")


def rewritten(path: Path, *, card: dict[str, Any] | None = None, arrays: bytes | None = None, text: str | None = None) -> Path:
    """The same file with its card changed, or an entry replaced."""
    with zipfile.ZipFile(path) as file:
        old, packed = json.loads(file.read(CARD)), file.read(ARRAYS)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(CARD, json.dumps(old | (card or {})) if text is None else text)
        file.writestr(ARRAYS, packed if arrays is None else arrays)
    return path


def test_round_trip(model: Any, path: Path) -> None:
    again = la.load(path)
    assert again.schema == model.schema
    assert again.settings == model.settings
    pd.testing.assert_frame_equal(la.sample(again, 100, seed=1), la.sample(model, 100, seed=1))


def test_file_holds_json_and_plain_arrays_only(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        assert set(file.namelist()) == {CARD, ARRAYS}
        card = json.loads(file.read(CARD))
    assert (card["format"], card["model"], card["settings"]["cells"]) == (1, "independent", 32)


def test_overwrites_whole_and_leaves_nothing_else(model: Any, path: Path) -> None:
    path.write_bytes(b"old")
    la.save(model, path)
    assert la.load(path).schema == model.schema
    assert [f.name for f in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("card", "what"),
    [
        ({"format": 2, "lookalike": "9.9"}, "format 2, written by Lookalike 9.9"),
        ({"format": None}, "names no format"),
        ({"model": "forrest"}, "holds a model 'forrest'"),
        ({"model": "their.module:Model"}, "holds a model 'their.module:Model'"),
        ({"settings": {"cells": -1}}, "stored settings are damaged"),
        ({"settings": {"sells": 8}}, "stored settings are damaged"),
        ({"state": {}}, "stored state is damaged"),
        ({"schema": {"tables": []}}, "stored state is damaged"),
        ({"bytes": 10**15}, "not as long as it says"),
    ],
)
def test_changed_card_is_refused(path: Path, card: dict[str, Any], what: str) -> None:
    with pytest.raises(StoreError, match=what) as caught:
        la.load(rewritten(path, card=card))
    assert str(path) in str(caught.value) and caught.value.fix


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 1}'])
def test_card_that_is_none_is_refused(path: Path, text: str) -> None:
    with pytest.raises(StoreError, match=CARD):
        la.load(rewritten(path, text=text))


def test_damaged_arrays_are_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="damaged or cut short"):
        la.load(rewritten(path, arrays=b"x" * 64, card={"bytes": 64}))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_cut_file_is_refused(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(StoreError, match="damaged or cut short"):
        la.load(path)


def test_every_flipped_byte_is_noticed_or_harmless(model: Any, path: Path) -> None:
    whole = bytearray(path.read_bytes())
    wanted = la.sample(model, 20, seed=1)
    for at in range(4, len(whole), max(1, len(whole) // 150)):
        whole[at] ^= 0x55
        path.write_bytes(whole)
        try:
            pd.testing.assert_frame_equal(la.sample(la.load(path), 20, seed=1), wanted)
        except StoreError:
            pass
        whole[at] ^= 0x55


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("hello.txt", "hello")
    with pytest.raises(StoreError, match="not a model file"):
        la.load(tmp_path / "a.csv")
    with pytest.raises(StoreError, match="a zip, but not a model file"):
        la.load(tmp_path / "b.zip")


def test_bomb_is_refused_before_it_is_unpacked(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(CARD, json.dumps({"format": 1, "model": "independent", "settings": {}, "schema": {}, "state": {}, "bytes": 10**8}))
        file.writestr(ARRAYS, bytes(10**8))
    assert path.stat().st_size < 10**6
    with pytest.raises(StoreError, match="not as long as it says"):
        la.load(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nowhere\.lookalike"):
        la.load(tmp_path / "nowhere.lookalike")
    with pytest.raises(FileError):
        la.load(tmp_path)


def test_place_that_cannot_be_written(model: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder, what, fix in (("no", "its folder is not there", "mkdir -p"), ("file", "is a file, not a folder", "another place")):
        with pytest.raises(FileError, match=what) as caught:
            la.save(model, tmp_path / folder / "a.lookalike")
        assert fix in caught.value.fix
    assert [f.name for f in tmp_path.iterdir()] == ["file"]


def test_unfitted_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not fitted"):
        la.save(la.model("independent"), tmp_path / "a.lookalike")


class Constant:
    """A model from elsewhere: the first row, again and again."""

    can = Can(kinds=frozenset(("integer", "number", "category")))

    def fit(self, data: la.Dataset, *, rng: np.random.Generator, on_step: Any = None) -> Constant:
        self.schema, self.row_ = data.schema, data.table().slice(0, 1)
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> la.Dataset:
        return la.Dataset.from_arrow({self.schema.table.name: self.row_.take([0] * n)}, self.schema)

    def state(self) -> State:
        return State(card={"rows": self.row_.num_rows}, arrays={"age": self.row_["age"].to_numpy()})

    def restore(self, schema: la.Schema, state: State) -> Constant:
        self.schema, self.age_ = schema, int(state.arrays["age"][0])
        return self


def test_model_from_elsewhere_is_restored_into_an_instance(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = la.save(la.fit(frame, model=Constant()), tmp_path / "c.lookalike")
    with pytest.raises(StoreError, match="which is not one of") as caught:
        la.load(path)
    assert "model=" in caught.value.fix
    assert la.load(path, model=Constant()).age_ == frame["age"][0]
    with pytest.raises(StoreError, match="holds a model"):
        la.load(path, model=la.model("independent"))


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.lookalike")), ids=lambda f: f.name)
def test_old_files_stay_loadable(file: Path) -> None:
    was = pd.read_csv(file.with_suffix(".csv"))
    now = la.sample(la.load(file), 2_000, seed=1)
    assert list(now.columns) == list(was.columns)
    for column in was:
        if was[column].nunique() < 30 and was[column].dtype.kind not in "if":
            assert set(was[column].dropna()) <= set(now[column].dropna()), column
        elif was[column].dtype.kind in "if":
            assert now[column].min() <= was[column].median() <= now[column].max(), column


def test_there_are_old_files() -> None:
    assert {f.stem.split("-")[0] for f in GOLDEN.glob("*.lookalike")} >= {"forest", "independent"}
