"""The verbs: what they return, what they refuse before any work, and that rows depend on the seed alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lookalike as la
from lookalike import _drawing, _told
from lookalike.errors import CannotError, DataError, FileError, SchemaError, SettingError, UnknownName
from lookalike.protocol import Can, Step

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    age = rng.integers(18, 90, 600)
    return pd.DataFrame(
        {
            "age": age,
            "sex": rng.choice(["f", "m"], 600),
            "pay": rng.gamma(2, 900, 600).round(2),
            "rich": np.where(age + rng.normal(0, 10, 600) > 50, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def model(frame: pd.DataFrame) -> Any:
    return la.fit(frame, model="independent")


def test_the_same_kind_of_frame_comes_back(frame: pd.DataFrame, model: Any) -> None:
    assert list(la.sample(model, 20).columns) == list(frame.columns)
    assert la.sample(model, 20).dtypes.astype(str).to_dict() == frame.dtypes.astype(str).to_dict()
    assert isinstance(la.sample(la.fit(pl.from_pandas(frame), model="independent"), 20), pl.DataFrame)
    assert isinstance(la.sample(la.fit(pa.Table.from_pandas(frame), model="independent"), 20), pa.Table)


def test_seed_alone_decides(frame: pd.DataFrame, model: Any) -> None:
    again = la.fit(frame, model="independent")
    pd.testing.assert_frame_equal(la.sample(again, 50, seed=4), la.sample(model, 50, seed=4))
    assert not la.sample(model, 50, seed=5).equals(la.sample(model, 50, seed=4))


@pytest.mark.parametrize("batch", [1_000, 65_536, 70_000, 1_000_000])
def test_stream_is_sample_in_pieces(model: Any, batch: int) -> None:
    n = 140_000
    pieces = list(la.stream(model, n, batch=batch, seed=2))
    assert [len(p) for p in pieces] == [min(batch, n - at) for at in range(0, n, batch)]
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), la.sample(model, n, seed=2))


def test_stream_draws_no_more_than_it_needs(model: Any) -> None:
    drawn: list[int] = []

    class Watched:
        schema = model.schema

        def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> la.Dataset:
            drawn.append(start)
            return model.sample(n, rng=rng, start=start)

    assert len(next(iter(la.stream(Watched(), 10**12, batch=10)))) == 10
    assert drawn == [0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_sample_writes_straight_to_a_file(model: Any, tmp_path: Path, suffix: str) -> None:
    path = la.sample(model, 70_000, seed=2, out=tmp_path / f"a{suffix}")
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}
    pd.testing.assert_frame_equal(readers[suffix](path), la.sample(model, 70_000, seed=2), check_dtype=False)


@pytest.mark.parametrize(
    ("call", "error", "what"),
    [
        (lambda f, m: la.fit(f, model="forrest"), UnknownName, "did you mean 'forest'"),
        (lambda f, m: la.fit(f, model="independent", settings={"sells": 8}), UnknownName, "did you mean 'cells'"),
        (lambda f, m: la.fit(f, model="independent", settings={"cells": "many"}), SettingError, "independent.cells"),
        (lambda f, m: la.fit(f, model="independent", settings={"cells": 1}), SettingError, "greater than or equal to 4"),
        (lambda f, m: la.fit(f, model="independent", seed=-1), SettingError, "seed must be a whole number"),
        (lambda f, m: la.fit(f, model=object()), CannotError, "object is not a model: it has no can"),
        (
            lambda f, m: la.fit(f, model=la.model("independent"), settings={"cells": 8}),
            SettingError,
            "settings belong to a model given by name",
        ),
        (lambda f, m: la.fit(f.head(0), model="independent"), DataError, "no rows"),
        (lambda f, m: la.fit(f.head(1), model="independent"), DataError, "1 row; a model needs 10"),
        (lambda f, m: la.fit(f.head(9), model="independent"), DataError, "9 rows; a model needs 10"),
        (lambda f, m: la.fit(pd.DataFrame({"a": [None] * 50}), model="independent"), DataError, "no column holds any value"),
        (lambda f, m: la.make(f, model="independent", target="ritch"), UnknownName, "did you mean 'rich'"),
        (lambda f, m: la.make(f, model="independent", rows=0), SettingError, "rows must be a whole number, 1 or more, not 0"),
        (lambda f, m: la.report(f, f, target="ritch"), UnknownName, "did you mean 'rich'"),
        (lambda f, m: la.sample(m, 0), SettingError, "rows must be"),
        (lambda f, m: la.sample(m, 2.5), SettingError, "rows must be"),
        (lambda f, m: la.sample(m, 5, seed="x"), SettingError, "seed must be"),
        (lambda f, m: la.stream(m, 5, batch=0), SettingError, "batch must be"),
        (lambda f, m: la.stream(m, -5), SettingError, "rows must be"),
        (lambda f, m: la.sample(la.model("independent"), 5), SettingError, "not fitted"),
        (lambda f, m: la.fit(f, schema="nowhere.json", model="independent"), FileError, "nowhere.json"),
    ],
)
def test_what_cannot_be_done_is_refused(frame: pd.DataFrame, model: Any, call: Any, error: type, what: str) -> None:
    with pytest.raises(error, match=what):
        call(frame, model)


class Dates:
    """A model that takes dates only, and must never be asked to work."""

    can = Can(kinds=frozenset({"date"}))

    def fit(self, data: la.Dataset, *, rng: np.random.Generator, on_step: Any) -> Dates:
        raise AssertionError("work was started")

    sample = state = restore = fit


def test_kinds_are_checked_before_any_work(frame: pd.DataFrame) -> None:
    with pytest.raises(CannotError, match=r"does not take the kind '\w+'") as caught:
        la.fit(frame, model=Dates())
    assert "independent" in caught.value.fix and "age" in caught.value.where


def test_schema_is_read_written_and_corrected(frame: pd.DataFrame, tmp_path: Path) -> None:
    found = la.schema(frame).amend("age", low=0, high=120)
    path = la.save(found, tmp_path / "schema.json")
    assert la.schema(path) == found
    assert la.fit(frame, schema=path, model="independent").schema == found
    path.write_text(path.read_text(encoding="utf-8").replace('"kind"', '"kinde"'), encoding="utf-8")
    with pytest.raises(SchemaError, match="did you mean 'kind'"):
        la.fit(frame, schema=path, model="independent")


def test_schema_of_another_table_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises((SchemaError, DataError), match="rich"):
        la.fit(frame.drop(columns="rich"), schema=la.schema(frame), model="independent")


def test_make_makes_everything(frame: pd.DataFrame, tmp_path: Path) -> None:
    steps: list[Step] = []
    made = la.make(frame, model=la.model("independent", cells=32), target="rich", seed=1, on_step=steps.append)
    assert (len(made.synthetic), len(made.holdout)) == (600, 120)
    assert isinstance(made.synthetic, pd.DataFrame)
    shares = [s.done / s.total for s in steps]
    assert shares == sorted(shares) and shares[-1] == 1
    folder = made.write(tmp_path / "out")
    assert sorted(f.name for f in folder.iterdir()) == ["model.lookalike", "report.html", "report.json", "schema.json", "synthetic.parquet"]
    assert la.schema(folder / "schema.json") == made.schema
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(made.report.json()))
    assert "120 of 600 rows" in (folder / "report.html").read_text(encoding="utf-8")


def test_make_is_decided_by_its_seed(frame: pd.DataFrame) -> None:
    one, two, three = (la.make(frame.head(120), model="independent", seed=s, rows=30) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one.synthetic, two.synthetic)
    assert one.report.json()["scores"] == two.report.json()["scores"]
    assert not one.holdout.equals(three.holdout)


def test_holdout_is_never_learned_from(frame: pd.DataFrame) -> None:
    made = la.make(frame, model="independent", rows=50)
    kept = pd.concat([made.holdout, frame]).duplicated(keep=False)
    assert kept.head(120).all()
    learned = sum(made.model.counts_[: made.model.codebook_.parts[0].size])
    assert learned == 480


def test_given_holdout_is_used(frame: pd.DataFrame) -> None:
    made = la.make(frame.head(500), model="independent", rows=50, holdout=frame.tail(100))
    assert len(made.holdout) == 100
    assert sum(made.model.counts_[: made.model.codebook_.parts[0].size]) == 500


def test_folder_of_others_is_left_alone(frame: pd.DataFrame, tmp_path: Path) -> None:
    made = la.make(frame.head(120), model="independent", rows=20)
    made.write(tmp_path / "out")
    made.write(tmp_path / "out")
    mine = tmp_path / "out" / "thesis.txt"
    mine.write_text("years of work", encoding="utf-8")
    with pytest.raises(FileError, match=r"thesis\.txt"):
        made.write(tmp_path / "out")
    made.write(tmp_path / "out", overwrite=True)
    assert mine.read_text(encoding="utf-8") == "years of work"
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


def test_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), la.NewFolder(tmp_path / "out") as unfinished:
        (unfinished / "half").write_text("", encoding="utf-8")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_rows_are_cut_anew_without_loss() -> None:
    tables = iter([pa.table({"a": list(range(at, at + 7))}) for at in range(0, 70, 7)])
    pieces = list(_drawing.cut(tables, 16))
    assert [p.num_rows for p in pieces] == [16, 16, 16, 16, 6]
    assert pa.concat_tables(pieces)["a"].to_pylist() == list(range(70))


def test_the_target_reaches_a_model_that_has_a_setting_of_that_name(frame: pd.DataFrame) -> None:
    name = frame.columns[1]
    for model, target in (("forest", name), (la.model("forest", trees=2, target=frame.columns[0]), frame.columns[0])):
        made = la.make(frame, model=model, target=name)
        assert made.model.settings.target == target
        assert made.report.json()["target"]["name"] == name
    assert la.make(frame, model="independent", target=name).report.json()["target"]["name"] == name


def test_a_model_is_described_by_settings_that_say_something() -> None:
    said = _told.described(la.model("forest", trees=3))
    assert said.startswith("forest (trees=3, ") and "target" not in said and "context" not in said
    assert "target=income" in _told.described(la.model("forest", target="income"))


def test_what_is_made_of_shards_is_of_their_type_whatever_else_lies_beside_them(tmp_path: Path) -> None:
    for name in ("part-1", "part-2"):
        pd.DataFrame({"n": range(20)}).to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "README.md").write_text("Two parts of one table.")
    assert _told.suffix(tmp_path) == ".parquet"


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_codes_of_fixed_width_keep_their_leading_zeros(ending: str, tmp_path: Path) -> None:
    """Postcodes are text of digits, departments a category, numbers of accounts keys; each also where few or all have such zeros."""
    rng = np.random.default_rng(0)
    wide = pd.Series([f"{n:05d}" for n in rng.integers(501, 100_000, 800)])
    real = pd.DataFrame(
        {
            "postcode": wide,
            "gaps": wide.where(rng.random(800) < 0.9),
            "padded": [f"{n:06d}" for n in rng.integers(0, 5_000, 800)],
            "dept": [f"{n:03d}" for n in rng.integers(5, 12, 800)],
            "account": [f"{n:09d}" for n in rng.permutation(10**6)[:800]],
            "paid": rng.normal(size=800),
        }
    )
    (real.to_csv if ending == ".csv" else real.to_parquet)(tmp_path / f"real{ending}", index=False)
    model = la.fit(tmp_path / f"real{ending}", model="independent")
    drawn = la.sample(model, 2_000)
    la.sample(model, 2_000, out=tmp_path / "drawn.parquet")
    written = pd.read_parquet(tmp_path / "drawn.parquet")
    for name in real.columns.drop("paid"):
        known = drawn[name].dropna()
        assert written[name].dropna().tolist() == known.tolist(), name
        assert set(known.str.len()) == set(real[name].dropna().str.len()), name
        for zeros in ("0", "00"):
            assert known.str.startswith(zeros).mean() == pytest.approx(real[name].dropna().str.startswith(zeros).mean(), abs=0.03), name
    few = la.sample(model, 3)
    assert (few.drop(columns="paid").dtypes == drawn.drop(columns="paid").dtypes).all()


@pytest.fixture(scope="module")
def sales() -> tuple[pd.DataFrame, Any]:
    """Days of shops, and their schema: a key of two columns."""
    rng = np.random.default_rng(0)
    pairs = [(f"shop {s}", d) for s in range(20) for d in range(1, 31)]
    rows = pd.DataFrame(pairs, columns=["shop", "day"]).sample(300, random_state=0)
    rows["sold"], rows["receipt_id"] = rng.integers(0, 99, 300), rng.permutation(9_000)[:300] + 1_000_000_000
    rows = rows.reset_index(drop=True)
    return rows, la.schema(rows).amend_table("table", key=["shop", "day"])


def test_a_key_of_two_columns_of_a_plain_table_is_drawn_once(sales: tuple[pd.DataFrame, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a block and across blocks, whatever their number; other keys stay unique, too."""
    rows, schema = sales
    model = la.fit(rows, schema=schema, model="independent")
    drawn = la.sample(model, 450)
    assert not drawn.duplicated(["shop", "day"]).any() and not drawn.receipt_id.duplicated().any() and len(drawn) == 450
    free = la.sample(la.fit(rows, model="independent"), 450)
    kept = ~free.duplicated(["shop", "day"]).to_numpy()
    assert 200 < kept.sum() < 400
    pd.testing.assert_frame_equal(drawn[kept], free[kept])  # what was new before is what it was
    monkeypatch.setattr(_drawing, "BLOCK", 100)
    parts = pd.concat(la.stream(model, 450, batch=45), ignore_index=True)
    assert not parts.duplicated(["shop", "day"]).any() and not parts.receipt_id.duplicated().any()
    pd.testing.assert_frame_equal(la.sample(model, 200), parts[:200])


def test_more_rows_than_there_are_keys_are_refused(sales: tuple[pd.DataFrame, Any]) -> None:
    rows, schema = sales
    with pytest.raises(DataError, match=r"table\.shop\+day: \d+ of 601 rows found no key of their own") as caught:
        la.sample(la.fit(rows, schema=schema, model="independent"), 601)
    assert "fewer rows" in caught.value.fix


def test_a_plan_tells_of_keys_that_repeat(sales: tuple[pd.DataFrame, Any]) -> None:
    rows, schema = sales
    model = la.fit(rows, schema=schema, model="independent")
    (note,) = la.steer(model, {"given": {"sold": {"high": 60}}}, n=300).account.notes
    assert "(shop+day) that an earlier row has" in note


def test_a_key_of_two_columns_and_a_rule_of_no_repeats_hold_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are drawn again for their key do not make the model forget the rows before."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"shop": rng.choice(list("abcdef"), 300), "day": rng.integers(0, 30, 300), "ticket": rng.permutation(600)[:300]})
    rows = rows.drop_duplicates(["shop", "day"], ignore_index=True).astype({"ticket": float})
    schema = la.schema(rows).amend("ticket", kind="integer").amend_table("table", key=["shop", "day"])
    model = la.fit(rows, schema=schema, model=la.model("ruled", inner="independent", rules=["unique(ticket)"]))
    monkeypatch.setattr(_drawing, "BLOCK", 40)
    drawn = la.sample(model, 120)
    assert not drawn.duplicated(["shop", "day"]).any() and not drawn.ticket.duplicated().any()
