"""The verdict on linked tables and sequences in plain words, and what limits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lookalike.report import danger
from lookalike.report.integrity import violations
from lookalike.report.verdict import VAGUE, Said, alone, doubted, figure, in_order, say, told, tone, worse
from lookalike.report.views import Measured
from lookalike.score import Score

KINDS = {
    "table": "tables alone",
    "counts": "cardinality",
    "parent": "parents with their children",
    "link": "trends across links",
    "hop": "trends two links away",
    "steps": "steps",
    "features": "sequences",
    "windows": "windows of rows",
}
ALWAYS = (
    "Whoever analyses synthetic rows as if they were real gets intervals that are too narrow: the model's own error is not in them.",
    "No figure here proves privacy. Attacks give a lower bound of the risk; only a differential privacy guarantee gives an upper one.",
)


def verdict(
    out: Measured, raids: list[dict[str, Any]], checked: Mapping[str, Any], split: Mapping[str, Any], *, given: bool, subject: str,
    subjects: int,
) -> list[Said]:  # fmt: skip
    """Statements on keys, tables, links, parents and their children, sequences, and memory of whole subjects."""
    by = {s.name: s for s in out.scores}
    said = [
        _whole(checked),
        alone(by.get("shape"), "Single columns", "column shapes"),
        _paired(out, ("trend", "dependence"), "Pairs of columns in a table", "pair trends"),
        _worst(alone(by.get("cardinality"), "Children per parent", "cardinality"), out, ("cardinality",)),
        _paired(out, ("link_trend", "link_dependence"), "Pairs across a link", "trends across links"),
        _paired(out, ("hop_trend", "hop_dependence"), "Pairs two links away", "trends two links away"),
        told(by.get("c2st"), "A classifier's view of single tables"),
        told(by.get("c2st_agg"), "A classifier's view of parents with children"),
        *in_order(by),
        *_memory(by, raids, given=given, subject=subject, subjects=subjects),
    ]
    return doubted([s for s in said if s], split, few=False)


def _whole(checked: Mapping[str, Any]) -> Said:
    """The statement on keys and links."""
    title, total = "Keys and links", sum(len(part) for part in checked.values())
    broken = violations(checked)
    if not broken:
        return say("good", "fidelity", title, f"None of {total} keys and links is broken: the tables load with all constraints on.")
    worst = max((e for part in checked.values() for e in part), key=lambda e: e["broken"]["synthetic"])
    where = f"{worst['table']}.{'+'.join(worst['columns'])}"
    what = f"{broken:,} are broken, most of them {where} ({worst['broken']['synthetic']:,} of {worst['synthetic']['rows']:,})"
    return say("poor", "fidelity", title, f"{what}: a database that checks its constraints will not take these tables.")


WORD = {"fair": "Near", "poor": "Far from"}


def _paired(out: Measured, names: tuple[str, str], title: str, what: str) -> Said:
    """The worse of two figures, cells of two-way tables and dependence, and the views that are worst in either."""
    by = {s.name: s for s in out.scores}
    said, bond = alone(by.get(names[0]), title, what), by.get(names[1])
    if said and bond is not None and tone(bond) in WORD:
        _, _, cells = said["text"].partition(": ")
        pair = f"{figure(bond.value, bond.unit)} where fresh real rows have {figure(bond.ceiling, bond.unit)}"
        found = "poor" if "poor" in (tone(bond), said["tone"]) else "fair"
        said |= {"tone": found, "text": f"{WORD[found]} real rows: dependence is off by {pair}. Cells of two-way tables: {cells}"}
    return _worst(said, out, names)


def _worst(said: Said, out: Measured, names: tuple[str, ...]) -> Said:
    """The statement with the single links or tables that are off: the mean over many can be good where one is lost."""
    off = [(place, s) for (_, place), found in out.by_view.items() for s in found if s.name in names and tone(s) in WORD]
    if not said or not off:
        return said
    off.sort(key=lambda f: f[1].skill if f[1].skill is not None else 0.0)
    named = {place: f"{place} ({figure(s.value, s.unit)}, real rows {figure(s.ceiling, s.unit)})" for place, s in reversed(off)}
    parts = list(reversed(named.values()))
    text = ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
    if said["tone"] not in WORD:
        found = "poor" if any(tone(s) == "poor" for _, s in off) else "fair"
        _, _, mean = said["text"].partition(": ")
        return said | {"tone": found, "text": f"Off at {text}. On the whole: {mean}"}
    found = "poor" if any(tone(s) == "poor" for _, s in off) else said["tone"]
    return said | {"tone": found, "text": f"{said['text'].replace(WORD['fair'], WORD[found], 1)} Off at {text}."}


def _memory(by: Mapping[str, Score], raids: list[dict[str, Any]], *, given: bool, subject: str, subjects: int) -> list[Said]:
    """Statements on whole subjects: copies, nearness and attacks."""
    if not given:
        text = "Cannot be judged without a holdout: keep some real subjects from the model and give them to the report."
        return [say("open", "privacy", "Memory of whole subjects", text)]
    copies, near = by.get("exact_copies"), by.get("dcr_share")
    out = []
    if copies is not None and copies.value is not None and copies.ceiling is not None and copies.low is not None:
        pair = f"{copies.value:.2f} % of the synthetic rows of {subject!r} with all that hangs on them equal a training one, "
        pair += f"{copies.ceiling:.2f} % of fresh real ones do"
        upper = copies.ceiling_interval[1] if copies.ceiling_interval else copies.ceiling
        out.append(say("good" if copies.low <= upper else "poor", "privacy", "Copied subjects", f"{pair}."))
    if near is not None and near.value is not None and near.low is not None and near.high is not None and near.high - near.low <= VAGUE:
        text = (
            f"{100 * near.value:.1f} % of the synthetic subjects lie nearer to a training subject than to a held-out one; 50 % means that "
        )
        tones = "good" if not worse(near) or near.value <= 0.51 else "fair" if near.value <= 0.54 else "poor"
        out.append(say(tones, "privacy", "Memory of whole subjects", text + "no trace is left. This finds copying, not every leak."))
    elif near is not None:
        out.append(say("open", "privacy", "Memory of whole subjects", f"Cannot be judged: {near.note or 'too few subjects'}."))
    if not raids:
        text = f"None was made: {subjects:,} rows of {subject!r} in the training part are too few."
        return [*out, say("open", "privacy", "Attacks on whole subjects", text)]
    return [
        *out,
        *({**s, "title": s["title"].replace("Attacks", "Attacks on whole subjects")} for s in danger.attacked(raids, given=given)),
    ]


def limited(out: Measured, facts: Mapping[str, Any], *, given: bool, subject: str) -> list[str]:
    """Sentences on what limits the verdict, the gravest first."""
    said = []
    if facts["split"]["tone"] == "poor":
        said.append("The holdout is not what it must be, and every comparison with it is in doubt: see the first statement.")
    if not given:
        said.append("There is no holdout. Ceilings come from two halves of the real rows; copies, nearness and attacks cannot be judged.")
    skipped = "; ".join(f"{KINDS[kind]} ({_listed(names)})" for kind, names in out.skipped.items() if kind in KINDS)
    if skipped:
        said.append(f"Too few rows, or no columns to compare: {skipped}.")
    said.append(
        f"Rows that hang on one row of {subject!r} are no independent draws: intervals are those of drawing other such rows, and single "
        "columns and pairs are not tested one by one where rows hang together."
    )
    if facts["effort"] == "quick":
        said.append("A quick report leaves out the dearer attacks.")
    return [*said, *ALWAYS]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
