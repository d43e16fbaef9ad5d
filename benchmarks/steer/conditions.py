"""Ten thousand rows under conditions that one row in a thousand meets: do all obey, how like real ones are they, how long does it take?

    python benchmarks/steer/conditions.py                              # all tools not yet measured, then the table
    python benchmarks/steer/conditions.py --tools forest --again
    python benchmarks/steer/conditions.py --table                      # only print the table

Adult, its published training rows; judged by all real rows, training and test, that meet the conditions. For each column that nothing was
asked of, the total variation between drawn and real rows is found on ten bins of the real ones. `noise` is what as few real rows as there
are would be off by if the drawn rows were exactly right; `beyond` counts columns that are off by more than chance explains (false discovery
rate 5 %, Benjamini and Hochberg). Kept in `results/conditions.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from run import RESULTS, Results  # noqa: E402  the benchmarks' own modules are not a package

ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("LOOKALIKE_DATA", ROOT.parent / "shared" / "data"))
KEPT = RESULTS / "conditions.json"
OWN, RIVALS = ("forest", "autoregressive"), {"sdv-copula": "sdv", "mostlyai": "mostlyai"}
ROWS = 10_000
ASKED: tuple[dict[str, Any], ...] = (
    {"native_country": "Haiti"},
    {"education": "Doctorate", "sex": "Female", "income": ">50K"},
    {"sex": "Female", "race": "Black", "marital_status": "Divorced", "education": "Bachelors", "income": "<=50K"},
)
RANGES: tuple[dict[str, Any], ...] = (
    {"hours_per_week": {"low": 60}, "sex": "Female", "income": ">50K"},
    {"age": {"low": 60, "high": 70}, "education": ["Masters", "Doctorate"], "sex": "Female", "race": "White", "income": ">50K"},
)
"""Only asked of this project's models: other tools take exact values only."""
BINS, TRIES, FALSE = 10, 400, 0.05


def adult() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to learn from, and all rows."""
    parts = [
        pd.read_csv(SHARED / f"tabular/adult/adult_{part}.csv.gz", keep_default_na=False, na_values=[""]) for part in ("train", "test")
    ]
    return parts[0], pd.concat(parts, ignore_index=True)


def meets(frame: pd.DataFrame, asked: dict[str, Any]) -> pd.Series:
    """Rows that meet all conditions."""
    met = pd.Series(True, frame.index)
    for name, value in asked.items():
        if isinstance(value, dict):
            met &= frame[name].between(value.get("low", -np.inf), value.get("high", np.inf))
        else:
            met &= frame[name].isin(value if isinstance(value, list) else [value])
    return met


def judged(drawn: pd.DataFrame, real: pd.DataFrame, asked: dict[str, Any]) -> dict[str, Any]:
    """How near drawn rows are to real ones that meet the same conditions."""
    rng, off, noise, chance = np.random.default_rng(0), [], [], []
    for name in real.columns.difference(list(asked)):
        a, b = _bins(drawn[name], real[name])
        p, q = a / a.sum(), b / b.sum()
        tv = np.abs(p - q).sum() / 2
        null = np.abs(rng.multinomial(b.sum(), p, TRIES) / b.sum() - p).sum(1) / 2
        off.append(tv)
        noise.append(null.mean())
        chance.append((1 + (null >= tv).sum()) / (TRIES + 1))
    order = np.sort(chance)
    below = np.flatnonzero(order <= FALSE * np.arange(1, len(order) + 1) / len(order))
    return {"off": float(np.mean(off)), "noise": float(np.mean(noise)), "beyond": int(below[-1] + 1) if len(below) else 0}


def _bins(a: pd.Series, b: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Counts of both on the same bins: quantiles of `b`, or its levels; missing is one of them."""
    if b.dtype.kind in "if" and a.dtype.kind in "if":
        cuts = np.unique(np.nanquantile(b, np.linspace(0, 1, BINS + 1)[1:-1]))
        both = [np.where(x.isna(), -1, np.searchsorted(cuts, x, side="right")) for x in (a, b)]
    else:
        levels = {v: k for k, v in enumerate(sorted({*a.dropna().astype(str), *b.dropna().astype(str)}))}
        both = [x.astype(str).where(x.notna()).map(levels).fillna(-1).to_numpy().astype(int) for x in (a, b)]
    size = max(int(x.max()) for x in both) + 2
    return tuple(np.bincount(x + 1, minlength=size) for x in both)  # type: ignore[return-value]


def own(name: str, learn: pd.DataFrame) -> dict[str, Any]:
    """Times and rows of one of this project's models."""
    import lookalike as la

    began = time.perf_counter()
    model = la.fit(learn, model=name, seed=0)
    found: dict[str, Any] = {"fit": time.perf_counter() - began, "draws": [], "frames": []}
    la.sample(model, 100, plan={"given": ASKED[0]})  # what is compiled on first use
    for asked in (*ASKED, *RANGES):
        began = time.perf_counter()
        found["frames"].append(la.sample(model, ROWS, plan={"given": asked}, seed=1))
        found["draws"].append(time.perf_counter() - began)
    return found


def rival(tool: str, learn: pd.DataFrame) -> dict[str, Any]:
    """The same of another tool."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        learn.to_csv(place / "learn.csv", index=False)
        (place / "asked.json").write_text(json.dumps(ASKED))
        python = HERE.parent / ".envs" / RIVALS[tool] / "bin" / "python"
        script = [str(python), "-P", str(HERE / "given_rival.py"), tool, str(place / "learn.csv"), str(place / "asked.json"), str(ROWS)]
        subprocess.run(script, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = json.loads((place / "times.json").read_text())
        read = {"keep_default_na": False, "na_values": [""]}
        found["frames"] = [pd.read_csv(f, **read) if (f := place / f"{k}.csv").exists() else None for k in range(len(ASKED))]
        return found


def measure(tool: str) -> list[dict[str, Any]]:
    """One entry for each set of conditions."""
    learn, real = adult()
    found = own(tool, learn) if tool in OWN else rival(tool, learn)
    cells = []
    for asked, seconds, frame in zip((*ASKED, *RANGES), found["draws"], found["frames"], strict=False):
        mine = real[meets(real, asked)]
        cell = {"asked": asked, "real": len(mine), "share": len(mine) / len(real), "fit": found["fit"], "seconds": seconds}
        if frame is not None:
            cell |= {"rows": len(frame), "obey": float(meets(frame, asked).mean()), **judged(frame, mine, asked)}
        cells.append(cell)
    return cells


def table(kept: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    head = "| asked | real rows | tool | fit, s | 10,000 rows, s | obey | off, % | noise, % | columns beyond chance |"
    lines = [head, "|---|--:|---|--:|--:|--:|--:|--:|--:|"]
    for k in range(len(ASKED) + len(RANGES)):
        for tool, cells in kept.items():
            if k >= len(cells):
                continue
            c = cells[k]
            asked = ", ".join(f"{n} = {_said(v)}" for n, v in c["asked"].items())
            first = f"| {asked} | {c['real']} ({100 * c['share']:.2f} %) | {tool} | {c['fit']:.0f} |"
            if "rows" not in c:
                lines.append(f"{first} {c['seconds']} | | | | |")
                continue
            whole = "" if c["rows"] == ROWS else f" of {c['rows']:,}"
            figures = f"{100 * c['obey']:.0f} %{whole} | {100 * c['off']:.1f} | {100 * c['noise']:.1f} | {c['beyond']}"
            lines.append(f"{first} {c['seconds']:.1f} | {figures} |")
    return "\n".join(lines)


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get('low', '')}–{value.get('high', '')}"
    return " or ".join(value) if isinstance(value, list) else str(value)


def main() -> None:
    """Measure what is not known, and print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--tools", default=",".join([*OWN, *RIVALS]), help="comma-separated, of: %(default)s")
    asked.add_argument("--again", action="store_true", help="measure anew what is known")
    asked.add_argument("--table", action="store_true", help="measure nothing")
    given = asked.parse_args()
    results = Results(KEPT)
    for tool in () if given.table else given.tools.split(","):
        if tool in results.all and not given.again:
            continue
        results.keep(tool, {"asked": measure(tool)})
    print(table({tool: results.all[tool]["asked"] for tool in (*OWN, *RIVALS) if tool in results.all}))


if __name__ == "__main__":
    main()
