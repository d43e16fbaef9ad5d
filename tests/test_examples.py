"""The examples by industry: short, on public names alone, and each ends in a picture and in a sentence of what was gained."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("LOOKALIKE_DATA") or ROOT / "../shared/data").resolve()
SCRIPTS = sorted(p for p in (ROOT / "examples").glob("*.py") if p.name != "common.py")
SMALL = {"agency": 3_000, "bank": 1_500, "factory": 2_500, "hospital": 3_000, "shop": 60}
"""Rows or subjects with which each runs in seconds."""


def test_there_is_one_for_each_industry_and_it_is_short() -> None:
    assert {p.stem for p in SCRIPTS} == set(SMALL)
    for script in SCRIPTS:
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 80, script.name
        assert f"`{script.name}`" in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_an_example_uses_public_names_only(script: Path) -> None:
    import lookalike

    tree = ast.parse(script.read_text(encoding="utf-8"))
    used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "la"}
    assert used and used <= set(lookalike.__all__)
    others = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)} | {
        a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
    }
    assert not [name for name in others if name and name.startswith("lookalike.")]


def call(script: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """The script, as a person calls it."""
    command = [sys.executable, "-W", "error::FutureWarning", str(script), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_data_that_are_missing_are_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the extra `docs` is not installed: the examples were NOT run")
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.setattr(sys, "argv", ["bank.py", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    common = importlib.import_module("common")
    with pytest.raises(SystemExit, match=r"no fraud/cards.parquet in .*\n.*--data FOLDER"):
        common.asked("A bank.", "fraud/cards.parquet", rows=100)
    assert not (tmp_path / "out").exists()
    sys.modules.pop("common")


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_an_example_runs_and_ends_in_a_picture_and_a_sentence(script: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `docs` is not installed: the examples were NOT run")
    if not DATA.is_dir():
        pytest.skip(f"no data in {DATA}: the examples were NOT run")
    done = call(script, "--data", str(DATA), "--rows", str(SMALL[script.stem]), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"{script.stem}.png").read_bytes().startswith(b"\x89PNG")
    *_, last = done.stdout.strip().splitlines()
    assert re.match(r"Gained: .*\d.*\.$", last), last
