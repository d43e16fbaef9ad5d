"""What is written is true: the README and guides run, flags and settings that the documents name exist, links lead somewhere."""

from __future__ import annotations

import contextlib
import doctest
import gzip
import importlib
import inspect
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike
from lookalike import attacks, metrics
from lookalike.cli import app, main
from lookalike.compare import frame
from lookalike.compare.about import Context
from lookalike.schema import Column

pytestmark = pytest.mark.usefixtures("few_trees")

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


STANDS = {"api.md", "benchmarks.md", "decisions.md", "design.md"}
"""Pages whose blocks are no code of a reader: figures and how they were measured."""
TEXTS = {d.relative_to(ROOT).as_posix(): d.read_text(encoding="utf-8") for d in DOCUMENTS}
GUIDES = sorted(n for n, text in TEXTS.items() if re.search(r"^```(python|sh)", text, flags=re.MULTILINE) and Path(n).name not in STANDS)
"""Documents whose blocks of code run."""


def blocks(guide: str, language: str) -> list[tuple[str, str]]:
    """Code blocks of a document in a language: the file that a block is to stand in, or nothing, and the code."""
    return re.findall(rf'^```{language}(?: title="([^"]+)")?\n(.*?)^```', TEXTS[guide], flags=re.DOTALL | re.MULTILINE)


def commands(guide: str) -> list[list[str]]:
    """Every `lookalike` command of a document, as its words."""
    lines = "\n".join(code for _, code in blocks(guide, "sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("lookalike ")]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tables that the README speaks of."""
    with gzip.open(ROOT / "src/lookalike/samples/adult.csv.gz", "rt", encoding="utf-8") as file:
        head, *rows = file.read().splitlines()[:2_001]
    for name, part in {"census.csv": rows[:1_200], "later.csv": rows[1_200:1_700]}.items():
        (tmp_path / name).write_text("\n".join([head, *part]) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    _shop(tmp_path / "shop")
    _ordered(tmp_path)
    _others(tmp_path)
    return tmp_path


def _shop(folder: Path) -> None:
    """Customers, their orders, and lines of these."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    size = rng.integers(1, 5, 120)
    orders = np.repeat(np.arange(120), size)
    lines = np.repeat(np.arange(len(orders)), rng.integers(1, 4, len(orders)))
    customers = {"customer_id": 1_001 + np.arange(120), "sex": rng.choice(["f", "m"], 120), "age": rng.integers(18, 80, 120)}
    bought = {"order_id": 5_001 + np.arange(len(orders)), "customer_id": 1_001 + orders, "paid": rng.choice(["card", "cash"], len(orders))}
    items = {"line_id": 90_001 + np.arange(len(lines)), "order_id": 5_001 + lines, "price": rng.integers(1, 40, len(lines)) / 2}
    for name, columns in {"customers": customers, "orders": bought, "lines": items}.items():
        pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)


def _others(folder: Path) -> None:
    """Card payments with few frauds, orders that obey rules, people and their calls."""
    rng = np.random.default_rng(2)
    fraud = np.arange(1_200) % 12 == 0
    cards = {"amount": rng.gamma(2, 10 + 20 * fraud).round(2), "age": rng.integers(18, 90, 1_200), "is_fraud": fraud.astype(int)}
    cards |= {"region": rng.choice(["north", "south", "west"], 1_200, p=[0.2, 0.5, 0.3])}
    cards["at"] = pd.Timestamp("2024-03-04") + pd.to_timedelta(rng.integers(0, 20_000, 1_200), unit="min")
    pd.DataFrame(cards).to_csv(folder / "cards.csv", index=False)
    net, ordered = rng.integers(100, 9_000, 600), pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 600), unit="D")
    tax = (net * rng.choice([7, 19], 600)) // 100
    orders = {"ordered": ordered, "shipped": ordered + pd.to_timedelta(rng.integers(0, 9, 600), unit="D"), "net": net / 100}
    pd.DataFrame(orders | {"tax": tax / 100, "gross": (net + tax) / 100}).to_csv(folder / "orders.csv", index=False)
    first = rng.choice(["Anna", "Ben", "Clara", "David", "Eva", "Felix"], 200)
    last = rng.choice(["Schmidt", "Weber", "Koch", "Bauer", "Wolf"], 200)
    mail = [f"{a}.{b}{i}@firma{i % 7}.de".lower() for i, (a, b) in enumerate(zip(first, last, strict=True))]
    people = {"guest": [f"{a} {b}" for a, b in zip(first, last, strict=True)], "host_name": first, "alias": last, "email": mail}
    pd.DataFrame(people).to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"email": rng.choice(mail, 300), "minutes": rng.integers(1, 60, 300)}).to_csv(folder / "calls.csv", index=False)


def _ordered(folder: Path) -> None:
    """Pulses of stays by the hour, and one series of a sensor."""
    rng = np.random.default_rng(1)
    hour = np.tile(np.arange(8), 60)
    pulse = 60 + np.repeat(rng.integers(0, 30, 60), 8) + 2 * hour + rng.integers(-3, 4, 480)
    stays = {"stay": np.repeat(1 + np.arange(60), 8), "hour": hour, "ward": np.repeat(rng.choice(["A", "B"], 60), 8), "pulse": pulse}
    pd.DataFrame(stays).to_csv(folder / "vitals.csv", index=False)
    time = pd.date_range("2024-01-01", periods=600, freq="h")
    heat = 20 + 5 * np.sin(np.arange(600) * 2 * np.pi / 24) + rng.normal(0, 0.5, 600)
    pd.DataFrame({"time": time, "heat": heat.round(2), "load": (3 * heat + rng.normal(0, 1, 600)).round(1)}).to_csv(
        folder / "sensors.csv", index=False
    )


def test_all_guides_are_among_those_that_run() -> None:
    assert {"README.md", "docs/start.md", "docs/extend.md", "docs/augmentation.md", "docs/fairness.md", "docs/rules.md"} <= set(GUIDES)
    assert "docs/cli.md" not in GUIDES, "its calls name tables that are not there; their flags are looked up"


@pytest.mark.parametrize("guide", GUIDES)
def test_what_a_guide_says_runs(guide: str, workplace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands, one after the other, and then its Python, block after block, which may go on with what was there before."""
    monkeypatch.setattr(importlib.import_module("lookalike.steer"), "PARITY_PILOT", 5_000)  # as few as tables of 1,200 rows deserve
    for words in commands(guide):
        *args, target = (*words[1:], "") if ">" not in words else (*words[1 : words.index(">")], words[-1])
        with pytest.raises(SystemExit) as stopped:
            main(args)
        shown = capfd.readouterr()
        assert not stopped.value.code, (words, shown.err)
        if target:
            (workplace / target).write_text(shown.out, encoding="utf-8")
    run(guide, workplace)


def run(guide: str, folder: Path) -> None:
    """The Python of a guide; blocks with a title are files, which the others import."""
    known: dict[str, Any] = {"__name__": "guide"}
    before = set(sys.modules)
    try:
        for title, code in blocks(guide, "python"):
            if title:
                (folder / title).write_text(code, encoding="utf-8")
                continue
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(code, guide, "exec"), known)
    finally:
        for name in {Path(title).stem for title, _ in blocks(guide, "python") if title} - before:
            sys.modules.pop(name, None)


def test_examples_of_docstrings_are_true(workplace: Path) -> None:
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    told, shown = [], io.StringIO()
    for name in lookalike.__all__:
        for one in finder.find(getattr(lookalike, name), name, globs={}):
            told += [name] if one.examples else []
            runner.run(one, out=shown.write)
    assert not runner.failures, shown.getvalue()
    assert {"schema", "fit", "sample", "steer", "stream", "rules", "save", "load"} <= set(told)


def test_every_public_name_is_on_the_page_of_python_with_what_it_takes_gives_and_refuses() -> None:
    page = TEXTS["docs/api.md"]
    for name in lookalike.__all__:
        if name == "LookalikeError":
            continue  # with all others, in lookalike.errors
        assert re.search(rf"^::: lookalike\.(\w+\.)?{name}$", page, flags=re.MULTILINE), f"docs/api.md lacks {name}"
        thing = getattr(lookalike, name)
        assert thing.__doc__ and thing.__doc__.strip(), name
        if inspect.isfunction(thing) and inspect.signature(thing).parameters:
            lost = [p for p in inspect.signature(thing).parameters if not re.search(rf"(?<!\w){p}(?!\w)", thing.__doc__)]
            assert not lost, f"{name} does not say what it does with {', '.join(lost)}"


def test_flags_that_documents_name_exist() -> None:
    import typer

    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    flags = {name: {o for p in c.params for o in getattr(p, "opts", ())} for name, c in known.items()}
    for document in DOCUMENTS:
        for line in re.findall(r"^ *(?:\$ )?lookalike +(\w+ .*)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE):
            name, rest = line.split(" ", 1)
            assert name in known, f"{document.name}: lookalike {name}"
            used = set(re.findall(r"(?<!\S)(--[a-z]+|-[a-z])\b", rest))
            assert used <= flags[name], f"{document.name}: lookalike {name} has no {used - flags[name]}"


def test_settings_are_documented() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for name in lookalike.known_models():
        section = re.search(rf"^## {name}$(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
        assert section, f"docs/models.md has no section {name}"
        for setting, field in type(lookalike.model(name).settings).model_fields.items():
            row = f"| `{setting}` | {field.default!r} | {field.description} |"
            assert row in section[1], f"docs/models.md, {name}: {row}"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The scripts of docs/, which live outside the package and leave no trace behind."""
    names = ("settings", "toys", "commands")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name)


def test_the_script_of_settings_writes_between_its_marks_only(scripts: dict[str, Any]) -> None:
    written, page = scripts["settings"].written, (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert written(page) == page, "python docs/settings.py"
    top = page.replace("## Which model when\n", "## Which model when\n\n## forest\n\n| setting |\n\nWords on top.\n")
    assert written(top) == top
    lost = re.sub(r"^## forest$.*?(?=^## )", "", page, flags=re.MULTILINE | re.DOTALL)
    assert "| `together` |" not in lost
    assert "| `together` |" in written(lost)
    with pytest.raises(SystemExit, match="lacks the lines"):
        written(page.replace("<!-- settings: end -->", ""))


def test_pages_that_are_generated_are_as_they_would_be_now(scripts: dict[str, Any]) -> None:
    assert scripts["commands"].written() == TEXTS["docs/cli.md"], "python docs/commands.py"
    assert scripts["settings"].facts(TEXTS["docs/schema.md"]) == TEXTS["docs/schema.md"], "python docs/settings.py"


@pytest.mark.parametrize("name", ["checkerboard", "rings", "spiral"])
def test_the_label_of_a_toy_hangs_on_the_place(scripts: dict[str, Any], name: str) -> None:
    from scipy.spatial import cKDTree

    x, y, label = scripts["toys"].TOYS[name](6_000, np.random.default_rng(0))
    assert max(abs(x).max(), abs(y).max()) < scripts["toys"].REACH
    places = np.stack([x, y], axis=1)
    _, near = cKDTree(places).query(places, k=2)
    assert (label[near[:, 1]] == label).mean() > 0.97
    for alone in (x, y):
        order = np.argsort(alone)
        assert (label[order][1:] == label[order][:-1]).mean() < 0.8


def test_a_toy_is_told_from_columns_drawn_alone_but_not_from_itself(scripts: dict[str, Any]) -> None:
    toys = scripts["toys"]
    few = {"drawn": 2_000, "judged": 2_000}
    assert abs(toys.fresh("rings", **few).auc - 0.5) < 0.03
    alone = toys.learned("rings", "independent", rows=2_000, **few)
    assert alone.auc > 0.7
    assert len(alone.points[0]) == 2_000
    assert set(np.unique(alone.points[2])) == {0, 1, 2}


def test_squares_have_the_colour_of_their_label_and_blank_ones_are_not_drawn(scripts: dict[str, Any]) -> None:
    toys = scripts["toys"]
    at = np.array([-1.0, -1.0, 1.0, 1.0, 5.0]), np.array([1.0, 1.0, -1.0, -1.0, 0.0]), np.array([0, 0, 1, 2, 2])
    found = toys.counts(at, 8)
    assert found.sum() == 4, "what lies beyond the picture is left out"
    paint = toys.colours(found, 2)
    assert (paint[0, 0] == toys.INKS[0]).all()
    assert (paint[7, 7] == np.round((toys.INKS[1] + toys.INKS[2]) / 2)).all()
    blank = (paint == toys.PAPER).all(axis=2)
    wide = [int(n) for n in re.findall(r"h(\d+)v1", toys.squares(paint))]
    assert sum(wide) == (~blank).sum() == 2


def test_the_picture_has_a_panel_for_every_model_and_toy(scripts: dict[str, Any]) -> None:
    toys = scripts["toys"]
    law = toys.TOYS["spiral"](500, np.random.default_rng(0))
    aucs = {"": 0.5, "this": 0.611, "that": 0.75}
    panels = [toys.Panel(toy, model, law, auc, 1.25) for toy in ("one", "two") for model, auc in aucs.items()]
    svg, tall = toys.picture(panels)
    words = [(e.text, "font-weight" in e.attrib) for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]
    assert [w for w, _ in words if w in ("real", "this", "that")] == ["real", "this", "that"]
    assert words.count(("C2ST 0.611", True)) == words.count(("C2ST 0.750", False)) == 2
    assert 600 < tall < 1_280
    assert "| `that` | 0.750 · 1.2 s | 0.750 · 1.2 s |" in toys.told(panels)


def test_the_picture_of_the_toys_is_sharp_and_small_and_told_in_words() -> None:
    shot = (ROOT / "docs" / "toys.png").read_bytes()
    assert shot.startswith(b"\x89PNG") and int.from_bytes(shot[16:20], "big") == 2 * 1_280
    assert len(shot) <= 400 * 1024
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    told = page.partition("<!-- toys: begin -->")[2].partition("<!-- toys: end -->")[0]
    drawn = set(lookalike.known_models()) - {"auto", "relational", "ruled", "sequence", "series", "surrogate"}
    assert set(re.findall(r"^\| `(\w+)` \|", told, flags=re.MULTILINE)) == drawn, "python docs/toys.py"


def metric_rows() -> list[str]:
    """What docs/report.md says of each metric: its scores, with unit and direction, when it runs, and what it asks."""
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "age": pa.array(rng.integers(18, 80, 300), pa.int64()),
            "pay": rng.normal(size=300),
            "job": pa.array(rng.choice(["a", "b", "c"], 300)).dictionary_encode(),
            "rich": pa.array(rng.random(300) < 0.5),
        }
    )
    kinds = {"age": "integer", "pay": "number", "job": "category", "rich": "boolean"}
    real, other, fresh = frame.code(dict.fromkeys("rsh", table), [Column(name=n, kind=k) for n, k in kinds.items()]).values()
    rows = []
    for name in metrics.names():
        module, about = metrics.load(name), metrics.load(name).ABOUT
        context = Context(np.random.default_rng(0), fresh, "rich", protected=("job",), train=real)
        scores = [f"`{f.name}`" for f in module.measure(real, other, context=context)]
        better = f"{module.BETTER}{', %' if about.unit else ''}"
        asks = (module.__doc__ or "").strip().partition("\n")[0]
        rows.append(f"| {about.area} | {', '.join(scores)} | {better} | {'quick' if about.quick else 'standard'} | {asks} |")
    return rows


def attack_rows() -> list[str]:
    """What docs/report.md says of each attack: what it wants and how strong it is, when it runs, and its idea."""
    rows = []
    for name in attacks.names():
        module, threat = attacks.load(name), attacks.load(name).THREAT
        idea = (module.__doc__ or "").strip().partition("\n")[0]
        rows.append(f"| `{name}` | {threat.wants} | {threat.strength} | {'quick' if threat.quick else 'standard'} | {idea} |")
    return rows


def test_all_scores_and_attacks_are_documented() -> None:
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    for row in metric_rows() + attack_rows():
        assert row in text, f"docs/report.md lacks: {row}"
    listed = re.findall(r"^\| (?:fidelity|diversity|utility|fairness|privacy) \| .*$", text, flags=re.MULTILINE)
    assert sorted(listed) == sorted(metric_rows()), "docs/report.md lists a metric that is not there"


def test_all_scores_of_linked_tables_and_ordered_rows_are_documented() -> None:
    from lookalike.report import items, verdict

    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    section = page.split("### Of linked tables and ordered rows")[1].split("\n## ")[0]
    known = {name for item in (*items.LINKED, *items.ORDERED) for name, _ in item.names.values()} | {"integrity", *verdict.WINDOWS}
    assert known <= set(re.findall(r"`(\w+)`", page))
    assert set(re.findall(r"`(\w+)`", section.split("\n\n")[2])) <= known


def anchors(text: str) -> set[str]:
    """Names of the headings of a page, as the site and code hosts make them."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", bare, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()).strip().replace(" ", "-") for title in titles}


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        name = document.relative_to(ROOT).as_posix()
        for link, _, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)(#([^)\s]*))?\)", TEXTS[name]):
            there = document if not link else (document.parent / link).resolve()
            assert there.exists(), f"{name}: {link}"
            if anchor and not anchor.startswith("lookalike."):
                assert anchor in anchors(there.read_text(encoding="utf-8")), f"{name}: {link}#{anchor}"


def test_every_page_is_in_the_navigation_and_no_picture_is_left_over() -> None:
    told = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    assert sorted(re.findall(r"([\w/]+\.md)$", told, flags=re.MULTILINE)) == sorted(p.name for p in (ROOT / "docs").glob("*.md"))
    for picture in (*(ROOT / "docs").glob("*.png"), *(ROOT / "docs").glob("*.svg")):
        assert any(f"({picture.name})" in text for text in TEXTS.values()), picture.name


def test_no_document_names_a_place_of_one_machine() -> None:
    for document in [*DOCUMENTS, ROOT / "constraints.txt", ROOT / "pyproject.toml", ROOT / "Makefile"]:
        assert not re.search(r"(^|[\s(\"'`=])/(work|root|home|tmp|opt)/|file://", document.read_text(encoding="utf-8")), document.name


def test_changelog_names_this_version_or_what_is_not_yet_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[({re.escape(lookalike.__version__)}|Unreleased)\]", text, flags=re.MULTILINE)
