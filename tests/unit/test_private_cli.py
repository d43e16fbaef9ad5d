"""Private fits on the command line: what is refused, what is written, what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.cli import main
from lookalike.errors import SettingError

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture
def census(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table and a schema of its public facts."""
    rng = np.random.default_rng(0)
    lines = [f"{rng.integers(17, 90)},{rng.choice(['red', 'green'])},{rng.choice(['yes', 'no'])}" for _ in range(400)]
    (tmp_path / "census.csv").write_text("age,color,rich\n" + "\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    run("schema", "census.csv", "--public", "--out", "public.json")
    facts = json.loads(Path("public.json").read_text())
    for column in facts["tables"][0]["columns"]:
        column |= {"age": {"low": 0, "high": 120}, "color": {"levels": ["red", "green"]}}.get(column["name"], {})
    Path("public.json").write_text(json.dumps(facts))
    return tmp_path


def run(*words: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as stopped:
        main(words)
    return int(stopped.value.code or 0)


FIT = ("fit", "census.csv", "--out", "m.lookalike", "--schema", "public.json")


def test_a_private_model_carries_its_promise(census: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(*FIT, "--epsilon", "1", "--ledger", "ledger.json") == 0
    assert "even odds" in capfd.readouterr().out
    assert run("privacy", "m.lookalike") == 0
    assert "NOT covered" in capfd.readouterr().out
    assert run("privacy", "ledger.json", "--json") == 0
    assert json.loads(capfd.readouterr().out)["budget"]["epsilon"] == 1
    assert run("sample", "m.lookalike", "-n", "50", "--out", "rows.csv") == 0
    ages = [int(line.split(",")[0]) for line in Path("rows.csv").read_text().splitlines()[1:]]
    assert len(ages) == 50
    assert 0 <= min(ages) <= max(ages) <= 120


def test_a_spent_ledger_refuses_and_nothing_is_written(census: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("privacy", "ledger.json", "--epsilon", "1.3") == 0
    assert run(*FIT, "--epsilon", "1", "--ledger", "ledger.json") == 0
    Path("m.lookalike").unlink()
    booked = Path("ledger.json").read_bytes()
    assert run(*FIT, "--epsilon", "1", "--ledger", "ledger.json") == 2
    said = capfd.readouterr().err
    assert "left" in said
    assert "spent on" in said
    assert not Path("m.lookalike").exists()
    assert Path("ledger.json").read_bytes() == booked


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--epsilon", "0"), "above 0"),
        (("--epsilon", "-2"), "above 0"),
        (("--epsilon", "nan"), "epsilon"),
        (("--epsilon", "one"), "epsilon"),
        (("--epsilon", "1", "--delta", "0.5"), "one over the number of rows"),
        (("--epsilon", "1", "--delta", "2"), "delta"),
        (("--epsilon", "1", "--model", "forest"), "marginals"),
        (("--epsilon", "1", "--rows-per-subject", "0"), "rows_per_subject"),
        (("--epsilon", "1", "--rows-per-subject", "3"), "subject"),
        (("--epsilon", "1", "--ledger", "nowhere/ledger.json"), "nowhere"),
        (("--delta", "1e-7"), "give --epsilon"),
        (("--buy",), "give --epsilon"),
        (("--ledger", "x.json"), "give --epsilon"),
    ],
)
def test_what_cannot_be_promised_is_refused_before_work(
    census: Path, capfd: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    assert run(*FIT, *flags) == 2
    shown = capfd.readouterr().err
    assert said in " ".join(shown.replace("│", " ").split())
    assert not Path("m.lookalike").exists()
    assert not list(census.glob("ledger*"))


def test_undeclared_facts_are_listed_with_the_command_that_helps(census: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "census.csv", "--out", "m.lookalike", "--epsilon", "1") == 2
    shown = " ".join(capfd.readouterr().err.split())
    assert "age: kind, nullable, number, low, high; color: kind, nullable, levels" in shown
    assert "lookalike schema DATA --public --out schema.json" in shown
    assert "--buy" in shown


def test_a_wrong_ledger_is_refused(census: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("ledger.json").write_text('{"some": "file"}')
    assert run(*FIT, "--epsilon", "1", "--ledger", "ledger.json") == 2
    assert "not a privacy ledger" in capfd.readouterr().err
    assert Path("ledger.json").read_text() == '{"some": "file"}'


def test_a_model_without_a_promise_says_so(census: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "census.csv", "--out", "plain.lookalike", "--model", "independent") == 0
    assert run("privacy", "plain.lookalike") == 2
    assert "promises nothing" in capfd.readouterr().err


def test_make_marks_its_report_as_not_covered(census: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("make", "census.csv", "--schema", "public.json", "--epsilon", "2", "--out", "made") == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "not covered by it" in shown
    page = Path("made/report.html").read_text()
    assert "What is promised" in page
    told: dict[str, Any] = json.loads(Path("made/report.json").read_text())
    assert told["privacy"]["epsilon"] == 2


def test_an_audit_shows_no_more_than_is_promised(census: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # above ε = 3, of 100 coins all must be guessed right: chance alone, which has no seed, does not
    assert run("audit", "public.json", "--epsilon", "3", "--runs", "0", "--canaries", "100", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["passed"]
    assert found["epsilon"] <= 3
    assert not found["internal"]
    assert run("audit", "public.json", "--epsilon", "1", "--runs", "0", "--canaries", "0") == 2


def test_an_audit_goes_into_the_statement_of_what_was_fitted_so(census: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(*FIT, "--epsilon", "3", "--quiet") == 0
    capfd.readouterr()
    attack = ("audit", "public.json", "--runs", "0", "--canaries", "100", "--into", "m.lookalike", "--quiet")
    for wrong, said in (
        (("--epsilon", "2"), "epsilon of the file is 3.0, not 2.0"),
        (("--epsilon", "3", "--set", "groups=8", "--model", "diffusion"), "model of the file is marginals, not diffusion"),
        (("--epsilon", "3", "--set", "protect=9"), "settings of the file"),
        (("--epsilon", "3", "--data", "census.csv"), "an audit of real rows does not go into a statement"),
    ):
        before = Path("m.lookalike").read_bytes()
        assert run(*attack, *wrong) == 2
        assert said in " ".join(capfd.readouterr().err.split())
        assert Path("m.lookalike").read_bytes() == before
    assert run(*attack, "--epsilon", "3") == 0
    assert run("privacy", "m.lookalike", "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert told["audit"]["findings"][0]["method"] == "one run" and told["audit"]["epsilon"] <= 3
    assert run("sample", "m.lookalike", "-n", "20", "--out", "rows.csv", "--quiet") == 0


def test_an_audit_of_other_rows_per_subject_goes_into_no_statement(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"who": [f"p{k // 3:03}" for k in range(600)], "color": rng.choice(["red", "green"], 600)})
    facts = la.privacy.skeleton(la.schema(frame).amend("who", kind="key", storage="string")).amend("color", levels=("red", "green"))
    facts = facts.model_copy(update={"subject": "who"})
    model = la.fit(frame, schema=facts, model=la.Private(epsilon=3.0, rows_per_subject=2), seed=0)
    la.save(model, tmp_path / "m.lookalike")
    with pytest.raises(SettingError, match="at most 2 rows"):
        la.audit(la.Private(epsilon=3.0, rows_per_subject=1), facts, runs=0, canaries=100, into=tmp_path / "m.lookalike")


def test_an_audit_by_other_facts_goes_into_no_statement(tmp_path: Path) -> None:
    frame = pd.DataFrame({"color": ["red", "green"] * 300, "big": [True, False, False] * 200})
    facts = la.privacy.skeleton(la.schema(frame)).amend("color", levels=("red", "green"))
    la.save(la.fit(frame, schema=facts, model=la.Private(epsilon=3.0), seed=0), tmp_path / "m.lookalike")
    for other, words in (
        (facts.amend("color", levels=("red", "green", "blue")), "its column 'color' is another"),
        (la.privacy.skeleton(la.schema(frame[["color"]])).amend("color", levels=("red", "green")), "its column 'big' is another"),
    ):
        with pytest.raises(SettingError, match=words):
            la.audit(la.Private(epsilon=3.0), other, runs=0, canaries=100, into=tmp_path / "m.lookalike")


def test_a_ledger_may_have_any_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("privacy", str(tmp_path / "my.ledger"), "--epsilon", "2") == 0
    capfd.readouterr()
    assert run("privacy", str(tmp_path / "my.ledger"), "--json") == 0
    assert json.loads(capfd.readouterr().out)["budget"]["epsilon"] == 2


def test_a_fit_that_is_refused_leaves_no_ledger(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    frame = pd.DataFrame({"color": ["red", "green"] * 300})
    facts = la.privacy.skeleton(la.schema(frame)).amend("color", levels=("red", "green"))
    place = tmp_path / "l.json"
    asked = la.Private(la.model("autoregressive", epochs=3), epsilon=1.0, ledger=place)
    with pytest.raises(SettingError, match="cannot take epochs"):
        la.fit(frame, schema=facts, model=asked)
    assert not place.exists()
    la.fit(frame, schema=facts, model=la.Private(epsilon=0.5, ledger=place))
    assert la.privacy.Ledger.open(place).budget.epsilon == 0.5
