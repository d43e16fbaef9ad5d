"""The report: it notices what is planted, shows no few real people, and says why what it lacks is lacking."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lookalike.data import Dataset
from lookalike.errors import DataError, FileError, SettingError, UnknownName
from lookalike.protocol import Step
from lookalike.report import Report, build, verdict
from lookalike.schema import Column, Schema, Table
from lookalike.score import Score

pytestmark = pytest.mark.usefixtures("fewer_trees")

KINDS = {"age": "integer", "pay": "number", "job": "category", "day": "date", "rich": "boolean"}
NASTY = '</script><script>alert("x")</script>'


def people(seed: int, rows: int = 600, **changed: pa.Array) -> pa.Table:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    job = rng.choice(["clerk", "nurse", "cook"], rows)
    pay = np.round(age * 100 + (job == "nurse") * 1_500 + rng.normal(0, 500, rows), 2)
    columns = {
        "age": pa.array(age, pa.int64()),
        "pay": pa.array(pay, mask=rng.random(rows) < np.where(job == "cook", 0.5, 0.1)),
        "job": pa.array(job).dictionary_encode(),
        "day": pa.array((age * 30).astype(np.int32)).cast(pa.date32()),
        "rich": pa.array(pay > 5_000),
    }
    return pa.table(columns | changed)


def dataset(table: pa.Table, kinds: dict[str, str] | None = None) -> Dataset:
    kinds = kinds or {n: KINDS.get(n, "category") for n in table.column_names}
    schema = Schema(tables=(Table(columns=tuple(Column(name=n, kind=k) for n, k in kinds.items())),))
    return Dataset.from_arrow({"table": table}, schema)


def shuffled(table: pa.Table, name: str) -> pa.Table:
    order = pa.array(np.random.default_rng(len(name)).permutation(table.num_rows))
    return table.set_column(table.column_names.index(name), name, table[name].take(order))


@pytest.fixture(scope="module")
def report() -> Report:
    return build(dataset(people(1)), dataset(people(2)), holdout=dataset(people(3)), target="rich", about={"model": "trial"})


def score(report: Report, name: str) -> dict[str, object]:
    return next(s for s in report.json()["scores"] if s["name"] == name)


# ---- what it says


def test_every_score_stands_beside_ceiling_floor_and_interval(report: Report) -> None:
    for s in report.scores:
        if s.value is None:
            assert s.note, s.name
            continue
        assert s.low <= s.value <= s.high, s.name
        assert None not in (s.ceiling, s.floor, s.copy, s.uniform, s.detectable), s.name
        assert s.title and s.metric and s.area
    assert score(report, "trend")["floor"] > 2 * score(report, "trend")["ceiling"]
    assert "total" not in {s.name for s in report.scores}


def test_all_that_is_shown_is_defined(report: Report) -> None:
    data = report.json()
    defined = {(d["kind"], d["name"]): d for d in data["definitions"]}
    assert {("metric", s["metric"]) for s in data["scores"]} | {("attack", a["name"]) for a in data["attacks"]} == set(defined)
    assert "best" in {a["name"] for a in data["attacks"]} and "on the others" in defined["attack", "best"]["text"]
    assert all(d["text"] and d["source"] for d in defined.values())


def test_scores_keep_what_is_theirs_in_one_place(report: Report) -> None:
    for s in report.json()["scores"]:
        assert set(s["detail"]) <= {"synthetic", "ceiling"}, s["name"]


def test_rows_of_the_same_law_are_said_to_be_as_real(report: Report) -> None:
    tones = {v["title"]: v["tone"] for v in report.json()["verdict"]}
    assert {title for title, tone in tones.items() if tone not in ("good", "open")} == set()
    assert {
        "Single columns",
        "Pairs of columns",
        "A classifier's view",
        "Diversity",
        "Use for prediction",
        "Copied rows",
        "Attacks",
    } <= set(tones)
    assert report.json()["split"]["tone"] == "good"


def test_it_is_json_and_repeats_itself(report: Report) -> None:
    once, again = (build(dataset(people(1, 70)), dataset(people(2, 60)), holdout=dataset(people(3, 70)), seed=4) for _ in range(2))
    text = json.dumps(once.json(), allow_nan=False)
    assert json.loads(text) == once.json()
    assert text == json.dumps(again.json(), allow_nan=False)
    assert (report.json()["format"], report.json()["version"]) == ("lookalike.report", 2)


@pytest.mark.parametrize(
    ("titles", "flaw"),
    [
        (["Copied rows", "Memory of training rows", "Attacks"], lambda t: people(1)),
        (["Pairs of columns", "Use for prediction"], lambda t: shuffled(shuffled(t, "pay"), "rich")),
        (
            ["Single columns", "A classifier's view", "Beyond chance"],
            lambda t: t.set_column(0, "age", pa.array(np.minimum(t["age"].to_numpy(), 50))),
        ),
    ],
)
def test_planted_flaws_are_noticed(titles: list[str], flaw: object) -> None:
    found = build(dataset(people(1)), dataset(flaw(people(2))), holdout=dataset(people(3)), target="rich")
    tones = {v["title"]: v["tone"] for v in found.json()["verdict"]}
    assert {t: tones[t] for t in titles} == {t: "fair" if t == "Beyond chance" else "poor" for t in titles}


def test_without_a_holdout_it_says_loudly_what_cannot_be_judged() -> None:
    found = build(dataset(people(1, 60)), dataset(people(1, 60)))
    assert "No holdout" in found.json()["notes"][0]
    assert "No holdout" in found.text()
    assert score(found, "dcr_share")["value"] is None
    assert score(found, "exact_copies")["value"] == 100
    assert score(found, "exact_copies")["ceiling"] is None
    tones = {v["title"]: v["tone"] for v in found.json()["verdict"]}
    assert tones["Copied rows"] == tones["Memory of training rows"] == "open"


def test_a_holdout_of_another_law_is_found() -> None:
    old = people(3, age=pa.array(np.random.default_rng(0).integers(70, 110, 600), pa.int64()))
    found = build(dataset(people(1)), dataset(people(2)), holdout=dataset(old)).json()
    assert found["verdict"][0]["title"] == "The holdout"
    assert found["split"]["tone"] == "poor" and found["split"]["c2st"]["low"] > 0.6
    assert "in doubt" in found["limits"][0]
    assert "good" not in {v["tone"] for v in found["verdict"]}


def test_a_guessed_target_is_said_to_be_guessed() -> None:
    found = build(dataset(people(1, 45)), dataset(people(2, 45)))
    assert found.json()["target"] == {"name": "rich", "given": False, "why": "the last column, with few levels"}
    assert "guessed" in found.text()


def test_steps_are_told() -> None:
    steps: list[Step] = []
    build(dataset(people(1, 45)), dataset(people(2, 45)), on_step=steps.append)
    done = [s.done for s in steps]
    assert done == sorted(done) and set(done) == set(range(steps[-1].total + 1))


def test_a_table_too_large_to_hold_is_sampled_and_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("lookalike.report.report"), "MOST_ROWS", 45)
    found = build(dataset(people(1)), dataset(people(2, 40)), holdout=dataset(people(3))).json()
    assert found["rows"] == {"real": 45, "synthetic": 40, "holdout": 45}
    notes = " ".join(found["notes"])
    assert "The real table has 600 rows, of which 45, drawn at random, were looked at: copies of the others" in notes
    assert "The holdout table has 600 rows, of which 45" in notes and "The synthetic table has 40 rows, of" not in notes


def test_a_large_file_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(people(1), tmp_path / "real.parquet")
    monkeypatch.setattr("lookalike.data.infer.HELD", 1_000)
    monkeypatch.setattr(import_module("lookalike.report.report"), "MOST_ROWS", 45)
    real = Dataset.of(tmp_path / "real.parquet")
    found = build(real, dataset(people(2), {c.name: c.kind for c in real.schema.table}))
    assert found.json()["rows"]["real"] == 45
    assert not real._tables, "the whole table was read into memory"


def test_few_rows_are_never_called_good() -> None:
    found = build(dataset(people(1)), dataset(people(2, 3)), holdout=dataset(people(3)), target="rich")
    assert {s["tone"] for s in found.json()["verdict"]} <= {"open", "poor"}
    assert "The synthetic table has only 3 rows: most figures say little." in found.json()["notes"]


# ---- care with real rows


def test_no_bar_stands_for_a_few_real_rows() -> None:
    jobs = ["clerk"] * 590 + ["spy"] * 3 + ["pope"] * 1 + ["judge"] * 6
    pay = np.concatenate([np.linspace(1_000, 5_000, 599), [987_654.32]])
    real = people(1, job=pa.array(jobs).dictionary_encode(), pay=pa.array(pay))
    hold = people(3, job=pa.array(jobs[::-1]).dictionary_encode())
    found = build(dataset(real), dataset(people(2)), holdout=dataset(hold))
    assert "(rare 1)" in json.dumps(found.json()["scores"])
    for column in found.json()["columns"]:
        for role in ("real", "holdout"):
            assert all(bar is None or bar == 0 or bar >= 0.83 for bar in column["chart"][role])  # 5 of 600 rows
    for text in (json.dumps(found.json()), found.html().split('id="data">')[1].split("</script>")[0]):
        assert "judge" in text
        assert not re.search(r"\bspy\b|\bpope\b|987[,.]?654", text)


def test_the_page_says_that_it_is_confidential(report: Report) -> None:
    assert "As confidential as the data" in report.html()


# ---- bad input


def test_columns_that_only_one_table_has_are_left_out_and_named() -> None:
    real, synthetic = people(1, 45), people(2, 45).drop_columns(["day"])
    found = build(dataset(real), dataset(synthetic))
    assert "The synthetic table lacks 'day': not compared." in found.json()["notes"]
    assert "day" not in found.json()["compared"]["columns"]


def test_no_column_in_common() -> None:
    other = dataset(pa.table({"x": pa.array(["a", "b"] * 40)}))
    with pytest.raises(DataError, match=r"no column in common .*real: 'age'"):
        build(dataset(people(1)), other)


def test_no_rows() -> None:
    with pytest.raises(DataError, match="synthetic table has no rows"):
        build(dataset(people(1)), dataset(people(2).slice(0, 0)))


def test_a_misspelt_target_names_the_near_match() -> None:
    with pytest.raises(UnknownName, match="did you mean 'rich'"):
        build(dataset(people(1)), dataset(people(2)), target="rihc")
    with pytest.raises(UnknownName, match="no protected column named 'jb'"):
        build(dataset(people(1)), dataset(people(2)), protected_columns=["jb"])
    with pytest.raises(UnknownName, match="no effort named 'fast'"):
        build(dataset(people(1)), dataset(people(2)), effort="fast")
    with pytest.raises(UnknownName, match="did you mean 'public'"):
        build(dataset(people(1)), dataset(people(2)), audience="publik")
    with pytest.raises(SettingError, match="no requirement"):
        build(dataset(people(1)), dataset(people(2)), require=["c2st"])


def test_few_rows_still_make_a_report() -> None:
    found = build(dataset(people(1, 30)), dataset(people(2, 8)), holdout=dataset(people(3, 30)))
    assert any("only 8 rows" in n for n in found.json()["notes"])
    assert score(found, "c2st")["value"] is None and "50 rows" in score(found, "c2st")["note"]
    assert score(found, "shape")["value"] is not None
    assert "Not computed" in found.html()


@pytest.mark.parametrize("kind", ["constant", "number", "empty", "key"])
def test_columns_that_say_nothing(kind: str) -> None:
    values = {
        "constant": pa.array(["x"] * 45),
        "number": pa.nulls(45, pa.float64()),
        "empty": pa.nulls(45),
        "key": pa.array([f"k{i}" for i in range(45)]),
    }
    table = pa.table({"v": values[kind]})
    found = build(dataset(table, {"v": kind}), dataset(table, {"v": kind}), holdout=dataset(table, {"v": kind}))
    assert score(found, "utility")["value"] is None
    assert found.text() and "</html>" in found.html()


def test_one_class_only() -> None:
    one = people(2, 80, rich=pa.array([True] * 80))
    found = build(dataset(people(1, 80)), dataset(one), holdout=dataset(people(3, 80)), target="rich")
    assert "single value" in score(found, "utility")["note"]
    assert score(found, "c2st")["value"] > 0.5


# ---- several tables, gates, audiences


def test_several_tables_are_judged_by_the_same_measure() -> None:
    tables = {"a": people(2, 80), "b": people(1, 80)}
    real, held = dataset(people(1, 80)), dataset(people(3, 80))
    both = build(
        real, dataset(tables["a"]), holdout=held, name="a", others={"b": dataset(tables["b"])}, require=["exact_copies<=50", "c2ts<=1"]
    ).json()
    alone = build(real, dataset(tables["b"]), holdout=held).json()
    (other,) = both["others"]
    assert (both["name"], other["name"]) == ("a", "b")
    assert other["scores"] == alone["scores"]
    assert [(a["name"], a["value"]) for a in other["attacks"]] == [(a["name"], a["value"]) for a in alone["attacks"]]
    assert other["verdict"] == alone["verdict"]
    assert [(g["table"], g["met"]) for g in both["gates"]] == [("a", True), ("a", None), ("b", False), ("b", None)]
    assert "did you mean 'c2st'" in both["gates"][1]["text"]


def test_gates_are_asked_of_a_report(report: Report) -> None:
    met, unmet = report.require(["shape<=50%", "c2st.value>=0.9"])
    assert met.met and not unmet.met
    with pytest.raises(UnknownName, match="did you mean 'shape'"):
        report.require(["shpe<=1"])


def test_a_public_report_tells_no_column(report: Report) -> None:
    public = report.public()
    assert public.json()["audience"] == "public" and not public.json()["columns"]
    assert {s.name for s in public.scores} == {s.name for s in report.scores if s.area != "privacy"}
    assert all(s.value is None or s.value == round(s.value, 2) for s in public.scores)
    assert public.json()["about"] == {"model": "trial"} and public.json()["limits"][0].startswith("This page is for the public")
    assert json.loads(json.dumps(public.json(), allow_nan=False)) == public.json() == public.public().json()


def test_a_public_report_is_made_from_the_start() -> None:
    found = build(dataset(people(1, 45)), dataset(people(2, 45)), audience="public", require=["shape<=90"])
    assert found.json()["audience"] == "public"
    assert [g["met"] for g in found.json()["gates"]] == [True]


def test_further_draws_are_measured_and_limit_the_verdict_less() -> None:
    draws = [dataset(people(s, 60)) for s in (4, 5)]
    found = build(dataset(people(1, 80)), dataset(people(2, 80)), holdout=dataset(people(3, 80)), draws=draws).json()
    shape = next(s for s in found["scores"] if s["name"] == "shape")
    assert len(shape["draws"]) == 3 and shape["draws"][0] == pytest.approx(shape["value"])
    assert any(limit.startswith("3 tables were drawn") for limit in found["limits"])
    assert not any("draw 1" in note for note in found["notes"])


def test_rows_that_the_holdout_shares_with_the_training_table_are_said() -> None:
    held = pa.concat_tables([people(3, 80), people(1).slice(0, 100)]).unify_dictionaries()
    found = build(dataset(people(1)), dataset(people(2, 45)), holdout=dataset(held)).json()
    assert "rows of the holdout" in found["verdict"][0]["text"] and found["split"]["overlap"]["rows"] >= 100
    assert {v["tone"] for v in found["verdict"] if v["area"] == "privacy"} <= {"open", "poor"}


# ---- views


def test_names_in_the_page_are_harmless() -> None:
    table = lambda s: people(s, 44).rename_columns([NASTY, "pay", "job", "day", "rich"])  # noqa: E731
    jobs = pa.array([NASTY] * 22 + ["clerk"] * 22).dictionary_encode()
    kinds = dict(zip([NASTY, "pay", "job", "day", "rich"], KINDS.values(), strict=True))
    sources = [dataset(table(s).set_column(2, "job", jobs), kinds) for s in (1, 2, 3)]
    page = build(sources[0], sources[1], holdout=sources[2], about={NASTY: NASTY}, protected={NASTY: {"levels": 2}}).html()
    assert "alert(" in page
    assert "<script>alert" not in page
    assert page.count("<script") == page.count("</script>") == 3


def test_the_page_needs_nothing_from_outside(report: Report) -> None:
    page = report.html()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#|data:)""", page.split('<script type="application/json"')[0])
    assert "default-src 'none'" in page
    assert len(page) < 1_000_000


def test_a_page_of_50_columns_is_small() -> None:
    table = lambda s: pa.table({f"c{i}_{n}": c for i in range(10) for n, c in zip(KINDS, people(s + i, 60).columns, strict=True)})  # noqa: E731
    kinds = {f"c{i}_{n}": k for i in range(10) for n, k in KINDS.items()}
    found = build(dataset(table(0), kinds), dataset(table(100), kinds), holdout=dataset(table(200), kinds))
    assert len(found.html().encode()) < 2_000_000
    assert len(json.dumps(found.json())) < 1_000_000


@pytest.mark.parametrize("width", [60, 100])
def test_text_keeps_its_width(report: Report, width: int) -> None:
    lines = report.text(width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("Classifier" in line for line in lines)
    assert "\x1b[" not in report.text() and "\x1b[" in report.text(color=True)


def test_protected_facts_are_told_in_words() -> None:
    found = build(dataset(people(1, 45)), dataset(people(2, 45)), protected={"job": {"levels": 3, "rows": 7}})
    assert "3 rare levels pooled, 7 rows with a rare level" in found.html()


@pytest.mark.parametrize("ending", ["html", "json", "txt"])
def test_a_report_is_written_whole(report: Report, tmp_path: Path, ending: str) -> None:
    path = report.write(tmp_path / f"report.{ending}")
    assert path.stat().st_size > 500
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert ending != "json" or json.loads(path.read_text(encoding="utf-8")) == report.json()


def test_a_place_that_cannot_be_written(report: Report, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="its folder is not there"):
        report.write(tmp_path / "nowhere" / "report.html")
    with pytest.raises(SettingError, match=r"\.docx"):
        report.write(tmp_path / "report.docx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("percent", "told"), [(0.0, "no row equals one"), (0.004, "under 0.01 % of rows equal one"), (1.5, "1.50 % of rows equal one")]
)
def test_no_equal_row_is_said_as_such(percent: float, told: str) -> None:
    assert verdict._equal(percent, "one") == told


@pytest.mark.parametrize(
    ("value", "wide", "tone", "words"),
    [
        (0.58, 0.30, "open", "Too few rows to say (AUC 0.580; 0.5 is a coin toss, 1 is certainty; 95 % interval 0.280 to 0.880)."),
        (0.58, 0.30, "open", "not even an AUC of 1 would stand out"),
        (0.58, 0.15, "open", "only an AUC above 0.803 would stand out"),
        (0.52, 0.05, "good", "It cannot tell"),
        (0.85, 0.15, "poor", "well"),
    ],
)
def test_a_classifier_without_power_is_no_praise(value: float, wide: float, tone: str, words: str) -> None:
    """It says nothing unless it would have noticed tables that are well told apart."""
    ceiling = {"ceiling": 0.5, "ceiling_interval": (0.5 - wide, 0.5 + wide)}
    score = Score(name="c2st", value=value, better="target", low=value - wide, high=value + wide, detail={"synthetic": {}}, **ceiling)
    said = verdict.told(score)
    assert said["tone"] == tone and words in said["text"]
