"""Plans from flags and files: what is typed is what is drawn, and what makes no sense is refused before a model is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike import _flags, _shown
from lookalike.cli import main

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of orders and a model of it."""
    folder, rng = tmp_path_factory.mktemp("plans"), np.random.default_rng(0)
    n = 600
    price, quantity = rng.integers(1, 50, n), rng.integers(1, 9, n)
    kind = rng.choice(["a", "b", "rare one"], n, p=[0.6, 0.35, 0.05])
    frame = pd.DataFrame({"price": price, "quantity": quantity, "total": price * quantity, "kind": kind, "start": rng.integers(0, 99, n)})
    frame["end"] = frame.start + rng.integers(0, 30, n)
    frame.to_csv(folder / "orders.csv", index=False)
    la.save(la.fit(folder / "orders.csv"), folder / "orders.lookalike")
    frame.assign(kind=frame.kind.where(rng.random(n) < 0.8)).to_csv(folder / "holey.csv", index=False)
    return folder


def run(capfd: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in args])
    out, err = capfd.readouterr()
    return int(stopped.value.code or 0), out, err


def test_flags_are_obeyed_and_accounted_for(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = ["--given", "price=10..20", "--share", "kind=rare one:0.5", "--rule", "start <= end"]
    code, out, err = run(capfd, "sample", place / "orders.lookalike", "-n", 100, *asked, "--out", place / "s.csv", "--json")
    assert code == 0, err
    rows, account = pd.read_csv(place / "s.csv"), json.loads(out)
    assert rows.price.between(10, 20).all()
    assert (rows.kind == "rare one").sum() == 50
    assert (rows.start <= rows.end).all()
    assert [line["met"] for line in account["lines"]] == [True] * 4


def test_rows_go_to_standard_output_and_the_account_beside_them(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd, "sample", place / "orders.lookalike", "-n", 20, "--rebalance", "kind")
    assert code == 0
    assert out.count("\n") == 21
    assert "asked 33.33 %" in err


def test_a_plan_file_and_rows_given_in_part(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "part.csv").write_text("kind,price\na,\n,7\n", encoding="utf-8")
    (place / "plan.yaml").write_text("fix: part.csv\nrules: [start <= end]\n", encoding="utf-8")
    code, _, err = run(capfd, "sample", place / "orders.lookalike", "--plan", place / "plan.yaml", "--out", place / "p.csv")
    assert code == 0, err
    rows = pd.read_csv(place / "p.csv")
    assert rows.kind[0] == "a" and rows.price[1] == 7 and rows.notna().all().all()


def test_rules_are_found_confirmed_and_hold(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "rules", place / "orders.csv", "--out", place / "plan.json", "--json")
    assert code == 0
    texts = [rule["text"] for rule in json.loads(out)]
    assert "total = price * quantity" in texts
    assert la.Plan.read(place / "plan.json").found == ("rules",)
    made = ["make", place / "orders.csv", "--rules", place / "plan.json", "--rows", 300, "--out", place / "made", "--quiet"]
    assert run(capfd, *made)[0] == 0
    rows = pd.read_csv(place / "made" / "synthetic.csv")
    assert (rows.total == rows.price * rows.quantity).all()


@pytest.mark.parametrize(("many", "title"), [(1, "1 rule found: confirm it"), (2, "2 rules found: confirm them")])
def test_rules_found_are_counted(place: Path, many: int, title: str) -> None:
    shown: Any = _shown.rules(la.rules(place / "orders.csv")[:1] * many)
    assert shown.title == title


def test_missing_cells_are_drawn(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "impute", place / "holey.csv", "--tables", 2, "--out", place / "whole-{}.csv")[0] == 0
    assert all(pd.read_csv(place / f"whole-{k}.csv").notna().all().all() for k in (1, 2))
    code, _, err = run(capfd, "impute", place / "holey.csv", "--out", place / "whole.csv")
    assert code == 2 and "{}" in err
    code, _, err = run(capfd, "impute", place / "holey.csv", "--tables", 0, "--out", place / "none-{}.csv")
    assert code == 2 and "--best" in err


def test_missing_cells_of_named_columns_are_guessed(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    holey = pd.read_csv(place / "holey.csv")
    holey["price"] = holey["price"].mask(holey.index % 7 == 3)
    holey.to_csv(place / "holey-too.csv", index=False)
    code, _, err = run(capfd, "impute", place / "holey-too.csv", "--best", "--columns", "price, price", "--out", place / "best.csv")
    assert code == 0 and "price: " in err and "guessed" in err
    best = pd.read_csv(place / "best.csv")
    assert best.price.notna().all() and best.kind.isna().sum() == holey.kind.isna().sum() > 0


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (("--best", "--tables", 2, "--out", "guess.csv"), "--tables 2"),
        (("--best", "--out", "guess-{}.csv"), "leave out {}"),
        (("--best", "--out", "holey.csv"), "real table would be replaced"),
        (("--tables", 1, "--out", "../{here}/holey.csv"), "real table would be replaced"),
    ],
)
def test_tables_that_nobody_would_get_and_the_real_one_are_refused(
    asked: tuple[Any, ...], word: str, place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    before = (place / "holey.csv").read_bytes()
    code, _, err = run(capfd, "impute", "holey.csv", *(str(a).replace("{here}", place.name) for a in asked))
    assert code == 2 and word in err
    assert (place / "holey.csv").read_bytes() == before
    assert not list(place.glob("guess*"))


def test_pseudonyms_are_the_same_in_every_table_and_with_the_same_key(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    people = pd.DataFrame({"email": [f"anna{i}@mail.example" for i in range(40)], "paid": range(40)})
    people.to_csv(place / "people.csv", index=False)
    people.iloc[::-1].drop(columns="paid").to_csv(place / "mails.csv", index=False)
    asked = ["pseudonyms", place / "people.csv", place / "mails.csv", "--key", place / "secret.key", "--quiet", "--out"]
    for folder in ("one", "two"):
        code, _, err = run(capfd, *asked, place / folder)
        assert code == 0, err
    first, second, mails = (pd.read_csv(place / f) for f in ("one/people.csv", "two/people.csv", "one/mails.csv"))
    assert first.equals(second) and (first.paid == people.paid).all()
    assert not set(first.email) & set(people.email)
    assert (mails.email[::-1].to_numpy() == first.email.to_numpy()).all()
    assert (place / "secret.key").stat().st_mode & 0o777 == 0o600
    code, _, err = run(capfd, "pseudonyms", place / "orders.csv", "--out", place / "none")
    assert code == 2 and "no column is known to hold personal values" in err and not (place / "none").exists()


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (["--given", "price"], "says nothing of a column"),
        (["--given", "prise=3"], "prise"),
        (["--share", "kind=a"], "is not a share"),
        (["--share", "kind=a:1.5"], "sum to 1.5"),
        (["--rebalance", "kind=2"], "is not a share of its rarest level"),
        (["--rebalance", "price"], "no levels"),
        (["--rule", "start <"], "start <"),
        (["--plan", "none.json"], "none.json"),
        (["--json"], "--out"),
    ],
)
def test_what_makes_no_sense_is_refused(place: Path, capfd: pytest.CaptureFixture[str], flags: list[str], what: str) -> None:
    code, out, err = run(capfd, "sample", place / "orders.lookalike", "-n", 5, *flags)
    assert (code, out) == (2, "")
    assert what in " ".join(err.split())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Female", "Female"),
        ("7", 7),
        ("007", "007"),
        ("true", "true"),
        ("null", None),
        ("20..30", {"low": 20, "high": 30}),
        ("1..2..3", "1..2..3"),
        ("..3.5", {"high": 3.5}),
        ("2020-01-31..", {"low": "2020-01-31"}),
        ('["a", "b"]', ["a", "b"]),
        ('{"missing": false}', {"missing": False}),
    ],
)
def test_what_is_typed_is_what_is_meant(text: str, value: Any) -> None:
    assert _flags.planned(None, given=[f"x={text}"]) == la.Plan(given={"x": value})


def test_rules_that_were_found_stay_marked(place: Path) -> None:
    (place / "found.json").write_text('{"rules": ["start <= end"], "found": ["rules"]}', encoding="utf-8")
    made = _flags.planned(None, rules=[str(place / "found.json")], rule=["price >= 1"])
    assert made == la.Plan(rules=["start <= end", "price >= 1"], found=["rules"])


def test_a_level_is_what_was_written_not_the_number_that_it_looks_like() -> None:
    made = _flags.planned(None, given=["version=1.10", "size=1e5", "age=40", "share=0.5"], share=["other=1.10:0.3"])
    assert made.to_json()["given"] == {"version": "1.10", "size": "1e5", "age": 40, "share": 0.5}
    assert "1.10" in str(made.to_json()["shares"])
    frame = pd.DataFrame({"version": ["1.1", "1.10"] * 100, "lasting": pd.to_timedelta([90, 200] * 100, unit="s")})
    model = la.fit(frame, model="independent", schema=la.schema(frame).amend("version", kind="category"))
    assert set(la.sample(model, 20, plan=_flags.planned(None, given=["version=1.10"])).version) == {"1.10"}
    assert set(la.sample(model, 20, plan=_flags.planned(None, given=["lasting=90.0"])).lasting) == {pd.Timedelta(90, unit="s")}
