"""Metrics, attacks and encoders of the caller's own: what is passed in runs, what cannot is refused before work starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import lookalike as la
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.threat import Guess, Seen, Threat
from lookalike.encode import category
from lookalike.errors import CannotError, LookalikeError, SchemaError, SettingError, StoreError
from lookalike.schema import Schema

pytestmark = pytest.mark.usefixtures("few_trees")


class Upper:
    """Texts as levels, in capitals."""

    def measure(self, values: Any, column: Any, *, subjects: Any = None) -> dict[str, Any]:
        return category.measure(pc.utf8_upper(values), column, subjects=subjects)

    merge = staticmethod(category.merge)
    freeze = staticmethod(category.freeze)
    locate = staticmethod(category.locate)

    def encode(self, values: Any, book: dict[str, Any], column: Any) -> np.ndarray:
        return category.encode(pc.utf8_upper(values), book, column)

    def decode(self, codes: np.ndarray, inside: np.ndarray, book: dict[str, Any], column: Any, *, start: int = 0) -> pa.Array:
        return category.decode(codes, inside, book, column).cast(pa.string())


class Rows:
    """How many rows the table has."""

    name, BETTER = "how_many", "target"
    ABOUT = About(title="How many", definition="Rows.", source="a test", quick=False)

    def measure(self, real: Frame, other: Frame, *, context: Context) -> list[Finding]:
        return [Finding(name=self.name, value=float(other.rows), low=float(other.rows), high=float(other.rows))]


class Known:
    """Finds every target that stands in the synthetic table."""

    name = "known"
    THREAT = Threat(title="Known", definition="Equal rows.", source="a test", knows="the table", wants="membership", strength="weak")

    def attack(self, targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
        made = set(np.round(seen.synthetic["x"], 9))
        return Guess(np.array([x in made for x in np.round(targets["x"], 9)], float))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    word = rng.choice(["red", "Red", "blue"], 400)
    return pd.DataFrame({"x": rng.normal(size=400) + (word == "blue"), "word": word})


@pytest.fixture(scope="module")
def schema(frame: pd.DataFrame) -> Schema:
    return la.schema(frame).amend("word", kind="text", encoder=Upper())


def test_an_encoder_of_ones_own_codes_its_column_and_is_brought_to_the_file(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    model = la.fit(frame, schema=schema, seed=0)
    drawn = la.sample(model, 500, seed=1)
    assert set(drawn["word"]) == {"RED", "BLUE"}
    assert drawn.x[drawn.word == "BLUE"].mean() - drawn.x[drawn.word == "RED"].mean() > 0.5
    path = la.save(model, tmp_path / "own.lookalike")
    assert la.sample(la.load(path, encoders={"word": Upper()}), 500, seed=1).equals(drawn)
    for encoders, said in ((None, "an encoder from elsewhere"), ({"x": Upper()}, "no column 'x'"), ({"word": category}, "not builtins")):
        with pytest.raises(StoreError, match=said):
            la.load(path, encoders=encoders)


def test_a_schema_keeps_an_encoder_when_it_is_amended_and_has_its_name_in_a_file(schema: Schema) -> None:
    again = schema.amend("word", nullable=False).amend("x", low=-9.0).amend_table(schema.table.name, order="x")
    assert isinstance(again.table["word"].encoder, Upper)
    assert "encoder" not in again.table["word"].declared
    read = Schema.from_json(again.to_json())
    assert read.table["word"].encoder == f"{Upper.__module__}:Upper"
    assert read.amend("word", encoder=Upper()).table["word"].declared == read.table["word"].declared


def test_encoders_that_cannot_be_are_refused(frame: pd.DataFrame, schema: Schema) -> None:
    plain = la.schema(frame)
    with pytest.raises(SchemaError, match="kind 'text', not 'number'"):
        plain.amend("x", encoder=Upper())
    with pytest.raises(SchemaError, match="has no measure, merge"):
        plain.amend("word", kind="text", encoder=object())
    with pytest.raises(CannotError, match="which is not here"):
        la.fit(frame, schema=Schema.from_json(schema.to_json()))
    with pytest.raises(CannotError, match="whose rows have no order"):
        la.fit(frame, schema=schema, order="x")


def test_metrics_and_attacks_of_ones_own_stand_in_the_report_with_their_controls(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    late = pd.DataFrame({"x": rng.normal(size=400), "word": rng.choice(["red", "blue"], 400)})
    made = pd.concat([frame.head(200), late.head(200) + {"x": 3.0, "word": ""}])
    report = la.report(frame, made, holdout=late, effort="quick", metrics=[Rows()], attacks=[Known()], require=["how_many<=500"])
    score = next(s for s in report.scores if s.name == "how_many")
    assert score.value == score.ceiling == score.floor == 400
    found = next(a for a in report.json()["attacks"] if a["name"] == "known")
    assert found["value"] > 0.7 and found["controls"]["leak"]["caught"] and not found["controls"]["fresh"]["caught"]
    assert {"how_many", "known"} <= {d["name"] for d in report.json()["definitions"]}
    assert report.json()["gates"][0]["met"]


def test_metrics_and_attacks_that_lack_something_are_refused(frame: pd.DataFrame) -> None:
    def refused(error: type[LookalikeError], said: str, **own: Any) -> None:
        with pytest.raises(error, match=said):
            la.report(frame, frame, **own)

    taken = Known()
    taken.name = "best"
    refused(SettingError, "no BETTER and no measure", metrics=[Known()])
    refused(SettingError, "no name", attacks=[object()])
    refused(SettingError, "of this name already", attacks=[taken])
    refused(SettingError, "of this name already", metrics=[Rows(), Rows()])
    linked = {"a": pd.DataFrame({"id": np.arange(30)}), "b": pd.DataFrame({"a_id": np.arange(30), "y": np.arange(30) % 4})}
    with pytest.raises(CannotError, match="linked ones"):
        la.report(linked, linked, metrics=[Rows()])
