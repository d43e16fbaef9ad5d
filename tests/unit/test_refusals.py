"""What a person may get wrong is refused before any work, in words that say what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

import lookalike as la
from lookalike._whole import expanded
from lookalike.data import Dataset, Writer
from lookalike.errors import CannotError, DataError, FileError, LookalikeError, SchemaError, SettingError, UnknownName
from lookalike.fair import twins
from lookalike.plan import Plan
from lookalike.rules import Rules
from lookalike.schema import Column, Schema, Table

ROWS, RNG = 80, np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "sex": np.tile(["f", "m"], ROWS // 2),
        "town": np.tile(["Oslo", "Rome", "Rome", "Lima"], ROWS // 4),
        "only": ["same"] * ROWS,
        "age": np.arange(ROWS) % 17 + 20,
        "note": [f"a word or {k} of a text that goes on" for k in range(ROWS)],
    }
)


@pytest.fixture(scope="module")
def model() -> Any:
    return la.fit(FRAME, model="forest", settings={"trees": 2})


def refused(deed: Callable[[], Any], kind: type[LookalikeError], *words: str) -> None:
    with pytest.raises(kind) as told:
        deed()
    assert all(word in str(told.value) for word in words), told.value


# ---- drawing


@pytest.mark.parametrize(
    ("deed", "kind", "words"),
    [
        (lambda m: la.steer(m, {"given": {"sex": "f"}}), SettingError, ["how many rows"]),
        (lambda m: la.stream(m, 5, plan={"fix": FRAME}), SettingError, ["come as they are", "lookalike.sample"]),
        (lambda m: la.sample(m, plan={"fix": FRAME, "given": {"sex": "f"}}), SettingError, ["given in part", "leave out given"]),
        (lambda m: la.sample(m, 7, plan={"fix": FRAME[["sex"]].head(5)}), SettingError, ["5 rows are given, not 7"]),
        (lambda m: la.sample(m, plan={"fix": FRAME[["sex"]].head(0)}), LookalikeError, ["no rows"]),
        (lambda m: la.sample(m, 20, plan={"rebalance": "only"}), LookalikeError, ["only"]),
        (lambda m: twins(m, FRAME, group=(), rng=RNG), SettingError, ["no column cannot be a group"]),
    ],
)
def test_what_cannot_be_drawn(model: Any, deed: Callable[[Any], Any], kind: type[LookalikeError], words: list[str]) -> None:
    refused(lambda: deed(model), kind, *words)


# ---- fitting and making


@pytest.mark.parametrize(
    ("deed", "kind", "words"),
    [
        (lambda: la.make(FRAME, plan={"fix": FRAME}), SettingError, ["come as they are", "use sample"]),
        (
            lambda: la.fit(FRAME, model=la.model("copula"), settings={"cells": 9}),
            SettingError,
            ["settings belong to a model given by name"],
        ),
        (lambda: la.fit(FRAME, model=la.Private(epsilon=1.0), settings={"cells": 9}), SettingError, ["lookalike.Private(lookalike.model("]),
        (lambda: la.fit(FRAME[["age"]], order="age", subject="agge"), UnknownName, ["did you mean 'age'"]),
        (lambda: la.impute(FRAME), DataError, ["no cell is missing"]),
        (lambda: la.Augmentation().augment(FRAME), SettingError, ["no target was named", "Augmentation(target="]),
        (lambda: la.Augmentation(target="twon").augment(FRAME), UnknownName, ["did you mean 'town'"]),
    ],
)
def test_what_cannot_be_fitted(deed: Callable[[], Any], kind: type[LookalikeError], words: list[str]) -> None:
    refused(deed, kind, *words)


@pytest.mark.parametrize(("outer", "settings"), [("ruled", {"rules": ["age >= 20"]}), ("relational", {})])
def test_a_kind_that_the_inner_model_does_not_take_is_named(outer: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = la.model("copula").can
    monkeypatch.setattr("lookalike.models.copula.Copula.can", type(numbers)(kinds=frozenset({"integer"})))
    refused(
        lambda: la.fit(FRAME[["age", "sex"]], model=outer, settings={"inner": "copula", **settings}),
        CannotError,
        "category",
        "sex",
        "inner",
    )


# ---- plans and rules


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([1], ["a table of entries"]),
        ({"given": {"sex": "f"}, "rebalance": "sex"}, ["sex", "both given and to be balanced"]),
        ({"given": {"sex": "f"}, "shares": {"sex": {"f": 0.5, "*": 0.5}}}, ["both given and among the shares"]),
        ({"rebalance": "sex", "counts": {"sex": {"f": 5}}}, ["its shares are told twice"]),
        ({"parity": "income"}, ["is a table of settings"]),
        ({"rules": "age > 3"}, ["rules", "a list of texts"]),
        ({"rules": [3]}, ["is not a list of texts"]),
        ({"shares": {None: {"f": 1.0}}}, ["None is no name of a column"]),
        ({"shares": "sex"}, ["is a table of columns and shares"]),
        ({"shares": [{"columns": [], "of": {}}]}, ["not a share"]),
        ({"counts": "sex"}, ["is a table of columns and numbers of rows"]),
        ({"counts": {"sex": {"f": 1.5}}}, ["1.5 is not a number of rows"]),
        ({"rebalance": {"sex": 2}}, ["2 is not a share of its rarest level"]),
        ({"shares": {"sex": [["f"]]}}, ["is not a cell and what is said of it"]),
        ({"shares": {"sex": []}}, ["not a list of cells"]),
        ({"shares": {"sex": [["*", 0.5], ["*", 0.5]]}}, ["the rest, is there twice"]),
        ({"shares": {"sex": [[["f"], 0.5], [["f"], 0.5]]}}, ["a cell is there twice"]),
        ({"shares": [{"columns": ["sex", "town"], "of": {"f": 1.0}}]}, ["each combination is a list"]),
        ({"fix": FRAME, "rebalance": "sex"}, ["have the shares that they have"]),
    ],
)
def test_what_is_no_plan(raw: Any, words: list[str]) -> None:
    refused(lambda: Plan.from_json(raw), SettingError, *words)


def test_a_plan_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "plan.yaml").write_text("given: {sex: [}", encoding="utf-8")
    (tmp_path / "twice.yaml").write_text("given: &a {sex: f}\nparity: *a\n", encoding="utf-8")
    refused(lambda: Plan.read(tmp_path / "plan.json"), SettingError, "not a text file", "plan.json")
    refused(lambda: Plan.read(tmp_path / "plan.yaml"), SettingError, "not YAML", "plan.yaml")
    refused(lambda: Plan.read(tmp_path / "twice.yaml"), SettingError, "refers back to another entry")
    refused(lambda: Plan.read(tmp_path / "none.yaml"), FileError, "none.yaml")


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ("age > 3", SettingError, ["a list of texts, not one text"]),
        ([3], SettingError, ["rules[0]", "a rule is a text, not int"]),
        (["agge > 3"], UnknownName, ["did you mean 'age'"]),
        (["if sexx = 'f' then age > 3"], UnknownName, ["did you mean 'sex'"]),
        (["unique(sexx)"], UnknownName, ["did you mean 'sex'"]),
        (["combination(sex, twon)"], UnknownName, ["did you mean 'town'"]),
        (["(" * 3_000 + "age > 3" + ")" * 3_000], SettingError, ["more than 50 brackets"]),
    ],
)
def test_what_is_no_rule(given: Any, kind: type[LookalikeError], words: list[str]) -> None:
    refused(lambda: Rules.of(given, la.schema(FRAME)), kind, *words)


# ---- schemas


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Column(name="a", kind="integer", low=5, high=1), "low 5.0 is above high 1.0"),
        (lambda: Column(name="a", kind="integer", declared=("hihg",)), "'hihg', which is not a fact of a column"),
        (lambda: Column(name="a", kind="category", levels=("x", "x")), "levels names a category twice"),
        (lambda: Table(columns=(Column(name="a", kind="integer"), Column(name="a", kind="text"))), "two columns are named 'a'"),
        (lambda: Table(columns=(Column(name="key", kind="key"),), key=("kye",)), "did you mean 'key'"),
        (lambda: Schema(tables=(Table(name="t", columns=(Column(name="a", kind="text"),)),) * 2), "two tables are named 't'"),
        (lambda: Schema(tables=(Table(name="t", columns=(Column(name="a", kind="text"),)),), subject="b"), "subject: "),
    ],
)
def test_what_is_no_schema(made: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValidationError) as told:
        made()
    assert words in str(told.value)


def test_a_schema_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.json").write_text("[1]", encoding="utf-8")
    refused(lambda: la.fit(FRAME, schema=tmp_path / "a.json"), SchemaError, "not a text file", "lookalike schema DATA")
    refused(lambda: la.fit(FRAME, schema=tmp_path / "b.json"), SchemaError, "a schema is a JSON object")
    two = Schema(tables=tuple(Table(name=n, columns=(Column(name="a", kind="text"),)) for n in "xy"))
    refused(lambda: two.table, SchemaError, "2 tables, where one is needed")


# ---- files


def test_places_and_files_that_cannot_be(tmp_path: Path, model: Any) -> None:
    refused(lambda: expanded("a\0b"), FileError, "a NUL is in its name")
    refused(lambda: expanded("~nobody-of-this-name/a.csv"), FileError, "no home folder of this name")
    refused(lambda: la.sample(model, 5).pipe(lambda f: Dataset.of(f).write(tmp_path / "a.xls")), FileError, "write .xlsx")
    writer = Writer(tmp_path / "a.csv", model.schema)
    refused(lambda: writer.append(model.sample(3, rng=np.random.default_rng(0)).table()), FileError, "the writer is not open")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    refused(lambda: Dataset.of(tmp_path / "empty.jsonl"), DataError, "the file is empty")


def test_a_number_that_lacks_leading_zeros_names_the_level_that_has_them() -> None:
    with pytest.raises(UnknownName, match=r"did you mean '003'\? too few") as told:
        raise UnknownName("3", ("001", "002", "003", "030"), hint="too few")
    assert "'030'" not in str(told.value)
    assert "known: 001" in str(UnknownName("4", ("001", "002")))
