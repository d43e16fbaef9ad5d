"""SDMetrics: its quality and diagnostic reports with every detail they give, and its further single-table metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sdmetrics import single_column
from sdmetrics.reports import DiagnosticReport, QualityReport
from sdmetrics.single_table import (
    BinaryDecisionTreeClassifier,
    DCROverfittingProtection,
    LogisticDetection,
    MulticlassDecisionTreeClassifier,
    NewRowSynthesis,
)

PACKAGES = ("sdmetrics", "numpy", "pandas", "scikit-learn")
NEW_ROWS, NEAR_ROWS = 500, 750
"""Synthetic rows that its search for copies and its distances look at, against all real rows: each costs a pass over the real table."""


def judge(folder: Path, facts: dict[str, Any], variant: str) -> dict[str, Any]:
    """Figures by name: those that start with `report` are of the two reports. `variant`: "reports" alone, or "all"."""
    train, holdout, synthetic = (read(folder / f"{n}.csv", facts) for n in ("train", "holdout", "synthetic"))
    columns = {name: {"sdtype": kind} for name, kind in facts["kinds"].items()}
    for name, form in facts["dates"].items():
        columns[name] |= {"datetime_format": form}
    metadata = {"tables": {"table": {"columns": columns}}, "relationships": []}
    figures = reports(train, synthetic, metadata)
    if variant == "all":
        figures |= singles(train, synthetic, facts["kinds"])
        figures |= metrics(train, holdout, synthetic, metadata, facts["target"])
    return {"figures": {k: v for k, v in figures.items() if v is not None and np.isfinite(v)}}


def read(path: Path, facts: dict[str, Any]) -> pd.DataFrame:
    """A table with its dates as dates and its categories as text."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)
    for name, form in facts["dates"].items():
        frame[name] = pd.to_datetime(frame[name], format=form)
    for name, kind in facts["kinds"].items():
        if kind == "categorical":
            frame[name] = frame[name].astype(str).where(frame[name].notna(), None)
    return frame


def reports(train: pd.DataFrame, synthetic: pd.DataFrame, metadata: dict[str, Any]) -> dict[str, float | None]:
    """Scores and details of both reports."""
    out: dict[str, float | None] = {}
    for title, report in (("quality", QualityReport()), ("diagnostic", DiagnosticReport())):
        report.generate({"table": train.copy()}, {"table": synthetic.copy()}, metadata, verbose=False)
        out[f"report {title}"] = report.get_score()
        for row in report.get_properties().itertuples():
            out[f"report {row.Property}"] = row.Score
            if row.Property == "Data Structure":
                continue
            for line in report.get_details(row.Property).to_dict("records"):
                where = " × ".join(str(line[k]) for k in ("Column", "Column 1", "Column 2") if k in line)
                out[f"report {row.Property}: {where} {line.get('Metric', '')}"] = line["Score"]
    return out


def singles(train: pd.DataFrame, synthetic: pd.DataFrame, kinds: dict[str, str]) -> dict[str, float | None]:
    """Its metrics of one column each that are in neither report."""
    out: dict[str, float | None] = {}
    for name, kind in kinds.items():
        pair = (train[name], synthetic[name])
        out[f"MissingValueSimilarity: {name}"] = single_column.MissingValueSimilarity.compute(*pair)
        if kind == "categorical":
            out[f"CategoryCoverage: {name}"] = single_column.CategoryCoverage.compute(*pair)
        else:
            out[f"RangeCoverage: {name}"] = single_column.RangeCoverage.compute(*pair)
        if kind == "numerical":
            for statistic in ("mean", "median", "std"):
                out[f"StatisticSimilarity {statistic}: {name}"] = single_column.StatisticSimilarity.compute(*pair, statistic=statistic)
    return out


def metrics(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, metadata: dict[str, Any], target: str
) -> dict[str, float | None]:
    """Its metrics of the whole table. It draws from numpy's global generator and takes no seed."""
    np.random.seed(0)
    single = metadata["tables"]["table"]
    learner = BinaryDecisionTreeClassifier if train[target].nunique() == 2 else MulticlassDecisionTreeClassifier
    few = synthetic.sample(min(NEAR_ROWS, len(synthetic)), random_state=0)
    asked: dict[str, Callable[[], float]] = {
        "LogisticDetection": lambda: LogisticDetection.compute(train.copy(), known(synthetic, train), metadata=single),
        "NewRowSynthesis": lambda: NewRowSynthesis.compute(train.copy(), synthetic.copy(), metadata=single, synthetic_sample_size=NEW_ROWS),
        "DCROverfittingProtection": lambda: DCROverfittingProtection.compute(train, few, holdout, metadata, "table"),
        f"{learner.__name__}, holdout": lambda: learner.compute(
            known(holdout, synthetic), synthetic.copy(), metadata=single, target=target
        ),
    }
    out: dict[str, float | None] = {}
    for name, compute in asked.items():
        try:
            out[name] = compute()
        except Exception as error:
            # A metric that cannot take this table must not cost the others their figures.
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            out[name] = None
    return out


def known(frame: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """Labels that `like` has not become its commonest one: its encoder ends with an error at the first label it has not met."""
    out = frame.copy()
    for name in frame.columns:
        if frame[name].dtype == object:
            levels = like[name].value_counts()
            strange = frame[name].notna() & ~frame[name].isin(levels.index)
            strange |= frame[name].isna() & like[name].notna().all()
            out[name] = frame[name].where(~strange, levels.index[0])
    return out
