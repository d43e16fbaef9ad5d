"""Plans: JSON and YAML round trips, and what contradicts itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lookalike import Plan, Schema
from lookalike.errors import FileError, LookalikeError, SettingError, UnknownName
from lookalike.schema import Column, Table

FULL: dict[str, Any] = {
    "given": {"age": {"low": 20, "high": 30}, "town": ["Oslo", None], "note": None, "paid": {"missing": False}},
    "shares": [{"columns": ["sex"], "of": [[["f"], 0.5], ["*", 0.5]]}, {"columns": ["a", "b"], "of": [[["x", 1], 0.25], ["*", 0.75]]}],
    "counts": {"kind": {"rare": 500}},
    "rules": ["start <= end"],
    "parity": {"target": "income", "group": "race"},
    "rare": {"columns": {"amount": "high"}},
    "found": ["rules"],
}
SCHEMA = Schema(
    tables=(Table(columns=(Column(name="age", kind="integer"), Column(name="sex", kind="category"), Column(name="id", kind="key"))),)
)


def test_a_plan_survives_json_and_yaml(tmp_path: Path) -> None:
    plan = Plan(**FULL)
    text = json.dumps(plan.to_json())
    assert Plan.from_json(json.loads(text)) == plan
    import yaml

    for name, written in (("plan.json", text), ("plan.yaml", yaml.safe_dump(plan.to_json()))):
        (tmp_path / name).write_text(written, encoding="utf-8")
        assert Plan.read(tmp_path / name) == plan


def test_short_and_long_forms_mean_the_same() -> None:
    long = Plan(shares=[{"columns": ["sex"], "of": [[["f"], 0.3], [["m"], 0.7]]}])
    assert Plan(shares={"sex": {"f": 0.3, "m": 0.7}}) == long
    assert Plan(counts={"kind": {"rare": 5}}) == Plan(counts={"kind": [[["rare"], 5]]})


def test_a_plan_that_asks_nothing_is_empty() -> None:
    assert Plan().empty
    assert not Plan(given={"sex": "f"}).empty


def test_a_file_that_is_named_lies_beside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("sex\nf\n", encoding="utf-8")
    (tmp_path / "plan.json").write_text('{"fix": "rows.csv"}', encoding="utf-8")
    assert Plan.read(tmp_path / "plan.json").fix == str(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ({"shares": {"sex": {"f": 0.5}}}, "sum to 0.5, not 1"),
        ({"shares": {"sex": {"f": 0.5, "m": 0.6}}}, "sum to 1.1"),
        ({"shares": {"sex": {"f": -0.5, "m": 1.5}}}, "not a share"),
        ({"shares": {"sex": {"f": True, "m": 0}}}, "not a share"),
        ({"shares": {"sex": 0.5}}, "not a list of cells"),
        ({"shares": "sex"}, "table of columns"),
        ({"shares": [{"columns": "sex", "of": {}}]}, "not a share"),
        ({"shares": [{"columns": ["a", "b"], "of": {"x": 1}}]}, "each combination is a list"),
        ({"shares": [{"columns": ["a", "b"], "of": [[["x"], 1]]}]}, "say something of each"),
        ({"shares": {"sex": [[["f"], 0.5], [["f"], 0.5]]}}, "twice"),
        ({"shares": {"sex": {"f": 1.0}}, "given": {"sex": "f"}}, "both given and among the shares"),
        ({"shares": {"sex": {"f": 1.0}}, "counts": {"sex": {"f": 3}}}, "told twice"),
        ({"counts": {"sex": {"f": 1.5}}}, "not a number of rows"),
        ({"rules": "a < b"}, "list of texts"),
        ({"given": ["sex"]}, "table of columns"),
        ({"parity": "sex"}, "table of settings"),
        ({"fix": "rows.csv", "shares": {"sex": {"f": 1.0}}}, "leave out the shares"),
        ({"found": ["rulez"]}, "rules"),
    ],
)
def test_what_contradicts_itself_is_refused(raw: dict[str, Any], what: str) -> None:
    with pytest.raises(LookalikeError) as told:
        Plan(**raw)
    assert what in str(told.value)


def test_misspelt_entries_name_the_near_match(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="givn") as told:
        Plan.from_json({"givn": {}})
    assert "'given'" in str(told.value)
    (tmp_path / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(SettingError, match="not JSON"):
        Plan.read(tmp_path / "plan.json")
    with pytest.raises(FileError):
        Plan.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ({"given": {"agee": 3}}, "agee"),
        ({"given": {"id": "A1"}}, "made anew"),
        ({"shares": {"sexx": {"f": 1.0}}}, "sexx"),
        ({"given": {"age": "old"}}, "not of the kind"),
        ({"rules": ["age < agee"]}, "agee"),
        ({"rules": ["age < 3", "age > 5"]}, "no row can obey"),
    ],
)
def test_what_the_columns_do_not_have_is_refused(raw: dict[str, Any], what: str) -> None:
    with pytest.raises(LookalikeError, match=what):
        Plan(**raw).check(SCHEMA)


def test_what_is_only_in_memory_cannot_be_written() -> None:
    from lookalike.rules import Rule

    with pytest.raises(SettingError, match="Python function"):
        Plan(rare=len).to_json()
    with pytest.raises(SettingError, match="frame"):
        Plan(fix=object()).to_json()
    with pytest.raises(SettingError, match="Python function"):
        Plan(rules=[Rule.of(lambda f: f["age"] > 3, columns=["age"], name="grown")]).to_json()
