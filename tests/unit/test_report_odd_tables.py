"""Tables that a report cannot do all with, given to the command: what cannot be said has a reason, the rest comes, exit codes are right."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import typer

from lookalike import cli
from lookalike.report import Plan

pytestmark = pytest.mark.usefixtures("few_trees")


def people(seed: int, rows: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    pay = np.round(age * 100 + rng.normal(0, 900, rows), 2)
    return pd.DataFrame({"age": age, "pay": pay, "job": rng.choice(["clerk", "nurse"], rows), "rich": np.where(pay > 5_000, "yes", "no")})


class Told(NamedTuple):
    code: int
    out: str
    err: str
    data: dict[str, Any]

    def score(self, name: str) -> dict[str, Any]:
        return next(s for s in self.data["scores"] if s["name"] == name)


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `lookalike report` on frames; words are runs of letters with one space between, wherever lines break."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(real: pd.DataFrame, synthetic: pd.DataFrame, *args: str, holdout: pd.DataFrame | None = None) -> Told:
        held = [] if holdout is None else ["--holdout", str(tmp_path / "holdout.csv")]
        for name, frame in {"real": real, "synthetic": synthetic, "holdout": holdout}.items():
            if frame is not None:
                frame.to_csv(tmp_path / f"{name}.csv", index=False)
        out = tmp_path / "report.json"
        paths = [str(tmp_path / "real.csv"), str(tmp_path / "synthetic.csv")]
        with pytest.raises(SystemExit) as stopped:
            cli.main(["report", *paths, *held, "--quick", "--out", str(out), "--out", str(tmp_path / "report.md"), *args])
        told = capsys.readouterr()
        data = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        assert out.exists() == (tmp_path / "report.md").exists()
        return Told(int(stopped.value.code or 0), " ".join(told.out.split()), " ".join(told.err.split()), data)

    return run


def test_columns_that_one_table_lacks(judge: Any) -> None:
    told = judge(people(1, 45), people(2, 45).drop(columns="job").assign(town="Rome"))
    assert told.code == 0
    assert "The synthetic table lacks 'job': not compared." in told.out
    assert told.data["compared"]["columns"] == ["age", "pay", "rich"] and told.score("shape")["value"] is not None


def test_a_column_of_another_type(judge: Any) -> None:
    told = judge(people(1), people(2).assign(pay="much"), holdout=people(3))
    assert told.code == 0
    assert "In the synthetic table 'pay' is not of the kind that the real table has (row 1: 'much'" in told.out
    assert told.data["compared"]["columns"] == ["age", "job", "rich"] and told.score("c2st")["value"] is not None


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (pd.DataFrame({"x": [1, 2] * 60}), "no column in common (real: 'age', 'pay', 'job', 'rich'; synthetic: 'x')"),
        (pd.DataFrame({"age": ["old", "young"] * 60}), "no column of the synthetic table is of the kind that the real table has"),
    ],
    ids=["other names", "other types"],
)
def test_nothing_in_common(judge: Any, other: pd.DataFrame, words: str) -> None:
    told = judge(people(1), other)
    assert told.code == 2 and words in told.err and "→" in told.err
    assert not told.data and not told.out


def test_few_synthetic_rows(judge: Any) -> None:
    told = judge(people(1), people(2, 30), "--require", "c2st<=0.9", holdout=people(3))
    assert told.code == 1, "what was not computed does not meet a gate"
    assert "The synthetic table has only 30 rows: most figures say little." in told.out
    assert "c2st cannot be shown to be <= 0.9" in told.err
    assert {v["tone"] for v in told.data["verdict"]} <= {"open", "poor"}
    assert told.score("c2st")["value"] is None and "50 rows" in told.score("c2st")["note"]
    assert told.score("shape")["value"] is not None


def test_nothing_to_predict(judge: Any) -> None:
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame({"word": [" ".join(rng.choice(list("abcdefghij"), 9)) for _ in range(60)]}) for _ in range(3)]
    told = judge(tables[0], tables[1], holdout=tables[2])
    assert told.code == 0 and told.data["target"]["name"] is None
    assert told.score("utility")["value"] is None and told.score("utility")["note"] in told.out
    assert told.score("shape")["value"] is not None


def test_a_target_of_one_class(judge: Any) -> None:
    told = judge(people(1).assign(rich="yes"), people(2).assign(rich="yes"), "--target", "rich", holdout=people(3).assign(rich="yes"))
    assert told.code == 0
    assert told.score("utility")["value"] is None and told.score("utility")["note"] in told.out
    assert told.score("trend")["value"] is not None


def test_constant_columns_only(judge: Any) -> None:
    frame = pd.DataFrame({"a": ["x"] * 60, "b": [7] * 60})
    told = judge(frame, frame, holdout=frame)
    assert told.code == 0
    assert "Verdict" in told.out and "Not tested" in told.out
    lacking = [s for s in told.data["scores"] if s["value"] is None]
    assert lacking and all(s["note"] for s in lacking)


def test_a_holdout_that_overlaps_the_training_rows(judge: Any) -> None:
    held = pd.concat([people(3, 100), people(1, 150).head(60)])
    told = judge(people(1, 150), people(2), "--require", "shape<=90%", holdout=held)
    assert told.code == 0
    assert "60 rows of the holdout (37.5 %) also stand in the training table" in told.out
    assert told.out.index("Split") < told.out.index("60 rows of the holdout") < told.out.index("Verdict")
    assert "every comparison with it is in doubt" in told.out
    assert not any(v["tone"] == "good" and v["area"] == "privacy" for v in told.data["verdict"])


@pytest.mark.parametrize("name", ["make", "schema", "fit", "sample", "report"])
def test_examples_of_the_help_are_commands(name: str) -> None:
    command = typer.main.get_command(cli.app).commands[name]  # type: ignore[attr-defined]
    lines = [line.strip() for line in str(command.help).splitlines() if line.strip().startswith("lookalike ")]
    assert lines
    for line in lines:
        words = shlex.split(line.partition(" > ")[0].partition(" | ")[0])
        assert words[1] == name
        asked = command.make_context(name, words[2:]).params
        for gate in Plan(require=asked.get("require") or ()).gates():
            assert gate.name in ("c2st", "mia")
