"""The model `auto`: it keeps the best of those it tried, refuses one that remembers, and says what it tried."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike import models
from lookalike.cli import main
from lookalike.compare.frame import Frame, code
from lookalike.data import Dataset
from lookalike.errors import CannotError, MissingExtra, SettingError, UnknownName
from lookalike.models import _trial
from lookalike.schema import Column

ENTRIES = {"model", "seconds", "cut", "c2st", "low", "high", "nearer", "verdict", "why", "notes"}
VERDICTS = {"kept", "as good", "worse", "refused", "failed", "left out", "not tried"}
PAIR = "independent,copula"

PLANTED = '''"""A model that stands in a folder for a test only."""

from pydantic import BaseModel, ConfigDict

from lookalike.errors import TrainingError
from lookalike.protocol import Can, State
from lookalike.schema import KINDS

__all__ = ["Planted"]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Planted:
    can = Can(kinds=frozenset({kinds}))

    def __init__(self, **settings):
        self.settings = Settings(**settings)

    def fit(self, data, *, rng, on_step=None):
        {fit}
        self.schema, self.rows_, self.trained_ = data.schema, data, {{"notes": ["mode collapse: of all rows but few are left"]}}
        return self

    def sample(self, n, *, rng, start=0):
        return self.rows_.take(rng.choice(self.rows_.rows, n, replace=n > self.rows_.rows))

    def state(self):
        return State(card={{}})

    def restore(self, schema, state):
        return self
'''


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a model into the folder of models: one that gives out the rows that it learned from, unless told otherwise."""
    folder, planted = tmp_path / "planted", []
    folder.mkdir()
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(folder)])

    def add(name: str, *, kinds: str = "KINDS", fit: str = "pass") -> None:
        (folder / f"{name}.py").write_text(PLANTED.format(kinds=kinds, fit=fit), encoding="utf-8")
        importlib.invalidate_caches()
        planted.append(name)

    yield add
    for name in planted:
        sys.modules.pop(f"{models.__name__}.{name}", None)
        vars(models).pop(name, None)


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `lookalike` in this process: exit code, output, errors."""
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*args: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in args])
        return (stopped.value.code or 0, *capfd.readouterr())

    return run


def frame(rows: int = 1_500, seed: int = 0, *, bound: float = 1.0) -> pd.DataFrame:
    """`pay` and `rich` follow from `age` and `hours`, as far as `bound` says (0: not at all)."""
    rng = np.random.default_rng(seed)
    age, hours = rng.normal(40, 12, rows).round(2), rng.gamma(4, 8, rows).round(1)
    pay = (bound * (30 * age + 20 * hours) + rng.normal(0, 40 if bound else 500, rows)).round(2)
    rich = np.where(pay > np.median(pay), "yes", "no")
    return pd.DataFrame({"age": age, "hours": hours, "pay": pay, "rich": rich if bound else rng.permutation(rich)})


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return frame()


@pytest.fixture(scope="module")
def model(real: pd.DataFrame) -> Any:
    return la.fit(real, model="auto", settings={"models": PAIR}, seed=1)


@pytest.fixture
def table(real: pd.DataFrame, tmp_path: Path) -> Path:
    real.head(400).to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def tried(model: Any) -> dict[str, dict[str, Any]]:
    return {t["model"]: t for t in model.tried_}


# What is kept


def test_the_model_that_learns_how_columns_hang_together_is_kept(model: Any, real: pd.DataFrame) -> None:
    assert models.name_of(model.winner_) == "copula"
    found = tried(model)
    assert found["copula"]["verdict"] == "kept" and found["independent"]["verdict"] == "worse"
    assert found["copula"]["high"] < found["independent"]["low"]
    made = la.sample(model, 3_000, seed=2)
    assert abs(made[["age", "pay"]].corr().iloc[0, 1] - real[["age", "pay"]].corr().iloc[0, 1]) < 0.1


def test_the_table_of_what_was_tried_is_complete(model: Any) -> None:
    assert [t["model"] for t in model.tried_] == ["independent", "copula"]
    for entry in model.tried_:
        assert set(entry) == ENTRIES and entry["verdict"] in VERDICTS and entry["why"]
        assert 0 <= entry["low"] <= entry["c2st"] <= entry["high"] <= 1 and entry["seconds"] > 0
        assert 0.35 < entry["nearer"] < 0.65
    assert json.loads(json.dumps(model.tried_, allow_nan=False)) == model.tried_


@pytest.mark.parametrize("listed", [("independent", "copula"), ("copula", "independent")])
def test_of_models_that_are_equally_good_the_first_is_kept(listed: tuple[str, ...]) -> None:
    model = la.fit(frame(bound=0.0), model="auto", settings={"models": listed})
    assert models.name_of(model.winner_) == listed[0]
    assert [t["verdict"] for t in model.tried_] == ["kept", "as good"]


def test_the_winner_learns_anew_from_all_rows_where_there_is_time(real: pd.DataFrame) -> None:
    model = la.fit(real, model="auto", settings={"models": "independent"})
    part = model.winner_.codebook_.parts[0].size
    assert model.winner_.counts_[:part].sum() == len(real)
    assert "all 1,500 rows" in model.tried_[0]["why"]


def test_settings_reach_the_candidates_that_have_them(real: pd.DataFrame) -> None:
    model = la.fit(real.head(300), model="auto", settings={"models": "forest", "target": "rich", "protect": 7, "minutes": 0})
    assert (model.winner_.settings.target, model.winner_.settings.protect) == ("rich", 7)
    with pytest.raises(UnknownName, match="did you mean 'rich'"):
        la.fit(real, model="auto", settings={"target": "ritch"})


def test_rows_of_one_subject_are_not_parted(real: pd.DataFrame) -> None:
    people = real.assign(person=np.arange(len(real)) // 3)
    schema = la.schema(people).model_copy(update={"subject": "person"})
    learn, judge = _trial.Judge.aside(Dataset.of(people, schema=schema), seed=3)
    assert judge is not None and learn.rows + judge.rows == len(real) and 250 <= judge.rows <= 300
    assert not {*learn.table()["person"].to_pylist()} & {*judge.held["person"].to_pylist()}


# What is refused


def coded(*tables: pa.Table) -> list[Frame]:
    kinds = {pa.float64(): "number"}
    columns = [Column(name=f.name, kind=kinds.get(f.type, "category")) for f in tables[0].schema]
    return list(code({str(k): t for k, t in enumerate(tables)}, columns).values())


def numbers(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pa.table({"x": x, "y": x + rng.normal(size=rows), "z": rng.exponential(size=rows)})


def levels(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({n: pa.array(rng.geometric(0.4, rows).clip(1, 6).astype(str)).dictionary_encode() for n in "abcd"})


@pytest.mark.parametrize("law", [numbers, levels])
def test_fresh_rows_lie_no_nearer_to_what_was_learned_from(law: Callable[[int, int], pa.Table]) -> None:
    shares = []
    for seed in range(4):
        learned, held, made = coded(law(2_000, 3 * seed), law(500, 3 * seed + 1), law(500, 3 * seed + 2))
        share, sure = _trial.nearer(learned, held, made, np.random.default_rng(0))
        assert sure < share and sure < _trial.MEMORY
        shares.append(share)
    assert abs(np.mean(shares) - 0.5) < 0.04


def test_copies_lie_nearer_the_more_of_them_there_are() -> None:
    shares = []
    for copies in (100, 250, 500):
        known, fresh = numbers(2_000, 0), numbers(500, 2)
        learned, held, made = coded(known, numbers(500, 1), pa.concat_tables([known.slice(0, copies), fresh.slice(copies)]))
        share, sure = _trial.nearer(learned, held, made, np.random.default_rng(0))
        shares.append(share)
        assert copies < 250 or sure > _trial.MEMORY
    assert shares == sorted(shares) and shares[0] > 0.51 and shares[2] > 0.95


def test_a_model_that_repeats_its_rows_is_refused(plant: Callable[..., None], real: pd.DataFrame) -> None:
    plant("parrot")
    model = la.fit(real, model="auto", settings={"models": "parrot,copula"})
    assert models.name_of(model.winner_) == "copula"
    parrot = tried(model)["parrot"]
    assert parrot["verdict"] == "refused" and "repeats" in parrot["why"] and parrot["nearer"] > 0.9
    assert parrot["c2st"] < tried(model)["copula"]["c2st"], "it is refused although a classifier cannot tell its rows"
    with pytest.raises(CannotError, match="parrot: it repeats what it learned from"):
        la.fit(real, model="auto", settings={"models": "parrot"})


def test_what_cannot_be_tried_is_left_out_with_the_reason(
    plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch, real: pd.DataFrame
) -> None:
    plant("dates", kinds='{"date"}')
    plant("broken", fit='raise TrainingError("the training diverged")')
    monkeypatch.setitem(sys.modules, "torch", None)
    model = la.fit(real, model="auto", settings={"models": "dates,broken,vae,independent"})
    found = tried(model)
    assert models.name_of(model.winner_) == "independent"
    assert found["dates"]["verdict"] == "left out" and "kind 'number' of 'age'" in found["dates"]["why"]
    assert found["broken"]["verdict"] == "failed" and found["broken"]["why"] == "the training diverged"
    assert found["vae"]["verdict"] == "left out" and 'pip install "lookalike[torch]"' in found["vae"]["why"]
    with pytest.raises(CannotError, match=r"vae.*torch"):
        la.fit(real, model="auto", settings={"models": "dates,vae"})


@pytest.mark.parametrize(
    ("settings", "error", "what"),
    [
        ({"models": "forrest"}, UnknownName, "did you mean 'forest'"),
        ({"models": ["copula", "auto"]}, SettingError, "cannot try itself"),
        ({"models": " , "}, SettingError, "auto.models"),
        ({"minutes": -1}, SettingError, "auto.minutes"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], error: type, what: str) -> None:
    with pytest.raises(error, match=what):
        la.model("auto", **settings)


def test_models_may_be_listed_or_written_with_commas() -> None:
    assert la.model("auto", models=" forest, copula,forest").settings.models == ("forest", "copula")
    assert la.model("auto", models=["forest", "copula"]).settings == la.model("auto", models="forest,copula").settings


# Time


def test_a_budget_that_is_too_small_still_gives_a_model(real: pd.DataFrame) -> None:
    model = la.fit(real, model="auto", settings={"models": PAIR, "minutes": 1e-6})
    first, second = model.tried_
    assert first["verdict"] == "kept" and first["c2st"] is not None and "no time was left to learn from all" in first["why"]
    assert (second["verdict"], second["why"]) == ("not tried", "no time was left")
    assert len(la.sample(model, 20)) == 20


@pytest.mark.parametrize(("rows", "minutes", "why"), [(1_500, 0, "no time"), (60, 10, "too few")])
def test_without_a_judge_the_first_model_is_taken(real: pd.DataFrame, rows: int, minutes: float, why: str) -> None:
    model = la.fit(real.head(rows), model="auto", settings={"models": PAIR, "minutes": minutes})
    first, second = model.tried_
    assert first["verdict"] == "kept" and first["c2st"] is None and why in first["why"]
    assert second["verdict"] == "not tried"
    assert model.winner_.counts_[: model.winner_.codebook_.parts[0].size].sum() == rows


def test_a_deep_model_has_a_clock_while_it_is_tried_and_none_where_there_is_time(real: pd.DataFrame) -> None:
    pytest.importorskip("torch")
    hurried = la.fit(real.head(200), model="auto", settings={"models": "autoregressive,independent", "minutes": 0})
    spent = hurried.winner_.trained_["history"][-1]["seconds"]  # to hundredths
    assert hurried.winner_.settings.minutes == 0.01 and spent < 60 and hurried.tried_[0]["cut"] is (spent + 0.01 >= 0.6)
    model = la.fit(real.head(300), model="auto", settings={"models": "autoregressive", "minutes": 5})
    assert model.tried_[0]["c2st"] is not None and not model.tried_[0]["cut"] and model.winner_.settings.minutes is None


# Stored, and through the command


def test_what_was_kept_is_stored(model: Any, tmp_path: Path, real: pd.DataFrame) -> None:
    again = la.load(la.save(model, tmp_path / "a.lookalike"))
    pd.testing.assert_frame_equal(la.sample(again, 50, seed=4), la.sample(model, 50, seed=4), check_dtype=False)
    assert again.tried_ == model.tried_ and again.settings == model.settings
    assert type(again.winner_) is type(model.winner_) and again.winner_.settings == model.winner_.settings


def test_the_winner_can_be_asked_what_it_knows(real: pd.DataFrame) -> None:
    model = la.fit(real.head(300), model="auto", settings={"models": "forest", "minutes": 0})
    told = model.winner_.log_prob(Dataset.of(real.head(20), schema=model.schema))
    assert told.shape == (20,) and np.isfinite(told).all()


def test_a_stored_winner_without_its_package_says_what_to_install(
    real: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    path = la.save(la.fit(real.head(100), model="auto", settings={"models": "vae", "minutes": 0}), tmp_path / "a.lookalike")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="torch"):
        la.load(path)


def test_fit_shows_what_was_tried(here: Any, table: Path, tmp_path: Path) -> None:
    fit = ("fit", table, "--model", "auto", "--minutes", "2", "--set", f"models={PAIR}", "--out", tmp_path / "m.lookalike")
    code_, out, err = here(*fit)
    assert code_ == 0, err
    assert "Models tried" in out and all(name in out for name in ("independent", "copula", "kept"))
    code_, out, err = here(*fit, "--json")
    assert [t["model"] for t in json.loads(out)["tried"]] == ["independent", "copula"]
    assert here(*fit, "--quiet")[1:] == ("", "")
    assert la.load(tmp_path / "m.lookalike").settings.minutes == 2


def test_make_shows_what_was_tried_and_what_to_know_of_the_training(
    here: Any, table: Path, tmp_path: Path, plant: Callable[..., None]
) -> None:
    plant("noted", fit="data = data.take(rng.permutation(data.rows)[:6])")
    note = "noted: mode collapse: of all rows but few are left"
    make = ("make", table, "--model", "auto", "--rows", "60", "--out", tmp_path / "out")
    code_, out, err = here(*make, "--set", "models=noted", "--minutes", "0")
    assert code_ == 0, err
    assert "Models tried" in out and f"! The model {note}." in out
    code_, out, err = here(*make, "--set", "models=independent", "--minutes", "1", "--json")
    found = json.loads(out)
    assert found["tried"][0]["model"] == "independent"
    assert found["report"]["about"]["tried"].startswith("independent 0.") and "which kept independent" in found["report"]["about"]["model"]
    assert found["report"]["protected"], "what the winner's codebook kept back"
    code_, out, err = here("fit", table, "--model", "noted", "--out", tmp_path / "m.lookalike", "--json")
    assert json.loads(out)["notes"] == [note] and f"note: {note}" in err
    assert "tried" not in json.loads(out)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--model", "auto", "--set", "models=forrest"), ("no model named 'forrest'", "did you mean 'forest'?")),
        (("--model", "forest", "--minutes", "3"), ("--minutes", "'forest' has no time budget", "--model auto")),
        (("--model", "auto", "--minutes", "3", "--set", "minutes=4"), ("minutes", "given twice")),
        (("--model", "auto", "--minutes", "-3"), ("auto.minutes", "greater than or equal to 0")),
        (("--model", "atuo", "--minutes", "3"), ("did you mean 'auto'?",)),
    ],
    ids=lambda v: " ".join(v) if v[0] == "--model" else "",
)
def test_odd_requests_are_refused(here: Any, table: Path, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    for verb, out in (("make", "out"), ("fit", "m.lookalike")):
        code_, shown, err = here(verb, table, *args, "--out", table.parent / out)
        assert code_ == 2 and not shown and "Traceback" not in err
        assert all(word in err for word in words), err
    assert {f.name for f in table.parent.iterdir()} == {"people.csv"}
