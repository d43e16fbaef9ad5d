"""The report as people ask for it: tables that do not quite fit, several at once, a model, gates and their exit codes."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike import cli
from lookalike.compare.frame import code
from lookalike.report import again, build
from lookalike.report.fitting import fitting

pytestmark = pytest.mark.usefixtures("few_trees")


def people(seed: int, rows: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    job = rng.choice(["clerk", "nurse", "cook"], rows)
    pay = np.round(age * 100 + (job == "nurse") * 1_500 + rng.normal(0, 500, rows), 2)
    return pd.DataFrame({"age": age, "pay": pay, "job": job, "rich": np.where(pay > 5_000, "yes", "no")})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables")
    for seed, name in enumerate(("real", "a", "b", "held")):
        people(seed, 110).to_csv(path / f"{name}.csv", index=False)
    return path


@pytest.fixture(scope="module")
def model() -> Any:
    return la.fit(people(0, 160), model="forest")


def noted(found: la.Report, words: str) -> bool:
    return any(words in note for note in found.json()["notes"])


# ---- tables that do not quite fit


def test_columns_that_differ_are_left_out_and_named() -> None:
    other = people(1, 45).drop(columns=["job"]).assign(town="Rome")
    found = la.report(people(0, 45), other, effort="quick")
    assert noted(found, "The synthetic table lacks 'job'")
    assert found.json()["compared"]["columns"] == ["age", "pay", "rich"]


def test_a_column_of_another_type_is_left_out_and_named(folder: Path) -> None:
    other = people(1)
    other["age"] = ["unknown" if i == 7 else str(a) for i, a in enumerate(other["age"])]
    other.to_csv(folder / "odd.csv", index=False)
    found = la.report(folder / "real.csv", folder / "odd.csv", effort="quick")
    assert noted(found, "In the synthetic table 'age' is not of the kind that the real table has (row 8: 'unknown'")
    assert found.json()["compared"]["columns"] == ["pay", "job", "rich"]
    assert not noted(found, "lacks")
    assert found.json()["compared"]["left_out"] == [{"name": "age", "why": "not of one kind in all tables"}]


def test_a_holdout_that_does_not_fit_is_not_the_end_either() -> None:
    schema = la.schema(people(0))
    data, notes = fitting(people(1).assign(pay="much"), schema, role="holdout")
    assert data.schema.table.names == ("age", "job", "rich") and "'pay'" in notes[0]
    assert data.rows == 80


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (pd.DataFrame({"x": ["a", "b"] * 50}), "no column in common"),
        (pd.DataFrame({"age": ["old", "young"] * 50, "pay": ["much", "none"] * 50}), "no column of the synthetic table is of the kind"),
        (people(1).head(0), "no rows"),
    ],
)
def test_what_cannot_be_compared_at_all_is_refused(other: pd.DataFrame, what: str) -> None:
    with pytest.raises(la.errors.DataError, match=what):
        la.report(people(0), other)


def test_a_target_that_is_not_everywhere_leaves_the_rest(folder: Path) -> None:
    found = la.report(people(0, 45), people(1, 45).drop(columns=["rich"]), target="rich", protected_columns=["rich"], effort="quick").json()
    assert found["target"] == {"name": None, "given": True, "why": "not in all tables, or of a kind that cannot be predicted"}
    assert any("'rich' was not compared" in note for note in found["notes"])
    utility = next(s for s in found["scores"] if s["name"] == "utility")
    assert utility["value"] is None and utility["note"]


def test_few_synthetic_rows_get_a_report_that_says_so() -> None:
    found = la.report(people(0), people(1, 20), holdout=people(3), effort="quick").json()
    assert any("has only 20 rows" in note for note in found["notes"])
    assert {v["tone"] for v in found["verdict"]} <= {"open", "poor"}


# ---- several tables, a model


def test_several_tables_keep_the_names_of_their_files(folder: Path) -> None:
    found = la.report(folder / "real.csv", [folder / "a.csv", folder / "b.csv"], holdout=folder / "held.csv", effort="quick").json()
    assert [found["name"], *(o["name"] for o in found["others"])] == ["a.csv", "b.csv"]
    named = la.report(people(0, 45), {"mine": people(1, 45), "theirs": people(2, 45)}, effort="quick").json()
    assert [named["name"], *(o["name"] for o in named["others"])] == ["mine", "theirs"]
    with pytest.raises(la.errors.SettingError, match="no synthetic table"):
        la.report(people(0), [])


def test_a_model_gives_further_draws_and_can_be_fitted_again(model: Any, tmp_path: Path) -> None:
    path = la.save(model, tmp_path / "people.lookalike")
    found = la.report(people(0, 160), la.sample(model, 80), holdout=people(3), model=path, effort="quick").json()
    assert len(next(s for s in found["scores"] if s["name"] == "shape")["draws"]) == 3
    data = la.Dataset.of(people(0, 160), schema=model.schema)
    frame = code({"real": data.table()}, model.schema.table.columns)["real"]
    refit = again.refit(model, seed=1)
    some = frame.take(np.arange(100))
    drawn = refit(some)
    assert drawn.rows == 100 and drawn.levels == frame.levels
    assert abs(np.nanmean(drawn["age"]) - np.nanmean(some["age"])) < 8
    for name in drawn.names:
        np.testing.assert_array_equal(drawn[name], refit(some)[name])
    assert again.refit(object(), seed=1) is None


def test_make_draws_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def spy(real: Any, synthetic: Any, **options: Any) -> Any:
        asked.update(options)
        return build(real, synthetic, **options)

    monkeypatch.setattr(import_module("lookalike.report"), "build", spy)
    made = la.make(people(0, 120), seed=3)
    tables = [made.drawn.table(), *(d.table() for d in asked["draws"])]
    assert [t.num_rows for t in tables] == [120] * 3
    assert not any(a.equals(b) for a, b in ((tables[0], tables[1]), (tables[1], tables[2])))
    assert asked["refit"] is not None
    assert made.report.json()["effort"] == "quick"


# ---- at the terminal


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in args])
    told = capsys.readouterr()
    return int(caught.value.code or 0), told.out, " ".join(told.err.split())


@pytest.mark.parametrize(
    ("gates", "exit_code", "told"),
    [
        (["shape<=60%"], 0, ""),
        (["shape<=60%", "c2st<=0.1"], 1, "--require c2st<=0.1: c2st is"),
        (["shpe<=1"], 2, "did you mean 'shape'"),
        (["shape"], 2, "is no requirement"),
    ],
)
def test_gates_decide_the_exit_code(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], gates: list[str], exit_code: int, told: str
) -> None:
    asked = [x for g in gates for x in ("--require", g)]
    out = tmp_path / "report.json"
    status, _, complained = run(capsys, "report", folder / "real.csv", folder / "a.csv", "--quick", "-q", *asked, "--out", out)
    assert status == exit_code and told in complained
    # What was measured is not lost for a gate that is not met, or cannot be read against it.
    assert out.exists() == (gates != ["shape"])
    if out.exists():
        assert [g["met"] for g in json.loads(out.read_text())["gates"]] == {0: [True], 1: [True, False], 2: [None]}[exit_code]


def test_flags_of_the_report(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["report", folder / "real.csv", folder / "a.csv", folder / "b.csv", "--holdout", folder / "held.csv", "--quick", "--json"]
    status, out, _ = run(capsys, *args, "--audience", "public", "--protect-column", "job", "--target", "rich")
    found = json.loads(out)
    assert status == 0
    assert (found["audience"], found["effort"], found["protected_columns"]) == ("public", "quick", ["job"])
    assert [o["name"] for o in found["others"]] == ["b.csv"]
    status, _, complained = run(capsys, "report", folder / "real.csv", folder / "a.csv", "--audience", "publik")
    assert status == 2 and "did you mean 'public'" in complained


def test_a_missing_cell_where_real_rows_have_none_leaves_the_column_in() -> None:
    real = pd.DataFrame({"age": np.arange(200) % 60, "city": ["Ulm", "Bonn"] * 100})
    gappy = real.assign(age=real.age.where(real.index != 3))
    said = la.report(real, gappy, holdout=gappy).json()
    assert said["compared"]["columns"] == ["age", "city"]
    assert not [note for note in said["notes"] if "not compared" in note]
    made = la.make(real, model="independent", holdout=gappy).report.json()
    assert made["compared"]["columns"] == ["age", "city"]
