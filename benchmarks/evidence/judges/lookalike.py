"""This project's report, through its public face: the whole JSON, of which `notice.py` reads the verdict and the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lookalike

PACKAGES = ("lookalike", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")


def judge(folder: Path, facts: dict[str, Any], variant: str) -> dict[str, Any]:
    """The report of one table. `variant` is the effort: quick or standard."""
    report = lookalike.report(
        folder / "train.csv",
        folder / "synthetic.csv",
        holdout=folder / "holdout.csv",
        target=facts["target"],
        effort=variant,
        seed=0,
    )
    return {"report": slim(report.json())}


def slim(report: dict[str, Any]) -> dict[str, Any]:
    """The report without what only a page draws."""
    kept = {k: report.get(k) for k in ("version", "effort", "rows", "split", "verdict", "limits", "notes", "attacks") if k in report}
    for attack in kept.get("attacks") or ():
        attack.pop("roc", None)
        attack.pop("detail", None)
    columns = (report.get("compared") or {}).get("columns")
    return kept | {"scores": [{k: v for k, v in s.items() if k != "detail"} for s in report["scores"]], "compared": columns}
