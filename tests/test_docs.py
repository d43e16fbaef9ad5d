"""What is written is true: README blocks run, flags and settings that the documents name exist, links lead somewhere."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import lookalike
from lookalike import attacks, metrics
from lookalike.cli import app, main
from lookalike.compare import frame
from lookalike.compare.about import Context
from lookalike.schema import Column

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[str]:
    """Code blocks of the README in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    """Every `lookalike` command of the README, as its words."""
    lines = "\n".join(blocks("sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("lookalike ")]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tables that the README speaks of."""
    with gzip.open(ROOT / "src/lookalike/samples/adult.csv.gz", "rt", encoding="utf-8") as file:
        head, *rows = file.read().splitlines()[:2_001]
    for name, part in {"census.csv": rows[:1_200], "later.csv": rows[1_200:1_700]}.items():
        (tmp_path / name).write_text("\n".join([head, *part]) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_of_the_readme_runs(workplace: Path) -> None:
    for code in blocks("python"):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, "README.md", "exec"), {})
    assert (workplace / "report.html").exists()


def test_shell_of_the_readme_runs(workplace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(commands()) >= 5
    for words in commands():
        *args, target = (*words[1:], "") if ">" not in words else (*words[1 : words.index(">")], words[-1])
        with pytest.raises(SystemExit) as stopped:
            main(args)
        shown = capfd.readouterr()
        assert not stopped.value.code, (words, shown.err)
        if target:
            (workplace / target).write_text(shown.out, encoding="utf-8")


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


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8")):
            if link != "docs/report.png":
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_no_document_names_a_place_of_one_machine() -> None:
    for document in [*DOCUMENTS, ROOT / "constraints.txt", ROOT / "pyproject.toml", ROOT / "Makefile"]:
        assert not re.search(r"(^|[\s(\"'`=])/(work|root|home|tmp|opt)/|file://", document.read_text(encoding="utf-8")), document.name


def test_changelog_names_this_version_or_what_is_not_yet_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[({re.escape(lookalike.__version__)}|Unreleased)\]", text, flags=re.MULTILINE)
