"""Compute the report: one versioned dict of plain JSON values, of which every view is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from lookalike import metrics
from lookalike._whole import whole
from lookalike.compare import frame
from lookalike.errors import DataError, SettingError, UnknownName
from lookalike.metrics import utility
from lookalike.protocol import OnStep, Step, quiet
from lookalike.report import describe, measure
from lookalike.report.verdict import UNTESTED, verdict
from lookalike.schema import Column, Schema
from lookalike.score import Score

FORMAT, VERSION = "lookalike.report", 1
MOST_ROWS, MOST_CELLS, FEWEST_ROWS = 1_000_000, 20_000_000, 100_000
"""A table of more rows or cells is sampled, down to `FEWEST_ROWS`."""
SMALL = 50
"""Fewer rows than these make a report that can say little, and says so."""


class Source(Protocol):
    """A table as the report reads it; `Dataset` is one."""

    @property
    def schema(self) -> Schema:
        """The schema; it has one table."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should be told of how it was read."""
        ...

    @property
    def rows(self) -> int:
        """How many rows it has."""
        ...

    def table(self, name: str | None = None) -> pa.Table:
        """The rows, canonical, in memory."""
        ...

    def take(self, rows: np.ndarray) -> Source:
        """The rows of these numbers, which may be read from a stream."""
        ...


@dataclass(frozen=True)
class Report:
    """What was found: `data` is the report as JSON values, `scores` its headline figures."""

    data: dict[str, Any]
    scores: list[Score]

    def json(self) -> dict[str, Any]:
        """The whole report as plain JSON values. `docs/report.md` names its entries; `version` rises when one changes its meaning."""
        return self.data

    def text(self, *, width: int = 100, color: bool = False) -> str:
        """The report for a terminal."""
        from lookalike.report import terminal

        return terminal.render(self.data, width=width, color=color)

    def html(self) -> str:
        """The report as one page that needs nothing from outside."""
        from lookalike.report import page

        return page.render(self.data)

    def write(self, path: str | Path) -> Path:
        """Write `.html`, `.json` or `.txt`, all of it or nothing.

        Raises:
            SettingError: another ending.
            FileError: the file cannot be written.
        """
        path = Path(path)
        forms = {".html": self.html, ".htm": self.html, ".json": self._json_text, ".txt": self.text}
        form = forms.get(path.suffix.lower())
        if form is None:
            raise SettingError(
                f"a report cannot be written as {path.suffix or 'a file without an ending'}",
                where=str(path),
                fix="use .html, .json or .txt",
            )
        text = form()
        with whole(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        return path

    def _json_text(self) -> str:
        return json.dumps(self.data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def build(
    real: Source,
    synthetic: Source,
    *,
    holdout: Source | None = None,
    target: str | None = None,
    protected: Mapping[str, Any] | None = None,
    about: Mapping[str, str] | None = None,
    seed: int = 0,
    on_step: OnStep = quiet,
) -> Report:
    """Compare a synthetic table with the real rows it was learned from, and with real rows the model never saw.

    Args:
        real: the rows that the model learned from.
        synthetic: the table to judge, whichever tool made it, in the schema of `real`.
        holdout: real rows that the model never saw; without them memorisation cannot be judged.
        target: the column to predict in the utility test; guessed if None.
        protected: what the model did not publish (column → figures), as its codebook says.
        about: lines for the head of the report, such as the model and its settings.
        seed: the same seed gives the same report.

    Raises:
        DataError: the tables have no rows, or no column in common.
        UnknownName: `target` is not a column.
    """
    sources = {"real": real, "synthetic": synthetic} | ({"holdout": holdout} if holdout is not None else {})
    on_step(Step(0, len(metrics.names()) + 1, "reading"))
    tables, seen = _looked_at(sources, np.random.default_rng([seed, 1]))
    columns, notes = _common(real.schema.table.columns, tables)
    notes += seen
    frames = frame.code(tables, columns)
    if target is not None and target not in frames["real"].names:
        raise UnknownName(target, frames["real"].names, what="column to predict")
    notes += _warnings(frames)
    guessed, why = (target, "given") if target is not None else utility.guess(frames["real"])
    rng = np.random.default_rng([seed, 0])
    setting = measure.stage(frames, target=guessed, rng=rng)
    found = _measure(setting, seed, on_step)
    facts = {"target": {"name": guessed, "given": target is not None, "why": why}, "notes": notes, "seed": seed}
    data = _compose(setting, found, facts | {"about": dict(about or {}), "protected": dict(protected or {})})
    data["compared"] = {"columns": list(frames["real"].names), "left_out": _left_out(real.schema.table.columns, frames["real"].names)}
    return Report(data, found)


def _measure(setting: measure.Stage, seed: int, on_step: OnStep) -> list[Score]:
    """All scores; a step is told before each metric, and one at the end."""
    titles, found = [metrics.load(name).ABOUT.title.lower() for name in metrics.names()], []
    running = measure.scores(setting, seed)
    for at, title in enumerate(titles, start=1):
        on_step(Step(at, len(titles) + 1, title))
        found += next(running)[1]
    on_step(Step(len(titles) + 1, len(titles) + 1, "measured"))
    return found


def _looked_at(sources: Mapping[str, Source], rng: np.random.Generator) -> tuple[dict[str, pa.Table], list[str]]:
    """The rows that the report looks at, a random sample of a table with more than can be held, and what to say of how they were read."""
    tables, notes = {}, []
    for role, source in sources.items():
        notes += [f"The {role} table: {note}." for note in source.notes if role == "real" or note not in sources["real"].notes]
        most = min(MOST_ROWS, max(FEWEST_ROWS, MOST_CELLS // max(1, len(source.schema.table.columns))))
        if source.rows > most:
            notes.append(
                f"The {role} table has {source.rows:,} rows, of which {most:,}, drawn at random, were looked at"
                + (": copies of the others were not searched for." if role == "real" else ".")
            )
            source = source.take(np.sort(rng.choice(source.rows, most, replace=False)))
        tables[role] = source.table()
    return tables, notes


def _common(columns: tuple[Column, ...], tables: Mapping[str, pa.Table]) -> tuple[list[Column], list[str]]:
    """Columns that all tables have, and what to say of the others."""
    notes = []
    for role, table in tables.items():
        if not table.num_rows:
            raise DataError(f"the {role} table has no rows", where="report", fix="give a table with rows")
        lost = [c.name for c in columns if c.name not in table.column_names]
        more = [n for n in table.column_names if n not in {c.name for c in columns}]
        if lost:
            notes.append(f"The {role} table lacks {_listed(lost)}: not compared.")
        if more:
            notes.append(f"The {role} table has {_listed(more)}, which the real table has not: not compared.")
    kept = [c for c in columns if all(c.name in t.column_names for t in tables.values())]
    if not kept:
        seen = "; ".join(f"{role}: {_listed(t.column_names)}" for role, t in tables.items())
        raise DataError(
            f"the tables have no column in common ({seen})", where="report", fix="compare a table with its own synthetic version"
        )
    return kept, notes


def _listed(names: list[str]) -> str:
    return ", ".join(repr(n) for n in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _warnings(frames: Mapping[str, frame.Frame]) -> list[str]:
    notes = [
        f"The {role} table has only {f.rows} row{'' if f.rows == 1 else 's'}: most figures say little."
        for role, f in frames.items()
        if f.rows < SMALL
    ]
    if "holdout" not in frames:
        notes.insert(
            0,
            "No holdout was given. The ceiling comes from two halves of the real table, and memorisation cannot be judged: keep real rows "
            "from the model and give them as the holdout.",
        )
    if not frames["real"].names:
        notes.append("All columns are keys or empty: there is nothing to compare.")
    return notes


def _left_out(columns: tuple[Column, ...], kept: tuple[str, ...]) -> list[dict[str, str]]:
    why = {"key": "a key: values are made afresh", "empty": "no values"}
    return [{"name": c.name, "why": why.get(c.kind, "not in all tables")} for c in columns if c.name not in kept]


def _compose(setting: measure.Stage, found: list[Score], facts: dict[str, Any]) -> dict[str, Any]:
    by_name = {s.name: s for s in found}
    rows = {"real": setting.real.rows, "synthetic": setting.synthetic.rows, "holdout": setting.holdout.rows if setting.given else None}
    return {
        "format": FORMAT,
        "version": VERSION,
        "rows": rows,
        **facts,
        "verdict": verdict(by_name, given=setting.given, target=facts["target"]["name"], few=min(filter(None, rows.values())) < SMALL),
        "scores": [_plain(asdict(s) | {"skill": s.skill}) for s in found],
        "columns": describe.columns(setting),
        "untested": [{"what": what, "why": why} for what, why in UNTESTED],
        "definitions": [_definition(n) for n in metrics.names()],
    }


def _definition(name: str) -> dict[str, Any]:
    module = metrics.load(name)
    return {
        "title": module.ABOUT.title,
        "text": module.ABOUT.definition,
        "source": module.ABOUT.source,
        "better": module.BETTER,
        "rows": module.ABOUT.rows,
        "control_rows": module.ABOUT.control_rows,
    }


def _plain(value: Any) -> Any:
    """JSON values only, floats to 6 digits."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
