"""Compute the report: one versioned dict of plain JSON values, of which every view is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, Unpack

import numpy as np
import pyarrow as pa

from lookalike._whole import whole
from lookalike.compare import frame
from lookalike.errors import CannotError, DataError, SettingError, UnknownName
from lookalike.metrics import utility
from lookalike.protocol import OnStep, quiet
from lookalike.report import audience, danger, describe, fitting, fresh, limits, measure, obeyed, ordered, split
from lookalike.report.attacked import BEST, THREAT, chosen
from lookalike.report.gates import Gate, Outcome, check, read
from lookalike.report.map import plane
from lookalike.report.masked import masked
from lookalike.report.plan import Options, Plan
from lookalike.report.verdict import doubted, in_order, judged
from lookalike.report.work import Steps, side_by_side
from lookalike.schema import Column, Schema
from lookalike.score import Score

FORMAT, VERSION = "lookalike.report", 2
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
    """What was found: `data` is the report as JSON values, `scores` the figures of its (first) synthetic table."""

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

    def markdown(self) -> str:
        """The report as Markdown, for a pull request or a wiki."""
        from lookalike.report import markdown

        return markdown.render(self.data)

    def public(self) -> Report:
        """The part of it that may be published: coarse figures, and nothing of columns, rows or training data."""
        data = audience.public(self.data)
        kept = {s["name"]: {k: s[k] for k in audience.NUMBERS if k != "skill"} for s in data["scores"]}
        words = [{k: getattr(s, k) for k in audience.WORDS} for s in self.scores if s.name in kept]
        return Report(data, [Score(**w, **kept[w["name"]]) for w in words])

    def require(self, gates: Sequence[str]) -> list[Outcome]:
        """Whether each requirement, such as `c2st<=0.6`, is met, and why. `docs/report.md` says what can be asked for.

        Raises:
            SettingError: an expression cannot be read.
            UnknownName: it names nothing that was measured; names the near match.
        """
        return [check(read(gate), self.data) for gate in gates]

    def write(self, path: str | Path) -> Path:
        """Write `.html`, `.md`, `.json` or `.txt`, all of it or nothing.

        Raises:
            SettingError: another ending.
            FileError: the file cannot be written.
        """
        path = Path(path)
        forms = {".html": self.html, ".htm": self.html, ".md": self.markdown, ".json": self._json_text, ".txt": self.text}
        form = forms.get(path.suffix.lower())
        if form is None:
            raise SettingError(
                f"a report cannot be written as {path.suffix or 'a file without an ending'}",
                where=str(path),
                fix="use .html, .md, .json or .txt",
            )
        text = form()
        with whole(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        return path

    def _json_text(self) -> str:
        return json.dumps(self.data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def build(real: Source, synthetic: Source, *, holdout: Source | None = None, on_step: OnStep = quiet, **options: Unpack[Options]) -> Report:
    """Compare a synthetic table with the real rows it was learned from, and with real rows the model never saw.

    Args:
        real: the rows that the model learned from.
        synthetic: the table to judge, whichever tool made it, in the schema of `real`.
        holdout: real rows that the model never saw; without them memorisation cannot be judged.
        on_step: called with a `Step` as the work goes on.
        options: the fields of `Plan`: target, protected_columns, effort, audience, require, seed, others, draws, metrics, attacks and more.

    Raises:
        CannotError: metrics or attacks of the caller's own are to look at linked tables.
        DataError: the tables have no rows, or no column in common.
        UnknownName: `target`, a protected column or another option names what is not there.
        SettingError: a requirement cannot be read.
    """
    plan = Plan(**options)
    held = {"holdout": holdout} if holdout is not None else {}
    sources = {"real": real, "synthetic": synthetic} | held | plan.sources()
    steps = Steps(on_step, 1 + (len(measure.chosen(plan.effort, plan.metrics)) + 1) * (1 + len(plan.others)))
    steps("reading")
    if real.schema.linked:
        if plan.metrics or plan.attacks:
            what = "metrics and attacks of your own look at one table, and these are linked ones"
            raise CannotError(what, where="report", fix="give them to a report on one of the tables")
        return _of_linked(sources, plan, steps)
    tables, seen = _looked_at(sources, np.random.default_rng([plan.seed, 1]))
    unlike = fitting.unlike(real.schema.table.names, plan.notes)
    columns, notes = _common(real.schema.table.columns, tables, unlike)
    notes = [*plan.notes, *notes, *seen]
    subjects = ordered.whose(tables, real.schema)
    columns = [c for c in columns if subjects is None or c.name != subjects.name]
    frames = masked(ordered.owned(frame.code(tables, columns), subjects))
    names = frames["real"].names
    notes += _warnings(frames) + _named(plan, real.schema, names) + _promised(plan.privacy)
    why = dict.fromkeys(unlike, fresh.UNLIKE) | ({} if subjects is None else {subjects.name: fresh.SUBJECT})
    left_out = fresh.left_out(real.schema.table.columns, names, tables, why)
    notes += fresh.copied(left_out)
    guessed, why = _target(plan.target, frames["real"])
    protected = tuple(n for n in plan.protected_columns if n in names)
    setting = measure.stage(frames, target=guessed, rng=np.random.default_rng([plan.seed, 0]), protected=protected)
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "audience": "internal",
        "effort": plan.effort,
        "name": plan.name,
        "about": dict(plan.about or {}),
        "target": {"name": guessed, "given": plan.target is not None, "why": why},
        "protected_columns": list(protected),
        "notes": notes,
        "seed": plan.seed,
        "compared": {"columns": list(names), "left_out": left_out},
        "protected": dict(plan.protected or {}),
        "privacy": None if plan.privacy is None else dict(plan.privacy),
    }
    laid = {n: _laid(tables, frames, real.schema, plan.seed, name=n) for n in (None, *plan.others)}
    if laid[None] is not None and laid[None].subjects is not None and subjects is not None:
        notes.append(ordered.NOTE.format(subject=subjects.name))
    notes += [laid[None].note] if laid[None] is not None and laid[None].note else []
    found, data = _compose(setting, {n: frames[f"other: {n}"] for n in plan.others}, plan, facts, steps, laid=laid)
    told = _plain(obeyed.rules(tables, real.schema, names, plan.seed))
    for one, role in ((data, "synthetic"), *((other, f"other: {other['name']}") for other in data["others"])):
        one["rules"] = told[role]
    report = Report(data, found)
    data["gates"] = [_gated(gate, one) for one in [data, *data["others"]] for gate in plan.gates()]
    return report.public() if plan.audience == "public" else report


def _laid(
    tables: Mapping[str, pa.Table], frames: Mapping[str, frame.Frame], schema: Schema, seed: int, *, name: str | None
) -> ordered.Order | None:
    """What there is to measure of the order of the rows of the main synthetic table, or of the other one of this name."""
    roles = {"real": "real", "synthetic": "synthetic" if name is None else f"other: {name}", "holdout": "holdout"}
    kept = {role: key for role, key in roles.items() if key in frames}
    return ordered.order({r: tables[k] for r, k in kept.items()}, schema, {r: frames[k] for r, k in kept.items()}, seed)


def _of_linked(sources: Mapping[str, Source], plan: Plan, steps: Steps) -> Report:
    """The report on linked tables."""
    from lookalike.report import linked

    told = [f"The real tables: {note}." for note in sources["real"].notes]
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "audience": "internal",
        "effort": plan.effort,
        "name": plan.name,
        "about": dict(plan.about or {}),
        "target": {"name": None, "given": False, "why": "linked tables are not judged by a prediction"},
        "protected_columns": [],
        "notes": [*plan.notes, *told, *_promised(plan.privacy)],
        "seed": plan.seed,
        "protected": dict(plan.protected or {}),
        "privacy": None if plan.privacy is None else dict(plan.privacy),
    }
    found, data = linked.compare({r: s for r, s in sources.items() if not r.startswith("draw ")}, plan, facts, steps)
    data["scores"] = [_entry(s) for s in data["scores"]]
    for other in data["others"]:
        other["scores"] = [_entry(s) for s in other["scores"]]
    for one in [data, *data["others"]]:
        one["rules"] = []
    data = _plain(data)
    data["gates"] = [_gated(gate, one) for one in [data, *data["others"]] for gate in plan.gates()]
    report = Report(data, found)
    return report.public() if plan.audience == "public" else report


def _promised(privacy: Mapping[str, Any] | None) -> list[str]:
    """What to say of a promise of differential privacy: how much it is, and that it does not hold for what stands here."""
    if privacy is None:
        return []
    of = f"ε = {privacy['epsilon']:g}, δ = {privacy['delta']:g}, one {privacy['unit']}"
    return [f"The model was fitted under differential privacy ({of}); this report looks at the real rows, and is not covered by it."]


def _target(given: str | None, real: frame.Frame) -> tuple[str | None, str]:
    """The column to predict, and why this one."""
    if given is None:
        return utility.guess(real)
    return (given, "given") if given in real.names else (None, "not in all tables, or of a kind that cannot be predicted")


def _named(plan: Plan, schema: Schema, compared: tuple[str, ...]) -> list[str]:
    """Refuse names that the real table has not; say which of those it has are not in all tables."""
    known = [c.name for c in schema.table.columns]
    asked = [("column to predict", n) for n in (plan.target,) if n is not None]
    asked += [("protected column", n) for n in plan.protected_columns]
    for what, name in asked:
        if name not in known:
            raise UnknownName(name, known, what=what)
    return [f"The {what} {name!r} was not compared, and cannot be used." for what, name in asked if name not in compared]


def _compose(
    setting: measure.Stage,
    others: Mapping[str, frame.Frame],
    plan: Plan,
    facts: dict[str, Any],
    steps: Steps,
    *,
    laid: Mapping[str | None, ordered.Order | None],
) -> tuple[list[Score], dict[str, Any]]:
    """The scores of the synthetic table, and everything as JSON values."""
    kept: measure.Kept = {}
    offers = {"refit": plan.refit, "log_prob": plan.log_prob}
    found, raids = _tried(setting, laid[None], plan, kept, steps, offers)
    parting = split.split(setting, next((s for s in found if s.name == "c2st"), None))
    facts = facts | {"split": parting}
    more = []
    for name, table in others.items():
        stage = measure.swapped(setting, table)
        # Of the models behind other tables nothing is known.
        more.append({"name": name, **_judged(stage, *_tried(stage, laid[name], plan, kept, steps, {}), facts)})
    steps("measured")
    data = facts | _judged(setting, found, raids, facts)
    data |= {
        "limits": limits.limits(setting, found, raids, facts),
        "columns": describe.columns(setting),
        "map": plane(setting),
        "untested": limits.untested(found, raids, *_answered(laid[None])),
        "definitions": [*_definitions(plan, raids), *ordered.definitions(found)],
        "others": more,
        "gates": [],
    }
    return found, _plain(data)


def _tried(
    setting: measure.Stage, laid: ordered.Order | None, plan: Plan, kept: measure.Kept, steps: Steps, offers: dict[str, Any]
) -> tuple[list[Score], list[dict[str, Any]]]:
    """All scores and attacks; those of the order of rows too, where there is one."""
    if laid is None:
        return side_by_side(setting, plan, kept, steps, offers=offers)
    # What a model tells of single rows says nothing of whole subjects.
    found, raids = side_by_side(setting, plan, kept, steps, offers=offers if laid.subjects is None else {}, subjects=laid.subjects)
    return found + laid.scores(plan), raids


def _answered(laid: ordered.Order | None) -> tuple[str, ...]:
    """What is tested of ordered rows that is not of others."""
    if laid is None:
        return ()
    return ("Order in time",) if laid.subjects is None else ("Order in time", "Subjects with several rows")


def _judged(setting: measure.Stage, found: list[Score], raids: list[dict[str, Any]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What differs between synthetic tables of one comparison."""
    rows = {"real": setting.real.rows, "synthetic": setting.synthetic.rows, "holdout": setting.holdout.rows if setting.given else None}
    few = min(filter(None, rows.values())) < SMALL
    said = [
        *judged(found, given=setting.given, target=facts["target"]["name"]),
        *in_order({s.name: s for s in found}),
        *danger.attacked(raids, given=setting.given),
    ]
    return {
        "rows": rows,
        "verdict": doubted(said, facts["split"], few=few),
        "scores": [_entry(s) for s in found],
        "attacks": raids,
    }


def _gated(gate: Gate, data: Mapping[str, Any]) -> dict[str, Any]:
    """A gate's outcome; one that names nothing is told of, as the report is worth having all the same."""
    try:
        outcome = check(gate, data)
    except UnknownName as error:
        return {"require": gate.text, "table": data["name"], "met": None, "text": f"{error.what}: {error.fix}"}
    return {"require": gate.text, "table": data["name"], "met": outcome.met, "text": outcome.text}


def _entry(score: Score) -> dict[str, Any]:
    """A score as JSON, with what follows from its figures."""
    ends = score.skill_interval or (None, None)
    given = {k: v for k, v in asdict(score).items() if k != "zero_interval"}
    return given | {"skill": score.skill, "skill_low": ends[0], "skill_high": ends[1], "detectable": score.detectable}


def _looked_at(sources: Mapping[str, Source], rng: np.random.Generator) -> tuple[dict[str, pa.Table], list[str]]:
    """The rows that the report looks at, a random sample of a table with more than can be held, and what to say of how they were read."""
    tables, notes = {}, []
    for role, source in sources.items():
        told = () if role.startswith("draw ") else source.notes
        notes += [f"The {role} table: {note}." for note in told if role == "real" or note not in sources["real"].notes]
        most = min(MOST_ROWS, max(FEWEST_ROWS, MOST_CELLS // max(1, len(source.schema.table.columns))))
        if source.rows > most:
            notes.append(
                f"The {role} table has {source.rows:,} rows, of which {most:,}, drawn at random, were looked at"
                + (": copies of the others were not searched for." if role == "real" else ".")
            )
            source = source.take(np.sort(rng.choice(source.rows, most, replace=False)))
        tables[role] = source.table()
    return tables, notes


def _common(columns: tuple[Column, ...], tables: Mapping[str, pa.Table], unlike: set[str]) -> tuple[list[Column], list[str]]:
    """Columns that all tables have, and what to say of the others but for `unlike`, which is told already."""
    notes = []
    for role, table in tables.items():
        if not table.num_rows:
            raise DataError(f"the {role} table has no rows", where="report", fix="give a table with rows")
        lost = [c.name for c in columns if c.name not in table.column_names and c.name not in unlike]
        more = [n for n in table.column_names if n not in {c.name for c in columns}]
        if lost:
            notes.append(f"The {role} table lacks {describe.listed(lost)}: not compared.")
        if more:
            notes.append(f"The {role} table has {describe.listed(more)}, which the real table has not: not compared.")
    kept = [c for c in columns if all(c.name in t.column_names for t in tables.values())]
    if not kept:
        seen = "; ".join(f"{role}: {describe.listed(t.column_names)}" for role, t in tables.items())
        raise DataError(
            f"the tables have no column in common ({seen})", where="report", fix="compare a table with its own synthetic version"
        )
    return kept, notes


def _warnings(frames: Mapping[str, frame.Frame]) -> list[str]:
    notes = [
        f"The {role} table has only {f.rows} row{'' if f.rows == 1 else 's'}: most figures say little."
        for role, f in frames.items()
        if f.rows < SMALL and not role.startswith("draw ")
    ]
    if "holdout" not in frames:
        notes.insert(
            0,
            "No holdout was given. The ceiling comes from two halves of the real table, and memorisation cannot be judged: keep real rows "
            "from the model and give them as the holdout.",
        )
    if not frames["real"].names:
        notes.append("All columns are keys, personal or empty: there is nothing to compare.")
    return notes


def _definitions(plan: Plan, raids: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each metric and each attack means."""
    found = []
    for name, module in measure.chosen(plan.effort, plan.metrics).items():
        about = module.ABOUT
        facts = {"area": about.area, "better": module.BETTER, "against": about.against}
        facts |= {"rows": about.rows, "control_rows": about.control_rows}
        found.append({"name": name, "kind": "metric", "title": about.title, "text": about.definition, "source": about.source} | facts)
    threats = {n: a.THREAT for n, a in chosen(plan.effort, plan.attacks).items()} | {BEST: THREAT}
    for name in dict.fromkeys(str(r["name"]) for r in raids):
        if name in threats:
            threat = threats[name]
            facts = {"area": "privacy", "better": "lower", "against": "train", "rows": threat.targets, "control_rows": threat.targets}
            found.append(
                {"name": name, "kind": "attack", "title": threat.title, "text": threat.definition, "source": threat.source} | facts
            )
    return found


def _plain(value: Any) -> Any:
    """JSON values only, floats to 6 digits."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    if isinstance(value, np.generic):
        return value.item()
    return value
