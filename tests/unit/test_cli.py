"""The command, as a person uses it: through a real process where processes matter, else through `main` in this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike import _flags
from lookalike.cli import main

pytestmark = pytest.mark.usefixtures("few_trees")

LOOKALIKE = (sys.executable, "-m", "lookalike")
QUICK = ("--model", "independent")


class Run(NamedTuple):
    code: int
    out: str
    err: str


def command(*args: str | Path, cwd: Path | None = None) -> Run:
    """Run `lookalike` as a process of its own."""
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "lookalike", *map(str, args)], cwd=cwd, env=env, capture_output=True, text=True, timeout=120
    )
    return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `lookalike` in this process."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*args: str | Path) -> Run:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in args])
        return Run(stopped.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    age = rng.integers(18, 90, 300)
    return pd.DataFrame(
        {"age": age, "sex": rng.choice(["f", "m"], 300), "pay": rng.gamma(2, 900, 300).round(2), "rich": np.where(age > 50, "yes", "no")}
    )


@pytest.fixture
def table(frame: pd.DataFrame, tmp_path: Path) -> Path:
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


@pytest.fixture(scope="module")
def stored(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return la.save(la.fit(frame, model="independent"), tmp_path_factory.mktemp("model") / "people.lookalike")


def refused(run: Run, *words: str) -> None:
    """A refusal says what, where and what to do, on stderr, without a traceback, with exit code 2."""
    assert run.code == 2, run
    assert "Traceback" not in run.err
    assert not run.out
    for word in words:
        assert word in run.err, run.err


def left(folder: Path) -> set[str]:
    return {f.name for f in folder.iterdir()}


# What works


def test_make_writes_five_files_and_says_where(table: Path) -> None:
    run = command("make", "people.csv", *QUICK, "--target", "rich", "--rows", "50", "--seed", "3", cwd=table.parent)
    assert run.code == 0, run.err
    folder = table.parent / "people-lookalike"
    assert left(folder) == {"synthetic.csv", "report.html", "report.json", "schema.json", "model.lookalike"}
    assert left(table.parent) == {"people.csv", "people-lookalike"}
    assert "people-lookalike/report.html" in run.err
    made = pd.read_csv(folder / "synthetic.csv")
    assert (list(made.columns), len(made)) == (["age", "sex", "pay", "rich"], 50)


def test_make_prints_json_alone(here: Any, table: Path, tmp_path: Path) -> None:
    run = here("make", table, *QUICK, "--rows", "30", "--out", tmp_path / "out", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["folder"] == str(tmp_path / "out")


def test_schema_is_json_when_piped_and_goes_back_in(here: Any, table: Path, tmp_path: Path) -> None:
    text = here("schema", table).out
    (tmp_path / "s.json").write_text(text, encoding="utf-8")
    assert la.Schema.from_json(text) == la.schema(table)
    assert here("schema", table, "--out", tmp_path / "t.json").code == 0
    assert (tmp_path / "t.json").read_text(encoding="utf-8") == text
    assert here("fit", table, *QUICK, "--schema", tmp_path / "s.json", "--out", tmp_path / "m.lookalike").code == 0


def test_schema_is_a_table_on_a_terminal(here: Any, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = here("schema", table).out
    for name, kind in {"age": "integer", "sex": "category", "pay": "number"}.items():
        assert any(name in line and kind in line for line in shown.splitlines())


def test_fit_sample_report(here: Any, table: Path, tmp_path: Path) -> None:
    stored = tmp_path / "m.lookalike"
    run = here("fit", table, *QUICK, "--set", "cells=16", "--out", stored, "--json")
    assert json.loads(run.out)["model"] == str(stored)
    assert here("sample", stored, "-n", "40", "--seed", "1", "--out", tmp_path / "s.parquet").code == 0
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == 40
    run = here(
        "report", table, tmp_path / "s.parquet", "--target", "rich", "--out", tmp_path / "r.html", "--out", tmp_path / "r.json", "--json"
    )
    assert run.code == 0, run.err
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == json.loads(run.out)
    assert "<html" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_sample_goes_to_stdout_and_stops_with_its_reader(stored: Path) -> None:
    quoted = f"'{sys.executable}' -m lookalike sample '{stored}' -n 200000"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", f"{quoted} | head -n 3"], capture_output=True, text=True, timeout=600)
    assert done.stdout.splitlines()[0] == "age,sex,pay,rich"
    assert len(done.stdout.splitlines()) == 3
    assert not done.stderr


def test_models_lists_settings(here: Any) -> None:
    shown = here("models").out
    listed = json.loads(here("models", "--json").out)
    for name, facts in listed.items():
        assert name in shown and facts["about"]
        assert set(facts["settings"]) == set(
            la.known_models()[name]().settings.model_fields_set | set(type(la.model(name).settings).model_fields)
        )
    assert "independent" in listed


def test_version_and_no_arguments(here: Any) -> None:
    assert here("--version").out == f"lookalike {la.__version__}\n"
    assert "Usage" in here().out + here().err


@pytest.mark.parametrize("name", ["make", "schema", "fit", "sample", "report", "models"])
def test_help_shows_examples(here: Any, name: str) -> None:
    run = here(name, "--help")
    assert run.code == 0
    assert f"lookalike {name}" in run.out


def test_what_a_reader_of_the_data_should_know_is_said(here: Any, tmp_path: Path) -> None:
    rows = "".join(f"{i % 7},é{i % 3},x\n" for i in range(60))
    (tmp_path / "odd.csv").write_bytes(f"n,word,\n{rows}".encode("cp1252"))
    notes = ("columns without a name were called column_3", "cp1252")
    for run in (
        here("schema", tmp_path / "odd.csv"),
        here("fit", tmp_path / "odd.csv", *QUICK, "--out", tmp_path / "m.lookalike"),
        here("fit", tmp_path / "odd.csv", *QUICK, "--out", tmp_path / "m.lookalike", "--json"),
    ):
        assert all(note in run.err for note in notes), run
        assert "note:" not in run.out
    assert "note" not in here("fit", tmp_path / "odd.csv", *QUICK, "--out", tmp_path / "m.lookalike", "--quiet").err
    run = here("make", tmp_path / "odd.csv", *QUICK, "--out", tmp_path / "out", "--json")
    told = " ".join(json.loads(run.out)["report"]["notes"])
    assert all(told.count(note) == 1 for note in notes), told


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("people.csv", "people"),
        ("sales.2024.csv.gz", "sales"),
        ("shop/*.csv", "shop"),
        ("shop/part-*.csv", "part"),
        ("sqlite:///shop.db?table=orders", "shop"),
        ("ä ö.csv", "ä ö"),
        ("*.csv", "table"),
    ],
)
def test_what_is_made_is_called_after_its_source(source: str, stem: str) -> None:
    assert _flags.stem(source) == stem


def test_what_is_made_of_a_folder_is_called_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.v2").mkdir()
    monkeypatch.chdir(tmp_path / "shop.v2")
    assert _flags.stem(".") == _flags.stem("../shop.v2/") == "shop"


# What is refused


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("people.csv", "→")),
        (b"age,sex\n", ("people.csv", "→")),
        (b"age,sex,age\n1,f,2\n2,m,3\n", ("twice", "'age'", "→")),
        (b"age,sex\n" + b"1,f\n", ("1 row", "→")),
        (b"age,sex\n" + b",\n" * 50, ("no column holds any value", "→")),
        (b"age,sex\n1,f\n2;m,9,5\n" * 20, ("people.csv:3", "3 cells where the header has 2", "→")),
        (bytes(range(256)) * 40, ("people.csv", "→")),
    ],
    ids=["nothing", "no rows", "column named twice", "one row", "all missing", "wrong delimiter", "not text"],
)
def test_bad_table_is_refused(here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: tuple[str, ...]) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    refused(here("make", "people.csv", *QUICK), *words)
    assert left(tmp_path) == {"people.csv"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("people.csv", "--target", "ritch"), ("no column named 'ritch'", "did you mean 'rich'?")),
        (("people.csv", "--rows", "0"), ("rows must be a whole number, 1 or more", "→")),
        (("people.csv", "--out", "/proc/lookalike"), ("/proc/lookalike", "cannot write the folder", "→")),
        (("peeple.csv",), ("peeple.csv", "did you mean people.csv?")),
        (("-",), ("a pipe cannot be read", "→")),
        (("mysql://host/shop?table=orders",), ("mysql://", "postgresql://")),
    ],
    ids=lambda v: " ".join(v) if "→" not in v else "",
)
def test_bad_request_is_refused(
    here: Any, table: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(table.parent)
    refused(here("make", *QUICK, *args), *words)
    assert left(table.parent) == {"people.csv"}


def test_a_process_of_its_own_refuses_alike(table: Path) -> None:
    refused(command("make", *QUICK, "people.csv", "--target", "ritch", cwd=table.parent), "no column named 'ritch'", "did you mean 'rich'?")
    assert left(table.parent) == {"people.csv"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("people.csv", "--out", "people.csv/out"), ("people.csv/out", "→")),
        (("people.csv", "--out", "people.csv"), ("people.csv", "in the way", "--out")),
        (("people.csv", "--out", "."), ("people.csv", "--force")),
        (("people.csv", "--model", "forrest"), ("did you mean 'forest'?",)),
        (("people.csv", "--set", "sells=9"), ("did you mean 'cells'?",)),
        (("people.csv", "--set", "cells"), ("--set key=value",)),
    ],
    ids=lambda v: " ".join(v[1:]) if "people.csv" in v else "",
)
def test_odd_request_is_refused(
    here: Any, table: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(table.parent)
    refused(here("make", *QUICK, *args), *words)
    assert left(table.parent) == {"people.csv"}


@pytest.mark.parametrize(
    ("args", "near"),
    [(("make", "x.csv", "--targat", "rich"), "--target"), (("mak", "x.csv"), "make"), (("sample", "m", "--row", "5"), "--rows")],
)
def test_typo_in_flag_or_command_gives_the_near_match(args: tuple[str, ...], near: str, here: Any) -> None:
    refused(here(*args), near)


def test_place_of_a_file_is_looked_at_before_the_work(here: Any, table: Path) -> None:
    refused(here("fit", table, *QUICK, "--out", table.parent / "no" / "m.lookalike"), "no/m.lookalike", "mkdir")
    refused(here("report", table, table, "--out", table.parent / "no" / "r.html"), "no/r.html", "mkdir")


def test_what_is_no_table_and_no_model(here: Any, table: Path) -> None:
    folder = table.parent / "folder.csv"
    folder.mkdir()
    refused(here("make", folder, *QUICK, "--out", table.parent / "out"), "folder.csv", "→")
    refused(here("sample", table, "-n", "5"), "not a model file", "→")
    assert left(table.parent) == {"people.csv", "folder.csv"}


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("mounting a tiny disk is not permitted here: a full disk is not tested")
    yield disk
    subprocess.run(["umount", disk], check=True)


def bound(*args: str | Path, cwd: Path) -> Run:
    """Run `lookalike` as a process that permissions bind, as they do not bind root."""
    free = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    try:
        subprocess.run([*free, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("root cannot give up its powers here: permissions are not tested")
    done = subprocess.run([*free, *LOOKALIKE, *map(str, args)], cwd=cwd, env=env, capture_output=True, text=True, timeout=600)
    return Run(done.returncode, done.stdout, done.stderr)


def test_what_may_not_be_read_or_written_is_refused(table: Path) -> None:
    table.chmod(0)
    refused(bound("make", "people.csv", *QUICK, cwd=table.parent), "people.csv", "Permission denied", "check its permissions")
    table.chmod(0o400)
    table.parent.chmod(0o500)
    refused(bound("make", "people.csv", *QUICK, cwd=table.parent), "people-lookalike", "Permission denied", "check its permissions")
    table.parent.chmod(0o700)
    assert left(table.parent) == {"people.csv"}


def test_a_link_to_nowhere(here: Any, tmp_path: Path) -> None:
    (tmp_path / "people.csv").symlink_to(tmp_path / "gone.csv")
    refused(here("make", tmp_path / "people.csv", *QUICK, "--out", tmp_path / "out"), "a link that leads nowhere", "→")
    assert left(tmp_path) == {"people.csv"}


def test_full_disk(here: Any, tiny_disk: Path, table: Path, stored: Path) -> None:
    refused(here("make", table, *QUICK, "--rows", "100", "--out", tiny_disk / "out"), "disk/out", "space", "→")
    assert not left(tiny_disk)
    refused(here("sample", stored, "-n", "100000", "--out", tiny_disk / "s.csv"), "s.csv", "space", "→")
    assert not left(tiny_disk)


def test_full_device(stored: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here: output to a full device is not tested")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lookalike", "sample", stored, "-n", "9999"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=600
        )
    assert done.returncode == 2
    assert "No space left" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stopped_make_leaves_nothing(frame: pd.DataFrame, tmp_path: Path, number: signal.Signals, code: int) -> None:
    pd.concat([frame] * 40).to_csv(tmp_path / "people.csv", index=False)
    make = [*LOOKALIKE, "make", "people.csv", *QUICK, "--rows", "20000000"]
    process = subprocess.Popen(make, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while left(tmp_path) == {"people.csv"} and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    assert process.poll() is None, "it was done before it could be stopped"
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert left(tmp_path) == {"people.csv"}


def test_ctrl_c_while_modules_are_imported_ends_with_one_line() -> None:
    """Typer is the first that takes a while; what is told is that, and no traceback."""
    code = """
import os, signal, sys
class Pressed:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Pressed())
sys.argv = ["lookalike", "--version"]
"""
    for start in ("import runpy; runpy.run_module('lookalike', run_name='__main__')", "from lookalike.__main__ import main; main()"):
        done = subprocess.run([sys.executable, "-c", code + start], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")
    assert command("--version").out == f"lookalike {la.__version__}\n"
    installed = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert installed["project"]["scripts"] == {"lookalike": "lookalike.__main__:main"}
