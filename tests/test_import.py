"""`import lookalike` is cheap and changes nothing; each test runs in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = (
    "sklearn",
    "scipy",
    "numba",
    "pandas",
    "torch",
    "rich",
    "typer",
    "jinja2",
    "matplotlib",
    "plotly",
    "duckdb",
    "polars",
    "xlsxwriter",
)
IMPORT_MOST, NAMES_MOST, HELP_MOST = 0.15, 0.3, 0.5
TRIES = 8
"""Until one keeps the bound: another process on the same core makes each instruction cost more."""


def run(code: str) -> str:
    """What `code` prints in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=600).stdout


def test_loads_nothing_heavy() -> None:
    names = json.loads(
        run("import lookalike, sys, json; [getattr(lookalike, n) for n in lookalike.__all__]; print(json.dumps(sorted(sys.modules)))")
    )
    loaded = {n.split(".")[0] for n in names}
    assert not loaded & set(HEAVY)
    assert "lookalike" in loaded


def test_costs_little_over_numpy_and_pyarrow() -> None:
    """Seconds of processor time, so that a busy machine does not matter: of the import, and of every public name."""
    code = (
        "import numpy, pyarrow, pyarrow.compute; from time import process_time as now; began = now(); import lookalike; done = now();"
        "[getattr(lookalike, n) for n in lookalike.__all__]; print(done - began, now() - began)"
    )
    assert any(bare <= IMPORT_MOST and whole <= NAMES_MOST for bare, whole in (map(float, run(code).split()) for _ in range(TRIES)))


def test_help_is_quick() -> None:
    def once() -> float:
        code = "import runpy, sys; sys.argv[1:] = ['--help']; runpy.run_module('lookalike', run_name='__main__')"
        timed = "import atexit, resource as r; atexit.register(lambda: print(sum(r.getrusage(r.RUSAGE_SELF)[:2])));"
        return float(run(timed + code).splitlines()[-1])

    assert any(once() <= HELP_MOST for _ in range(TRIES))


STATES = (
    "warnings.filters[:]",
    "dict(os.environ)",
    "np.random.get_state()[1].tolist()",
    "random.getstate()",
    "[logging.root.level, sorted(logging.root.manager.loggerDict), [str(h) for h in logging.root.handlers]]",
    "signal.getsignal(signal.SIGINT)",
    "np.geterr()",
    "sys.excepthook",
)


def test_changes_nothing() -> None:
    code = f"""
import logging, os, random, signal, sys, warnings
import concurrent.futures
import numpy as np, pyarrow, pydantic
states = lambda: {{text: repr(eval(text)) for text in {STATES!r}}}
before = states()
import lookalike
[getattr(lookalike, n) for n in lookalike.__all__]
print([text for text, now in states().items() if now != before[text]])
"""
    assert run(code).strip() == "[]"
